//! The jobs that bring a level within its limits.

use core::cmp::Ordering;
use core::ops::{Range, RangeInclusive};

use super::target::Way;
use super::{Leveled, Targets};
use crate::decision::{Cut, Place, Rule, Work};
use crate::strategy::Search;
use crate::version::{Plan, Version};
use crate::wide::compare_products;

impl Leveled {
    /// Whole runs of `level` sink, the oldest first: moved where nothing overlaps, else as many at once as may be; failing
    /// that, a single table.
    pub(super) fn sink_runs<K: Ord>(&self, search: &mut Search<'_, '_, K>, targets: &Targets<'_>, level: u8) -> bool {
        let version = search.version;
        let Some(Way { below, joins, oldest, place }) = targets.way_down(version, level) else { return false };
        let runs = version.level_runs(level);
        let cut = Cut::From(u32::try_from(runs.start).unwrap_or(u32::MAX));
        let free_ride = if joins { Some((oldest, place)) } else { landing(version, runs.start, below) };
        if let Some((oldest, place)) = free_ride
            && search.propose(&self.plan(oldest..=runs.start, cut, Work::Move, place), false)
        {
            return true;
        }
        let mut count = within(version, runs.clone(), self.settings.job_bytes_max);
        while count > 0 {
            let newest = runs.start.saturating_add(count).saturating_sub(1);
            if search.propose(&self.plan(oldest..=newest, cut, Work::Merge, place), false) {
                return true;
            }
            count /= 2;
        }
        joins && self.pick(search, level, runs.start, place)
    }

    /// One table of the oldest run of `level` sinks.
    pub(super) fn sink_table<K: Ord>(&self, search: &mut Search<'_, '_, K>, targets: &Targets<'_>, level: u8) -> bool {
        let source = search.version.level_runs(level).start;
        let way = targets.way_down(search.version, level);
        way.is_some_and(|way| self.pick(search, level, source, way.place))
    }

    /// One table of the newest run of `level` joins the run that is next in age.
    pub(super) fn draw_together<K: Ord>(&self, search: &mut Search<'_, '_, K>, level: u8) -> bool {
        let newest = search.version.level_runs(level).end.checked_sub(1);
        newest.is_some_and(|newest| self.pick(search, level, newest, Place::Join))
    }

    /// The newest free runs of level 0 are merged where they are: as many as make each run that goes cheaper.
    pub(super) fn merge_l0<K: Ord>(&self, search: &mut Search<'_, '_, K>, runs: usize, max: u64) -> bool {
        let version = search.version;
        let enough = u64::from(self.settings.l0_runs_max).saturating_add(2);
        if !self.settings.intra_l0 || u64::try_from(runs).is_ok_and(|runs| runs < enough) {
            return false;
        }
        let (mut count, mut bytes) = (0u64, 0u64);
        let end = version.runs.len();
        let mut oldest = end;
        while let Some(at) = oldest.checked_sub(1)
            && let Some(run) = version.runs.get(at).filter(|run| run.level == 0)
        {
            let sum = bytes.saturating_add(run.bytes());
            let merged = (run.bytes(), count.saturating_sub(1));
            let pays = count < 2 || compare_products(merged, (bytes, 1)) != Ordering::Greater;
            if version.is_busy(at) || !search.fits(sum) || !pays {
                break;
            }
            (count, bytes, oldest) = (count.saturating_add(1), sum, at);
        }
        search.answer(Rule::IntraL0 { runs, max });
        let plan = self.plan(oldest..=end.saturating_sub(1), Cut::Whole, Work::Merge, Place::Join);
        count >= 2 && search.propose(&plan, false)
    }

    pub(super) fn plan(&self, runs: RangeInclusive<usize>, cut: Cut, work: Work, place: Place) -> Plan {
        Plan { runs, cut, work, place, table_bytes_max: self.settings.table_bytes_max }
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
    let (mut count, mut bytes) = (0usize, 0u64);
    for run in version.runs.get(runs).unwrap_or(&[]) {
        bytes = bytes.saturating_add(run.bytes());
        if bytes > cap {
            break;
        }
        count = count.saturating_add(1);
    }
    count.max(1)
}
