//! Reads past the system's cache.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use rustix::fs::{OFlags, fcntl_setfl};

use super::real::open_file;
use super::{PAGE_BYTES, ReadFile, Result};
use crate::error::Error;

/// A file that is read past the system's cache, until the file system refuses to.
#[derive(Debug)]
pub(super) struct DirectReadFile {
    file: File,
    path: PathBuf,
    len: u64,
    /// What offsets, lengths and memory are multiples of.
    align: usize,
    is_direct: AtomicBool,
}

impl DirectReadFile {
    pub(super) fn open(path: &Path) -> Result<Self> {
        let fail = |e| Error::io("open", path, e);
        let (file, len) = open_file(path).map_err(fail)?;
        let direct = set_direct(&file);
        let is_direct = AtomicBool::new(direct.is_ok());
        let file = Self { file, path: path.into(), len, align: PAGE_BYTES, is_direct };
        direct.map_or_else(|why| file.refused(&why), |()| Ok(()))?;
        Ok(file)
    }

    /// From now on it is read through the system's cache.
    fn refused(&self, why: &io::Error) -> Result<()> {
        static TOLD: Once = Once::new();
        TOLD.call_once(|| tracing::warn!(path = %self.path.display(), %why, "no direct reads here"));
        self.is_direct.store(false, Relaxed);
        fcntl_setfl(&self.file, OFlags::empty()).map_err(|e| Error::io("open", &self.path, e.into()))
    }

    /// Reads more than is wanted: from a multiple to a multiple of what the device wants, into memory that begins at one.
    fn read_direct(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        let skipped = (offset % self.align as u64) as usize;
        let wanted = skipped + buf.len();
        let len = wanted.next_multiple_of(self.align);
        let mut room = vec![0; len + self.align - 1];
        let start = room.as_ptr().addr().next_multiple_of(self.align) - room.as_ptr().addr();
        let room = &mut room[start..start + len];
        let mut done = 0;
        while done < wanted {
            match self.file.read_at(&mut room[done..], offset - skipped as u64 + done as u64) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(read) => done += read,
                Err(e) if e.kind() == ErrorKind::Interrupted => continue,
                Err(e) => return Err(e),
            }
            // Nowhere but at the file's end.
            if done < wanted && done % self.align != 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
        }
        buf.copy_from_slice(&room[skipped..wanted]);
        Ok(())
    }
}

impl ReadFile for DirectReadFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> Result<()> {
        if self.is_direct.load(Relaxed) {
            match self.read_direct(buf, offset) {
                Err(why) if why.kind() == ErrorKind::InvalidInput => self.refused(&why)?,
                done => return done.map_err(|e| Error::io("read", &self.path, e)),
            }
        }
        self.file.read_exact_at(buf, offset).map_err(|e| Error::io("read", &self.path, e))
    }

    fn len(&self) -> u64 {
        self.len
    }
}

#[cfg(target_os = "linux")]
fn set_direct(file: &File) -> io::Result<()> {
    Ok(fcntl_setfl(file, OFlags::DIRECT)?)
}

#[cfg(not(target_os = "linux"))]
fn set_direct(_: &File) -> io::Result<()> {
    Err(ErrorKind::Unsupported.into())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::Options;

    fn bytes(len: usize) -> Vec<u8> {
        (0..len).map(|at| (at * 31 + at / 251) as u8).collect()
    }

    #[test]
    fn the_bytes_are_the_same_around_every_border_and_at_the_end() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        for len in [0, 1, PAGE_BYTES - 1, 2 * PAGE_BYTES, 3 * PAGE_BYTES + 100] {
            let whole = bytes(len);
            fs::write(&path, &whole).unwrap();
            let file = DirectReadFile::open(&path).unwrap();
            assert_eq!(file.len(), len as u64);
            let around = |at: usize| at.saturating_sub(2)..at + 3;
            let places = || (0..4).map(|page| page * PAGE_BYTES).chain([len]).flat_map(around);
            for (start, end) in places().flat_map(|start| places().map(move |end| (start, end))) {
                let mut read = vec![0; end.saturating_sub(start)];
                let done = file.read_at(&mut read, start as u64);
                match whole.get(start..end) {
                    Some(expected) => assert_eq!((done.is_ok(), &*read), (true, expected), "{start}..{end} of {len}"),
                    None if start >= end => {}
                    None => assert_eq!(
                        done.unwrap_err().io_kind(),
                        Some(ErrorKind::UnexpectedEof),
                        "{start}..{end} of {len}"
                    ),
                }
            }
        }
    }

    #[test]
    fn what_is_refused_at_opening_or_at_a_read_goes_through_the_systems_cache() {
        if cfg!(target_os = "linux") {
            let file = DirectReadFile::open(Path::new("/proc/version")).unwrap();
            assert!(!file.is_direct.load(Relaxed));
            file.read_at(&mut [0; 5], 1).unwrap();
        }
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        fs::write(&path, bytes(9_000)).unwrap();
        // No device takes this.
        let file = DirectReadFile { align: 1, ..DirectReadFile::open(&path).unwrap() };
        for _ in 0..2 {
            let mut read = [0; 5_000];
            file.read_at(&mut read, 3).unwrap();
            assert!(read == bytes(9_000)[3..5_003] && !file.is_direct.load(Relaxed));
        }
    }

    /// Whether each table that this process has open in `dir` is read past the system's cache.
    #[cfg(target_os = "linux")]
    fn open_tables(dir: &Path) -> Vec<bool> {
        let mut all = Vec::new();
        for entry in fs::read_dir("/proc/self/fd").unwrap().flatten() {
            let target = fs::read_link(entry.path()).unwrap_or_default();
            if target.starts_with(dir) && target.extension().is_some_and(|extension| extension == "sst") {
                let info = Path::new("/proc/self/fdinfo").join(entry.file_name());
                let info = fs::read_to_string(info).unwrap();
                let flags = info.lines().find_map(|line| line.strip_prefix("flags:")).unwrap();
                let flags = u32::from_str_radix(flags.trim(), 8).unwrap();
                all.push(OFlags::from_bits_retain(flags).contains(OFlags::DIRECT));
            }
        }
        all
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_store_reads_its_tables_as_it_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().canonicalize().unwrap();
        fs::write(path.join("probe"), b"x").unwrap();
        let can = DirectReadFile::open(&path.join("probe")).unwrap().is_direct.load(Relaxed);
        for direct in [false, true, false] {
            let db = Options::new().direct_reads(direct).open(path.join("store")).unwrap();
            db.put(b"a", &bytes(10_000)).unwrap();
            db.put(b"b", b"b").unwrap();
            db.flush().unwrap();
            db.compact_range::<&[u8]>(..).unwrap();
            assert_eq!(db.get(b"a").unwrap().unwrap(), bytes(10_000));
            assert_eq!(db.iter().count(), 2);
            assert_eq!(open_tables(&path), [direct && can]);
        }
    }
}
