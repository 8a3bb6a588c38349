//! What happens beside something that takes its time: a sync, a flush or a merge that is held until the test lets it go on.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use lsm_std::compaction_core::{AnySettings, FifoSettings};
use lsm_std::{Db, Options, SyncPolicy};

use crate::common::{FailFs, key, tiered, value};

const MILLI: Duration = Duration::from_millis(1);

fn options(disk: &FailFs) -> Options {
    Options::new().strategy(AnySettings::Idle).sync(SyncPolicy::Never).fs(Arc::new(disk.clone()))
}

/// Waits until `done`; a test that waits for long has failed.
fn until(what: &str, done: impl Fn() -> bool) {
    let began = Instant::now();
    while !done() {
        assert!(began.elapsed() < Duration::from_secs(30), "{what}: it never comes");
        sleep(MILLI);
    }
}

/// Holds every table that is to be made, until it is told not to. Counts those that are held.
#[derive(Clone, Default)]
struct Held {
    lets_go: Arc<AtomicBool>,
    waiting: Arc<AtomicUsize>,
}

impl Held {
    fn tables_of(disk: &FailFs) -> Self {
        let held = Self::default();
        let Self { lets_go, waiting } = held.clone();
        disk.fail(move |op, path| {
            if op == "create" && path.ends_with(".sst") && !lets_go.load(Ordering::Acquire) {
                waiting.fetch_add(1, Ordering::AcqRel);
                while !lets_go.load(Ordering::Acquire) {
                    sleep(MILLI);
                }
                waiting.fetch_sub(1, Ordering::AcqRel);
            }
            None
        });
        held
    }

    fn is_waiting(&self) -> bool {
        self.waiting.load(Ordering::Acquire) > 0
    }

    fn let_go(&self) {
        self.lets_go.store(true, Ordering::Release);
    }
}

/// A store with so many runs, which a merge of any two is held back from merging.
fn held_merge(disk: &FailFs, runs: u64, change: impl FnOnce(Options) -> Options) -> (Db, Held) {
    let db = options(disk).open("store").unwrap();
    for at in 0..runs {
        db.put(&key(at), &value(at, 10_000)).unwrap();
        db.flush().unwrap();
    }
    db.close().unwrap();
    let held = Held::tables_of(disk);
    let db = change(options(disk).strategy(tiered(2))).open("store").unwrap();
    until("a merge", || held.is_waiting());
    (db, held)
}

#[test]
fn writers_are_slowed_while_a_merge_lags_behind() {
    let disk = FailFs::default();
    // Ten times as much debt as is allowed: a write of 1 KB takes half a millisecond.
    let (db, held) = held_merge(&disk, 4, |options| options.debt_bytes_max(1000));
    let begun = Instant::now();
    for at in 0..100 {
        db.put(&key(at), &value(at, 1000)).unwrap();
    }
    let (took, slowed) = (begun.elapsed(), db.stats().slowed);
    held.let_go();
    assert!(took >= 40 * MILLI, "{took:?}");
    // A machine on which a write takes as long by itself need not be slowed.
    assert!(!slowed.is_zero() || took > 100 * MILLI, "{slowed:?} of {took:?}");
}

#[test]
fn a_store_is_not_closed_before_its_threads_have_ended() {
    let disk = FailFs::default();
    let (db, held) = held_merge(&disk, 2, |options| options);
    let closed = Arc::new(AtomicBool::new(false));
    let tells = Arc::clone(&closed);
    let closer = thread::spawn(move || {
        db.close().unwrap();
        tells.store(true, Ordering::Release);
    });
    sleep(100 * MILLI);
    assert!(!closed.load(Ordering::Acquire), "closed, but a merge still runs");
    held.let_go();
    closer.join().unwrap();
}

#[test]
fn no_more_memtables_wait_for_their_flush_than_are_allowed() {
    let disk = FailFs::default();
    let db = Arc::new(options(&disk).memtable_bytes(1024).frozen_memtables_max(2).open("store").unwrap());
    let held = Held::tables_of(&disk);
    let writer = Arc::clone(&db);
    let writer = thread::spawn(move || (0..100).for_each(|at| writer.put(&key(at), &value(at, 500)).unwrap()));
    until("a writer that waits", || db.stats().stops > 0);
    let frozen = db.stats().frozen_memtables;
    held.let_go();
    writer.join().unwrap();
    assert_eq!(frozen, 2);
}

#[test]
fn edits_wait_until_there_are_enough_or_nothing_happens_any_more() {
    let disk = FailFs::default();
    let commits = Arc::new(AtomicUsize::new(0));
    let fill = |db: &Db| {
        for at in 0..40 {
            db.put(&key(at), &value(at, 500)).unwrap();
        }
    };
    let count = |disk: &FailFs| {
        commits.store(0, Ordering::Relaxed);
        let counts = Arc::clone(&commits);
        disk.fail(move |op, path| {
            counts.fetch_add(usize::from(op == "sync" && path.contains("MANIFEST")), Ordering::Relaxed);
            None
        });
    };
    let small = |disk: &FailFs| options(disk).memtable_bytes(1024);
    let db = small(&disk).deterministic(1).open("inline").unwrap();
    fill(&db);
    count(&disk);
    fill(&db);
    assert!(db.stats().flushes > 20 && commits.load(Ordering::Relaxed) == 0, "{commits:?} commits of few bytes");

    let db = small(&disk).open("threads").unwrap();
    fill(&db);
    count(&disk);
    until("a store at rest that settles", || commits.load(Ordering::Relaxed) > 0);
}

#[test]
fn what_comes_while_tables_are_synced_is_synced_before_the_manifest_names_it() {
    let disk = FailFs::default();
    let db = Arc::new(options(&disk).memtable_bytes(1024).open("store").unwrap());
    db.put(b"first", b"1").unwrap();
    let (writer, unsynced, came) = (Arc::clone(&db), Mutex::new(BTreeSet::new()), AtomicBool::new(false));
    let named = Arc::new(Mutex::new(None));
    let found = Arc::clone(&named);
    disk.fail(move |op, path| {
        let is_table = path.ends_with(".sst");
        if op == "create" && is_table {
            unsynced.lock().unwrap().insert(path.to_owned());
        } else if op == "sync" && is_table {
            if !came.swap(true, Ordering::AcqRel) {
                // Another table is made part of the tree while the first one is synced.
                (0..4).for_each(|at| writer.put(&key(at), &value(at, 500)).unwrap());
                until("another flush", || writer.stats().flushes > 1);
            }
            unsynced.lock().unwrap().remove(path);
        } else if op == "append" && path.contains("MANIFEST") {
            found.lock().unwrap().get_or_insert(unsynced.lock().unwrap().clone());
        }
        None
    });
    db.flush().unwrap();
    disk.heal();
    assert_eq!(*named.lock().unwrap(), Some(BTreeSet::new()), "named in the manifest, but not synced");
}

#[test]
fn nobody_reads_a_write_that_is_not_synced_yet() {
    let disk = FailFs::default();
    let db = Arc::new(options(&disk).sync(SyncPolicy::Always).open("store").unwrap());
    db.put(b"key", b"old").unwrap();
    let (reader, seen) = (Arc::clone(&db), Arc::new(Mutex::new(Vec::new())));
    let sees = Arc::clone(&seen);
    disk.fail(move |op, path| {
        if op == "sync" && path.ends_with(".log") {
            let scanned = reader.iter().next().unwrap().unwrap().1;
            sees.lock().unwrap().extend([reader.get(b"key").unwrap().unwrap(), scanned]);
        }
        None
    });
    db.put(b"key", b"new").unwrap();
    disk.heal();
    let seen = seen.lock().unwrap();
    assert!(!seen.is_empty() && seen.iter().all(|value| **value == *b"old"), "{seen:?}");
}

/// A store that forgets everything at once that is flushed.
fn forgetful(disk: &FailFs) -> Options {
    options(disk).strategy(AnySettings::Fifo(FifoSettings { bytes_max: 1, ..FifoSettings::default() }))
}

#[test]
fn a_snapshot_keeps_what_a_drop_takes_away() {
    let disk = FailFs::default();
    let db = forgetful(&disk).open("store").unwrap();
    db.put(b"key", b"1").unwrap();
    let snapshot = db.snapshot();
    db.flush().unwrap();
    db.wait_idle().unwrap();
    assert_eq!((db.get(b"key").unwrap(), db.iter().count()), (None, 0), "nothing was dropped");
    assert_eq!(snapshot.get(b"key").unwrap().as_deref(), Some(&b"1"[..]));
    assert_eq!(snapshot.iter().count(), 1);
}

/// A snapshot is opened, and read twice, at every moment of a drop that comes by and by. A race.
#[test]
fn a_snapshot_that_is_opened_beside_a_drop_never_changes() {
    let disk = FailFs::default();
    let db = forgetful(&disk).open("store").unwrap();
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let reader = || {
            while !stop.load(Ordering::Acquire) {
                let snapshot = db.snapshot();
                let seen = || snapshot.get(b"key").unwrap().map(|value| value.to_vec());
                let first = seen();
                thread::yield_now();
                assert_eq!(seen(), first);
            }
        };
        let readers = [scope.spawn(reader), scope.spawn(reader)];
        for at in 0..2000 {
            db.put(b"key", &value(at, 8)).unwrap();
            db.flush().unwrap();
        }
        stop.store(true, Ordering::Release);
        readers.into_iter().for_each(|reader| reader.join().unwrap());
    });
}
