//! Walks over a table, in either direction.

use std::fmt;
use std::ops::{Bound, Range};
use std::sync::Arc;

use bytes::Bytes;

use super::block::Block;
use super::footer::read_range;
use super::index::BlockHandle;
use super::reader::{Access, TableReader};
use super::walk::{Backward, Forward};
use crate::codec::Malformed;
use crate::error::{Error, Result};
use crate::fs::{Purpose, ReadFile};
use crate::iter::{Cursor, Direction, Step};
use crate::types::{EntryRef, SeqNo};

/// Reads ahead in pieces of about this many bytes: merges, and long scans.
const AHEAD_BYTES: u64 = 256 << 10;
const SCAN_AHEAD_BYTES: u64 = 64 << 10;

/// A scan that has read so many blocks of a table reads ahead, and no longer fills the cache.
const LONG_SCAN_BLOCKS: usize = 16;

/// A merge of more inputs than this shares the room of so many among all, and opens a file anew for each piece.
const FULL_INPUTS_MAX: usize = 64;

/// A walk over the entries of a table between two bounds, every version. Reads a block when its first entry is wanted.
pub struct TableCursor {
    blocks: Blocks,
    walk: Walk,
}

enum Walk {
    Forward(Forward),
    Backward(Backward),
}

impl fmt::Debug for TableCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Blocks { table, unread, .. } = &self.blocks;
        f.debug_struct("TableCursor").field("table", table).field("unread", unread).finish_non_exhaustive()
    }
}

impl TableCursor {
    pub(super) fn new(
        table: Arc<TableReader>,
        (low, high): (Bound<Bytes>, Bound<Bytes>),
        direction: Direction,
        access: Access,
    ) -> Self {
        let walk = match direction {
            Direction::Forward => Walk::Forward(Forward::default()),
            Direction::Backward => Walk::Backward(Backward::default()),
        };
        Self { blocks: Blocks::new(table, low, high, access), walk }
    }
}

/// Comes to entries only.
impl Cursor for TableCursor {
    #[inline]
    fn step(&mut self) -> Result<Step> {
        let came = match &mut self.walk {
            Walk::Forward(walk) => walk.step(&mut self.blocks),
            Walk::Backward(walk) => walk.step(&mut self.blocks),
        };
        let came = came.inspect_err(|_| {
            self.blocks.unread = 0..0;
            self.walk = Walk::Backward(Backward::default());
        })?;
        Ok(if came { Step::Entry } else { Step::End })
    }

    #[inline]
    fn key(&self) -> &[u8] {
        match &self.walk {
            Walk::Forward(walk) => walk.key(),
            Walk::Backward(walk) => walk.entry().key,
        }
    }

    #[inline]
    fn entry(&self) -> EntryRef<'_> {
        match &self.walk {
            Walk::Forward(walk) => walk.entry(),
            Walk::Backward(walk) => walk.entry(),
        }
    }

    #[inline]
    fn value(&self) -> Bytes {
        match &self.walk {
            Walk::Forward(walk) => walk.value(),
            Walk::Backward(walk) => walk.value(),
        }
    }
}

/// The blocks of a table that hold what lies between two bounds.
pub(super) struct Blocks {
    table: Arc<TableReader>,
    access: Access,
    low: Bound<Bytes>,
    high: Bound<Bytes>,
    /// Blocks that hold an entry within the bounds, and perhaps one at either end that does not.
    all: Range<usize>,
    /// Those not yet read.
    unread: Range<usize>,
    ahead: Option<Ahead>,
}

/// A block, or what is left of it.
pub(super) struct Part {
    pub(super) block: Block,
    /// Without those of which all entries lie outside the bounds.
    pub(super) restarts: Range<usize>,
    /// There may be entries below the bounds; above them.
    pub(super) is_first: bool,
    pub(super) is_last: bool,
    /// Where it lies in the file.
    pub(super) offset: u64,
}

impl Blocks {
    fn new(table: Arc<TableReader>, low: Bound<Bytes>, high: Bound<Bytes>, access: Access) -> Self {
        let index = &table.tail().index;
        let first = place_of(&low).map_or(0, |(key, seqno)| index.find(key, seqno));
        let last = place_of(&high).map_or(usize::MAX, |(key, seqno)| index.find(key, SeqNo::MAX - seqno));
        let all = first..index.blocks().min(last.saturating_add(1));
        Self { table, access, low, high, unread: all.clone(), all, ahead: None }
    }

    /// The first block that was not read, or the last.
    pub(super) fn next(&mut self, direction: Direction) -> Result<Option<Part>> {
        let index = match direction {
            Direction::Forward => self.unread.next(),
            Direction::Backward => self.unread.next_back(),
        };
        let Some((index, handle)) = index.and_then(|index| Some((index, self.table.handle(index)?))) else {
            return Ok(None);
        };
        let block = self.block(index, handle)?;
        let (is_first, is_last) = (index == self.all.start, index + 1 == self.all.end);
        let seek = |(key, seqno): (&[u8], SeqNo)| block.seek(key, seqno).map_err(|e| self.in_file(e, handle.offset));
        let start = place_of(&self.low).filter(|_| is_first).map(seek).transpose()?.unwrap_or(0);
        let high = place_of(&self.high).filter(|_| is_last && direction == Direction::Backward);
        let last = high.map(|(key, seqno)| seek((key, SeqNo::MAX - seqno))).transpose()?;
        // The restart behind may stand at the last entry within the bounds.
        let end = last.map_or(block.restarts(), |last| block.restarts().min(last + 2));
        Ok(Some(Part { restarts: start..end, block, is_first, is_last, offset: handle.offset }))
    }

    fn block(&mut self, index: usize, handle: BlockHandle) -> Result<Block> {
        let ahead = match self.access {
            Access::Read if index < self.all.start + LONG_SCAN_BLOCKS || self.unread.start <= index => {
                return self.table.cached_block(index);
            }
            Access::Read => match self.table.block_in_memory(index) {
                Some(block) => return Ok(block),
                None => self.ahead.get_or_insert_with(Ahead::of_scan),
            },
            Access::Merge { inputs } => self.ahead.get_or_insert_with(|| Ahead::new(Purpose::Merge, inputs)),
        };
        ahead.block(&self.table, handle)
    }

    /// There are no more.
    pub(super) fn end(&mut self) {
        self.unread = 0..0;
    }

    pub(super) fn low(&self) -> Bound<&[u8]> {
        as_slice(&self.low)
    }

    pub(super) fn high(&self) -> Bound<&[u8]> {
        as_slice(&self.high)
    }

    pub(super) fn in_file(&self, error: Malformed, offset: u64) -> Error {
        error.in_file(self.table.path(), offset)
    }
}

/// Where the entries begin that a lower bound lets in.
fn place_of(bound: &Bound<Bytes>) -> Option<(&[u8], SeqNo)> {
    match bound {
        Bound::Unbounded => None,
        Bound::Included(key) => Some((key, SeqNo::MAX)),
        Bound::Excluded(key) => Some((key, 0)),
    }
}

fn as_slice(bound: &Bound<Bytes>) -> Bound<&[u8]> {
    bound.as_ref().map(|key| &**key)
}

/// Reads blocks in order, many with one read, past the cache.
pub(super) struct Ahead {
    purpose: Purpose,
    piece_bytes: u64,
    keeps_open: bool,
    file: Option<Arc<dyn ReadFile>>,
    /// Where `bytes` lie in the file.
    at: u64,
    bytes: Bytes,
}

impl Ahead {
    /// For one of so many `inputs` that are read side by side, by a file handle of its own. Opens nothing yet.
    pub(super) fn new(purpose: Purpose, inputs: usize) -> Self {
        let piece_bytes = AHEAD_BYTES * FULL_INPUTS_MAX as u64 / inputs.max(FULL_INPUTS_MAX) as u64;
        Self { purpose, piece_bytes, keeps_open: inputs <= FULL_INPUTS_MAX, file: None, at: 0, bytes: Bytes::new() }
    }

    /// For a scan, which shares the cached file handle.
    fn of_scan() -> Self {
        Self { piece_bytes: SCAN_AHEAD_BYTES, keeps_open: false, ..Self::new(Purpose::Read, 1) }
    }

    pub(super) fn block(&mut self, table: &TableReader, handle: BlockHandle) -> Result<Block> {
        let end = handle.offset + handle.len as u64;
        let have = self.at..self.at + self.bytes.len() as u64;
        if handle.offset < have.start || end > have.end {
            let ahead = (handle.offset + self.piece_bytes).min(table.tail().data_end).max(end);
            self.bytes = Bytes::new();
            let file = match self.file.take() {
                Some(file) => file,
                None if self.purpose == Purpose::Read => table.cached_file()?,
                None => table.open_file(self.purpose)?,
            };
            self.bytes = read_range(&*file, table.path(), handle.offset, ahead)?;
            self.file = self.keeps_open.then_some(file);
            self.at = handle.offset;
        }
        let start = (handle.offset - self.at) as usize;
        table.parse(&self.bytes.slice(start..start + handle.len), handle)
    }
}
