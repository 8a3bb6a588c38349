//! What is dropped for its age or its size, and what must stay.
#![cfg(feature = "alloc")]

mod common;

use common::{Shape, chosen_ids, table, tree_of};
use compaction_core::{
    Choice, CompactionStrategy, Decision, Fifo, FifoSettings, Leveled, LeveledSettings, Moment, Rule, Table,
    VersionVec, check_decision, settle,
};
use proptest::prelude::*;

const MAX: u64 = u64::MAX;

fn at(now_ms: u64) -> Moment {
    Moment { now_ms, ..Moment::default() }
}

fn decide(bytes_max: u64, ttl_ms: u64, buf: &VersionVec<u32>, moment: &Moment) -> Decision {
    Fifo::new(FifoSettings { bytes_max, ttl_ms }).unwrap().choose(&buf.view(), moment)
}

/// What goes by a time to live of `ttl_ms`, under both strategies that have one.
fn expired(ttl_ms: u64, buf: &VersionVec<u32>, moment: &Moment) -> Vec<u64> {
    let decision = decide(MAX, ttl_ms, buf, moment);
    let settings = LeveledSettings { ttl_ms, l0_runs_max: 100, dynamic: false, ..LeveledSettings::default() };
    assert_eq!(Leveled::new(settings).unwrap().choose(&buf.view(), moment), decision);
    assert!(matches!(decision.choice, Choice::Wait { .. } | Choice::Drop(_)));
    let mut ids = chosen_ids(&buf.view(), &decision);
    ids.sort_unstable();
    ids
}

fn written(id: u64, newest_ms: u64, min: u32, max: u32) -> Table<u32> {
    table(id, 100, min, max).newest_ms(newest_ms).newest_seqno(newest_ms)
}

#[test]
fn whole_runs_go_once_everything_in_them_has_expired() {
    let buf = tree_of(&[
        (1, &[written(1, 10, 0, 9), written(2, 20, 10, 19)]),
        (0, &[written(3, 30, 0, 19)]),
        (0, &[written(4, 40, 0, 19)]),
    ]);
    assert_eq!(expired(100, &buf, &at(129)), [1, 2]);
    assert_eq!(expired(100, &buf, &at(130)), [1, 2, 3]);
    assert_eq!(expired(100, &buf, &at(999)), [1, 2, 3, 4]);
    let decision = decide(MAX, 100, &buf, &at(139));
    assert_eq!(decision.reason.rule, Rule::Expired { newest_ms: 30, ttl_ms: 100 });
}

#[test]
fn of_other_runs_a_single_table_goes() {
    let buf = tree_of(&[(1, &[written(1, 50, 0, 9), written(2, 20, 10, 19)])]);
    assert_eq!(expired(100, &buf, &at(119)), []);
    assert_eq!(decide(MAX, 100, &buf, &at(119)).choice, Choice::Wait { until_ms: Some(120) });
    assert_eq!(expired(100, &buf, &at(120)), [2]);
}

#[test]
fn a_table_goes_only_with_all_older_ones_that_it_overlaps() {
    let older = |newest_ms| {
        tree_of(&[
            (2, &[written(1, newest_ms, 8, 12), written(2, 500, 30, 39)]),
            (1, &[written(3, 20, 0, 9), written(4, 500, 20, 29)]),
        ])
    };
    assert_eq!(expired(100, &older(60), &at(150)), [], "its older values would come back");
    assert_eq!(decide(MAX, 100, &older(60), &at(150)).choice, Choice::Wait { until_ms: Some(160) });
    assert_eq!(expired(100, &older(60), &at(160)), [1], "the oldest first");
    let mut covered = tree_of(&[
        (2, &[written(1, 20, 8, 12), written(2, 10, 30, 39), written(5, 500, 90, 99)]),
        (1, &[written(3, 15, 0, 9), written(4, 500, 20, 29)]),
    ]);
    let _running = covered.begin(common::rewrite(&covered.view(), 0, 1)).unwrap();
    let decision = decide(MAX, 100, &covered, &at(150));
    assert_eq!(chosen_ids(&covered.view(), &decision), [3, 1], "with what it covers, when the oldest is at work");
}

#[test]
fn a_table_goes_with_no_more_than_63_others() {
    let chosen = |covered: u32| {
        let mut older: Vec<_> = (0..covered).map(|at| written(u64::from(at) + 10, 20, at * 2, at * 2 + 1)).collect();
        older.extend([written(1, 500, 180, 181), written(2, 10, 190, 199)]);
        let mut buf = tree_of(&[(2, &older), (1, &[written(3, 20, 0, 150), written(4, 500, 160, 169)])]);
        let stalest = buf.view().runs()[0].len() - 1;
        let _running = buf.begin(common::rewrite(&buf.view(), 0, stalest)).unwrap();
        chosen_ids(&buf.view(), &decide(MAX, 100, &buf, &at(150))).len()
    };
    assert_eq!((chosen(63), chosen(64)), (64, 0));
}

#[test]
fn clocks_that_start_at_0_or_step_back_expire_nothing_by_wrapping() {
    let buf = tree_of(&[(0, &[written(1, 1_000, 0, 9)])]);
    for now_ms in [0, 1, 999] {
        for ttl_ms in [0, 1, 100, MAX - 1, MAX] {
            assert_eq!(expired(ttl_ms, &buf, &at(now_ms)), [], "now {now_ms}, ttl {ttl_ms}");
        }
    }
    assert_eq!(expired(0, &buf, &at(1_000)), [1], "a time to live of 0 is over at once");
    assert_eq!(expired(MAX - 1_000, &buf, &at(MAX)), [1]);
    assert_eq!(expired(MAX - 999, &buf, &at(MAX)), [], "a time beyond the clock never comes");
    assert_eq!(decide(MAX, MAX - 999, &buf, &at(0)).choice, Choice::Wait { until_ms: None });
}

#[test]
fn nothing_goes_that_a_snapshot_may_read() {
    let buf = tree_of(&[(0, &[written(1, 10, 0, 9)]), (0, &[written(2, 20, 0, 9)])]);
    let held = |snapshot_floor| Moment { snapshot_floor, ..at(1_000) };
    assert_eq!(expired(100, &buf, &held(10)), []);
    assert_eq!(expired(100, &buf, &held(11)), [1]);
    assert_eq!(expired(100, &buf, &held(21)), [1, 2]);
    assert_eq!(decide(50, MAX, &buf, &held(10)).choice.job(), None);
    assert_eq!(chosen_ids(&buf.view(), &decide(50, MAX, &buf, &held(11))), [1]);
}

#[test]
fn the_oldest_runs_go_while_enough_is_left_then_single_tables() {
    let buf = tree_of(&[
        (0, &[written(1, 10, 0, 9), written(2, 5, 10, 19)]),
        (0, &[written(3, 30, 0, 9)]),
        (0, &[written(4, 40, 0, 9)]),
    ]);
    let goes = |bytes_max| chosen_ids(&buf.view(), &decide(bytes_max, MAX, &buf, &at(0)));
    assert_eq!(goes(400), [], "equality is allowed");
    assert_eq!(goes(399), [2], "the oldest table of a run that is too large to lose");
    assert_eq!(goes(201), [2]);
    assert_eq!(goes(200), [1, 2]);
    assert_eq!(goes(100), [3, 1, 2]);
    assert_eq!(decide(399, MAX, &buf, &at(0)).reason.rule, Rule::SizeCap { bytes: 400, max: 399 });
}

#[test]
fn a_cap_of_nothing_is_refused() {
    assert!(Fifo::new(FifoSettings { bytes_max: 0, ttl_ms: 0 }).is_err());
}

proptest! {
    #[test]
    fn drops_keep_the_laws_and_end_within_the_cap(
        tree in common::tree(Shape { extreme: true, ..Shape::default() }),
        bytes_max in prop_oneof![1u64..5_000, any::<u64>().prop_map(|bytes| bytes.max(1))],
        ttl_ms in prop_oneof![1 => Just(MAX), 2 => 0u64..2_000, 1 => any::<u64>()],
        moment in common::moment(),
        wishes in common::wishes(3),
    ) {
        let mut buf = tree.build();
        let mut strategy = Fifo::new(FifoSettings { bytes_max, ttl_ms }).unwrap();
        let running = common::running(&buf.view(), &wishes);
        let view = buf.view().with_running(&running);
        let decision = strategy.choose(&view, &moment);
        check_decision(&view, &moment, &decision).map_err(|law| TestCaseError::fail(format!("{law}\n{view}")))?;
        prop_assert!(settle(&mut strategy, &mut buf, &moment, &mut Vec::new(), 200).is_ok());
        let view = buf.view();
        prop_assert!(moment.snapshot_floor != MAX || view.bytes() <= u128::from(bytes_max), "\n{view}");
        let oldest_gone = view.runs().first().and_then(|run| run.newest_ms().checked_add(ttl_ms));
        let kept = ttl_ms == MAX || oldest_gone.is_none_or(|end_ms| end_ms > moment.now_ms);
        prop_assert!(moment.snapshot_floor != MAX || kept, "the oldest run has expired\n{view}");
    }

    #[test]
    fn a_wait_is_final_until_its_time(
        tree in common::tree(Shape::default()),
        ttl_ms in 0u64..2_000,
        age_ms in 0u64..2_000,
        moment in common::moment(),
        later in any::<u64>(),
        wishes in common::wishes(3),
    ) {
        let settings = LeveledSettings { ttl_ms, tombstone_age_ms_max: age_ms, base_bytes: 4_000, ..LeveledSettings::default() };
        let strategies: [&dyn CompactionStrategy<u32>; 2] = [
            &Leveled::new(settings).unwrap(),
            &Fifo::new(FifoSettings { bytes_max: MAX, ttl_ms }).unwrap(),
        ];
        let buf = tree.build();
        let running = common::running(&buf.view(), &wishes);
        let view = buf.view().with_running(&running);
        for strategy in strategies {
            let decision = strategy.choose(&view, &moment);
            if let Choice::Wait { until_ms } = decision.choice {
                let last_ms = until_ms.map_or(MAX, |until| until - 1);
                let now_ms = moment.now_ms + later % (last_ms - moment.now_ms).saturating_add(1).max(1);
                prop_assert_eq!(strategy.choose(&view, &Moment { now_ms, ..moment }).choice, decision.choice);
            }
        }
    }
}
