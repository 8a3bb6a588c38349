//! A workload to be run, and the words its description is made of.

use compaction_core::sim::{Hot, Mix, Phase, Skew, Workload};

use super::field::{MEMTABLE_ENTRIES, VALUE_BYTES};

/// Most reads that one simulated read stands for. Strategies see one read in 64 as it is.
const READ_WEIGHT_MAX: u64 = 64;
/// Keys that a scan reads.
pub const SCAN_KEYS: u64 = 50;

/// Which workloads: those that settings were found with, or those they are judged by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Set {
    /// Seen while the defaults were chosen
    Tune,
    /// Never looked at while the defaults were chosen
    Judge,
}

impl Set {
    /// The name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tune => "tune",
            Self::Judge => "judge",
        }
    }

    /// One value to tune with, the other to judge by.
    pub fn pick<T>(self, tune: T, judge: T) -> T {
        match self {
            Self::Tune => tune,
            Self::Judge => judge,
        }
    }
}

/// A workload with its name and the group that it counts in.
#[derive(Clone, Debug)]
pub struct Case {
    /// Its name in tables.
    pub name: String,
    /// The group.
    pub group: &'static str,
    /// What happens.
    pub workload: Workload,
}

impl Case {
    /// A case of these phases.
    pub fn new(name: impl Into<String>, group: &'static str, seed: u64, phases: Vec<Phase>) -> Self {
        Self { name: name.into(), group, workload: Workload { seed, ttl_ms: None, phases } }
    }

    /// Reads for each simulated one: so many that there is about one read to four writes.
    pub fn read_weight(&self) -> u64 {
        let writes = |phase: &Phase| phase.ops as f64 * (phase.mix.put + phase.mix.delete);
        let writes: f64 = self.workload.phases.iter().map(writes).sum();
        let reads = self.workload.ops() as f64 - writes;
        ((4.0 * reads / writes.max(1.0)) as u64).clamp(1, READ_WEIGHT_MAX)
    }
}

/// Entries of so many memtables.
pub fn memtables(count: f64) -> u64 {
    (count * MEMTABLE_ENTRIES as f64) as u64
}

/// A stretch of `ops` operations on `keys` keys.
pub fn phase(ops: u64, keys: u64, skew: Skew, mix: Mix) -> Phase {
    Phase { ops, keys, skew, read_skew: None, value_bytes: VALUE_BYTES, mix, scan_keys: SCAN_KEYS }
}

/// Every key written once, in scattered order.
pub fn load(keys: u64) -> Phase {
    phase(keys, keys, Skew::Scattered, Mix { put: 1.0, ..Mix::default() })
}

/// A contiguous share of the keys that takes a share of the operations.
pub fn hot(share_of_keys: f64, share_of_ops: f64, at: f64) -> Skew {
    Skew::Hot(Hot { share_of_keys, share_of_ops, at })
}

/// What is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reads {
    /// Present keys.
    Hits,
    /// Absent keys.
    Misses,
    /// Ranges of 50 keys.
    Scans,
}

impl Reads {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Hits, Self::Misses, Self::Scans];

    /// The name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hits => "hits",
            Self::Misses => "misses",
            Self::Scans => "scans",
        }
    }

    /// A mix of puts and of such reads.
    pub fn mix(self, put: f64) -> Mix {
        let rest = 1.0 - put;
        match self {
            Self::Hits => Mix { put, get: rest, ..Mix::default() },
            Self::Misses => Mix { put, miss: rest, ..Mix::default() },
            Self::Scans => Mix { put, scan: rest, ..Mix::default() },
        }
    }
}
