//! What several test files use.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::{Arc, Mutex};

use lsm_std::compaction_core::{AnySettings, TieredSettings};
use lsm_std::fs::{FileLock, Fs, MemFs, Purpose, ReadFile, WriteFile};
use lsm_std::{Db, Error, Options, Result, SyncPolicy, Value};

/// Says which calls fail: operation and path.
type Rule = Arc<dyn Fn(&str, &str) -> Option<ErrorKind> + Send + Sync>;

/// Files in memory, of which some calls fail.
#[derive(Clone, Default)]
pub struct FailFs {
    pub mem: MemFs,
    /// Bytes that are free, if that is bounded.
    pub free: Arc<Mutex<Option<u64>>>,
    /// Files open for reading.
    pub reading: Arc<()>,
    /// No read succeeds that covers this byte of a file whose path ends so.
    pub bad_byte: Arc<Mutex<Option<(&'static str, u64)>>>,
    rule: Arc<Mutex<Option<Rule>>>,
}

impl FailFs {
    /// From now on, calls for which `rule` names an error fail with it.
    pub fn fail(&self, rule: impl Fn(&str, &str) -> Option<ErrorKind> + Send + Sync + 'static) {
        *self.rule.lock().unwrap() = Some(Arc::new(rule));
    }

    /// From now on, nothing fails.
    pub fn heal(&self) {
        *self.rule.lock().unwrap() = None;
    }

    /// Ends the process that has `db` open: from here on nothing it does reaches the files. What it has done so far does.
    pub fn kill(&self, db: Db) {
        self.fail(|_, _| Some(ErrorKind::Other));
        drop(db);
        self.heal();
    }

    /// The files of a store whose names end in `suffix`, in order.
    pub fn files(&self, dir: impl AsRef<Path>, suffix: &str) -> Vec<std::path::PathBuf> {
        let mut names = self.mem.list(dir.as_ref()).unwrap();
        names.retain(|name| name.ends_with(suffix));
        names.sort();
        names.iter().map(|name| dir.as_ref().join(name)).collect()
    }

    fn call(&self, op: &'static str, path: &Path) -> Result<()> {
        let rule = self.rule.lock().unwrap().clone();
        match rule.as_ref().and_then(|rule| rule(op, &path.to_string_lossy())) {
            None => Ok(()),
            Some(kind) => Err(Error::io(op, path, io::Error::from(kind))),
        }
    }
}

impl std::fmt::Debug for FailFs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FailFs")
    }
}

#[derive(Debug)]
struct FailFile {
    inner: Box<dyn WriteFile>,
    path: std::path::PathBuf,
    fs: FailFs,
}

impl WriteFile for FailFile {
    /// A full disk takes half of the bytes.
    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        match self.fs.call("append", &self.path) {
            Err(error) if error.is_no_space() => self.inner.append(&bytes[..bytes.len() / 2]).and(Err(error)),
            called => called.and_then(|()| self.inner.append(bytes)),
        }
    }

    /// Has done its work if it fails.
    fn end(&mut self) -> Result<()> {
        self.inner.end()?;
        self.fs.call("end", &self.path)
    }

    fn sync(&mut self) -> Result<()> {
        self.fs.call("sync", &self.path)?;
        self.inner.sync()
    }

    fn len(&self) -> u64 {
        self.inner.len()
    }
}

#[derive(Debug)]
struct OpenFile {
    inner: Arc<dyn ReadFile>,
    path: std::path::PathBuf,
    bad_byte: Arc<Mutex<Option<(&'static str, u64)>>>,
    _one: Arc<()>,
}

impl ReadFile for OpenFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> Result<()> {
        let is_bad = |bad: &(&str, u64)| {
            self.path.to_string_lossy().ends_with(bad.0) && (offset..offset + buf.len() as u64).contains(&bad.1)
        };
        if self.bad_byte.lock().unwrap().is_some_and(|bad| is_bad(&bad)) {
            return Err(Error::io("read", &self.path, ErrorKind::Other.into()));
        }
        self.inner.read_at(buf, offset)
    }

    fn len(&self) -> u64 {
        self.inner.len()
    }
}

impl Fs for FailFs {
    fn create(&self, path: &Path, purpose: Purpose) -> Result<Box<dyn WriteFile>> {
        self.call("create", path)?;
        let inner = self.mem.create(path, purpose)?;
        Ok(Box::new(FailFile { inner, path: path.to_path_buf(), fs: self.clone() }))
    }

    fn reuse(&self, from: &Path, to: &Path, purpose: Purpose) -> Result<Box<dyn WriteFile>> {
        self.call("reuse", to)?;
        self.remove(from)?;
        self.create(to, purpose)
    }

    fn append(&self, path: &Path, len: u64, purpose: Purpose) -> Result<Box<dyn WriteFile>> {
        self.call("cut", path)?;
        let inner = self.mem.append(path, len, purpose)?;
        Ok(Box::new(FailFile { inner, path: path.to_path_buf(), fs: self.clone() }))
    }

    fn open(&self, path: &Path, purpose: Purpose) -> Result<Arc<dyn ReadFile>> {
        self.call("open", path)?;
        let (inner, path) = (self.mem.open(path, purpose)?, path.to_path_buf());
        Ok(Arc::new(OpenFile { inner, path, bad_byte: Arc::clone(&self.bad_byte), _one: Arc::clone(&self.reading) }))
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        self.call("rename", from)?;
        self.mem.rename(from, to)
    }

    fn remove(&self, path: &Path) -> Result<()> {
        self.call("remove", path)?;
        self.mem.remove(path)
    }

    fn list(&self, dir: &Path) -> Result<Vec<String>> {
        self.mem.list(dir)
    }

    fn create_dir_all(&self, dir: &Path) -> Result<()> {
        self.mem.create_dir_all(dir)
    }

    fn sync_dir(&self, dir: &Path) -> Result<()> {
        self.call("sync_dir", dir)?;
        self.mem.sync_dir(dir)
    }

    fn lock(&self, path: &Path) -> Result<Box<dyn FileLock>> {
        self.mem.lock(path)
    }

    fn free_bytes(&self, dir: &Path) -> Result<u64> {
        self.call("free_bytes", dir)?;
        self.free.lock().unwrap().map_or_else(|| self.mem.free_bytes(dir), Ok)
    }

    fn link(&self, from: &Path, to: &Path) -> Result<()> {
        self.call("link", from)?;
        self.mem.link(from, to)
    }

    fn exists(&self, path: &Path) -> Result<bool> {
        self.mem.exists(path)
    }

    fn file_len(&self, path: &Path) -> Result<u64> {
        self.mem.file_len(path)
    }
}

/// Pairs as vectors; the first error fails the test.
pub fn pairs(range: impl Iterator<Item = Result<(Value, Value)>>) -> Vec<(Vec<u8>, Vec<u8>)> {
    range.map(|pair| pair.map(|(key, value)| (key.to_vec(), value.to_vec())).unwrap()).collect()
}

/// A key that sorts as its number.
pub fn key(at: u64) -> Vec<u8> {
    format!("key{at:08}").into_bytes()
}

/// A value of `len` bytes that depends on `seed`.
pub fn value(seed: u64, len: usize) -> Vec<u8> {
    let mut x = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let next = |_| {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        x as u8
    };
    (0..len).map(next).collect()
}

/// Tiered, of so many similar runs at a time.
pub fn tiered(width: u32) -> AnySettings {
    AnySettings::Tiered(TieredSettings { min_merge_width: width, table_bytes_max: 8192, ..Default::default() })
}

/// Options with small memtables.
pub fn small(strategy: AnySettings) -> Options {
    Options::new().strategy(strategy).memtable_bytes(4096).sync(SyncPolicy::Never)
}

/// Bytes of the files in `dir` by suffix.
pub fn usage(dir: &Path) -> BTreeMap<String, u64> {
    let mut usage = BTreeMap::new();
    for entry in fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().to_string_lossy().into_owned();
        let kind = name.rsplit_once('.').map_or(name.split('-').next().unwrap_or(&name), |(_, suffix)| suffix);
        *usage.entry(kind.to_owned()).or_default() += entry.metadata().unwrap().len();
    }
    usage
}
