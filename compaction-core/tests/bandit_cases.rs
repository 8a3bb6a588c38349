//! The adaptive strategy case by case: level 0, tombstones, scarce room.
#![cfg(all(feature = "alloc", feature = "bandit"))]

use compaction_core::{
    BanditSettings, BanditVec, Choice, CompactionStrategy, Event, Moment, Rule, Running, SlotTrigger, Table, VersionVec,
};

/// A tree of `runs` runs of level 0, of one table of 1 000 B each over the same keys.
fn level_0(runs: u64) -> VersionVec<u32> {
    let mut tree = VersionVec::default();
    for id in 1..=runs {
        tree.flush([Table::new(id, 1_000, 0, 99)]).unwrap();
    }
    tree
}

#[test]
fn of_level_0_no_more_runs_are_taken_than_the_cap_and_the_room_permit() {
    let taken = |job_bytes_max: u64, free_bytes: u64| {
        let settings = BanditSettings { l0_runs_max: 2, job_bytes_max, ..BanditSettings::default() };
        let bandit = BanditVec::<u32>::new(settings, vec![]).unwrap();
        let decision = bandit.choose(&level_0(5).view(), &Moment { free_bytes, ..Moment::default() });
        assert_eq!(decision.reason.rule, Rule::L0Runs { runs: 5, max: 2 });
        (decision.choice.name(), decision.reason.bytes)
    };
    assert_eq!(taken(u64::MAX, u64::MAX), ("merge", 5_000));
    assert_eq!(taken(3_500, u64::MAX), ("merge", 3_000));
    assert_eq!(taken(3_000, u64::MAX), ("merge", 3_000));
    assert_eq!(taken(2_999, u64::MAX), ("merge", 2_000));
    assert_eq!(taken(u64::MAX, 2_125), ("merge", 2_000), "2 000 B and a sixteenth fit");
    assert_eq!(taken(u64::MAX, 3_000), ("merge", 2_000), "3 000 B do without a sixteenth");
    assert_eq!(taken(10, u64::MAX), ("move", 1_000), "the oldest table alone, which writes nothing");
    assert_eq!(taken(u64::MAX, 1_000), ("move", 1_000));
}

#[test]
fn what_has_seen_no_event_takes_all_keys_for_one_slot() {
    let told = |newer: u64, max_space_amp_pct: u64| {
        let mut tree = VersionVec::default();
        tree.push_run(2, [Table::new(1, 1_000, 0, 99)]).unwrap();
        tree.push_run(1, [Table::new(2, newer, 0, 99)]).unwrap();
        let settings = BanditSettings { max_space_amp_pct, ..BanditSettings::default() };
        let bandit = BanditVec::<u32>::new(settings, vec![]).unwrap();
        let rule = bandit.choose(&tree.view(), &Moment::default()).reason.rule;
        let is_space = matches!(rule, Rule::Slot { trigger: SlotTrigger::Space, .. });
        assert!(is_space || rule == Rule::AtRest, "{rule:?}");
        (is_space, bandit.debt_bytes(&tree.view()))
    };
    for (newer, pct, merged) in
        [(1_000, 100, false), (1_001, 100, true), (2_000, 200, false), (2_001, 200, true), (1 << 40, u64::MAX, false)]
    {
        assert_eq!(told(newer, pct), (merged, if merged { 1_000 + newer } else { 0 }), "{newer} B, {pct} %");
    }
    let settings = BanditSettings { l0_runs_max: 2, ..BanditSettings::default() };
    let bandit = BanditVec::<u32>::new(settings, vec![]).unwrap();
    assert_eq!([2, 3].map(|runs| bandit.debt_bytes(&level_0(runs).view())), [0, 3_000]);
}

#[test]
fn settings_that_make_no_sense_are_refused_and_slots_of_before_forgotten() {
    let settings = BanditSettings { l0_runs_max: 0, ..BanditSettings::default() };
    assert!(BanditVec::<u32>::new(settings, vec![]).is_err());
    let known = seen(BanditSettings::default(), &level_0(1)).slots().to_vec();
    assert_eq!(BanditVec::new(BanditSettings::default(), known).unwrap().slots().len(), 0);
}

#[test]
fn where_level_0_exceeds_the_cap_one_table_goes_down_with_the_older_ones_it_meets() {
    let mut tree = VersionVec::default();
    for id in 0..4u64 {
        let wide = (0..5u64).map(|at| Table::new(id * 5 + at, 1_000, at as u32 * 10, at as u32 * 10 + 9));
        tree.flush(wide.collect::<Vec<_>>()).unwrap();
    }
    let settings = BanditSettings { l0_runs_max: 2, job_bytes_max: 4_500, ..BanditSettings::default() };
    let decision = BanditVec::new(settings, vec![]).unwrap().choose(&tree.view(), &Moment::default());
    let job = decision.choice.job().unwrap();
    let inputs: Vec<u64> = tree.view().inputs(&job).map(|span| tree.view().tables()[span.range()][0].id).collect();
    assert_eq!((inputs, decision.reason.bytes, job.level()), (vec![15, 10, 5, 0], 4_000, 1));
}

#[test]
fn while_the_way_down_is_barred_the_newest_runs_of_level_0_are_merged_in_place() {
    let chosen = |runs: u64, intra_l0: bool| {
        let tree = level_0(runs);
        let view = tree.view();
        let busy: Vec<Running> = view.barrier(1, [0, 1, 2], Some(1)).into_iter().collect();
        let settings = BanditSettings { l0_runs_max: 2, intra_l0, ..BanditSettings::default() };
        let decision =
            BanditVec::<u32>::new(settings, vec![]).unwrap().choose(&view.with_running(&busy), &Moment::default());
        (decision.choice.job().map(|job| (job.range(), job.level())), decision.reason.rule)
    };
    assert_eq!(chosen(5, true), (Some((3..=4, 0)), Rule::IntraL0 { runs: 5, max: 2 }));
    assert_eq!(chosen(4, true), (None, Rule::Busy), "one free run alone");
    assert_eq!(chosen(5, false), (None, Rule::Busy));
}

/// Level 0 with one table a run, oldest first, each with the keys from the first to the second.
fn stacked(keys: &[(u32, u32)]) -> VersionVec<u32> {
    let mut tree = VersionVec::default();
    for (id, (min, max)) in (1..).zip(keys) {
        tree.flush([Table::new(id, 10, *min, *max)]).unwrap();
    }
    tree
}

#[test]
fn what_is_moved_lands_in_the_oldest_run_that_it_can_and_not_beside_a_job_that_runs_there() {
    let tree = stacked(&[(31, 61), (77, 99), (70, 78), (10, 39)]);
    let bandit = seen(BanditSettings::default(), &tree);
    let choice = bandit.choose(&tree.view(), &Moment::default()).choice;
    assert!(matches!(choice, Choice::Move(job) if (job.oldest(), job.newest()) == (1, 3)), "{choice:?}");
    let running = [tree.view().barrier(1, [0, 1], None).unwrap()];
    let choice = bandit.choose(&tree.view().with_running(&running), &Moment::default()).choice;
    assert_eq!(choice.job(), None, "it would land in the newer of the two runs that are merged");
}

#[test]
fn runs_in_which_the_output_of_a_job_over_a_newer_one_may_land_are_left_alone() {
    let tree = stacked(&[(0, 9), (2, 9), (3, 9), (0, 1)]);
    let settings = BanditSettings { l0_runs_max: 2, intra_l0: false, ..BanditSettings::default() };
    let bandit = BanditVec::new(settings, vec![]).unwrap();
    let range = |running: &[Running]| {
        let choice = bandit.choose(&tree.view().with_running(running), &Moment::default()).choice;
        choice.job().map(|job| (job.oldest(), job.newest()))
    };
    assert_eq!(range(&[]), Some((0, 3)));
    let running = [tree.view().barrier(1, [3], Some(0)).unwrap()];
    assert_eq!(range(&running), Some((0, 0)), "the table of run 3 meets neither run 2 nor run 1");
}

/// A bandit that has seen `tree`.
fn seen(settings: BanditSettings, tree: &VersionVec<u32>) -> BanditVec<u32> {
    let mut bandit = BanditVec::new(settings, vec![]).unwrap();
    bandit.observe(&Event::Flushed { version: tree.view(), now_ms: 0, bytes: 0 });
    bandit
}

#[test]
fn a_slot_with_too_many_runs_is_merged_rather_than_moved_piece_by_piece_and_owes_what_it_merges() {
    for (each, merges) in [(1, false), (20, true)] {
        let tree = stacked(&[vec![(0, 9); each], vec![(20, 29)], vec![(0, 9); each]].concat());
        let bandit =
            seen(BanditSettings { max_space_amp_pct: u64::MAX, cold_runs_max: 16, ..BanditSettings::default() }, &tree);
        let choice = bandit.choose(&tree.view(), &Moment::default()).choice;
        assert_eq!(matches!(choice, Choice::Merge(_)), merges, "{each} runs and {each}: {choice:?}");
        assert_eq!(bandit.debt_bytes(&tree.view()), if merges { 400 } else { 0 });
    }
}

#[test]
fn runs_are_packed_only_while_no_slot_wants_a_merge() {
    let rule = |newest_bytes| {
        let mut tree = VersionVec::default();
        tree.push_run(1, (0..16).map(|at| Table::new(u64::from(at), 100, at * 10, at * 10 + 9))).unwrap();
        for at in 0..15 {
            tree.flush([Table::new(100 + u64::from(at), 1, at % 3 * 40, at % 3 * 40 + 9)]).unwrap();
        }
        tree.flush([Table::new(200, newest_bytes, 120, 129)]).unwrap();
        let bandit = seen(BanditSettings { table_bytes_max: 100, ..BanditSettings::default() }, &tree);
        bandit.choose(&tree.view(), &Moment::default()).reason.rule
    };
    assert!(matches!(rule(1), Rule::LevelRuns { .. }), "{:?}", rule(1));
    assert!(matches!(rule(900), Rule::Slot { .. }), "{:?}", rule(900));
}

#[test]
fn every_slot_that_wants_a_merge_gets_one_though_those_before_it_are_busy() {
    let mut tree = VersionVec::default();
    tree.push_run(1, (0..80).map(|at| Table::new(u64::from(at), 100, at * 10, at * 10 + 9))).unwrap();
    let settings = BanditSettings { table_bytes_max: 50, slots_max: 64, ..BanditSettings::default() };
    let mut bandit = seen(settings, &tree);
    let guards: Vec<u32> = bandit.slots().iter().map(|slot| slot.guard().copied().unwrap_or(0)).collect();
    assert!(guards.len() > 20, "more slots than are kept in order");
    let ends = guards.iter().skip(1).copied().chain([800]);
    let newer = guards
        .iter()
        .zip(ends)
        .zip(1_000..)
        .map(|((min, end), id)| Table::new(id, u64::from(100 * (end - min)), *min, end - 1));
    tree.flush(newer.collect::<Vec<_>>()).unwrap();
    bandit.observe(&Event::Flushed { version: tree.view(), now_ms: 0, bytes: 0 });
    let mut running = vec![];
    while let Some(job) = bandit.choose(&tree.view(), &Moment::default()).choice.job() {
        running.push(tree.begin(job).unwrap());
    }
    assert_eq!(running.len(), guards.len());
    assert_eq!(bandit.choose(&tree.view(), &Moment::default()).reason.rule, Rule::Busy);
}

#[test]
fn a_table_full_of_tombstones_is_merged_to_the_bottom_unless_a_snapshot_sees_it() {
    let mut tree = VersionVec::default();
    tree.push_run(
        3,
        [Table::new(1, 1_000, 0, 9).entries(10).newest_seqno(5), Table::new(2, 1_000, 10, 99).entries(10)],
    )
    .unwrap();
    tree.push_run(
        1,
        [Table::new(3, 10, 2, 7).entries(10).tombstones(6).newest_seqno(50).oldest_tombstone_ms(Some(40))],
    )
    .unwrap();
    let chosen = |tombstone_pct_max: u64, tombstone_age_ms_max: u64, snapshot_floor: u64, now_ms: u64| {
        let settings = BanditSettings { tombstone_pct_max, tombstone_age_ms_max, ..BanditSettings::default() };
        let bandit = BanditVec::<u32>::new(settings, vec![]).unwrap();
        bandit.choose(&tree.view(), &Moment { snapshot_floor, now_ms, ..Moment::default() })
    };
    let decision = chosen(50, u64::MAX, 51, 0);
    let job = decision.choice.job().unwrap();
    assert_eq!((job.range(), job.bottommost(), decision.reason.bytes), (0..=1, true, 1_010));
    assert_eq!(decision.reason.rule, Rule::TombstoneShare { table: 3, tombstones: 6, entries: 10, pct_max: 50 });
    assert_eq!(chosen(60, u64::MAX, 51, 0).reason.rule, Rule::AtRest, "60 % are allowed");
    assert_eq!(chosen(50, u64::MAX, 50, 0).reason.rule, Rule::AtRest, "a snapshot may see it");
    let due = chosen(100, 60, u64::MAX, 99);
    assert_eq!(due.choice, Choice::Wait { until_ms: Some(100) });
    assert_eq!(chosen(100, 60, 50, 99).choice, Choice::Wait { until_ms: None }, "a snapshot may see it");
    assert_eq!(
        chosen(100, 60, u64::MAX, 100).reason.rule,
        Rule::TombstoneAge { table: 3, written_ms: 40, age_ms_max: 60 }
    );
}

#[test]
fn a_few_deletes_do_not_rewrite_all_that_lies_below() {
    let chosen = |entries: u64| {
        let mut tree = VersionVec::default();
        tree.push_run(3, [Table::new(1, 1_000, 0, 50).entries(entries), Table::new(2, 1_000, 51, 99).entries(90)])
            .unwrap();
        tree.push_run(1, [Table::new(3, 10, 2, 7).entries(10).tombstones(10)]).unwrap();
        let bandit = BanditVec::<u32>::new(BanditSettings::default(), vec![]).unwrap();
        bandit.choose(&tree.view(), &Moment::default()).reason.rule
    };
    assert_eq!(chosen(20), Rule::AtRest, "half of what they meet");
    assert!(matches!(chosen(19), Rule::TombstoneShare { table: 3, .. }), "more than half");
    let half = |tombstones: u64| {
        let mut tree = VersionVec::default();
        tree.push_run(3, [Table::new(1, 1_000, 0, 50).entries(1)]).unwrap();
        tree.push_run(1, [Table::new(3, 10, 2, 7).entries(10).tombstones(tombstones)]).unwrap();
        let settings = BanditSettings { max_space_amp_pct: u64::MAX, ..BanditSettings::default() };
        BanditVec::<u32>::new(settings, vec![]).unwrap().choose(&tree.view(), &Moment::default()).reason.rule
    };
    assert_eq!(half(5), Rule::AtRest, "half of its own entries");
    assert!(matches!(half(6), Rule::TombstoneShare { table: 3, .. }), "more than half");
}

#[test]
fn a_table_of_level_0_full_of_tombstones_is_rewritten_too() {
    let mut tree = VersionVec::default();
    tree.flush([Table::new(1, 100, 0, 9).entries(10).tombstones(10).oldest_tombstone_ms(Some(1))]).unwrap();
    let settings = BanditSettings { tombstone_age_ms_max: 10, tombstone_pct_max: 100, ..BanditSettings::default() };
    let bandit = BanditVec::<u32>::new(settings, vec![]).unwrap();
    let at = |now_ms| bandit.choose(&tree.view(), &Moment { now_ms, ..Moment::default() });
    assert_eq!(at(5).choice, Choice::Wait { until_ms: Some(11) });
    assert_eq!(at(11).choice.job().map(|job| (job.range(), job.bottommost())), Some((0..=0, true)));
}
