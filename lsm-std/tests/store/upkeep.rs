//! What a store does for itself: merges that become possible, names that must last, numbers, checkpoints.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use lsm_std::compaction_core::{AnySettings, LeveledSettings, TieredSettings};
use lsm_std::fs::Fs;
use lsm_std::{Batch, Db, Error, Options, Stats, SyncPolicy};
use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};

use crate::common::{FailFs, key, pairs, value};

fn options(disk: &FailFs) -> Options {
    Options::new().strategy(AnySettings::Idle).sync(SyncPolicy::Never).fs(Arc::new(disk.clone()))
}

/// Waits until the threads have nothing more to do, and have made what they did durable.
fn rests(db: &Db) {
    db.wait_idle().unwrap();
    std::thread::sleep(Duration::from_millis(300));
}

fn rests_soon(db: &Arc<Db>) -> bool {
    let (done, rests) = channel();
    let db = Arc::clone(db);
    std::thread::spawn(move || done.send(db.wait_idle()));
    rests.recv_timeout(Duration::from_secs(20)).is_ok_and(|rests| rests.is_ok())
}

#[test]
fn deletes_that_a_snapshot_held_go_when_it_is_dropped() {
    let disk = FailFs::default();
    let strategy = AnySettings::Leveled(LeveledSettings::default());
    let db = Arc::new(options(&disk).strategy(strategy).open("store").unwrap());
    for at in 0..100 {
        db.put(&key(at), b"1").unwrap();
    }
    db.compact_all().unwrap();
    let snapshot = db.snapshot();
    for at in 0..100 {
        db.delete(&key(at)).unwrap();
    }
    db.flush().unwrap();
    rests(&db);
    assert!(db.stats().table_bytes() > 0);
    drop(snapshot);
    assert!(rests_soon(&db), "{:?}", db.stats());
    assert_eq!(db.stats().table_bytes(), 0);
}

#[test]
fn merges_go_on_when_there_is_room_again() {
    let disk = FailFs::default();
    let strategy = AnySettings::Tiered(TieredSettings { min_merge_width: 2, ..Default::default() });
    let db = Arc::new(options(&disk).strategy(strategy).open("store").unwrap());
    *disk.free.lock().unwrap() = Some(0);
    for at in 0..3 {
        db.put(&key(at), b"1").unwrap();
        db.flush().unwrap();
    }
    rests(&db);
    assert_eq!(db.stats().levels[0].runs, 3);
    *disk.free.lock().unwrap() = None;
    assert!(rests_soon(&db), "{:?}", db.stats());
    assert!(db.stats().levels[0].runs < 3);
}

/// The directories that are synced from now on.
fn synced(disk: &FailFs) -> Arc<Mutex<Vec<String>>> {
    let paths = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&paths);
    disk.fail(move |op, path| {
        if op == "sync_dir" {
            noted.lock().unwrap().push(path.to_owned());
        }
        None
    });
    paths
}

#[test]
fn the_name_of_a_new_directory_is_durable_and_so_are_those_above_it() {
    let disk = FailFs::default();
    let made = |act: &dyn Fn(), dirs: &[&str]| {
        let synced = synced(&disk);
        act();
        let synced = synced.lock().unwrap();
        assert!(dirs.iter().all(|dir| synced.iter().any(|synced| synced == dir)), "{dirs:?}: {synced:?}");
    };
    made(&|| drop(options(&disk).open("store").unwrap()), &[""]);
    made(&|| drop(options(&disk).open("a/b/c").unwrap()), &["", "a", "a/b"]);
    let db = options(&disk).open("a/b/c").unwrap();
    made(&|| db.checkpoint("x/y/z").unwrap(), &["", "x", "x/y"]);
    made(&|| db.checkpoint("x/w").unwrap(), &["x"]);
    disk.mem.create_dir_all(Path::new("left/by/crash")).unwrap();
    made(&|| drop(options(&disk).open("left/by/crash").unwrap()), &["left/by"]);
    let synced = synced(&disk);
    drop(options(&disk).open("store").unwrap());
    assert!(synced.lock().unwrap().iter().all(|dir| dir == "store"), "{synced:?}");
}

#[test]
fn a_table_of_the_right_number_that_is_not_the_one_the_manifest_names_is_seen() {
    let disk = FailFs::default();
    let db = options(&disk).open("store").unwrap();
    db.put(b"a", b"1").unwrap();
    db.checkpoint("copy").unwrap();
    let copy = options(&disk).open("copy").unwrap();
    for at in 0..6 {
        db.put(&key(at), b"store").unwrap();
        db.flush().unwrap();
        copy.put(&key(at), b"copy").unwrap();
        copy.flush().unwrap();
    }
    drop((db, copy));
    let bytes = |dir: &str, name: &str| disk.mem.bytes(Path::new(dir).join(name));
    let names = disk.mem.list(Path::new("store")).unwrap().into_iter().filter(|name| name.ends_with(".sst"));
    let differs = |name: &String| bytes("copy", name).is_some_and(|copy| Some(copy) != bytes("store", name));
    let name = names.filter(differs).max().unwrap();
    disk.mem.set_bytes(Path::new("store").join(&name), bytes("copy", &name).unwrap());
    let names_it = |error: &Error| matches!(error, Error::Corrupt { path, .. } if path.ends_with(&name));
    let db = options(&disk).open("store").unwrap();
    assert!((0..6).any(|at| db.get(&key(at)).is_err_and(|error| names_it(&error))));
    assert!(db.verify().is_err_and(|error| names_it(&error)));
}

#[test]
fn a_file_number_is_used_once_though_the_store_is_killed_twice() {
    let disk = FailFs::default();
    let open = || options(&disk).memtable_bytes(1024).deterministic(1).open("store").unwrap();
    let db = open();
    for at in 0..50 {
        db.put(&key(at), &value(at, 100)).unwrap();
    }
    disk.kill(db);
    let first = disk.files("store", ".sst");
    assert!(first.len() > 3);
    disk.kill(open());
    let db = open();
    db.flush().unwrap();
    let again = disk.files("store", ".sst");
    assert!(!again.is_empty() && again.iter().all(|path| !first.contains(path)), "{first:?} {again:?}");
    assert_eq!(db.iter().count(), 50);
}

#[test]
fn a_checkpoint_that_fails_half_way_can_be_made_again() {
    let disk = FailFs::default();
    let db = options(&disk).open("store").unwrap();
    for at in 0..5 {
        db.put(&key(at), b"1").unwrap();
        db.flush().unwrap();
    }
    let last = disk.files("store", ".sst").pop().unwrap();
    let last = last.to_string_lossy().into_owned();
    let rules: [(&str, &str); 5] =
        [("link", &last), ("sync_dir", "copy"), ("create", "copy/MANIFEST"), ("sync", "copy/"), ("rename", "copy/")];
    for (failing, prefix) in rules {
        let prefix = prefix.to_owned();
        disk.fail(move |op, path| (op == failing && path.starts_with(&prefix)).then_some(ErrorKind::Other));
        assert!(db.checkpoint("copy").is_err(), "{failing}");
        disk.heal();
        assert_eq!(disk.mem.list(Path::new("copy")).unwrap(), [""; 0], "{failing}");
    }
    db.checkpoint("copy").unwrap();
    assert_eq!(pairs(options(&disk).open("copy").unwrap().iter()), pairs(db.iter()));
}

#[test]
fn a_checkpoint_names_no_table_that_is_not_synced_though_the_store_goes_on_meanwhile() {
    let disk = FailFs::default();
    let db = Arc::new(options(&disk).memtable_bytes(1024).open("store").unwrap());
    let (writer, unsynced) = (Arc::clone(&db), Mutex::new(BTreeSet::new()));
    let linked = Arc::new(Mutex::new((0, 0)));
    let counted = Arc::clone(&linked);
    disk.fail(move |op, path| {
        let mut unsynced = unsynced.lock().unwrap();
        if op == "create" && path.ends_with(".sst") {
            unsynced.insert(path.to_owned());
        } else if op == "sync" {
            unsynced.remove(path);
        } else if op == "link" {
            let mut counted = counted.lock().unwrap();
            *counted = (counted.0 + 1, counted.1 + usize::from(unsynced.contains(path)));
        }
        drop(unsynced);
        if op == "sync_dir" && path == "copies" {
            // The checkpoint has flushed: these come later, and are flushed too.
            (0..9).for_each(|at| writer.put(&key(at), &value(at, 500)).unwrap());
            let is_flushed = |stats: Stats| stats.flushes > 1 && stats.frozen_memtables == 0;
            while !is_flushed(writer.stats()) {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        None
    });
    db.put(b"first", b"1").unwrap();
    db.checkpoint("copies/one").unwrap();
    disk.heal();
    let (tables, not_synced) = *linked.lock().unwrap();
    assert!(tables > 1 && not_synced == 0, "{not_synced} of {tables} tables are not synced");
    assert!(options(&disk).open("copies/one").unwrap().iter().count() > 3);
}

#[test]
fn a_merge_takes_no_file_away_while_a_checkpoint_links_it() {
    let disk = FailFs::default();
    let db = Arc::new(options(&disk).open("store").unwrap());
    for value in [b"1", b"2", b"3"] {
        db.put(b"key", value).unwrap();
        db.flush().unwrap();
    }
    let (merger, merged) = (Arc::clone(&db), Mutex::new(false));
    disk.fail(move |op, _| {
        if op == "link" && !std::mem::replace(&mut *merged.lock().unwrap(), true) {
            merger.compact_all().unwrap();
        }
        None
    });
    db.checkpoint("copy").unwrap();
    disk.heal();
    assert_eq!((disk.files("copy", ".sst").len(), disk.files("store", ".sst").len()), (3, 1));
    assert_eq!(pairs(options(&disk).open("copy").unwrap().iter()), pairs(db.iter()));
}

/// Entries and tombstones in all tables.
fn held(db: &Db) -> (u64, u64) {
    db.stats().levels.iter().fold((0, 0), |sum, level| (sum.0 + level.entries, sum.1 + level.tombstones))
}

#[test]
fn a_full_merge_takes_out_old_versions_that_a_snapshot_held() {
    let db = options(&FailFs::default()).open("store").unwrap();
    db.put(b"k", b"1").unwrap();
    let snapshot = db.snapshot();
    db.put(b"k", b"2").unwrap();
    db.compact_all().unwrap();
    assert_eq!(held(&db), (2, 0));
    drop(snapshot);
    db.compact_all().unwrap();
    assert_eq!(held(&db), (1, 0));
}

#[test]
fn a_full_merge_takes_out_deletes_of_tables_that_no_newer_run_meets() {
    let db = options(&FailFs::default()).open("store").unwrap();
    for key in [b"x", b"y", b"z"] {
        db.put(key, b"1").unwrap();
    }
    let snapshot = db.snapshot();
    db.delete(b"x").unwrap();
    db.compact_all().unwrap();
    assert_eq!(held(&db), (4, 1));
    drop(snapshot);
    db.put(b"a", b"1").unwrap();
    db.put(b"b", b"1").unwrap();
    db.compact_all().unwrap();
    assert_eq!(held(&db), (4, 0));
    assert_eq!(db.iter().count(), 4);
}

#[test]
fn a_merge_of_hundreds_of_runs_keeps_few_files_open_and_waits_for_room_to_open_them() {
    let disk = FailFs::default();
    let options = options(&disk).memtable_bytes(1024).frozen_memtables_max(1);
    let db = options.open_files_max(8).open("store").unwrap();
    for at in 0..500 {
        // All tables meet.
        let mut batch = Batch::new();
        batch.put(&key(at), b"1");
        batch.put(&key(1000 - at), &value(at, 1000));
        db.write(batch).unwrap();
    }
    db.flush().unwrap();
    // What `flush` freezes may go with the one before it.
    assert!(db.stats().levels[0].runs >= 499);
    disk.fail(|op, path| (op == "open" && path.ends_with(".sst")).then_some(ErrorKind::Other));
    assert!(db.compact_all().is_err());
    let reading = Arc::clone(&disk.reading);
    disk.fail(move |op, _| (op == "open" && Arc::strong_count(&reading) > 40).then_some(ErrorKind::Other));
    db.put(b"more", b"1").unwrap();
    db.compact_all().unwrap();
    assert_eq!((db.stats().levels[0].runs, db.iter().count()), (1, 1001));
}

/// Notes which metrics there are.
#[derive(Default)]
struct Names(Mutex<BTreeSet<String>>);

impl Names {
    fn note(&self, key: &Key) {
        self.0.lock().unwrap().insert(key.name().to_owned());
    }
}

impl Recorder for Names {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        self.note(key);
        Counter::noop()
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        self.note(key);
        Gauge::noop()
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        self.note(key);
        Histogram::noop()
    }
}

#[test]
fn flushes_jobs_and_debt_are_told_to_whoever_records_them() {
    let names = Names::default();
    metrics::with_local_recorder(&names, || {
        let pairs = AnySettings::Tiered(TieredSettings { min_merge_width: 2, ..Default::default() });
        let db = options(&FailFs::default()).strategy(pairs).deterministic(1).open("store").unwrap();
        for at in 0..8 {
            db.put(&key(at), b"1").unwrap();
            db.flush().unwrap();
        }
    });
    let told: Vec<_> = names.0.into_inner().unwrap().into_iter().collect();
    let jobs = ["lsm_job_bytes_read_total", "lsm_job_bytes_written_total", "lsm_job_micros", "lsm_jobs_total"];
    assert_eq!(
        told,
        [&["lsm_debt_bytes", "lsm_flush_bytes_total", "lsm_flushes_total"], &jobs[..], &["lsm_runs"]].concat()
    );
}
