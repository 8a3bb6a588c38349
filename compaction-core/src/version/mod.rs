//! The shape of a tree: two flat arrays, oldest data first.
//!
//! Tables of a run stand together, sorted by key; runs of the deepest level come first, the newest flush last. So the
//! whole LSM invariant is one sentence: *among overlapping tables, later is newer*.

mod check;
mod display;
#[cfg(feature = "alloc")]
mod index;
mod plan;
mod run;
mod span;
mod table;

use core::cmp::Ordering;
use core::ops::Range;

use crate::decision::{Job, Running};

pub use check::{TreeError, check};
#[cfg(feature = "alloc")]
pub use index::TableIndex;
pub(crate) use plan::output_bytes_max;
pub use plan::{Plan, Planned};
pub use run::Run;
pub use span::{Inputs, Span};
pub use table::{Table, Totals};

/// A tree as a strategy sees it: borrowed, lawful, and `Copy`.
///
/// Positions are indices: of a run in [`runs`](Self::runs), of a table in [`tables`](Self::tables). They hold for this
/// version only.
#[derive(Debug)]
pub struct Version<'a, K> {
    pub(crate) runs: &'a [Run],
    pub(crate) tables: &'a [Table<K>],
    pub(crate) running: &'a [Running],
    pub(crate) edit: u64,
}

impl<K> Clone for Version<'_, K> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K> Copy for Version<'_, K> {}

impl<'a, K> Version<'a, K> {
    /// The runs, oldest first.
    #[must_use]
    pub fn runs(&self) -> &'a [Run] {
        self.runs
    }

    /// The tables of all runs, run after run, oldest run first.
    #[must_use]
    pub fn tables(&self) -> &'a [Table<K>] {
        self.tables
    }

    /// The jobs that run at present.
    #[must_use]
    pub fn running(&self) -> &'a [Running] {
        self.running
    }

    /// How many edits made this version; a job is good for the version it was chosen from.
    #[must_use]
    pub fn edit(&self) -> u64 {
        self.edit
    }

    /// The tables of run `run`, by key; none when there is no such run.
    #[must_use]
    #[inline(never)]
    pub fn run_tables(&self, run: usize) -> &'a [Table<K>] {
        self.runs.get(run).and_then(|run| self.tables.get(run.first()..run.end())).unwrap_or(&[])
    }

    /// The positions of the runs of `level`, oldest first; an empty range at the right place when it has none. O(log runs).
    #[must_use]
    #[inline(never)]
    pub fn level_runs(&self, level: u8) -> Range<usize> {
        let level = u16::from(level);
        self.runs_from(level.saturating_add(1))..self.runs_from(level)
    }

    /// How many runs lie in `level` or deeper. O(log runs).
    #[inline(never)]
    fn runs_from(&self, level: u16) -> usize {
        self.runs.partition_point(|run| u16::from(run.level) >= level)
    }

    /// The deepest level that holds a run; 0 for an empty tree.
    #[must_use]
    pub fn deepest(&self) -> u8 {
        self.runs.first().map_or(0, |run| run.level)
    }

    /// Bytes of the runs at the positions `runs`. O(runs).
    #[must_use]
    pub fn runs_bytes(&self, runs: Range<usize>) -> u128 {
        let bytes = |run: &Run| u128::from(run.bytes());
        self.runs.get(runs).unwrap_or(&[]).iter().map(bytes).fold(0, u128::saturating_add)
    }

    /// As [`runs_bytes`](Self::runs_bytes); saturates at `u64::MAX`.
    #[inline(never)]
    pub(crate) fn runs_bytes_clamped(&self, runs: Range<usize>) -> u64 {
        let mut bytes = 0u64;
        for run in runs.filter_map(|at| self.runs.get(at)) {
            bytes = bytes.saturating_add(run.bytes());
        }
        bytes
    }

    /// Bytes of `level`. O(runs of the level).
    #[must_use]
    pub fn level_bytes(&self, level: u8) -> u128 {
        self.runs_bytes(self.level_runs(level))
    }

    /// Bytes of all tables. O(runs).
    #[must_use]
    pub fn bytes(&self) -> u128 {
        self.runs_bytes(0..self.runs.len())
    }

    /// Sums over the tables of one span, a subtraction of running totals. O(1).
    #[must_use]
    pub fn span_totals(&self, span: &Span) -> Totals {
        let Some(last) =
            span.end.checked_sub(1).filter(|last| *last >= span.first).and_then(|last| self.tables.get(last))
        else {
            return Totals::default();
        };
        let starts_run = self.runs.get(span.run).is_none_or(|run| run.first() >= span.first);
        let before = if starts_run { None } else { span.first.checked_sub(1).and_then(|at| self.tables.get(at)) };
        last.upto.minus(before.map_or(Totals::default(), |table| table.upto))
    }

    /// Whether a running job's range of runs includes run `run`, its destination counted.
    #[must_use]
    pub fn is_busy(&self, run: usize) -> bool {
        self.running.iter().any(|running| running.job.range().contains(&run))
    }
}

impl<'a, K: Ord> Version<'a, K> {
    /// A view of arrays that an engine keeps itself; every law is checked here, once. O(tables).
    ///
    /// `runs` stand oldest first and were made by [`Run::seal`].
    ///
    /// # Errors
    /// The first law that is broken.
    pub fn new(runs: &'a [Run], tables: &'a [Table<K>]) -> Result<Self, TreeError> {
        let version = Self { runs, tables, running: &[], edit: 0 };
        check(&version)?;
        Ok(version)
    }

    /// The same tree with jobs running in it, made by [`Planned::running`].
    #[must_use]
    pub fn with_running(self, running: &'a [Running]) -> Self {
        Self { running, ..self }
    }

    /// The tables of run `run` that meet the keys from `min` to `max`, as a span (perhaps empty). O(log tables).
    #[must_use]
    #[inline(never)]
    pub fn overlap(&self, run: usize, min: &K, max: &K) -> Span {
        let first = self.runs.get(run).map_or(0, Run::first);
        let tables = self.run_tables(run);
        let start = tables.partition_point(|table| table.max.cmp(min) == Ordering::Less);
        let end = tables.partition_point(|table| table.min.cmp(max) != Ordering::Greater);
        let start = first.saturating_add(start);
        Span { run, first: start, end: first.saturating_add(end).max(start) }
    }

    /// Whether any of the runs at the positions `runs` holds a table that meets the keys from `min` to `max`.
    #[must_use]
    #[inline(never)]
    pub fn overlaps(&self, runs: Range<usize>, min: &K, max: &K) -> bool {
        runs.into_iter().any(|run| !self.overlap(run, min, max).is_empty())
    }

    /// The inputs of `job`, a job of this version: one span a run, newest run first, empty spans included.
    #[must_use]
    pub fn inputs(&self, job: &Job) -> Inputs<'a, K> {
        Inputs::of(*self, job)
    }

    /// Whether `job` meets a running job: their ranges of runs intersect and so do their windows of keys. O(running jobs).
    #[must_use]
    #[inline(never)]
    pub fn conflicts(&self, job: &Job) -> bool {
        self.is_barred(job.oldest(), job.newest(), self.window(job))
    }

    /// Whether a job over these runs and this window of keys (`None` for every key) would meet a running job.
    #[inline(never)]
    pub(crate) fn is_barred(&self, oldest: usize, newest: usize, window: Option<(&K, &K)>) -> bool {
        self.running.iter().any(|Running { job, .. }| {
            oldest <= job.newest()
                && job.oldest() <= newest
                && match (window, self.window(job)) {
                    (Some((a_min, a_max)), Some((b_min, b_max))) => a_min <= b_max && b_min <= a_max,
                    _ => true,
                }
        })
    }

    /// Smallest and largest key of a job's inputs; `None` for a job of whole runs, which takes every key.
    pub(crate) fn window(&self, job: &Job) -> Option<(&'a K, &'a K)> {
        let hull = job.window?;
        Some((&self.tables.get(hull.lo())?.min, &self.tables.get(hull.hi())?.max))
    }
}
