//! Frozen memtables into tables of level 0, installed oldest first whoever finishes first.

use bytes::Bytes;
use std::sync::Arc;

use compaction_core::{CompactionStrategy, Event};

use crate::clock::Stopwatch;
use crate::engine::health::Careful;
use crate::engine::output::{NewTable, Output, OutputOptions};
use crate::engine::{Engine, Flush, Memory, Tree};
use crate::error::{Error, Result};
use crate::fs::{FileName, Purpose};
use crate::iter::Keep;
use crate::manifest::{AddRun, Edit, Place};
use crate::memtable::Memtable;
use crate::report::What;
use crate::sync::lock;
use crate::types::FileId;

impl Engine {
    /// The guard keys above `min` at which a flush is to be cut: none while threads flush and merge side by side. Each flush
    /// would make a table for every slot, and runs then pile up by the thousand, faster than they are merged.
    fn flush_guards(&self, min: &Bytes) -> Vec<Bytes> {
        if self.options.seed.is_some() { self.tree().cuts_above(min) } else { Vec::new() }
    }

    /// Flushes one frozen memtable that nobody else is flushing. False if there is none.
    pub(super) fn flush_one(&self) -> Result<bool> {
        let _careful = Careful::new(self);
        let Some(memtable) = self.claim() else { return Ok(false) };
        let watch = Stopwatch::start();
        let span = tracing::info_span!("flush", bytes = memtable.bytes());
        match span.in_scope(|| self.build(&memtable)) {
            Ok(tables) => self.mark(&memtable, Flush::Built { tables, micros: watch.micros() }),
            Err(error) => {
                self.mark(&memtable, Flush::Waiting);
                return Err(error);
            }
        }
        let installed = self.install_built();
        self.bell.ring();
        installed?;
        Ok(true)
    }

    fn claim(&self) -> Option<Arc<Memtable>> {
        let mut memory = lock(&self.memory);
        let frozen = memory.frozen.iter_mut().find(|frozen| matches!(frozen.flush, Flush::Waiting))?;
        frozen.flush = Flush::Building;
        Some(Arc::clone(&frozen.memtable))
    }

    fn mark(&self, memtable: &Arc<Memtable>, flush: Flush) {
        let mut memory = lock(&self.memory);
        if let Some(frozen) = memory.frozen.iter_mut().find(|frozen| Arc::ptr_eq(&frozen.memtable, memtable)) {
            frozen.flush = flush;
        }
    }

    fn build(&self, memtable: &Memtable) -> Result<Vec<NewTable>> {
        let now_ms = self.clock.now_ms();
        let options = OutputOptions {
            table: self.options.table_options(),
            purpose: Purpose::Flush,
            bytes_max: self.options.table_bytes,
            cuts: memtable.entries().next().map_or_else(Vec::new, |first| self.flush_guards(&first.key)),
            newest_ms: now_ms,
            oldest_tombstone_ms: now_ms,
        };
        let mut output = Output::new(&self.files, options);
        let mut keep = Keep::new(self.snapshots.list(), false);
        for entry in memtable.entries() {
            if keep.keeps(&entry) {
                output.add(&entry)?;
            }
        }
        output.finish()
    }

    /// Installs the tables of all memtables at the old end of the list that are built.
    fn install_built(&self) -> Result<()> {
        loop {
            let mut tree = self.tree();
            let built = take_built(&mut lock(&self.memory), self.view.load().active.first_log());
            let Some(built) = built else { break };
            let memtable = Arc::clone(&built.memtable);
            if let Err(error) = self.install_flush(&mut tree, built) {
                self.mark(&memtable, Flush::Waiting);
                return Err(error);
            }
        }
        self.settle_if_due()
    }

    fn install_flush(&self, tree: &mut Tree, built: Built) -> Result<()> {
        let tables: Vec<_> = built.tables.iter().map(|table| table.meta.clone()).collect();
        let edit = Edit {
            added: Some(AddRun { place: Place::Newest { level: 0 }, tables: tables.clone() }),
            log_floor: Some(built.log_floor),
            last_seqno: Some(built.memtable.newest_seqno()),
            ..Edit::default()
        };
        let staged = self.health.check().and_then(|()| tree.stage(self, edit));
        let runs = staged.and_then(|()| tree.flushed(&self.files, &tables)).map_err(|error| {
            tables.iter().for_each(|table| self.files.remove(FileName::Table(table.id)));
            self.health.fail(error)
        })?;
        tree.unsettled.flushed(built.tables, built.memtable.bytes());
        tree.unsettled.log_floor = built.log_floor;
        self.show(runs, true);
        let bytes = tables.iter().map(|table| table.bytes).sum();
        let now_ms = self.clock.now_ms();
        let version = tree.buf.view();
        tree.strategy.observe(&Event::Flushed { version, now_ms, bytes });
        self.counters.flushed(bytes);
        self.report(tree, now_ms, What::Flushed { bytes, micros: built.micros });
        self.note_debt(tree);
        Ok(())
    }
}

/// A memtable whose tables are written.
struct Built {
    memtable: Arc<Memtable>,
    tables: Vec<NewTable>,
    micros: u64,
    /// The first log segment that is still needed once they are durable.
    log_floor: FileId,
}

fn take_built(memory: &mut Memory, active_log: FileId) -> Option<Built> {
    let log_floor = memory.frozen.get(1).map_or(active_log, |next| next.memtable.first_log());
    let oldest = memory.frozen.first_mut()?;
    let memtable = Arc::clone(&oldest.memtable);
    match std::mem::replace(&mut oldest.flush, Flush::Building) {
        Flush::Built { tables, micros } => Some(Built { memtable, tables, micros, log_floor }),
        other => {
            oldest.flush = other;
            None
        }
    }
}

/// What a failure of flushed tables means, said once for both kinds of background work.
pub(super) fn lawful<T>(result: Result<T, impl std::fmt::Display>) -> Result<T> {
    result.map_err(|law| Error::law(law.to_string()))
}
