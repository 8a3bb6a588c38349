//! A simulation that starts from a tree as it stands.

use alloc::vec::Vec;

use super::entry::Entry;
use super::size::TableSize;
use super::{SimError, Simulation};
use crate::strategy::CompactionStrategy;

/// A table of a store as it stands, its keys as numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GivenTable {
    /// Number of its first key.
    pub min: u32,
    /// Number of its last key.
    pub max: u32,
    /// Its entries, tombstones among them.
    pub entries: u64,
    /// Its tombstones.
    pub tombstones: u64,
    /// Length of a value.
    pub value_bytes: u32,
}

impl<S: CompactionStrategy<u32>> Simulation<S> {
    /// Adds a run behind those there are: how a tree is built, the oldest run first, before anything is written. Which keys a
    /// table holds is not known, so they are spread evenly between its first and its last; it cannot hold more than that.
    ///
    /// ```
    /// use compaction_core::Tiered;
    /// use compaction_core::sim::{GivenTable, Simulation, StoreSettings};
    /// let table = |min, max| GivenTable { min, max, entries: 1_000, tombstones: 0, value_bytes: 100 };
    /// let mut simulation = Simulation::new(Tiered::default(), &StoreSettings::default(), 1);
    /// simulation.add_run(1, &[table(0, 999), table(1_000, 2_999)])?;
    /// simulation.add_run(0, &[table(500, 2_500)])?;
    /// let report = simulation.finish()?;
    /// assert_eq!((report.last().runs, report.counts().user_bytes), (2, 0));
    /// # Ok::<(), compaction_core::sim::SimError>(())
    /// ```
    ///
    /// # Errors
    /// A run that breaks a law of the tree; a key beyond the limits.
    pub fn add_run(&mut self, level: u8, tables: &[GivenTable]) -> Result<(), SimError> {
        let mut run = Vec::new();
        for given in tables {
            let entries = self.spread(given)?;
            let mut size = TableSize::new(self.store.format, self.scale);
            for entry in &entries {
                let seqno = u64::from(entry.seqno).saturating_mul(self.scale);
                size.add((entry.key.into(), None), seqno, entry.value().map(u64::from));
            }
            run.extend(self.table(&entries, &size, (0, 0)));
        }
        Ok(self.tree.push_run(level, run)?)
    }

    fn spread(&mut self, given: &GivenTable) -> Result<Vec<Entry>, SimError> {
        let span = u64::from(given.max.saturating_sub(given.min));
        let scaled = given.entries.checked_div(self.scale).unwrap_or(0);
        let count = scaled.clamp(1, span.saturating_add(1)).max(if span > 0 { 2 } else { 1 });
        let share = |of: u64, at: u64, parts: u64| {
            let share = u128::from(of).saturating_mul(at.into()).checked_div(parts.into()).unwrap_or(0);
            u64::try_from(share).unwrap_or(u64::MAX)
        };
        let tombstones = share(count, given.tombstones, given.entries.max(1)).min(count);
        let mut entries = Vec::new();
        for at in 0..count {
            let offset = u32::try_from(share(span, at, count.saturating_sub(1))).unwrap_or(u32::MAX);
            let is_tombstone = share(tombstones, at.saturating_add(1), count) > share(tombstones, at, count);
            let value = (!is_tombstone).then_some(given.value_bytes);
            entries.push(self.memory.adopt(given.min.saturating_add(offset), value, &self.store.format)?);
        }
        Ok(entries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::StoreSettings;
    use crate::strategy::Idle;

    fn given(table: GivenTable, scale: u64) -> (u32, u32, u64, u64) {
        let mut simulation = Simulation::new(Idle, &StoreSettings::default(), scale);
        simulation.add_run(1, &[table]).unwrap();
        let version = simulation.tree.view();
        let [table] = version.tables() else { panic!("one table") };
        (table.min, table.max, table.entries, table.tombstones)
    }

    #[test]
    fn a_given_table_keeps_its_ends_its_entries_and_its_share_of_tombstones() {
        let table = GivenTable { min: 10, max: 109, entries: 50, tombstones: 20, value_bytes: 8 };
        assert_eq!(given(table, 1), (10, 109, 50, 20));
        assert_eq!(given(table, 5), (10, 109, 50, 20), "ten that stand for five each");
        assert_eq!(given(GivenTable { entries: 500, ..table }, 1), (10, 109, 100, 4), "it cannot hold more");
        assert_eq!(given(GivenTable { entries: 1, tombstones: 0, ..table }, 1), (10, 109, 2, 0), "both its ends");
        assert_eq!(given(GivenTable { max: 10, tombstones: 50, ..table }, 1), (10, 10, 1, 1));
    }

    #[test]
    fn the_tombstones_of_a_given_table_are_spread_and_its_last_entry_is_one() {
        let mut simulation = Simulation::new(Idle, &StoreSettings::default(), 1);
        let table = GivenTable { min: 0, max: 7, entries: 8, tombstones: 2, value_bytes: 8 };
        let entries = simulation.spread(&table).unwrap();
        let dead: Vec<u32> = entries.iter().filter(|entry| entry.value().is_none()).map(|entry| entry.key).collect();
        assert_eq!(dead, [3, 7]);
    }
}
