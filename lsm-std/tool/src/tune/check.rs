//! The answer of `lsm tune` in the simulator, beside a grid of strategies and fan-outs.
//!
//! A store is loaded with every key once, then come six times as many writes, with reads among them by their shares; what is
//! done from the end of the load on counts. The grid has tiered by width, with tight space triggers and with the usual one, leveled
//! by fan-out, one run for all, lazy leveling by fan-out with one run less than it, and with two runs a level.

use std::fmt;

use compaction_core::sim::{Mix, Phase, Prices, SimReport, Skew, Workload};
use compaction_core::tune::{Bounds, Charges, Layout, Limits, Popularity, expect};

use super::answer::{settings, words};
use super::{Question, answer, failure};
use crate::Failure;
use crate::sim::{Candidate, number, simulate, store};
use crate::strategies::parse;
use crate::workload::KEY_BYTES;

/// Widths of tiered in the grid.
const WIDTHS: [u32; 6] = [2, 3, 4, 6, 8, 12];
/// Fan-outs of leveled and lazy in the grid.
const FANOUTS: [u32; 8] = [2, 3, 4, 6, 8, 10, 16, 32];
/// Writes after the load, as a multiple of the entries: as many as the model plays out.
const ROUNDS: f64 = 6.0;
/// Most operations after the load, as a multiple of the entries.
const OPS_MAX: f64 = 60.0;
/// Entries and memtable of the workloads that are checked where none is given.
const SIZES: (f64, f64) = (10_000.0, 100.0);

/// An answer beside the best of the grid.
#[derive(Clone, Debug)]
pub struct Checked {
    /// What is done to the store.
    pub name: String,
    /// The layout that was answered, and its cost: by the model, and in the simulator.
    pub answered: (Layout, f64, f64),
    /// The cheapest layout of the grid, and its cost in the simulator.
    pub best: (Layout, f64),
}

impl Checked {
    /// By which share the answer costs more than the best of the grid; negative if it costs less.
    pub fn gap(&self) -> f64 {
        self.answered.2 / self.best.1 - 1.0
    }
}

/// The questions that are checked where none is given: shares of reads, misses, scans and writes, and a skew.
pub fn questions() -> Vec<(String, Question)> {
    let hot = Popularity::Hot { keys: 0.1, ops: 0.9 };
    let cases = [
        ([0.1, 0.0, 0.0, 0.9], Popularity::Uniform),
        ([0.3, 0.1, 0.0, 0.6], Popularity::Uniform),
        ([0.6, 0.1, 0.1, 0.2], Popularity::Uniform),
        ([0.0, 0.3, 0.0, 0.7], Popularity::Uniform),
        ([0.0, 0.0, 0.02, 0.98], Popularity::Uniform),
        ([0.2, 0.0, 0.0, 0.8], Popularity::Zipf(0.99)),
        ([0.6, 0.0, 0.05, 0.35], Popularity::Zipf(0.99)),
        ([0.0, 0.4, 0.4, 0.2], Popularity::Zipf(0.9)),
        ([0.85, 0.0, 0.05, 0.1], Popularity::Zipf(0.7)),
        ([0.05, 0.0, 0.0, 0.95], hot),
        ([0.4, 0.05, 0.05, 0.5], hot),
        ([0.5, 0.35, 0.0, 0.15], hot),
    ];
    cases
        .into_iter()
        .map(|(shares, popularity)| (named(shares, popularity), question(shares, popularity, SIZES)))
        .collect()
}

fn named(shares: [f64; 4], popularity: Popularity) -> String {
    let skew = match popularity {
        Popularity::Uniform => "uniform".to_owned(),
        Popularity::Zipf(theta) => format!("Zipf {theta}"),
        Popularity::Hot { keys, ops } => format!("{:.0} % of keys in {:.0} % of operations", keys * 100.0, ops * 100.0),
    };
    let percent = shares.map(|share| (share * 100.0).round());
    format!("{} % writes, {} gets, {} misses, {} scans; {skew}", percent[3], percent[0], percent[1], percent[2])
}

/// The question with these shares of reads, misses, scans and writes, and of so many entries in the store and in its memtable.
pub fn question(shares: [f64; 4], popularity: Popularity, (entries, memtable_entries): (f64, f64)) -> Question {
    let [reads, misses, scans, writes] = shares;
    Question {
        reads,
        writes,
        scans,
        misses,
        entries: Some(entries),
        product: None,
        levels: None,
        bounds: Bounds::default(),
        memtable_entries: Some(memtable_entries),
        memtable_entries_min: 1.0,
        memtable_share_max: None,
        memory_bytes: None,
        entry_bytes: 116.0,
        popularity,
        limits: Limits::default(),
        assumed: false,
    }
}

/// The grid.
fn grid() -> Vec<Layout> {
    let base_memtables = 4;
    let tiered =
        WIDTHS.iter().flat_map(|width| [25, 50, 200].map(|space_pct| Layout::Tiered { width: *width, space_pct }));
    let leveled = FANOUTS.iter().map(|fanout| Layout::Leveled { fanout: *fanout, base_memtables });
    let lazy = FANOUTS.iter().filter(|fanout| (3..=10).contains(*fanout)).flat_map(|fanout| {
        let runs = if *fanout == 3 { vec![2] } else { vec![2, *fanout - 1] };
        runs.into_iter().map(|runs| Layout::Lazy { fanout: *fanout, runs, base_memtables })
    });
    let one_run = std::iter::once(Layout::Tiered { width: 2, space_pct: 0 });
    tiered.chain(leveled).chain(lazy).chain(one_run).collect()
}

/// Simulates the answer to `question` and the grid.
///
/// # Errors
/// Those of [`answer`]; what the simulator refuses.
pub fn check(name: &str, question: &Question) -> Result<Checked, Failure> {
    let found = answer(question, None)?;
    let (chosen, memtable_bytes) = (found.chosen, found.memtable_bytes());
    let workload = workload(question, found.entries);
    let cost = |layout: Layout| simulated(question, &workload, layout, memtable_bytes);
    let mut best: Option<(Layout, f64)> = None;
    for layout in grid() {
        let there = cost(layout)?;
        if best.is_none_or(|(_, least)| there < least) {
            best = Some((layout, there));
        }
    }
    let answered = (chosen.layout, chosen.expected.cost, cost(chosen.layout)?);
    let best = best.ok_or_else(|| Failure::Wrong("the grid is empty".to_owned()))?;
    Ok(Checked { name: name.to_owned(), answered, best })
}

/// The cost of one layout, by the model and in the simulator.
///
/// # Errors
/// As [`check`].
pub fn check_layout(question: &Question, layout: Layout) -> Result<(f64, f64), Failure> {
    let found = answer(question, None)?;
    let expected = expect(&found.load, layout, &Charges::default()).map_err(failure)?;
    let workload = workload(question, found.entries);
    Ok((expected.cost, simulated(question, &workload, layout, found.memtable_bytes())?))
}

/// The simulated price of an operation after the load.
fn simulated(question: &Question, workload: &Workload, layout: Layout, memtable_bytes: u64) -> Result<f64, Failure> {
    let given = settings(&layout, memtable_bytes);
    let settings = parse(&given.to_string()).map_err(|refusal| Failure::Wrong(refusal.text))?;
    let mut store = store(memtable_bytes, memtable_bytes);
    (store.samples, store.format.key_bytes) = (4_000, KEY_BYTES.min(question.entry_bytes as u64));
    let simulated = simulate(workload, Candidate { name: words(&layout), settings }, &store)?;
    Ok(cost_after(&simulated.report, workload.phases.first().map_or(0, |load| load.ops)))
}

/// Every key once, then six times as many writes, with the other operations among them.
fn workload(question: &Question, entries: f64) -> Workload {
    let value_bytes = (question.entry_bytes as u64).saturating_sub(KEY_BYTES);
    let keys = entries as u64;
    let load = Phase { skew: Skew::Sequential, value_bytes, ..Phase::puts(keys, keys) };
    // With hardly a write among them the tree stays as it is, and fewer operations tell as much.
    let ops = (entries * (ROUNDS / question.writes).min(OPS_MAX)) as u64;
    let Question { reads: get, writes: put, scans: scan, misses: miss, .. } = *question;
    let mix = Mix { put, delete: 0.0, get, miss, scan };
    Workload { seed: 1, ttl_ms: None, phases: vec![load, Phase { ops, skew: question.popularity.into(), mix, ..load }] }
}

/// The price of an operation after the first `load` ones.
fn cost_after(report: &SimReport, load: u64) -> f64 {
    let before =
        report.samples.iter().map(|sample| sample.counts).find(|counts| counts.ops >= load).unwrap_or_default();
    number(report.counts().since(&before).cost(&Prices::default()))
}

/// The head of the table of checks.
pub const HEAD: &str = "\
| workload | answer | cost by the model | in the simulator | best of the grid | its cost | gap |
|---|---|---|---|---|---|---|";

impl fmt::Display for Checked {
    /// A row of the table.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ((layout, model, cost), (best, least)) = (self.answered, self.best);
        let (name, gap) = (&self.name, self.gap() * 100.0);
        let (layout, best) = (words(&layout), words(&best));
        write!(f, "| {name} | {layout} | {model:.0} | {cost:.0} | {best} | {least:.0} | {gap:+.1} % |")
    }
}
