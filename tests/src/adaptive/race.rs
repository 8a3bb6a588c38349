//! Every case under every entrant, on several threads; the answer does not depend on how many.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use compaction_core::sim::{Prices, SimReport, simulate};

use super::case::Case;
use super::field::{Entrant, store};
use super::known::{Known, key};

/// What one entrant paid for one case.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Paid {
    /// Bytes per operation, the debt at the end included.
    pub cost: f64,
    /// The part of it that merges read and wrote.
    pub merges: f64,
    /// Write amplification.
    pub write_amp: f64,
    /// Space amplification at its worst after the load; what a running merge holds twice is not counted.
    pub space_amp: f64,
    /// Runs at the end.
    pub runs: u64,
}

impl Paid {
    /// From what the simulator reports. The simulation came to rest at the end, so that merges put off are paid for; what
    /// the strategy still owes by its own rules is charged as read and written.
    pub fn of(report: &SimReport) -> Self {
        let (counts, last, ops) = (report.counts(), report.last(), report.counts().ops.max(1) as f64);
        let number =
            |ratio: Option<compaction_core::amp::Ratio>| ratio.map_or(0.0, |r| r.num() as f64 / r.den() as f64);
        let debt = 2.0 * report.debt_bytes as f64;
        let merged = counts.merge_read_bytes as f64 + counts.merge_written_bytes as f64 + debt;
        Self {
            cost: number(counts.cost(&Prices::default())) + debt / ops,
            merges: merged / ops,
            write_amp: number(counts.write_amp()),
            space_amp: number(report.peak_space_amp()),
            runs: last.runs,
        }
    }
}

/// A case and what each entrant paid, in the order of the entrants.
#[derive(Clone, Debug)]
pub struct Row {
    /// Name of the case.
    pub name: String,
    /// Its group.
    pub group: &'static str,
    /// What each entrant paid.
    pub paid: Vec<Paid>,
    /// What was run, as [`key`] has it; empty where nothing was.
    pub runs: Vec<String>,
}

impl Row {
    /// The least that the first `count` entrants paid, and which of them.
    pub fn best(&self, count: usize) -> (usize, f64) {
        let costs = self.paid.iter().take(count).map(|paid| paid.cost).enumerate();
        costs.min_by(|a, b| a.1.total_cmp(&b.1)).unwrap_or((0, f64::NAN))
    }

    /// What entrant `at` paid against the least of the first `count`.
    pub fn ratio(&self, at: usize, count: usize) -> f64 {
        self.paid.get(at).map_or(f64::NAN, |paid| paid.cost / self.best(count).1)
    }
}

/// Simulates one case under one entrant.
///
/// # Errors
/// What the simulator refuses, with both names.
pub fn one(case: &Case, entrant: &Entrant) -> Result<SimReport, String> {
    simulate(&case.workload, entrant.settings, &store(case.read_weight()))
        .map_err(|error| format!("{} under {}: {error}", case.name, entrant.name))
}

/// Runs every case under every entrant, but for what is known, on `jobs` threads; `done` is told when one has been run.
///
/// # Errors
/// As [`one`].
pub fn race(
    cases: &[Case],
    entrants: &[Entrant],
    known: &Known,
    jobs: usize,
    done: &(dyn Fn() + Sync),
) -> Result<Vec<Row>, String> {
    let pairs = cases.len() * entrants.len();
    let paid = Mutex::new(vec![Ok(Paid::default()); pairs]);
    each(pairs, jobs, &|at| {
        let (case, entrant) = (&cases[at / entrants.len()], &entrants[at % entrants.len()]);
        let result = known.paid(case, entrant).map_or_else(|| one(case, entrant).map(|report| Paid::of(&report)), Ok);
        if let Ok(mut paid) = paid.lock() {
            paid[at] = result;
        }
        done();
    });
    let paid: Result<Vec<Paid>, String> =
        paid.into_inner().map_err(|_| "a thread panicked".to_owned())?.into_iter().collect();
    let paid = paid?;
    let rows = cases.iter().zip(paid.chunks(entrants.len().max(1)));
    let row = |(case, paid): (&Case, &[Paid])| Row {
        name: case.name.clone(),
        group: case.group,
        paid: paid.to_vec(),
        runs: entrants.iter().map(|entrant| key(case, entrant)).collect(),
    };
    Ok(rows.map(row).collect())
}

/// Calls `work` with every number below `count`, on `jobs` threads.
pub fn each(count: usize, jobs: usize, work: &(dyn Fn(usize) + Sync)) {
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..jobs.max(1) {
            scope.spawn(|| {
                while let Some(at) = Some(next.fetch_add(1, Ordering::Relaxed)).filter(|at| *at < count) {
                    work(at);
                }
            });
        }
    });
}
