//! Maintenance: flush, rest, figures.

use std::ops::RangeBounds;
use std::time::Duration;

use compaction_core::CompactionStrategy;

use crate::db::Db;
use crate::error::Result;
use crate::fs::Purpose;
use crate::iter::Bounds;
use crate::report::shape;
use crate::stats::Stats;
use crate::sync::{Ordering, lock};
use crate::types::TableMeta;

impl Db {
    /// Writes everything written so far into tables. Returns when they are durable.
    ///
    /// # Errors
    /// What keeps them from being written: a full disk, say, or [`Error::ReadOnly`](crate::Error::ReadOnly).
    pub fn flush(&self) -> Result<()> {
        self.engine.health.check()?;
        self.committer.sink().rotate(true)?;
        let newest = self.engine.view.load().frozen.last().map(|memtable| memtable.newest_seqno());
        let Some(newest) = newest else { return self.engine.settle() };
        let left = || self.engine.view.load().frozen.first().is_some_and(|oldest| oldest.newest_seqno() <= newest);
        self.engine.wait_until(|| Ok(!left()))?;
        self.engine.settle()
    }

    /// Merges all tables that hold keys of `range`, until each of those keys lies in one run, without old versions and deletes
    /// but for what open snapshots see. Flushes first; returns when done. No other merge starts meanwhile. Reads and writes all
    /// of these tables, also those that hold nothing superfluous.
    ///
    /// # Errors
    /// What keeps the merge from being done.
    pub fn compact_range<K: AsRef<[u8]>>(&self, range: impl RangeBounds<K>) -> Result<()> {
        let bounds = Bounds::of(&range);
        if bounds.is_empty() {
            return Ok(());
        }
        self.flush()?;
        self.engine.compact_range(&bounds)?;
        self.engine.settle()
    }

    /// As [`compact_range`](Self::compact_range), for all keys.
    ///
    /// # Errors
    /// As [`compact_range`](Self::compact_range).
    pub fn compact_all(&self) -> Result<()> {
        self.flush()?;
        self.engine.compact_range(&Bounds::all())?;
        self.engine.settle()
    }

    /// Waits until no memtable waits to be flushed, no job runs, and the strategy wants none, and what is
    /// in tables is durable. Does not flush the active memtable.
    ///
    /// # Errors
    /// What keeps the background work from getting on.
    pub fn wait_idle(&self) -> Result<()> {
        let engine = &self.engine;
        engine
            .wait_until(|| if engine.is_at_rest() { Ok(true) } else { engine.health.merges.check().map(|()| false) })?;
        self.engine.settle()
    }

    /// Makes every write so far survive a power cut, whatever the sync policy. One sync.
    ///
    /// # Errors
    /// [`Error::ReadOnly`](crate::Error::ReadOnly) if the sync fails: the store takes no more writes.
    pub fn sync(&self) -> Result<()> {
        self.engine.health.check()?;
        self.engine.sync_log(&self.committer)
    }

    /// The runs, oldest first: the level of each, and its tables by key. O(tables).
    pub fn runs(&self) -> Vec<(u8, Vec<TableMeta>)> {
        let tree = self.engine.tree();
        tree.manifest_state().runs.iter().map(|run| (run.level, run.tables.clone())).collect()
    }

    /// Figures of the store. O(runs).
    pub fn stats(&self) -> Stats {
        let engine = &self.engine;
        let (strategy, levels, jobs_running, debt_bytes) = {
            let tree = engine.tree();
            let version = tree.buf.view();
            (tree.strategy.name(), shape(&version), version.running().len(), tree.strategy.debt_bytes(&version))
        };
        let view = engine.view.load();
        let counters = &engine.counters;
        let count = |counter: &crate::sync::AtomicU64| counter.load(Ordering::Relaxed);
        Stats {
            strategy,
            levels,
            last_seqno: engine.visible.load(Ordering::Acquire),
            oldest_snapshot: engine.snapshots.oldest(),
            memtable_bytes: view.active.bytes() + view.frozen.iter().map(|memtable| memtable.bytes()).sum::<u64>(),
            frozen_memtables: view.frozen.len(),
            jobs_running,
            debt_bytes,
            user_bytes: count(&counters.user_bytes),
            batches: count(&counters.batches),
            flushes: count(&counters.flushes),
            gets: count(&counters.gets),
            scans: count(&counters.scans),
            jobs: lock(&counters.jobs).clone(),
            jobs_aborted: count(&counters.aborted),
            slowed: Duration::from_nanos(count(&counters.slowed_nanos)),
            stops: count(&counters.stops),
            cache: engine.files.cache.stats(),
            io: Purpose::ALL.iter().map(|purpose| (*purpose, engine.counting.counts().of(*purpose))).collect(),
            background_error: engine
                .health
                .flushes
                .check()
                .and_then(|()| engine.health.merges.check())
                .err()
                .map(|error| error.to_string()),
        }
    }
}
