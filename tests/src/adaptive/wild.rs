//! Random workloads of any kind: deletes, appends, keys in order, values of other sizes. All from a seed.
//!
//! The space cap binds strategies by their own reckoning, and with many deletes some go far beyond it, so groups tell how
//! much is deleted.

use compaction_core::sim::{Mix, Phase, Skew, SplitMix};

use super::case::{Case, Set, hot, memtables, phase};
use super::random::between;

/// `count` workloads of one to three phases, each of which writes one to three times the first data set.
pub fn cases(set: Set, count: u64) -> Vec<Case> {
    let mut rng = SplitMix::new(set.pick(53, 8_191));
    (1..=count).map(|at| case(at, &mut rng)).collect()
}

fn case(at: u64, rng: &mut SplitMix) -> Case {
    let keys = memtables(one_of(rng, &[10.0, 20.0, 40.0]));
    let count = one_of(rng, &[1, 1, 2, 3]);
    let phases: Vec<Phase> = (0..count).map(|turn| stretch(rng, keys, turn == 0)).collect();
    let most = phases.iter().map(|phase| phase.mix.delete / (phase.mix.put + phase.mix.delete)).fold(0.0, f64::max);
    let group = match most {
        0.0 => "no deletes",
        0.0..=0.5 => "some deletes",
        _ => "mostly deletes",
    };
    Case::new(format!("wild {at:03}"), group, rng.next_u64(), phases)
}

/// One of `all`.
fn one_of<T: Copy>(rng: &mut SplitMix, all: &[T]) -> T {
    all[rng.below(all.len() as u64) as usize]
}

fn stretch(rng: &mut SplitMix, keys: u64, is_first: bool) -> Phase {
    let skew = match rng.below(7) {
        0 | 1 => Skew::Uniform,
        2 => Skew::Zipf(between(rng, 0.6, 0.99)),
        3 => Skew::Latest,
        4 => Skew::Sequential,
        5 => Skew::Scattered,
        _ => hot(between(rng, 0.02, 0.3), between(rng, 0.6, 0.98), rng.next_f64()),
    };
    let put = one_of(rng, &[0.02, 0.1, 0.5, 1.0, 2.0]);
    let parts = [
        if is_first { f64::max(put, 0.3) } else { put },
        one_of(rng, &[0.0, 0.0, 0.05, 0.3, 1.0]),
        one_of(rng, &[0.0, 0.1, 0.5, 1.0, 3.0]),
        one_of(rng, &[0.0, 0.1, 0.5, 1.0]),
        one_of(rng, &[0.0, 0.0, 0.02, 0.2, 0.5]),
    ];
    let sum: f64 = parts.iter().sum();
    let [put, delete, get, miss, scan] = parts.map(|part| part / sum);
    let mix = Mix { put, delete, get, miss, scan };
    let ops = (keys as f64 * between(rng, 1.0, 3.0) / (put + delete)) as u64;
    let value_bytes = one_of(rng, &[20, 60, 100, 100, 400, 1_000]);
    Phase { value_bytes, ..phase(ops, keys, skew, mix) }
}
