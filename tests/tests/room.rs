//! What a store takes of memory, files and disk, and what it does where there is no more.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use compaction_core::{AnySettings, LeveledSettings, TieredSettings};
use lsm_std::fs::{FileLock, Fs, MemFs, Purpose, ReadFile, WriteFile};
use lsm_std::{Batch, Db, Options, Result, SyncPolicy};

fn key(at: u64) -> [u8; 8] {
    at.to_be_bytes()
}

/// Tables in `dir` that this process has open, and how many files there in all.
fn open_files(dir: &Path) -> (usize, usize) {
    let links = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
    let open = links.filter_map(|link| std::fs::read_link(link.path()).ok()).filter(|to| to.starts_with(dir));
    let open: Vec<_> = open.map(|path| path.to_string_lossy().into_owned()).collect();
    (open.iter().filter(|path| path.contains(".sst")).count(), open.len())
}

#[test]
fn opening_a_store_of_two_thousand_tables_reads_none_of_them() {
    let fs = Arc::new(MemFs::new());
    let options = || Options::new().strategy(AnySettings::Idle).memtable_bytes(1024).deterministic(1).fs(fs.clone());
    let db = options().open("store").unwrap();
    let mut at = 0;
    while db.stats().flushes < 2_000 {
        db.put(&key(at * 7919 % 100_000), &[1; 100]).unwrap();
        at += 1;
    }
    db.close().unwrap();
    let db = options().open("store").unwrap();
    assert!(db.runs().len() >= 2_000);
    let stats = db.stats();
    for purpose in [Purpose::Read, Purpose::Merge, Purpose::Flush, Purpose::Other] {
        assert_eq!((stats.io(purpose).reads, stats.io(purpose).written_bytes), (0, 0), "{purpose:?}");
    }
    assert_eq!(db.get(&key(0)).unwrap().unwrap(), [1; 100]);
}

#[test]
fn no_more_files_are_open_than_the_option_says_and_the_few_that_are_written() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().canonicalize().unwrap();
    let options = || {
        let idle = Options::new().strategy(AnySettings::Idle).memtable_bytes(2048).sync(SyncPolicy::Never);
        idle.frozen_memtables_max(1).open_files_max(8).cache_bytes(0)
    };
    let db = options().open(&dir).unwrap();
    for at in 0..6_000 {
        db.put(&key(at * 7919 % 1_000), &[at as u8; 60]).unwrap();
    }
    db.flush().unwrap();
    let tables: usize = db.runs().iter().map(|(_, tables)| tables.len()).sum();
    assert!(tables > 200, "{tables} tables");
    let (most, others) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let look = || {
        let (tables, all) = open_files(&dir);
        most.fetch_max(tables, Ordering::Relaxed);
        others.fetch_max(all - tables, Ordering::Relaxed);
    };
    for at in 0..300 {
        db.get(&key(at * 3)).unwrap();
        look();
    }
    let mut scan = db.iter();
    while scan.next().transpose().unwrap().is_some() {
        look();
    }
    assert!(most.load(Ordering::Relaxed) <= 8, "{most:?} tables are open");
    drop(scan);
    db.close().unwrap();
    let full = AnySettings::Tiered(TieredSettings { min_merge_width: 2, ..TieredSettings::default() });
    let (done, db) = (AtomicBool::new(false), options().strategy(full).workers(1).open(&dir).unwrap());
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                look();
                std::thread::sleep(Duration::from_micros(200));
            }
        });
        db.compact_all().unwrap();
        done.store(true, Ordering::Relaxed);
    });
    // A merge keeps the files of up to 64 inputs open; beside it there is the one that it writes.
    assert!(db.runs().len() == 1 && most.load(Ordering::Relaxed) <= 8 + 64 + 2, "{most:?} tables are open");
    // The directory itself, while it is synced; the lock, the manifest, a log that goes and one that comes.
    assert!(others.load(Ordering::Relaxed) <= 5, "{others:?} other files are open");
}

/// Files in memory, on a device that takes its time for tables.
#[derive(Clone, Debug, Default)]
struct SlowFs(MemFs);

#[derive(Debug)]
struct SlowFile(Box<dyn WriteFile>);

impl WriteFile for SlowFile {
    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        std::thread::sleep(Duration::from_millis(5));
        self.0.append(bytes)
    }

    fn sync(&mut self) -> Result<()> {
        self.0.sync()
    }

    fn len(&self) -> u64 {
        self.0.len()
    }
}

impl Fs for SlowFs {
    fn create(&self, path: &Path, purpose: Purpose) -> Result<Box<dyn WriteFile>> {
        let file = self.0.create(path, purpose)?;
        let is_table = matches!(purpose, Purpose::Flush | Purpose::Merge);
        Ok(if is_table { Box::new(SlowFile(file)) } else { file })
    }

    fn append(&self, path: &Path, len: u64, purpose: Purpose) -> Result<Box<dyn WriteFile>> {
        self.0.append(path, len, purpose)
    }

    fn open(&self, path: &Path, purpose: Purpose) -> Result<Arc<dyn ReadFile>> {
        self.0.open(path, purpose)
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        self.0.rename(from, to)
    }

    fn remove(&self, path: &Path) -> Result<()> {
        self.0.remove(path)
    }

    fn list(&self, dir: &Path) -> Result<Vec<String>> {
        self.0.list(dir)
    }

    fn create_dir_all(&self, dir: &Path) -> Result<()> {
        self.0.create_dir_all(dir)
    }

    fn sync_dir(&self, dir: &Path) -> Result<()> {
        self.0.sync_dir(dir)
    }

    fn lock(&self, path: &Path) -> Result<Box<dyn FileLock>> {
        self.0.lock(path)
    }

    fn free_bytes(&self, dir: &Path) -> Result<u64> {
        self.0.free_bytes(dir)
    }

    fn link(&self, from: &Path, to: &Path) -> Result<()> {
        self.0.link(from, to)
    }

    fn exists(&self, path: &Path) -> Result<bool> {
        self.0.exists(path)
    }

    fn file_len(&self, path: &Path) -> Result<u64> {
        self.0.file_len(path)
    }
}

#[test]
fn memory_stays_in_its_budget_with_four_writers_and_slow_merges() {
    const MEMTABLE_BYTES: u64 = 32 << 10;
    const CACHE_BYTES: u64 = 64 << 10;
    let leveled = LeveledSettings { base_bytes: 128 << 10, table_bytes_max: MEMTABLE_BYTES, ..Default::default() };
    let options = Options::new().strategy(AnySettings::Leveled(leveled)).memtable_bytes(MEMTABLE_BYTES);
    let options = options.frozen_memtables_max(2).cache_bytes(CACHE_BYTES).sync(SyncPolicy::Never);
    let db = options.fs(Arc::new(SlowFs::default())).open("store").unwrap();
    let (most, left) = (AtomicU64::new(0), AtomicU64::new(4));
    std::thread::scope(|scope| {
        for writer in 0..4u64 {
            let (db, left) = (&db, &left);
            scope.spawn(move || {
                for at in 0..2_500 {
                    db.put(&key((at * 4 + writer) * 7919 % 5_000), &[at as u8; 200]).unwrap();
                    db.get(&key(at)).unwrap();
                }
                left.fetch_sub(1, Ordering::Relaxed);
            });
        }
        while left.load(Ordering::Relaxed) > 0 {
            let stats = db.stats();
            most.fetch_max(stats.memtable_bytes, Ordering::Relaxed);
            assert!(stats.cache.bytes <= CACHE_BYTES, "{:?}", stats.cache);
            std::thread::sleep(Duration::from_micros(300));
        }
    });
    let stats = db.stats();
    assert!(stats.stops > 0 && stats.flushes > 20, "{stats:?}");
    // The active one, two frozen ones, and what four writers put into it before the first sees that it is full.
    let most = most.load(Ordering::Relaxed);
    assert!(most <= 3 * MEMTABLE_BYTES + 4 * 512, "{most} bytes in memtables");
    db.wait_idle().unwrap();
}

#[test]
fn a_million_tiny_keys_and_the_empty_one_come_back() {
    let dir = tempfile::tempdir().unwrap();
    let open = || Options::new().sync(SyncPolicy::Never).memtable_bytes(8 << 20).open(dir.path()).unwrap();
    let db = open();
    for thousand in 0..1_000u32 {
        let mut batch = Batch::new();
        for at in thousand * 1_000..thousand * 1_000 + 1_000 {
            batch.put(&at.wrapping_mul(7919).rem_euclid(1 << 24).to_be_bytes()[1..], b"");
        }
        db.write(batch).unwrap();
    }
    db.put(b"", b"").unwrap();
    db.close().unwrap();
    let db = open();
    let mut last: Option<Vec<u8>> = None;
    for pair in db.iter() {
        let (key, value) = pair.unwrap();
        assert!(value.is_empty() && last.as_deref().is_none_or(|last| *last < *key));
        last = Some(key.to_vec());
    }
    assert_eq!(db.iter().count(), 1_000_001);
    assert_eq!(db.get(b"").unwrap().as_deref(), Some(&b""[..]));
}

/// A file system of its own in memory, as large as is said; `None`, loudly, where this process may not mount one.
struct Mounted(PathBuf);

impl Mounted {
    fn new(bytes: u64) -> Option<(tempfile::TempDir, Self)> {
        let dir = tempfile::tempdir().unwrap();
        let size = format!("size={bytes}");
        let done = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(dir.path()).output();
        if done.as_ref().is_ok_and(|done| done.status.success()) {
            let path = dir.path().to_path_buf();
            return Some((dir, Self(path)));
        }
        eprintln!("SKIPPED: no file system can be mounted here: {done:?}");
        None
    }

    fn remount(&self, how: &str) {
        let done = Command::new("mount").args(["-o", &format!("remount,{how}")]).arg(&self.0).status().unwrap();
        assert!(done.success());
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // Lazily: a failed test may have files open there.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_store_on_a_full_disk_goes_on_when_there_is_room_again() {
    let Some((_dir, disk)) = Mounted::new(3 << 20) else { return };
    let filler = disk.0.join("filler");
    for strategy in [AnySettings::Tiered(TieredSettings::default()), AnySettings::Leveled(LeveledSettings::default())] {
        let store = disk.0.join(strategy.name());
        let open = || Options::new().strategy(strategy).memtable_bytes(32 << 10).open(&store).unwrap();
        let db = open();
        std::fs::write(&filler, vec![7; 1 << 20]).unwrap();
        let value = |at: u64| key(at.wrapping_mul(0x9E37_79B9_7F4A_7C15)).repeat(32);
        let mut acknowledged = 0;
        let full = loop {
            match db.put(&key(acknowledged), &value(acknowledged)) {
                Ok(()) => acknowledged += 1,
                Err(error) => break error,
            }
            assert!(acknowledged < 20_000, "the disk is never full");
        };
        assert!(full.is_no_space(), "{full}");
        let check = |db: &Db, count: u64| {
            for at in 0..count {
                assert_eq!(db.get(&key(at)).unwrap().as_deref(), Some(&value(at)[..]), "{at} of {count}");
            }
        };
        check(&db, acknowledged);
        std::fs::remove_file(&filler).unwrap();
        // Writers may be told of a flush that failed before it is tried again.
        let mut more = acknowledged;
        for _ in 0..600 {
            match db.put(&key(more), &value(more)) {
                Ok(()) => more += 1,
                Err(error) => {
                    assert!(error.is_no_space(), "{error}");
                    std::thread::sleep(Duration::from_millis(20));
                }
            }
            if more == acknowledged + 200 {
                break;
            }
        }
        assert_eq!(more, acknowledged + 200, "the store does not go on");
        check(&db, more);
        db.close().unwrap();
        check(&open(), more);
        std::fs::remove_dir_all(&store).unwrap();
    }
}

#[test]
fn a_store_on_a_read_only_disk_is_refused_by_name_and_can_be_looked_at_checked_and_repaired() {
    let Some((_dir, disk)) = Mounted::new(3 << 20) else { return };
    let store = disk.0.join("store");
    let db = Options::new().open(&store).unwrap();
    db.put(b"key", b"value").unwrap();
    db.flush().unwrap();
    db.close().unwrap();
    disk.remount("ro");
    let refused = Options::new().open(&store).unwrap_err().to_string();
    assert!(refused.contains("store/") && refused.contains("Read-only file system"), "{refused}");
    let refused = Options::new().open(disk.0.join("new")).unwrap_err().to_string();
    assert!(refused.contains("new") && refused.contains("Read-only file system"), "{refused}");
    let looked = lsm_tool::store::look(&store).unwrap();
    assert_eq!(looked.get(b"key").unwrap().as_deref(), Some(&b"value"[..]));
    looked.close().unwrap();
    assert_eq!(Options::new().verify(&store).unwrap().tables, 1);
    let saved = tempfile::tempdir().unwrap();
    assert_eq!(Options::new().repair(&store, saved.path()).unwrap().keys, 1);
    disk.remount("rw");
    assert_eq!(Options::new().open(&store).unwrap().get(b"key").unwrap().as_deref(), Some(&b"value"[..]));
}
