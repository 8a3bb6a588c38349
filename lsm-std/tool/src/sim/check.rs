//! The simulator against the engine: the same operations, the engine's bytes counted at its file layer.

use std::io::{self, Write};
use std::path::Path;

use lsm_std::SyncPolicy;

use super::{Candidate, Simulated, number, simulate_source, store};
use crate::Failure;
use crate::compare::{Outcome, Run, Source, run_unseen, temporary};
use crate::human::write_rows;
use crate::strategies::{Sizes, Strategy, describe, scaled};

/// What the simulator said of one workload and strategy, and what the engine counted.
#[derive(Clone, Debug)]
pub struct Checked {
    /// The workload.
    pub workload: String,
    /// The strategy.
    pub strategy: Strategy,
    /// Write amplification: simulated, counted.
    pub write_amp: (f64, f64),
    /// Space amplification at the end: simulated, counted.
    pub space_amp: (f64, f64),
    /// Cost per operation: simulated, counted.
    pub cost: (f64, f64),
}

impl Checked {
    /// The larger relative error of write and space amplification.
    pub fn error(&self) -> f64 {
        [self.write_amp, self.space_amp].into_iter().map(relative).map(f64::abs).fold(0.0, f64::max)
    }
}

fn relative((simulated, counted): (f64, f64)) -> f64 {
    if simulated == counted { 0.0 } else { simulated / counted - 1.0 }
}

/// Runs one workload or trace under one strategy in the simulator, at `scale` if that is given, and in the engine's seeded
/// mode with the store in a temporary directory, in `tmp` if that is given.
///
/// # Errors
/// What the simulator or the store refuses.
pub fn check(source: &Source, strategy: Strategy, scale: Option<u64>, tmp: Option<&Path>) -> Result<Checked, Failure> {
    let memtable_bytes = source.memtable_bytes();
    let sizes = Sizes { memtable_bytes, ttl_ms: source.ttl_ms(), ..Sizes::default() };
    let candidate = Candidate { name: strategy.name().to_owned(), settings: scaled(strategy, &sizes) };
    let mut store = store(memtable_bytes, memtable_bytes);
    store.scale = Some(scale.unwrap_or(1));
    let real = engine(source, strategy, &candidate, memtable_bytes, tmp)?;
    let Simulated { report, .. } = simulate_source(source, candidate, &store)?;
    let (counts, last, prices) = (report.counts(), real.last(), Default::default());
    Ok(Checked {
        workload: source.name(),
        strategy,
        write_amp: (number(counts.write_amp()), last.counts.write_amp()),
        space_amp: (number(report.last().space_amp()), last.space_amp()),
        cost: (number(counts.cost(&Default::default())), last.counts.cost(&prices)),
    })
}

/// The real thing.
fn engine(
    source: &Source,
    strategy: Strategy,
    candidate: &Candidate,
    memtable_bytes: u64,
    tmp: Option<&Path>,
) -> Result<Outcome, Failure> {
    let dir = temporary(tmp)?;
    let (settings, described) = (candidate.settings, describe(&candidate.settings));
    let (sync, path) = (SyncPolicy::Never, dir.path().to_path_buf());
    let job = Run { source, strategy, settings, described, memtable_bytes, sync, background: false, dir: path };
    run_unseen(&job)
}

/// Writes a row for each, simulated and counted side by side.
///
/// # Errors
/// Those of `out`.
pub fn check_table(all: &[Checked], out: &mut dyn Write) -> io::Result<()> {
    let heads = ["", "write amp", "engine", "off", "space amp", "engine", "off", "cost", "engine", "off"];
    let mut rows = vec![(String::new(), heads[1..].iter().map(|head| (*head).to_owned()).collect())];
    for one in all {
        let mut cells = Vec::new();
        for (pair, digits) in [(one.write_amp, 3), (one.space_amp, 3), (one.cost, 0)] {
            cells.push(format!("{:.digits$}", pair.0));
            cells.push(format!("{:.digits$}", pair.1));
            cells.push(format!("{:+.1} %", 100.0 * relative(pair)));
        }
        rows.push((format!("{} {}", one.workload, one.strategy.name()), cells));
    }
    write_rows(&rows, out)
}
