//! Power cuts at every moment: what was not synced is lost, in part or as a whole, and the store must still be a prefix of what
//! was written.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use lsm_std::compaction_core::{AnySettings, BanditSettings, LeveledSettings, TieredSettings};
use lsm_std::fs::{FileLock, Fs, Purpose, ReadFile, WriteFile};
use lsm_std::{Batch, Db, Error, Options, Result, SyncPolicy};

use crate::common::{key, pairs, value};

/// A disk whose power goes after a number of calls.
#[derive(Clone, Debug, Default)]
struct PowerFs {
    disk: Arc<Mutex<Disk>>,
}

#[derive(Debug, Default)]
struct Disk {
    files: Vec<File>,
    names: BTreeMap<PathBuf, usize>,
    /// The names that a power cut leaves, and what was done to them since: each step may have reached the disk or not.
    durable: BTreeMap<PathBuf, usize>,
    steps: Vec<(PathBuf, Option<usize>)>,
    calls_left: u64,
}

#[derive(Clone, Debug, Default)]
struct File {
    bytes: Vec<u8>,
    synced: usize,
}

impl Disk {
    /// Counts a call; fails it once the power is gone.
    fn call(&mut self, op: &'static str, path: &Path) -> Result<()> {
        if self.calls_left == 0 {
            return Err(Error::io(op, path, io::Error::other("the power is gone")));
        }
        self.calls_left -= 1;
        Ok(())
    }

    fn file(&self, op: &'static str, path: &Path) -> Result<usize> {
        self.names.get(path).copied().ok_or_else(|| Error::io(op, path, ErrorKind::NotFound.into()))
    }

    fn set(&mut self, path: &Path, file: Option<usize>) {
        match file {
            Some(file) => self.names.insert(path.to_path_buf(), file),
            None => self.names.remove(path),
        };
        self.steps.push((path.to_path_buf(), file));
    }

    /// What is left after the cut: of unsynced bytes a part, of unsynced names some.
    fn cut(&mut self, random: &mut impl FnMut(u64) -> u64) {
        for file in &mut self.files {
            let unsynced = file.bytes.len() - file.synced;
            let kept = match random(3) {
                0 => 0,
                1 => unsynced,
                _ => random(unsynced as u64 + 1) as usize,
            };
            file.bytes.truncate(file.synced + kept);
            file.synced = file.bytes.len();
        }
        let reached = random(self.steps.len() as u64 + 1) as usize;
        for (path, file) in std::mem::take(&mut self.steps).into_iter().take(reached) {
            match file {
                Some(file) => self.durable.insert(path, file),
                None => self.durable.remove(&path),
            };
        }
        self.names = self.durable.clone();
    }
}

impl PowerFs {
    fn disk(&self) -> MutexGuard<'_, Disk> {
        self.disk.lock().unwrap()
    }
}

#[derive(Debug)]
struct Handle {
    fs: PowerFs,
    path: PathBuf,
    file: usize,
    len: u64,
}

impl WriteFile for Handle {
    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        let mut disk = self.fs.disk();
        disk.call("append", &self.path)?;
        disk.files[self.file].bytes.extend_from_slice(bytes);
        self.len += bytes.len() as u64;
        Ok(())
    }

    fn sync(&mut self) -> Result<()> {
        let mut disk = self.fs.disk();
        disk.call("sync", &self.path)?;
        let file = &mut disk.files[self.file];
        file.synced = file.bytes.len();
        Ok(())
    }

    fn len(&self) -> u64 {
        self.len
    }
}

#[derive(Debug)]
struct Unlocked;

impl FileLock for Unlocked {}

#[derive(Debug)]
struct Bytes(Vec<u8>, PathBuf);

impl ReadFile for Bytes {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> Result<()> {
        let offset = offset as usize;
        let found = self.0.get(offset..offset + buf.len());
        buf.copy_from_slice(found.ok_or_else(|| Error::io("read", &self.1, ErrorKind::UnexpectedEof.into()))?);
        Ok(())
    }

    fn len(&self) -> u64 {
        self.0.len() as u64
    }
}

impl Fs for PowerFs {
    fn create(&self, path: &Path, _: Purpose) -> Result<Box<dyn WriteFile>> {
        let mut disk = self.disk();
        disk.call("create", path)?;
        if disk.names.contains_key(path) {
            return Err(Error::io("create", path, ErrorKind::AlreadyExists.into()));
        }
        let file = disk.files.len();
        disk.files.push(File::default());
        disk.set(path, Some(file));
        Ok(Box::new(Handle { fs: self.clone(), path: path.to_path_buf(), file, len: 0 }))
    }

    fn append(&self, path: &Path, len: u64, _: Purpose) -> Result<Box<dyn WriteFile>> {
        let mut disk = self.disk();
        disk.call("cut", path)?;
        let file = disk.file("cut", path)?;
        disk.files[file].bytes.truncate(len as usize);
        disk.files[file].synced = len as usize;
        Ok(Box::new(Handle { fs: self.clone(), path: path.to_path_buf(), file, len }))
    }

    fn open(&self, path: &Path, _: Purpose) -> Result<Arc<dyn ReadFile>> {
        let disk = self.disk();
        let file = disk.file("open", path)?;
        Ok(Arc::new(Bytes(disk.files[file].bytes.clone(), path.to_path_buf())))
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        let mut disk = self.disk();
        disk.call("rename", from)?;
        let file = disk.file("rename", from)?;
        disk.set(to, Some(file));
        disk.set(from, None);
        Ok(())
    }

    fn remove(&self, path: &Path) -> Result<()> {
        let mut disk = self.disk();
        disk.call("remove", path)?;
        disk.file("remove", path)?;
        disk.set(path, None);
        Ok(())
    }

    fn list(&self, dir: &Path) -> Result<Vec<String>> {
        let disk = self.disk();
        let inside = disk.names.keys().filter(|path| path.parent() == Some(dir));
        Ok(inside.map(|path| path.file_name().unwrap().to_string_lossy().into_owned()).collect())
    }

    fn create_dir_all(&self, _: &Path) -> Result<()> {
        Ok(())
    }

    fn sync_dir(&self, dir: &Path) -> Result<()> {
        let mut disk = self.disk();
        disk.call("sync_dir", dir)?;
        disk.durable = disk.names.clone();
        disk.steps.clear();
        Ok(())
    }

    fn lock(&self, _: &Path) -> Result<Box<dyn FileLock>> {
        Ok(Box::new(Unlocked))
    }

    fn free_bytes(&self, _: &Path) -> Result<u64> {
        Ok(u64::MAX)
    }

    fn link(&self, _: &Path, to: &Path) -> Result<()> {
        Err(Error::io("link", to, ErrorKind::Unsupported.into()))
    }

    fn exists(&self, path: &Path) -> Result<bool> {
        Ok(path == Path::new("store") || self.disk().names.contains_key(path))
    }

    fn file_len(&self, path: &Path) -> Result<u64> {
        let disk = self.disk();
        let file = disk.file("length", path)?;
        Ok(disk.files[file].bytes.len() as u64)
    }
}

/// Batch `at` of every run: three keys, one of them unique to the last few batches.
fn batch(at: u64) -> Batch {
    let mut batch = Batch::new();
    batch.put(b"at", at.to_string().as_bytes());
    batch.put(&key(at * 7919 % 37), &value(at, 60 + (at % 5) as usize * 100));
    batch.delete(&key(at * 31 % 37));
    batch
}

fn model(batches: u64) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut model = BTreeMap::new();
    for at in 1..=batches {
        model.insert(b"at".to_vec(), at.to_string().into_bytes());
        model.insert(key(at * 7919 % 37), value(at, 60 + (at % 5) as usize * 100));
        model.remove(&key(at * 31 % 37));
    }
    model
}

fn strategy(seed: u64) -> AnySettings {
    let leveled = LeveledSettings { base_bytes: 4096, fanout: 3, table_bytes_max: 1500, ..Default::default() };
    match seed % 4 {
        0 => AnySettings::Tiered(TieredSettings { min_merge_width: 2, table_bytes_max: 1500, ..Default::default() }),
        1 => AnySettings::Leveled(leveled),
        2 => AnySettings::Bandit(BanditSettings { l0_runs_max: 2, table_bytes_max: 1500, ..Default::default() }),
        _ => AnySettings::Idle,
    }
}

/// Several lives of one store, each ended by a power cut.
fn lives(seed: u64, sync: SyncPolicy, threads: bool) {
    let mut x = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut random = move |below: u64| {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        (x >> 11) % below
    };
    let fs = PowerFs::default();
    let open = || -> Result<Db> {
        let options = Options::new().strategy(strategy(seed)).sync(sync).memtable_bytes(1200).table_bytes(1500);
        let options = options.frozen_memtables_max(3).log_segment_bytes(seed % 3 * 2500).fs(Arc::new(fs.clone()));
        let options = if threads { options } else { options.deterministic(seed) };
        options.open("store")
    };
    let (mut acknowledged, mut lower) = (0, 0);
    for life in 0..6 {
        fs.disk().calls_left = 20 + random(900);
        let mut next = acknowledged;
        if let Ok(db) = open() {
            let found = db.get(b"at").unwrap().map_or(0, |at| String::from_utf8_lossy(&at).parse().unwrap());
            let context =
                format!("seed {seed} life {life} {sync:?}: {found} batches of {acknowledged}, {lower} durable");
            assert!(found >= lower && found <= acknowledged + 1, "{context}");
            let expected: Vec<_> = model(found).into_iter().collect();
            assert_eq!(pairs(db.iter()), expected, "{context}");
            (acknowledged, next) = (found, found);
            for _ in 0..random(200) {
                next += 1;
                if db.write(batch(next)).is_err() {
                    break;
                }
                acknowledged = next;
                let durable = match random(100) {
                    0 => db.flush().is_ok(),
                    1 => db.sync().is_ok(),
                    _ => false,
                };
                if durable {
                    lower = next;
                }
            }
            if random(2) == 0 {
                fs.disk().calls_left = 0;
            }
            drop(db);
        }
        if sync == SyncPolicy::Always {
            lower = acknowledged;
        }
        // The batch that failed may have reached the log.
        acknowledged = acknowledged.max(next.saturating_sub(1));
        let mut disk = fs.disk();
        disk.calls_left = u64::MAX;
        disk.cut(&mut random);
    }
    let db = open().unwrap();
    db.compact_all().unwrap();
    let found = db.get(b"at").unwrap().map_or(0, |at| String::from_utf8_lossy(&at).parse().unwrap());
    assert!(found >= lower, "seed {seed}");
    assert_eq!(pairs(db.iter()), model(found).into_iter().collect::<Vec<_>>(), "seed {seed}");
    db.verify().unwrap();
}

#[test]
fn a_power_cut_takes_nothing_that_was_acknowledged_under_sync_always() {
    for seed in 0..24 {
        lives(seed, SyncPolicy::Always, false);
    }
}

#[test]
fn a_power_cut_leaves_a_prefix_of_the_batches_under_sync_never() {
    for seed in 0..24 {
        lives(seed, SyncPolicy::Never, false);
    }
}

#[test]
fn a_power_cut_with_threads_at_work_leaves_a_prefix_too() {
    for seed in 0..15 {
        let policies = [SyncPolicy::Always, SyncPolicy::Interval(Duration::from_millis(1)), SyncPolicy::Never];
        lives(seed, policies[seed as usize % 3], true);
    }
}
