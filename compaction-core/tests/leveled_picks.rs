//! Which table of a level sinks, where a run lands, and how many go at once: the ends of the bounds.
#![cfg(feature = "alloc")]

mod common;

use common::{chosen_ids, leveled as settings, table, tree_of as tree};
use compaction_core::{
    CompactionStrategy, Decision, Event, Leveled, LeveledSettings, Moment, Outcome, Place, Rule, Verdict, VersionVec,
    Work,
};

const MAX: u64 = u64::MAX;

fn decide(settings: LeveledSettings, buf: &VersionVec<u32>) -> Decision {
    Leveled::new(settings).unwrap().choose(&buf.view(), &Moment::default())
}

#[test]
fn of_a_long_run_64_tables_are_looked_at_and_what_lost_is_told() {
    let wide: Vec<_> = (0..100).map(|at| table(1_000 + u64::from(at), 1_000, at * 10, at * 10 + 9)).collect();
    let below = |at| if at == 80 { 1 } else { 900 + u64::from(at) };
    let below: Vec<_> = (0..100).map(|at| table(u64::from(at), below(at), at * 10, at * 10)).collect();
    let buf = tree(&[(2, &below), (1, &wide)]);
    for (job_bytes_max, lost) in [(MAX, Verdict::Outscored), (1_900, Verdict::OverCap { bytes_max: 1_900 })] {
        let strategy = Leveled::new(LeveledSettings { job_bytes_max, ..settings() }).unwrap();
        let mut told = vec![];
        let decision = strategy.explain(&buf.view(), &Moment::default(), &mut |candidate| told.push(*candidate));
        assert_eq!(chosen_ids(&buf.view(), &decision), [1_000, 0]);
        let verdicts: Vec<_> = told.iter().map(|candidate| candidate.verdict).collect();
        assert_eq!(verdicts, [vec![lost; 63], vec![Verdict::Chosen]].concat());
    }
}

#[test]
fn what_lies_below_is_found_again_when_the_search_wraps() {
    let buf = tree(&[
        (2, &[table(1, 900, 0, 10), table(2, 10, 20, 60)]),
        (1, &[table(3, 1_000, 10, 14), table(4, 1_000, 50, 55)]),
    ]);
    let mut strategy = Leveled::new(settings()).unwrap();
    for _ in 0..2 {
        let decision = strategy.choose(&buf.view(), &Moment::default());
        assert_eq!(chosen_ids(&buf.view(), &decision), [4, 2], "table 3 touches table 1");
        let (job, reason) = (decision.choice.job().unwrap(), decision.reason);
        let outcome = Outcome { job, reason, bytes_read: 0, bytes_written: 0, micros: 0, now_ms: 0, runs_removed: 0 };
        strategy.observe(&Event::Done { version: buf.view(), outcome });
    }
}

#[test]
fn a_pick_whose_overlap_reaches_down_into_running_work_gives_way_to_another() {
    let mut buf = tree(&[
        (2, &[table(1, 10, 0, 15), table(2, 900, 30, 39)]),
        (1, &[table(3, 1_000, 2, 5), table(4, 1_000, 10, 19), table(5, 1_000, 30, 35)]),
    ]);
    let _running = buf.begin(common::rewrite(&buf.view(), 1, 0)).unwrap();
    assert_eq!(chosen_ids(&buf.view(), &decide(settings(), &buf)), [5, 2]);
}

#[test]
fn a_run_of_several_tables_moves_to_the_run_that_none_of_them_meets() {
    for met in [5, 55] {
        let lazy = LeveledSettings { runs_max: 4, l0_runs_max: 1, ..settings() };
        let two = |id: u64| [table(id, 10, 0, 9), table(id + 1, 10, 50, 59)];
        let buf = tree(&[(1, &[table(1, 10, met, met)]), (1, &[table(2, 10, 100, 109)]), (0, &two(3)), (0, &two(5))]);
        let job = decide(lazy, &buf).choice.job().unwrap();
        assert_eq!((job.work(), job.range(), job.place()), (Work::Move, 1..=2, Place::Join), "key {met} is met");
    }
}

#[test]
fn runs_that_come_to_just_the_cap_sink_together() {
    let lazy = LeveledSettings { runs_max: 4, job_bytes_max: 300, ..settings() };
    let run = |id: u64| (0, [table(id, 100, 0, 9)]);
    let runs = [run(1), run(2), run(3)];
    let buf = tree(&runs.each_ref().map(|(level, tables)| (*level, &tables[..])));
    assert_eq!(chosen_ids(&buf.view(), &decide(lazy, &buf)), [3, 2, 1]);
}

#[test]
fn two_runs_too_many_are_merged_in_level_0_and_one_is_not() {
    let chosen = |runs: u64| {
        let mut buf = tree(&[(1, &[table(100, 500, 0, 50)])]);
        (1..=runs).for_each(|id| buf.flush([table(id, 100, 10, 20)]).unwrap());
        let _running = buf.begin(common::rewrite(&buf.view(), 0, 0)).unwrap();
        decide(settings(), &buf).reason.rule
    };
    assert_eq!(chosen(3), Rule::Busy);
    assert_eq!(chosen(4), Rule::IntraL0 { runs: 4, max: 2 });
}
