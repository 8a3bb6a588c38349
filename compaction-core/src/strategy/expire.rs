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
        (gone, newest_ms) = (gone.wrapping_add(1), run.newest_ms.max(newest_ms));
    }
    if gone > 0 && drop_expired(search, (newest_ms, ttl_ms), gone.wrapping_sub(1), Cut::Whole) {
        return true;
    }
    for (at, run) in version.runs.iter().enumerate() {
        let cut = Cut::one_table(run.stalest());
        if let Some(table) = version.tables.get(run.stalest())
            && search.due_after(table.newest_ms, ttl_ms)
            && let Some(newest_ms) = closure_newest_ms(search, at, cut)
            && drop_expired(search, (newest_ms, ttl_ms), at, cut)
        {
            return true;
        }
    }
    false
}

/// When the newest entry was written of the tables of run `run` that `cut` names and of all older tables that they
/// overlap. `None` when those are too many, or a snapshot may still read one.
fn closure_newest_ms<K: Ord>(search: &Search<'_, '_, K>, run: usize, cut: Cut) -> Option<u64> {
    let (mut tables, mut newest_ms) = (0usize, 0);
    for span in Inputs::new(*search.version, 0, run, cut) {
        for table in span.range().map_while(|at| search.version.tables.get(at)) {
            if tables == CLOSURE_MAX || !table.below(search.moment.snapshot_floor) {
                return None;
            }
            (tables, newest_ms) = (tables.wrapping_add(1), table.newest_ms.max(newest_ms));
        }
    }
    Some(newest_ms)
}

/// Offers to drop the runs up to position `newest`, cut by `cut`, if the time to live of what was written last has passed.
#[inline(never)]
fn drop_expired<K: Ord>(
    search: &mut Search<'_, '_, K>,
    (newest_ms, ttl_ms): (u64, u64),
    newest: usize,
    cut: Cut,
) -> bool {
    search.answer(Rule::Expired { newest_ms, ttl_ms });
    search.due_after(newest_ms, ttl_ms) && drop_cut(search, newest, cut)
}

/// Offers to drop the runs up to position `newest`.
pub(super) fn drop_runs<K: Ord>(search: &mut Search<'_, '_, K>, newest: usize) -> bool {
    drop_cut(search, newest, Cut::Whole)
}

/// Offers to drop the table at position `table` of run `run`, with every older table that it overlaps.
pub(super) fn drop_table<K: Ord>(search: &mut Search<'_, '_, K>, run: usize, table: usize) -> bool {
    drop_cut(search, run, Cut::one_table(table))
}

fn drop_cut<K: Ord>(search: &mut Search<'_, '_, K>, newest: usize, cut: Cut) -> bool {
    search.cap(u64::MAX);
    let mut plan = Plan { runs: 0..=newest, cut, work: Work::Drop, place: Place::Join, table_bytes_max: u64::MAX };
    search.propose(&mut plan, true)
}
