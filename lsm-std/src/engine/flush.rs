//! Frozen memtables into tables of level 0, installed oldest first whoever finishes first.

use std::sync::Arc;

use compaction_core::{CompactionStrategy, Event};

use crate::clock::Stopwatch;
use crate::engine::output::{Output, OutputOptions};
use crate::engine::{Engine, Flush, Memory, Tree};
use crate::error::{Error, Result};
use crate::fs::{FileName, Purpose};
use crate::iter::Keep;
use crate::manifest::{AddRun, Edit, Place};
use crate::memtable::Memtable;
use crate::report::What;
use crate::sync::lock;
use crate::types::{FileId, TableMeta};

impl Engine {
    /// Flushes one frozen memtable that nobody else is flushing. False if there is none.
    pub(super) fn flush_one(&self) -> Result<bool> {
        let Some(memtable) = self.claim() else { return Ok(false) };
        let watch = Stopwatch::start();
        let span = tracing::info_span!("flush", bytes = memtable.bytes());
        let built = span.in_scope(|| self.build(&memtable));
        let flush = match &built {
            Ok(tables) => Flush::Built { tables: tables.clone(), micros: watch.micros() },
            Err(_) => Flush::Waiting,
        };
        self.mark(&memtable, flush);
        built?;
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

    fn build(&self, memtable: &Memtable) -> Result<Vec<TableMeta>> {
        let now_ms = self.clock.now_ms();
        let options = OutputOptions {
            table: self.options.table_options(),
            purpose: Purpose::Flush,
            bytes_max: self.options.table_bytes,
            cuts: Vec::new(),
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
        let mut tree = self.tree();
        loop {
            let built = next_built(&lock(&self.memory), self.view.load().active.first_log());
            let Some(built) = built else { return Ok(()) };
            if let Err(error) = self.install_flush(&mut tree, &built) {
                // Once the store is read-only, the edit may have reached the disk: its files must stay.
                if self.health.check().is_ok() {
                    built.tables.iter().for_each(|table| self.files.remove(FileName::Table(table.id)));
                }
                self.mark(&built.memtable, Flush::Waiting);
                return Err(error);
            }
        }
    }

    fn install_flush(&self, tree: &mut Tree, built: &Built) -> Result<()> {
        self.health.check()?;
        tree.append(
            self,
            Edit {
                added: Some(AddRun { place: Place::Newest { level: 0 }, tables: built.tables.clone() }),
                log_floor: Some(built.log_floor),
                last_seqno: Some(built.memtable.newest_seqno()),
                ..Edit::default()
            },
        )?;
        let runs = tree.flushed(&self.files, &built.tables).map_err(|error| self.health.fail(error))?;
        self.show(runs, true);
        self.remove_logs(built.memtable.first_log(), built.log_floor);
        let bytes = built.tables.iter().map(|table| table.bytes).sum();
        let now_ms = self.clock.now_ms();
        let version = tree.buf.view();
        tree.strategy.observe(&Event::Flushed { version, now_ms, bytes });
        self.counters.flushed(bytes);
        self.report(tree, now_ms, What::Flushed { bytes, micros: built.micros });
        self.note_debt(tree);
        Ok(())
    }

    /// Removes the log segments from `first` up to `floor`, which is the first that stays.
    fn remove_logs(&self, first: FileId, floor: FileId) {
        let mut logs = lock(&self.logs);
        let gone = logs.range(first..floor).copied().collect::<Vec<_>>();
        for id in gone {
            logs.remove(&id);
            self.files.remove(FileName::Log(id));
        }
    }
}

/// A memtable whose tables are written.
struct Built {
    memtable: Arc<Memtable>,
    tables: Vec<TableMeta>,
    micros: u64,
    /// The first log segment that is still needed once they are installed.
    log_floor: FileId,
}

fn next_built(memory: &Memory, active_log: FileId) -> Option<Built> {
    let oldest = memory.frozen.first()?;
    let Flush::Built { tables, micros } = &oldest.flush else { return None };
    let log_floor = memory.frozen.get(1).map_or(active_log, |next| next.memtable.first_log());
    Some(Built { memtable: Arc::clone(&oldest.memtable), tables: tables.clone(), micros: *micros, log_floor })
}

/// What a failure of flushed tables means, said once for both kinds of background work.
pub(super) fn lawful<T>(result: Result<T, impl std::fmt::Display>) -> Result<T> {
    result.map_err(|law| Error::law(law.to_string()))
}
