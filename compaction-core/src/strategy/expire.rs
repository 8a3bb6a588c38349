//! What has outlived its time to live is dropped, unread.
//!
//! 1. The oldest runs, as long as everything in them has expired. 2. Of each run the table whose newest entry is the oldest,
//!    with every older table that it overlaps: without those, dead data would come back.
//!
//! Only tables wholly below the snapshot floor go. A time that does not fit the clock never comes.

use super::Search;
use crate::decision::{Cut, Place, Rule, Work};
use crate::version::{Inputs, Plan};

/// A drop takes no more tables than this at a time, so that a decision stays cheap.
const CLOSURE_MAX: usize = 64;

/// Offers to drop what is older than `ttl_ms`, `u64::MAX` for never; whether a drop was admitted. O(runs x log tables).
pub(super) fn expired<K: Ord>(search: &mut Search<'_, '_, K>, ttl_ms: u64) -> bool {
    if ttl_ms == u64::MAX {
        return false;
    }
    let version = search.version;
    let (mut gone, mut newest_ms) = (0usize, 0);
    for run in version.runs {
        if !search.due_after(run.newest_ms, ttl_ms) || !run.is_below(search.moment.snapshot_floor) {
            break;
        }
        (gone, newest_ms) = (gone.saturating_add(1), run.newest_ms.max(newest_ms));
    }
    search.answer(Rule::Expired { newest_ms, ttl_ms });
    if gone.checked_sub(1).is_some_and(|newest| drop_runs(search, newest)) {
        return true;
    }
    for (at, run) in version.runs.iter().enumerate() {
        let Some(table) = version.tables.get(run.stalest()) else { continue };
        if !search.due_after(table.newest_ms, ttl_ms) {
            continue;
        }
        let Some(newest_ms) = closure_newest_ms(search, at, run.stalest()) else { continue };
        search.answer(Rule::Expired { newest_ms, ttl_ms });
        if search.due_after(newest_ms, ttl_ms) && drop_table(search, at, run.stalest()) {
            return true;
        }
    }
    false
}

/// When the newest entry was written of the table at position `table` of run `run` and of all older tables that it
/// overlaps. `None` when those are too many, or a snapshot may still read one.
fn closure_newest_ms<K: Ord>(search: &Search<'_, '_, K>, run: usize, table: usize) -> Option<u64> {
    let (mut tables, mut newest_ms) = (0usize, 0);
    for span in Inputs::new(*search.version, 0, run, just(table)) {
        tables = tables.saturating_add(span.len());
        if tables > CLOSURE_MAX {
            return None;
        }
        for table in search.version.tables.get(span.range()).unwrap_or(&[]) {
            newest_ms = table.newest_ms.max(newest_ms);
            table.below(search.moment.snapshot_floor).then_some(())?;
        }
    }
    Some(newest_ms)
}

/// Offers to drop the runs up to position `newest`.
pub(super) fn drop_runs<K: Ord>(search: &mut Search<'_, '_, K>, newest: usize) -> bool {
    drop_cut(search, newest, Cut::Whole)
}

/// Offers to drop the table at position `table` of run `run`, with every older table that it overlaps.
pub(super) fn drop_table<K: Ord>(search: &mut Search<'_, '_, K>, run: usize, table: usize) -> bool {
    drop_cut(search, run, just(table))
}

/// Positions fit: a version holds at most `u32::MAX` tables.
fn just(table: usize) -> Cut {
    let at = u32::try_from(table).unwrap_or(u32::MAX);
    Cut::Tables { first: at, last: at }
}

#[inline(never)]
fn drop_cut<K: Ord>(search: &mut Search<'_, '_, K>, newest: usize, cut: Cut) -> bool {
    search.cap(u64::MAX);
    search
        .propose(&Plan { runs: 0..=newest, cut, work: Work::Drop, place: Place::Join, table_bytes_max: u64::MAX }, true)
}
