//! The operating system's files.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Once};

use rustix::fs::{FlockOperation, OFlags, flock, statvfs};
use rustix::io::Errno;

use super::direct::DirectReadFile;
use super::mapped::{Mapped, MappedFile};
use super::{FileLock, Fs, Purpose, ReadFile, Result, WriteFile};
use crate::error::Error;

/// A pipe in the place of a file is opened without waiting for its other end. Of no effect on a file.
const AT_ONCE: i32 = OFlags::NONBLOCK.bits().cast_signed();

/// The operating system's files.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealFs;

impl Fs for RealFs {
    fn create(&self, path: &Path, _: Purpose) -> Result<Box<dyn WriteFile>> {
        // A file that is mapped must be readable.
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(path);
        let file = file.map_err(|e| Error::io("create", path, e))?;
        Ok(Box::new(RealWriteFile::new(file, path, 0, 0)))
    }

    /// Overwrites the old file in place: its inode and its blocks need be neither freed nor found. Without a journal and with
    /// `discard`, ext4 takes milliseconds for each of the two.
    fn reuse(&self, from: &Path, to: &Path, purpose: Purpose) -> Result<Box<dyn WriteFile>> {
        self.rename(from, to)?;
        let fail = |e| Error::io("create", to, e);
        let file = OpenOptions::new().write(true).open(to).map_err(fail)?;
        let found = file.metadata().map_err(fail)?;
        if found.nlink() > 1 {
            self.remove(to)?;
            return self.create(to, purpose);
        }
        Ok(Box::new(RealWriteFile::new(file, to, 0, found.len())))
    }

    fn append(&self, path: &Path, len: u64, _: Purpose) -> Result<Box<dyn WriteFile>> {
        let fail = |e| Error::io("cut", path, e);
        let file = OpenOptions::new().write(true).open(path).map_err(fail)?;
        let found = file.metadata().map_err(fail)?.len();
        if found < len {
            let why = format!("cannot cut to {len} bytes, it has {found}");
            return Err(fail(io::Error::new(ErrorKind::InvalidInput, why)));
        }
        if found > len {
            file.set_len(len).map_err(fail)?;
        }
        file.sync_all().map_err(fail)?;
        Ok(Box::new(RealWriteFile::new(file, path, len, 0)))
    }

    fn rewrite(&self, path: &Path, at: u64, bytes: &[u8], _: Purpose) -> Result<Box<dyn WriteFile>> {
        let fail = |e| Error::io("rewrite", path, e);
        let file = OpenOptions::new().write(true).open(path).map_err(fail)?;
        let found = file.metadata().map_err(fail)?.len();
        if found < at {
            let why = format!("cannot write at {at}, it has {found} bytes");
            return Err(fail(io::Error::new(ErrorKind::InvalidInput, why)));
        }
        file.write_all_at(bytes, at).map_err(fail)?;
        let len = at + bytes.len() as u64;
        if found > len {
            file.set_len(len).map_err(fail)?;
        }
        file.sync_all().map_err(fail)?;
        Ok(Box::new(RealWriteFile::new(file, path, len, 0)))
    }

    fn open(&self, path: &Path, _: Purpose) -> Result<Arc<dyn ReadFile>> {
        let fail = |e| Error::io("open", path, e);
        let (file, len) = open_file(path).map_err(fail)?;
        Ok(Arc::new(RealReadFile { file, path: path.into(), len }))
    }

    fn open_direct(&self, path: &Path, _: Purpose) -> Result<Arc<dyn ReadFile>> {
        Ok(Arc::new(DirectReadFile::open(path)?))
    }

    fn map(&self, path: &Path) -> Option<MappedFile> {
        MappedFile::open(path).inspect_err(|why| no_map(path, why)).ok()
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        fs::rename(from, to).map_err(|e| Error::io("rename", from, e))
    }

    fn remove(&self, path: &Path) -> Result<()> {
        fs::remove_file(path).map_err(|e| Error::io("remove", path, e))
    }

    fn list(&self, dir: &Path) -> Result<Vec<String>> {
        let fail = |e| Error::io("list", dir, e);
        let mut names = Vec::new();
        for entry in fs::read_dir(dir).map_err(fail)? {
            if let Ok(name) = entry.map_err(fail)?.file_name().into_string() {
                names.push(name);
            }
        }
        Ok(names)
    }

    fn create_dir_all(&self, dir: &Path) -> Result<()> {
        fs::create_dir_all(dir).map_err(|e| Error::io("create", dir, e))
    }

    fn sync_dir(&self, dir: &Path) -> Result<()> {
        let dir = if dir.as_os_str().is_empty() { Path::new(".") } else { dir };
        File::open(dir).and_then(|d| d.sync_all()).map_err(|e| Error::io("sync", dir, e))
    }

    fn lock(&self, path: &Path) -> Result<Box<dyn FileLock>> {
        let file = OpenOptions::new().write(true).create(true).truncate(false).custom_flags(AT_ONCE).open(path);
        // A store that may only be read can be locked too.
        let file = file.or_else(|e| match e.kind() {
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => File::open(path).map_err(|_| e),
            _ => Err(e),
        });
        let file = file.map_err(|e| Error::io("lock", path, e))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Box::new(RealLock { _file: file })),
            Err(Errno::WOULDBLOCK) => Err(Error::Locked { path: path.into() }),
            Err(errno) => Err(Error::io("lock", path, errno.into())),
        }
    }

    fn free_bytes(&self, dir: &Path) -> Result<u64> {
        let room = statvfs(dir).map_err(|e| Error::io("statvfs", dir, e.into()))?;
        Ok(room.f_bavail.saturating_mul(room.f_frsize))
    }

    fn link(&self, from: &Path, to: &Path) -> Result<()> {
        match fs::hard_link(from, to) {
            Ok(()) => Ok(()),
            Err(e) if e.kind() == ErrorKind::AlreadyExists => Err(Error::io("link", to, e)),
            Err(_) => copy(from, to),
        }
    }

    fn exists(&self, path: &Path) -> Result<bool> {
        path.try_exists().map_err(|e| Error::io("stat", path, e))
    }

    fn file_len(&self, path: &Path) -> Result<u64> {
        Ok(fs::metadata(path).map_err(|e| Error::io("stat", path, e))?.len())
    }
}

/// Says once that files are read by calls though they were to be mapped.
fn no_map(path: &Path, why: &io::Error) {
    static TOLD: Once = Once::new();
    TOLD.call_once(|| tracing::warn!(path = %path.display(), %why, "no mapped reads here"));
}

/// A file to be read, and its length.
pub(super) fn open_file(path: &Path) -> io::Result<(File, u64)> {
    let file = OpenOptions::new().read(true).custom_flags(AT_ONCE).open(path)?;
    let found = file.metadata()?;
    if found.is_file() { Ok((file, found.len())) } else { Err(io::Error::other("it is no regular file")) }
}

/// A synced copy, for devices without hard links. A half copy is removed.
fn copy(from: &Path, to: &Path) -> Result<()> {
    let mut source = File::open(from).map_err(|e| Error::io("copy", from, e))?;
    let target = OpenOptions::new().write(true).create_new(true).open(to);
    let mut target = target.map_err(|e| Error::io("copy", to, e))?;
    copy_bytes(&mut source, &mut target).map_err(|e| {
        let _ = fs::remove_file(to);
        Error::io("copy", to, e)
    })
}

fn copy_bytes(source: &mut File, target: &mut File) -> io::Result<()> {
    io::copy(source, target)?;
    target.sync_all()
}

#[derive(Debug)]
struct RealWriteFile {
    file: File,
    path: PathBuf,
    len: u64,
    /// Bytes of a file that is written over, or reserved.
    old_len: u64,
    map: Option<Mapped>,
}

impl RealWriteFile {
    fn new(file: File, path: &Path, len: u64, old_len: u64) -> Self {
        Self { file, path: path.into(), len, old_len, map: None }
    }
}

impl WriteFile for RealWriteFile {
    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.append_headed(bytes, bytes.len())
    }

    fn append_headed(&mut self, bytes: &[u8], head: usize) -> Result<()> {
        if !self.map.as_mut().is_some_and(|map| map.write(bytes, head, self.len)) {
            self.file.write_all_at(bytes, self.len).map_err(|e| Error::io("append", &self.path, e))?;
        }
        self.len += bytes.len() as u64;
        Ok(())
    }

    fn reserve(&mut self, len: u64) -> Result<()> {
        if len > self.len {
            self.old_len = len;
            self.file.set_len(len).map_err(|e| Error::io("reserve", &self.path, e))?;
        }
        Ok(())
    }

    fn reserve_mapped(&mut self, len: u64) -> Result<()> {
        // One at a time.
        self.map = None;
        self.old_len = self.old_len.max(len);
        let map = Mapped::new(&self.file, self.len, len);
        self.map = Some(map.map_err(|e| Error::io("reserve", &self.path, e))?);
        Ok(())
    }

    fn end(&mut self) -> Result<()> {
        self.map = None;
        if self.old_len > self.len {
            self.file.set_len(self.len).map_err(|e| Error::io("cut", &self.path, e))?;
        }
        self.old_len = 0;
        Ok(())
    }

    fn sync(&mut self) -> Result<()> {
        self.file.sync_data().map_err(|e| Error::io("sync", &self.path, e))
    }

    fn len(&self) -> u64 {
        self.len
    }
}

#[derive(Debug)]
struct RealReadFile {
    file: File,
    path: PathBuf,
    len: u64,
}

impl ReadFile for RealReadFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> Result<()> {
        self.file.read_exact_at(buf, offset).map_err(|e| Error::io("read", &self.path, e))
    }

    fn len(&self) -> u64 {
        self.len
    }
}

/// An `flock`, which belongs to the open file: it goes when the file is closed.
#[derive(Debug)]
struct RealLock {
    _file: File,
}

impl FileLock for RealLock {}

#[cfg(test)]
mod tests {
    use super::*;

    /// Nothing else tells a sync that was made from one that was not: neither of the two files can be synced, and the system says so.
    #[test]
    fn every_sync_reaches_the_system() {
        let refused = |done: Result<()>| assert_eq!(done.unwrap_err().io_kind(), Some(ErrorKind::InvalidInput));
        let (null, purpose) = (Path::new("/dev/null"), Purpose::Other);
        let mut file = OpenOptions::new().write(true).open(null).unwrap();
        refused(copy_bytes(&mut File::open(null).unwrap(), &mut file).map_err(|e| Error::io("copy", null, e)));
        refused(RealWriteFile::new(file, null, 0, 0).sync());
        refused(RealFs.append(null, 0, purpose).map(drop));
        refused(RealFs.rewrite(null, 0, b"again", purpose).map(drop));
        if cfg!(target_os = "linux") {
            refused(RealFs.sync_dir(Path::new("/proc")));
        }
    }
}
