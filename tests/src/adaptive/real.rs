//! In the real engine: a third of the stationary workloads beside the simulator's figures, and the service goals.

use std::path::Path;

use compaction_core::sim::{Mix, Skew, StoreSettings, Workload, simulate};
use lsm_std::SyncPolicy;
use lsm_tool::compare::{Outcome, Run, Source, run_unseen, temporary};
use lsm_tool::strategies::{Strategy, describe};
use serde_json::{Value, json};

use super::ablation::in_third;
use super::case::{Case, Set, load, memtables, phase};
use super::field::{Entrant, MEMTABLE_BYTES, store};
use super::race::Paid;
use super::stationary;

/// A case under an entrant, simulated and in the engine.
#[derive(Clone, Debug)]
pub struct Both {
    /// Name of the case.
    pub case: String,
    /// Cost per operation of each entrant: simulated, counted.
    pub costs: Vec<(f64, f64)>,
}

/// The cases: a third of the stationary ones, on a smaller data set, and a yet smaller one where most operations are reads.
pub fn cases(set: Set) -> Vec<Case> {
    let small = |(at, case): (usize, Case)| {
        in_third(at).then(|| {
            let mut case = case;
            // In memtables, by the share of writes: 95, 50, 20 and 5 %.
            let size = [40.0, 40.0, 24.0, 12.0].get(at / 9).copied().unwrap_or(12.0);
            let keys = memtables(set.pick(size, size + 3.0));
            for phase in &mut case.workload.phases {
                (phase.ops, phase.keys) = ((phase.ops as f64 * keys as f64 / phase.keys as f64) as u64, keys);
            }
            case
        })
    };
    stationary::cases(set).into_iter().enumerate().filter_map(small).collect()
}

fn strategy(entrant: &Entrant) -> Strategy {
    match entrant.settings.name() {
        "SizeTieredCompaction" => Strategy::Tiered,
        "LeveledCompaction" => Strategy::Leveled,
        "LazyLeveledCompaction" => Strategy::Lazy,
        _ => Strategy::Bandit,
    }
}

/// Runs `workload` in the engine, in a new directory below `tmp`, or below that of the system.
///
/// # Errors
/// What the store refuses; a read that found the wrong thing.
fn engine(workload: &Workload, entrant: &Entrant, background: bool, tmp: Option<&Path>) -> Result<Outcome, String> {
    let dir = temporary(tmp).map_err(|failure| failure.to_string())?;
    let source = Source::Workload { name: String::new(), workload: workload.clone() };
    let job = Run {
        source: &source,
        strategy: strategy(entrant),
        settings: entrant.settings,
        described: describe(&entrant.settings),
        memtable_bytes: MEMTABLE_BYTES,
        sync: if background { SyncPolicy::Interval(std::time::Duration::from_millis(100)) } else { SyncPolicy::Never },
        background,
        dir: dir.path().to_path_buf(),
    };
    run_unseen(&job).map_err(|failure| format!("{}: {failure}", entrant.name))
}

/// One case under one entrant: cost per operation, simulated and counted.
///
/// # Errors
/// What the simulator or the store refuses.
pub fn both(case: &Case, entrant: &Entrant, tmp: Option<&Path>) -> Result<(f64, f64), String> {
    let whole = StoreSettings { read_weight: 1, ..store(1) };
    let report = simulate(&case.workload, entrant.settings, &whole);
    let report = report.map_err(|error| format!("{} under {}: {error}", case.name, entrant.name))?;
    let real = engine(&case.workload, entrant, false, tmp)?;
    Ok((Paid::of(&report).cost, real.last().counts.cost(&Default::default())))
}

/// What a user of the store feels: 80 % reads, 20 % writes, Zipf 0.99, merges in threads beside.
#[derive(Clone, Copy, Debug)]
pub struct Service {
    /// 95 of 100 gets take at most so long, in microseconds.
    pub get_p95_us: f64,
    /// 95 of 100 puts take at most so long, in microseconds.
    pub put_p95_us: f64,
    /// Bytes of tables written per byte put.
    pub write_amp: f64,
    /// Bytes that merges wrote within the measured time.
    pub merged_bytes: u64,
}

/// Measures it.
///
/// # Errors
/// As [`both`].
pub fn service(entrant: &Entrant, ops: u64, tmp: Option<&Path>) -> Result<Service, String> {
    let keys = ops / 20;
    let mix = Mix { put: 0.2, get: 0.8, ..Mix::default() };
    let phases = vec![load(keys), phase(ops, keys, Skew::Zipf(0.99), mix)];
    let outcome = engine(&Workload { seed: 5, ttl_ms: None, phases }, entrant, true, tmp)?;
    let counts = outcome.last().counts;
    Ok(Service {
        get_p95_us: outcome.get.p95_us,
        put_p95_us: outcome.put.p95_us,
        write_amp: counts.write_amp(),
        merged_bytes: counts.merge_written_bytes,
    })
}

impl Service {
    /// Whether the goals are met: 10 ms, 20 ms, 12.
    pub fn is_met(&self) -> bool {
        self.get_p95_us < 10_000.0 && self.put_p95_us < 20_000.0 && self.write_amp < 12.0 && self.merged_bytes > 0
    }

    /// As one object.
    pub fn json(&self) -> Value {
        json!({
            "get_p95_us": self.get_p95_us, "put_p95_us": self.put_p95_us, "write_amp": self.write_amp,
            "merged_bytes": self.merged_bytes, "met": self.is_met(),
        })
    }

    /// In words.
    pub fn text(&self) -> String {
        format!(
            "Zipf 0.99, 80 % gets, 20 % puts, merges beside: p95 get {:.3} ms (goal 10), p95 put {:.3} ms (goal 20), write \
             amplification {:.2} (goal 12), {} MB merged meanwhile: {}",
            self.get_p95_us / 1e3,
            self.put_p95_us / 1e3,
            self.write_amp,
            self.merged_bytes / 1_000_000,
            if self.is_met() { "met" } else { "NOT MET" }
        )
    }
}
