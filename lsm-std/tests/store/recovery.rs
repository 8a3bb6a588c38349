//! What a store holds after it was killed, torn, filled up or opened twice.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
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
        let dir = tempfile::tempdir().unwrap();
        for round in 0..5 {
            let db = small().sync(sync).open(dir.path()).unwrap();
            assert_eq!(pairs(db.iter()).len(), round as usize * 100, "{sync:?}");
            for at in round * 100..(round + 1) * 100 {
                db.put(&key(at), &value(at, 100)).unwrap();
            }
        }
        let db = small().sync(sync).open(dir.path()).unwrap();
        for at in 0..500 {
            assert_eq!(db.get(&key(at)).unwrap().unwrap(), value(at, 100));
        }
    }
}

#[test]
fn the_log_is_replayed_over_many_segments_and_its_space_is_given_back() {
    let dir = tempfile::tempdir().unwrap();
    // Nothing can be flushed: the first table of each memtable fails.
    let faulty = FailFs::default();
    let open = |fs: &FailFs| small().frozen_memtables_max(64).fs(Arc::new(fs.clone())).open(dir.path());
    {
        let db = open(&faulty).unwrap();
        faulty.fail(|op, path| (op == "create" && path.ends_with(".sst")).then_some(ErrorKind::StorageFull));
        for at in 0..1000 {
            db.put(&key(at % 300), &value(at, 100)).unwrap();
        }
    }
    let logs = |fs: &FailFs| {
        use lsm_std::fs::Fs;
        fs.list(dir.path()).unwrap().iter().filter(|name| name.ends_with(".log")).count()
    };
    assert!(logs(&faulty) > 20, "{} segments", logs(&faulty));
    faulty.heal();
    let db = open(&faulty).unwrap();
    for at in 0..300 {
        let newest = if at < 100 { 900 + at } else { 600 + at };
        assert_eq!(db.get(&key(at)).unwrap().unwrap(), value(newest, 100), "key {at}");
    }
    db.put(b"more", b"1").unwrap();
    db.flush().unwrap();
    assert_eq!(logs(&faulty), 1);
}

#[test]
fn a_store_opened_with_a_smaller_memtable_accepts_writes_at_once() {
    let dir = tempfile::tempdir().unwrap();
    {
        let db = Options::new().memtable_bytes(1 << 20).sync(SyncPolicy::Never).open(dir.path()).unwrap();
        for at in 0..2000 {
            db.put(&key(at), &value(at, 200)).unwrap();
        }
    }
    let db = Options::new().memtable_bytes(1024).frozen_memtables_max(1).open(dir.path()).unwrap();
    db.put(b"more", b"1").unwrap();
    assert_eq!(pairs(db.iter()).len(), 2001);
    db.flush().unwrap();
    assert_eq!(pairs(db.iter()).len(), 2001);
}

#[test]
fn a_torn_end_of_the_log_loses_the_last_batch_and_nothing_later() {
    let dir = tempfile::tempdir().unwrap();
    {
        let db = small().open(dir.path()).unwrap();
        for at in 0..3 {
            db.put(&key(at), b"value").unwrap();
        }
    }
    let log = files(dir.path(), ".log").pop().unwrap();
    let bytes = fs::read(&log).unwrap();
    fs::write(&log, &bytes[..bytes.len() - 2]).unwrap();
    for round in 0..3u64 {
        let db = small().open(dir.path()).unwrap();
        assert_eq!(pairs(db.iter()).len() as u64, 2 + round);
        db.put(&key(100 + round), b"later").unwrap();
    }
    let db = small().open(dir.path()).unwrap();
    assert_eq!(db.get(&key(2)).unwrap(), None);
    assert_eq!(pairs(db.iter()).len(), 5);
}

#[test]
fn a_damaged_batch_before_a_good_one_is_an_error_that_names_the_place() {
    let dir = tempfile::tempdir().unwrap();
    {
        let db = small().sync(SyncPolicy::Always).open(dir.path()).unwrap();
        for at in 0..5 {
            db.put(&key(at), b"a value that is found again").unwrap();
        }
    }
    let log = files(dir.path(), ".log").pop().unwrap();
    let mut bytes = fs::read(&log).unwrap();
    let at = bytes.len() / 2;
    bytes[at] ^= 1;
    fs::write(&log, &bytes).unwrap();
    match small().open(dir.path()) {
        Err(Error::Corrupt { path, offset, .. }) => assert!(path == log && offset <= at as u64, "{offset} of {at}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_lost_segment_leaves_a_prefix_unless_every_write_was_synced() {
    let dir = tempfile::tempdir().unwrap();
    let faulty = FailFs::default();
    let open = |sync| small().sync(sync).frozen_memtables_max(64).fs(Arc::new(faulty.clone())).open(dir.path());
    {
        let db = open(SyncPolicy::Never).unwrap();
        faulty.fail(|op, path| (op == "create" && path.ends_with(".sst")).then_some(ErrorKind::StorageFull));
        for at in 0..200 {
            db.put(&key(at), &value(at, 100)).unwrap();
        }
    }
    faulty.heal();
    // The power goes: the second segment was never written back, later ones were.
    use lsm_std::fs::Fs;
    let mut logs: Vec<_> = faulty.list(dir.path()).unwrap().into_iter().filter(|name| name.ends_with(".log")).collect();
    logs.sort();
    assert!(logs.len() > 3);
    faulty.mem.set_bytes(dir.path().join(&logs[1]), Vec::new());
    assert!(matches!(open(SyncPolicy::Always), Err(Error::Corrupt { .. })));
    for round in 0..3 {
        let db = open(SyncPolicy::Never).unwrap();
        let left = pairs(db.iter()).len() - round;
        assert!(left > 10 && left < 100, "{left}");
        assert_eq!(pairs(db.range(key(0)..key(1000))).len(), left);
        for at in 0..left as u64 {
            assert!(db.get(&key(at)).unwrap().is_some(), "key {at} of {left}");
        }
        db.put(format!("later{round}").as_bytes(), b"1").unwrap();
    }
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
    let dir = tempfile::tempdir().unwrap();
    {
        let db = small().open(dir.path()).unwrap();
        for round in 0..10u64 {
            let mut batch = Batch::new();
            for at in 0..10 {
                batch.put(&key(at), &value(round, 50));
            }
            db.write(batch).unwrap();
        }
    }
    let log = files(dir.path(), ".log").pop().unwrap();
    let whole = fs::read(&log).unwrap();
    for cut in (whole.len() - 700..whole.len()).step_by(23) {
        fs::write(&log, &whole[..cut]).unwrap();
        let copy = tempfile::tempdir().unwrap();
        for path in files(dir.path(), "") {
            fs::copy(&path, copy.path().join(path.file_name().unwrap())).unwrap();
        }
        let db = small().open(copy.path()).unwrap();
        let values: std::collections::BTreeSet<_> = pairs(db.iter()).into_iter().map(|(_, value)| value).collect();
        assert_eq!(values.len(), 1, "cut at {cut}: parts of several batches");
    }
}
