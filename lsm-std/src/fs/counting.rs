//! Counts what passes to and from the disk, by purpose; how tables are read, past the system's cache or as its memory, is chosen here.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::{FileLock, Fs, MappedFile, Purpose, ReadFile, Result, WriteFile};

/// Another [`Fs`] whose traffic is counted.
///
/// What is counted is what the calls below it were given and did without error: amplification computed from it is what the
/// disk saw. Copies made by [`Fs::link`] are not counted.
#[derive(Clone, Debug)]
pub struct CountingFs {
    inner: Arc<dyn Fs>,
    counts: Arc<IoCounts>,
    direct_reads: bool,
    mapped_reads: bool,
}

/// Running counters, one set for each [`Purpose`].
#[derive(Debug, Default)]
pub struct IoCounts {
    by_purpose: [Counters; Purpose::ALL.len()],
}

#[derive(Debug, Default)]
struct Counters {
    read: AtomicU64,
    reads: AtomicU64,
    written: AtomicU64,
    writes: AtomicU64,
    syncs: AtomicU64,
}

/// What has passed for one [`Purpose`] so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IoStats {
    /// Bytes read.
    pub read_bytes: u64,
    /// Read calls.
    pub reads: u64,
    /// Bytes appended.
    pub written_bytes: u64,
    /// Append calls.
    pub writes: u64,
    /// File syncs.
    pub syncs: u64,
}

impl IoCounts {
    /// What has passed for `purpose` so far.
    pub fn of(&self, purpose: Purpose) -> IoStats {
        let counters = self.counters(purpose);
        IoStats {
            read_bytes: counters.read.load(Relaxed),
            reads: counters.reads.load(Relaxed),
            written_bytes: counters.written.load(Relaxed),
            writes: counters.writes.load(Relaxed),
            syncs: counters.syncs.load(Relaxed),
        }
    }

    fn counters(&self, purpose: Purpose) -> &Counters {
        &self.by_purpose[purpose as usize]
    }
}

impl CountingFs {
    /// Counts what passes through to `inner`, from zero.
    pub fn new(inner: Arc<dyn Fs>) -> Self {
        Self { inner, counts: Arc::default(), direct_reads: false, mapped_reads: false }
    }

    /// Whether tables are opened [directly](Fs::open_direct), for reads and for merges.
    #[must_use]
    pub fn direct_reads(self, direct: bool) -> Self {
        Self { direct_reads: direct, ..self }
    }

    /// Whether files can be [mapped](Fs::map). What is read of them so is not counted.
    #[must_use]
    pub fn mapped_reads(self, mapped: bool) -> Self {
        Self { mapped_reads: mapped, ..self }
    }

    /// The counters, which go on running.
    pub fn counts(&self) -> &Arc<IoCounts> {
        &self.counts
    }

    fn writer(&self, inner: Box<dyn WriteFile>, purpose: Purpose) -> Box<dyn WriteFile> {
        Box::new(CountingWriteFile { inner, counts: self.counts.clone(), purpose })
    }
}

impl Fs for CountingFs {
    fn create(&self, path: &Path, purpose: Purpose) -> Result<Box<dyn WriteFile>> {
        Ok(self.writer(self.inner.create(path, purpose)?, purpose))
    }

    fn reuse(&self, from: &Path, to: &Path, purpose: Purpose) -> Result<Box<dyn WriteFile>> {
        Ok(self.writer(self.inner.reuse(from, to, purpose)?, purpose))
    }

    fn append(&self, path: &Path, len: u64, purpose: Purpose) -> Result<Box<dyn WriteFile>> {
        Ok(self.writer(self.inner.append(path, len, purpose)?, purpose))
    }

    fn rewrite(&self, path: &Path, at: u64, bytes: &[u8], purpose: Purpose) -> Result<Box<dyn WriteFile>> {
        let file = self.inner.rewrite(path, at, bytes, purpose)?;
        let counters = self.counts.counters(purpose);
        counters.written.fetch_add(bytes.len() as u64, Relaxed);
        counters.writes.fetch_add(1, Relaxed);
        Ok(self.writer(file, purpose))
    }

    fn open(&self, path: &Path, purpose: Purpose) -> Result<Arc<dyn ReadFile>> {
        let inner = match self.direct_reads && matches!(purpose, Purpose::Read | Purpose::Merge) {
            true => self.inner.open_direct(path, purpose)?,
            false => self.inner.open(path, purpose)?,
        };
        Ok(Arc::new(CountingReadFile { inner, counts: self.counts.clone(), purpose }))
    }

    fn map(&self, path: &Path) -> Option<MappedFile> {
        self.mapped_reads.then(|| self.inner.map(path)).flatten()
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        self.inner.rename(from, to)
    }

    fn remove(&self, path: &Path) -> Result<()> {
        self.inner.remove(path)
    }

    fn list(&self, dir: &Path) -> Result<Vec<String>> {
        self.inner.list(dir)
    }

    fn create_dir_all(&self, dir: &Path) -> Result<()> {
        self.inner.create_dir_all(dir)
    }

    fn sync_dir(&self, dir: &Path) -> Result<()> {
        self.inner.sync_dir(dir)
    }

    fn lock(&self, path: &Path) -> Result<Box<dyn FileLock>> {
        self.inner.lock(path)
    }

    fn free_bytes(&self, dir: &Path) -> Result<u64> {
        self.inner.free_bytes(dir)
    }

    fn link(&self, from: &Path, to: &Path) -> Result<()> {
        self.inner.link(from, to)
    }

    fn exists(&self, path: &Path) -> Result<bool> {
        self.inner.exists(path)
    }

    fn file_len(&self, path: &Path) -> Result<u64> {
        self.inner.file_len(path)
    }
}

#[derive(Debug)]
struct CountingWriteFile {
    inner: Box<dyn WriteFile>,
    counts: Arc<IoCounts>,
    purpose: Purpose,
}

impl WriteFile for CountingWriteFile {
    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.append_headed(bytes, bytes.len())
    }

    fn append_headed(&mut self, bytes: &[u8], head: usize) -> Result<()> {
        self.inner.append_headed(bytes, head)?;
        let counters = self.counts.counters(self.purpose);
        counters.written.fetch_add(bytes.len() as u64, Relaxed);
        counters.writes.fetch_add(1, Relaxed);
        Ok(())
    }

    fn reserve(&mut self, len: u64) -> Result<()> {
        self.inner.reserve(len)
    }

    fn reserve_mapped(&mut self, len: u64) -> Result<()> {
        self.inner.reserve_mapped(len)
    }

    fn end(&mut self) -> Result<()> {
        self.inner.end()
    }

    fn sync(&mut self) -> Result<()> {
        self.inner.sync()?;
        self.counts.counters(self.purpose).syncs.fetch_add(1, Relaxed);
        Ok(())
    }

    fn len(&self) -> u64 {
        self.inner.len()
    }
}

#[derive(Debug)]
struct CountingReadFile {
    inner: Arc<dyn ReadFile>,
    counts: Arc<IoCounts>,
    purpose: Purpose,
}

impl ReadFile for CountingReadFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> Result<()> {
        self.inner.read_at(buf, offset)?;
        let counters = self.counts.counters(self.purpose);
        counters.read.fetch_add(buf.len() as u64, Relaxed);
        counters.reads.fetch_add(1, Relaxed);
        Ok(())
    }

    fn len(&self) -> u64 {
        self.inner.len()
    }
}
