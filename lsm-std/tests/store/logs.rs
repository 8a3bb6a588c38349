//! Damage to the log of a store that was killed, and segments that are missing.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use lsm_std::compaction_core::AnySettings;
use lsm_std::fs::{Fs, MemFs};
use lsm_std::{Cut, Db, Error, Options, Result, SyncPolicy};

use crate::common::{FailFs, key, pairs, value};

const BATCHES: u64 = 30;

/// A store killed with all its batches in several segments of the log, and none in tables.
struct Killed {
    files: Vec<(PathBuf, Vec<u8>)>,
    logs: Vec<PathBuf>,
    /// Where each batch starts: segment and offset.
    starts: Vec<(usize, u64)>,
    /// Bytes of each batch in the log.
    record: usize,
    sync: SyncPolicy,
}

fn options(disk: Arc<dyn Fs>, sync: SyncPolicy) -> Options {
    with_segments(disk, sync, 0)
}

fn with_segments(disk: Arc<dyn Fs>, sync: SyncPolicy, bytes: u64) -> Options {
    let options = Options::new().strategy(AnySettings::Idle).deterministic(1).sync(sync).memtable_bytes(1024);
    options.frozen_memtables_max(100).log_segment_bytes(bytes).fs(disk)
}

impl Killed {
    fn new(sync: SyncPolicy) -> Self {
        Self::of_segments(sync, 0)
    }

    /// As [`new`](Self::new); segments of more than 0 bytes say that they were given room, though there was none to give.
    fn of_segments(sync: SyncPolicy, bytes: u64) -> Self {
        let disk = FailFs::default();
        disk.fail(|op, path| (op == "create" && path.ends_with(".sst")).then_some(ErrorKind::StorageFull));
        let db = with_segments(Arc::new(disk.clone()), sync, bytes).open("store").unwrap();
        let mut starts = Vec::new();
        for at in 0..BATCHES {
            db.put(&key(at), &value(at, 100)).unwrap();
            let logs = disk.files("store", ".log");
            let len = disk.mem.bytes(&logs[logs.len() - 1]).unwrap().len() as u64;
            starts.push((logs.len() - 1, len));
        }
        let record = starts[1].1 - starts[0].1;
        starts.iter_mut().for_each(|(_, end)| *end -= record);
        disk.kill(db);
        let logs = disk.files("store", ".log");
        assert!(logs.len() >= 4);
        let files = disk.files("store", "").into_iter().map(|path| (path.clone(), disk.mem.bytes(path).unwrap()));
        Self { files: files.collect(), logs, starts, record: record as usize, sync }
    }

    fn bytes(&self, log: usize) -> Vec<u8> {
        self.files.iter().find(|(path, _)| *path == self.logs[log]).unwrap().1.clone()
    }

    /// A disk that holds the store with some logs changed, or gone.
    fn disk(&self, changed: &[(usize, Option<Vec<u8>>)]) -> MemFs {
        let disk = MemFs::new();
        disk.create_dir_all(Path::new("store")).unwrap();
        self.files.iter().for_each(|(path, bytes)| disk.set_bytes(path, bytes.clone()));
        for (log, bytes) in changed {
            match bytes {
                Some(bytes) => disk.set_bytes(&self.logs[*log], bytes.clone()),
                None => disk.remove(&self.logs[*log]).unwrap(),
            }
        }
        disk
    }

    fn open(&self, changed: &[(usize, Option<Vec<u8>>)]) -> Result<Db> {
        options(Arc::new(self.disk(changed)), self.sync).open("store")
    }

    /// The number of batches that come back, which must be a prefix, and what was cut off.
    fn prefix(&self, changed: &[(usize, Option<Vec<u8>>)]) -> Result<(u64, Vec<Cut>)> {
        let disk = Arc::new(self.disk(changed));
        let db = options(disk.clone(), self.sync).open("store")?;
        let found = pairs(db.iter());
        let expected: Vec<_> = (0..found.len() as u64).map(|at| (key(at), value(at, 100))).collect();
        assert!(found == expected, "not a prefix");
        assert_eq!(db.recovery().batches, found.len() as u64);
        db.put(b"later", b"1").unwrap();
        db.verify().unwrap();
        let cuts = db.recovery().cuts.clone();
        db.close().unwrap();
        let db = options(disk, self.sync).open("store").unwrap();
        assert_eq!((db.iter().count(), db.recovery()), (found.len() + 1, &Default::default()));
        Ok((found.len() as u64, cuts))
    }

    /// The first batch of segment `log` at byte `at` or later, and where the batch before ends.
    fn batch_at(&self, log: usize, at: usize) -> Option<u64> {
        let hit = |(of, start): &(usize, u64)| *of == log && *start <= at as u64;
        self.starts.iter().rposition(hit).map(|batch| batch as u64)
    }
}

fn assert_damaged<T>(found: Result<T>, path: &Path, offset: Option<u64>, what: &str) {
    match found {
        Err(Error::Corrupt { path: named, offset: at, .. }) => {
            assert_eq!(named, path, "{what}");
            assert!(offset.is_none_or(|offset| offset == at), "{what}: byte {at} instead of {offset:?}");
        }
        Err(other) => panic!("{what}: {other}"),
        Ok(_) => panic!("{what}: not seen"),
    }
}

const POLICIES: [SyncPolicy; 2] = [SyncPolicy::Always, SyncPolicy::Never];

#[test]
fn a_flipped_bit_before_a_whole_batch_is_an_error_that_names_the_place() {
    for (sync, bytes) in POLICIES.into_iter().flat_map(|sync| [(sync, 0), (sync, 1)]) {
        let killed = Killed::of_segments(sync, bytes);
        let last = killed.logs.len() - 1;
        for log in [0, 1, last] {
            let good = killed.bytes(log);
            for bit in 0..good.len() * 8 {
                let mut bad = good.clone();
                bad[bit / 8] ^= 1 << (bit % 8);
                let batch = killed.batch_at(log, bit / 8);
                let what = format!("{sync:?} bit {bit} of segment {log}, batch {batch:?}");
                if batch == Some(BATCHES - 1) {
                    let (count, cuts) = killed.prefix(&[(log, Some(bad))]).expect(&what);
                    assert_eq!((count, cuts.len()), (BATCHES - 1, 1), "{what}");
                    let (offset, bytes) = (killed.starts[BATCHES as usize - 1].1, good.len() as u64);
                    let cut = Cut { path: killed.logs[log].clone(), offset, bytes: bytes - offset, records: 0 };
                    assert_eq!(cuts, [cut], "{what}");
                    continue;
                }
                // A flipped bit of a seal counts as the end of the last batch.
                let found = killed.open(&[(log, Some(bad))]);
                let offset = batch.map(|batch| killed.starts[batch as usize].1);
                let seal = killed.batch_at(log, good.len()) == batch && batch.is_some();
                assert_damaged(found, &killed.logs[log], offset.filter(|_| !seal), &what);
            }
        }
    }
}

#[test]
fn a_log_torn_at_any_byte_or_with_anything_behind_is_cut_where_its_last_batch_ends() {
    for sync in POLICIES {
        let killed = Killed::new(sync);
        let last = killed.logs.len() - 1;
        let good = killed.bytes(last);
        for len in 0..=good.len() {
            let found = killed.prefix(&[(last, Some(good[..len].to_vec()))]).unwrap();
            let mut of_last = killed.starts.iter().filter(|(log, _)| *log == last);
            let before = killed.starts.len() - of_last.clone().count();
            let first = of_last.next().unwrap().1 as usize;
            let whole = len.saturating_sub(first) / killed.record;
            assert_eq!(found.0, (before + whole) as u64, "{sync:?} {len} bytes");
        }
        for tail in [vec![0; 1], vec![0; 5000], value(7, 700), vec![0xd7, b'r', b'e', b'c', 1, 2, 3]] {
            let bytes = [good.clone(), tail.clone()].concat();
            let (count, cuts) = killed.prefix(&[(last, Some(bytes))]).unwrap();
            assert_eq!((count, cuts.len()), (BATCHES, 1), "{sync:?} {} bytes behind", tail.len());
            assert_eq!((cuts[0].offset, cuts[0].bytes), (good.len() as u64, tail.len() as u64));
        }
    }
}

#[test]
fn a_missing_segment_is_an_error_under_every_policy_the_last_one_included() {
    for sync in POLICIES {
        let killed = Killed::new(sync);
        for log in 0..killed.logs.len() {
            let what = format!("{sync:?} segment {log}");
            assert_damaged(killed.open(&[(log, None)]), &killed.logs[log], Some(0), &what);
        }
        let all: Vec<_> = (0..killed.logs.len()).map(|log| (log, None)).collect();
        assert_damaged(killed.open(&all), &killed.logs[0], Some(0), "all");
    }
}

#[test]
fn bytes_of_full_segments_may_be_lost_in_a_power_cut_only_if_nothing_behind_was_synced() {
    for (sync, lost) in [(SyncPolicy::Never, true), (SyncPolicy::Always, false)] {
        let killed = Killed::new(sync);
        for log in 0..killed.logs.len() - 1 {
            let good = killed.bytes(log);
            for len in [0, 5, 24, 60, good.len() / 2, good.len() - 45, good.len() - 5] {
                let what = format!("{sync:?} segment {log} cut to {len} bytes");
                let changed = [(log, Some(good[..len].to_vec()))];
                if lost {
                    let (count, cuts) = killed.prefix(&changed).expect(&what);
                    let behind: u64 = cuts.iter().map(|cut| cut.records).sum();
                    assert!(count < BATCHES && behind > 0, "{what}: {count} left, {behind} behind");
                } else {
                    assert_damaged(killed.open(&changed), &killed.logs[log], None, &what);
                }
            }
        }
    }
}

#[test]
fn what_a_later_opening_wrote_and_synced_stands_on_a_log_that_is_durable() {
    // Written without a sync, read back after a kill, then written to with one: a power cut must not take the first part.
    let disk = FailFs::default();
    let db = options(Arc::new(disk.clone()), SyncPolicy::Never).open("store").unwrap();
    db.put(&key(0), b"unsynced").unwrap();
    disk.kill(db);
    let syncs = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&syncs);
    disk.fail(move |op, path| {
        if op == "cut" {
            seen.lock().unwrap().push(path.to_owned());
        }
        None
    });
    let db = options(Arc::new(disk.clone()), SyncPolicy::Always).open("store").unwrap();
    db.put(&key(1), b"synced").unwrap();
    let log = disk.files("store", ".log");
    assert!(log.len() == 1 && syncs.lock().unwrap().contains(&log[0].display().to_string()), "{log:?} was not synced");
    assert_eq!(db.iter().count(), 2);
}

#[test]
fn without_threads_the_log_is_synced_by_the_first_write_after_the_interval() {
    let disk = FailFs::default();
    let interval = SyncPolicy::Interval(std::time::Duration::from_millis(10));
    let db = options(Arc::new(disk.clone()), interval).memtable_bytes(1 << 20).open("store").unwrap();
    db.put(b"first", b"makes the log").unwrap();
    let syncs = Arc::new(Mutex::new(0));
    let seen = Arc::clone(&syncs);
    disk.fail(move |op, path| {
        *seen.lock().unwrap() += usize::from(op == "sync" && path.ends_with(".log"));
        None
    });
    for at in 0..100u64 {
        db.put(&key(at), b"1").unwrap();
    }
    assert_eq!(*syncs.lock().unwrap(), 10, "a batch is a millisecond");
}

#[test]
fn a_sync_reaches_every_segment_that_was_written_to() {
    let disk = FailFs::default();
    let dirty = Arc::new(Mutex::new(BTreeSet::new()));
    let noted = Arc::clone(&dirty);
    disk.fail(move |op, path| {
        match op {
            "append" if path.ends_with(".log") => drop(noted.lock().unwrap().insert(path.to_owned())),
            "sync" => drop(noted.lock().unwrap().remove(path)),
            _ => {}
        }
        (op == "create" && path.ends_with(".sst")).then_some(ErrorKind::StorageFull)
    });
    let db = options(Arc::new(disk.clone()), SyncPolicy::Never).open("store").unwrap();
    (0..20).for_each(|at| db.put(&key(at), &value(at, 100)).unwrap());
    assert!(dirty.lock().unwrap().len() > 1);
    db.sync().unwrap();
    assert_eq!(dirty.lock().unwrap().len(), 0, "{dirty:?}");
    disk.heal();
}

#[test]
fn a_sync_covers_a_segment_that_becomes_full_while_it_runs() {
    let disk = FailFs::default();
    let open = options(Arc::new(disk.clone()), SyncPolicy::Never).open("store");
    let db = Arc::new(open.unwrap());
    let put = |from: u64| (from..from + 20).for_each(|at| db.put(&key(at), &value(at, 100)).unwrap());
    let dirty = Arc::new(Mutex::new(BTreeSet::new()));
    let (noted, writer, first) = (Arc::clone(&dirty), Arc::clone(&db), AtomicBool::new(true));
    disk.fail(move |op, path| {
        if op == "create" && path.ends_with(".sst") {
            return Some(ErrorKind::StorageFull);
        }
        if op == "append" && path.ends_with(".log") {
            noted.lock().unwrap().insert(path.to_owned());
        }
        if op == "sync" && path.ends_with(".log") {
            noted.lock().unwrap().remove(path);
            if first.swap(false, Ordering::Relaxed) {
                (100..120).for_each(|at| writer.put(&key(at), &value(at, 100)).unwrap());
            }
        }
        None
    });
    put(0);
    assert!(dirty.lock().unwrap().len() > 1);
    db.sync().unwrap();
    assert_eq!(dirty.lock().unwrap().len(), 0, "{dirty:?}");
    disk.heal();
}

#[test]
fn the_log_stays_small_however_small_the_tables_are_that_it_becomes() {
    let disk = FailFs::default();
    let options = options(Arc::new(disk.clone()), SyncPolicy::Never).frozen_memtables_max(1);
    let db = options.memtable_bytes(16 << 10).unsettled_bytes_max(64 << 10).open("store").unwrap();
    for at in 0..1000 {
        db.put(&key(at), &[0; 1000]).unwrap();
        let logs = disk.files("store", ".log").into_iter();
        let bytes: usize = logs.map(|log| disk.mem.bytes(log).unwrap().len()).sum();
        assert!(bytes <= (64 + 3 * 16) << 10, "{bytes} bytes of log after {at} writes");
    }
}
