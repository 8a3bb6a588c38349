//! Merging a range of keys because the user asks for it.

use bytes::Bytes;
use compaction_core::{BeginError, Cut, Place, Plan, Version, Work};

use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::iter::Bounds;
use crate::sync::{AtomicU64, Ordering};
use crate::types::{FileId, SeqNo};

/// While it lives, background workers start no job.
struct Manual<'a>(&'a AtomicU64);

impl<'a> Manual<'a> {
    fn new(count: &'a AtomicU64) -> Self {
        count.fetch_add(1, Ordering::AcqRel);
        Self(count)
    }
}

impl Drop for Manual<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Engine {
    /// Merges all tables that meet `bounds` and hold anything written up to now, until those keys lie in one run.
    pub(crate) fn compact_range(&self, bounds: &Bounds) -> Result<()> {
        let merged = self.merge_range(bounds);
        self.bell.ring();
        merged
    }

    fn merge_range(&self, bounds: &Bounds) -> Result<()> {
        let _manual = Manual::new(&self.manual);
        let newest = self.visible.load(Ordering::Acquire);
        let written_from = self.files.next_id();
        loop {
            let rung = self.bell.rung();
            let mut tree = self.tree();
            let plan = plan(&tree.buf.view(), bounds, newest, tree.table_bytes_max, written_from);
            let Some(plan) = plan else { return Ok(()) };
            let version = tree.buf.view();
            let planned = version.plan(&plan).ok_or_else(|| Error::law(format!("no job for {plan:?}")))?;
            match tree.begin(planned.job, None, self.snapshots.list()) {
                Ok(task) => {
                    self.begun(&tree, &task);
                    self.carry_out(tree, task)?;
                }
                Err(BeginError::Conflict) => {
                    drop(tree);
                    self.bell.wait(rung, None);
                }
                Err(error) => return Err(Error::law(error.to_string())),
            }
            self.health.check()?;
            if self.stopping.load(Ordering::Acquire) {
                return Err(Error::Closed);
            }
        }
    }
}

/// The next job: the newest run that still holds such keys, merged down into the oldest run; then the tables of that run which
/// lie below `written_from`: they were there before.
fn plan(
    version: &Version<'_, Bytes>,
    bounds: &Bounds,
    newest: SeqNo,
    table_bytes_max: u64,
    written_from: FileId,
) -> Option<Plan> {
    let meets = |run: usize| {
        let tables = version.run_tables(run);
        let first = tables.partition_point(|table| bounds.is_above(&table.max));
        let end = tables.partition_point(|table| !bounds.is_below(&table.min));
        (first < end).then_some(first..end)
    };
    let old_enough = |run: &usize| version.run_tables(*run).iter().any(|table| table.newest_seqno <= newest);
    let run = (0..version.runs().len()).rev().filter(old_enough).find(|run| meets(*run).is_some())?;
    let mut tables = meets(run)?;
    let alone = (0..run).all(|older| meets(older).is_none());
    if alone {
        // At the bottom old versions and deletes are left, in the tables that were not written just now.
        let old = |at: &usize| version.run_tables(run).get(*at).is_some_and(|table| table.id < written_from);
        let first = tables.clone().find(old)?;
        tables = first..(first..tables.end).find(|at| !old(at)).unwrap_or(tables.end);
    }
    let base = version.runs().get(run)?.first();
    let position = |at: usize| u32::try_from(base + at).ok();
    let cut = Cut::Tables { first: position(tables.start)?, last: position(tables.end - 1)? };
    let oldest = if alone { run } else { 0 };
    Some(Plan { runs: oldest..=run, cut, work: Work::Merge, place: Place::Join, table_bytes_max })
}
