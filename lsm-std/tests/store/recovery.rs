//! What a store holds after it was killed, torn, filled up or opened twice.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use crate::common::{FailFs, key, pairs, value};
use lsm_std::compaction_core::{AnySettings, TieredSettings};
use lsm_std::{Batch, Db, Error, KEY_BYTES_MAX, Options, SyncPolicy, VALUE_BYTES_MAX};

fn files(dir: &Path, suffix: &str) -> Vec<PathBuf> {
    let mut found: Vec<_> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.retain(|path| path.to_string_lossy().ends_with(suffix));
    found.sort();
    found
}

fn small() -> Options {
    Options::new().memtable_bytes(4096).sync(SyncPolicy::Never)
}

#[test]
fn every_write_survives_a_kill_under_every_sync_policy() {
    for sync in [SyncPolicy::Always, SyncPolicy::Interval(Duration::from_secs(3600)), SyncPolicy::Never] {
        let disk = FailFs::default();
        let open = || small().sync(sync).log_segment_bytes(10_000).fs(Arc::new(disk.clone())).open("store").unwrap();
        for round in 0..5 {
            let db = open();
            assert_eq!(pairs(db.iter()).len(), round as usize * 100, "{sync:?}");
            assert!(db.recovery().cuts.is_empty() && (round > 0) == (db.recovery().batches > 0), "{:?}", db.recovery());
            for at in round * 100..(round + 1) * 100 {
                db.put(&key(at), &value(at, 100)).unwrap();
            }
            disk.kill(db);
        }
        let db = open();
        for at in 0..500 {
            assert_eq!(db.get(&key(at)).unwrap().unwrap(), value(at, 100));
        }
    }
}

/// A disk on which no table can be made.
fn without_tables() -> FailFs {
    let disk = FailFs::default();
    disk.fail(|op, path| (op == "create" && path.ends_with(".sst")).then_some(ErrorKind::StorageFull));
    disk
}

#[test]
fn the_log_is_replayed_over_many_segments_and_its_space_is_given_back() {
    let disk = without_tables();
    let open =
        || small().frozen_memtables_max(64).log_segment_bytes(0).fs(Arc::new(disk.clone())).open("store").unwrap();
    let db = open();
    for at in 0..1000 {
        db.put(&key(at % 300), &value(at, 100)).unwrap();
    }
    disk.kill(db);
    let logs = || disk.files("store", ".log").len();
    assert!(logs() > 20, "{} segments", logs());
    let db = open();
    assert_eq!((db.recovery().batches, db.recovery().segments), (1000, logs()));
    for at in 0..300 {
        let newest = if at < 100 { 900 + at } else { 600 + at };
        assert_eq!(db.get(&key(at)).unwrap().unwrap(), value(newest, 100), "key {at}");
    }
    db.put(b"more", b"1").unwrap();
    db.flush().unwrap();
    assert_eq!(logs(), 1);
}

#[test]
fn small_memtables_share_a_segment_of_the_log() {
    let disk = without_tables();
    let open =
        || small().frozen_memtables_max(64).log_segment_bytes(20_000).fs(Arc::new(disk.clone())).open("store").unwrap();
    let db = open();
    for at in 0..600 {
        db.put(&key(at), &value(at, 100)).unwrap();
    }
    let logs = || disk.files("store", ".log").len();
    assert!((4..8).contains(&logs()), "{} segments", logs());
    disk.heal();
    while db.wait_idle().is_err() {}
    let kept = logs();
    assert!(kept <= 2, "{kept} segments");
    disk.kill(db);
    // Memtables that are in tables are not replayed from a segment that others still need.
    let db = open();
    assert!(db.recovery().batches < 60, "{:?}", db.recovery());
    assert_eq!(pairs(db.iter()).len(), 600);
}

#[test]
fn a_store_opened_with_a_smaller_memtable_accepts_writes_at_once() {
    let disk = FailFs::default();
    let options = || Options::new().sync(SyncPolicy::Never).fs(Arc::new(disk.clone()));
    let db = options().memtable_bytes(1 << 20).open("store").unwrap();
    for at in 0..2000 {
        db.put(&key(at), &value(at, 200)).unwrap();
    }
    disk.kill(db);
    let db = options().memtable_bytes(1024).frozen_memtables_max(1).open("store").unwrap();
    db.put(b"more", b"1").unwrap();
    assert_eq!(pairs(db.iter()).len(), 2001);
    db.flush().unwrap();
    assert_eq!(pairs(db.iter()).len(), 2001);
}

#[test]
fn a_torn_end_of_the_log_loses_the_last_batch_and_nothing_later() {
    let disk = FailFs::default();
    let open = || small().fs(Arc::new(disk.clone())).open("store").unwrap();
    let db = open();
    for at in 0..3 {
        db.put(&key(at), b"value").unwrap();
    }
    disk.kill(db);
    let log = disk.files("store", ".log").pop().unwrap();
    let mut bytes = disk.mem.bytes(&log).unwrap();
    bytes.truncate(bytes.len() - 2);
    disk.mem.set_bytes(&log, bytes);
    for round in 0..3u64 {
        let db = open();
        assert_eq!(pairs(db.iter()).len() as u64, 2 + round);
        assert_eq!(db.recovery().cuts.len(), usize::from(round == 0), "{:?}", db.recovery());
        db.put(&key(100 + round), b"later").unwrap();
        disk.kill(db);
    }
    let db = open();
    assert_eq!(db.get(&key(2)).unwrap(), None);
    assert_eq!(pairs(db.iter()).len(), 5);
}

#[test]
fn a_second_opener_is_told_that_the_store_is_open() {
    let dir = tempfile::tempdir().unwrap();
    let db = Db::open(dir.path()).unwrap();
    assert!(matches!(Db::open(dir.path()), Err(Error::Locked { .. })));
    let snapshot = db.snapshot();
    db.close().unwrap();
    assert!(matches!(Db::open(dir.path()), Err(Error::Locked { .. })));
    drop(snapshot);
    Db::open(dir.path()).unwrap();
}

#[test]
fn keys_and_values_of_every_allowed_size_come_back() {
    let dir = tempfile::tempdir().unwrap();
    let big = value(1, VALUE_BYTES_MAX);
    let long = vec![7; KEY_BYTES_MAX];
    let open = || Options::new().memtable_bytes(1 << 20).sync(SyncPolicy::Never).open(dir.path()).unwrap();
    let check = |db: &Db| {
        assert_eq!(db.get(b"").unwrap().unwrap(), b"the empty key");
        assert_eq!(db.get(b"empty").unwrap().unwrap(), b"");
        assert!(db.get(b"big").unwrap().unwrap() == big);
        assert_eq!(db.get(&long).unwrap().unwrap(), b"long");
        assert_eq!(db.iter().count(), 4);
    };
    {
        let db = open();
        db.put(b"", b"the empty key").unwrap();
        db.put(b"empty", b"").unwrap();
        db.put(b"big", &big).unwrap();
        db.put(&long, b"long").unwrap();
        check(&db);
    }
    let db = open();
    check(&db);
    db.compact_all().unwrap();
    check(&db);
    assert!(matches!(db.put(&vec![7; KEY_BYTES_MAX + 1], b""), Err(Error::KeyTooLong { .. })));
    assert!(matches!(db.put(b"", &vec![7; VALUE_BYTES_MAX + 1]), Err(Error::ValueTooLong { .. })));
    db.close().unwrap();
    check(&open());
}

#[test]
fn numbers_of_files_are_never_used_twice() {
    let dir = tempfile::tempdir().unwrap();
    let mut last = String::new();
    for round in 0..5 {
        let db = small().open(dir.path()).unwrap();
        db.put(b"key", format!("{round}").as_bytes()).unwrap();
        db.compact_all().unwrap();
        let tables = files(dir.path(), ".sst");
        let newest = tables.last().unwrap().file_name().unwrap().to_string_lossy().into_owned();
        assert!(newest > last, "{newest} after {last}");
        last = newest;
    }
}

#[test]
fn after_a_failed_sync_the_store_is_read_only_and_says_why() {
    let faulty = FailFs::default();
    let db = Options::new().fs(Arc::new(faulty.clone())).open("store").unwrap();
    db.put(b"a", b"1").unwrap();
    faulty.fail(|op, path| (op == "sync" && path.ends_with(".log")).then_some(ErrorKind::Other));
    let first = db.put(b"b", b"2").unwrap_err();
    faulty.heal();
    let second = db.put(b"c", b"3").unwrap_err();
    for error in [first, second] {
        assert!(matches!(&error, Error::ReadOnly { cause } if cause.to_string().contains(".log")), "{error}");
    }
    assert_eq!(db.get(b"a").unwrap().unwrap(), b"1");
    assert!(db.flush().is_err() && db.compact_all().is_err());
    drop(db);
    let db = Options::new().fs(Arc::new(faulty)).open("store").unwrap();
    assert_eq!(db.get(b"a").unwrap().unwrap(), b"1");
    db.put(b"c", b"3").unwrap();
}

#[test]
fn a_full_disk_during_a_merge_costs_the_merge_and_nothing_else() {
    let faulty = FailFs::default();
    let tiered = TieredSettings { min_merge_width: 2, ..Default::default() };
    let options = Options::new().strategy(AnySettings::Tiered(tiered)).sync(SyncPolicy::Never);
    let db = options.fs(Arc::new(faulty.clone())).open("store").unwrap();
    db.put(&key(1), b"old").unwrap();
    db.flush().unwrap();
    let full = |op: &str, path: &str| (op == "create" && path.ends_with(".sst")).then_some(ErrorKind::StorageFull);
    faulty.fail(full);
    db.put(&key(1), b"new").unwrap();
    assert!(db.flush().is_err_and(|error| error.is_no_space()));
    db.put(&key(2), b"written while full").unwrap();
    assert_eq!(db.get(&key(1)).unwrap().unwrap(), b"new");
    faulty.heal();
    while db.wait_idle().is_err() {}
    db.flush().unwrap();
    db.wait_idle().unwrap();
    assert_eq!(pairs(db.iter()).len(), 2);
    let stats = db.stats();
    assert_eq!((stats.background_error, stats.levels[0].runs), (None, 1));
}

#[test]
fn a_directory_with_tables_but_no_current_is_not_taken_for_a_new_store() {
    let dir = tempfile::tempdir().unwrap();
    {
        let db = Db::open(dir.path()).unwrap();
        db.put(b"a", b"1").unwrap();
        db.close().unwrap();
    }
    fs::remove_file(dir.path().join("CURRENT")).unwrap();
    assert!(matches!(Db::open(dir.path()), Err(Error::NotAStore { .. })));
}

#[test]
fn a_missing_table_is_named() {
    let dir = tempfile::tempdir().unwrap();
    {
        let db = Db::open(dir.path()).unwrap();
        db.put(b"a", b"1").unwrap();
        db.flush().unwrap();
    }
    let table = files(dir.path(), ".sst").pop().unwrap();
    fs::remove_file(&table).unwrap();
    assert!(matches!(Db::open(dir.path()), Err(Error::Corrupt { path, .. }) if path == table));
}

#[test]
fn a_batch_is_there_as_a_whole_or_not_at_all() {
    let disk = FailFs::default();
    let open = || small().fs(Arc::new(disk.clone())).open("store").unwrap();
    let db = open();
    for round in 0..10u64 {
        let mut batch = Batch::new();
        for at in 0..10 {
            batch.put(&key(at), &value(round, 50));
        }
        db.write(batch).unwrap();
    }
    disk.kill(db);
    let log = disk.files("store", ".log").pop().unwrap();
    let whole = disk.mem.bytes(&log).unwrap();
    let before = disk.files("store", "").into_iter().map(|path| (disk.mem.bytes(&path).unwrap(), path));
    let before: Vec<_> = before.collect();
    for cut in (whole.len() - 700..whole.len()).step_by(23) {
        let disk = FailFs::default();
        lsm_std::fs::Fs::create_dir_all(&disk.mem, Path::new("store")).unwrap();
        before.iter().for_each(|(bytes, path)| disk.mem.set_bytes(path, bytes.clone()));
        disk.mem.set_bytes(&log, whole[..cut].to_vec());
        let db = small().fs(Arc::new(disk)).open("store").unwrap();
        let values: std::collections::BTreeSet<_> = pairs(db.iter()).into_iter().map(|(_, value)| value).collect();
        assert_eq!(values.len(), 1, "cut at {cut}: parts of several batches");
    }
}

#[test]
fn nobody_waits_for_a_pipe_in_the_place_of_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let db = Db::open(dir.path()).unwrap();
    db.put(b"a", b"1").unwrap();
    db.close().unwrap();
    for path in files(dir.path(), "").into_iter().filter(|path| !path.ends_with("STRATEGY")) {
        let aside = dir.path().join("aside");
        fs::rename(&path, &aside).unwrap();
        assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        for refused in
            [Db::open(dir.path()).and_then(|db| db.get(b"a").map(drop)), Options::new().verify(dir.path()).map(drop)]
        {
            let error = refused.expect_err(&name).to_string();
            assert!(error.contains(&name), "{error} names no {name}");
        }
        fs::rename(&aside, &path).unwrap();
    }
    Options::new().verify(dir.path()).unwrap();
}
