//! Tables whose tombstones should go: too many of them, or one that is too old.
//!
//! Of each run one table is nominated, kept with the run, so that nothing is scanned. Over older data the table sinks;
//! where it is bottommost it is rewritten in place. Only tables wholly below the snapshot floor count, since others would
//! keep their tombstones.

use super::{Leveled, Targets};
use crate::decision::{Cut, Decision, Place, Rule, Work};
use crate::strategy::Search;
use crate::version::{Plan, Run, Table};

impl Leveled {
    /// Tombstones by their share of the entries. O(runs).
    pub(super) fn many_tombstones<K: Ord>(
        &self,
        search: &mut Search<'_, '_, K>,
        targets: &Targets,
    ) -> Option<Decision> {
        let pct_max = u64::from(self.settings.tombstone_pct_max);
        if pct_max >= 100 {
            return None;
        }
        self.nominees(search, targets, Run::densest, |_, table| {
            let has = u128::from(table.tombstones).saturating_mul(100);
            let (table, tombstones, entries) = (table.id, table.tombstones, table.entries);
            let fires = has > u128::from(entries).saturating_mul(u128::from(pct_max));
            fires.then_some(Rule::TombstoneShare { table, tombstones, entries, pct_max })
        })
    }

    /// Tombstones by their age. O(runs).
    pub(super) fn old_tombstones<K: Ord>(&self, search: &mut Search<'_, '_, K>, targets: &Targets) -> Option<Decision> {
        let age_ms_max = self.settings.tombstone_age_ms_max;
        if age_ms_max == u64::MAX {
            return None;
        }
        self.nominees(search, targets, Run::oldest_tombstone, |search, table| {
            let written_ms = table.oldest_tombstone_ms?;
            let due_ms = written_ms.checked_add(age_ms_max)?;
            search.due(due_ms);
            let fires = due_ms <= search.moment().now_ms;
            fires.then_some(Rule::TombstoneAge { table: table.id, written_ms, age_ms_max })
        })
    }

    fn nominees<K: Ord>(
        &self,
        search: &mut Search<'_, '_, K>,
        targets: &Targets,
        nominee: impl Fn(&Run) -> usize,
        fires: impl Fn(&mut Search<'_, '_, K>, &Table<K>) -> Option<Rule>,
    ) -> Option<Decision> {
        let version = search.version();
        let floor = search.moment().snapshot_floor;
        for (at, run) in version.runs().iter().enumerate() {
            let place = nominee(run);
            let Some(table) = version.tables().get(place).filter(|table| table.below(floor)) else { continue };
            let Some(rule) = fires(search, table) else { continue };
            let decision = self.purge(search, targets, at, place, rule);
            if decision.is_some() {
                return decision;
            }
        }
        None
    }

    /// Rewrites the table at position `place` of run `run` where it is, if nothing older meets it; else lets it sink.
    fn purge<K: Ord>(
        &self,
        search: &mut Search<'_, '_, K>,
        targets: &Targets,
        run: usize,
        place: usize,
        rule: Rule,
    ) -> Option<Decision> {
        let version = search.version();
        let at = u32::try_from(place).ok()?;
        let here = Plan {
            runs: run..=run,
            cut: Cut::Tables { first: at, last: at },
            work: Work::Merge,
            place: Place::Join,
            table_bytes_max: self.settings.table_bytes_max,
        };
        let mut planned = version.plan(&here)?;
        if !planned.job.bottommost() {
            let level = version.runs().get(run)?.level();
            let (oldest, place) = match targets.below(level) {
                Some(below) => self.destination(&version, targets, level, below),
                None => (run.checked_sub(1)?, Place::Join),
            };
            planned = version.plan_cheapest(&Plan { runs: oldest..=run, place, ..here })?;
        }
        search.offer(&planned, rule, self.settings.job_bytes_max, true)
    }
}
