//! Files that are only read: what is written lies over them, in memory.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{FileLock, Fs, MappedFile, MemFs, Purpose, ReadFile, Result, WriteFile};
use crate::error::Error;

/// The files of another layer, of which none is changed: what is made, written or removed is so for those who look through this
/// one, and is gone with it.
///
/// A store is opened this way to be read where it cannot be changed, or must not be. What opening it writes takes memory: the
/// manifest once more, and as much as a crash has left in the log. A file below is locked there, if it is there.
///
/// ```
/// use std::sync::Arc;
/// use lsm_std::Options;
/// use lsm_std::fs::{MemFs, Overlay};
///
/// let below = MemFs::new();
/// Options::new().fs(Arc::new(below.clone())).open("store")?.put(b"apple", b"red")?;
/// let db = Options::new().fs(Arc::new(Overlay::new(Arc::new(below)))).deterministic(0).open("store")?;
/// assert_eq!(db.get(b"apple")?.as_deref(), Some(&b"red"[..]));
/// # Ok::<(), lsm_std::Error>(())
/// ```
#[derive(Debug)]
pub struct Overlay {
    below: Arc<dyn Fs>,
    above: MemFs,
    /// Files that are no longer those below: written, removed or renamed since.
    changed: Mutex<BTreeSet<PathBuf>>,
}

impl Overlay {
    /// Over the files of `below`.
    pub fn new(below: Arc<dyn Fs>) -> Self {
        Self { below, above: MemFs::new(), changed: Mutex::default() }
    }

    fn changed(&self) -> MutexGuard<'_, BTreeSet<PathBuf>> {
        self.changed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_changed(&self, path: &Path) -> bool {
        self.changed().contains(path)
    }

    /// The layer that has the file.
    fn layer(&self, path: &Path) -> &dyn Fs {
        if self.is_changed(path) { &self.above } else { &*self.below }
    }

    /// Makes `path` a name that can be written in memory.
    fn cover(&self, path: &Path) -> Result<()> {
        if let Some(dir) = path.parent() {
            self.above.create_dir_all(dir)?;
        }
        self.changed().insert(path.into());
        Ok(())
    }

    /// Copies a file into memory, if it is not there yet.
    fn lift(&self, path: &Path) -> Result<()> {
        if self.is_changed(path) {
            return Ok(());
        }
        let file = self.below.open(path, Purpose::Other)?;
        let mut bytes = vec![0; usize::try_from(file.len()).unwrap_or(usize::MAX)];
        file.read_at(&mut bytes, 0)?;
        self.cover(path)?;
        self.above.set_bytes(path, bytes);
        Ok(())
    }

    /// Checks that a new name may be made.
    fn vacant(&self, op: &'static str, path: &Path) -> Result<()> {
        if self.exists(path)? {
            return Err(Error::io(op, path, ErrorKind::AlreadyExists.into()));
        }
        match path.parent() {
            Some(dir) if !dir.as_os_str().is_empty() && !self.exists(dir)? => {
                Err(Error::io(op, path, ErrorKind::NotFound.into()))
            }
            _ => Ok(()),
        }
    }
}

impl Fs for Overlay {
    fn create(&self, path: &Path, purpose: Purpose) -> Result<Box<dyn WriteFile>> {
        self.vacant("create", path)?;
        self.cover(path)?;
        self.above.create(path, purpose)
    }

    fn append(&self, path: &Path, len: u64, purpose: Purpose) -> Result<Box<dyn WriteFile>> {
        self.lift(path)?;
        self.above.append(path, len, purpose)
    }

    fn open(&self, path: &Path, purpose: Purpose) -> Result<Arc<dyn ReadFile>> {
        self.layer(path).open(path, purpose)
    }

    fn open_direct(&self, path: &Path, purpose: Purpose) -> Result<Arc<dyn ReadFile>> {
        self.layer(path).open_direct(path, purpose)
    }

    fn map(&self, path: &Path) -> Option<MappedFile> {
        self.layer(path).map(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        self.lift(from)?;
        self.cover(to)?;
        self.above.rename(from, to)
    }

    fn remove(&self, path: &Path) -> Result<()> {
        if self.is_changed(path) {
            return self.above.remove(path);
        }
        self.below.file_len(path)?;
        self.cover(path)
    }

    fn list(&self, dir: &Path) -> Result<Vec<String>> {
        let is_above = self.above.exists(dir)?;
        let mut names = match self.below.list(dir) {
            Err(error) if is_above && error.is_not_found() => Vec::new(),
            names => names?,
        };
        let above = if is_above { self.above.list(dir)? } else { Vec::new() };
        names.retain(|name| !self.is_changed(&dir.join(name)) && !above.contains(name));
        names.extend(above);
        Ok(names)
    }

    fn create_dir_all(&self, dir: &Path) -> Result<()> {
        self.above.create_dir_all(dir)
    }

    fn sync_dir(&self, _: &Path) -> Result<()> {
        Ok(())
    }

    fn lock(&self, path: &Path) -> Result<Box<dyn FileLock>> {
        if self.below.exists(path)? {
            return self.below.lock(path);
        }
        self.cover(path)?;
        self.above.lock(path)
    }

    /// No limit.
    fn free_bytes(&self, _: &Path) -> Result<u64> {
        Ok(u64::MAX)
    }

    fn link(&self, from: &Path, to: &Path) -> Result<()> {
        self.vacant("link", to)?;
        self.lift(from)?;
        self.cover(to)?;
        self.above.link(from, to)
    }

    fn exists(&self, path: &Path) -> Result<bool> {
        Ok(self.layer(path).exists(path)? || self.above.exists(path)?)
    }

    fn file_len(&self, path: &Path) -> Result<u64> {
        self.layer(path).file_len(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Options;

    /// A store of which a crash has left 300 keys in tables and 300 in a log with a torn end, and its files.
    fn crashed() -> (MemFs, Vec<(String, Vec<u8>)>) {
        let fs = MemFs::new();
        let db = Options::new().fs(Arc::new(fs.clone())).deterministic(1).memtable_bytes(4096).open("store").unwrap();
        (0..300u32).for_each(|at| db.put(&at.to_be_bytes(), &[7; 50]).unwrap());
        db.flush().unwrap();
        (300..600u32).for_each(|at| db.put(&at.to_be_bytes(), &[8; 50]).unwrap());
        let crashed = MemFs::new();
        crashed.create_dir_all(Path::new("store")).unwrap();
        for (name, bytes) in files(&fs) {
            crashed.set_bytes(Path::new("store").join(name), bytes);
        }
        let log = fs.list(Path::new("store")).unwrap().into_iter().filter(|name| name.ends_with(".log")).max().unwrap();
        let path = Path::new("store").join(log);
        crashed.set_bytes(&path, [crashed.bytes(&path).unwrap(), vec![9; 100]].concat());
        let files = files(&crashed);
        (crashed, files)
    }

    fn files(fs: &MemFs) -> Vec<(String, Vec<u8>)> {
        let mut names = fs.list(Path::new("store")).unwrap();
        names.sort();
        names.into_iter().map(|name| (name.clone(), fs.bytes(Path::new("store").join(name)).unwrap())).collect()
    }

    #[test]
    fn a_store_that_a_crash_has_left_is_read_whole_and_not_changed() {
        let (below, before) = crashed();
        for _ in 0..2 {
            let fs = Arc::new(Overlay::new(Arc::new(below.clone())));
            let db = Options::new().fs(fs.clone()).deterministic(1).memtable_bytes(4096).open("store").unwrap();
            assert!(db.recovery().batches > 0 && db.recovery().cuts.len() == 1, "{:?}", db.recovery());
            assert_eq!(db.iter().count(), 600);
            db.put(b"new", b"in memory").unwrap();
            db.compact_all().unwrap();
            assert_eq!(db.get(b"new").unwrap().as_deref(), Some(&b"in memory"[..]));
            db.close().unwrap();
            let db = Options::new().fs(fs).open("store").unwrap();
            assert_eq!(db.iter().count(), 601, "what was written is there as long as the overlay");
            drop(db);
            assert!(files(&below) == before);
        }
        let db = Options::new().fs(Arc::new(below.clone())).open("store").unwrap();
        assert!(matches!(
            Options::new().fs(Arc::new(Overlay::new(Arc::new(below)))).open("store"),
            Err(Error::Locked { .. })
        ));
        assert_eq!(db.iter().count(), 600);
    }
}
