//! Amplification against big integers, and against trees small enough to count by hand.
#![cfg(feature = "alloc")]

use compaction_core::amp::{self, Milli, Ratio, Traffic};
use compaction_core::{
    Choice, CompactionStrategy, Cut, Event, Full, Moment, Outcome, Place, Plan, Table, VersionVec, Work,
};
use num_bigint::BigUint;
use proptest::prelude::*;

/// Numbers of every magnitude, and those next to powers of two.
fn number() -> impl Strategy<Value = u128> {
    prop_oneof![
        any::<u128>(),
        any::<u64>().prop_map(u128::from),
        0..1_000u128,
        (0..128u32, -2i8..=2).prop_map(|(bit, off)| (1u128 << bit).wrapping_add_signed(i128::from(off))),
    ]
}

fn big(n: u128) -> BigUint {
    BigUint::from(n)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 5_000, ..ProptestConfig::default() })]

    #[test]
    fn ratios_order_as_their_big_cross_products(a in number(), b in number(), c in number(), d in number()) {
        prop_assume!(b > 0 && d > 0);
        let ours = Ratio::new(a, b).unwrap().cmp(&Ratio::new(c, d).unwrap());
        prop_assert_eq!(ours, (big(a) * big(d)).cmp(&(big(c) * big(b))));
    }

    #[test]
    fn equal_fractions_are_equal_in_any_terms(a in number(), b in 1..=u128::from(u64::MAX), k in any::<u64>()) {
        let (a, k) = (a >> 64, u128::from(k.max(1)));
        prop_assert_eq!(Ratio::new(a, b), Ratio::new(a * k, b * k));
    }

    #[test]
    fn thousandths_round_as_they_say_and_saturate(num in number(), den in number()) {
        prop_assume!(den > 0);
        let ratio = Ratio::new(num, den).unwrap();
        let (thousands, most) = (big(num) * big(1_000), big(u128::from(u64::MAX)));
        let floor = &thousands / big(den);
        let ceil = (&thousands + big(den - 1)) / big(den);
        prop_assert_eq!(big(u128::from(ratio.milli_floor().0)), floor.min(most.clone()));
        prop_assert_eq!(big(u128::from(ratio.milli_ceil().0)), ceil.min(most));
    }
}

#[test]
fn a_denominator_of_zero_is_no_ratio() {
    assert_eq!(Ratio::new(1, 0), None);
    assert_eq!(Ratio::new(0, 0), None);
}

#[test]
fn thousandths_read_as_decimals() {
    assert_eq!(Milli(12_034).to_string(), "12.034");
    assert_eq!(Milli(u64::MAX).to_string(), "18446744073709551.615");
}

/// Level 2: one run; level 1: one run beside it and over it; level 0: two runs.
fn tree() -> VersionVec<u32> {
    let mut tree = VersionVec::default();
    tree.push_run(2, [Table::new(1, 600, 0, 49), Table::new(2, 400, 50, 69)]).unwrap();
    tree.push_run(1, [Table::new(3, 100, 60, 64)]).unwrap();
    tree.push_run(0, [Table::new(4, 30, 80, 99)]).unwrap();
    tree.push_run(0, [Table::new(5, 20, 62, 85)]).unwrap();
    tree
}

#[test]
fn a_read_looks_at_the_runs_that_span_its_key() {
    let tree = tree();
    assert_eq!(amp::read_runs_max(&tree.view()), 4);
    for (key, runs) in [(0, 1), (62, 3), (66, 2), (75, 1), (80, 2), (99, 1), (100, 0)] {
        assert_eq!(amp::read_runs_at(&tree.view(), &key), runs, "key {key}");
        let by_level = (0..=2).map(|level| amp::level_read_runs_at(&tree.view(), level, &key));
        assert_eq!(by_level.sum::<usize>(), runs, "key {key}");
    }
    let of_level = [0, 1, 2, 3].map(|level| amp::level_read_runs_max(&tree.view(), level));
    assert_eq!(of_level, [2, 1, 1, 0]);
    assert_eq!([0, 1, 2].map(|level| amp::level_read_runs_at(&tree.view(), level, &62)), [1, 1, 1]);
}

#[test]
fn space_is_measured_against_what_has_nothing_beneath_it() {
    let tree = tree();
    let view = tree.view();
    assert_eq!(amp::bottom_bytes(&view), 1_030);
    assert_eq!(amp::space(&view), Ratio::new(1_150, 1_030));
    let shares: u128 = (0..=2).map(|level| amp::level_space(&view, level).unwrap().num()).sum();
    assert_eq!(shares, 1_150);
    assert_eq!(amp::space(&VersionVec::<u32>::default().view()), None);
}

#[test]
fn write_amplification_counts_flushes_and_merges_by_level() {
    let mut tree = VersionVec::default();
    let mut traffic = Traffic::<2>::default();
    assert_eq!(traffic.write(), None);
    for id in 1..=3 {
        tree.flush([Table::new(id, 100, 0, 9)]).unwrap();
        traffic.observe(&Event::Flushed { version: tree.view(), now_ms: 0, bytes: 100 });
    }
    let decision = Full { table_bytes_max: 1_000 }.choose(&tree.view(), &Moment::default());
    let Choice::Merge(job) = decision.choice else { panic!("three runs merge") };
    let ticket = tree.begin(job).unwrap();
    let job = tree.finish(ticket, [Table::new(4, 150, 0, 9)]).unwrap();
    let reason = decision.reason;
    let outcome = Outcome { job, reason, bytes_read: 300, bytes_written: 150, micros: 1, now_ms: 0, runs_removed: 2 };
    traffic.observe(&Event::Aborted { version: tree.view(), job, reason });
    traffic.observe(&Event::Done { version: tree.view(), outcome });
    assert_eq!(traffic.write(), Ratio::new(450, 300));
    assert_eq!(traffic.merge_read(), Ratio::new(1, 1));
    assert_eq!((traffic.level_write(0), traffic.level_write(1)), (Ratio::new(3, 2), Ratio::new(0, 1)));
    assert_eq!(traffic.level_write(2), None);
    assert_eq!((traffic.levels()[0].merges, traffic.levels()[0].moves, traffic.drops()), (1, 0, 0));
}

#[test]
fn moves_and_drops_are_counted_and_deep_levels_with_the_last() {
    let mut tree = VersionVec::<u32>::default();
    let mut traffic = Traffic::<2>::default();
    tree.flush([Table::new(1, 100, 0, 9)]).unwrap();
    let reason = Full { table_bytes_max: 1_000 }.choose(&tree.view(), &Moment::default()).reason;
    for (work, place) in [(Work::Move, Place::New { level: 5 }), (Work::Drop, Place::Join)] {
        let plan = Plan { runs: 0..=0, cut: Cut::Whole, work, place, table_bytes_max: 1_000 };
        let job = tree.view().plan(&plan).unwrap().job;
        let ticket = tree.begin(job).unwrap();
        let job = tree.finish(ticket, []).unwrap();
        let outcome = Outcome { job, reason, bytes_read: 0, bytes_written: 0, micros: 1, now_ms: 0, runs_removed: 0 };
        traffic.observe(&Event::Done { version: tree.view(), outcome });
    }
    assert_eq!(traffic.levels().each_ref().map(|level| level.moves), [0, 1]);
    assert_eq!(traffic.drops(), 1);
}
