//! A version as engines see it: which trees are refused, what it says of itself, tables by id.
#![cfg(feature = "alloc")]

mod common;

use common::{Shape, table, tree_of};
use compaction_core::{
    BeginError, Cut, EditError, Place, Plan, Run, Span, Table, TableIndex, Totals, TreeError, Version, VersionVec,
    Work, check,
};
use proptest::prelude::*;

/// Two runs of two tables and one.
fn arrays() -> ([Run; 2], [Table<u32>; 3]) {
    let mut tables = [table(1, 10, 0, 9), table(2, 20, 10, 19), table(3, 30, 5, 15)];
    let older = Run::seal(1, 0, &mut tables[..2]).unwrap();
    let newer = Run::seal(0, 2, &mut tables[2..]).unwrap();
    ([older, newer], tables)
}

#[test]
fn lent_arrays_that_break_a_law_are_refused() {
    let refused = |runs: &[Run], tables: &[Table<u32>]| Version::new(runs, tables).unwrap_err();
    let (runs, tables) = arrays();
    assert_eq!(Version::new(&runs, &tables).map(|version| version.tables().len()), Ok(3));
    assert_eq!(refused(&runs[..1], &tables), TreeError::Gap { run: 1 });
    assert_eq!(refused(&runs[1..], &tables), TreeError::Gap { run: 0 });
    assert_eq!(refused(&runs, &tables[..2]), TreeError::Stale { run: 1 });
    let changed = |at: usize, change: fn(&mut Table<u32>)| {
        let mut tables = tables.clone();
        change(&mut tables[at]);
        refused(&runs, &tables)
    };
    assert_eq!(changed(0, |table| table.max = 10), TreeError::Overlap { left: 1, right: 2 });
    assert_eq!(changed(2, |table| table.min = 16), TreeError::Reversed { table: 3 });
    assert_eq!(changed(1, |table| table.bytes += 1), TreeError::Unsealed { table: 2 });
    assert_eq!(changed(1, |table| table.newest_ms = 1), TreeError::Stale { run: 0 }, "what a run keeps of its tables");
    let mut tables = tables;
    let deeper = Run::seal(2, 2, &mut tables[2..]).unwrap();
    assert_eq!(refused(&[runs[0], deeper], &tables), TreeError::LevelOrder { run: 1 });
    assert_eq!(check(&Version::new(&runs, &tables).unwrap()), Ok(()));
}

#[test]
fn runs_are_put_in_from_the_deepest_level_up() {
    let mut tree = tree_of(&[(3, &[table(1, 10, 0, 9)]), (1, &[table(2, 10, 0, 9)])]);
    let refused = tree.push_run(2, [table(3, 10, 0, 9)]);
    assert_eq!(refused, Err(EditError::Tree(TreeError::LevelOrder { run: 2 })));
    assert_eq!(tree.view().tables().len(), 2, "the tree is as before");
    tree.push_run(1, [table(3, 10, 0, 9)]).unwrap();
}

#[test]
fn tables_are_found_by_their_ids_and_none_stands_twice() {
    let (runs, mut tables) = arrays();
    let index = TableIndex::new(&Version::new(&runs, &tables).unwrap()).unwrap();
    assert_eq!([1, 2, 3, 4].map(|id| index.get(id)), [Some((0, 0)), Some((0, 1)), Some((1, 2)), None]);
    tables[2].id = 1;
    let twice = TableIndex::new(&Version::new(&runs, &tables).unwrap()).unwrap_err();
    assert_eq!(twice, TreeError::Duplicate { table: 1 });
}

fn merge_of_table(at: u32, work: Work, runs: usize) -> Plan {
    Plan { runs: 0..=runs, cut: Cut::Tables { first: at, last: at }, work, place: Place::Join, table_bytes_max: 100 }
}

#[test]
fn a_version_shows_its_tables_and_what_runs_in_it() {
    let mut tree = tree_of(&[(1, &[table(1, 10, 0, 9)]), (0, &[table(2, 20, 10, 19), table(3, 5, 20, 29)])]);
    assert_eq!((tree.view().edit(), tree.view().running().len()), (2, 0));
    let job = tree.view().plan(&merge_of_table(0, Work::Merge, 0)).unwrap().job;
    let ticket = tree.begin(job).unwrap();
    assert_eq!((tree.view().edit(), tree.view().running().len()), (2, 1));
    assert_eq!(tree.view().to_string(), "L0 run 1, 25 B: 2[10..19]=20 3[20..29]=5\nL1 run 0, 10 B: 1[0..9]=10 busy\n");
    tree.finish(ticket, [table(4, 9, 0, 9)]).unwrap();
    assert_eq!((tree.view().edit(), tree.view().running().len()), (3, 0));
}

#[test]
fn a_job_of_another_tree_does_not_begin() {
    let larger = tree_of(&[(0, &[table(1, 10, 0, 9), table(2, 10, 10, 19)]), (0, &[table(3, 10, 0, 9)])]);
    let job = larger.view().plan(&merge_of_table(2, Work::Merge, 1)).unwrap().job;
    let mut tree = tree_of(&[(0, &[table(1, 10, 0, 9)]), (0, &[table(2, 10, 0, 9)])]);
    assert_eq!(tree.view().edit(), larger.view().edit());
    assert_eq!(tree.begin(job).unwrap_err(), BeginError::Foreign);
}

#[test]
fn a_job_whose_destination_goes_meanwhile_makes_a_run_of_that_level() {
    let mut tree: VersionVec<u32> = tree_of(&[(2, &[table(1, 10, 0, 9)]), (0, &[table(2, 10, 20, 29)])]);
    let merge = tree.view().plan(&merge_of_table(1, Work::Merge, 1)).unwrap().job;
    let merge = tree.begin(merge).unwrap();
    let dropped = tree.view().plan(&merge_of_table(0, Work::Drop, 0)).unwrap().job;
    let dropped = tree.begin(dropped).unwrap();
    tree.finish(dropped, []).unwrap();
    assert_eq!(tree.job(&merge).unwrap().place(), Place::New { level: 2 });
    tree.finish(merge, [table(3, 10, 20, 29)]).unwrap();
    let view = tree.view();
    assert_eq!((view.runs().len(), view.runs()[0].level(), view.tables()[0].id), (1, 2, 3));
}

#[test]
fn a_span_is_added_up_field_by_field() {
    let part = |id: u32| table(id.into(), 10, id, id).entries(5 * u64::from(id)).tombstones(id.into());
    let tree = tree_of(&[(1, &[part(1)]), (0, &[part(2), part(3), part(4)])]);
    let sums = |first, end| tree.view().span_totals(&Span { run: 1, first, end });
    assert_eq!(sums(1, 4), Totals { bytes: 30, entries: 45, tombstones: 9 });
    assert_eq!(sums(2, 3), Totals { bytes: 10, entries: 15, tombstones: 3 });
    assert_eq!(sums(2, 2), Totals::default());
}

#[test]
fn a_plan_says_what_its_job_would_take() {
    let tree = tree_of(&[
        (2, &[table(1, 100, 0, 19), table(2, 50, 20, 29)]),
        (1, &[table(3, 7, 40, 49)]),
        (0, &[table(4, 30, 10, 14), table(5, 20, 15, 30)]),
    ]);
    let plan = |first, last, runs, place| {
        let cut = Cut::Tables { first, last };
        tree.view().plan(&Plan { runs, cut, work: Work::Merge, place, table_bytes_max: 100 })
    };
    let planned = plan(3, 4, 0..=2, Place::Join).unwrap();
    assert_eq!((planned.bytes, planned.oldest_bytes, planned.tables), (200, 150, 4));
    assert_eq!((planned.runs, planned.source), (2, 0));
    let planned = plan(3, 3, 1..=2, Place::Join).unwrap();
    assert_eq!((planned.bytes, planned.oldest_bytes, planned.runs, planned.source), (30, 0, 1, 2));
    assert_eq!(plan(4, 5, 0..=2, Place::Join), None, "there is no such table");
    let level = |level| plan(3, 3, 1..=2, Place::New { level }).map(|planned| planned.job.level());
    assert_eq!([0, 1, 2, 3].map(level), [None, Some(1), Some(2), None], "no deeper than what is older");
}

/// What a caller runs over the newest table, which it writes to level 2.
fn barrier(level_2: &[&[Table<u32>]], between: &[Table<u32>]) -> (usize, usize, u8, Place) {
    let runs = level_2.iter().map(|tables| (2, *tables));
    let tree = tree_of(&runs.chain([(1, between), (0, &[table(9, 10, 20, 29)])]).collect::<Vec<_>>());
    let view = tree.view();
    let job = view.barrier(7, [view.tables().len() - 1], Some(2)).unwrap().job();
    (job.oldest(), job.newest(), job.level(), job.place())
}

#[test]
fn a_barrier_reaches_to_the_run_that_its_output_joins() {
    let (meets, far) = ([table(1, 10, 25, 25)], [table(2, 10, 90, 99)]);
    let far_too = [table(3, 10, 80, 89)];
    assert_eq!(barrier(&[&far, &far_too], &[table(4, 10, 0, 9)]), (0, 3, 2, Place::Join), "the oldest that it can");
    assert_eq!(barrier(&[&meets, &far], &[table(4, 10, 0, 9)]), (1, 3, 2, Place::Join));
    assert_eq!(barrier(&[&far, &meets], &[table(4, 10, 0, 9)]), (1, 3, 2, Place::Join), "merged into the newest");
    assert_eq!(barrier(&[&far], &[table(4, 10, 20, 20)]), (0, 2, 2, Place::Join), "what lies between comes along");
    assert_eq!(barrier(&[], &[table(4, 10, 0, 9)]), (0, 1, 2, Place::New { level: 2 }));
    let tree = tree_of(&[(1, &[table(1, 10, 0, 9)]), (1, &[table(2, 10, 20, 29)])]);
    for level in [None, Some(1), Some(0)] {
        let job = tree.view().barrier(7, [1], level).unwrap().job();
        assert_eq!((job.oldest(), job.newest(), job.place()), (1, 1, Place::Join), "it stays where it is");
    }
}

proptest! {
    #[test]
    fn what_sinks_lands_in_the_oldest_run_of_the_level_that_it_can(
        tree in common::tree(Shape { tables_max: 2, level_max: 3, ..Shape::default() }),
        source in any::<usize>(),
        level in 0u8..5,
        keys in [0..common::KEYS, 0..common::KEYS],
    ) {
        let buf = tree.build();
        let view = buf.view();
        prop_assume!(!view.runs().is_empty());
        let source = source % view.runs().len();
        let (min, max) = (keys[0].min(keys[1]), keys[0].max(keys[1]));
        let level = level.max(view.runs()[source].level());
        let runs = view.level_runs(level);
        let free = |at: &usize| !(*at..source).any(|run| !view.overlap(run, &min, &max).is_empty());
        let start = if runs.contains(&source) { source } else { runs.end };
        let expected = (runs.start..start).find(free).map_or((start, Place::New { level }), |at| (at, Place::Join));
        prop_assert_eq!(view.landing(source, level, &min, &max), expected, "{}..={} from {}\n{}", min, max, source, view);
    }
}
