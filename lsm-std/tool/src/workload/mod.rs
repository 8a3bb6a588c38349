//! Workloads: what a stream of operations looks like, as a JSON file, and the stream itself.
//!
//! [`Workload::parse`] reads and checks a file, [`named`] gives the built-in ones, [`Ops`] turns either into
//! operations: the same file gives the same operations on every machine.

mod named;
mod ops;
mod zipf;

use serde::{Deserialize, Serialize};

pub use named::{NAMES, named};
pub use ops::{Op, Ops, key_bytes, value_bytes};
pub use zipf::{ScrambledZipf, Zipf};

/// Most keys that a phase may have.
pub const KEYS_MAX: u64 = 1_000_000_000_000;
/// Largest value, in bytes, as in the engine.
pub const VALUE_BYTES_MAX: u64 = 64 << 20;

/// Why a workload is refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WorkloadError {
    /// The text is not JSON of the expected shape.
    #[error("workload: {0}")]
    Shape(#[from] serde_json::Error),
    /// A value makes no sense.
    #[error("workload phase {phase}: {name} = {value}: {why}")]
    Value {
        /// Phase, from 1; 0 for the workload as a whole.
        phase: usize,
        /// The field.
        name: &'static str,
        /// Its value.
        value: String,
        /// What is wrong with it.
        why: &'static str,
    },
}

/// A whole workload.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Workload {
    /// Seed of everything random in it. Default 1.
    #[serde(default = "one")]
    pub seed: u64,
    /// Entries may be dropped this many milliseconds after they were written; a write takes one. Default: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl_ms: Option<u64>,
    /// What happens, one after the other.
    pub phases: Vec<Phase>,
}

/// One stretch of a workload.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Phase {
    /// Operations in this phase.
    pub ops: u64,
    /// Keys that may be touched: 0 up to this number, exclusive. May differ from phase to phase.
    pub keys: u64,
    /// Which keys are touched more often. Default: uniform.
    #[serde(default)]
    pub skew: Skew,
    /// Length of each value in bytes. Default 100.
    #[serde(default = "hundred")]
    pub value_bytes: u64,
    /// Shares of the kinds of operation; they add up to 1.
    pub mix: Mix,
    /// Keys that one scan reads. Default 50.
    #[serde(default = "fifty")]
    pub scan_keys: u64,
}

/// Which keys are touched more often.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Skew {
    /// Every key alike.
    #[default]
    Uniform,
    /// YCSB's scrambled Zipfian with this constant, in 0..1 exclusive; hot keys lie scattered.
    Zipf(f64),
    /// Puts insert the next key in order; all else draws by age, newest first, by Zipf(0.99).
    Latest,
    /// Each kind of operation walks through the keys in order and starts again at the end.
    Sequential,
    /// A contiguous range of keys takes most of the operations.
    Hot(Hot),
}

/// A hot range of keys.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hot {
    /// Share of the keys that are hot, 0..=1.
    pub share_of_keys: f64,
    /// Share of the operations that go to them, 0..=1.
    pub share_of_ops: f64,
    /// Where the hot range starts, as a share of the key space, 0..=1; it wraps round. Default 0.
    #[serde(default)]
    pub at: f64,
}

/// Shares of the kinds of operation. Absent ones are 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
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

impl Workload {
    /// Reads a workload from JSON and checks it as a whole.
    ///
    /// # Errors
    /// Text that is not such JSON, an unknown field, a value out of range.
    pub fn parse(json: &str) -> Result<Self, WorkloadError> {
        let workload: Self = serde_json::from_str(json)?;
        workload.check()?;
        Ok(workload)
    }

    /// Checks every value.
    ///
    /// # Errors
    /// [`WorkloadError::Value`] naming the phase, the field and the value.
    pub fn check(&self) -> Result<(), WorkloadError> {
        if self.phases.is_empty() {
            return Err(wrong(0, "phases", "[]", "at least one is needed"));
        }
        self.phases.iter().enumerate().try_for_each(|(at, phase)| phase.check(at + 1))
    }

    /// Operations in all phases.
    pub fn ops(&self) -> u64 {
        self.phases.iter().fold(0, |sum, phase| sum.saturating_add(phase.ops))
    }

    /// The expected number of puts, by the shares of each mix.
    pub fn expected_puts(&self) -> u64 {
        self.phases.iter().map(|phase| phase.ops as f64 * phase.mix.put).sum::<f64>() as u64
    }

    /// The expected bytes of keys and values put, by the shares of each mix.
    pub fn expected_put_bytes(&self) -> u64 {
        let bytes = |p: &Phase| p.ops as f64 * p.mix.put * (p.value_bytes as f64 + key_bytes(0).len() as f64);
        self.phases.iter().map(bytes).sum::<f64>() as u64
    }
}

impl Phase {
    fn check(&self, at: usize) -> Result<(), WorkloadError> {
        if self.keys == 0 || self.keys > KEYS_MAX {
            return Err(wrong(at, "keys", self.keys, "must be 1 to 10^12"));
        }
        if self.value_bytes > VALUE_BYTES_MAX {
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
        match self.skew {
            Skew::Zipf(theta) if !(theta > 0.0 && theta < 1.0) => {
                Err(wrong(at, "skew.zipf", theta, "must lie between 0 and 1, both exclusive"))
            }
            Skew::Hot(hot) => {
                check_share(at, "skew.hot.share_of_keys", hot.share_of_keys)?;
                check_share(at, "skew.hot.share_of_ops", hot.share_of_ops)?;
                check_share(at, "skew.hot.at", hot.at)
            }
            _ => Ok(()),
        }
    }
}

fn check_share(phase: usize, name: &'static str, share: f64) -> Result<(), WorkloadError> {
    if (0.0..=1.0).contains(&share) { Ok(()) } else { Err(wrong(phase, name, share, "must lie in 0..=1")) }
}

fn wrong(phase: usize, name: &'static str, value: impl ToString, why: &'static str) -> WorkloadError {
    WorkloadError::Value { phase, name, value: value.to_string(), why }
}

fn one() -> u64 {
    1
}

fn fifty() -> u64 {
    50
}

fn hundred() -> u64 {
    100
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_forms_of_skew_are_read_and_defaults_filled_in() {
        for (text, skew) in [
            ("\"uniform\"", Skew::Uniform),
            ("\"latest\"", Skew::Latest),
            ("\"sequential\"", Skew::Sequential),
            ("{\"zipf\":0.99}", Skew::Zipf(0.99)),
            (
                "{\"hot\":{\"share_of_keys\":0.2,\"share_of_ops\":0.8}}",
                Skew::Hot(Hot { share_of_keys: 0.2, share_of_ops: 0.8, at: 0.0 }),
            ),
        ] {
            let json = format!("{{\"phases\":[{{\"ops\":10,\"keys\":5,\"skew\":{text},\"mix\":{{\"put\":1}}}}]}}");
            let workload = Workload::parse(&json).expect("documented");
            let phase = &workload.phases[0];
            assert_eq!((workload.seed, phase.skew, phase.value_bytes, phase.scan_keys), (1, skew, 100, 50));
        }
    }

    #[test]
    fn a_value_out_of_range_is_refused_by_phase_name_and_value() {
        let phase = |body: &str| format!("{{\"phases\":[{{{body}}}]}}");
        for (json, wanted) in [
            ("{\"phases\":[]}".to_owned(), "phase 0: phases = []"),
            (phase("\"ops\":1,\"keys\":0,\"mix\":{\"put\":1}"), "phase 1: keys = 0"),
            (phase("\"ops\":1,\"keys\":1,\"mix\":{\"put\":0.5}"), "phase 1: mix = 0.5"),
            (phase("\"ops\":1,\"keys\":1,\"mix\":{\"put\":2,\"get\":-1}"), "phase 1: mix.put = 2"),
            (phase("\"ops\":1,\"keys\":1,\"mix\":{\"put\":1},\"skew\":{\"zipf\":1.0}"), "phase 1: skew.zipf = 1"),
            (phase("\"ops\":1,\"keys\":1,\"mix\":{\"put\":1},\"colour\":1"), "unknown field `colour`"),
            (phase("\"ops\":1,\"keys\":1,\"mix\":{\"pot\":1}"), "unknown field `pot`"),
            ("nonsense".to_owned(), "workload: expected"),
        ] {
            let error = Workload::parse(&json).expect_err("must be refused").to_string();
            assert!(error.contains(wanted), "{error} lacks {wanted}");
        }
    }

    #[test]
    fn every_named_workload_is_valid_and_an_unknown_name_is_none() {
        for (name, what) in NAMES {
            named(name).expect("listed").check().expect("valid");
            assert!(!what.is_empty());
        }
        assert!(named("no-such").is_none());
    }
}
