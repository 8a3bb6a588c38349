//! Tables whose tombstones should go: too many of them, or one that is too old.
//!
//! Of each run one table is nominated, kept with the run, so that nothing is scanned. Over older data the table sinks;
//! where it is bottommost it is rewritten in place. Only tables wholly below the snapshot floor count, since others would
//! keep their tombstones.

use core::cmp::Ordering;

use super::{Leveled, Targets};
use crate::decision::{Cut, Place, Rule, Work};
use crate::strategy::Search;
use crate::version::{Plan, Table, Version};
use crate::wide::compare_products;

#[derive(Clone, Copy)]
enum Trigger {
    Share,
    Age,
}

impl Leveled {
    /// Offers the nominees of all runs, first those with too many tombstones, then those with too old ones; whether one was
    /// admitted. O(runs).
    pub(super) fn tombstones<K: Ord>(&self, search: &mut Search<'_, '_, K>, targets: &Targets<'_>) -> bool {
        let version = search.version;
        for trigger in [Trigger::Share, Trigger::Age] {
            for (at, run) in version.runs.iter().enumerate() {
                let place = match trigger {
                    Trigger::Share => run.densest(),
                    Trigger::Age => run.oldest_tombstone(),
                };
                if let Some(table) = version.tables.get(place)
                    && table.below(search.moment.snapshot_floor)
                    && self.fires(search, trigger, table)
                    && search.propose(&mut self.purge(version, targets, at, place, table), true)
                {
                    return true;
                }
            }
        }
        false
    }

    fn fires<K: Ord>(&self, search: &mut Search<'_, '_, K>, trigger: Trigger, table: &Table<K>) -> bool {
        match trigger {
            Trigger::Share => {
                let (tombstones, entries) = (table.tombstones, table.entries);
                let pct_max = u64::from(self.settings.tombstone_pct_max);
                search.answer(Rule::TombstoneShare { table: table.id, tombstones, entries, pct_max });
                pct_max < 100 && compare_products((tombstones, 100), (entries, pct_max)) == Ordering::Greater
            }
            Trigger::Age => {
                let age_ms_max = self.settings.tombstone_age_ms_max;
                let Some(written_ms) = table.oldest_tombstone_ms else { return false };
                search.answer(Rule::TombstoneAge { table: table.id, written_ms, age_ms_max });
                age_ms_max != u64::MAX && search.due_after(written_ms, age_ms_max)
            }
        }
    }

    /// How `table`, at position `place` of run `run`, loses its tombstones: it is rewritten where it is, if nothing older meets
    /// it; else it sinks, in the deepest level to the run that is next in age.
    fn purge<K: Ord>(
        &self,
        version: &Version<'_, K>,
        targets: &Targets<'_>,
        run: usize,
        place: usize,
        table: &Table<K>,
    ) -> Plan {
        let (mut oldest, mut to) = (run, Place::Join);
        if version.overlaps(0..run, &table.min, &table.max) {
            oldest = run.wrapping_sub(1);
            if let Some(way) = version.runs.get(run).and_then(|run| targets.way_down(version, run.level)) {
                (oldest, to) = (way.oldest, way.place);
            }
        }
        self.plan(oldest..=run, Cut::one_table(place), Work::Merge, to)
    }
}
