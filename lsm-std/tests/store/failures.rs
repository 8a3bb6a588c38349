//! What a store does when a call to the disk, or code that it was given, fails.

use std::io::ErrorKind;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use lsm_std::compaction_core::{AnySettings, BanditSettings, TieredSettings};
use lsm_std::{Db, Error, Options, SyncPolicy, What};

use crate::common::{FailFs, key, pairs, value};

/// What `work` answers, which must not take long.
fn soon<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, told) = mpsc::channel();
    thread::spawn(move || done.send(work()));
    told.recv_timeout(Duration::from_secs(20)).expect("it hangs")
}

/// Writes and flushes long keys, one to a table, until the manifest is rewritten: the first failure.
fn grow_manifest(db: &Db) -> Option<Error> {
    let long = |at| [key(at), vec![b'k'; 60_000]].concat();
    (0..40).find_map(|at| db.put(&long(at), b"v").and_then(|()| db.flush()).err())
}

#[test]
fn a_manifest_that_could_not_be_replaced_makes_the_store_read_only_at_once() {
    for failing in ["rename", "sync_dir"] {
        let disk = FailFs::default();
        let db = Options::new().strategy(AnySettings::Idle).fs(Arc::new(disk.clone())).open("store").unwrap();
        let (rewriting, failed) = (AtomicBool::new(false), AtomicBool::new(false));
        disk.fail(move |op, path| {
            rewriting.fetch_or(op == "create" && path.contains("MANIFEST"), Ordering::Relaxed);
            let fails = op == failing && rewriting.load(Ordering::Relaxed) && !failed.swap(true, Ordering::Relaxed);
            fails.then_some(ErrorKind::Other)
        });
        let (db, error) = soon(move || {
            let error = grow_manifest(&db);
            (db, error)
        });
        assert!(matches!(error, Some(Error::ReadOnly { .. })), "{failing}: {error:?}");
        assert!(matches!(db.put(b"a", b"1"), Err(Error::ReadOnly { .. })), "{failing}");
        let tables = disk.files("store", ".sst").len();
        thread::sleep(Duration::from_millis(100));
        assert_eq!(disk.files("store", ".sst").len(), tables, "{failing}");
    }
}

#[test]
fn a_directory_whose_sync_failed_when_learned_state_was_saved_makes_the_store_read_only() {
    let disk = FailFs::default();
    let bandit = AnySettings::Bandit(BanditSettings { l0_runs_max: 2, ..Default::default() });
    let options = Options::new().deterministic(1).strategy(bandit).fs(Arc::new(disk.clone()));
    let db = options.open("store").unwrap();
    let saved = AtomicBool::new(false);
    disk.fail(move |op, path| {
        let fails = op == "sync_dir" && saved.load(Ordering::Relaxed);
        saved.store(op == "rename" && path.ends_with("STRATEGY.tmp"), Ordering::Relaxed);
        fails.then_some(ErrorKind::Other)
    });
    let error = (0..4000).find_map(|at| db.put(&key(at % 9), b"v").and_then(|()| db.flush()).err());
    assert!(matches!(error, Some(Error::ReadOnly { .. })), "{error:?}");
}

#[test]
fn a_failed_sync_of_its_own_directory_for_a_checkpoint_makes_the_store_read_only_one_of_another_does_not() {
    for (copy, is_own) in [("store/copy", true), ("other/copy", false)] {
        let disk = FailFs::default();
        let db = Options::new().fs(Arc::new(disk.clone())).open("store").unwrap();
        db.put(b"a", b"1").unwrap();
        db.flush().unwrap();
        let above = copy.trim_end_matches("/copy").to_owned();
        disk.fail(move |op, path| (op == "sync_dir" && path == above).then_some(ErrorKind::Other));
        db.checkpoint(copy).unwrap_err();
        disk.heal();
        let written = db.put(b"b", b"2");
        assert_eq!(matches!(written, Err(Error::ReadOnly { .. })), is_own, "{copy}: {written:?}");
    }
}

#[test]
fn after_a_panic_in_a_flush_a_closed_store_keeps_its_log() {
    let (disk, panicked) = (FailFs::default(), Arc::new(AtomicBool::new(false)));
    let options = || Options::new().strategy(AnySettings::Idle).memtable_bytes(4096).fs(Arc::new(disk.clone()));
    let db = options().open("store").unwrap();
    let panics = Arc::clone(&panicked);
    disk.fail(move |op, path| {
        let flushing = op == "create" && path.ends_with(".sst");
        assert!(!flushing || panics.swap(true, Ordering::Relaxed), "the first table panics");
        None
    });
    db.put(b"a", &[7; 5000]).unwrap();
    let written = db.put(b"b", b"2").is_ok();
    while !panicked.load(Ordering::Relaxed) {
        thread::sleep(Duration::from_millis(1));
    }
    let error = soon(move || db.close()).unwrap_err();
    assert!(error.to_string().contains("panicked"), "{error}");
    let db = options().open("store").unwrap();
    assert_eq!(db.get(b"a").unwrap().map(|value| value.len()), Some(5000));
    assert_eq!(db.get(b"b").unwrap().is_some(), written);
}

#[test]
fn a_sync_that_waited_for_one_that_failed_does_not_try_again() {
    let disk = FailFs::default();
    let db = Options::new().sync(SyncPolicy::Never).fs(Arc::new(disk.clone())).open("store").unwrap();
    db.put(b"a", b"1").unwrap();
    let (in_sync, is_in_sync) = mpsc::channel();
    let first = AtomicBool::new(true);
    disk.fail(move |op, path| {
        let fails = op == "sync" && path.ends_with(".log") && first.swap(false, Ordering::Relaxed);
        fails.then(|| {
            in_sync.send(()).unwrap();
            thread::sleep(Duration::from_millis(300));
            ErrorKind::Other
        })
    });
    thread::scope(|scope| {
        let failing = scope.spawn(|| db.sync());
        is_in_sync.recv().unwrap();
        assert!(matches!(db.sync(), Err(Error::ReadOnly { .. })));
        assert!(failing.join().unwrap().is_err());
    });
}

#[test]
fn a_damaged_table_in_a_merge_does_not_keep_others_from_being_written() {
    let disk = FailFs::default();
    let tiered = AnySettings::Tiered(TieredSettings { min_merge_width: 2, ..Default::default() });
    for inline in [true, false] {
        let options = Options::new().strategy(tiered).fs(Arc::new(disk.clone()));
        let options = if inline { options.deterministic(1) } else { options };
        let dir = format!("store-{inline}");
        let db = options.open(&dir).unwrap();
        db.put(b"a", &value(1, 500)).unwrap();
        db.flush().unwrap();
        let path = disk.files(&dir, ".sst").remove(0);
        let mut bytes = disk.mem.bytes(&path).unwrap();
        bytes[100] ^= 1;
        disk.mem.set_bytes(&path, bytes);
        db.put(b"b", &value(2, 500)).unwrap();
        db.flush().unwrap();
        let idle = db.wait_idle();
        assert!(matches!(idle, Err(Error::Corrupt { .. })), "{idle:?}");
        assert!(db.stats().background_error.is_some());
        for round in 0..5 {
            db.put(&key(round), b"3").unwrap();
            db.flush().unwrap();
        }
        let merged = db.compact_all();
        assert!(matches!(merged, Err(Error::Corrupt { .. })), "{merged:?}");
    }
}

#[test]
fn after_a_full_disk_has_room_again_writes_go_on_and_those_refused_are_not_there() {
    let calls: [&[&str]; 4] = [&["append"], &["create"], &["create", "append"], &[]];
    for sync in [SyncPolicy::Never, SyncPolicy::Always] {
        for (round, full) in calls.into_iter().enumerate() {
            let disk = FailFs::default();
            let options = || {
                let options = Options::new().strategy(AnySettings::Idle).memtable_bytes(4096).log_segment_bytes(4096);
                options.sync(sync).fs(Arc::new(disk.clone()))
            };
            let db = options().open("store").unwrap();
            let mut model = Vec::new();
            let calls = Arc::new(AtomicU64::new(0));
            for at in 0..60 {
                let calls = Arc::clone(&calls);
                disk.fail(move |op, path| {
                    let hit = path.ends_with(".log") && full.contains(&op);
                    let fails = hit && calls.fetch_add(1, Ordering::Relaxed) % 7 < 3;
                    fails.then_some(ErrorKind::StorageFull)
                });
                match db.put(&key(at), &value(at, 900)) {
                    Ok(()) => model.push((key(at), value(at, 900))),
                    Err(error) => assert!(error.is_no_space(), "{error}"),
                }
            }
            let written = model.len();
            assert!(written > 9 && (written < 60 || !full.contains(&"append")), "round {round}: {written} written");
            disk.heal();
            db.put(b"last", b"1").unwrap();
            model.push((b"last".to_vec(), b"1".to_vec()));
            assert!(pairs(db.iter()) == model, "{sync:?}, {round}");
            disk.kill(db);
            let db = options().open("store").unwrap();
            assert!(pairs(db.iter()) == model, "{sync:?}, {round}: after a kill");
        }
    }
}

#[test]
fn trouble_of_a_flush_is_over_for_whoever_sees_it_done() {
    let (disk, is_flushed) = (FailFs::default(), Arc::new(AtomicBool::new(false)));
    let flushed = Arc::clone(&is_flushed);
    let options = Options::new().strategy(AnySettings::Idle).fs(Arc::new(disk.clone())).on_report(move |report| {
        if let What::Flushed { .. } = report.what
            && !flushed.swap(true, Ordering::Relaxed)
        {
            // The thread that flushes has nothing more to do for the memtable.
            thread::sleep(Duration::from_millis(300));
        }
    });
    let db = options.open("store").unwrap();
    disk.fail(|op, path| (op == "create" && path.ends_with(".sst")).then_some(ErrorKind::StorageFull));
    db.put(b"a", b"1").unwrap();
    assert!(db.flush().is_err_and(|error| error.is_no_space()));
    disk.heal();
    while !is_flushed.load(Ordering::Relaxed) {
        thread::sleep(Duration::from_millis(1));
    }
    db.put(b"b", b"2").unwrap();
    db.flush().unwrap();
}

#[test]
fn trouble_of_making_the_tree_durable_is_over_when_another_call_has_done_it() {
    let disk = FailFs::default();
    let options = Options::new().strategy(AnySettings::Idle).unsettled_bytes_max(1).fs(Arc::new(disk.clone()));
    let db = options.open("store").unwrap();
    db.put(b"a", b"1").unwrap();
    disk.fail(|op, path| (op == "append" && path.contains("MANIFEST")).then_some(ErrorKind::StorageFull));
    assert!(db.flush().is_err_and(|error| error.is_no_space()));
    while db.stats().background_error.is_none() {
        thread::sleep(Duration::from_millis(1));
    }
    disk.heal();
    db.verify().unwrap();
    assert_eq!(db.stats().background_error, None);
    db.put(b"b", b"2").unwrap();
    db.flush().unwrap();
}

#[test]
fn trouble_of_a_merge_is_over_when_it_is_done() {
    let disk = FailFs::default();
    let tiered = AnySettings::Tiered(TieredSettings { min_merge_width: 2, ..Default::default() });
    let db = Options::new().strategy(tiered).fs(Arc::new(disk.clone())).deterministic(1).open("store").unwrap();
    disk.fail(|op, path| (op == "open" && path.ends_with(".sst")).then_some(ErrorKind::Other));
    for at in 0..4 {
        db.put(&key(at), b"1").unwrap();
        db.flush().unwrap();
    }
    assert!(db.wait_idle().is_err() && db.stats().background_error.is_some());
    disk.heal();
    db.wait_idle().unwrap();
    assert_eq!((db.stats().background_error, db.stats().levels[0].runs), (None, 1));
}

#[test]
fn a_writer_is_told_why_there_is_no_room_and_does_not_wait_for_it() {
    let disk = FailFs::default();
    let options = Options::new().strategy(AnySettings::Idle).memtable_bytes(1024).frozen_memtables_max(1);
    let db = options.fs(Arc::new(disk.clone())).open("store").unwrap();
    disk.fail(|op, path| (op == "create" && path.ends_with(".sst")).then_some(ErrorKind::StorageFull));
    let error = soon(move || (0..20).find_map(|at| db.put(&key(at), &value(at, 500)).err()));
    assert!(error.as_ref().is_some_and(Error::is_no_space), "{error:?}");
}

#[test]
fn a_store_that_cannot_be_flushed_when_it_is_closed_has_its_log_synced() {
    let (disk, synced) = (FailFs::default(), Arc::new(AtomicBool::new(false)));
    let db = Options::new().sync(SyncPolicy::Never).fs(Arc::new(disk.clone())).open("store").unwrap();
    db.put(b"a", b"1").unwrap();
    let is_synced = Arc::clone(&synced);
    disk.fail(move |op, path| {
        is_synced.fetch_or(op == "sync" && path.ends_with(".log"), Ordering::Relaxed);
        (op == "create" && path.ends_with(".sst")).then_some(ErrorKind::StorageFull)
    });
    assert!(db.close().is_err_and(|error| error.is_no_space()));
    assert!(synced.load(Ordering::Relaxed));
}

#[test]
fn a_segment_that_a_seal_may_name_is_kept_though_the_seal_has_failed() {
    let disk = FailFs::default();
    let options = || Options::new().strategy(AnySettings::Idle).memtable_bytes(1024).log_segment_bytes(0);
    let open = || options().deterministic(1).fs(Arc::new(disk.clone())).open("store").unwrap();
    let db = open();
    // The seal is written, whole, and neither said to be so nor taken back.
    disk.fail(|op, path| (["end", "cut"].contains(&op) && path.ends_with(".log")).then_some(ErrorKind::Other));
    let written = (0..9).find(|at| db.put(&key(*at), &value(*at, 500)).is_err()).expect("no segment was full");
    disk.kill(db);
    assert!(written > 1 && disk.files("store", ".log").len() == 2);
    assert_eq!(open().iter().count() as u64, written);
}
