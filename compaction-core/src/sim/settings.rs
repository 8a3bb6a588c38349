//! What is simulated beside the workload and the strategy, and why it may be refused.

use core::fmt;

use super::{TableFormat, Workload, WorkloadError};
use crate::config::ConfigError;
use crate::edit::{BeginError, EditError};

/// The store around the strategy. The defaults are those of `lsm-std`.
///
/// ```
/// use compaction_core::sim::StoreSettings;
/// let store = StoreSettings { memtable_bytes: 1 << 20, ..StoreSettings::default() };
/// assert_eq!(store.memtable_entry_bytes, 64);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreSettings {
    /// A memtable of this many bytes is flushed by the next write.
    pub memtable_bytes: u64,
    /// What an entry costs in a memtable beside its key and value.
    pub memtable_entry_bytes: u64,
    /// Tables written by a flush are cut at this many bytes.
    pub table_bytes: u64,
    /// How long a table is.
    pub format: TableFormat,
    /// Seed of the strategy's entropy.
    pub seed: u64,
    /// Operations and keys that one simulated one stands for; `None`: as few as keep the work bounded.
    pub scale: Option<u64>,
    /// Reads that one simulated one stands for, beside the scale; 0 counts as 1. [`simulate`](super::simulate) thins the
    /// workload's reads by as much.
    pub read_weight: u64,
    /// Room for tables in bytes; `u64::MAX` for no limit.
    pub space_bytes: u64,
    /// Bytes per second that flushes and merges read and write; 0: time is not simulated.
    pub io_bytes_per_s: u64,
    /// Bytes of keys and values per second that the user writes; 0: as many as the store takes.
    pub user_bytes_per_s: u64,
    /// So many full memtables may wait before writers wait for them.
    pub frozen_memtables_max: u64,
    /// States over time that the report holds, about.
    pub samples: u64,
}

impl Default for StoreSettings {
    fn default() -> Self {
        Self {
            memtable_bytes: 16 << 20,
            memtable_entry_bytes: 64,
            table_bytes: 64 << 20,
            format: TableFormat::default(),
            seed: 1,
            scale: None,
            read_weight: 1,
            space_bytes: u64::MAX,
            io_bytes_per_s: 0,
            user_bytes_per_s: 0,
            frozen_memtables_max: 4,
            samples: 400,
        }
    }
}

/// Simulated operations up to which nothing is sampled.
const OPS_MAX: u64 = 8_000_000;
/// Most simulated operations, keys and flushes, whatever the scale.
pub(super) const LIMIT: u64 = 1 << 27;
/// Fewest simulated writes of a memtable, as long as that keeps within the limits.
const MEMTABLE_WRITES_MIN: u64 = 64;

impl StoreSettings {
    /// The scale at which `workload` is simulated: what was asked for, else the smallest at which no more than about eight
    /// million operations are simulated, but at most so large that a memtable takes 64 simulated writes.
    ///
    /// # Errors
    /// [`SimError::TooLarge`] where no such scale keeps operations and keys within 2^27.
    pub fn scale_of(&self, workload: &Workload) -> Result<u64, SimError> {
        let keys = workload.phases.iter().map(|phase| phase.keys).max().unwrap_or(1);
        let needed = |n: u64, max: u64| n.div_ceil(max).max(1);
        let scale = self.scale.unwrap_or_else(|| {
            let puts = workload.expected_puts().max(1);
            let put_bytes = workload.expected_put_bytes(self.format.key_bytes).checked_div(puts).unwrap_or(0);
            let writes = self.memtable_bytes.checked_div(put_bytes.saturating_add(self.memtable_entry_bytes).max(1));
            let fine = writes.unwrap_or(1) / MEMTABLE_WRITES_MIN;
            let wanted = needed(workload.ops(), OPS_MAX).max(needed(keys, OPS_MAX));
            wanted.min(fine).max(needed(workload.ops(), LIMIT)).max(needed(keys, LIMIT))
        });
        let scale = scale.max(1);
        for (what, n) in [("operations", workload.ops()), ("keys", keys)] {
            let simulated = n.checked_div(scale).unwrap_or(n);
            if simulated > LIMIT {
                return Err(SimError::TooLarge { what, simulated, max: LIMIT });
            }
        }
        Ok(scale)
    }
}

/// Why a simulation ends without a report.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SimError {
    /// The workload makes no sense.
    Workload(WorkloadError),
    /// The strategy cannot be had.
    Config(ConfigError),
    /// More than can be simulated: a larger scale would help.
    TooLarge {
        /// What there is too much of.
        what: &'static str,
        /// How many there are.
        simulated: u64,
        /// How many may be.
        max: u64,
    },
    /// The strategy chose a job that cannot begin.
    Begin(BeginError),
    /// The tree refuses an edit.
    Edit(EditError),
    /// The strategy had still work after this many jobs with nothing written in between.
    Restless {
        /// How many were done.
        jobs: u64,
    },
}

impl fmt::Display for SimError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Workload(error) => write!(f, "{error}"),
            Self::Config(error) => write!(f, "{error}"),
            Self::TooLarge { what, simulated, max } => {
                write!(f, "{simulated} {what} are too many to simulate, at most {max}: use a larger scale")
            }
            Self::Begin(error) => write!(f, "a job that cannot begin: {error}"),
            Self::Edit(error) => write!(f, "an edit that the tree refuses: {error}"),
            Self::Restless { jobs } => write!(f, "still work to do after {jobs} jobs with nothing written"),
        }
    }
}

impl core::error::Error for SimError {}

impl From<WorkloadError> for SimError {
    fn from(error: WorkloadError) -> Self {
        Self::Workload(error)
    }
}

impl From<ConfigError> for SimError {
    fn from(error: ConfigError) -> Self {
        Self::Config(error)
    }
}

impl From<BeginError> for SimError {
    fn from(error: BeginError) -> Self {
        Self::Begin(error)
    }
}

impl From<EditError> for SimError {
    fn from(error: EditError) -> Self {
        Self::Edit(error)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Phase;
    use super::*;
    use std::vec::Vec;

    #[test]
    fn the_scale_is_the_smallest_that_bounds_the_work_and_leaves_a_memtable_its_writes() {
        // 6 400 writes a memtable: at a scale of 100 these are 64.
        let store = StoreSettings { memtable_bytes: 180 * 6_400, ..StoreSettings::default() };
        let of = |store: &StoreSettings, phases: &[(u64, u64)]| {
            let phases: Vec<_> = phases.iter().map(|(ops, keys)| Phase::puts(*ops, *keys)).collect();
            store.scale_of(&Workload { seed: 1, ttl_ms: None, phases })
        };
        for (ops, scale) in [(0, 1), (8_000_000, 1), (8_000_001, 2), (80_000_000, 10), (10_000_000_000, 100)] {
            assert_eq!(of(&store, &[(ops, 10)]), Ok(scale), "{ops} operations");
        }
        assert_eq!(of(&store, &[(112 << 27, 10)]), Ok(112), "more would be too many, whatever the memtable");
        assert_eq!(of(&store, &[(9, 10), (9, 80_000_000), (9, 10)]), Ok(10), "keys count as well");
        assert_eq!(of(&store, &[(9, 112 << 27)]), Ok(112));
        let given = |scale| StoreSettings { scale: Some(scale), ..store };
        assert_eq!((of(&given(0), &[(LIMIT, 9)]), of(&given(7), &[(9, 9)])), (Ok(1), Ok(7)));
        let too_large = SimError::TooLarge { what: "operations", simulated: LIMIT + 1, max: LIMIT };
        assert_eq!(of(&given(1), &[(LIMIT + 1, 9)]), Err(too_large));
    }
}
