//! Files in memory, of which one call fails: for tests of what is done about it.

use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::{FileLock, Fs, MemFs, Purpose, ReadFile, Result, WriteFile};
use crate::error::Error;

/// Files in memory, of which the calls that change something are counted, and some fail.
#[derive(Clone, Debug, Default)]
pub(crate) struct FaultyFs {
    pub(crate) mem: MemFs,
    plan: Arc<Plan>,
}

/// Calls from `first` up to but not including `end` fail, counted from the first call ever.
#[derive(Debug, Default)]
struct Plan {
    calls: AtomicU64,
    first: AtomicU64,
    end: AtomicU64,
}

impl FaultyFs {
    /// Lets `good` calls pass and `bad` ones after them fail.
    pub(crate) fn fail_after(&self, good: u64, bad: u64) {
        let first = self.calls() + good;
        self.plan.first.store(first, Relaxed);
        self.plan.end.store(first.saturating_add(bad), Relaxed);
    }

    /// Calls so far.
    pub(crate) fn calls(&self) -> u64 {
        self.plan.calls.load(Relaxed)
    }
}

impl Plan {
    fn call(&self, op: &'static str, path: &Path) -> Result<()> {
        let call = self.calls.fetch_add(1, Relaxed);
        if (self.first.load(Relaxed)..self.end.load(Relaxed)).contains(&call) {
            return Err(Error::io(op, path, io::Error::from(ErrorKind::StorageFull)));
        }
        Ok(())
    }
}

impl Fs for FaultyFs {
    fn create(&self, path: &Path, purpose: Purpose) -> Result<Box<dyn WriteFile>> {
        self.plan.call("create", path)?;
        let inner = self.mem.create(path, purpose)?;
        Ok(Box::new(FaultyFile { inner, plan: self.plan.clone() }))
    }

    fn append(&self, path: &Path, len: u64, purpose: Purpose) -> Result<Box<dyn WriteFile>> {
        self.plan.call("cut", path)?;
        let inner = self.mem.append(path, len, purpose)?;
        Ok(Box::new(FaultyFile { inner, plan: self.plan.clone() }))
    }

    fn open(&self, path: &Path, purpose: Purpose) -> Result<Arc<dyn ReadFile>> {
        self.mem.open(path, purpose)
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        self.plan.call("rename", from)?;
        self.mem.rename(from, to)
    }

    fn remove(&self, path: &Path) -> Result<()> {
        self.plan.call("remove", path)?;
        self.mem.remove(path)
    }

    fn list(&self, dir: &Path) -> Result<Vec<String>> {
        self.mem.list(dir)
    }

    fn create_dir_all(&self, dir: &Path) -> Result<()> {
        self.mem.create_dir_all(dir)
    }

    fn sync_dir(&self, dir: &Path) -> Result<()> {
        self.plan.call("sync", dir)
    }

    fn lock(&self, path: &Path) -> Result<Box<dyn FileLock>> {
        self.mem.lock(path)
    }

    fn free_bytes(&self, dir: &Path) -> Result<u64> {
        self.mem.free_bytes(dir)
    }

    fn link(&self, from: &Path, to: &Path) -> Result<()> {
        self.plan.call("link", from)?;
        self.mem.link(from, to)
    }

    fn exists(&self, path: &Path) -> Result<bool> {
        self.mem.exists(path)
    }

    fn file_len(&self, path: &Path) -> Result<u64> {
        self.mem.file_len(path)
    }
}

#[derive(Debug)]
struct FaultyFile {
    inner: Box<dyn WriteFile>,
    plan: Arc<Plan>,
}

impl WriteFile for FaultyFile {
    /// A failed append leaves half of its bytes behind.
    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        let done = self.plan.call("append", Path::new(""));
        let written = if done.is_ok() { bytes.len() } else { bytes.len() / 2 };
        self.inner.append(&bytes[..written])?;
        done
    }

    fn sync(&mut self) -> Result<()> {
        self.plan.call("sync", Path::new(""))
    }

    fn len(&self) -> u64 {
        self.inner.len()
    }
}
