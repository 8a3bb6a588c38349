//! A repair of a store whose tables stand under other names than their own.

use std::path::Path;
use std::sync::Arc;

use lsm_std::compaction_core::AnySettings;
use lsm_std::fs::{Fs, MemFs};
use lsm_std::{Options, Repaired};

use crate::common::{key, pairs, value};

const TABLES: u64 = 4;

fn options(disk: &MemFs) -> Options {
    Options::new().strategy(AnySettings::Idle).deterministic(1).fs(Arc::new(disk.clone()))
}

/// What a repair says and saves of a store of four tables, the newest of which deletes a key of each, in whose directory
/// `change` was made; it is given the names of the tables, oldest first.
fn repaired(change: impl FnOnce(&MemFs, &[String])) -> (Repaired, usize) {
    let disk = MemFs::new();
    let db = options(&disk).open("store").unwrap();
    for round in 0..TABLES {
        (0..50).for_each(|at| db.put(&key(round * 100 + at), &value(round, 20)).unwrap());
        (0..round).for_each(|older| db.delete(&key(older * 100)).unwrap());
        db.flush().unwrap();
    }
    let held = pairs(db.iter());
    db.close().unwrap();
    let names = disk.list(Path::new("store")).unwrap();
    let tables: Vec<String> =
        names.into_iter().filter(|name| name.ends_with(".sst")).map(|name| format!("store/{name}")).collect();
    assert_eq!(tables.len() as u64, TABLES);
    change(&disk, &tables);
    let repaired = options(&disk).repair("store", "saved").unwrap();
    let saved = pairs(options(&disk).open("saved").unwrap().iter());
    assert!(saved.iter().all(|pair| held.contains(pair)), "nothing that was deleted comes back");
    (repaired, held.len() - saved.len())
}

fn rename(disk: &MemFs, from: &str, to: &str) {
    disk.rename(Path::new(from), Path::new(to)).unwrap();
}

#[test]
fn tables_that_have_changed_places_are_known_by_their_footers() {
    let (repaired, missing) = repaired(|disk, tables| {
        rename(disk, &tables[0], "store/aside");
        rename(disk, &tables[2], &tables[0]);
        rename(disk, "store/aside", &tables[2]);
        rename(disk, &tables[1], "store/000777.sst");
    });
    assert_eq!((repaired.tables, missing), (TABLES, 0), "{:?}", repaired.lost);
    assert!(repaired.lost.is_empty() && repaired.is_manifest_whole, "{:?}", repaired.lost);
}

#[test]
fn a_copy_of_a_table_counts_once_and_what_it_stands_over_is_lost() {
    let (repaired, missing) = repaired(|disk, tables| {
        disk.set_bytes("store/000777.sst", disk.bytes(&tables[3]).unwrap());
        disk.set_bytes(&tables[1], disk.bytes(&tables[3]).unwrap());
    });
    assert_eq!((repaired.tables, missing), (TABLES - 1, 49));
    let lost: Vec<_> = repaired.lost.iter().map(|lost| (lost.path.clone(), lost.entries)).collect();
    assert_eq!(lost.len(), 1, "{lost:?}");
}
