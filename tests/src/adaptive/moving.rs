//! 17 workloads that change.
//!
//! Lengths are in memtables of operations; a data set has `n` of them. Write phases are long enough that each workload puts at
//! least three times the data set, the load counted where there is one. Where reads of one kind follow writes there are so many
//! that both weigh about alike for a good static choice.

use compaction_core::sim::{Mix, Phase, Skew};

use super::case::{Case, Reads, Set, hot, load, memtables, phase};

/// Operations of so many memtables on a data set of `n`.
fn stretch(n: f64, length: f64, skew: Skew, mix: Mix) -> Phase {
    phase(memtables(length), memtables(n), skew, mix)
}

/// As [`stretch`], with reads elsewhere than writes.
fn split(n: f64, length: f64, writes: Skew, reads: Skew, mix: Mix) -> Phase {
    Phase { read_skew: Some(reads), ..stretch(n, length, writes, mix) }
}

/// Writes and reads by turns, uniform, after the load.
fn alternate(n: f64, reads: Reads, writing: f64, reading: f64) -> Vec<Phase> {
    let turns = (3.0 * n / writing).ceil() as usize;
    let turn = || {
        let write = stretch(n, writing, Skew::Uniform, reads.mix(0.99));
        [write, stretch(n, reading, Skew::Uniform, reads.mix(0.05))]
    };
    std::iter::once(load(memtables(n))).chain((0..turns).flat_map(|_| turn())).collect()
}

/// A half of the keys, from `at` on.
fn half(at: f64) -> Skew {
    hot(0.5, 1.0, at)
}

fn splits(n: f64, set: Set) -> Vec<(&'static str, Vec<Phase>)> {
    let scans = Reads::Scans.mix(set.pick(0.9, 0.92));
    let gets = Mix { put: 0.6, get: 0.2, miss: 0.2, ..Mix::default() };
    let each = set.pick(0.6, 0.8) * n;
    let swapping = (0..6).map(|turn| {
        let at = if turn % 2 == 0 { 0.0 } else { 0.5 };
        split(n, each, half(at), half(0.5 - at), scans)
    });
    let load = || load(memtables(n));
    vec![
        ("split, scans", vec![load(), split(n, 3.4 * n, half(0.0), half(0.5), scans)]),
        ("split swaps, scans", std::iter::once(load()).chain(swapping).collect()),
        ("split, gets", vec![load(), split(n, 5.2 * n, half(0.25), half(0.75), gets)]),
    ]
}

fn day_and_night(n: f64, set: Set) -> Vec<Phase> {
    let steps = set.pick([0.95, 0.7, 0.3, 0.05], [0.98, 0.8, 0.4, 0.1]);
    let day = steps.into_iter().chain(steps.into_iter().rev());
    let days = day.cycle().take(8 * 4).map(|put| {
        let rest = 1.0 - put;
        let mix = Mix { put, get: 0.6 * rest, miss: 0.2 * rest, scan: 0.2 * rest, ..Mix::default() };
        stretch(n, n / set.pick(4.0, 5.0), Skew::Uniform, mix)
    });
    std::iter::once(load(memtables(n))).chain(days).collect()
}

fn growing(n: f64, set: Set) -> Vec<Phase> {
    let mix = Mix { put: 0.6, get: 0.2, miss: 0.1, scan: 0.1, ..Mix::default() };
    let steps = set.pick(6u32, 8);
    let step = |at: u32| stretch(n * f64::from(at) / f64::from(steps), 5.2 * n / f64::from(steps), Skew::Uniform, mix);
    (1..=steps).map(step).collect()
}

fn load_then_read(n: f64, reads: Reads, length: f64) -> Vec<Phase> {
    let puts = Mix { put: 1.0, ..Mix::default() };
    // Not a whole number of rounds: or a tiered tree would happen to be one run just then.
    let reading = stretch(n, length, Skew::Uniform, reads.mix(0.02));
    vec![load(memtables(n)), stretch(n, 2.3 * n, Skew::Uniform, puts), reading]
}

fn appends(n: f64, set: Set) -> Vec<Phase> {
    let mix = Reads::Scans.mix(set.pick(0.9, 0.95));
    vec![stretch(3.2 * n, 3.6 * n, Skew::Latest, mix)]
}

fn bursts(n: f64, reads: Reads, burst: f64, between: f64) -> Vec<Phase> {
    let turns = (3.0 * n / burst).ceil() as usize;
    let puts = Mix { put: 1.0, ..Mix::default() };
    let turn = || [stretch(n, between, Skew::Zipf(0.9), reads.mix(0.03)), stretch(n, burst, Skew::Uniform, puts)];
    std::iter::once(load(memtables(n))).chain((0..turns).flat_map(|_| turn())).collect()
}

fn hot_moves(n: f64, set: Set) -> Vec<Phase> {
    let mix = Mix { put: 0.7, get: 0.1, miss: 0.1, scan: 0.1, ..Mix::default() };
    let places = set.pick([0.1, 0.6, 0.35, 0.8, 0.0, 0.5], [0.05, 0.45, 0.7, 0.25, 0.9, 0.55]);
    let share = set.pick(0.1, 0.15);
    let stay = |at| stretch(n, 0.8 * n, hot(share, 0.9, at), mix);
    std::iter::once(load(memtables(n))).chain(places.map(stay)).collect()
}

/// All of them.
pub fn cases(set: Set) -> Vec<Case> {
    let n = set.pick(60.0, 110.0);
    let (long, short) = set.pick((n, n / 6.0), (0.75 * n, n / 8.0));
    let (scans, misses, hits) = (1.0 / 12.0, 1.0 / 3.0, 1.0 / 2.0);
    let mut all = vec![
        ("scan phases, long", alternate(n, Reads::Scans, long, scans * long)),
        ("scan phases, short", alternate(n, Reads::Scans, short, scans * short)),
        ("miss phases, long", alternate(n, Reads::Misses, long, misses * long)),
        ("miss phases, short", alternate(n, Reads::Misses, short, misses * short)),
        ("hit phases, long", alternate(n, Reads::Hits, long, hits * long)),
        ("hit phases, short", alternate(n, Reads::Hits, short, hits * short)),
    ];
    all.extend(splits(n, set));
    all.push(("day and night", day_and_night(n, set)));
    all.push(("growing", growing(n, set)));
    all.push(("load, then scans", load_then_read(n, Reads::Scans, n / set.pick(3.0, 2.5))));
    all.push(("load, then gets", load_then_read(n, Reads::Misses, n * set.pick(1.6, 2.0))));
    all.push(("appends, recent scans", appends(n, set)));
    all.push(("bursts, scans", bursts(n, Reads::Scans, n / set.pick(3.0, 4.0), n / set.pick(30.0, 36.0))));
    all.push(("bursts, gets", bursts(n, Reads::Misses, n / set.pick(3.0, 4.0), n / set.pick(8.0, 9.0))));
    all.push(("hot range moves", hot_moves(n, set)));
    let seed = set.pick(2_000, 8_000);
    (seed..).zip(all).map(|(seed, (name, phases))| Case::new(name, "moving", seed, phases)).collect()
}
