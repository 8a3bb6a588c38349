//! The laws as other engines' tests use them: they pass what is lawful, name what is not, and need no allocator.
#![cfg(feature = "alloc")]

mod common;

use common::{Shape, table, tree_of};
use compaction_core::{
    Choice, CompactionStrategy, Cut, Decision, Event, Full, LawError, Lent, Leveled, LeveledSettings, Moment, Outcome,
    Place, Plan, Reason, Rule, Run, Running, Search, SettleError, Table, Version, VersionBuf, VersionVec, Work,
    check_decision, settle,
};
use proptest::prelude::*;

fn merge_all() -> Full {
    Full { table_bytes_max: 1_000 }
}

proptest! {
    #[test]
    fn a_tree_in_lent_arrays_settles_as_one_in_vectors(tree in common::tree(Shape::default()), moment in common::moment()) {
        let settings = LeveledSettings { base_bytes: 2_000, table_bytes_max: 500, ..LeveledSettings::default() };
        let mut grown = tree.build();
        let steps = settle(&mut Leveled::new(settings).unwrap(), &mut grown, &moment, &mut Vec::new(), 5_000);
        let mut tables = [const { Table::new(0, 0, 0u32, 0) }; 256];
        let mut outputs = [const { Table::new(0, 0, 0u32, 0) }; 256];
        let (mut runs, mut running) = ([Run::EMPTY; 32], [Running::NONE; 1]);
        let mut lent =
            VersionBuf::new(Lent::new(&mut tables, 0), Lent::new(&mut runs, 0), Lent::new(&mut running, 0)).unwrap();
        for (level, tables) in &tree.0 {
            lent.push_run(*level, tables.iter().cloned()).unwrap();
        }
        let mut scratch = Lent::new(&mut outputs, 256);
        let lent_steps = settle(&mut Leveled::new(settings).unwrap(), &mut lent, &moment, &mut scratch, 5_000);
        prop_assert_eq!(&steps, &lent_steps);
        prop_assert!(steps.is_ok(), "{steps:?}");
        prop_assert_eq!((lent.view().runs(), lent.view().tables()), (grown.view().runs(), grown.view().tables()));
    }
}

#[test]
fn a_scratch_too_small_for_the_outputs_is_an_error() {
    let wide: Vec<_> = (0..4).map(|at| table(u64::from(at) + 1, 1_000, at * 10, at * 10 + 9)).collect();
    let mut buf = tree_of(&[(0, &wide), (0, &[table(9, 10, 0, 39)])]);
    let mut outputs = [const { Table::new(0, 0, 0u32, 0) }; 2];
    let error = settle(&mut merge_all(), &mut buf, &Moment::default(), &mut Lent::new(&mut outputs, 0), 9);
    assert!(matches!(error, Err(SettleError::Edit(_))), "{error:?}");
    assert_eq!(buf.view().runs().len(), 2, "the tree is as before");
}

#[test]
fn a_decision_for_which_there_is_no_room_breaks_a_law() {
    let buf = tree_of(&[(0, &[table(1, 1_600, 0, 9)]), (0, &[table(2, 1_600, 0, 9)])]);
    let decision = merge_all().choose(&buf.view(), &Moment::default());
    let with = |free_bytes| check_decision(&buf.view(), &Moment { free_bytes, ..Moment::default() }, &decision);
    assert_eq!(with(3_400), Ok(()));
    assert_eq!(with(3_399), Err(LawError::NoRoom { needed: 3_400, free: 3_399 }));
}

#[test]
fn a_decision_against_a_running_job_or_for_another_tree_breaks_a_law() {
    let mut buf = tree_of(&[(0, &[table(1, 10, 0, 9)]), (0, &[table(2, 10, 0, 9)])]);
    let decision = merge_all().choose(&buf.view(), &Moment::default());
    let ticket = buf.begin(decision.choice.job().unwrap()).unwrap();
    assert_eq!(check_decision(&buf.view(), &Moment::default(), &decision), Err(LawError::Conflict));
    buf.abort(ticket);
    buf.flush([table(3, 10, 0, 9)]).unwrap();
    assert_eq!(check_decision(&buf.view(), &Moment::default(), &decision), Err(LawError::NotClosed));
}

#[test]
fn a_merge_above_its_cap_runs_alone_or_breaks_a_law() {
    let mut buf = tree_of(&[(0, &[table(1, 10, 0, 9)]), (0, &[table(2, 10, 0, 9)])]);
    let plan =
        |run| Plan { runs: run..=run, cut: Cut::Whole, work: Work::Merge, place: Place::Join, table_bytes_max: 1 };
    let reason = |bytes_max| Reason { rule: Rule::Full { runs: 2 }, bytes: 10, bytes_max };
    let check = |buf: &VersionVec<u32>, bytes_max| {
        let choice = Choice::Merge(buf.view().plan(&plan(0)).unwrap().job);
        check_decision(&buf.view(), &Moment::default(), &Decision { choice, reason: reason(bytes_max) })
    };
    assert_eq!(check(&buf, 9), Ok(()));
    let other = buf.view().plan(&plan(1)).unwrap().job;
    let ticket = buf.begin(other).unwrap();
    assert_eq!(check(&buf, 9), Err(LawError::OverCap { bytes: 10, bytes_max: 9 }));
    assert_eq!(check(&buf, 10), Ok(()));
    buf.abort(ticket);
    assert_eq!(check(&buf, 9), Ok(()));
}

#[test]
fn a_merge_that_is_called_a_drop_breaks_a_law() {
    let buf = tree_of(&[(0, &[table(1, 10, 0, 9)]), (0, &[table(2, 10, 0, 9)])]);
    let mut decision = merge_all().choose(&buf.view(), &Moment::default());
    decision.choice = Choice::Drop(decision.choice.job().unwrap());
    assert_eq!(check_decision(&buf.view(), &Moment::default(), &decision), Err(LawError::Mismatch));
}

#[test]
fn dropping_as_expired_what_is_not_breaks_a_law() {
    let buf = tree_of(&[(0, &[table(7, 10, 0, 9).newest_ms(5)])]);
    let plan = Plan { runs: 0..=0, cut: Cut::Whole, work: Work::Drop, place: Place::Join, table_bytes_max: 1 };
    let choice = Choice::Drop(buf.view().plan(&plan).unwrap().job);
    let with = |now_ms, ttl_ms| {
        let reason = Reason { rule: Rule::Expired { newest_ms: 5, ttl_ms }, bytes: 0, bytes_max: 0 };
        check_decision(&buf.view(), &Moment { now_ms, ..Moment::default() }, &Decision { choice, reason })
    };
    assert_eq!(with(15, 10), Ok(()));
    assert_eq!(with(14, 10), Err(LawError::NotExpired { table: 7 }));
    assert_eq!(with(u64::MAX, u64::MAX), Err(LawError::NotExpired { table: 7 }));
}

#[test]
fn dropping_what_a_snapshot_may_read_breaks_a_law() {
    let buf = tree_of(&[(0, &[table(7, 10, 0, 9).newest_seqno(5)])]);
    let plan = Plan { runs: 0..=0, cut: Cut::Whole, work: Work::Drop, place: Place::Join, table_bytes_max: 1 };
    let job = buf.view().plan(&plan).unwrap().job;
    let reason = Reason { rule: Rule::SizeCap { bytes: 10, max: 9 }, bytes: 0, bytes_max: 0 };
    let decision = Decision { choice: Choice::Drop(job), reason };
    let by_rule = |rule| Decision { choice: Choice::Drop(job), reason: Reason { rule, ..reason } };
    for (rule, law) in [
        (Rule::Custom { name: "mine" }, Ok(())),
        (Rule::AtRest, Err(LawError::DropRule)),
        (Rule::Full { runs: 1 }, Err(LawError::DropRule)),
    ] {
        assert_eq!(check_decision(&buf.view(), &Moment::default(), &by_rule(rule)), law);
    }
    let with = |snapshot_floor| check_decision(&buf.view(), &Moment { snapshot_floor, ..Moment::default() }, &decision);
    assert_eq!(with(6), Ok(()));
    assert_eq!(with(5), Err(LawError::DropsVisible { table: 7 }));
}

#[test]
fn a_merge_whose_run_might_not_fit_64_bits_is_not_planned() {
    let half = u64::MAX / 2 + 1;
    let buf = tree_of(&[(0, &[table(1, half, 0, 9)]), (0, &[table(2, half, 0, 9)])]);
    assert_eq!(merge_all().choose(&buf.view(), &Moment::default()).choice.job(), None);
    let entries = |n| table(n, 1, 0, 9).entries(half);
    let buf = tree_of(&[(0, &[entries(1)]), (0, &[entries(2)])]);
    assert_eq!(merge_all().choose(&buf.view(), &Moment::default()).choice.job(), None);
    let alone = tree_of(&[(0, &[table(1, half, 0, 9)])]);
    let sinks =
        Plan { runs: 0..=0, cut: Cut::Whole, work: Work::Merge, place: Place::New { level: 1 }, table_bytes_max: 1 };
    assert!(alone.view().plan(&sinks).is_some(), "a run that it only leaves does not count");
    let buf = tree_of(&[(0, &[table(1, half, 0, 9)]), (0, &[table(2, half - 1, 0, 9)])]);
    assert!(merge_all().choose(&buf.view(), &Moment::default()).choice.job().is_some());
}

/// Rewrites the newest run for ever.
struct Restless;

impl CompactionStrategy<u32> for Restless {
    fn name(&self) -> &'static str {
        "Restless"
    }

    fn decide(&self, search: &mut Search<'_, '_, u32>) -> Decision {
        let plan = Plan { runs: 0..=0, cut: Cut::Whole, work: Work::Merge, place: Place::Join, table_bytes_max: 1 };
        let planned = search.version().plan(&plan).unwrap();
        search.offer(&planned, Rule::AtRest, u64::MAX, false).unwrap()
    }

    fn observe(&mut self, _: &Event<'_, u32>) {}

    fn debt_bytes(&self, _: &Version<'_, u32>) -> u64 {
        0
    }
}

#[test]
fn a_strategy_that_never_rests_is_found_out() {
    let mut buf = tree_of(&[(0, &[table(1, 10, 0, 9)])]);
    let settled = settle(&mut Restless, &mut buf, &Moment::default(), &mut Vec::new(), 50);
    assert_eq!(settled, Err(SettleError::Restless { steps: 50 }));
    assert_eq!(buf.view().edit(), 1 + 50, "and given no more than so many jobs");
}

/// Waits and merges in turn, whatever the tree.
#[derive(Default)]
struct Moody(std::cell::Cell<bool>);

impl CompactionStrategy<u32> for Moody {
    fn name(&self) -> &'static str {
        "Moody"
    }

    fn decide(&self, search: &mut Search<'_, '_, u32>) -> Decision {
        self.0.set(!self.0.get());
        if self.0.get() { search.wait() } else { merge_all().decide(search) }
    }

    fn debt_bytes(&self, _: &Version<'_, u32>) -> u64 {
        0
    }
}

#[test]
fn a_strategy_that_answers_otherwise_when_asked_again_is_found_out() {
    let mut buf = tree_of(&[(0, &[table(1, 10, 0, 9)]), (0, &[table(2, 10, 0, 9)])]);
    let settled = settle(&mut Moody::default(), &mut buf, &Moment::default(), &mut Vec::new(), 9);
    assert_eq!(settled, Err(SettleError::Impure));
}

#[test]
fn all_runs_are_owed_to_the_policy_that_wants_one() {
    let mut buf = tree_of(&[(0, &[table(1, 10, 0, 9)])]);
    assert_eq!(merge_all().debt_bytes(&buf.view()), 0);
    buf.flush([table(2, 7, 0, 9)]).unwrap();
    assert_eq!(merge_all().debt_bytes(&buf.view()), 17);
}

/// Merges everything, whatever room there is, and keeps what it is told.
#[derive(Default)]
struct Heedless(Vec<Outcome>);

impl CompactionStrategy<u32> for Heedless {
    fn name(&self) -> &'static str {
        "Heedless"
    }

    fn decide(&self, search: &mut Search<'_, '_, u32>) -> Decision {
        merge_all().choose(&search.version(), &Moment { free_bytes: u64::MAX, ..search.moment() })
    }

    fn observe(&mut self, event: &Event<'_, u32>) {
        if let Event::Done { outcome, .. } = event {
            self.0.push(*outcome);
        }
    }

    fn debt_bytes(&self, _: &Version<'_, u32>) -> u64 {
        0
    }
}

#[test]
fn a_strategy_that_breaks_a_law_is_found_out() {
    let mut buf = tree_of(&[(0, &[table(1, 1_600, 0, 9)]), (0, &[table(2, 1_600, 0, 9)])]);
    let moment = Moment { free_bytes: 3_399, ..Moment::default() };
    let settled = settle(&mut Heedless::default(), &mut buf, &moment, &mut Vec::new(), 9);
    assert_eq!(settled, Err(SettleError::Law(LawError::NoRoom { needed: 3_400, free: 3_399 })));
}

/// A run of five tables, and a newer one of one table that reaches over all of them and beyond; 1 903 bytes, 103 entries, four of
/// them tombstones, the newest write number 9.
fn two_runs() -> VersionVec<u32> {
    let part = |id: u32| table(u64::from(id), 200, id * 10, id * 10 + 9).entries(20).newest_ms(50).newest_seqno(4);
    let mut older: Vec<_> = (1..=5).map(part).collect();
    older[0] = part(1).tombstones(1).oldest_tombstone_ms(Some(7)).newest_seqno(9);
    let newer = table(6, 903, 0, 99).entries(3).tombstones(3).oldest_tombstone_ms(Some(30)).newest_ms(60);
    tree_of(&[(0, &older), (0, &[newer.newest_seqno(8)])])
}

#[test]
fn a_settled_tree_holds_what_a_merge_would_write() {
    let figures = |table: &Table<u32>| (table.id, table.bytes, table.entries, table.tombstones, table.min, table.max);
    let settled = |snapshot_floor| {
        let (mut buf, mut strategy) = (two_runs(), Heedless::default());
        let moment = Moment { snapshot_floor, now_ms: 77, ..Moment::default() };
        assert_eq!(settle(&mut strategy, &mut buf, &moment, &mut Vec::new(), 1), Ok(1));
        (buf, strategy.0)
    };
    let (buf, told) = settled(9);
    let tables = buf.view().tables();
    let expected = [(7, 635, 35, 2, 0, 29), (8, 634, 34, 1, 30, 49), (9, 634, 34, 1, 50, 99)];
    assert_eq!(tables.iter().map(figures).collect::<Vec<_>>(), expected);
    for table in tables {
        assert_eq!((table.newest_ms, table.oldest_tombstone_ms, table.newest_seqno), (60, Some(7), 9));
    }
    let [told] = told[..] else { panic!("{told:?}") };
    assert_eq!((told.bytes_read, told.bytes_written, told.micros), (1_903, 1_903, 38));
    assert_eq!((told.now_ms, told.runs_removed), (77, 1));

    let (buf, _) = settled(10);
    let expected = [(7, 611, 33, 0, 0, 29), (8, 609, 33, 0, 30, 49), (9, 609, 33, 0, 50, 99)];
    assert_eq!(buf.view().tables().iter().map(figures).collect::<Vec<_>>(), expected);
    assert!(buf.view().tables().iter().all(|table| table.oldest_tombstone_ms.is_none()));
}

#[test]
fn a_settled_tree_keeps_tables_of_unknown_content_and_none_of_tombstones_alone() {
    for (entries, tombstones, left) in [(0, 0, 1), (5, 5, 0), (5, 4, 1)] {
        let with = |id, bytes| table(id, bytes, 0, 9).entries(entries).tombstones(tombstones);
        let mut buf = tree_of(&[(0, &[with(1, 40)]), (0, &[with(2, 60)])]);
        assert_eq!(settle(&mut merge_all(), &mut buf, &Moment::default(), &mut Vec::new(), 1), Ok(1));
        assert_eq!(buf.view().tables().len(), left, "{tombstones} of {entries}");
        if entries == 0 {
            assert_eq!(buf.view().tables()[0].bytes, 100);
        }
    }
}
