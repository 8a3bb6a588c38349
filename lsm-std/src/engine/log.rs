//! The commit sink: groups of batches into the log, then into the memtable, then visible.

use std::sync::Arc;

use bytes::Bytes;

use crate::batch::Ops;
use crate::commit::{Committer, Sink};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::memtable::Memtable;
use crate::options::SyncPolicy;
use crate::sync::{Ordering, lock};
use crate::types::SeqNo;
use crate::wal::WalWriter;

/// Writes groups to the log. One leader at a time has it.
#[derive(Debug)]
pub(crate) struct LogSink {
    engine: Arc<Engine>,
    wal: WalWriter,
    active: Arc<Memtable>,
    next_seqno: SeqNo,
    /// Full segments that no sync has reached yet.
    retired: Vec<WalWriter>,
    /// The names of new segments may be lost in a power cut.
    names_unsynced: bool,
}

impl LogSink {
    /// A sink that appends to `wal` and to the engine's active memtable.
    pub(crate) fn new(engine: Arc<Engine>, wal: WalWriter) -> Self {
        let active = Arc::clone(&engine.view.load().active);
        let next_seqno = engine.visible.load(Ordering::Acquire) + 1;
        Self { engine, wal, active, next_seqno, retired: Vec::new(), names_unsynced: true }
    }

    /// Freezes the active memtable, if it holds anything, and starts a new one with a segment of its own.
    pub(crate) fn rotate(&mut self) -> Result<()> {
        if self.active.is_empty() {
            return Ok(());
        }
        let fail = |error| self.engine.health.fail(error);
        let wal = new_segment(&self.engine, self.engine.options.sync).map_err(fail)?;
        let fresh = Arc::new(Memtable::new(wal.id()));
        let old = std::mem::replace(&mut self.wal, wal);
        self.names_unsynced = true;
        if self.engine.options.sync != SyncPolicy::Always {
            let needed = lock(&self.engine.logs).clone();
            self.retired.retain(|segment| needed.contains(&segment.id()));
            self.retired.push(old);
        }
        self.active = Arc::clone(&fresh);
        self.engine.freeze(fresh);
        Ok(())
    }

    /// The full segments that are still needed and not synced yet, oldest first.
    fn take_retired(&mut self) -> Vec<WalWriter> {
        let needed = lock(&self.engine.logs).clone();
        self.retired.drain(..).filter(|segment| needed.contains(&segment.id())).collect()
    }

    /// Syncs the segment in use, and the names of all.
    fn sync(&mut self) -> Result<()> {
        if self.wal.needs_sync() {
            self.wal.sync()?;
        }
        if std::mem::take(&mut self.names_unsynced) {
            self.engine.files.fs.sync_dir(&self.engine.files.dir)?;
        }
        Ok(())
    }

    fn append(&mut self, group: Vec<Bytes>) -> Result<()> {
        let law = |error: crate::codec::Malformed| Error::law(format!("encoded batch: {}", error.what));
        let mut seqno = self.next_seqno;
        let mut records = Vec::with_capacity(group.len());
        let mut batches = Vec::with_capacity(group.len());
        for batch in &group {
            records.push((seqno, &batch[..]));
            let ops = Ops::new(batch.clone()).map_err(law)?;
            seqno += u64::from(ops.left());
            batches.push(ops);
        }
        self.wal.append_group(records)?;
        if self.engine.options.sync == SyncPolicy::Always {
            self.wal.sync()?;
        }
        for op in batches.into_iter().flatten() {
            self.active.insert(op.map_err(law)?, self.next_seqno);
            self.next_seqno += 1;
        }
        self.engine.visible.store(self.next_seqno - 1, Ordering::Release);
        Ok(())
    }
}

impl Sink<Bytes> for LogSink {
    type Error = Error;

    fn commit(&mut self, group: Vec<Bytes>) -> Result<()> {
        self.engine.health.check()?;
        let options = &self.engine.options;
        if self.active.bytes() >= options.memtable_bytes && self.engine.frozen() < options.frozen_memtables_max {
            self.rotate()?;
        }
        for _ in &group {
            self.engine.clock.batch_written();
        }
        self.append(group).map_err(|error| self.engine.health.fail(error))
    }
}

impl Engine {
    /// Makes every batch so far survive a power cut, those of settled memtables by their tables.
    ///
    /// Full segments are synced while writers go on; the one in use holds them up for one sync.
    pub(crate) fn sync_log(&self, committer: &Committer<Bytes, LogSink>) -> Result<()> {
        let _turn = lock(&self.syncing);
        let sync = || {
            let retired = committer.sink().take_retired();
            for mut segment in retired {
                segment.sync()?;
            }
            committer.sink().sync()
        };
        sync().map_err(|error| self.health.fail(error))
    }
}

/// A new log segment, durable by name if the policy needs that.
pub(super) fn new_segment(engine: &Engine, policy: SyncPolicy) -> Result<WalWriter> {
    let files = &engine.files;
    let mut wal = WalWriter::create(&*files.fs, &files.dir, files.new_id())?;
    lock(&engine.logs).insert(wal.id());
    if policy == SyncPolicy::Always {
        wal.sync()?;
        files.fs.sync_dir(&files.dir)?;
    }
    Ok(wal)
}
