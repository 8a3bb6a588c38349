//! A workload as a JSON file.

use compaction_core::sim;
use serde::Deserialize;

/// Why a workload is refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WorkloadError {
    /// The text is not JSON of the expected shape.
    #[error("workload: {0}")]
    Shape(#[from] serde_json::Error),
    /// A value makes no sense.
    #[error(transparent)]
    Value(#[from] sim::WorkloadError),
}

/// Reads a workload from JSON and checks it as a whole.
///
/// # Errors
/// Text that is not such JSON, an unknown field, a value out of range.
pub fn parse(json: &str) -> Result<sim::Workload, WorkloadError> {
    let file: File = serde_json::from_str(json)?;
    let phases = file.phases.into_iter().map(Phase::into_core).collect();
    let workload = sim::Workload { seed: file.seed, ttl_ms: file.ttl_ms, phases };
    workload.check()?;
    Ok(workload)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default = "one")]
    seed: u64,
    ttl_ms: Option<u64>,
    phases: Vec<Phase>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Phase {
    ops: u64,
    keys: u64,
    #[serde(default)]
    skew: Skew,
    read_skew: Option<Skew>,
    #[serde(default = "hundred")]
    value_bytes: u64,
    mix: Mix,
    #[serde(default = "fifty")]
    scan_keys: u64,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Skew {
    #[default]
    Uniform,
    Zipf(f64),
    Latest,
    Series(u64),
    Sequential,
    Scattered,
    Hot(Hot),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Hot {
    share_of_keys: f64,
    share_of_ops: f64,
    #[serde(default)]
    at: f64,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Mix {
    put: f64,
    delete: f64,
    get: f64,
    miss: f64,
    scan: f64,
}

impl Phase {
    fn into_core(self) -> sim::Phase {
        let Mix { put, delete, get, miss, scan } = self.mix;
        sim::Phase {
            ops: self.ops,
            keys: self.keys,
            skew: self.skew.into_core(),
            read_skew: self.read_skew.map(Skew::into_core),
            value_bytes: self.value_bytes,
            mix: sim::Mix { put, delete, get, miss, scan },
            scan_keys: self.scan_keys,
        }
    }
}

impl Skew {
    fn into_core(self) -> sim::Skew {
        match self {
            Self::Uniform => sim::Skew::Uniform,
            Self::Zipf(theta) => sim::Skew::Zipf(theta),
            Self::Latest => sim::Skew::Latest,
            Self::Series(count) => sim::Skew::Series(count),
            Self::Sequential => sim::Skew::Sequential,
            Self::Scattered => sim::Skew::Scattered,
            Self::Hot(Hot { share_of_keys, share_of_ops, at }) => {
                sim::Skew::Hot(sim::Hot { share_of_keys, share_of_ops, at })
            }
        }
    }
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
            ("\"uniform\"", sim::Skew::Uniform),
            ("\"latest\"", sim::Skew::Latest),
            ("\"sequential\"", sim::Skew::Sequential),
            ("\"scattered\"", sim::Skew::Scattered),
            ("{\"series\":7}", sim::Skew::Series(7)),
            ("{\"zipf\":0.99}", sim::Skew::Zipf(0.99)),
            (
                "{\"hot\":{\"share_of_keys\":0.2,\"share_of_ops\":0.8}}",
                sim::Skew::Hot(sim::Hot { share_of_keys: 0.2, share_of_ops: 0.8, at: 0.0 }),
            ),
        ] {
            let json = format!("{{\"phases\":[{{\"ops\":10,\"keys\":5,\"skew\":{text},\"mix\":{{\"put\":1}}}}]}}");
            let workload = parse(&json).expect("documented");
            let phase = &workload.phases[0];
            assert_eq!((workload.seed, phase.skew, phase.value_bytes, phase.scan_keys), (1, skew, 100, 50));
            assert_eq!(phase.read_skew, None);
            let reads = json.replace("\"skew\"", "\"read_skew\"");
            let phase = parse(&reads).expect("documented").phases[0];
            assert_eq!((phase.skew, phase.read_skew), (sim::Skew::Uniform, Some(skew)));
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
            let error = parse(&json).expect_err("must be refused").to_string();
            assert!(error.contains(wanted), "{error} lacks {wanted}");
        }
    }
}
