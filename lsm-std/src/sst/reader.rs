//! Reads a table.

use std::fmt;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

use super::block::Block;
use super::footer::{Tail, read_range};
use super::index::BlockHandle;
use super::iter::TableCursor;
use super::seal::{BLOCK_BYTES_MAX, unseal};
use crate::cache::Cache;
use crate::error::{Error, Result};
use crate::fs::{FileName, Fs, Purpose, ReadFile};
use crate::iter::Direction;
use crate::types::{FileId, Found, SeqNo, TableMeta};

/// How an iterator gets at blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Through the cache, which keeps the blocks.
    Read,
    /// Past the cache, by a file handle of its own, in large reads ahead: for merges.
    Merge {
        /// Tables that the merge reads side by side: they share the room for what is read ahead.
        inputs: usize,
    },
}

/// An open table. Its index and filter stay in memory, its blocks and its file handle in the [`Cache`].
///
/// Dropped, it closes its cached file handle.
pub struct TableReader {
    fs: Arc<dyn Fs>,
    path: PathBuf,
    cache: Arc<Cache>,
    tail: Tail,
}

impl fmt::Debug for TableReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TableReader").field("path", &self.path).field("meta", &self.tail.meta).finish_non_exhaustive()
    }
}

impl TableReader {
    /// Opens the table `id` of `dir`. Reads and checks everything but the data blocks, which are checked as they are read.
    pub fn open(fs: Arc<dyn Fs>, dir: &Path, id: FileId, cache: Arc<Cache>) -> Result<Arc<Self>> {
        let path = dir.join(FileName::Table(id).to_string());
        let file = fs.open(&path, Purpose::Read)?;
        let tail = Tail::read(&*file, &path, id)?;
        Ok(Arc::new(Self { fs, path, cache, tail }))
    }

    /// What is known of the table.
    pub fn meta(&self) -> &TableMeta {
        &self.tail.meta
    }

    /// Path of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// False if no key with this [`key_hash`](super::key_hash) is in the table. Asks the filter, never the disk.
    pub fn may_contain(&self, key_hash: u64) -> bool {
        let Some(filter) = &self.tail.filter else { return true };
        let passed = filter.may_contain(key_hash);
        self.cache.count_filter(passed);
        passed
    }

    /// The newest version of `key` that is at most `snapshot`; `key_hash` is [`key_hash`](super::key_hash) of `key`.
    ///
    /// At most one block is read, and none if the filter denies the key. Allocates nothing if the block is cached; the
    /// value is a slice of the block and keeps it in memory.
    pub fn get(&self, key: &[u8], key_hash: u64, snapshot: SeqNo) -> Result<Option<Found>> {
        if snapshot < self.tail.meta.oldest_seqno || !self.may_contain(key_hash) {
            return Ok(None);
        }
        let Some(handle) = self.handle(self.tail.index.find(key, snapshot)) else { return Ok(None) };
        self.cache.count_point_block();
        let block = self.cached_block(handle)?;
        block.get(key, snapshot).map_err(|e| e.in_file(&self.path, handle.offset))
    }

    /// A walk over the entries between two bounds on the user key, every version. Nothing is read before the first step.
    pub fn range(
        self: &Arc<Self>,
        low: Bound<Bytes>,
        high: Bound<Bytes>,
        direction: Direction,
        access: Access,
    ) -> TableCursor {
        TableCursor::new(self.clone(), (low, high), direction, access)
    }

    pub(super) fn tail(&self) -> &Tail {
        &self.tail
    }

    pub(super) fn handle(&self, index: usize) -> Option<BlockHandle> {
        self.tail.index.block(index, self.tail.data_end)
    }

    pub(super) fn cached_block(&self, handle: BlockHandle) -> Result<Block> {
        if let Some(block) = self.block_in_memory(handle) {
            return Ok(block);
        }
        let (id, file) = (self.tail.meta.id, self.cached_file()?);
        let end = handle.offset + handle.len as u64;
        let block = self.parse(&read_range(&*file, &self.path, handle.offset, end)?, handle)?;
        self.cache.keep_block(id, handle.offset, &block);
        Ok(block)
    }

    /// A block that the cache has.
    pub(super) fn block_in_memory(&self, handle: BlockHandle) -> Option<Block> {
        self.cache.block(self.tail.meta.id, handle.offset)
    }

    /// The file handle that all reads share.
    pub(super) fn cached_file(&self) -> Result<Arc<dyn ReadFile>> {
        self.cache.file(self.tail.meta.id, || self.fs.open(&self.path, Purpose::Read))
    }

    /// Checks and unpacks the stored bytes of a block.
    pub(super) fn parse(&self, stored: &Bytes, handle: BlockHandle) -> Result<Block> {
        let raw = unseal(stored, self.tail.meta.id, handle.offset, BLOCK_BYTES_MAX);
        raw.and_then(Block::parse).map_err(|e| e.in_file(&self.path, handle.offset))
    }

    /// A file handle of one's own.
    pub(super) fn open_file(&self, purpose: Purpose) -> Result<Arc<dyn ReadFile>> {
        let file = self.fs.open(&self.path, purpose)?;
        if file.len() != self.tail.meta.bytes {
            let what = format!("{} bytes long, not {}", file.len(), self.tail.meta.bytes);
            return Err(Error::corrupt(&self.path, 0, what));
        }
        Ok(file)
    }
}

impl Drop for TableReader {
    fn drop(&mut self) {
        self.cache.close_file(self.tail.meta.id);
    }
}
