//! What leveled compaction does, case by case.
#![cfg(feature = "alloc")]

mod common;

use common::{chosen_ids, leveled as settings, table, tree_of as tree};
use compaction_core::{
    Choice, CompactionStrategy, Cut, Decision, Event, Leveled, LeveledSettings, Moment, Outcome, Place, Plan, Rule,
    VersionVec, Work,
};

const MAX: u64 = u64::MAX;
const NOW: Moment = Moment { now_ms: 1_000, entropy: 0, free_bytes: MAX, snapshot_floor: MAX };

fn decide(settings: LeveledSettings, buf: &VersionVec<u32>, moment: &Moment) -> Decision {
    Leveled::new(settings).unwrap().choose(&buf.view(), moment)
}

/// Level 0 of as many overlapping runs as given, 100 B each, over level 1 of one table.
fn flushed(runs: u64) -> VersionVec<u32> {
    let mut buf = tree(&[(1, &[table(100, 500, 0, 50)])]);
    for id in 1..=runs {
        buf.flush([table(id, 100, 10, 20)]).unwrap();
    }
    buf
}

#[test]
fn level_0_sinks_as_a_whole_once_it_has_too_many_runs() {
    assert_eq!(decide(settings(), &flushed(2), &NOW).reason.rule, Rule::AtRest);
    let buf = flushed(3);
    let decision = decide(settings(), &buf, &NOW);
    assert_eq!(decision.reason.rule, Rule::L0Runs { runs: 3, max: 2 });
    assert_eq!(chosen_ids(&buf.view(), &decision), [3, 2, 1, 100]);
    assert_eq!((decision.reason.bytes, decision.choice.job().unwrap().level()), (800, 1));
}

#[test]
fn a_run_that_overlaps_nothing_below_moves() {
    let mut buf = flushed(2);
    let decision = decide(LeveledSettings { l0_runs_max: 1, ..settings() }, &buf, &NOW);
    assert!(matches!(decision.choice, Choice::Merge(_)));
    buf = tree(&[(1, &[table(100, 500, 30, 50)]), (0, &[table(1, 100, 10, 20)]), (0, &[table(2, 100, 10, 40)])]);
    let decision = decide(LeveledSettings { l0_runs_max: 1, ..settings() }, &buf, &NOW);
    assert!(matches!(decision.choice, Choice::Move(job) if job.place() == Place::Join && job.level() == 1));
    assert_eq!(chosen_ids(&buf.view(), &decision), [1]);
}

#[test]
fn level_0_is_merged_where_it_is_when_the_way_down_is_barred() {
    let mut buf = flushed(3);
    let down = decide(settings(), &buf, &NOW).choice.job().unwrap();
    let ticket = buf.begin(down).unwrap();
    for id in 4..=6 {
        assert_eq!(decide(settings(), &buf, &NOW).reason.rule, if id < 6 { Rule::Busy } else { intra(5) });
        buf.flush([table(id, 100, 10, 20)]).unwrap();
    }
    let decision = decide(settings(), &buf, &NOW);
    assert_eq!(decision.reason.rule, intra(6));
    assert_eq!(chosen_ids(&buf.view(), &decision), [6, 5, 4], "the busy runs stay");
    assert_eq!(decision.choice.job().unwrap().level(), 0);
    let off = LeveledSettings { intra_l0: false, ..settings() };
    assert_eq!(decide(off, &buf, &NOW).reason.rule, Rule::Busy);
    buf.abort(ticket);
    assert_eq!(decide(settings(), &buf, &NOW).reason.rule, Rule::L0Runs { runs: 6, max: 2 });
}

fn intra(runs: usize) -> Rule {
    Rule::IntraL0 { runs, max: 2 }
}

#[test]
fn merging_in_level_0_stops_before_a_run_that_does_not_pay() {
    let mut buf = tree(&[(1, &[table(100, 500, 0, 50)])]);
    for (id, bytes) in [(1, 100), (2, 5_000), (3, 100), (4, 100), (5, 100)] {
        buf.flush([table(id, bytes, 10, 20)]).unwrap();
    }
    let short = Moment { free_bytes: 250, ..NOW };
    assert_eq!(chosen_ids(&buf.view(), &decide(settings(), &buf, &short)), [5, 4], "as many as there is room for");
    let _running = buf.begin(common::rewrite(&buf.view(), 0, 0)).unwrap();
    let decision = decide(settings(), &buf, &NOW);
    assert_eq!(chosen_ids(&buf.view(), &decision), [5, 4, 3]);
}

#[test]
fn a_pick_whose_overlap_reaches_into_running_work_gives_way_to_another() {
    let mut buf = tree(&[
        (2, &[table(1, 10, 0, 19), table(2, 900, 30, 39)]),
        (1, &[table(3, 1_000, 0, 5), table(4, 1_000, 10, 12), table(5, 1_000, 30, 35)]),
    ]);
    assert_eq!(chosen_ids(&buf.view(), &decide(settings(), &buf, &NOW)), [3, 1]);
    let _running = buf.begin(common::rewrite(&buf.view(), 1, 1)).unwrap();
    assert_eq!(chosen_ids(&buf.view(), &decide(settings(), &buf, &NOW)), [5, 2]);
}

#[test]
fn with_little_room_fewer_runs_sink_and_with_less_the_decision_names_both_numbers() {
    let buf = flushed(3);
    let decision = decide(settings(), &buf, &Moment { free_bytes: 700, ..NOW });
    assert_eq!(chosen_ids(&buf.view(), &decision), [1, 100]);
    let decision = decide(settings(), &buf, &Moment { free_bytes: 600, ..NOW });
    assert_eq!(decision.reason.rule, Rule::NoRoom { needed: 637, free: 600 });
}

#[test]
fn a_job_above_the_cap_is_the_smallest_and_runs_alone() {
    let capped = LeveledSettings { job_bytes_max: 650, ..settings() };
    let buf = flushed(3);
    assert_eq!(chosen_ids(&buf.view(), &decide(capped, &buf, &NOW)), [1, 100], "as many runs as the cap allows");
    let capped = LeveledSettings { job_bytes_max: 50, ..capped };
    let mut buf = tree(&[
        (2, &[table(1, 900, 0, 9), table(2, 800, 10, 19), table(3, 10, 90, 99)]),
        (1, &[table(4, 2_000, 0, 9), table(5, 1_000, 10, 19)]),
    ]);
    let decision = decide(capped, &buf, &NOW);
    assert_eq!(chosen_ids(&buf.view(), &decision), [5, 2]);
    assert_eq!((decision.reason.bytes, decision.reason.bytes_max), (1_800, 50));
    let elsewhere = common::rewrite(&buf.view(), 0, 2);
    let _running = buf.begin(elsewhere).unwrap();
    assert_eq!(decide(capped, &buf, &NOW).reason.rule, Rule::Busy, "not beside other work");
}

#[test]
fn the_level_with_the_largest_excess_comes_first_and_a_barred_one_is_passed_over() {
    let mut buf =
        tree(&[(3, &[table(1, 50_000, 0, 99)]), (2, &[table(2, 40_000, 0, 99)]), (1, &[table(3, 3_000, 0, 99)])]);
    let settings = LeveledSettings { levels_max: 4, ..settings() };
    let decision = decide(settings, &buf, &NOW);
    assert_eq!(decision.reason.rule, Rule::LevelBytes { level: 2, bytes: 40_000, target: 10_000 });
    let _running = buf.begin(common::rewrite(&buf.view(), 0, 0)).unwrap();
    let decision = decide(settings, &buf, &NOW);
    assert_eq!(decision.reason.rule, Rule::LevelBytes { level: 1, bytes: 3_000, target: 1_000 });
}

#[test]
fn a_level_goes_on_where_it_left_off_once_a_job_is_done_and_not_before() {
    let wide: Vec<_> = (0..6).map(|at| table(10 + at, 1_000, at as u32 * 10, at as u32 * 10 + 9)).collect();
    let cheap: Vec<_> =
        (0..6).map(|at| table(20 + at, if at == 3 { 10 } else { 900 }, at as u32 * 10, at as u32 * 10)).collect();
    let buf = tree(&[(2, &cheap), (1, &wide)]);
    let mut strategy = Leveled::new(settings()).unwrap();
    let decision = strategy.choose(&buf.view(), &NOW);
    assert_eq!(chosen_ids(&buf.view(), &decision), [13, 23], "the least overlap");
    let (job, reason) = (decision.choice.job().unwrap(), decision.reason);
    let even: Vec<_> = cheap.iter().map(|t| table(t.id, 900, t.min, t.max)).collect();
    let even = tree(&[(2, &even), (1, &wide)]);
    strategy.observe(&Event::Aborted { version: buf.view(), job, reason });
    assert_eq!(chosen_ids(&even.view(), &strategy.choose(&even.view(), &NOW)), [10, 20]);
    let outcome = Outcome { job, reason, bytes_read: 0, bytes_written: 0, micros: 0, now_ms: 0, runs_removed: 0 };
    strategy.observe(&Event::Done { version: buf.view(), outcome });
    assert_eq!(chosen_ids(&even.view(), &strategy.choose(&even.view(), &NOW)), [13, 23]);
}

#[test]
fn a_level_of_one_run_that_has_two_is_drawn_together() {
    let buf = tree(&[(1, &[table(1, 300, 0, 9), table(2, 300, 20, 29)]), (1, &[table(3, 100, 5, 6)])]);
    let decision = decide(settings(), &buf, &NOW);
    assert_eq!(decision.reason.rule, Rule::LevelRuns { level: 1, runs: 2, max: 1 });
    assert_eq!(chosen_ids(&buf.view(), &decision), [3, 1]);
}

#[test]
fn lazy_levels_gather_runs_and_the_deepest_keeps_one() {
    let lazy = LeveledSettings { runs_max: 2, dynamic: false, levels_max: 4, ..settings() };
    let mut buf = tree(&[(3, &[table(1, 5_000, 0, 99)])]);
    let sunk = |buf: &mut VersionVec<u32>, ids: std::ops::RangeInclusive<u64>| {
        for id in ids {
            buf.flush([table(id, 100, 0, 99)]).unwrap();
        }
        let decision = decide(lazy, buf, &NOW);
        let (ids, job) = (chosen_ids(&buf.view(), &decision), decision.choice.job().unwrap());
        let bytes = decision.reason.bytes;
        let ticket = buf.begin(job).unwrap();
        buf.finish(ticket, [table(1_000 + ids[0], bytes, 0, 99)]).unwrap();
        (ids, job.level(), buf.view().level_runs(1).len(), buf.view().level_runs(2).len())
    };
    assert_eq!(sunk(&mut buf, 2..=4), (vec![4, 3, 2], 1, 1, 0));
    assert_eq!(sunk(&mut buf, 5..=7), (vec![7, 6, 5], 1, 2, 0), "level 1 is not merged into");
    assert_eq!(sunk(&mut buf, 8..=10), (vec![10, 9, 8], 1, 3, 0));
    let (level_1, level_2) = (vec![1_010, 1_007, 1_004], 2);
    assert_eq!(sunk(&mut buf, 11..=11), (level_1, level_2, 0, 1), "one run too many: all sink as one");
    let down = tree(&[(3, &[table(1, 5_000, 0, 99)]), (2, &[table(2, 20_001, 0, 99)])]);
    let decision = decide(lazy, &down, &NOW);
    assert_eq!(chosen_ids(&down.view(), &decision), [2, 1], "the deepest level is merged into");
}

#[test]
fn a_lazy_level_holds_as_many_runs_as_it_may_each_as_large_as_the_target() {
    let lazy = LeveledSettings { runs_max: 3, dynamic: true, levels_max: 7, ..settings() };
    let run = |id| (5, [table(id, 1_000, 0, 99)]);
    let deepest = (6, [table(1, 9_000, 0, 99)]);
    let of = |upper: u64| {
        let runs: Vec<_> = core::iter::once(deepest.clone()).chain((2..2 + upper).map(run)).collect();
        tree(&runs.iter().map(|(level, tables)| (*level, &tables[..])).collect::<Vec<_>>())
    };
    assert_eq!(decide(lazy, &of(3), &NOW).reason.rule, Rule::AtRest, "one base each");
    let fourth = decide(lazy, &of(4), &NOW);
    assert_eq!((chosen_ids(&of(4).view(), &fourth), fourth.choice.job().unwrap().level()), (vec![5, 4, 3, 2, 1], 6));
}

#[test]
fn what_meets_nothing_in_a_level_of_several_runs_joins_the_oldest_that_it_can() {
    let lazy = LeveledSettings { runs_max: 4, l0_runs_max: 1, ..settings() };
    let runs = [
        (1, vec![table(1, 10, 7, 15), table(2, 10, 59, 59)]),
        (1, vec![table(3, 10, 3, 5), table(4, 10, 60, 90)]),
        (0, vec![table(5, 10, 50, 51)]),
        (0, vec![table(6, 10, 48, 52)]),
    ];
    let buf = tree(&runs.iter().map(|(level, tables)| (*level, &tables[..])).collect::<Vec<_>>());
    let job = decide(lazy, &buf, &NOW).choice.job().unwrap();
    assert_eq!((job.level(), job.oldest(), job.place()), (1, 0, Place::Join));
    let one = tree(&[(2, &[table(1, 10, 20, 29)]), (2, &[table(2, 10, 40, 49)]), (2, &[table(3, 10, 0, 9)])]);
    let job = decide(settings(), &one, &NOW).choice.job().unwrap();
    assert_eq!((job.oldest(), job.newest(), job.work()), (0, 2, Work::Move), "not run by run");
}

#[test]
fn work_that_lacks_room_is_named_before_work_that_is_barred() {
    let small = LeveledSettings { l0_runs_max: 1, base_bytes: 10, fanout: 2, levels_max: 4, ..settings() };
    let mut buf = tree(&[
        (3, &[table(1, 900, 60, 99)]),
        (2, &[table(2, 900, 60, 99)]),
        (1, &[table(3, 9, 0, 9)]),
        (0, &[table(4, 100, 0, 9)]),
        (0, &[table(5, 100, 0, 9)]),
    ]);
    let plan = buf.view().plan(&Plan {
        runs: 0..=1,
        cut: Cut::Whole,
        work: Work::Merge,
        place: Place::Join,
        table_bytes_max: 1_000,
    });
    let _running = buf.begin(plan.unwrap().job).unwrap();
    let decision = decide(small, &buf, &Moment { free_bytes: 50, ..NOW });
    assert_eq!(decision.reason.rule, Rule::NoRoom { needed: 115, free: 50 });
    assert_eq!(decide(small, &buf, &NOW).reason.rule.name(), "l0_runs");
}

#[test]
fn debt_is_what_lies_above_the_limits() {
    let owed = |buf: &VersionVec<u32>| Leveled::new(settings()).unwrap().debt_bytes(&buf.view());
    assert_eq!((owed(&flushed(2)), owed(&flushed(3))), (0, 300), "all of level 0, once it has too many runs");
    let over = tree(&[(2, &[table(1, 90_000, 0, 9)]), (1, &[table(2, 1_250, 0, 9)])]);
    assert_eq!(owed(&over), 250, "what exceeds the target; the deepest level has none");
    let several = tree(&[(2, &[table(1, 70, 0, 9)]), (2, &[table(2, 30, 0, 9)]), (2, &[table(3, 5, 0, 9)])]);
    assert_eq!(owed(&several), 35, "the newer runs of a level that should have one");
    let empty = tree(&[(2, &[table(1, 0, 0, 9)]), (2, &[table(2, 0, 0, 9)])]);
    assert_eq!(owed(&empty), 1, "work without bytes is still owed");
    let huge = tree(&[(1, &[table(1, MAX, 0, 9)]), (1, &[table(2, MAX, 0, 9)])]);
    assert_eq!(owed(&huge), MAX);
}
