//! Tables whose tombstones should go: too many of them, or one that is too old.
//!
//! Of each run one table is nominated, kept with the run, so that nothing is scanned. Over older data the table sinks;
//! where it is bottommost it is rewritten in place. Only tables wholly below the snapshot floor count, since others would
//! keep their tombstones.

use super::{Leveled, Targets};
use crate::decision::{Cut, Decision, Place, Rule, Work};
use crate::strategy::Search;
use crate::version::{Plan, Run, Table};
use crate::wide::product;

#[derive(Clone, Copy)]
enum Trigger {
    Share,
    Age,
}

impl Leveled {
    /// Offers the nominees of all runs, first those with too many tombstones, then those with too old ones. O(runs).
    pub(super) fn tombstones<K: Ord>(&self, search: &mut Search<'_, '_, K>, targets: &Targets) -> Option<Decision> {
        let version = search.version();
        let floor = search.moment().snapshot_floor;
        for trigger in [Trigger::Share, Trigger::Age] {
            for (at, run) in version.runs().iter().enumerate() {
                let place = match trigger {
                    Trigger::Share => run.densest(),
                    Trigger::Age => run.oldest_tombstone(),
                };
                if let Some(table) = version.tables().get(place).filter(|table| table.below(floor))
                    && let Some(rule) = self.fires(search, trigger, table)
                    && let Some(decision) = self.purge(search, targets, at, place, rule)
                {
                    return Some(decision);
                }
            }
        }
        None
    }

    fn fires<K: Ord>(&self, search: &mut Search<'_, '_, K>, trigger: Trigger, table: &Table<K>) -> Option<Rule> {
        match trigger {
            Trigger::Share => {
                let (tombstones, entries) = (table.tombstones, table.entries);
                let pct_max = u64::from(self.settings.tombstone_pct_max);
                let fires = pct_max < 100 && product(tombstones, 100) > product(entries, pct_max);
                fires.then_some(Rule::TombstoneShare { table: table.id, tombstones, entries, pct_max })
            }
            Trigger::Age => {
                let (written_ms, age_ms_max) = (table.oldest_tombstone_ms?, self.settings.tombstone_age_ms_max);
                if age_ms_max == u64::MAX {
                    return None;
                }
                let fires = search.due_after(written_ms, age_ms_max);
                fires.then_some(Rule::TombstoneAge { table: table.id, written_ms, age_ms_max })
            }
        }
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
        let table = version.tables().get(place)?;
        let at = u32::try_from(place).ok()?;
        let (oldest, place) = if version.overlaps(0..run, &table.min, &table.max) {
            let level = version.runs().get(run).map_or(0, Run::level);
            match targets.below(level) {
                Some(below) => self.destination(&version, targets, level, below),
                None => (run.checked_sub(1)?, Place::Join),
            }
        } else {
            (run, Place::Join)
        };
        let plan = Plan {
            runs: oldest..=run,
            cut: Cut::Tables { first: at, last: at },
            work: Work::Merge,
            place,
            table_bytes_max: self.settings.table_bytes_max,
        };
        search.propose(&plan, rule, self.settings.job_bytes_max, true)
    }
}
