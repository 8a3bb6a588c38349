//! `lsm sim`: what strategies cost under a workload, without touching data.

mod check;
mod text;
mod trace;
mod watch;
mod what_if;

use std::rc::Rc;

use compaction_core::AnySettings;
use compaction_core::amp::Ratio;
use compaction_core::sim::{self, Prices, SimReport, StoreSettings, TableFormat, Workload};
use serde_json::{Value, json};

pub use check::{Checked, check, check_table};
pub use text::table;
pub use trace::simulate_trace;
use watch::Seen;
pub use watch::{Watched, Watcher};
pub use what_if::Standing;

use crate::Failure;
use crate::compare::{Outcome, Source};
use crate::figures::{Counts, Latency, LevelShape, Sample};
use crate::strategies::{Strategy, describe, short_name};
use crate::workload::KEY_BYTES;

/// A strategy to be simulated.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// Its name.
    pub name: String,
    /// Its settings.
    pub settings: AnySettings,
}

/// One strategy's simulation.
#[derive(Clone, Debug)]
pub struct Simulated {
    /// The strategy.
    pub candidate: Candidate,
    /// What it came to.
    pub report: SimReport,
    /// Wall-clock seconds that the simulation took.
    pub seconds: f64,
    /// The jobs that were done.
    seen: Rc<Seen>,
}

/// The store that the tool's own workloads run in: tables as long as a memtable, as `lsm compare` has them.
pub fn store(memtable_bytes: u64, table_bytes: u64) -> StoreSettings {
    let format = TableFormat { key_bytes: KEY_BYTES, ..TableFormat::default() };
    StoreSettings { memtable_bytes, table_bytes, format, ..StoreSettings::default() }
}

/// Simulates a workload or a trace under one strategy.
///
/// # Errors
/// What is wrong with the trace; what the simulator refuses.
pub fn simulate_source(source: &Source, candidate: Candidate, store: &StoreSettings) -> Result<Simulated, Failure> {
    match source {
        Source::Workload { workload, .. } => simulate(workload, candidate, store),
        Source::Trace { .. } => simulate_trace(source, candidate, store),
    }
}

/// Simulates `workload` under one strategy.
///
/// # Errors
/// What the simulator refuses.
pub fn simulate(workload: &Workload, candidate: Candidate, store: &StoreSettings) -> Result<Simulated, Failure> {
    let start = std::time::Instant::now();
    let failed = |error: &dyn std::fmt::Display| Failure::Wrong(format!("{}: {error}", candidate.name));
    let seen = Rc::new(Seen::default());
    let strategy = Watched::new(candidate.settings, &seen).map_err(|error| failed(&error))?;
    let report = sim::simulate_with(workload, strategy, store).map_err(|error| failed(&error))?;
    Ok(Simulated { candidate, report, seconds: start.elapsed().as_secs_f64(), seen })
}

/// A ratio as a number; 0 for none.
pub fn number(ratio: Option<Ratio>) -> f64 {
    ratio.map_or(0.0, |ratio| ratio.num() as f64 / ratio.den() as f64)
}

impl Simulated {
    /// As `lsm compare` reports a run of the engine; there are no latencies.
    ///
    /// # Errors
    /// A strategy that has no name on the command line.
    pub fn outcome(&self) -> Result<Outcome, Failure> {
        let report = &self.report;
        let sample = |sample: &sim::SimSample| {
            let shape = |(level, (bytes, runs)): (u8, (&u64, &u64))| LevelShape {
                level,
                runs: *runs,
                tables: 0,
                bytes: *bytes,
            };
            Sample {
                counts: Counts::of_simulator(&sample.counts),
                live_bytes: sample.live_bytes,
                table_bytes: sample.table_bytes,
                levels: (0u8..).zip(sample.level_bytes.iter().zip(&sample.level_runs)).map(shape).collect(),
            }
        };
        let settings = &self.candidate.settings;
        Ok(Outcome {
            strategy: Strategy::named(short_name(settings.name())).map_err(Failure::Wrong)?,
            settings: describe(settings),
            samples: report.samples.iter().map(sample).collect(),
            jobs: self.seen.jobs(report.counts().user_bytes),
            written_by_level: report.levels.iter().map(|level| level.written_bytes).collect(),
            put: Latency::default(),
            get: Latency::default(),
            seconds: self.seconds,
            peak_disk_bytes: report.peak_bytes,
        })
    }

    /// The figures as JSON, with the names that `lsm compare` gives them; `over_time` adds the states over time.
    pub fn json(&self, prices: &Prices, over_time: bool) -> Value {
        let (report, counts, last) = (&self.report, self.report.counts(), self.report.last());
        let by_level: Vec<Value> = report
            .levels
            .iter()
            .map(|level| {
                json!({
                    "level": level.level, "runs": level.runs, "tables": level.tables, "bytes": level.bytes,
                    "written_bytes": level.written_bytes, "merges": level.merges,
                })
            })
            .collect();
        let stalls = &report.stalls;
        let mut object = json!({
            "strategy": self.candidate.name, "write_amp": number(counts.write_amp()),
            "read_amp": number(counts.read_amp()), "space_amp": number(last.space_amp()),
            "peak_space_amp": number(report.peak_space_amp()), "cost": number(counts.cost(prices)), "by_level": by_level,
            "peak_bytes": report.peak_bytes, "peak_job_bytes": report.peak_job_bytes,
            "debt_bytes": report.debt_bytes, "peak_debt_bytes": report.peak_debt_bytes,
            "stalls": {
                "count": stalls.count, "total_us": stalls.total_us, "longest_us": stalls.longest_us,
                "busy_us": stalls.busy_us, "elapsed_us": stalls.elapsed_us,
            },
            "counts": {
                "ops": counts.ops, "user_bytes": counts.user_bytes, "flush_bytes": counts.flush_bytes,
                "flushes": counts.flushes, "jobs": counts.jobs, "merge_read_bytes": counts.merge_read_bytes,
                "merge_written_bytes": counts.merge_written_bytes, "gets": counts.gets,
                "filters_asked": counts.filters_asked, "get_blocks": counts.get_blocks, "scans": counts.scans,
                "scan_runs": counts.scan_runs,
            },
            "live_bytes": last.live_bytes, "table_bytes": last.table_bytes, "scale": report.scale,
            "seconds": self.seconds,
        });
        if over_time {
            let sample = |s: &sim::SimSample| {
                json!({
                    "user_bytes": s.counts.user_bytes, "live_bytes": s.live_bytes, "table_bytes": s.table_bytes,
                    "runs": s.runs, "level_bytes": s.level_bytes,
                })
            };
            object["over_time"] = report.samples.iter().map(sample).collect();
        }
        object
    }
}
