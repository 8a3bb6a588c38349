//! The commit sink: groups of batches into the log, then into the memtable, then visible.

use std::sync::Arc;

use crate::batch::{Batch, Ops};
use crate::commit::{Committer, Sink};
use crate::engine::Engine;
use crate::engine::health::{Careful, panicked};
use crate::error::{Error, Result};
use crate::fs::FileName;
use crate::memtable::Memtable;
use crate::options::{Options, SyncPolicy};
use crate::sync::{Ordering, lock};
use crate::types::SeqNo;
use crate::wal::{Room, WalWriter};

/// The log is mapped in pieces of no more than so many bytes: it takes a while to give one back.
const MAPPED_BYTES_MAX: u64 = 1 << 20;

/// Writes groups to the log. One leader at a time has it.
#[derive(Debug)]
pub(crate) struct LogSink {
    engine: Arc<Engine>,
    /// The segment in use. None before the first write to a store that has no log.
    wal: Option<WalWriter>,
    active: Arc<Memtable>,
    next_seqno: SeqNo,
    /// Full segments that no sync has reached yet.
    retired: Vec<WalWriter>,
    /// When the log was last synced for its age, without threads that would do it.
    synced_ms: u64,
}

impl LogSink {
    /// A sink that appends to `wal` and to the engine's active memtable.
    pub(crate) fn new(engine: Arc<Engine>, wal: Option<WalWriter>) -> Self {
        let active = Arc::clone(&engine.view.load().active);
        let next_seqno = engine.visible.load(Ordering::Acquire) + 1;
        let synced_ms = engine.clock.now_ms();
        Self { engine, wal, active, next_seqno, retired: Vec::new(), synced_ms }
    }

    /// Freezes the active memtable, if it holds anything, and starts a new one; in a new segment if the one in use is full, or
    /// if `fresh_segment`.
    pub(crate) fn rotate(&mut self, fresh_segment: bool) -> Result<()> {
        if self.active.is_empty() {
            return Ok(());
        }
        let full = |wal: &WalWriter| wal.len() >= self.engine.options.log_segment_bytes;
        if fresh_segment || self.wal.as_ref().is_none_or(full) {
            self.next_segment().or_else(|error| match &self.wal {
                // No room for a new segment: the old one goes on.
                Some(_) if error.is_no_space() => Ok(()),
                _ => Err(self.engine.health.fail(error)),
            })?;
        }
        self.freeze();
        Ok(())
    }

    /// Freezes the active memtable, if it holds anything, within the segment in use.
    pub(super) fn freeze(&mut self) {
        if !self.active.is_empty() {
            self.active = self.engine.new_memtable(self.wal.as_ref().map_or(0, WalWriter::id));
            self.engine.freeze(Arc::clone(&self.active));
        }
    }

    /// Makes a new segment, seals the one in use, and goes on in the new one.
    ///
    /// # Errors
    /// A full disk leaves the one in use as it was. After any other failure the store is read-only.
    fn next_segment(&mut self) -> Result<()> {
        let engine = Arc::clone(&self.engine);
        let fail = |error| engine.health.fail(error);
        let fresh = new_segment(&engine)?;
        engine.files.fs.sync_dir(&engine.files.dir).map_err(fail)?;
        if let Err(error) = self.wal.as_mut().map_or(Ok(()), |old| appended(&engine, old, |old| old.seal(fresh.id()))) {
            // Only a seal that was cut off again names no segment: any other may be read back.
            if error.is_no_space() {
                lock(&engine.logs).remove(&fresh.id());
                engine.files.remove(FileName::Log(fresh.id()));
            }
            return Err(error);
        }
        let Some(mut old) = self.wal.replace(fresh) else { return Ok(()) };
        if engine.options.sync == SyncPolicy::Always {
            return old.sync().map_err(fail);
        }
        let needed = lock(&self.engine.logs).clone();
        self.retired.retain(|segment| needed.contains(&segment.id()));
        self.retired.push(old);
        Ok(())
    }

    /// Starts the log of a store that has none: the manifest names its first segment before anything is written to it.
    fn begin(&mut self) -> Result<()> {
        let wal = new_segment(&self.engine)?;
        self.engine.name_log(wal.id())?;
        self.active = self.engine.new_memtable(wal.id());
        self.engine.replace_active(Arc::clone(&self.active));
        self.wal = Some(wal);
        Ok(())
    }

    /// The full segments that are still needed and not synced yet, oldest first.
    fn take_retired(&mut self) -> Vec<WalWriter> {
        let needed = lock(&self.engine.logs).clone();
        self.retired.drain(..).filter(|segment| needed.contains(&segment.id())).collect()
    }

    /// Syncs the segment in use, after those that became full since the last look.
    pub(super) fn sync(&mut self) -> Result<()> {
        for mut segment in self.take_retired() {
            segment.sync()?;
        }
        match &mut self.wal {
            Some(wal) if wal.needs_sync() => wal.sync(),
            _ => Ok(()),
        }
    }

    /// Syncs the log once the interval of the policy has passed by the store's clock, if no thread does it.
    fn sync_if_due(&mut self) -> Result<()> {
        let engine = Arc::clone(&self.engine);
        if let (SyncPolicy::Interval(interval), Some(_)) = (engine.options.sync, engine.options.seed) {
            let now_ms = engine.clock.now_ms();
            if u128::from(now_ms.saturating_sub(self.synced_ms)) >= interval.as_millis() {
                self.synced_ms = now_ms;
                self.sync().map_err(|error| engine.health.fail(error))?;
            }
        }
        Ok(())
    }

    fn append(&mut self, group: &[Batch]) -> Result<()> {
        if self.wal.is_none() {
            self.begin()?;
        }
        let wal = self.wal.as_mut().ok_or_else(|| Error::law("a write before the log has begun"))?;
        let records = group.iter().scan(self.next_seqno, |next, batch| {
            let first = *next;
            *next += batch.len() as u64;
            Some((first, batch.encoded()))
        });
        appended(&self.engine, wal, |wal| wal.append_group(records).map(drop))?;
        if self.engine.options.sync == SyncPolicy::Always {
            wal.sync().map_err(|error| self.engine.health.fail(error))?;
        }
        let law = |error: crate::codec::Malformed| Error::law(format!("encoded batch: {}", error.what));
        for batch in group {
            for op in Ops::new(batch.encoded()).map_err(law)? {
                self.active.insert(&op.map_err(law)?, self.next_seqno);
                self.next_seqno += 1;
            }
        }
        self.engine.visible.store(self.next_seqno - 1, Ordering::Release);
        Ok(())
    }
}

impl Sink<Batch> for LogSink {
    type Error = Error;

    fn panicked() -> Error {
        panicked()
    }

    fn is_passing(error: &Error) -> bool {
        error.is_no_space()
    }

    fn commit(&mut self, group: &[Batch]) -> Result<()> {
        let engine = Arc::clone(&self.engine);
        let _careful = Careful::new(&engine);
        engine.health.check()?;
        let options = &self.engine.options;
        if self.active.bytes() >= options.memtable_bytes && self.engine.frozen() < options.frozen_memtables_max {
            self.rotate(false)?;
        }
        for _ in group {
            self.engine.clock.batch_written();
        }
        self.sync_if_due()?;
        self.append(group).map_err(|error| if error.is_no_space() { error } else { self.engine.health.fail(error) })
    }
}

impl Engine {
    /// Makes every batch so far survive a power cut, those of settled memtables by their tables.
    ///
    /// Full segments are synced while writers go on; the one in use holds them up for one sync.
    pub(crate) fn sync_log(&self, committer: &Committer<Batch, LogSink>) -> Result<()> {
        let _turn = lock(&self.syncing);
        // A sync that failed meanwhile must not be tried again: the system would say that all is well.
        self.health.check()?;
        let retired = committer.sink().take_retired();
        for mut segment in retired {
            segment.sync().map_err(|error| self.health.fail(error))?;
        }
        let mut sink = committer.sink();
        self.health.check()?;
        sink.sync().map_err(|error| self.health.fail(error))
    }
}

/// Appends to `wal`. What an append that fails for want of room leaves behind is cut off again, so that the segment is as before.
///
/// # Errors
/// Want of room; after any other failure the store is read-only.
fn appended(engine: &Engine, wal: &mut WalWriter, append: impl FnOnce(&mut WalWriter) -> Result<()>) -> Result<()> {
    let end = wal.len();
    append(wal).map_err(|error| match wal.take_back(&*engine.files.fs, end) {
        Ok(()) if error.is_no_space() => error,
        _ => engine.health.fail(error),
    })
}

/// How a segment is made longer than it is filled. What is mapped at once is little beside what a memtable or a segment takes.
fn room(options: &Options) -> Room {
    let segment = options.log_segment_bytes;
    match options.sync {
        _ if segment == 0 => Room::None,
        // A sync of each write costs a quarter less where it need not make a new length durable.
        SyncPolicy::Always => Room::Zeros(segment),
        _ if options.mapped_log => Room::Mapped(segment.min(options.memtable_bytes / 4).min(MAPPED_BYTES_MAX)),
        _ => Room::None,
    }
}

/// A new log segment. Its name is not durable yet.
fn new_segment(engine: &Engine) -> Result<WalWriter> {
    let files = &engine.files;
    let id = files.new_id();
    let wal = WalWriter::create(&*files.fs, &files.dir, id, room(&engine.options));
    let mut wal = wal.inspect_err(|_| files.remove(FileName::Log(id)))?;
    lock(&engine.logs).insert(wal.id());
    if engine.options.sync == SyncPolicy::Always {
        // From its first record on it can say that all segments before it are synced.
        wal.sync().map_err(|error| engine.health.fail(error))?;
    }
    Ok(wal)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::engine::recover;
    use crate::fs::MemFs;

    fn batch(key: &[u8]) -> Batch {
        let mut batch = Batch::new();
        batch.put(key, b"1");
        batch.end().unwrap()
    }

    /// Commits these groups one after another, each `skipped` numbers behind the last, and dies. Answers with what is read back.
    fn read_back(groups: &[&[Batch]], skipped: u64) -> Result<(u64, usize)> {
        let fs = MemFs::new();
        let options = || Options::new().fs(Arc::new(fs.clone())).deterministic(1);
        let (engine, wal) = recover(options(), Path::new("store")).unwrap();
        let mut sink = LogSink::new(engine, wal);
        for group in groups {
            sink.commit(group).unwrap();
            sink.next_seqno += skipped;
        }
        drop(sink);
        let db = options().open("store")?;
        Ok((db.recovery().batches, db.iter().count()))
    }

    #[test]
    fn every_batch_of_a_group_is_in_the_log() {
        let [a, b, c, d] = [b"a", b"b", b"c", b"d"].map(|key| batch(key));
        assert_eq!(read_back(&[&[a], &[b, c, d]], 0).unwrap(), (4, 4));
    }

    #[test]
    fn a_log_that_lacks_a_write_between_two_others_is_damaged() {
        let error = read_back(&[&[batch(b"a")], &[batch(b"b")]], 1).unwrap_err();
        assert!(matches!(error, Error::Corrupt { .. }), "{error}");
        assert!(error.to_string().contains("batch 3 follows batch 1: writes are missing"), "{error}");
    }
}
