//! A workload through the simulated store.

use super::{Mix, Op, Ops, SimError, SimReport, Simulation, StoreSettings, Workload};
use crate::config::AnySettings;
use crate::strategy::{AnyStrategyVec, CompactionStrategy};

/// Runs `workload` under the strategy of these settings.
///
/// ```
/// use compaction_core::sim::{Phase, StoreSettings, Workload, simulate};
/// use compaction_core::{AnySettings, LeveledSettings};
/// let workload = Workload { seed: 1, ttl_ms: None, phases: vec![Phase::puts(50_000, 10_000)] };
/// let store = StoreSettings { memtable_bytes: 64 << 10, table_bytes: 64 << 10, ..StoreSettings::default() };
/// let leveled = LeveledSettings { base_bytes: 256 << 10, table_bytes_max: 64 << 10, ..LeveledSettings::default() };
/// let report = simulate(&workload, AnySettings::Leveled(leveled), &store)?;
/// let (writes, space) = (report.counts().write_amp(), report.last().space_amp());
/// assert!(writes.is_some_and(|amp| amp.milli_floor().0 > 2_000));
/// assert!(space.is_some_and(|amp| amp.milli_floor().0 < 2_000));
/// # Ok::<(), compaction_core::sim::SimError>(())
/// ```
///
/// # Errors
/// A workload or settings that make no sense, limits exceeded, a strategy that breaks a law.
pub fn simulate(workload: &Workload, strategy: AnySettings, store: &StoreSettings) -> Result<SimReport, SimError> {
    simulate_with(workload, AnyStrategyVec::from_settings(strategy)?, store)
}

/// As [`simulate`], for any strategy over numbers as keys.
///
/// # Errors
/// As [`simulate`].
pub fn simulate_with<S>(workload: &Workload, strategy: S, store: &StoreSettings) -> Result<SimReport, SimError>
where
    S: CompactionStrategy<u32>,
{
    workload.check()?;
    Simulation::new(strategy, store, store.scale_of(workload)?).run(workload)
}

impl<S: CompactionStrategy<u32>> Simulation<S> {
    /// Runs `workload`, which has been checked, to its end, with one read in [`StoreSettings::read_weight`], and answers with what
    /// was counted.
    ///
    /// # Errors
    /// As [`put`](Self::put).
    pub fn run(mut self, workload: &Workload) -> Result<SimReport, SimError> {
        let thinned = (self.store.read_weight > 1).then(|| workload.thinned(self.store.read_weight));
        let workload = thinned.as_ref().unwrap_or(workload);
        self.ttl_ms = workload.ttl_ms;
        let is_read = |mix: &Mix| mix.get + mix.miss + mix.scan > 0.0;
        self.memory.unread = !workload.phases.iter().any(|phase| is_read(&phase.mix));
        let ops = workload.ops().checked_div(self.scale).unwrap_or(0);
        let every = ops.checked_div(self.store.samples).unwrap_or(u64::MAX).max(1);
        let narrow = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
        for (at, op) in (1u64..).zip(Ops::sampled(workload, self.scale)) {
            match op {
                Op::Put { key, value_bytes } => self.put(narrow(key), narrow(value_bytes))?,
                Op::Delete { key } => self.delete(narrow(key))?,
                Op::Get { key } => self.get(narrow(key))?,
                Op::Miss { key } => self.miss(narrow(key))?,
                Op::Scan { key, keys } => self.scan(narrow(key), keys)?,
            }
            if at.is_multiple_of(every) {
                self.sample();
            }
        }
        self.finish()
    }
}
