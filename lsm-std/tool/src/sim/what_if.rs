//! A store as it stands, for the simulator: its tables with numbers in place of keys.

use std::path::Path;
use std::rc::Rc;

use bytes::Bytes;
use compaction_core::sim::{GivenTable, Mix, Phase, Simulation, StoreSettings, TableFormat, Workload};
use lsm_std::TableMeta;

use super::watch::{Seen, Watched};
use super::{Candidate, Simulated};
use crate::Failure;
use crate::store::{leave, look};
use crate::strategies::short_name;

/// More numbers than this are sampled.
const NUMBERS_MAX: u64 = 8_000_000;
/// What an entry takes in a table beside key and value, about.
const ENTRY_BYTES: u64 = 9;

/// A store as it stands.
#[derive(Clone, Debug)]
pub struct Standing {
    /// Name of the strategy that it runs.
    pub strategy: &'static str,
    /// Level and tables of each run, oldest first.
    runs: Vec<(u8, Vec<GivenTable>)>,
    /// Keys that one number stands for.
    scale: u64,
    /// Numbers in use.
    numbers: u64,
    /// Mean length of a key.
    key_bytes: u64,
    /// Mean length of a value.
    value_bytes: u64,
    entries: u64,
    tombstones: u64,
}

impl Standing {
    /// Reads the shape of the store in `dir`.
    ///
    /// # Errors
    /// No store there, one that cannot be opened, or an empty one.
    pub fn of(dir: &Path) -> Result<Self, Failure> {
        let db = look(dir)?;
        let (strategy, runs) = (short_name(db.stats().strategy), db.runs());
        leave(db)?;
        if runs.is_empty() {
            return Err(Failure::Wrong(format!("{} holds no table", dir.display())));
        }
        Ok(Self::new(strategy, &runs))
    }

    fn new(strategy: &'static str, runs: &[(u8, Vec<TableMeta>)]) -> Self {
        let tables = || runs.iter().flat_map(|(_, tables)| tables);
        let sum = |of: fn(&TableMeta) -> u64| tables().map(of).sum::<u64>();
        let (entries, tombstones) = (sum(|table| table.entries), sum(|table| table.tombstones));
        let key_bytes = sum(|table| (table.min.len() + table.max.len()) as u64) / (2 * tables().count() as u64).max(1);
        let data_bytes =
            sum(|table| table.bytes) - (key_bytes.min(4) + ENTRY_BYTES) * entries.min(sum(|t| t.bytes) / 16);
        let value_bytes = data_bytes / (entries - tombstones).max(1);
        let scale = entries.div_ceil(NUMBERS_MAX).max(1);
        let numbers = Numbers::of(tables(), scale);
        let given = |table: &TableMeta| GivenTable {
            min: numbers.of_key(&table.min),
            max: numbers.of_key(&table.max),
            entries: table.entries,
            tombstones: table.tombstones,
            value_bytes: value_bytes as u32,
        };
        let given = |(level, tables): &(u8, Vec<TableMeta>)| (*level, tables.iter().map(given).collect());
        let given = runs.iter().map(given).collect();
        let count = numbers.keys.last().map_or(1, |(_, number)| u64::from(*number) + 1);
        Self { strategy, runs: given, scale, numbers: count, key_bytes, value_bytes, entries, tombstones }
    }

    /// Writes to come, as the store has seen them: as many as it has entries, deletes in their share, values of their length,
    /// on any key alike. Reads leave no trace in a store: their shares come with `mix`.
    pub fn workload(&self, mix: Option<Mix>) -> Workload {
        let delete = self.tombstones as f64 / self.entries.max(1) as f64;
        let mix = mix.unwrap_or(Mix { put: 1.0 - delete, delete, ..Mix::default() });
        let phase =
            Phase { mix, value_bytes: self.value_bytes, ..Phase::puts(self.entries, self.numbers * self.scale) };
        Workload { seed: 1, ttl_ms: None, phases: vec![phase] }
    }

    /// What it is, in words.
    pub fn notes(&self) -> String {
        format!(
            "the store runs {} and holds {} entries in {} runs, {} of them tombstones; about {} keys of {} B, values of {} B",
            self.strategy,
            self.entries,
            self.runs.len(),
            self.tombstones,
            self.numbers * self.scale,
            self.key_bytes,
            self.value_bytes
        )
    }

    /// Simulates `workload` under one strategy from here.
    ///
    /// # Errors
    /// What the simulator refuses.
    pub fn simulate(
        &self,
        workload: &Workload,
        candidate: Candidate,
        store: &StoreSettings,
    ) -> Result<Simulated, Failure> {
        let start = std::time::Instant::now();
        let failed = |error: &dyn std::fmt::Display| Failure::Wrong(format!("{}: {error}", candidate.name));
        let seen = Rc::new(Seen::default());
        let strategy = Watched::new(candidate.settings, &seen).map_err(|error| failed(&error))?;
        let format = TableFormat { key_bytes: self.key_bytes, ..store.format };
        let mut simulation = Simulation::new(strategy, &StoreSettings { format, ..*store }, self.scale);
        workload.check()?;
        let built = self.runs.iter().try_for_each(|(level, tables)| simulation.add_run(*level, tables));
        let report = built.and_then(|()| simulation.run(workload)).map_err(|error| failed(&error))?;
        Ok(Simulated { candidate, report, seconds: start.elapsed().as_secs_f64(), seen })
    }
}

/// Numbers for the keys at which tables start and end, in their order.
struct Numbers {
    keys: Vec<(Bytes, u32)>,
}

impl Numbers {
    /// A table that overlaps no older one takes a number for each `scale` entries; keys within it lie evenly spaced.
    fn of<'a>(tables: impl Iterator<Item = &'a TableMeta> + Clone, scale: u64) -> Self {
        let mut keys: Vec<Bytes> = tables.clone().flat_map(|table| [table.min.clone(), table.max.clone()]).collect();
        keys.sort_unstable();
        keys.dedup();
        let place = |key: &Bytes| keys.partition_point(|other| other < key);
        // How many numbers lie between each key and the next.
        let mut gaps = vec![0u64; keys.len()];
        let mut taken = vec![false; keys.len()];
        for table in tables {
            let (min, max) = (place(&table.min), place(&table.max));
            if taken[min..=max].iter().all(|taken| !taken) {
                let steps = (max - min).max(1) as u64;
                gaps[min..max].fill((table.entries / scale).div_ceil(steps).max(1));
                taken[min..=max].fill(true);
            }
        }
        let mut number = 0u64;
        let numbered = keys.into_iter().zip(gaps).map(|(key, gap)| {
            let own = number;
            number += gap.max(1);
            (key, u32::try_from(own).unwrap_or(u32::MAX))
        });
        Self { keys: numbered.collect() }
    }

    fn of_key(&self, key: &Bytes) -> u32 {
        let at = self.keys.partition_point(|(other, _)| other < key);
        self.keys.get(at).map_or(u32::MAX, |(_, number)| *number)
    }
}
