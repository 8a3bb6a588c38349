//! Level 0: its runs become one new run of level 1, or join one.

use super::settings::BanditSettings;
use crate::decision::{Cut, Decision, Place, Rule, Work};
use crate::strategy::Search;
use crate::version::{Plan, Planned, Run, Table, Version};

/// What of level 0 is to go down: the runs up to `newest`, whole or cut by one table of that run.
#[derive(Clone, Copy)]
struct Part {
    newest: usize,
    table: Option<usize>,
}

/// Offers a merge of level 0 when it has too many runs at or behind the position `own`, where the first is that is not cut at the
/// guards: all that are free from the oldest up to the newest uncut one, at `raw_end`, for those behind it are the slots' own
/// then; fewer when the cap or the room asks for it; then one table of the newest free run
/// with the older ones that it meets; in the end one table of the oldest run alone, which is moved when it lies within one
/// slot (`is_inside`).
pub(crate) fn offer<K: Ord>(
    settings: &BanditSettings,
    search: &mut Search<'_, '_, K>,
    (own, raw_end): (usize, impl Fn(&Version<'_, K>) -> usize),
    is_inside: impl Fn(&Table<K>) -> bool,
) -> Option<Decision> {
    let version = search.version();
    let level = version.level_runs(0);
    let (runs, max) = (level.end.saturating_sub(own.max(level.start)), settings.l0_runs_max);
    if u64::try_from(runs).is_ok_and(|runs| runs <= max) {
        return None;
    }
    let rule = Rule::L0Runs { runs, max };
    let uncut = raw_end(&version).saturating_sub(level.start);
    let free = level.clone().take(uncut).take_while(|run| !version.is_busy(*run)).count();
    let Some(newest) = level.start.saturating_add(free).checked_sub(1).filter(|_| free > 0) else {
        search.barred();
        return if settings.intra_l0 { intra(settings, search) } else { None };
    };
    let first_table = |run: usize| version.runs().get(run).map(Run::first);
    let count = fitting(settings, search, level.start, free);
    let whole = Part { newest: level.start.saturating_add(count).saturating_sub(1), table: None };
    let parts = [
        (count > 1).then_some(whole),
        (free > 1).then_some(Part { newest, table: first_table(newest) }),
        Some(Part { newest: level.start, table: first_table(level.start) }),
    ];
    for part in parts.into_iter().flatten() {
        let smallest = part.table.is_some() && part.newest == level.start;
        let Some(planned) = plan_down(settings, &version, part, &is_inside) else { continue };
        let decision = search.offer(&planned, rule, settings.job_bytes_max, smallest);
        if decision.is_some() {
            return decision;
        }
    }
    None
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

/// The job that brings `part` to level 1.
fn plan_down<K: Ord>(
    settings: &BanditSettings,
    version: &Version<'_, K>,
    part: Part,
    is_inside: impl Fn(&Table<K>) -> bool,
) -> Option<Planned> {
    let start = version.level_runs(0).start;
    let cut = match part.table {
        Some(table) => Cut::Tables { first: u32::try_from(table).ok()?, last: u32::try_from(table).ok()? },
        None => Cut::From(u32::try_from(start).ok()?),
    };
    let within = Plan {
        runs: start..=part.newest,
        cut,
        work: Work::Merge,
        place: Place::New { level: 1 },
        table_bytes_max: settings.table_bytes_max,
    };
    let planned = version.plan(&within)?;
    let (min, max) = version.window(&planned.job)?;
    let (dest, place) = version.landing(start, 1, min, max);
    let plan = Plan { runs: dest..=part.newest, place, ..within };
    let is_whole =
        planned.tables == 1 && part.table.and_then(|table| version.tables().get(table)).is_some_and(is_inside);
    if is_whole { version.plan_cheapest(&plan) } else { version.plan(&plan) }
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
