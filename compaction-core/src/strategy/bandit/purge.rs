//! Tables with too many or too old tombstones are merged to the bottom, where tombstones go.
//!
//! Only tables wholly below the snapshot floor count: elsewhere the tombstones would stay and the trigger fire again. And too many
//! they are only where they are as large a share of the older entries that they meet: a flush brings each slot a piece of its own, and
//! a few deletes in one would else rewrite the slot.

use super::settings::BanditSettings;
use crate::decision::{Cut, Decision, Place, Rule, Work};
use crate::strategy::Search;
use crate::version::{Plan, Run, Table};

/// Offers each run's densest table and the one with its oldest tombstone, oldest run first. O(runs x log tables).
pub(crate) fn offer<K: Ord>(settings: &BanditSettings, search: &mut Search<'_, '_, K>) -> Option<Decision> {
    for (at, run) in search.version().runs().iter().enumerate() {
        let decision = dense(settings, search, at, run).or_else(|| aged(settings, search, at, run));
        if decision.is_some() {
            return decision;
        }
    }
    None
}

fn dense<K: Ord>(settings: &BanditSettings, search: &mut Search<'_, '_, K>, at: usize, run: &Run) -> Option<Decision> {
    let pct_max = settings.tombstone_pct_max;
    let table = search.version().run_tables(at).get(run.densest as usize)?;
    let (found, allowed) = (u128::from(table.tombstones), u128::from(table.entries));
    if found.saturating_mul(100) <= allowed.saturating_mul(u128::from(pct_max)) || pct_max >= 100 {
        return None;
    }
    let met =
        (0..at).map(|run| search.version().span_totals(&search.version().overlap(run, &table.min, &table.max)).entries);
    if found.saturating_mul(100) <= met.map(u128::from).fold(0, u128::saturating_add).saturating_mul(pct_max.into()) {
        return None;
    }
    let (tombstones, entries) = (table.tombstones, table.entries);
    let rule = Rule::TombstoneShare { table: table.id, tombstones, entries, pct_max };
    to_bottom(settings, search, at, (run.densest, table), rule)
}

fn aged<K: Ord>(settings: &BanditSettings, search: &mut Search<'_, '_, K>, at: usize, run: &Run) -> Option<Decision> {
    let age_ms_max = settings.tombstone_age_ms_max;
    let table = search.version().run_tables(at).get(run.oldest_tombstone as usize)?;
    let written_ms = table.oldest_tombstone_ms?;
    let due_ms = written_ms.checked_add(age_ms_max).filter(|_| age_ms_max != u64::MAX)?;
    if due_ms > search.moment().now_ms {
        if table.below(search.moment().snapshot_floor) {
            search.due(due_ms);
        }
        return None;
    }
    let rule = Rule::TombstoneAge { table: table.id, written_ms, age_ms_max };
    to_bottom(settings, search, at, (run.oldest_tombstone, table), rule)
}

/// Offers the table, merged with all older data that it meets into the oldest run.
fn to_bottom<K: Ord>(
    settings: &BanditSettings,
    search: &mut Search<'_, '_, K>,
    run: usize,
    (offset, table): (u32, &Table<K>),
    rule: Rule,
) -> Option<Decision> {
    let version = search.version();
    if !table.below(search.moment().snapshot_floor) {
        return None;
    }
    let first = u32::try_from(version.runs().get(run)?.first()).ok()?.checked_add(offset)?;
    let planned = version.plan(&Plan {
        runs: 0..=run,
        cut: Cut::Tables { first, last: first },
        work: Work::Merge,
        place: Place::Join,
        table_bytes_max: settings.table_bytes_max,
    })?;
    search.offer(&planned, rule, settings.job_bytes_max, true)
}
