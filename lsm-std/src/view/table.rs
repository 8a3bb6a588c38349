//! A table file as the engine holds it: opened when first read, removed when nobody can read it any more.

use std::sync::{Arc, OnceLock};

use crate::cache::Asked;
use crate::error::{Error, Result};
use crate::fs::FileName;
use crate::sst::TableReader;
use crate::sync::{AtomicBool, Ordering};
use crate::types::{Found, SeqNo, TableMeta, head};
use crate::view::Files;

/// A table of the store.
#[derive(Debug)]
pub(crate) struct TableHandle {
    meta: TableMeta,
    /// The [heads](head) of its smallest and of its largest key: mostly they tell whether a key lies between.
    heads: (u128, u128),
    files: Arc<Files>,
    reader: OnceLock<Arc<TableReader>>,
    obsolete: AtomicBool,
}

impl TableHandle {
    /// A table that the manifest names. Its file is not touched yet.
    pub(crate) fn new(files: &Arc<Files>, meta: TableMeta) -> Arc<Self> {
        let (files, heads) = (Arc::clone(files), (head(&meta.min), head(&meta.max)));
        Arc::new(Self { meta, heads, files, reader: OnceLock::new(), obsolete: AtomicBool::new(false) })
    }

    /// What is known of it without opening it.
    pub(crate) fn meta(&self) -> &TableMeta {
        &self.meta
    }

    /// Whether all its keys come before `key`, whose [`head`] is given.
    #[inline]
    pub(crate) fn is_before(&self, key: &[u8], head: u128) -> bool {
        self.heads.1 < head || self.heads.1 == head && self.meta.max[..] < *key
    }

    /// Whether all its keys come behind `key`, whose [`head`] is given.
    #[inline]
    pub(crate) fn is_behind(&self, key: &[u8], head: u128) -> bool {
        self.heads.0 > head || self.heads.0 == head && self.meta.min[..] > *key
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

    /// Fetches the part of its filter that is asked for the key of this hash, as far as that is in memory.
    #[inline]
    pub(crate) fn fetch_filter(&self, key_hash: u64) -> u8 {
        self.reader.get().map_or(0, |reader| reader.fetch_filter(key_hash))
    }

    /// True if its filter is in memory and denies the key of this hash.
    #[inline]
    pub(crate) fn denies(&self, key_hash: u64) -> bool {
        self.reader.get().is_some_and(|reader| !reader.may_contain(key_hash))
    }

    /// The newest version of `key` that is at most `seqno`, if it does not [deny](Self::denies) it.
    pub(crate) fn get(&self, key: &[u8], hash: u64, seqno: SeqNo, asked: &mut Asked) -> Result<Option<Found>> {
        let was_asked = self.reader.get().is_some();
        let reader = self.reader()?;
        asked.filter_asked += u32::from(reader.has_filter());
        if !was_asked && !reader.may_contain(hash) {
            asked.filter_denied += 1;
            return Ok(None);
        }
        reader.find(key, seqno, asked)
    }

    /// Counts a scan that opens the run of this table.
    pub(crate) fn count_scan(&self) {
        self.files.cache.count_scan_run();
    }

    /// It is no longer part of the tree: of what is in memory for those who read it, blocks go at once.
    pub(crate) fn leave(&self) {
        if let Some(reader) = self.reader.get() {
            reader.forget_blocks();
        }
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
