//! Where a store's files are, and what becomes of those it needs no more.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::cache::Cache;
use crate::error::Result;
use crate::fs::{FileName, Fs, Purpose, WriteFile};
use crate::sync::{AtomicU64, Mutex, Ordering, lock};
use crate::types::FileId;

/// Larger tables are removed when they are obsolete: making a file costs little beside writing so many bytes.
const SPARE_TABLE_BYTES_MAX: u64 = 1 << 20;

/// Where a store's files are.
#[derive(Debug)]
pub(crate) struct Files {
    pub(crate) fs: Arc<dyn Fs>,
    pub(crate) dir: PathBuf,
    pub(crate) cache: Arc<Cache>,
    next_id: AtomicU64,
    spare: Mutex<Spare>,
}

/// Obsolete tables whose files are kept for the next tables while the store is busy: to remove a file and to make one is slow.
#[derive(Debug, Default)]
struct Spare {
    files: Vec<(FileId, u64)>,
    bytes: u64,
    bytes_max: u64,
    /// Tables are being written. If not, what becomes obsolete is removed.
    is_wanted: bool,
}

impl Files {
    /// Files in `dir`, numbered from `next_id` on; obsolete tables of up to `spare_bytes_max` bytes wait to be reused.
    pub(crate) fn new(fs: Arc<dyn Fs>, dir: PathBuf, cache: Arc<Cache>, next_id: FileId, spare_bytes_max: u64) -> Self {
        let spare = Spare { bytes_max: spare_bytes_max, ..Spare::default() };
        Self { fs, dir, cache, next_id: AtomicU64::new(next_id), spare: Mutex::new(spare) }
    }

    /// A number that no file of the store has ever had.
    pub(crate) fn new_id(&self) -> FileId {
        self.next_id.fetch_add(1, Ordering::Relaxed)
    }

    /// All numbers from this one on are unused.
    pub(crate) fn next_id(&self) -> FileId {
        self.next_id.load(Ordering::Relaxed)
    }

    /// Bytes that may still be written to the store's device; unlimited if that is not known.
    pub(crate) fn free_bytes(&self) -> u64 {
        self.fs.free_bytes(&self.dir).unwrap_or_else(|error| {
            tracing::warn!(%error, "free space unknown, taken as unlimited");
            u64::MAX
        })
    }

    /// A file for a new table of this number, and its path.
    ///
    /// # Errors
    /// As [`Fs::create`]. The caller removes what may have been made.
    pub(crate) fn create_table(&self, id: FileId, purpose: Purpose) -> Result<(Box<dyn WriteFile>, PathBuf)> {
        let path = self.path(FileName::Table(id));
        let file = match self.take_spare() {
            Some(old) => self.fs.reuse(&self.path(FileName::Table(old)), &path, purpose).inspect_err(|_| {
                self.remove(FileName::Table(old));
            })?,
            None => self.fs.create(&path, purpose)?,
        };
        Ok((file, path))
    }

    fn take_spare(&self) -> Option<FileId> {
        let mut spare = lock(&self.spare);
        spare.is_wanted = spare.bytes_max > 0;
        let (id, bytes) = spare.files.pop()?;
        spare.bytes -= bytes;
        Some(id)
    }

    /// Removes a table of so many bytes that is no longer part of the store and that nobody has open, or keeps its file for
    /// another one.
    pub(super) fn discard(&self, id: FileId, bytes: u64) {
        let mut spare = lock(&self.spare);
        if spare.is_wanted && bytes <= SPARE_TABLE_BYTES_MAX && spare.bytes.saturating_add(bytes) <= spare.bytes_max {
            spare.files.push((id, bytes));
            spare.bytes += bytes;
        } else {
            drop(spare);
            self.remove(FileName::Table(id));
        }
    }

    /// Whether files wait to be reused.
    pub(crate) fn has_spare(&self) -> bool {
        !lock(&self.spare).files.is_empty()
    }

    /// Removes the files that wait to be reused; until the next table is made, none is kept. On return they are gone, whoever
    /// removes them.
    pub(crate) fn drop_spare(&self) {
        let mut spare = lock(&self.spare);
        (spare.is_wanted, spare.bytes) = (false, 0);
        for (id, _) in std::mem::take(&mut spare.files) {
            self.remove(FileName::Table(id));
        }
    }

    /// Removes a file that is no longer part of the store. A failure costs space until the next open, no more.
    pub(crate) fn remove(&self, name: FileName) {
        if let Err(error) = self.fs.remove(&self.path(name))
            && !error.is_not_found()
        {
            tracing::warn!(%name, %error, "obsolete file not removed");
        }
    }

    fn path(&self, name: FileName) -> PathBuf {
        Path::new(&self.dir).join(name.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::MemFs;

    #[test]
    fn files_are_kept_up_to_the_bound_again_and_again() {
        let fs: Arc<dyn Fs> = Arc::new(MemFs::new());
        let files = Files::new(Arc::clone(&fs), PathBuf::new(), Cache::new(0, 8), 1, 100);
        let create = |id| drop(files.create_table(id, Purpose::Flush).unwrap());
        create(1);
        for id in 1..5 {
            files.discard(id, 60);
            assert!(files.has_spare(), "table {id} is not kept");
            create(id + 1);
            assert!(!files.has_spare() && !fs.exists(Path::new(&FileName::Table(id).to_string())).unwrap());
        }
        files.discard(5, 60);
        files.drop_spare();
        [6, 7].into_iter().for_each(create);
        files.discard(6, 60);
        files.discard(7, 60);
        assert_eq!(fs.list(Path::new("")).unwrap(), [FileName::Table(6).to_string()], "one of the two is too much");
    }
}
