//! Random workloads: half of them stay as they are, half of them move. All from a seed.

use compaction_core::sim::{Mix, Phase, Skew, SplitMix};

use super::case::{Case, Set, hot, load, memtables, phase};

/// `count` workloads, by turns one that does not change and one that does.
pub fn cases(set: Set, count: u64) -> Vec<Case> {
    let mut rng = SplitMix::new(set.pick(31, 4_711));
    (1..=count).map(|at| if at % 2 == 1 { stationary(at, &mut rng) } else { moving(at, &mut rng) }).collect()
}

/// Any number between these.
pub(super) fn between(rng: &mut SplitMix, low: f64, high: f64) -> f64 {
    low + (high - low) * rng.next_f64()
}

/// A mix with one kind of read or all three. Half of the mixes have any share of puts between few and nearly all; the other half
/// have so few reads, down to one in 300, that these cost no more than merges do.
fn mix(rng: &mut SplitMix) -> Mix {
    let put = match rng.below(2) {
        0 => between(rng, 0.03, 0.97),
        _ => 1.0 - READ_SHARES[rng.below(9) as usize],
    };
    let parts = match rng.below(4) {
        0 => [1.0, 0.0, 0.0],
        1 => [0.0, 1.0, 0.0],
        2 => [0.0, 0.0, 1.0],
        _ => [0.0; 3].map(|_: f64| rng.next_f64() + 1e-3),
    };
    let rest = (1.0 - put) / parts.iter().sum::<f64>();
    let [get, miss, scan] = parts.map(|part| part * rest);
    Mix { put, delete: 0.0, get, miss, scan }
}

fn skew(rng: &mut SplitMix) -> Skew {
    match rng.below(4) {
        0 => Skew::Uniform,
        1 => Skew::Zipf(between(rng, 0.6, 0.99)),
        _ => hot(between(rng, 0.05, 0.5), between(rng, 0.6, 1.0), rng.next_f64()),
    }
}

/// Skews of writes and reads: alike, or in one case of three each its own.
fn skews(rng: &mut SplitMix) -> (Skew, Option<Skew>) {
    let of_writes = skew(rng);
    (of_writes, (rng.below(3) == 0).then(|| skew(rng)))
}

/// Shares of reads, evenly spread over their orders of magnitude.
const READ_SHARES: [f64; 9] = [0.32, 0.18, 0.1, 0.056, 0.032, 0.018, 0.01, 0.0056, 0.0032];

fn size(rng: &mut SplitMix) -> f64 {
    between(rng, 40.0, 90.0).round()
}

/// A phase that puts about `length` memtables.
fn puts(rng: &mut SplitMix, keys: u64, length: f64) -> Phase {
    let mix = mix(rng);
    let (of_writes, read_skew) = skews(rng);
    Phase { read_skew, ..phase(memtables(length / mix.put), keys, of_writes, mix) }
}

fn stationary(at: u64, rng: &mut SplitMix) -> Case {
    let n = size(rng);
    let keys = memtables(n);
    let phases = vec![load(keys), puts(rng, keys, 3.0 * n)];
    Case::new(format!("random {at:03}"), "stationary", rng.next_u64(), phases)
}

fn moving(at: u64, rng: &mut SplitMix) -> Case {
    let n = size(rng);
    let count = 2 + rng.below(9);
    // Phases of different lengths that together put three times the data set.
    let shares: Vec<f64> = (0..count).map(|_| between(rng, 0.3, 1.0)).collect();
    let sum: f64 = shares.iter().sum();
    let grows = rng.below(4) == 0;
    // Some come again: a day is followed by another.
    let period = if rng.below(2) == 0 { count } else { 2.min(count) };
    let mut phases = vec![load(memtables(if grows { n / 3.0 } else { n }))];
    for (turn, share) in shares.iter().enumerate() {
        let done = (turn + 1) as f64 / count as f64;
        let keys = memtables(if grows { n * (1.0 + 2.0 * done) / 3.0 } else { n });
        let earlier = turn.checked_sub(period as usize).and_then(|turn| phases.get(turn + 1)).copied();
        phases.push(match earlier {
            Some(earlier) => Phase { keys, ..earlier },
            None => puts(rng, keys, 3.0 * n * share / sum),
        });
    }
    // Phases that came again are as long as they were: stretch them all to three times the data set again.
    let put: f64 = phases.iter().skip(1).map(|phase| phase.ops as f64 * phase.mix.put).sum();
    for phase in phases.iter_mut().skip(1) {
        phase.ops = (phase.ops as f64 * memtables(3.0 * n) as f64 / put) as u64;
    }
    Case::new(format!("random {at:03}"), "moving", rng.next_u64(), phases)
}
