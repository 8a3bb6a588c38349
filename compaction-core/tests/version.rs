//! A version as engines see it: which trees are refused, what it says of itself, tables by id.
#![cfg(feature = "alloc")]

mod common;

use common::{table, tree_of};
use compaction_core::{
    BeginError, Cut, EditError, Place, Plan, Run, Table, TableIndex, TreeError, Version, VersionVec, Work, check,
};

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
