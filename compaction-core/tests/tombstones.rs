//! Tables with too many or too old tombstones sink, and lose them at the bottom.
#![cfg(feature = "alloc")]

mod common;

use common::{chosen_ids, table, tree_of};
use compaction_core::{
    Choice, CompactionStrategy, Decision, Leveled, LeveledSettings, Moment, Place, Rule, Table, VersionVec, settle,
};

const MAX: u64 = u64::MAX;
const NOW: Moment = Moment { now_ms: 1_000, entropy: 0, free_bytes: MAX, snapshot_floor: MAX };

/// Half of the entries may be tombstones; nothing else is due.
fn share() -> LeveledSettings {
    LeveledSettings { levels_max: 4, dynamic: false, tombstone_pct_max: 50, ..LeveledSettings::default() }
}

/// Tombstones may grow 100 ms old; nothing else is due.
fn age() -> LeveledSettings {
    LeveledSettings { tombstone_pct_max: 100, tombstone_age_ms_max: 100, ..share() }
}

/// Ten entries, some of them tombstones written at 500 ms.
fn deleting(id: u64, tombstones: u64, min: u32, max: u32) -> Table<u32> {
    table(id, 100, min, max).entries(10).tombstones(tombstones).oldest_tombstone_ms(Some(500)).newest_seqno(70)
}

fn decide(settings: LeveledSettings, buf: &VersionVec<u32>, moment: &Moment) -> Decision {
    Leveled::new(settings).unwrap().choose(&buf.view(), moment)
}

#[test]
fn the_share_must_be_exceeded() {
    let buf = tree_of(&[(1, &[deleting(1, 5, 0, 9)])]);
    assert_eq!(decide(share(), &buf, &NOW).reason.rule, Rule::AtRest);
    let buf = tree_of(&[(1, &[deleting(1, 5, 0, 9), deleting(2, 6, 10, 19)])]);
    let decision = decide(share(), &buf, &NOW);
    assert_eq!(decision.reason.rule, Rule::TombstoneShare { table: 2, tombstones: 6, entries: 10, pct_max: 50 });
    let off = LeveledSettings { tombstone_pct_max: 100, ..share() };
    assert_eq!(decide(off, &buf, &NOW).reason.rule, Rule::AtRest);
    let unknown = tree_of(&[(1, &[deleting(1, 5, 0, 9).entries(0)])]);
    assert_eq!(decide(off, &unknown, &NOW).reason.rule, Rule::AtRest, "no limit, however many entries there are");
}

#[test]
fn at_the_bottom_of_its_keys_a_table_is_rewritten_where_it_is_whatever_its_level() {
    let buf = tree_of(&[(3, &[table(1, 100, 50, 60).entries(9)]), (1, &[deleting(2, 9, 0, 9)])]);
    let decision = decide(share(), &buf, &NOW);
    let Choice::Merge(job) = decision.choice else { panic!("{decision:?}") };
    assert!(job.bottommost() && job.level() == 1 && job.place() == Place::Join);
    assert_eq!(chosen_ids(&buf.view(), &decision), [2]);
}

#[test]
fn above_older_data_a_table_sinks_until_its_tombstones_meet_it() {
    let mut buf = tree_of(&[(3, &[table(1, 100, 5, 60).entries(100)]), (1, &[deleting(2, 9, 0, 9)])]);
    let decision = decide(share(), &buf, &NOW);
    assert!(matches!(decision.choice, Choice::Move(job) if job.level() == 2), "nothing to merge with on the way");
    let mut strategy = Leveled::new(share()).unwrap();
    assert_eq!(settle(&mut strategy, &mut buf, &NOW, &mut Vec::new(), 10), Ok(2));
    let view = buf.view();
    assert_eq!((view.runs().len(), view.tables()[0].tombstones), (1, 0), "\n{view}");
}

#[test]
fn in_level_0_older_runs_that_it_overlaps_come_along() {
    let mut buf = tree_of(&[(1, &[table(1, 100, 0, 3).entries(9), table(2, 100, 30, 40).entries(9)])]);
    buf.flush([table(3, 100, 2, 8).entries(9)]).unwrap();
    buf.flush([table(4, 100, 50, 60).entries(9)]).unwrap();
    buf.flush([deleting(5, 10, 7, 9)]).unwrap();
    let decision = decide(share(), &buf, &NOW);
    assert_eq!(chosen_ids(&buf.view(), &decision), [5, 3, 1], "each in the way of the one before");
    assert!(decision.choice.job().unwrap().bottommost());
}

#[test]
fn a_table_that_a_snapshot_may_read_keeps_its_tombstones_and_does_not_sink() {
    for settings in [share(), age()] {
        let buf = tree_of(&[(3, &[table(1, 100, 5, 60)]), (1, &[deleting(2, 9, 0, 9)])]);
        let held = Moment { snapshot_floor: 70, ..NOW };
        assert_eq!(decide(settings, &buf, &held).reason.rule, Rule::AtRest);
        let free = Moment { snapshot_floor: 71, ..NOW };
        assert!(decide(settings, &buf, &free).choice.job().is_some());
    }
}

#[test]
fn an_old_tombstone_fires_at_its_time_and_the_wait_ends_then() {
    let buf = tree_of(&[(1, &[deleting(1, 1, 0, 9)])]);
    for (now_ms, fires) in [(0, false), (499, false), (599, false), (600, true), (MAX, true)] {
        let decision = decide(age(), &buf, &Moment { now_ms, ..NOW });
        assert_eq!(decision.choice.job().is_some(), fires, "at {now_ms} ms");
        assert!(fires || decision.choice == Choice::Wait { until_ms: Some(600) });
    }
    let rule = Rule::TombstoneAge { table: 1, written_ms: 500, age_ms_max: 100 };
    assert_eq!(decide(age(), &buf, &NOW).reason.rule, rule);
}

#[test]
fn of_a_run_the_table_with_the_oldest_tombstone_goes_first() {
    let written = |id: u64, time_ms| deleting(id, 1, id as u32 * 10, id as u32 * 10 + 9).oldest_tombstone_ms(time_ms);
    let buf = tree_of(&[(1, &[written(1, Some(700)), written(2, None), written(3, Some(600)), written(4, Some(650))])]);
    assert_eq!(chosen_ids(&buf.view(), &decide(age(), &buf, &NOW)), [3]);
    assert_eq!(decide(age(), &buf, &Moment { now_ms: 699, ..NOW }).choice, Choice::Wait { until_ms: Some(700) });
}

#[test]
fn what_is_due_and_barred_is_not_waited_for_by_the_clock() {
    let mut buf = tree_of(&[(1, &[deleting(1, 1, 0, 9)])]);
    let _running = buf.begin(common::rewrite(&buf.view(), 0, 0)).unwrap();
    let decision = decide(age(), &buf, &Moment { now_ms: 600, ..NOW });
    assert_eq!((decision.choice, decision.reason.rule), (Choice::Wait { until_ms: None }, Rule::Busy));
}

#[test]
fn a_table_that_is_rewritten_in_place_stays_in_its_run() {
    let lazy = LeveledSettings { runs_max: 3, ..share() };
    let buf = tree_of(&[(1, &[table(1, 100, 50, 60).entries(9)]), (1, &[deleting(2, 9, 0, 9)])]);
    let job = decide(lazy, &buf, &NOW).choice.job().unwrap();
    assert_eq!((job.range(), job.place()), (1..=1, Place::Join));
}

#[test]
fn a_time_that_the_clock_cannot_reach_never_comes() {
    let late = deleting(1, 1, 0, 9).oldest_tombstone_ms(Some(MAX - 10));
    let decision = decide(age(), &tree_of(&[(1, &[late])]), &Moment { now_ms: MAX, ..NOW });
    assert_eq!(decision.choice, Choice::Wait { until_ms: None });
    let at_once = LeveledSettings { tombstone_age_ms_max: 0, ..age() };
    let zero = deleting(1, 1, 0, 9).oldest_tombstone_ms(Some(0));
    let decision = decide(at_once, &tree_of(&[(1, &[zero])]), &Moment { now_ms: 0, ..NOW });
    assert!(decision.choice.job().is_some());
}
