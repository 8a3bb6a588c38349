//! The jobs that bring a level within its limits.

use core::cmp::Ordering;
use core::ops::Range;

use super::pick::Route;
use super::{Leveled, Targets};
use crate::decision::{Cut, Decision, Place, Rule, Work};
use crate::strategy::Search;
use crate::version::{Plan, Run, Version, output_bytes_max};
use crate::wide::compare_products;

impl Leveled {
    /// Whole runs of `level` sink, the oldest first: moved where nothing overlaps, else as many at once as may be; failing
    /// that, a single table.
    pub(super) fn sink_runs<K: Ord>(
        &self,
        search: &mut Search<'_, '_, K>,
        targets: &Targets,
        level: u8,
        rule: Rule,
    ) -> Option<Decision> {
        let version = search.version();
        let cap = self.settings.job_bytes_max;
        let below = targets.below(level)?;
        let runs = version.level_runs(level);
        let (oldest, place) = self.destination(&version, targets, level, below);
        let plan = |oldest: usize, newest: usize, work: Work, place: Place| Plan {
            runs: oldest..=newest,
            cut: Cut::From(u32::try_from(runs.start).unwrap_or(u32::MAX)),
            work,
            place,
            table_bytes_max: self.settings.table_bytes_max,
        };
        let joins = targets.runs(below) == 1;
        let free_ride = if joins { Some((oldest, place)) } else { landing(&version, runs.start, below) };
        if let Some((oldest, place)) = free_ride
            && let Some(decision) = search.propose(&plan(oldest, runs.start, Work::Move, place), rule, cap, false)
        {
            return Some(decision);
        }
        let mut count = within(&version, runs.clone(), cap);
        while count > 0 {
            let newest = runs.start.saturating_add(count).saturating_sub(1);
            let decision = search.propose(&plan(oldest, newest, Work::Merge, place), rule, cap, false);
            if decision.is_some() {
                return decision;
            }
            count /= 2;
        }
        if joins { self.sink_table(search, targets, level, rule) } else { None }
    }

    /// One table of the oldest run of `level` sinks.
    pub(super) fn sink_table<K: Ord>(
        &self,
        search: &mut Search<'_, '_, K>,
        targets: &Targets,
        level: u8,
        rule: Rule,
    ) -> Option<Decision> {
        let version = search.version();
        let below = targets.below(level)?;
        let (_, place) = self.destination(&version, targets, level, below);
        self.route(version.level_runs(level).start, level, place).pick(search, rule)
    }

    /// One table of the newest run of `level` joins the run that is next in age.
    pub(super) fn draw_together<K: Ord>(
        &self,
        search: &mut Search<'_, '_, K>,
        level: u8,
        rule: Rule,
    ) -> Option<Decision> {
        let newest = search.version().level_runs(level).end.checked_sub(1)?;
        self.route(newest, level, Place::Join).pick(search, rule)
    }

    fn route(&self, source: usize, level: u8, place: Place) -> Route {
        Route {
            source,
            place,
            table_bytes_max: self.settings.table_bytes_max,
            job_bytes_max: self.settings.job_bytes_max,
            cursor: self.cursor(level),
        }
    }

    /// The newest free runs of level 0 are merged where they are: as many as make each run that goes cheaper.
    pub(super) fn merge_l0<K: Ord>(&self, search: &mut Search<'_, '_, K>, rule: Rule) -> Option<Decision> {
        let version = search.version();
        let runs = version.level_runs(0);
        let enough = u64::from(self.settings.l0_runs_max).saturating_add(2);
        if !self.settings.intra_l0 || u64::try_from(runs.len()).is_ok_and(|runs| runs < enough) {
            return None;
        }
        let cap = self.settings.job_bytes_max;
        let (mut count, mut bytes) = (0u64, 0u64);
        let mut oldest = runs.end;
        for at in runs.clone().rev() {
            let own = version.runs().get(at).map_or(0, Run::bytes);
            let sum = bytes.saturating_add(own);
            let fits = sum <= cap && output_bytes_max(sum) <= search.moment().free_bytes;
            let pays = count < 2 || compare_products((own, count.saturating_sub(1)), (bytes, 1)) != Ordering::Greater;
            if version.is_busy(at) || !fits || !pays {
                break;
            }
            (count, bytes, oldest) = (count.saturating_add(1), sum, at);
        }
        if count < 2 {
            return None;
        }
        let plan = Plan {
            runs: oldest..=runs.end.saturating_sub(1),
            cut: Cut::Whole,
            work: Work::Merge,
            place: Place::Join,
            table_bytes_max: self.settings.table_bytes_max,
        };
        search.propose(&plan, rule, cap, false)
    }
}

/// A run of the level `below` that run `source` can join as it is.
fn landing<K: Ord>(version: &Version<'_, K>, source: usize, below: u8) -> Option<(usize, Place)> {
    let tables = version.run_tables(source);
    let (first, last) = (tables.first()?, tables.last()?);
    Some(version.landing(source, below, &first.min, &last.max)).filter(|(_, place)| *place == Place::Join)
}

/// How many of the runs, the oldest first, hold no more than `cap` bytes together; at least one.
fn within<K>(version: &Version<'_, K>, runs: Range<usize>, cap: u64) -> usize {
    let mut bytes = 0u64;
    let fits = |run: &&Run| {
        bytes = bytes.saturating_add(run.bytes());
        bytes <= cap
    };
    version.runs().get(runs).unwrap_or(&[]).iter().take_while(fits).count().max(1)
}
