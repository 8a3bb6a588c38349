//! Frozen memtables into tables of level 0, installed oldest first whoever finishes first.
//!
//! Small memtables go several at once into one run: a file, its sync and an edit for each would cost more than what is in it. Those
//! that are frozen while a small flush is written wait for it, and are the next one together.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use compaction_core::{CompactionStrategy, Event};

use crate::clock::Stopwatch;
use crate::engine::health::Careful;
use crate::engine::output::{NewTable, Output, OutputOptions};
use crate::engine::{Engine, Flush, Frozen, Memory, Tree};
use crate::error::{Error, Result};
use crate::fs::{FileName, Purpose};
use crate::iter::{Cursor, Direction, Each, Keep, Merge, Step};
use crate::manifest::{AddRun, Edit, Place};
use crate::memtable::Memtable;
use crate::report::What;
use crate::sync::lock;
use crate::types::{FileId, SeqNo};

/// Memtables that wait are flushed together up to this many bytes.
const FLUSH_BYTES: u64 = 1 << 20;

/// With threads at work a flush is cut at the strategy's guards if it gives each piece so many bytes: with smaller ones
/// more time goes into files and jobs than is saved in bytes written.
const PIECE_BYTES_MIN: u64 = 256 << 10;

impl Engine {
    /// The guard keys above `min` at which a flush of `bytes` is to be cut: none where its tables would be too small.
    fn flush_guards(&self, min: &Bytes, bytes: u64) -> Vec<Bytes> {
        let cuts = self.tree().cuts_above(min);
        let piece_bytes = bytes / (cuts.len() as u64 + 1);
        if self.options.seed.is_some() || piece_bytes >= PIECE_BYTES_MIN { cuts } else { Vec::new() }
    }

    /// Flushes frozen memtables that nobody else is flushing: the oldest one, or with threads at work several small ones as one.
    /// False if there is none. A failure is noted.
    pub(crate) fn flush_one(&self) -> Result<bool> {
        let _careful = Careful::new(self);
        let group = self.claim();
        let Some(oldest) = group.first() else { return Ok(false) };
        let watch = Stopwatch::start();
        let bytes: u64 = group.iter().map(|memtable| memtable.bytes()).sum();
        let span = tracing::info_span!("flush", bytes, memtables = group.len());
        match span.in_scope(|| self.build(&group)) {
            Ok(tables) => self.mark(oldest, Flush::Built { tables, micros: watch.micros() }),
            Err(error) => {
                // Before another one may try it and succeed.
                self.health.trouble(&self.health.flushes, error.clone());
                self.give_back(oldest);
                return Err(error);
            }
        }
        // Not to be kept in memory while the tree settles.
        drop(group);
        let installed = self.install_built();
        self.pace.flushed(bytes, watch.micros());
        self.bell.ring();
        installed?;
        Ok(true)
    }

    /// The memtables of the next flush, oldest first.
    fn claim(&self) -> Vec<Arc<Memtable>> {
        let mut memory = lock(&self.memory);
        let bytes_max = if self.options.seed.is_some() { 0 } else { FLUSH_BYTES };
        let Some(group) = next_group(&memory.frozen, bytes_max) else { return Vec::new() };
        let claimed = memory.frozen.get_mut(group).unwrap_or(&mut []);
        if let Some((oldest, others)) = claimed.split_first_mut() {
            oldest.flush = Flush::Building;
            others.iter_mut().for_each(|other| other.flush = Flush::Joined);
        }
        claimed.iter().map(|frozen| Arc::clone(&frozen.memtable)).collect()
    }

    /// Notes how far the flush is whose oldest memtable is `oldest`.
    fn mark(&self, oldest: &Arc<Memtable>, flush: Flush) {
        let mut memory = lock(&self.memory);
        if let Some(frozen) = memory.frozen.iter_mut().find(|frozen| Arc::ptr_eq(&frozen.memtable, oldest)) {
            frozen.flush = flush;
        }
    }

    /// Gives up the flush whose oldest memtable is `oldest`: all of its memtables wait again.
    fn give_back(&self, oldest: &Arc<Memtable>) {
        let mut memory = lock(&self.memory);
        let from = memory.frozen.iter().position(|frozen| Arc::ptr_eq(&frozen.memtable, oldest));
        let Some(from) = from else { return };
        let count = group_len(memory.frozen.get(from..).unwrap_or(&[]));
        memory.frozen.iter_mut().skip(from).take(count).for_each(|frozen| frozen.flush = Flush::Waiting);
    }

    fn build(&self, group: &[Arc<Memtable>]) -> Result<Vec<NewTable>> {
        match group {
            [one] => self.write_tables(group, Each::of(one.entries())),
            many => {
                let sources = many.iter().map(|memtable| Each::of(memtable.entries())).collect();
                self.write_tables(group, Merge::new(sources, Direction::Forward))
            }
        }
    }

    fn write_tables(&self, group: &[Arc<Memtable>], mut entries: impl Cursor) -> Result<Vec<NewTable>> {
        let now_ms = self.clock.now_ms();
        let first = group.iter().filter_map(|memtable| memtable.entries().next()).map(|entry| entry.key).min();
        let bytes = group.iter().map(|memtable| memtable.bytes()).sum();
        let options = OutputOptions {
            table: self.options.table_options(),
            purpose: Purpose::Flush,
            bytes_max: self.options.table_bytes,
            cuts: first.map_or_else(Vec::new, |first| self.flush_guards(&first, bytes)),
            newest_ms: now_ms,
            oldest_tombstone_ms: now_ms,
        };
        let mut output = Output::new(&self.files, options);
        let mut keep = Keep::new(self.snapshots.list(), false);
        while entries.step()? != Step::End {
            let entry = entries.entry();
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
            let oldest = Arc::clone(&built.oldest);
            if let Err(error) = self.install_flush(&mut tree, built) {
                self.give_back(&oldest);
                return Err(error);
            }
        }
        // There is room for writers now, and perhaps more to flush, while the tree settles.
        self.bell.ring();
        self.settle_if_due().inspect_err(|error| self.health.trouble(&self.health.flushes, error.clone()))
    }

    fn install_flush(&self, tree: &mut Tree, built: Built) -> Result<()> {
        let tables: Vec<_> = built.tables.iter().map(|table| table.meta.clone()).collect();
        let edit = Edit {
            added: Some(AddRun { place: Place::Newest { level: 0 }, tables: tables.clone() }),
            log_floor: Some(built.log_floor),
            last_seqno: Some(built.newest_seqno),
            ..Edit::default()
        };
        let staged = self.health.check().and_then(|()| tree.stage(self, edit));
        staged.and_then(|()| tree.flushed(&self.files, &tables)).map_err(|error| {
            tables.iter().for_each(|table| self.files.remove(FileName::Table(table.id)));
            self.health.fail(error)
        })?;
        tree.unsettled.flushed(built.tables, built.memory_bytes);
        tree.unsettled.log_floor = built.log_floor;
        // Whoever sees that it is flushed sees no trouble of it any more.
        self.health.flushes.recovered();
        self.show(tree, built.memtables);
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

/// Memtables whose tables are written.
struct Built {
    oldest: Arc<Memtable>,
    memtables: usize,
    /// What the memtables take, in bytes.
    memory_bytes: u64,
    newest_seqno: SeqNo,
    tables: Vec<NewTable>,
    micros: u64,
    /// The first log segment that is still needed once they are durable.
    log_floor: FileId,
}

fn take_built(memory: &mut Memory, active_log: FileId) -> Option<Built> {
    let memtables = group_len(&memory.frozen);
    let log_floor = memory.frozen.get(memtables).map_or(active_log, |next| next.memtable.first_log());
    let newest_seqno = memory.frozen.get(memtables.checked_sub(1)?)?.memtable.newest_seqno();
    let memory_bytes: u64 = memory.frozen.iter().take(memtables).map(|frozen| frozen.memtable.bytes()).sum();
    let first = memory.frozen.first_mut()?;
    let oldest = Arc::clone(&first.memtable);
    match std::mem::replace(&mut first.flush, Flush::Building) {
        Flush::Built { tables, micros } => {
            Some(Built { oldest, memtables, memory_bytes, newest_seqno, tables, micros, log_floor })
        }
        other => {
            first.flush = other;
            None
        }
    }
}

/// How many memtables are in the flush that begins with the first of `frozen`.
fn group_len(frozen: &[Frozen]) -> usize {
    let joined = frozen.iter().skip(1).take_while(|frozen| matches!(frozen.flush, Flush::Joined)).count();
    frozen.len().min(1 + joined)
}

/// The memtables to be flushed next: the oldest that wait, in a row, until they hold `bytes_max`, but one at least. None while a
/// smaller flush than that would begin beside one that is being written.
fn next_group(frozen: &[Frozen], bytes_max: u64) -> Option<Range<usize>> {
    let is_waiting = |frozen: &Frozen| matches!(frozen.flush, Flush::Waiting);
    let first = frozen.iter().position(is_waiting)?;
    let (mut end, mut bytes) = (first, 0);
    for memtable in frozen.iter().skip(first).take_while(|frozen| is_waiting(frozen)).map(|frozen| &frozen.memtable) {
        (end, bytes) = (end + 1, bytes + memtable.bytes());
        if bytes >= bytes_max {
            return Some(first..end);
        }
    }
    let is_writing = frozen.iter().any(|frozen| matches!(frozen.flush, Flush::Building));
    (!is_writing).then_some(first..end)
}

/// What a failure of flushed tables means, said once for both kinds of background work.
pub(super) fn lawful<T>(result: Result<T, impl std::fmt::Display>) -> Result<T> {
    result.map_err(|law| Error::law(law.to_string()))
}
