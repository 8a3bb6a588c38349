//! Files in memory: for tests, and for stores that need not outlive the process.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{FileLock, Fs, Purpose, ReadFile, Result, WriteFile};
use crate::error::Error;

/// Files in memory. Clones share the same files. Everything is durable at once, and gone with the last clone.
///
/// ```
/// use std::path::Path;
/// use lsm_std::fs::{Fs, MemFs, Purpose};
/// let fs = MemFs::new();
/// fs.create_dir_all(Path::new("store"))?;
/// fs.create(Path::new("store/a"), Purpose::Other)?.append(b"hello")?;
/// assert_eq!(fs.bytes("store/a").as_deref(), Some(b"hello".as_slice()));
/// # Ok::<(), lsm_std::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct MemFs {
    tree: Arc<Mutex<Tree>>,
}

#[derive(Debug, Default)]
struct Tree {
    files: BTreeMap<PathBuf, Content>,
    dirs: BTreeSet<PathBuf>,
    locks: BTreeSet<PathBuf>,
}

type Content = Arc<Mutex<Vec<u8>>>;

impl MemFs {
    /// An empty one, with nothing but its root.
    pub fn new() -> Self {
        Self::default()
    }

    /// A copy of all bytes of a file.
    pub fn bytes(&self, path: impl AsRef<Path>) -> Option<Vec<u8>> {
        let content = held(&self.tree).files.get(path.as_ref())?.clone();
        Some(held(&content).clone())
    }

    /// Makes a file of these bytes, or replaces those of an existing one, seen by open handles too.
    pub fn set_bytes(&self, path: impl AsRef<Path>, bytes: Vec<u8>) {
        let mut tree = held(&self.tree);
        *held(tree.files.entry(path.as_ref().into()).or_default()) = bytes;
    }

    fn content(&self, op: &'static str, path: &Path) -> Result<Content> {
        let content = held(&self.tree).files.get(path).cloned();
        content.ok_or_else(|| Error::io(op, path, ErrorKind::NotFound.into()))
    }
}

/// Locks of this module are never held across a panic of ours, so a poisoned one holds whole data.
fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Tree {
    fn has_dir(&self, dir: &Path) -> bool {
        dir.as_os_str().is_empty() || dir == Path::new("/") || self.dirs.contains(dir)
    }

    /// Checks that a new name may be made.
    fn vacant(&self, op: &'static str, path: &Path) -> Result<()> {
        if self.files.contains_key(path) || self.dirs.contains(path) {
            return Err(Error::io(op, path, ErrorKind::AlreadyExists.into()));
        }
        if !path.parent().is_some_and(|dir| self.has_dir(dir)) {
            return Err(Error::io(op, path, ErrorKind::NotFound.into()));
        }
        Ok(())
    }
}

impl Fs for MemFs {
    fn create(&self, path: &Path, _: Purpose) -> Result<Box<dyn WriteFile>> {
        let mut tree = held(&self.tree);
        tree.vacant("create", path)?;
        let content = Content::default();
        tree.files.insert(path.into(), content.clone());
        Ok(Box::new(MemWriteFile { content, len: 0 }))
    }

    fn append(&self, path: &Path, len: u64, _: Purpose) -> Result<Box<dyn WriteFile>> {
        let content = self.content("cut", path)?;
        let mut bytes = held(&content);
        if (bytes.len() as u64) < len {
            return Err(Error::io("cut", path, ErrorKind::InvalidInput.into()));
        }
        bytes.truncate(usize::try_from(len).unwrap_or(usize::MAX));
        drop(bytes);
        Ok(Box::new(MemWriteFile { content, len }))
    }

    fn open(&self, path: &Path, _: Purpose) -> Result<Arc<dyn ReadFile>> {
        let content = self.content("open", path)?;
        let len = held(&content).len() as u64;
        Ok(Arc::new(MemReadFile { content, path: path.into(), len }))
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        let mut tree = held(&self.tree);
        let content = tree.files.remove(from);
        let content = content.ok_or_else(|| Error::io("rename", from, ErrorKind::NotFound.into()))?;
        tree.files.insert(to.into(), content);
        Ok(())
    }

    fn remove(&self, path: &Path) -> Result<()> {
        let content = held(&self.tree).files.remove(path);
        content.map(drop).ok_or_else(|| Error::io("remove", path, ErrorKind::NotFound.into()))
    }

    fn list(&self, dir: &Path) -> Result<Vec<String>> {
        let tree = held(&self.tree);
        if !tree.has_dir(dir) {
            return Err(Error::io("list", dir, ErrorKind::NotFound.into()));
        }
        let all = tree.files.keys().chain(&tree.dirs);
        let inside = all.filter(|path| path.parent() == Some(dir));
        Ok(inside.filter_map(|path| Some(path.file_name()?.to_str()?.to_owned())).collect())
    }

    fn create_dir_all(&self, dir: &Path) -> Result<()> {
        let mut tree = held(&self.tree);
        tree.dirs.extend(dir.ancestors().filter(|d| d.file_name().is_some()).map(PathBuf::from));
        Ok(())
    }

    fn sync_dir(&self, _: &Path) -> Result<()> {
        Ok(())
    }

    fn lock(&self, path: &Path) -> Result<Box<dyn FileLock>> {
        let mut tree = held(&self.tree);
        if !tree.files.contains_key(path) {
            tree.vacant("lock", path)?;
            tree.files.insert(path.into(), Content::default());
        }
        if !tree.locks.insert(path.into()) {
            return Err(Error::Locked { path: path.into() });
        }
        Ok(Box::new(MemLock { fs: self.clone(), path: path.into() }))
    }

    /// No limit.
    fn free_bytes(&self, _: &Path) -> Result<u64> {
        Ok(u64::MAX)
    }

    fn link(&self, from: &Path, to: &Path) -> Result<()> {
        let content = self.content("link", from)?;
        let mut tree = held(&self.tree);
        tree.vacant("link", to)?;
        tree.files.insert(to.into(), content);
        Ok(())
    }

    fn exists(&self, path: &Path) -> Result<bool> {
        let tree = held(&self.tree);
        Ok(tree.files.contains_key(path) || tree.has_dir(path))
    }

    fn file_len(&self, path: &Path) -> Result<u64> {
        Ok(held(&*self.content("stat", path)?).len() as u64)
    }
}

#[derive(Debug)]
struct MemWriteFile {
    content: Content,
    len: u64,
}

impl WriteFile for MemWriteFile {
    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        let mut content = held(&self.content);
        let at = usize::try_from(self.len).unwrap_or(usize::MAX);
        let over = bytes.len().min(content.len().saturating_sub(at));
        let (over, behind) = bytes.split_at(over);
        if let Some(room) = content.get_mut(at..at + over.len()) {
            room.copy_from_slice(over);
        }
        content.extend_from_slice(behind);
        self.len += bytes.len() as u64;
        Ok(())
    }

    fn reserve(&mut self, len: u64) -> Result<()> {
        let mut content = held(&self.content);
        let len = usize::try_from(len).unwrap_or(usize::MAX).max(content.len());
        content.resize(len, 0);
        Ok(())
    }

    fn end(&mut self) -> Result<()> {
        held(&self.content).truncate(usize::try_from(self.len).unwrap_or(usize::MAX));
        Ok(())
    }

    fn sync(&mut self) -> Result<()> {
        Ok(())
    }

    fn len(&self) -> u64 {
        self.len
    }
}

#[derive(Debug)]
struct MemReadFile {
    content: Content,
    path: PathBuf,
    len: u64,
}

impl ReadFile for MemReadFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> Result<()> {
        let content = held(&self.content);
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let found = content.get(start..).and_then(|rest| rest.get(..buf.len()));
        let eof = || io::Error::from(ErrorKind::UnexpectedEof);
        buf.copy_from_slice(found.ok_or_else(|| Error::io("read", &self.path, eof()))?);
        Ok(())
    }

    fn len(&self) -> u64 {
        self.len
    }
}

#[derive(Debug)]
struct MemLock {
    fs: MemFs,
    path: PathBuf,
}

impl FileLock for MemLock {}

impl Drop for MemLock {
    fn drop(&mut self) {
        held(&self.fs.tree).locks.remove(&self.path);
    }
}
