//! A table file as the engine holds it: opened when first read, removed when nobody can read it any more.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use crate::cache::Cache;
use crate::error::{Error, Result};
use crate::fs::{FileName, Fs};
use crate::sst::TableReader;
use crate::sync::{AtomicBool, AtomicU64, Ordering};
use crate::types::{FileId, TableMeta};

/// Where a store's files are.
#[derive(Debug)]
pub(crate) struct Files {
    pub(crate) fs: Arc<dyn Fs>,
    pub(crate) dir: PathBuf,
    pub(crate) cache: Arc<Cache>,
    next_id: AtomicU64,
}

impl Files {
    /// Files in `dir`, numbered from `next_id` on.
    pub(crate) fn new(fs: Arc<dyn Fs>, dir: PathBuf, cache: Arc<Cache>, next_id: FileId) -> Self {
        Self { fs, dir, cache, next_id: AtomicU64::new(next_id) }
    }

    /// A number that no file of the store has ever had.
    pub(crate) fn new_id(&self) -> FileId {
        self.next_id.fetch_add(1, Ordering::Relaxed)
    }

    /// All numbers from this one on are unused.
    pub(crate) fn next_id(&self) -> FileId {
        self.next_id.load(Ordering::Relaxed)
    }

    /// Removes a file that is no longer part of the store. A failure costs space until the next open, no more.
    pub(crate) fn remove(&self, name: FileName) {
        if let Err(error) = self.fs.remove(&self.dir.join(name.to_string()))
            && !error.is_not_found()
        {
            tracing::warn!(%name, %error, "obsolete file not removed");
        }
    }
}

/// A table of the store.
#[derive(Debug)]
pub(crate) struct TableHandle {
    meta: TableMeta,
    files: Arc<Files>,
    reader: OnceLock<Arc<TableReader>>,
    obsolete: AtomicBool,
}

impl TableHandle {
    /// A table that the manifest names. Its file is not touched yet.
    pub(crate) fn new(files: &Arc<Files>, meta: TableMeta) -> Arc<Self> {
        Arc::new(Self { meta, files: Arc::clone(files), reader: OnceLock::new(), obsolete: AtomicBool::new(false) })
    }

    /// What is known of it without opening it.
    pub(crate) fn meta(&self) -> &TableMeta {
        &self.meta
    }

    /// Reads it; opens the file the first time.
    pub(crate) fn reader(&self) -> Result<&Arc<TableReader>> {
        if let Some(reader) = self.reader.get() {
            return Ok(reader);
        }
        let files = &self.files;
        let reader = TableReader::open(Arc::clone(&files.fs), &files.dir, self.meta.id, Arc::clone(&files.cache))?;
        if *reader.meta() != self.meta {
            return Err(Error::corrupt(reader.path(), 0, "not the table that the manifest names"));
        }
        Ok(self.reader.get_or_init(|| reader))
    }

    /// Counts a scan that opens the run of this table.
    pub(crate) fn count_scan(&self) {
        self.files.cache.count_scan_run();
    }

    /// The manifest no longer names it: the file goes with the last handle.
    pub(crate) fn retire(&self) {
        self.obsolete.store(true, Ordering::Release);
    }
}

impl Drop for TableHandle {
    fn drop(&mut self) {
        if self.obsolete.load(Ordering::Acquire) {
            drop(self.reader.take());
            self.files.remove(FileName::Table(self.meta.id));
        }
    }
}
