//! Strategies that change, learn, expire and stall, in a real store.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use lsm_std::compaction_core::{AnySettings, BanditSettings, FifoSettings};
use lsm_std::{Db, Error, LogicalClock, Options};

use crate::common::{FailFs, key, pairs, small, tiered, usage, value};

#[test]
fn the_strategy_is_kept_until_another_is_given() {
    let dir = tempfile::tempdir().unwrap();
    let name = |options: Options| options.open(dir.path()).unwrap().stats().strategy;
    assert_eq!(name(Options::new()), "SizeTieredCompaction");
    assert_eq!(name(Options::new().strategy(AnySettings::Idle)), "Idle");
    assert_eq!(name(Options::new()), "Idle");
}

#[test]
fn what_the_bandit_learned_survives_another_strategy_and_damage_to_it_starts_anew() {
    let dir = tempfile::tempdir().unwrap();
    let bandit = AnySettings::Bandit(BanditSettings { l0_runs_max: 2, table_bytes_max: 4096, ..Default::default() });
    let db = small(bandit).open(dir.path()).unwrap();
    for at in 0..4000u64 {
        db.put(&key(at * 7919 % 1000), &value(at, 50)).unwrap();
        db.get(&key(at % 100)).unwrap();
    }
    db.close().unwrap();
    let learned = fs::read(dir.path().join("STRATEGY")).unwrap();
    assert!(learned.len() > 200, "{} bytes", learned.len());
    small(tiered(4)).open(dir.path()).unwrap().close().unwrap();
    assert_eq!(fs::read(dir.path().join("STRATEGY")).unwrap(), learned);
    let reopened = || {
        small(bandit).open(dir.path()).unwrap().close().unwrap();
        fs::read(dir.path().join("STRATEGY")).unwrap()
    };
    reopened();
    let kept = reopened();
    fs::remove_file(dir.path().join("STRATEGY")).unwrap();
    reopened();
    assert!(kept != reopened(), "it had not gone on from what it had learned, but started anew");
    fs::write(dir.path().join("STRATEGY"), &learned[..learned.len() / 2]).unwrap();
    let db = small(bandit).open(dir.path()).unwrap();
    assert!(matches!(db.verify(), Err(Error::Corrupt { path, .. }) if path.ends_with("STRATEGY")));
    assert_eq!(db.iter().count(), 1000);
    db.close().unwrap();
    small(bandit).open(dir.path()).unwrap().verify().unwrap();
}

#[test]
fn a_checkpoint_knows_what_the_store_has_learned_by_then() {
    let dir = tempfile::tempdir().unwrap();
    let (store, copy) = (dir.path().join("store"), dir.path().join("copy"));
    let bandit = AnySettings::Bandit(BanditSettings { l0_runs_max: 2, table_bytes_max: 4096, ..Default::default() });
    let db = small(bandit).deterministic(1).open(&store).unwrap();
    (0..500).for_each(|at| db.put(&key(at * 7919 % 100), &value(at, 50)).unwrap());
    assert!(!store.join("STRATEGY").exists(), "it was saved before");
    db.checkpoint(&copy).unwrap();
    db.close().unwrap();
    let learned = |dir: &Path| fs::read(dir.join("STRATEGY")).unwrap();
    assert!(learned(&copy) == learned(&store) && learned(&copy).len() > 100);
}

#[test]
fn fifo_drops_what_is_old_but_not_from_an_open_snapshot() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(LogicalClock::at(0));
    let fifo = AnySettings::Fifo(FifoSettings { bytes_max: u64::MAX, ttl_ms: 1000 });
    let db = small(fifo).clock(clock.clone()).open(dir.path()).unwrap();
    for at in 0..100u64 {
        db.put(&key(at), &value(at, 60)).unwrap();
    }
    db.flush().unwrap();
    let snapshot = db.snapshot();
    let expected = pairs(db.iter());
    clock.set(999);
    db.put(b"young", b"1").unwrap();
    db.flush().unwrap();
    db.wait_idle().unwrap();
    assert_eq!(db.iter().count(), 101);
    clock.set(1500);
    db.put(b"youngest", b"1").unwrap();
    db.flush().unwrap();
    db.wait_idle().unwrap();
    assert_eq!(db.iter().count(), 2);
    assert_eq!(pairs(snapshot.iter()), expected);
    drop(snapshot);
    assert_eq!(usage(dir.path())["sst"], db.stats().table_bytes());
}

#[test]
fn writers_stopped_by_full_memtables_go_on_when_a_flush_is_done() {
    let dir = tempfile::tempdir().unwrap();
    let db: Db = small(tiered(2)).memtable_bytes(1024).frozen_memtables_max(1).open(dir.path()).unwrap();
    std::thread::scope(|scope| {
        for writer in 0..4u64 {
            let db = &db;
            scope.spawn(move || {
                for at in 0..300 {
                    db.put(&key(writer * 1000 + at), &value(at, 300)).unwrap();
                }
            });
        }
    });
    assert!(db.stats().stops > 0);
    assert_eq!(db.iter().count(), 1200);
}

#[test]
fn writers_are_slowed_before_they_are_stopped_while_a_flush_lags() {
    let (disk, gate) = (FailFs::default(), Arc::new(Mutex::new(())));
    let options = small(tiered(2)).fs(Arc::new(disk.clone())).lz4(false);
    let db = options.memtable_bytes(4 << 20).frozen_memtables_max(1).open("store").unwrap();
    let shut = gate.lock().unwrap();
    let behind = Arc::clone(&gate);
    disk.fail(move |_, path| {
        if path.ends_with(".sst") {
            drop(behind.lock());
        }
        None
    });
    let write = |from, until| (from..until).for_each(|at| db.put(&key(at), &vec![7; 256 << 10]).unwrap());
    write(0, 16);
    assert_eq!(db.stats().slowed, Duration::ZERO, "there is room");
    write(16, 31);
    assert!(db.stats().slowed > Duration::ZERO);
    assert_eq!(db.stats().stops, 0);
    drop(shut);
    write(31, 40);
    assert_eq!(db.iter().count(), 40);
}

#[test]
fn a_phase_of_reads_alone_has_a_strategy_that_learns_from_reads_asked_again() {
    let bandit = AnySettings::Bandit(BanditSettings::default());
    // Where nothing may happen no thread is late with it.
    for (strategy, learns, threads) in [(bandit, true, true), (bandit, true, false), (tiered(2), false, false)] {
        let disk = FailFs::default();
        let options = small(strategy).fs(Arc::new(disk.clone()));
        let options = if threads { options } else { options.deterministic(1) };
        let db = options.open("store").unwrap();
        for at in 0..100u64 {
            db.put(&key(at), &value(at, 50)).unwrap();
        }
        db.flush().unwrap();
        db.wait_idle().unwrap();
        // What the flush has left to do is done before the reads begin.
        std::thread::sleep(Duration::from_millis(if threads { 300 } else { 0 }));
        // Each decision asks for the room on the disk.
        let decisions = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&decisions);
        disk.fail(move |op, _| {
            counted.fetch_add(u64::from(op == "free_bytes"), Ordering::Relaxed);
            None
        });
        for at in 0..30_000u64 {
            db.get(&key(at % 40)).unwrap();
        }
        let end = std::time::Instant::now() + Duration::from_secs(30);
        while learns && decisions.load(Ordering::Relaxed) == 0 {
            assert!(std::time::Instant::now() < end, "not asked in half a minute");
            std::thread::yield_now();
        }
        assert!(learns || decisions.load(Ordering::Relaxed) == 0);
    }
}
