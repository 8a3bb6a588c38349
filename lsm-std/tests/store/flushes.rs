//! Several small memtables that wait are flushed as one.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use lsm_std::compaction_core::{AnySettings, BanditSettings};
use lsm_std::{Options, SyncPolicy, What};

use crate::common::{FailFs, key, value};

/// Memtables that wait for the first one's flush in these tests.
const WAITING: usize = 6;

/// A store on `disk` in which nothing is merged; each flush is noted in `flushes`.
fn options(disk: &FailFs, flushes: &Arc<Mutex<usize>>) -> Options {
    let noted = Arc::clone(flushes);
    let options = Options::new().strategy(AnySettings::Idle).memtable_bytes(4096).sync(SyncPolicy::Never);
    options.frozen_memtables_max(WAITING + 1).log_segment_bytes(0).fs(Arc::new(disk.clone())).on_report(move |report| {
        if let What::Flushed { .. } = report.what {
            *noted.lock().unwrap() += 1;
        }
    })
}

#[test]
fn memtables_that_wait_become_one_run_and_are_read_meanwhile() {
    let (disk, flushes) = (FailFs::default(), Arc::default());
    let db = options(&disk, &flushes).open("store").unwrap();
    let held = Arc::new(AtomicBool::new(true));
    let holds = Arc::clone(&held);
    disk.fail(move |op, path| {
        while op == "create" && path.ends_with("sst") && holds.load(Ordering::Acquire) {
            std::thread::sleep(Duration::from_millis(1));
        }
        None
    });
    let mut rounds = 0;
    while db.stats().frozen_memtables <= WAITING {
        for at in 0..20 {
            db.put(&key(at), &value(rounds, 40)).unwrap();
        }
        rounds += 1;
    }
    let snapshot = db.snapshot();
    db.put(&key(0), b"newest").unwrap();
    let check = |when: &str| {
        for at in 0..20 {
            assert_eq!(
                snapshot.get(&key(at)).unwrap().as_deref(),
                Some(&value(rounds - 1, 40)[..]),
                "{when}, key {at}"
            );
        }
        assert_eq!(db.get(&key(0)).unwrap().as_deref(), Some(&b"newest"[..]), "{when}");
        assert_eq!(db.iter().count(), 20, "{when}");
    };
    check("all frozen");
    held.store(false, Ordering::Release);
    db.flush().unwrap();
    check("flushed");
    // One that was being written, perhaps; those that waited; and what `flush` itself has frozen.
    assert!(
        (1..=3).contains(&*flushes.lock().unwrap()),
        "{} flushes of {} memtables",
        flushes.lock().unwrap(),
        WAITING + 2
    );
    assert_eq!(db.stats().levels[0].runs, *flushes.lock().unwrap());
    drop(snapshot);
    db.close().unwrap();
    assert_eq!(disk.files("store", "log"), Vec::<std::path::PathBuf>::new(), "segments of flushed memtables are left");
    let db = options(&disk, &flushes).open("store").unwrap();
    assert_eq!(db.get(&key(7)).unwrap().as_deref(), Some(&value(rounds - 1, 40)[..]));
}

#[test]
fn a_flush_of_several_that_fails_is_tried_again_as_a_whole() {
    let (disk, flushes) = (FailFs::default(), Arc::default());
    let db = options(&disk, &flushes).open("store").unwrap();
    disk.fail(|op, path| (op == "append" && path.ends_with("sst")).then_some(std::io::ErrorKind::StorageFull));
    let mut at = 0;
    while db.stats().frozen_memtables <= WAITING {
        db.put(&key(at), &value(at, 40)).unwrap();
        at += 1;
    }
    disk.heal();
    // Background work pauses after a failure.
    while db.flush().is_err() {
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!((1..=3).contains(&*flushes.lock().unwrap()), "{} flushes", flushes.lock().unwrap());
    assert_eq!(db.iter().count() as u64, at);
    drop(db);
    assert_eq!(options(&disk, &flushes).open("store").unwrap().iter().count() as u64, at);
}

/// Loads a store that the bandit runs with threads; answers with the most tables of any flush, and the most runs and tables that
/// there were at any moment.
fn shape_under_load(memtable_bytes: u64, frozen_max: usize) -> (usize, usize, usize) {
    let settings = BanditSettings { table_bytes_max: 256 << 10, slots_max: 4, ..BanditSettings::default() };
    let options = Options::new().strategy(AnySettings::Bandit(settings)).memtable_bytes(memtable_bytes);
    let options = options.frozen_memtables_max(frozen_max);
    let most = Arc::new(Mutex::new((0, 0, 0)));
    let (noted, level_0) = (Arc::clone(&most), Mutex::new(0));
    let options = options.sync(SyncPolicy::Never).fs(Arc::new(FailFs::default())).on_report(move |report| {
        let tables = report.shape.iter().map(|level| level.tables).sum();
        let runs = report.shape.iter().map(|level| level.runs).sum();
        let now = report.shape.iter().find(|level| level.level == 0).map_or(0, |level| level.tables);
        let before = std::mem::replace(&mut *level_0.lock().unwrap(), now);
        let flushed = if let What::Flushed { .. } = report.what { now - before } else { 0 };
        let mut most = noted.lock().unwrap();
        *most = (most.0.max(flushed), most.1.max(runs), most.2.max(tables));
    });
    let db = options.open("store").unwrap();
    for at in 0..20_000u64 {
        db.put(&key(at * 7919 % 3001), &value(at, 1000)).unwrap();
    }
    db.flush().unwrap();
    db.wait_idle().unwrap();
    assert_eq!(db.iter().count(), 3001);
    *most.lock().unwrap()
}

#[test]
fn with_threads_flushes_are_cut_at_the_guards_and_runs_stay_few_however_fast_they_come() {
    let (flushed, runs, tables) = shape_under_load(1 << 20, 4);
    assert!((2..=4).contains(&flushed), "a flush made {flushed} tables");
    // Four slots of sixteen runs, and as much again for merges that lag behind.
    assert!(runs <= 128 && tables <= 512, "{runs} runs, {tables} tables");
}

#[test]
fn with_threads_flushes_are_not_cut_into_tiny_tables() {
    let (flushed, runs, tables) = shape_under_load(256 << 10, 1);
    assert_eq!(flushed, 1, "even two tables of 128 KiB are too small");
    assert!(runs <= 128 && tables <= 512, "{runs} runs, {tables} tables");
}

#[test]
fn a_flush_of_little_is_one_table_however_many_slots_there_are() {
    let settings = BanditSettings { table_bytes_max: 256 << 10, slots_max: 4, ..BanditSettings::default() };
    let options = Options::new().strategy(AnySettings::Bandit(settings)).memtable_bytes(1 << 20);
    let db = options.sync(SyncPolicy::Never).fs(Arc::new(FailFs::default())).open("store").unwrap();
    for at in 0..10_000u64 {
        db.put(&key(at * 7919 % 3001), &value(at, 1000)).unwrap();
    }
    db.flush().unwrap();
    db.wait_idle().unwrap();
    (0..10).for_each(|at| db.put(&key(at * 300), b"new").unwrap());
    db.flush().unwrap();
    assert_eq!(db.runs().last().map(|(level, tables)| (*level, tables.len())), Some((0, 1)));
}
