//! Files of obsolete tables that new tables are written over.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use lsm_std::compaction_core::{AnySettings, TieredSettings};
use lsm_std::{Db, Options, SyncPolicy};

use crate::common::{FailFs, key, pairs, value};

fn options() -> Options {
    let tiered = TieredSettings { min_merge_width: 2, table_bytes_max: 2000, ..Default::default() };
    let options = Options::new().strategy(AnySettings::Tiered(tiered)).sync(SyncPolicy::Never);
    options.memtable_bytes(2000).unsettled_bytes_max(20_000)
}

/// Writes many small tables; the first call makes the keys, later ones replace their values.
fn write(db: &Db, round: u64) {
    for at in 0..2000 {
        db.put(&key(at % 97), &value(at + round * 7919, 50)).unwrap();
    }
}

fn tables(names: impl IntoIterator<Item = String>) -> BTreeSet<String> {
    names.into_iter().filter(|name| name.ends_with(".sst")).collect()
}

fn live(db: &Db) -> BTreeSet<String> {
    db.runs().iter().flat_map(|(_, run)| run).map(|table| format!("{:06}.sst", table.id)).collect()
}

#[test]
fn a_busy_store_writes_over_obsolete_tables_and_keeps_none_when_it_rests() {
    for seed in [None, Some(1)] {
        let disk = FailFs::default();
        let reused = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&reused);
        disk.fail(move |op, _| {
            count.fetch_add(u64::from(op == "reuse"), Ordering::Relaxed);
            None
        });
        let options = options().fs(Arc::new(disk.clone()));
        let db = seed.map_or(options.clone(), |seed| options.deterministic(seed)).open("store").unwrap();
        // Threads that are slow take many memtables at once, and make few tables of them.
        for round in 1..=if seed.is_none() { 50 } else { 1 } {
            write(&db, round);
            if reused.load(Ordering::Relaxed) > 20 {
                break;
            }
        }
        assert!(reused.load(Ordering::Relaxed) > 20, "{reused:?} files were used again");
        db.wait_idle().unwrap();
        let found = disk.files("store", ".sst").into_iter();
        let found = tables(found.map(|path| path.file_name().unwrap().to_string_lossy().into_owned()));
        assert_eq!(found, live(&db));
        // An iterator holds tables that become obsolete while nobody writes any more.
        let mut range = db.iter();
        range.next().unwrap().unwrap();
        db.compact_all().unwrap();
        drop(range);
        assert_eq!(disk.files("store", ".sst").len(), live(&db).len());
    }
}

#[test]
fn what_an_iterator_reads_is_not_written_over() {
    let temp = tempfile::tempdir().unwrap();
    let db = options().cache_bytes(0).open(temp.path().join("store")).unwrap();
    write(&db, 1);
    let expected = pairs(db.iter());
    let mut range = db.iter();
    let first = pairs(range.by_ref().take(3));
    write(&db, 2);
    db.flush().unwrap();
    write(&db, 3);
    assert_eq!([first, pairs(range)].concat(), expected);
}

#[test]
fn a_checkpoint_keeps_its_tables_when_the_store_writes_over_its_own() {
    let temp = tempfile::tempdir().unwrap();
    let (store, copy) = (temp.path().join("store"), temp.path().join("copy"));
    let db = options().open(&store).unwrap();
    write(&db, 1);
    db.checkpoint(&copy).unwrap();
    let expected = pairs(db.iter());
    write(&db, 2);
    write(&db, 3);
    db.close().unwrap();
    for dir in [&store, &copy] {
        Db::open(dir).unwrap().verify().unwrap();
    }
    assert_eq!(pairs(Db::open(&copy).unwrap().iter()), expected);
    assert_eq!(tables(names(&copy)), live(&Db::open(&copy).unwrap()));
}

fn names(dir: &Path) -> Vec<String> {
    std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}
