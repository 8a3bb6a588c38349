//! 36 workloads that do not change: write share by what is read by skew.

use compaction_core::sim::Skew;

use super::case::{Case, Reads, Set, hot, load, memtables, phase};

/// Shares of puts, in percent.
const WRITES: [u32; 4] = [95, 50, 20, 5];
/// How often the data set is written over after it was loaded.
const ROUNDS: u64 = 3;

/// All of them: every key is loaded, then three times as many puts follow, mixed with reads.
pub fn cases(set: Set) -> Vec<Case> {
    let keys = memtables(set.pick(60.0, 110.0));
    let skews = [
        ("uniform", Skew::Uniform),
        ("zipf", Skew::Zipf(0.99)),
        ("hot", set.pick(hot(0.1, 0.9, 0.3), hot(0.2, 0.8, 0.55))),
    ];
    let mut cases = Vec::new();
    for (writes, reads, (name, skew)) in
        WRITES.into_iter().flat_map(|w| Reads::ALL.into_iter().flat_map(move |r| skews.map(|s| (w, r, s))))
    {
        let share = f64::from(writes) / 100.0;
        let ops = ((ROUNDS * keys) as f64 / share) as u64;
        let phases = vec![load(keys), phase(ops, keys, skew, reads.mix(share))];
        let seed = set.pick(1_000, 7_000) + cases.len() as u64;
        cases.push(Case::new(format!("{writes:>2} % {} {name}", reads.name()), reads.name(), seed, phases));
    }
    cases
}
