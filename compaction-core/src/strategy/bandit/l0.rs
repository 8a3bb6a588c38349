//! Level 0: its runs become one new run of level 1, or join one.

use super::settings::BanditSettings;
use crate::decision::{Cut, Decision, Place, Rule, Work};
use crate::strategy::Search;
use crate::version::{Plan, Planned, Version};

/// Offers a merge of level 0 when it has too many runs: all that are free from the oldest up, fewer when the cap or the room
/// asks for it, in the end one table of the oldest.
pub(crate) fn offer<K: Ord>(settings: &BanditSettings, search: &mut Search<'_, '_, K>) -> Option<Decision> {
    let version = search.version();
    let level = version.level_runs(0);
    let (runs, max) = (level.len(), settings.l0_runs_max);
    if u64::try_from(runs).is_ok_and(|runs| runs <= max) {
        return None;
    }
    let free = level.clone().take_while(|run| !version.is_busy(*run)).count();
    if free == 0 {
        search.barred();
        return if settings.intra_l0 { intra(settings, search) } else { None };
    }
    let rule = Rule::L0Runs { runs, max };
    let count = fitting(settings, search, level.start, free);
    if let Some(decision) = offer_down(settings, search, count, None, rule) {
        return Some(decision);
    }
    let table = Some(u32::try_from(version.runs().get(level.start)?.first()).ok()?);
    offer_down(settings, search, 1, table, rule)
}

/// How many runs from `start` on the cap and the room allow, of at most `free`; at least 1.
fn fitting<K: Ord>(settings: &BanditSettings, search: &Search<'_, '_, K>, start: usize, free: usize) -> usize {
    let (mut bytes, mut count) = (0u128, 0usize);
    for run in search.version().runs().iter().skip(start).take(free) {
        bytes = bytes.saturating_add(u128::from(run.bytes()));
        let room = bytes.saturating_add(bytes / 16) <= u128::from(search.moment().free_bytes);
        if count > 0 && !(room && bytes <= u128::from(settings.job_bytes_max)) {
            break;
        }
        count = count.saturating_add(1);
    }
    count
}

/// Offers the `count` oldest runs of level 0, or one table of the oldest.
fn offer_down<K: Ord>(
    settings: &BanditSettings,
    search: &mut Search<'_, '_, K>,
    count: usize,
    table: Option<u32>,
    rule: Rule,
) -> Option<Decision> {
    let planned = plan_down(settings, &search.version(), count, table)?;
    search.offer(&planned, rule, settings.job_bytes_max, table.is_some())
}

fn plan_down<K: Ord>(
    settings: &BanditSettings,
    version: &Version<'_, K>,
    count: usize,
    table: Option<u32>,
) -> Option<Planned> {
    let start = version.level_runs(0).start;
    let newest = start.saturating_add(count).checked_sub(1)?;
    let (min, max) = match table {
        Some(table) => version.tables().get(table as usize).map(|table| (&table.min, &table.max))?,
        None => {
            let min =
                (start..=newest).filter_map(|run| version.run_tables(run).first()).map(|table| &table.min).min()?;
            let max =
                (start..=newest).filter_map(|run| version.run_tables(run).last()).map(|table| &table.max).max()?;
            (min, max)
        }
    };
    let (dest, place) = version.landing(start, 1, min, max);
    let cut = match table {
        Some(table) => Cut::Tables { first: table, last: table },
        None => Cut::From(u32::try_from(start).ok()?),
    };
    version.plan(&Plan {
        runs: dest..=newest,
        cut,
        work: Work::Merge,
        place,
        table_bytes_max: settings.table_bytes_max,
    })
}

/// The way down is barred: offers the newest free runs, merged where they are, when there are at least as many as level 0 may
/// hold.
fn intra<K: Ord>(settings: &BanditSettings, search: &mut Search<'_, '_, K>) -> Option<Decision> {
    let version = search.version();
    let level = version.level_runs(0);
    let (runs, max) = (level.len(), settings.l0_runs_max);
    let free = level.clone().rev().take_while(|run| !version.is_busy(*run)).count();
    if free < 2 || u64::try_from(free).is_ok_and(|free| free < max) {
        return None;
    }
    let planned = version.plan(&Plan {
        runs: level.end.saturating_sub(free)..=level.end.saturating_sub(1),
        cut: Cut::Whole,
        work: Work::Merge,
        place: Place::Join,
        table_bytes_max: settings.table_bytes_max,
    })?;
    search.offer(&planned, Rule::IntraL0 { runs, max }, settings.job_bytes_max, false)
}
