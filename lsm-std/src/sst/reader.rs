//! Reads a table.

use std::cell::Cell;
use std::fmt;
use std::ops::{Bound, Range};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

use super::block::{Block, FoundAt};
use super::footer::Tail;
use super::index::BlockHandle;
use super::iter::TableCursor;
use super::mapped::MappedBlocks;
use super::seal::{BLOCK_BYTES_MAX, TRAILER_BYTES, shared_zeros, unseal, unseal_lent, unseal_shared};
use crate::cache::{Asked, Cache, Slots};
use crate::codec::Malformed;
use crate::error::{Error, Result};
use crate::fs::{FileName, Fs, Purpose, ReadFile};
use crate::iter::Direction;
use crate::timing::{Laps, Part};
use crate::types::{FileId, Found, SeqNo, TableMeta};

/// Values up to this length are copied out of their blocks: a reader that shared the block would write to it.
const COPIED_BYTES_MAX: usize = 1024;

/// Blocks longer than this are not read to where the one before was: what a thread holds on to is bounded.
const PASSING_BYTES_MAX: usize = 64 << 10;

thread_local! {
    /// The last block that was read and not kept.
    static PASSING: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Lends `read` so many bytes of this thread; their contents are old. A file system that reads a table to read a table is lent
/// others, and so is who reads while the thread ends.
fn passing<T>(len: usize, read: impl FnOnce(&mut [u8]) -> T) -> T {
    let mut bytes = PASSING.try_with(Cell::take).unwrap_or_default();
    bytes.resize(len, 0);
    let out = read(&mut bytes);
    PASSING.try_with(|place| place.set(bytes)).ok();
    out
}

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
    slots: Arc<Slots>,
    tail: Tail,
    mapped: Option<MappedBlocks>,
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
        let slots = cache.slots(tail.index.blocks());
        let mapped = fs.map(&path).and_then(|map| MappedBlocks::new(map, &tail));
        Ok(Arc::new(Self { fs, path, cache, slots, tail, mapped }))
    }

    /// What the table `id` of `dir` says of itself. Its data blocks are not read.
    pub fn properties(fs: &dyn Fs, dir: &Path, id: FileId) -> Result<TableMeta> {
        let path = dir.join(FileName::Table(id).to_string());
        let file = fs.open(&path, Purpose::Read)?;
        Ok(Tail::read(&*file, &path, id)?.meta)
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
    #[inline]
    pub fn may_contain(&self, key_hash: u64) -> bool {
        self.tail.filter.as_ref().is_none_or(|filter| filter.may_contain(key_hash))
    }

    /// Some byte of the filter that is worth reading before [`may_contain`](Self::may_contain) is asked, for what it fetches.
    #[inline]
    pub(crate) fn fetch_filter(&self, key_hash: u64) -> u8 {
        self.tail.filter.as_ref().map_or(0, |filter| filter.fetch(key_hash))
    }

    /// Whether it has a filter.
    pub(crate) fn has_filter(&self) -> bool {
        self.tail.filter.is_some()
    }

    /// The newest version of `key` that is at most `snapshot`; `key_hash` is [`key_hash`](super::key_hash) of `key`.
    ///
    /// At most one block is read, and none if the filter denies the key.
    pub fn get(&self, key: &[u8], key_hash: u64, snapshot: SeqNo) -> Result<Option<Found>> {
        let passed = self.may_contain(key_hash);
        let mut asked =
            Asked { filter_asked: self.has_filter().into(), filter_denied: (!passed).into(), ..Asked::default() };
        let found = if passed { self.find(key, snapshot, &mut asked) } else { Ok(None) };
        self.cache.count(&asked);
        found
    }

    /// As [`get`](Self::get), without the filter. What it asks is counted in `asked`.
    ///
    /// A small value is copied. A large one is a slice of its block and keeps that in memory.
    pub(crate) fn find(&self, key: &[u8], snapshot: SeqNo, asked: &mut Asked) -> Result<Option<Found>> {
        let index = self.tail.index.find(key, snapshot);
        if snapshot < self.tail.meta.oldest_seqno || index >= self.tail.index.blocks() {
            return Ok(None);
        }
        asked.laps.end(Part::Index);
        asked.point_blocks += 1;
        let in_map = self.mapped.as_ref().and_then(|mapped| mapped.block(index, &self.tail)).map(|block| {
            asked.laps.end(Part::Cache);
            block.and_then(|raw| find_in(raw, key, snapshot, |value| Bytes::copy_from_slice(&raw[value])))
        });
        let in_memory = in_map.or_else(|| {
            self.slots.with(index, |block| {
                asked.laps.end(Part::Cache);
                let keep = |value: Range<usize>| Bytes::from_owner(Arc::clone(block)).slice(value);
                find_in(payload(block), key, snapshot, keep)
            })
        });
        let found = match in_memory {
            Some(found) => {
                asked.hits += 1;
                found
            }
            None => {
                asked.misses += 1;
                self.find_read(index, key, snapshot, &mut asked.laps)?
            }
        };
        asked.laps.end(Part::Decode);
        found.map_err(|e| e.in_file(&self.path, self.offset_of(index)))
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

    /// Block `index`, which there is, from the cache or into it.
    pub(super) fn cached_block(&self, index: usize) -> Result<Block> {
        if let Some(block) = self.block_in_memory(index) {
            return Ok(block);
        }
        let handle = self.existing(index)?;
        let is_kept = self.cache.admits(&self.slots, index, handle.len);
        let block = Block::parse(shared(self.load(index, handle, is_kept, &mut Laps::default())?));
        block.map_err(|e| e.in_file(&self.path, self.offset_of(index)))
    }

    /// A block that the cache has.
    pub(super) fn block_in_memory(&self, index: usize) -> Option<Block> {
        let cached = self.slots.with(index, Arc::clone);
        self.cache.count(&Asked { hits: cached.is_some().into(), misses: cached.is_none().into(), ..Asked::default() });
        cached.and_then(|block| Block::parse(shared(block)).ok())
    }

    /// What [`find`](Self::find) finds in block `index`, which is not in memory. Where that will not be kept it is read to where the
    /// one before was: memory that is at hand, and that nobody allocates or frees.
    #[cold]
    fn find_read(
        &self,
        index: usize,
        key: &[u8],
        snapshot: SeqNo,
        laps: &mut Laps,
    ) -> Result<std::result::Result<Option<Found>, Malformed>> {
        let handle = self.existing(index)?;
        if handle.len > PASSING_BYTES_MAX || self.cache.admits(&self.slots, index, handle.len) {
            let block = self.load(index, handle, true, laps)?;
            let keep = |value: Range<usize>| Bytes::from_owner(Arc::clone(&block)).slice(value);
            return Ok(find_in(payload(&block), key, snapshot, keep));
        }
        let file = self.cached_file()?;
        passing(handle.len, |stored| {
            laps.end(Part::Cache);
            file.read_at(stored, handle.offset)?;
            laps.end(Part::Disk);
            let raw = unseal_lent(stored, self.tail.meta.id, handle.offset);
            Ok(raw.and_then(|raw| find_in(&raw, key, snapshot, |value| Bytes::copy_from_slice(&raw[value]))))
        })
    }

    fn existing(&self, index: usize) -> Result<BlockHandle> {
        self.handle(index).ok_or_else(|| Error::corrupt(&self.path, 0, "no such block"))
    }

    /// Reads block `index`, into the cache if it `is_kept`.
    #[cold]
    fn load(&self, index: usize, handle: BlockHandle, is_kept: bool, laps: &mut Laps) -> Result<Arc<[u8]>> {
        let (id, offset, file) = (self.tail.meta.id, handle.offset, self.cached_file()?);
        let too_long = || Error::corrupt(&self.path, offset, format!("{} bytes do not fit memory", handle.len));
        let mut stored = shared_zeros(handle.len).ok_or_else(too_long)?;
        laps.end(Part::Cache);
        file.read_at(Arc::make_mut(&mut stored), offset)?;
        laps.end(Part::Disk);
        let block = unseal_shared(stored, id, offset);
        let block = block.and_then(|block| Block::parse(payload(&block)).map(|_| Arc::clone(&block)));
        let block = block.map_err(|e| e.in_file(&self.path, offset))?;
        laps.end(Part::Decode);
        if is_kept {
            self.cache.keep_block(&self.slots, index, &block);
        }
        laps.end(Part::Cache);
        Ok(block)
    }

    /// Its blocks leave the cache. It can be read as before.
    pub(crate) fn forget_blocks(&self) {
        self.cache.forget(&self.slots);
    }

    fn offset_of(&self, index: usize) -> u64 {
        self.handle(index).map_or(0, |handle| handle.offset)
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
        self.forget_blocks();
    }
}

/// A block in memory without what follows it.
#[inline]
fn payload(block: &[u8]) -> &[u8] {
    &block[..block.len().saturating_sub(TRAILER_BYTES)]
}

/// The same, to be shared.
fn shared(block: Arc<[u8]>) -> Bytes {
    let len = payload(&block).len();
    Bytes::from_owner(block).slice(..len)
}

/// The newest version of `key` in `block` that is at most `snapshot`. A value that is not copied is what `keep` makes of its place.
#[inline]
fn find_in(
    block: &[u8],
    key: &[u8],
    snapshot: SeqNo,
    keep: impl Fn(Range<usize>) -> Bytes,
) -> std::result::Result<Option<Found>, Malformed> {
    let parsed = Block::parse(block)?;
    parsed.fetch();
    let found = parsed.get(key, snapshot)?;
    Ok(found.map(|FoundAt { seqno, kind, value }| {
        let value = match value.len() <= COPIED_BYTES_MAX {
            true => Bytes::copy_from_slice(&block[value]),
            false => keep(value),
        };
        Found { seqno, kind, value }
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_read_within_a_read_is_lent_other_memory() {
        passing(8, |outer| {
            outer.fill(1);
            passing(9, |inner| inner.fill(2));
            assert_eq!(outer, [1; 8]);
        });
        passing(3, |bytes| assert_eq!(bytes.len(), 3));
    }
}
