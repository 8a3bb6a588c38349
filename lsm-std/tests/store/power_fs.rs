//! A simulated disk that loses what was not synced when its power is cut.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use lsm_std::fs::{FileLock, Fs, Purpose, ReadFile, WriteFile};
use lsm_std::{Error, Result};

/// A disk whose power goes after a number of calls.
#[derive(Clone, Debug, Default)]
pub struct PowerFs {
    disk: Arc<Mutex<Disk>>,
}

#[derive(Debug, Default)]
pub struct Disk {
    files: Vec<File>,
    names: BTreeMap<PathBuf, usize>,
    /// The names that a power cut leaves, and what was done to them since: each step may have reached the disk or not.
    durable: BTreeMap<PathBuf, usize>,
    steps: Vec<(PathBuf, Option<usize>)>,
    pub calls_left: u64,
    /// Files that were written over.
    pub reused: u64,
}

#[derive(Clone, Debug, Default)]
struct File {
    bytes: Vec<u8>,
    synced: usize,
    /// What it held in an earlier life: a power cut may bring it back where `bytes` did not reach the disk.
    old: Vec<u8>,
    /// What `old` holds behind `bytes` was cut off.
    is_ended: bool,
}

impl File {
    /// What a reader finds.
    fn contents(&self) -> Vec<u8> {
        let behind = if self.is_ended { &[] } else { self.old.get(self.bytes.len()..).unwrap_or(&[]) };
        [&self.bytes, behind].concat()
    }
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
    pub fn cut(&mut self, random: &mut impl FnMut(u64) -> u64) {
        for file in &mut self.files {
            let unsynced = file.bytes.len() - file.synced;
            let kept = match random(3) {
                0 => 0,
                1 => unsynced,
                _ => random(unsynced as u64 + 1) as usize,
            };
            file.bytes.truncate(file.synced + kept);
            file.is_ended &= random(2) == 0;
            *file = File { bytes: file.contents(), ..File::default() };
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
    pub fn disk(&self) -> MutexGuard<'_, Disk> {
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

    fn end(&mut self) -> Result<()> {
        let mut disk = self.fs.disk();
        disk.call("end", &self.path)?;
        disk.files[self.file].is_ended = true;
        Ok(())
    }

    fn sync(&mut self) -> Result<()> {
        let mut disk = self.fs.disk();
        disk.call("sync", &self.path)?;
        let file = &mut disk.files[self.file];
        file.synced = file.bytes.len();
        if file.is_ended {
            file.old = Vec::new();
        }
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

    fn reuse(&self, from: &Path, to: &Path, _: Purpose) -> Result<Box<dyn WriteFile>> {
        self.rename(from, to)?;
        let mut disk = self.disk();
        disk.reused += 1;
        let at = disk.file("reuse", to)?;
        let old = disk.files[at].contents();
        disk.files[at] = File { old, ..File::default() };
        Ok(Box::new(Handle { fs: self.clone(), path: to.to_path_buf(), file: at, len: 0 }))
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
        Ok(Arc::new(Bytes(disk.files[file].contents(), path.to_path_buf())))
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
        Ok(disk.files[file].contents().len() as u64)
    }
}
