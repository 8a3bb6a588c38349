//! The jobs that bring a level within its limits.

use core::cmp::Ordering;
use core::ops::{Range, RangeInclusive};

use super::Leveled;
use super::target::Way;
use crate::decision::{Cut, Place, Rule, Work};
use crate::strategy::Search;
use crate::version::{Plan, Version};
use crate::wide::compare_products;

impl Leveled {
    /// Whole runs of a level, at the positions `runs`, sink, the oldest first: moved where nothing overlaps, else as many at
    /// once as may be.
    pub(super) fn sink_runs<K: Ord>(&self, search: &mut Search<'_, '_, K>, runs: &Range<usize>, way: &Way) -> bool {
        let version = search.version;
        let start = runs.start;
        let cut = Cut::From(u32::try_from(start).unwrap_or(u32::MAX));
        let mut plan = self.plan(way.oldest..=start, cut, Work::Move, way.place);
        let tables = version.run_tables(start);
        if !way.joins
            && let (Some(first), Some(last)) = (tables.first(), tables.last())
        {
            let (oldest, place) = version.landing(start, way.below, &first.min, &last.max);
            (plan.runs, plan.place) = (oldest..=start, place);
        }
        // A new run is none that many runs merge into.
        if (way.joins || plan.place == Place::Join) && search.propose(&mut plan, false) {
            return true;
        }
        plan.work = Work::Merge;
        let mut count = within(version, runs, self.settings.job_bytes_max);
        while count > 0 {
            let newest = start.wrapping_add(count).wrapping_sub(1);
            (plan.runs, plan.place) = (way.oldest..=newest, way.place);
            if search.propose(&mut plan, false) {
                return true;
            }
            count /= 2;
        }
        false
    }

    /// The newest free runs of level 0, which has `has` of them, more than `max`, are merged where they are: as many as make
    /// each run that goes cheaper.
    pub(super) fn merge_l0<K: Ord>(&self, search: &mut Search<'_, '_, K>, has: u64, max: u64) -> bool {
        let version = search.version;
        if !self.settings.intra_l0 || has.wrapping_sub(max) < 2 {
            return false;
        }
        let end = version.runs.len();
        let (mut oldest, mut bytes) = (end, 0u64);
        // Before the first run there is none: the position wraps to one that no run has.
        while let Some(run) = version.runs.get(oldest.wrapping_sub(1))
            && run.level == 0
            && !version.is_barred(oldest.wrapping_sub(1), oldest.wrapping_sub(1), None)
        {
            let sum = bytes.saturating_add(run.bytes());
            let goes = end.wrapping_sub(oldest).saturating_sub(1);
            if compare_products((run.bytes(), goes as u64), (bytes, 1)) == Ordering::Greater || !search.fits(sum) {
                break;
            }
            (oldest, bytes) = (oldest.wrapping_sub(1), sum);
        }
        search.answer(Rule::IntraL0 { runs: usize::try_from(has).unwrap_or(usize::MAX), max });
        let mut plan = self.plan(oldest..=end.wrapping_sub(1), Cut::Whole, Work::Merge, Place::Join);
        end.wrapping_sub(oldest) >= 2 && search.propose(&mut plan, false)
    }

    pub(super) fn plan(&self, runs: RangeInclusive<usize>, cut: Cut, work: Work, place: Place) -> Plan {
        Plan { runs, cut, work, place, table_bytes_max: self.settings.table_bytes_max }
    }
}

/// How many of the runs, the oldest first, hold no more than `cap` bytes together; at least one.
fn within<K>(version: &Version<'_, K>, runs: &Range<usize>, cap: u64) -> usize {
    let (mut end, mut bytes) = (runs.start, 0u64);
    while end < runs.end
        && let Some(run) = version.runs.get(end)
        && let Some(sum) = bytes.checked_add(run.bytes())
        && sum <= cap
    {
        (end, bytes) = (end.wrapping_add(1), sum);
    }
    end.wrapping_sub(runs.start).max(1)
}
