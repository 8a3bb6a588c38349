//! What has outlived its time to live is dropped, unread.
//!
//! 1. The oldest runs, as long as everything in them has expired. 2. Of each run the table whose newest entry is the oldest,
//!    with every older table that it overlaps: without those, dead data would come back.
//!
//! Nothing goes that an open snapshot may still read. A time that does not fit the clock never comes.

use super::Search;
use crate::decision::{Cut, Decision, Moment, Place, Rule, Work};
use crate::version::{Inputs, Plan, Version};

/// A drop takes no more tables than this at a time, so that a decision stays cheap.
const CLOSURE_MAX: usize = 64;

/// Offers to drop what is older than `ttl_ms`, `u64::MAX` for never. O(runs x log tables).
pub(super) fn expired<K: Ord>(search: &mut Search<'_, '_, K>, ttl_ms: u64) -> Option<Decision> {
    if ttl_ms == u64::MAX {
        return None;
    }
    let version = search.version();
    let moment = search.moment();
    let is_gone = |newest_ms: u64| newest_ms.checked_add(ttl_ms).is_some_and(|end_ms| end_ms <= moment.now_ms);
    let (mut newest, mut newest_ms) = (None, 0);
    for (at, run) in version.runs().iter().enumerate() {
        if !is_gone(run.newest_ms) || !run.is_below(moment.snapshot_floor) {
            search.due_after(run.newest_ms, ttl_ms);
            break;
        }
        (newest, newest_ms) = (Some(at), run.newest_ms.max(newest_ms));
    }
    if let Some(newest) = newest {
        let decision = drop_runs(search, newest, Rule::Expired { newest_ms, ttl_ms });
        if decision.is_some() {
            return decision;
        }
    }
    for (at, run) in version.runs().iter().enumerate() {
        let Some(newest_ms) = closure_newest_ms(&version, &moment, at, run.stalest(), is_gone) else { continue };
        if !search.due_after(newest_ms, ttl_ms) {
            continue;
        }
        let decision = drop_table(search, at, run.stalest(), Rule::Expired { newest_ms, ttl_ms });
        if decision.is_some() {
            return decision;
        }
    }
    None
}

/// When the newest entry was written of the table at position `table` of run `run`, if that has not gone yet; else the
/// same of all older tables that it overlaps too. `None` when those are too many, or a snapshot may still read one.
fn closure_newest_ms<K: Ord>(
    version: &Version<'_, K>,
    moment: &Moment,
    run: usize,
    table: usize,
    is_gone: impl Fn(u64) -> bool,
) -> Option<u64> {
    let own_ms = version.tables().get(table)?.newest_ms;
    if !is_gone(own_ms) {
        return Some(own_ms);
    }
    let (mut tables, mut newest_ms) = (0usize, 0);
    for span in Inputs::new(*version, 0, run, just(table)?) {
        tables = tables.saturating_add(span.len());
        if tables > CLOSURE_MAX {
            return None;
        }
        for table in version.tables().get(span.range()).unwrap_or(&[]) {
            newest_ms = table.newest_ms.max(newest_ms);
            table.below(moment.snapshot_floor).then_some(())?;
        }
    }
    Some(newest_ms)
}

/// Offers to drop the runs up to position `newest`.
pub(super) fn drop_runs<K: Ord>(search: &mut Search<'_, '_, K>, newest: usize, rule: Rule) -> Option<Decision> {
    drop_cut(search, newest, Cut::Whole, rule)
}

/// Offers to drop the table at position `table` of run `run`, with every older table that it overlaps.
pub(super) fn drop_table<K: Ord>(
    search: &mut Search<'_, '_, K>,
    run: usize,
    table: usize,
    rule: Rule,
) -> Option<Decision> {
    drop_cut(search, run, just(table)?, rule)
}

fn just(table: usize) -> Option<Cut> {
    let at = u32::try_from(table).ok()?;
    Some(Cut::Tables { first: at, last: at })
}

fn drop_cut<K: Ord>(search: &mut Search<'_, '_, K>, newest: usize, cut: Cut, rule: Rule) -> Option<Decision> {
    let plan = Plan { runs: 0..=newest, cut, work: Work::Drop, place: Place::Join, table_bytes_max: u64::MAX };
    search.propose(&plan, rule, u64::MAX, true)
}
