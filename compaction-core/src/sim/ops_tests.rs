use alloc::vec;
use alloc::vec::Vec;

use super::super::Mix;
use super::*;

fn phase(ops: u64, keys: u64, skew: Skew, mix: Mix) -> Phase {
    Phase { ops, keys, skew, read_skew: None, value_bytes: 8, mix, scan_keys: 5 }
}

fn workload(phases: Vec<Phase>) -> Workload {
    Workload { seed: 1, ttl_ms: None, phases }
}

fn key_of(op: &Op) -> u64 {
    match *op {
        Op::Put { key, .. } | Op::Delete { key } | Op::Get { key } | Op::Miss { key } | Op::Scan { key, .. } => key,
    }
}

const PUTS: Mix = Mix { put: 1.0, delete: 0.0, get: 0.0, miss: 0.0, scan: 0.0 };
const GETS: Mix = Mix { put: 0.0, delete: 0.0, get: 1.0, miss: 0.0, scan: 0.0 };

#[test]
fn the_same_seed_gives_the_same_stream_and_another_seed_another() {
    let mix = Mix { put: 0.4, delete: 0.1, get: 0.3, miss: 0.1, scan: 0.1 };
    let mut workload = workload(vec![phase(500, 100, Skew::Zipf(0.99), mix), phase(500, 200, Skew::Latest, mix)]);
    let first: Vec<Op> = Ops::new(&workload).collect();
    assert_eq!(first.len(), 1_000);
    assert_eq!(first, Ops::new(&workload).collect::<Vec<_>>());
    workload.seed = 2;
    assert_ne!(first, Ops::new(&workload).collect::<Vec<_>>());
}

#[test]
fn the_mix_is_kept_within_two_percent() {
    let mix = Mix { put: 0.5, delete: 0.1, get: 0.2, miss: 0.15, scan: 0.05 };
    let workload = workload(vec![phase(50_000, 10, Skew::Uniform, mix)]);
    let mut seen = [0u32; 5];
    for op in Ops::new(&workload) {
        seen[match op {
            Op::Put { .. } => 0,
            Op::Delete { .. } => 1,
            Op::Get { .. } => 2,
            Op::Miss { .. } => 3,
            Op::Scan { .. } => 4,
        }] += 1;
    }
    for (count, share) in seen.into_iter().zip([0.5, 0.1, 0.2, 0.15, 0.05]) {
        assert!((f64::from(count) / 50_000.0 - share).abs() < 0.02, "{count} for {share}");
    }
}

#[test]
fn sequential_puts_walk_through_the_keys_and_go_on_in_the_next_phase() {
    let workload = workload(vec![phase(3, 5, Skew::Sequential, PUTS), phase(4, 5, Skew::Sequential, PUTS)]);
    let keys: Vec<u64> = Ops::new(&workload).map(|op| key_of(&op)).collect();
    assert_eq!(keys, [0, 1, 2, 3, 4, 0, 1]);
}

#[test]
fn latest_reads_what_was_inserted_last_most_often() {
    let workload =
        workload(vec![phase(1_000, 2_000, Skew::Sequential, PUTS), phase(20_000, 2_000, Skew::Latest, GETS)]);
    let mut hits = vec![0u32; 2_000];
    for op in Ops::new(&workload).skip(1_000) {
        hits[key_of(&op) as usize] += 1;
    }
    assert_eq!(hits[1_000..].iter().sum::<u32>(), 0, "keys never inserted were read");
    let top = hits.iter().max().copied().unwrap_or_default();
    assert_eq!(hits[999], top);
    assert!(hits[999] > hits[998] && hits[998] > hits[900]);
}

#[test]
fn the_hot_range_takes_its_share_and_moves_and_wraps_with_at() {
    for at in [0.0, 0.5, 0.9, 1.0] {
        let hot = Hot { share_of_keys: 0.2, share_of_ops: 0.8, at };
        let workload = workload(vec![phase(20_000, 1_000, Skew::Hot(hot), GETS)]);
        let start = (1_000.0 * at) as u64;
        let inside = Ops::new(&workload).filter(|op| (key_of(op) + 1_000 - start % 1_000) % 1_000 < 200).count();
        assert!((inside as f64 / 20_000.0 - 0.8).abs() < 0.02, "at {at}: {inside}");
    }
}

#[test]
fn where_all_keys_are_hot_the_other_operations_go_to_all_of_them_too() {
    let hot = Hot { share_of_keys: 1.0, share_of_ops: 0.0, at: 0.5 };
    let workload = workload(vec![phase(2_000, 10, Skew::Hot(hot), GETS)]);
    for key in 0..10 {
        let gets = Ops::new(&workload).filter(|op| key_of(op) == key).count();
        assert!((100..300).contains(&gets), "{gets} at key {key}");
    }
}

#[test]
fn each_kind_of_operation_walks_through_the_keys_by_itself() {
    let mix = Mix { put: 0.0, delete: 0.25, get: 0.25, miss: 0.25, scan: 0.25 };
    let workload = workload(vec![phase(400, 7, Skew::Sequential, mix)]);
    let ops: Vec<Op> = Ops::new(&workload).collect();
    for is_one in [
        |op: &&Op| matches!(op, Op::Delete { .. }),
        |op: &&Op| matches!(op, Op::Get { .. }),
        |op: &&Op| matches!(op, Op::Miss { .. }),
        |op: &&Op| matches!(op, Op::Scan { .. }),
    ] {
        let keys: Vec<u64> = ops.iter().filter(is_one).map(key_of).collect();
        assert!(keys.len() > 50 && keys.iter().enumerate().all(|(at, key)| *key == at as u64 % 7), "{keys:?}");
    }
}

#[test]
fn a_sample_has_its_share_of_the_operations_and_keys_and_loses_no_phase_to_rounding() {
    let phases = (0..10).map(|_| phase(1_005, 1_000, Skew::Uniform, PUTS)).collect();
    let workload = workload(phases);
    let ops: Vec<Op> = Ops::sampled(&workload, 10).collect();
    assert_eq!(ops.len(), 1_005);
    assert!(ops.iter().all(|op| key_of(op) < 100));
    assert!((90..100).all(|key| ops.iter().any(|op| key_of(op) == key)));
}

#[test]
fn a_sampled_zipf_keeps_the_mass_of_the_hottest_ranks() {
    let workload = workload(vec![phase(4_000_000, 1_000_000, Skew::Zipf(0.99), GETS)]);
    let hottest = |scale: u64| {
        let mut hits = vec![0u32; 1_000_000];
        let ops = Ops::sampled(&workload, scale).inspect(|op| hits[key_of(op) as usize] += 1).count();
        hits.sort_unstable();
        // The hottest tenth of a percent of the keys.
        let top = 1_000 / scale as usize;
        f64::from(hits[hits.len() - top..].iter().sum::<u32>()) / ops as f64
    };
    let full = hottest(1);
    assert!((hottest(10) / full - 1.0).abs() < 0.03, "{} for {full}", hottest(10));
    assert!((hottest(100) / full - 1.0).abs() < 0.03, "{} for {full}", hottest(100));
}

#[test]
fn reads_may_have_a_skew_of_their_own() {
    let range = |at| Skew::Hot(Hot { share_of_keys: 0.5, share_of_ops: 1.0, at });
    let mix = Mix { put: 0.3, delete: 0.1, get: 0.2, miss: 0.2, scan: 0.2 };
    let split = Phase { read_skew: Some(range(0.5)), ..phase(5_000, 100, range(0.0), mix) };
    for op in Ops::new(&workload(vec![split])) {
        let is_write = matches!(op, Op::Put { .. } | Op::Delete { .. });
        assert_eq!(key_of(&op) < 50, is_write, "{op:?}");
    }
}

#[test]
fn scattered_puts_write_each_key_once_and_neighbours_far_apart() {
    for keys in [1u64, 2, 3, 100, 1_000] {
        let workload = workload(vec![phase(2 * keys, keys, Skew::Scattered, PUTS)]);
        let order: Vec<u64> = Ops::new(&workload).map(|op| key_of(&op)).collect();
        let mut sorted = order[..keys as usize].to_vec();
        sorted.sort_unstable();
        assert_eq!(sorted, (0..keys).collect::<Vec<_>>());
        assert_eq!(order[..keys as usize], order[keys as usize..]);
        assert!(keys < 100 || order.windows(2).all(|pair| pair[0].abs_diff(pair[1]) > keys / 4));
    }
}

#[test]
fn series_grow_side_by_side_and_what_is_new_in_each_is_read() {
    let mut puts: Vec<u64> =
        Ops::new(&workload(vec![phase(10, 10, Skew::Series(3), PUTS)])).map(|op| key_of(&op)).collect();
    assert_eq!(puts[..6], [0, 4, 7, 1, 5, 8], "ten keys are four, three and three");
    puts.sort_unstable();
    assert_eq!(puts, (0..10).collect::<Vec<_>>());
    let half = workload(vec![phase(600, 1_200, Skew::Series(4), PUTS), phase(4_000, 1_200, Skew::Series(4), GETS)]);
    let reads: Vec<u64> = Ops::new(&half).skip(600).map(|op| key_of(&op)).collect();
    assert!(reads.iter().all(|key| key % 300 < 150), "what was not yet inserted was read");
    assert!(reads.iter().filter(|key| *key % 300 >= 140).count() > 1_500);
}
