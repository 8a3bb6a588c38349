//! What a stream of operations looks like: how many, on which keys, of which kinds, phase after phase.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

/// A whole workload. [`check`](Self::check) it before use.
///
/// ```
/// use compaction_core::sim::{Mix, Ops, Phase, Skew, Workload};
/// let phase = Phase { mix: Mix { put: 0.5, get: 0.5, ..Mix::default() }, skew: Skew::Zipf(0.99), ..Phase::puts(1_000, 50) };
/// let workload = Workload { seed: 7, ttl_ms: None, phases: vec![phase] };
/// workload.check()?;
/// assert_eq!(Ops::new(&workload).count(), 1_000);
/// # Ok::<(), compaction_core::sim::WorkloadError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Workload {
    /// Seed of everything random in it.
    pub seed: u64,
    /// Entries may be dropped this many milliseconds after they were written; a write takes one. `None`: never.
    pub ttl_ms: Option<u64>,
    /// What happens, one after the other.
    pub phases: Vec<Phase>,
}

/// One stretch of a workload.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Phase {
    /// Operations in this phase.
    pub ops: u64,
    /// Keys that may be touched: 0 up to this number, exclusive. May differ from phase to phase.
    pub keys: u64,
    /// Which keys are touched more often.
    pub skew: Skew,
    /// Which keys gets, misses and scans touch more often, where that is not as for the writes.
    pub read_skew: Option<Skew>,
    /// Length of each value in bytes.
    pub value_bytes: u64,
    /// Shares of the kinds of operation; they add up to 1.
    pub mix: Mix,
    /// Keys that one scan reads.
    pub scan_keys: u64,
}

/// Which keys are touched more often.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Skew {
    /// Every key alike.
    #[default]
    Uniform,
    /// YCSB's scrambled Zipfian with this constant, in 0..1 exclusive; hot keys lie scattered.
    Zipf(f64),
    /// Puts insert the next key in order, as a time series does; all else draws by age, newest first, by Zipf(0.99).
    Latest,
    /// As [`Latest`](Self::Latest) for so many series at once: each has its own contiguous range of keys, and the next key
    /// inserted is that of the next series in turn.
    Series(u64),
    /// Each kind of operation walks through the keys in order and starts again at the end.
    Sequential,
    /// Puts write each key once before any of them twice, in an order that scatters them evenly; all else touches every key
    /// alike.
    Scattered,
    /// A contiguous range of keys takes most of the operations; another `at` in the next phase moves it.
    Hot(Hot),
}

/// A hot range of keys.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hot {
    /// Share of the keys that are hot, 0..=1.
    pub share_of_keys: f64,
    /// Share of the operations that go to them, 0..=1.
    pub share_of_ops: f64,
    /// Where the hot range starts, as a share of the key space, 0..=1; it wraps round.
    pub at: f64,
}

/// Shares of the kinds of operation.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Mix {
    /// Writes of a key.
    pub put: f64,
    /// Deletes of a key, which need not exist.
    pub delete: f64,
    /// Reads of a key out of the same distribution as the writes.
    pub get: f64,
    /// Reads of a key that is never written, in between those that are.
    pub miss: f64,
    /// Scans of `scan_keys` keys.
    pub scan: f64,
}

/// A value of a workload that makes no sense.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkloadError {
    /// Phase, from 1; 0 for the workload as a whole.
    pub phase: usize,
    /// The field.
    pub name: &'static str,
    /// Its value.
    pub value: String,
    /// What is wrong with it.
    pub why: &'static str,
}

impl fmt::Display for WorkloadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { phase, name, value, why } = self;
        write!(f, "workload phase {phase}: {name} = {value}: {why}")
    }
}

impl core::error::Error for WorkloadError {}

impl Workload {
    /// Most keys that a phase may have.
    pub const KEYS_MAX: u64 = 1_000_000_000_000;
    /// Largest value, in bytes.
    pub const VALUE_BYTES_MAX: u64 = 64 << 20;

    /// Checks every value.
    ///
    /// # Errors
    /// The phase, the field and the value that make no sense.
    pub fn check(&self) -> Result<(), WorkloadError> {
        if self.phases.is_empty() {
            return Err(wrong(0, "phases", "[]", "at least one is needed"));
        }
        (1..).zip(&self.phases).try_for_each(|(at, phase)| phase.check(at))
    }

    /// The same workload with one read in `weight`, for a simulation in which each counts as so many. A phase without writes is
    /// shorter by as much.
    #[must_use]
    pub fn thinned(&self, weight: u64) -> Self {
        let phases = self.phases.iter().map(|phase| phase.thinned(weight)).collect();
        Self { seed: self.seed, ttl_ms: self.ttl_ms, phases }
    }

    /// Operations in all phases. Saturates.
    #[must_use]
    pub fn ops(&self) -> u64 {
        self.phases.iter().fold(0, |sum, phase| sum.saturating_add(phase.ops))
    }

    /// The expected number of puts, by the shares of each mix.
    #[must_use]
    pub fn expected_puts(&self) -> u64 {
        self.phases.iter().map(|phase| phase.ops as f64 * phase.mix.put).sum::<f64>() as u64
    }

    /// The expected bytes of keys, `key_bytes` each, and values put, by the shares of each mix.
    #[must_use]
    pub fn expected_put_bytes(&self, key_bytes: u64) -> u64 {
        let bytes = |phase: &Phase| phase.ops as f64 * phase.mix.put * (phase.value_bytes as f64 + key_bytes as f64);
        self.phases.iter().map(bytes).sum::<f64>() as u64
    }
}

impl Phase {
    /// `ops` puts of 100 bytes to any of `keys` keys: to be changed where it should be something else.
    #[must_use]
    pub const fn puts(ops: u64, keys: u64) -> Self {
        let mix = Mix { put: 1.0, delete: 0.0, get: 0.0, miss: 0.0, scan: 0.0 };
        Self { ops, keys, skew: Skew::Uniform, read_skew: None, value_bytes: 100, mix, scan_keys: 50 }
    }

    fn check(&self, at: usize) -> Result<(), WorkloadError> {
        if self.keys == 0 || self.keys > Workload::KEYS_MAX {
            return Err(wrong(at, "keys", self.keys, "must be 1 to 10^12"));
        }
        if self.value_bytes > Workload::VALUE_BYTES_MAX {
            return Err(wrong(at, "value_bytes", self.value_bytes, "must be at most 64 MiB"));
        }
        let mix = self.mix;
        let shares = [mix.put, mix.delete, mix.get, mix.miss, mix.scan];
        for (name, share) in ["mix.put", "mix.delete", "mix.get", "mix.miss", "mix.scan"].into_iter().zip(shares) {
            check_share(at, name, share)?;
        }
        let sum: f64 = shares.iter().sum();
        if (sum - 1.0).abs() > 1e-6 {
            return Err(wrong(at, "mix", sum, "the shares must add up to 1"));
        }
        let names = ["skew.zipf", "skew.series", "skew.hot.share_of_keys", "skew.hot.share_of_ops", "skew.hot.at"];
        self.skew.check(at, names)?;
        let names = [
            "read_skew.zipf",
            "read_skew.series",
            "read_skew.hot.share_of_keys",
            "read_skew.hot.share_of_ops",
            "read_skew.hot.at",
        ];
        self.read_skew.map_or(Ok(()), |skew| skew.check(at, names))
    }

    /// With one read in `weight`: as many puts and deletes as before, within rounding.
    pub(super) fn thinned(&self, weight: u64) -> Self {
        let weight = weight.max(1) as f64;
        let Mix { put, delete, get, miss, scan } = self.mix;
        let (writes, reads) = (put + delete, (get + miss + scan) / weight);
        let kept = writes + reads;
        if weight <= 1.0 || kept <= 0.0 {
            return *self;
        }
        let share = |share: f64| share / kept;
        let mix = Mix {
            put: share(put),
            delete: share(delete),
            get: share(get / weight),
            miss: share(miss / weight),
            scan: share(scan / weight),
        };
        Self { ops: libm::round(self.ops as f64 * kept) as u64, mix, ..*self }
    }
}

impl Skew {
    /// Checks the values; `names` are those of the theta, of the series, and of the hot range's three.
    fn check(self, phase: usize, names: [&'static str; 5]) -> Result<(), WorkloadError> {
        let [zipf, series, keys, ops, at] = names;
        match self {
            Self::Zipf(theta) if !(theta > 0.0 && theta < 1.0) => {
                Err(wrong(phase, zipf, theta, "must lie between 0 and 1, both exclusive"))
            }
            Self::Series(0) => Err(wrong(phase, series, 0, "must be at least 1")),
            Self::Hot(hot) => {
                check_share(phase, keys, hot.share_of_keys)?;
                check_share(phase, ops, hot.share_of_ops)?;
                check_share(phase, at, hot.at)
            }
            _ => Ok(()),
        }
    }
}

fn check_share(phase: usize, name: &'static str, share: f64) -> Result<(), WorkloadError> {
    if (0.0..=1.0).contains(&share) { Ok(()) } else { Err(wrong(phase, name, share, "must lie in 0..=1")) }
}

fn wrong(phase: usize, name: &'static str, value: impl ToString, why: &'static str) -> WorkloadError {
    WorkloadError { phase, name, value: value.to_string(), why }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    #[test]
    fn a_value_out_of_range_is_refused_by_phase_name_and_value() {
        let good = Phase::puts(10, 5);
        let hot = |share_of_keys, at| Skew::Hot(Hot { share_of_keys, share_of_ops: 0.5, at });
        let too_often = Skew::Hot(Hot { share_of_keys: 0.5, share_of_ops: 1.1, at: 0.0 });
        for (phase, wanted) in [
            (Phase { keys: 0, ..good }, "phase 2: keys = 0"),
            (Phase { value_bytes: 1 << 40, ..good }, "phase 2: value_bytes = 1099511627776"),
            (Phase { mix: Mix { put: 0.5, ..Mix::default() }, ..good }, "phase 2: mix = 0.5"),
            (Phase { mix: Mix { put: f64::NAN, ..Mix::default() }, ..good }, "phase 2: mix.put = NaN"),
            (Phase { keys: Workload::KEYS_MAX + 1, ..good }, "phase 2: keys = "),
            (Phase { value_bytes: Workload::VALUE_BYTES_MAX + 1, ..good }, "phase 2: value_bytes = "),
            (Phase { skew: Skew::Zipf(0.0), ..good }, "phase 2: skew.zipf = 0"),
            (Phase { skew: Skew::Zipf(1.0), ..good }, "phase 2: skew.zipf = 1"),
            (Phase { skew: Skew::Series(0), ..good }, "phase 2: skew.series = 0"),
            (Phase { skew: hot(1.5, 0.0), ..good }, "phase 2: skew.hot.share_of_keys = 1.5"),
            (Phase { skew: hot(0.5, -1.0), ..good }, "phase 2: skew.hot.at = -1"),
            (Phase { read_skew: Some(hot(0.5, 2.0)), ..good }, "phase 2: read_skew.hot.at = 2"),
            (Phase { skew: too_often, ..good }, "phase 2: skew.hot.share_of_ops = 1.1"),
        ] {
            let workload = Workload { seed: 1, ttl_ms: None, phases: vec![good, phase] };
            let text = workload.check().expect_err("must be refused").to_string();
            assert!(text.contains(wanted), "{text} lacks {wanted}");
        }
        let none = Workload { seed: 1, ttl_ms: None, phases: Vec::new() };
        assert!(none.check().is_err());
        let most = Phase { keys: Workload::KEYS_MAX, value_bytes: Workload::VALUE_BYTES_MAX, ..good };
        assert_eq!(Workload { seed: 1, ttl_ms: None, phases: vec![most] }.check(), Ok(()));
    }

    #[test]
    fn a_thinned_workload_has_its_writes_and_a_share_of_its_reads() {
        let mix = Mix { put: 0.04, delete: 0.01, get: 0.45, miss: 0.3, scan: 0.2 };
        let reads = Mix { get: 0.5, scan: 0.5, ..Mix::default() };
        let phases = vec![Phase { mix, ..Phase::puts(100_000, 50) }, Phase { mix: reads, ..Phase::puts(16_000, 50) }];
        let full = Workload { seed: 1, ttl_ms: None, phases };
        let thin = full.thinned(16);
        assert_eq!(thin.check(), Ok(()));
        assert_eq!(thin.expected_puts(), full.expected_puts());
        assert_eq!(
            thin.phases.iter().map(|phase| phase.ops).collect::<Vec<_>>(),
            [5_000 + 95_000u64.div_ceil(16), 1_000]
        );
        assert_eq!(thin.phases[1].mix, reads);
        assert_eq!(full.thinned(1), full);
    }

    #[test]
    fn what_is_expected_follows_the_mix() {
        let half = Phase { mix: Mix { put: 0.5, get: 0.5, ..Mix::default() }, ..Phase::puts(1_000, 5) };
        let workload = Workload { seed: 1, ttl_ms: None, phases: vec![half, Phase::puts(100, 5)] };
        assert_eq!((workload.ops(), workload.expected_puts()), (1_100, 600));
        assert_eq!(workload.expected_put_bytes(16), 600 * 116);
    }
}
