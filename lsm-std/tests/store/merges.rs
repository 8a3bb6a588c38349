//! What merges do to a store, and what they must not do.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use lsm_std::compaction_core::{AnySettings, BanditSettings, Full, LeveledSettings};
use lsm_std::fs::{Fs, MemFs, Purpose};
use lsm_std::{Batch, Error, Options, Report, What};

use crate::common::{FailFs, key, pairs, small, tiered, usage, value};

fn strategies() -> [AnySettings; 7] {
    let leveled = LeveledSettings { base_bytes: 16384, fanout: 4, table_bytes_max: 4096, ..Default::default() };
    [
        AnySettings::Idle,
        tiered(2),
        tiered(4),
        AnySettings::Leveled(leveled),
        AnySettings::Lazy(LeveledSettings { runs_max: 3, ..leveled }),
        AnySettings::Bandit(BanditSettings { l0_runs_max: 2, table_bytes_max: 4096, ..Default::default() }),
        AnySettings::Full(Full { table_bytes_max: 4096 }),
    ]
}

#[test]
fn the_newest_value_wins_at_any_number_of_flushes() {
    for strategy in strategies() {
        let dir = tempfile::tempdir().unwrap();
        let mut db = small(strategy).open(dir.path()).unwrap();
        for round in 0..60u64 {
            for at in (0..40).filter(|at| (at + round) % 3 != 0) {
                db.put(&key(at), &value(round * 100 + at, 30)).unwrap();
            }
            db.delete(&key(round % 40)).unwrap();
            db.flush().unwrap();
            if round % 25 == 24 {
                drop(db);
                db = small(strategy).open(dir.path()).unwrap();
            }
            for at in 0..40 {
                let newest = (0..=round).rev().find(|round| round % 40 == at || (at + round) % 3 != 0);
                let expected = newest.filter(|round| round % 40 != at).map(|round| value(round * 100 + at, 30));
                assert_eq!(
                    db.get(&key(at)).unwrap().as_deref(),
                    expected.as_deref(),
                    "{strategy:?} round {round} key {at}"
                );
            }
        }
        let scanned = pairs(db.iter());
        assert!(scanned.iter().all(|(key, value)| db.get(key).unwrap().unwrap() == *value));
    }
}

#[test]
fn at_rest_the_directory_holds_live_tables_the_log_the_manifest_and_small_files() {
    for strategy in strategies() {
        let dir = tempfile::tempdir().unwrap();
        let db = small(strategy).workers(3).open(dir.path()).unwrap();
        for at in 0..5000u64 {
            db.put(&key(at * 7919 % 500), &value(at, 100)).unwrap();
        }
        db.flush().unwrap();
        db.wait_idle().unwrap();
        let (usage, stats) = (usage(dir.path()), db.stats());
        assert_eq!(usage["sst"], stats.table_bytes(), "{strategy:?} {usage:?}");
        assert!(usage["log"] < 200 + 1024, "{usage:?} with what is mapped ahead");
        let small: u64 = usage
            .iter()
            .filter(|(kind, _)| !["sst", "log", "MANIFEST"].contains(&kind.as_str()))
            .map(|kind| kind.1)
            .sum();
        // What the bandit has learned takes the most of it: some tens of bytes a slot.
        assert!(small < 8000, "{usage:?}");
        assert!(
            usage.keys().all(|kind| ["sst", "log", "MANIFEST", "CURRENT", "LOCK", "STRATEGY"].contains(&kind.as_str()))
        );
    }
}

#[test]
fn a_full_merge_leaves_one_version_of_each_key_and_no_tombstone() {
    let dir = tempfile::tempdir().unwrap();
    let db = small(AnySettings::Idle).open(dir.path()).unwrap();
    for at in 0..3000u64 {
        if at % 3 == 0 { db.delete(&key(at % 200)).unwrap() } else { db.put(&key(at % 200), &value(at, 40)).unwrap() }
    }
    let before = pairs(db.iter());
    db.compact_all().unwrap();
    let stats = db.stats();
    let (runs, entries, tombstones) =
        stats.levels.iter().fold((0, 0, 0), |sum, l| (sum.0 + l.runs, sum.1 + l.entries, sum.2 + l.tombstones));
    assert_eq!((runs, entries, tombstones), (1, before.len() as u64, 0));
    assert_eq!(pairs(db.iter()), before);
}

#[test]
fn compact_range_leaves_other_keys_where_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let db = small(AnySettings::Idle).open(dir.path()).unwrap();
    for round in 0..4u64 {
        for half in [0, 1000] {
            for at in 0..50 {
                db.put(&key(half + at), &value(round, 40)).unwrap();
            }
            db.flush().unwrap();
        }
    }
    let before = pairs(db.iter());
    let runs = db.stats().levels[0].runs;
    db.compact_range(key(0)..key(500)).unwrap();
    assert_eq!(pairs(db.iter()), before);
    let after = db.stats().levels[0].runs;
    assert!(after >= runs / 2 && after < runs, "{runs} runs before, {after} after");
    db.compact_range(key(500)..key(0)).unwrap();
}

#[test]
fn a_snapshot_and_an_iterator_keep_what_they_read() {
    let dir = tempfile::tempdir().unwrap();
    let db = small(tiered(2)).open(dir.path()).unwrap();
    for at in 0..300u64 {
        db.put(&key(at), &value(at, 60)).unwrap();
    }
    db.flush().unwrap();
    let (snapshot, mut iterator) = (db.snapshot(), db.iter());
    let expected = pairs(db.iter());
    let first = iterator.next().unwrap().unwrap();
    assert_eq!(first.0, key(0));
    for at in 0..300u64 {
        db.delete(&key(at)).unwrap();
    }
    for _ in 0..3 {
        db.compact_all().unwrap();
    }
    assert_eq!(pairs(iterator), expected[1..]);
    assert_eq!(pairs(snapshot.iter()), expected);
    assert_eq!(pairs(snapshot.iter().rev()), expected.iter().rev().cloned().collect::<Vec<_>>());
    assert_eq!(snapshot.get(&key(7)).unwrap().unwrap(), value(7, 60));
    assert_eq!(db.iter().count(), 0);
    drop(snapshot);
    db.compact_all().unwrap();
    assert_eq!(db.stats().table_bytes(), 0);
    assert_eq!(usage(dir.path()).get("sst"), None);
}

#[test]
fn a_store_of_thousands_of_runs_is_read_and_opened_with_few_open_files() {
    let fs = FailFs::default();
    let open = || {
        // With one frozen memtable at most, each makes a run.
        let options = small(AnySettings::Idle).memtable_bytes(1024).frozen_memtables_max(1);
        options.open_files_max(8).fs(Arc::new(fs.clone())).open("store").unwrap()
    };
    let db = open();
    for at in 0..3000u64 {
        db.put(&key(at * 7919 % 100), &value(at, 1000)).unwrap();
    }
    db.flush().unwrap();
    assert!(db.stats().levels[0].runs > 2900, "{:?}", db.stats().levels);
    let expected = pairs(db.iter());
    assert_eq!(expected.len(), 100);
    for (key, value) in &expected {
        assert_eq!(db.get(key).unwrap().unwrap(), value);
    }
    drop(db);
    assert_eq!(pairs(open().iter()), expected);
}

#[test]
fn counted_amplification_is_what_the_file_layer_saw() {
    let dir = tempfile::tempdir().unwrap();
    let db = small(tiered(2)).open(dir.path()).unwrap();
    // Two runs at least, so that there is a merge however slow the machine.
    for half in [0..1000u64, 1000..2000] {
        for at in half {
            db.put(&key(at % 300), &value(at, 100)).unwrap();
        }
        db.flush().unwrap();
    }
    db.wait_idle().unwrap();
    let stats = db.stats();
    let (flushed, merged) = (stats.io(Purpose::Flush).written_bytes, stats.io(Purpose::Merge).written_bytes);
    assert_eq!(merged, stats.jobs.values().map(|jobs| jobs.bytes_written).sum::<u64>());
    assert!(flushed > 2 * 300 * 100 && merged > 300 * 100, "{flushed} {merged}");
    assert!(stats.user_bytes >= 2000 * (key(0).len() + value(0, 100).len()) as u64);
    assert_eq!(stats.write_amp(), (flushed + merged) as f64 / stats.user_bytes as f64);
    assert!(stats.io(Purpose::Log).written_bytes > stats.user_bytes);
}

#[test]
fn every_decision_is_told_with_its_reason_and_its_end() {
    let dir = tempfile::tempdir().unwrap();
    let reports = Arc::new(Mutex::new(Vec::<Report>::new()));
    let told = Arc::clone(&reports);
    let options = small(tiered(2)).frozen_memtables_max(1);
    let db = options.on_report(move |report| told.lock().unwrap().push(report.clone())).open(dir.path()).unwrap();
    for at in 0..1000u64 {
        db.put(&key(at % 300), &value(at, 100)).unwrap();
    }
    db.flush().unwrap();
    db.wait_idle().unwrap();
    drop(db);
    let reports = reports.lock().unwrap();
    let mut open = BTreeMap::new();
    let (mut flushes, mut done) = (0, 0);
    for report in reports.iter() {
        match &report.what {
            What::Flushed { bytes, .. } => flushes += u64::from(*bytes > 0),
            What::Chosen(chosen) => {
                assert!(!chosen.text.is_empty() && chosen.tables > 0);
                open.insert(chosen.number, chosen.clone());
            }
            What::Done { chosen, .. } => {
                assert_eq!(open.remove(&chosen.number).as_ref(), Some(chosen));
                done += 1;
            }
            What::Aborted { chosen, .. } => drop(open.remove(&chosen.number)),
            _ => {}
        }
    }
    assert!(flushes > 20 && done > 0 && open.is_empty(), "{flushes} {done} {open:?}");
    assert!(reports.last().unwrap().shape.iter().all(|level| level.runs > 0));
}

#[test]
fn inline_work_from_one_seed_writes_the_same_files() {
    let run = |seed| {
        let fs = MemFs::new();
        let db = small(tiered(2)).deterministic(seed).fs(Arc::new(fs.clone())).open("store").unwrap();
        for at in 0..1500u64 {
            db.put(&key(at * 31 % 211), &value(at, 80)).unwrap();
        }
        db.close().unwrap();
        let mut names = fs.list(Path::new("store")).unwrap();
        names.sort();
        names.into_iter().map(|name| (fs.bytes(Path::new("store").join(&name)), name)).collect::<Vec<_>>()
    };
    let (first, second) = (run(1), run(1));
    assert!(first.len() > 4);
    assert!(first == second);
}

#[test]
fn a_checkpoint_is_a_store_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let (from, to) = (dir.path().join("store"), dir.path().join("copy"));
    let db = small(tiered(2)).open(&from).unwrap();
    for at in 0..500u64 {
        db.put(&key(at), &value(at, 60)).unwrap();
    }
    let expected = pairs(db.iter());
    db.checkpoint(&to).unwrap();
    assert!(matches!(db.checkpoint(&to), Err(Error::BadTarget { .. })));
    for at in 0..500u64 {
        db.delete(&key(at)).unwrap();
    }
    db.compact_all().unwrap();
    let copy = Options::new().open(&to).unwrap();
    assert_eq!(pairs(copy.iter()), expected);
    copy.put(b"own", b"1").unwrap();
    copy.compact_all().unwrap();
    copy.verify().unwrap();
    assert_eq!((copy.iter().count(), db.iter().count()), (501, 0));
}

#[test]
fn verify_reads_every_byte_and_names_the_damaged_file() {
    let dir = tempfile::tempdir().unwrap();
    let open = || small(AnySettings::Idle).open(dir.path()).unwrap();
    let db = open();
    for at in 0..200u64 {
        db.put(&key(at), &value(at, 60)).unwrap();
    }
    db.flush().unwrap();
    db.put(b"in the log", b"1").unwrap();
    let found = db.verify().unwrap();
    assert!(found.tables > 0 && found.table_bytes == db.stats().table_bytes() && found.log_batches == 1, "{found:?}");
    drop(db);
    let table = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().path());
    let table = table.filter(|path| path.extension().is_some_and(|suffix| suffix == "sst")).max().unwrap();
    let good = fs::read(&table).unwrap();
    for at in (0..good.len()).step_by(97) {
        let mut bad = good.clone();
        bad[at] ^= 0x10;
        fs::write(&table, &bad).unwrap();
        match open().verify() {
            Err(Error::Corrupt { path, .. } | Error::NewerFormat { path, .. }) => assert_eq!(path, table, "byte {at}"),
            other => panic!("byte {at}: {other:?}"),
        }
    }
}

#[test]
fn readers_see_every_write_while_memtables_freeze_flush_and_merge() {
    let dir = tempfile::tempdir().unwrap();
    let db = small(tiered(2)).memtable_bytes(2048).workers(2).open(dir.path()).unwrap();
    let stop = AtomicBool::new(false);
    // Both keys of a batch always hold the same number, and it never falls.
    std::thread::scope(|scope| {
        for reader in 0..2 {
            let (db, stop) = (&db, &stop);
            scope.spawn(move || {
                let mut last = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    let snapshot = db.snapshot();
                    let read = |key: &[u8]| snapshot.get(key).unwrap().map(|value| value.to_vec());
                    let (a, b) = (read(b"a"), read(b"b"));
                    assert_eq!(a, b, "reader {reader}");
                    let now = a.unwrap_or_default();
                    assert!(now >= last, "{now:?} after {last:?}");
                    let direct = db.get(b"a").unwrap().map(|value| value.to_vec()).unwrap_or_default();
                    assert!(direct >= now);
                    last = now;
                }
            });
        }
        for at in 0..3000u64 {
            let mut batch = Batch::new();
            batch.put(b"a", format!("{at:08}").as_bytes());
            batch.put(&key(at % 50), &value(at, 50));
            batch.put(b"b", format!("{at:08}").as_bytes());
            db.write(batch).unwrap();
            assert_eq!(db.get(b"b").unwrap().unwrap(), format!("{at:08}").as_bytes());
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert!(db.stats().jobs.values().map(|jobs| jobs.jobs).sum::<u64>() > 0);
}

#[test]
fn blocks_of_merged_tables_leave_the_cache_at_once_though_somebody_may_read_them() {
    let db = small(tiered(4)).fs(Arc::new(MemFs::new())).unsettled_bytes_max(1 << 30).open("store").unwrap();
    let write = |round: u64| {
        (0..500).for_each(|at| db.put(&key(at), &value(at + round, 50)).unwrap());
        db.flush().unwrap();
    };
    write(0);
    db.compact_all().unwrap();
    let expected = pairs(db.iter());
    (0..500).for_each(|at| assert!(db.get(&key(at)).unwrap().is_some()));
    assert!(db.stats().cache.bytes > 20_000, "{:?}", db.stats().cache);
    let range = db.iter();
    write(1);
    db.compact_all().unwrap();
    assert_eq!(db.stats().cache.bytes, 0);
    assert_eq!(pairs(range), expected);
    assert_eq!(db.stats().cache.bytes, 0);
}
