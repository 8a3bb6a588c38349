//! `lsm compare`: the same load under several strategies, in the real engine on real files.

mod drive;
mod source;
mod text;

pub use drive::{Run, run, run_unseen};
pub use source::{FLUSHES_MIN, Source};
pub use text::table;

use std::path::Path;

use compaction_core::sim::Prices;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::Failure;
use crate::figures::{Job, Latency, Sample, by_rule};
use crate::strategies::Strategy;

/// A directory for a store that goes when the answer is dropped, in `parent` or where the system keeps such.
///
/// # Errors
/// It cannot be made.
pub fn temporary(parent: Option<&Path>) -> Result<TempDir, Failure> {
    let mut builder = tempfile::Builder::new();
    builder.prefix("lsm-");
    let dir = match parent {
        Some(parent) => builder.tempdir_in(parent),
        None => builder.tempdir(),
    };
    dir.map_err(Failure::io(parent.unwrap_or(Path::new("temporary directory")).display()))
}

/// Everything about one strategy's run.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The strategy.
    pub strategy: Strategy,
    /// Its settings in words.
    pub settings: String,
    /// States over time, the last one when all was done and merged.
    pub samples: Vec<Sample>,
    /// Jobs in the order they finished.
    pub jobs: Vec<Job>,
    /// Bytes that jobs and flushes wrote to each level.
    pub written_by_level: Vec<u64>,
    /// Latency of writes; of whole batches for a trace.
    pub put: Latency,
    /// Latency of point reads.
    pub get: Latency,
    /// Wall-clock seconds.
    pub seconds: f64,
    /// Most bytes that all files together held.
    pub peak_disk_bytes: u64,
}

impl Outcome {
    /// The last state.
    pub fn last(&self) -> Sample {
        self.samples.last().cloned().unwrap_or_default()
    }

    /// The largest space amplification seen; at first little is alive, so the first tenth of the writes does not count.
    pub fn peak_space_amp(&self) -> f64 {
        let from = self.last().counts.user_bytes / 10;
        let settled = self.samples.iter().filter(|sample| sample.counts.user_bytes >= from);
        settled.map(Sample::space_amp).fold(0.0, f64::max)
    }

    /// The figures as JSON, with the names that the simulator gives them.
    pub fn json(&self, prices: &Prices) -> Value {
        let last = self.last();
        let level = |(number, written): (usize, &u64)| {
            let shape = last.levels.iter().find(|shape| usize::from(shape.level) == number);
            json!({
                "level": number, "runs": shape.map_or(0, |s| s.runs), "tables": shape.map_or(0, |s| s.tables),
                "bytes": shape.map_or(0, |s| s.bytes), "written_bytes": written,
            })
        };
        let by_level: Vec<Value> = self.written_by_level.iter().enumerate().map(level).collect();
        json!({
            "strategy": self.strategy.name(), "write_amp": last.counts.write_amp(), "read_amp": last.counts.read_amp(),
            "space_amp": last.space_amp(), "peak_space_amp": self.peak_space_amp(), "cost": last.counts.cost(prices),
            "by_level": by_level, "peak_disk_bytes": self.peak_disk_bytes, "put": self.put, "get": self.get,
            "jobs": self.jobs.len(), "jobs_by_rule": by_rule(&self.jobs), "counts": last.counts, "seconds": self.seconds,
        })
    }
}
