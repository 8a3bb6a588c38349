//! Models of an open store's threads, which loom runs in every order of steps with few forced switches.
//!
//! The store is a real one on files in memory. A wait for the bell has no end in them: whoever waits must be woken, no clock helps.

use std::sync::Arc;

use compaction_core::{AnySettings, FifoSettings, Full, TieredSettings};

use crate::cache::Asked;
use crate::commit::Committer;
use crate::engine::{LogSink, recover};
use crate::fs::MemFs;
use crate::sync::thread;
use crate::{Batch, Db, Options, SyncPolicy};

/// Fills a memtable of the models.
const FULL: [u8; 1100] = [7; 1100];

/// Every interleaving of `test` with at most so many forced switches, counted from its call of [`loom::explore`] on.
fn model(switches: usize, test: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(switches);
    builder.max_branches = 100_000;
    builder.expect_explicit_explore = true;
    builder.check(test);
}

fn options(fs: &MemFs) -> Options {
    let options = Options::new().fs(Arc::new(fs.clone())).sync(SyncPolicy::Never).workers(1);
    options.memtable_bytes(1024).frozen_memtables_max(1).filter_bits(0).cache_bytes(0)
}

/// Has no threads of its own: who calls it works.
fn inline(fs: &MemFs) -> Db {
    let merge_all = AnySettings::Full(Full { table_bytes_max: 1 << 20 });
    options(fs).strategy(merge_all).deterministic(1).open("store").unwrap()
}

/// Has a thread that flushes and one that merges any two runs.
fn threaded(options: Options) -> Db {
    let merge_two = TieredSettings { min_merge_width: 2, ..TieredSettings::default() };
    options.strategy(AnySettings::Tiered(merge_two)).open("store").unwrap()
}

/// A store with a value in a table, twice: for a writer and for who reads beside it. From here on all orders are explored.
fn with_a_reader() -> (Arc<Db>, Arc<Db>) {
    let db = Arc::new(inline(&MemFs::new()));
    db.put(b"k", &[1]).unwrap();
    db.flush().unwrap();
    loom::explore();
    (Arc::clone(&db), db)
}

/// The first byte of the value of `key`.
fn get(db: &Db, key: &[u8]) -> Option<u8> {
    db.get(key).unwrap().map(|value| value[0])
}

#[test]
fn loom_a_read_finds_what_was_written_before_it_while_flushes_and_merges_are_installed() {
    model(4, || {
        let (db, reader) = with_a_reader();
        let reader = thread::spawn(move || {
            let [first, second] = [(); 2].map(|()| get(&reader, b"k").expect("it was never deleted"));
            assert!(first <= second, "{second} after {first}");
        });
        db.put(b"k", &[2]).unwrap();
        db.flush().unwrap();
        assert_eq!(get(&db, b"k"), Some(2));
        reader.join().unwrap();
        loom::stop_exploring();
    });
}

#[test]
fn loom_a_snapshot_opened_beside_a_merge_never_changes() {
    model(4, || {
        let (db, reader) = with_a_reader();
        let reader = thread::spawn(move || {
            let snapshot = reader.snapshot();
            let [first, second] = [(); 2].map(|()| snapshot.get(b"k").unwrap().map(|value| value[0]));
            assert!(first == second && first.is_some(), "{second:?} after {first:?}");
        });
        db.put(b"k", &[2]).unwrap();
        db.flush().unwrap();
        reader.join().unwrap();
        loom::stop_exploring();
    });
}

#[test]
fn loom_flushes_that_end_in_any_order_are_installed_in_their_own() {
    model(3, || {
        // Large enough for a flush each.
        let (options, value) =
            (options(&MemFs::new()).memtable_bytes(1 << 20).frozen_memtables_max(3).lz4(false), vec![0; 1 << 20]);
        let (engine, wal) = recover(options, "store".as_ref()).unwrap();
        let committer = Committer::new(LogSink::new(Arc::clone(&engine), wal));
        for key in [b"a", b"b"] {
            let mut batch = Batch::new();
            batch.put(key, &value);
            batch.put(b"k", key);
            committer.commit(batch.end().unwrap()).unwrap();
            committer.sink().rotate(true).unwrap();
        }
        loom::explore();
        let other = Arc::clone(&engine);
        let other = thread::spawn(move || while other.flush_one().unwrap() {});
        while engine.flush_one().unwrap() {}
        other.join().unwrap();
        loom::stop_exploring();
        let (view, seqno) = (engine.view.load_full(), 4);
        assert!(view.frozen.is_empty());
        assert_eq!(view.get(b"k", seqno, &mut Asked::default()).unwrap().unwrap().value, &b"b"[..]);
        engine.settle().unwrap();
        assert_eq!(engine.log_segments().len(), 1, "only the segment in use is needed");
    });
}

#[test]
fn loom_a_flush_that_is_asked_for_is_done_by_a_thread_and_told() {
    model(2, || {
        let db = threaded(options(&MemFs::new()));
        db.put(b"a", b"1").unwrap();
        loom::explore();
        db.flush().unwrap();
        loom::stop_exploring();
        assert_eq!(db.stats().flushes, 1);
    });
}

#[test]
fn loom_a_merge_that_is_waited_for_is_told() {
    model(2, || {
        let fs = MemFs::new();
        let idle = options(&fs).strategy(AnySettings::Idle).deterministic(1).open("store").unwrap();
        for at in 1..=2 {
            idle.put(b"k", &[at]).unwrap();
            flush(&idle);
        }
        idle.close().unwrap();
        let db = threaded(options(&fs));
        loom::explore();
        db.wait_idle().unwrap();
        loom::stop_exploring();
        assert_eq!(db.stats().jobs.values().map(|jobs| jobs.jobs).sum::<u64>(), 1);
    });
}

#[test]
fn loom_a_writer_that_waits_for_room_is_woken() {
    for unsettled in [0, 1 << 20] {
        model(2, move || {
            let db = threaded(options(&MemFs::new()).unsettled_bytes_max(unsettled));
            db.put(b"a", &FULL).unwrap();
            loom::explore();
            db.put(b"b", &FULL).unwrap();
            db.put(b"c", &FULL).unwrap();
            loom::stop_exploring();
            assert_eq!([b"a", b"b", b"c"].map(|key| get(&db, key)), [Some(7); 3]);
        });
    }
}

#[test]
fn loom_a_store_that_is_closed_leaves_no_thread_and_loses_nothing() {
    model(3, || {
        let fs = MemFs::new();
        let db = threaded(options(&fs));
        db.put(b"a", &FULL).unwrap();
        loom::explore();
        db.put(b"b", &FULL).unwrap();
        db.close().unwrap();
        loom::stop_exploring();
        let db = inline(&fs);
        assert_eq!(db.recovery().segments, 0);
        assert_eq!([b"a", b"b"].map(|key| get(&db, key)), [Some(7); 2]);
    });
}

/// Flushes what was written to `db`, and merges nothing.
fn flush(db: &Db) {
    db.committer.sink().rotate(false).unwrap();
    while db.engine.flush_one().unwrap() {}
}

/// A store with `k` in so many runs, one value newer than the other, twice.
fn with_runs(count: u8) -> (Arc<Db>, Arc<Db>) {
    let db = Arc::new(inline(&MemFs::new()));
    for at in 1..=count {
        db.put(b"k", &[at]).unwrap();
        flush(&db);
    }
    (Arc::clone(&db), db)
}

#[test]
fn loom_a_flush_that_is_installed_beside_a_merge_is_shown_and_stays_so() {
    model(3, || {
        let (db, merger) = with_runs(2);
        db.put(b"k", &[3]).unwrap();
        db.committer.sink().rotate(false).unwrap();
        loom::explore();
        let merger = thread::spawn(move || merger.engine.compact_one());
        assert!(db.engine.flush_one().unwrap());
        assert_eq!(get(&db, b"k"), Some(3));
        merger.join().unwrap();
        loom::stop_exploring();
        assert_eq!(get(&db, b"k"), Some(3));
        let (tree, view) = (db.engine.tree(), db.engine.view.load_full());
        let shown = view.runs.newest_first().map(Arc::as_ptr);
        assert!(shown.eq(tree.shown().newest_first().map(Arc::as_ptr)), "readers see other runs than there are");
    });
}

#[test]
fn loom_flushes_and_merges_that_begin_beside_a_snapshot_keep_what_it_sees() {
    model(3, || {
        let (db, worker) = with_runs(1);
        db.put(b"m", &[1]).unwrap();
        loom::explore();
        let worker = thread::spawn(move || {
            while worker.engine.flush_one().unwrap() {}
            worker.engine.compact_one();
        });
        let snapshot = db.snapshot();
        let mut batch = Batch::new();
        batch.put(b"k", &[2]);
        batch.put(b"m", &[2]);
        db.write(batch).unwrap();
        flush(&db);
        worker.join().unwrap();
        loom::stop_exploring();
        let seen = |key: &[u8]| snapshot.get(key).unwrap().map(|value| value[0]);
        assert_eq!([seen(b"k"), seen(b"m")], [Some(1); 2]);
        assert_eq!([get(&db, b"k"), get(&db, b"m")], [Some(2); 2]);
    });
}

#[test]
fn loom_a_snapshot_opened_beside_a_drop_never_changes() {
    model(3, || {
        let fs = MemFs::new();
        inline(&fs).put(b"k", &[1]).unwrap();
        let forgets = AnySettings::Fifo(FifoSettings { bytes_max: 1, ..FifoSettings::default() });
        let db = Arc::new(options(&fs).strategy(forgets).deterministic(1).open("store").unwrap());
        let reader = Arc::clone(&db);
        loom::explore();
        let reader = thread::spawn(move || {
            let snapshot = reader.snapshot();
            let [first, second] = [(); 2].map(|()| snapshot.get(b"k").unwrap().map(|value| value[0]));
            assert_eq!(first, second);
        });
        db.engine.compact_one();
        reader.join().unwrap();
        loom::stop_exploring();
        assert_eq!(get(&db, b"k"), None, "nothing was dropped");
    });
}

#[test]
fn loom_a_checkpoint_taken_beside_a_merge_is_whole() {
    model(2, || {
        let fs = MemFs::new();
        let merge_all = AnySettings::Full(Full { table_bytes_max: 1 << 20 });
        let db =
            Arc::new(options(&fs).strategy(merge_all).unsettled_bytes_max(0).deterministic(1).open("store").unwrap());
        for at in 1..=2 {
            db.put(b"k", &[at]).unwrap();
            flush(&db);
        }
        let merger = Arc::clone(&db);
        loom::explore();
        let merger = thread::spawn(move || merger.engine.compact_one());
        db.checkpoint("copy").unwrap();
        merger.join().unwrap();
        loom::stop_exploring();
        let copy = options(&fs).deterministic(1).open("copy").unwrap();
        assert_eq!(get(&copy, b"k"), Some(2));
    });
}

#[test]
fn loom_a_scan_finds_what_was_there_when_it_began_beside_a_merge() {
    model(3, || {
        let (db, reader) = with_runs(1);
        loom::explore();
        let reader = thread::spawn(move || assert_eq!(reader.iter().count(), 1));
        db.put(b"k", &[2]).unwrap();
        flush(&db);
        db.engine.compact_one();
        reader.join().unwrap();
        loom::stop_exploring();
    });
}
