//! A table file as the engine holds it: opened when first read, removed when nobody can read it any more.

use std::sync::{Arc, OnceLock};

use crate::error::{Error, Result};
use crate::fs::FileName;
use crate::sst::TableReader;
use crate::sync::{AtomicBool, Ordering};
use crate::types::TableMeta;
use crate::view::Files;

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
            let is_read = self.reader.take().is_some_and(|reader| Arc::into_inner(reader).is_none());
            if is_read {
                self.files.remove(FileName::Table(self.meta.id));
            } else {
                self.files.discard(self.meta.id, self.meta.bytes);
            }
        }
    }
}
