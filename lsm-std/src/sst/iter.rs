//! Iterates over a table from either end.

use std::fmt;
use std::ops::{Bound, Range};
use std::sync::Arc;

use bytes::Bytes;

use super::block::Block;
use super::entries::Entries;
use super::footer::read_range;
use super::index::BlockHandle;
use super::reader::{Access, TableReader};
use crate::error::Result;
use crate::fs::{Purpose, ReadFile};
use crate::types::{Entry, SeqNo};

/// Reads ahead in pieces of about this many bytes.
const AHEAD_BYTES: u64 = 256 << 10;

/// A merge of more inputs than this shares the room of so many among all, and opens a file anew for each piece.
const FULL_INPUTS_MAX: usize = 64;

/// The entries of a table between two bounds, every version. Reads a block when its first entry is asked for; ends after
/// the first error.
pub struct TableIter {
    table: Arc<TableReader>,
    access: Access,
    low: Bound<Bytes>,
    high: Bound<Bytes>,
    /// Blocks that hold an entry within the bounds, and perhaps one at either end that does not.
    all: Range<usize>,
    /// Those not yet read.
    unread: Range<usize>,
    front: Entries,
    /// What is still to be decoded behind `front` of its block.
    rest: Option<Rest>,
    /// So many restarts are decoded at once at the front: few at first, for short scans, more as it goes on.
    stretch: usize,
    back: Entries,
    ahead: Option<Ahead>,
}

/// The end of a block.
struct Rest {
    block: Block,
    restarts: Range<usize>,
    /// Which block it is.
    index: usize,
}

impl fmt::Debug for TableIter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TableIter").field("table", &self.table).field("unread", &self.unread).finish_non_exhaustive()
    }
}

impl TableIter {
    pub(super) fn new(table: Arc<TableReader>, low: Bound<Bytes>, high: Bound<Bytes>, access: Access) -> Self {
        let index = &table.tail().index;
        let start = match &low {
            Bound::Unbounded => 0,
            Bound::Included(key) => index.find(key, SeqNo::MAX),
            Bound::Excluded(key) => index.find(key, 0),
        };
        let last = match &high {
            Bound::Unbounded => index.blocks(),
            Bound::Included(key) => index.find(key, 0),
            Bound::Excluded(key) => index.find(key, SeqNo::MAX),
        };
        let all = start..index.blocks().min(last + 1);
        let (front, back) = (Entries::default(), Entries::default());
        // Merges read all.
        let stretch = if access == Access::Read { 1 } else { usize::MAX };
        Self { table, access, low, high, unread: all.clone(), all, front, rest: None, stretch, back, ahead: None }
    }

    /// Block `index`, nothing of it decoded; from the front, without what lies before the bounds.
    fn read(&mut self, index: usize, from_front: bool) -> Result<Option<Rest>> {
        let Some(handle) = self.table.handle(index) else { return Ok(None) };
        let block = match self.access {
            Access::Read => self.table.cached_block(handle)?,
            Access::Merge { inputs } => {
                let ahead = self.ahead.get_or_insert_with(|| Ahead::new(Purpose::Merge, inputs));
                ahead.block(&self.table, handle)?
            }
        };
        let start = match &self.low {
            Bound::Included(low) | Bound::Excluded(low) if from_front && index == self.all.start => {
                block.seek(low, SeqNo::MAX).map_err(|e| e.in_file(self.table.path(), handle.offset))?
            }
            _ => 0,
        };
        Ok(Some(Rest { restarts: start..block.restarts(), block, index }))
    }

    /// Decodes up to `stretch` restarts at the front of `rest`.
    fn decode(&mut self, rest: &mut Rest, stretch: usize) -> Result<Entries> {
        let end = rest.restarts.start.saturating_add(stretch).min(rest.restarts.end);
        let part = rest.restarts.start..end;
        rest.restarts.start = end;
        let offset = || self.table.handle(rest.index).map_or(0, |handle| handle.offset);
        let entries = Entries::decode_part(&rest.block, part);
        let mut entries = entries.map_err(|e| e.in_file(self.table.path(), offset()))?;
        if rest.index == self.all.start || rest.index + 1 == self.all.end {
            entries.trim(as_slice(&self.low), as_slice(&self.high));
        }
        Ok(entries)
    }

    /// Goes on at the front with a stretch of what is left of its block, or with the next one. False at the end.
    fn advance(&mut self) -> Result<bool> {
        let rest = match self.rest.take() {
            Some(rest) => Some(rest),
            None => match self.unread.next() {
                Some(index) => self.read(index, true)?,
                None => return Ok(false),
            },
        };
        let Some(mut rest) = rest else { return Ok(true) };
        self.front = self.decode(&mut rest, self.stretch)?;
        self.stretch = self.stretch.saturating_mul(2);
        self.rest = (!rest.restarts.is_empty()).then_some(rest);
        Ok(true)
    }

    /// Goes on at the back with the last block that is not read, or with all that is left of the one at the front. False if
    /// there is none.
    fn retreat(&mut self) -> Result<bool> {
        let rest = match self.unread.next_back() {
            Some(index) => self.read(index, false)?,
            None => self.rest.take(),
        };
        let Some(mut rest) = rest else { return Ok(false) };
        self.back = self.decode(&mut rest, usize::MAX)?;
        Ok(true)
    }

    fn fail(&mut self) {
        self.unread = 0..0;
        self.rest = None;
        self.front = Entries::default();
        self.back = Entries::default();
    }
}

impl Iterator for TableIter {
    type Item = Result<Entry>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(entry) = self.front.next() {
                return Some(Ok(entry));
            }
            match self.advance() {
                Ok(true) => {}
                Ok(false) => return self.back.next().map(Ok),
                Err(error) => {
                    self.fail();
                    return Some(Err(error));
                }
            }
        }
    }
}

impl DoubleEndedIterator for TableIter {
    fn next_back(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(entry) = self.back.next_back() {
                return Some(Ok(entry));
            }
            match self.retreat() {
                Ok(true) => {}
                Ok(false) => return self.front.next_back().map(Ok),
                Err(error) => {
                    self.fail();
                    return Some(Err(error));
                }
            }
        }
    }
}

fn as_slice(bound: &Bound<Bytes>) -> Bound<&[u8]> {
    bound.as_ref().map(|key| &**key)
}

/// Reads blocks in order, many with one read, past the cache.
pub(super) struct Ahead {
    purpose: Purpose,
    inputs: usize,
    /// Kept open unless there are too many inputs.
    file: Option<Arc<dyn ReadFile>>,
    /// Where `bytes` lie in the file.
    at: u64,
    bytes: Bytes,
}

impl Ahead {
    /// For one of so many `inputs` that are read side by side. Opens nothing yet.
    pub(super) fn new(purpose: Purpose, inputs: usize) -> Self {
        Self { purpose, inputs, file: None, at: 0, bytes: Bytes::new() }
    }

    pub(super) fn block(&mut self, table: &TableReader, handle: BlockHandle) -> Result<Block> {
        let end = handle.offset + handle.len as u64;
        let have = self.at..self.at + self.bytes.len() as u64;
        if handle.offset < have.start || end > have.end {
            let share = AHEAD_BYTES * FULL_INPUTS_MAX as u64 / self.inputs.max(FULL_INPUTS_MAX) as u64;
            let ahead = (handle.offset + share).min(table.tail().data_end).max(end);
            self.bytes = Bytes::new();
            let file = match self.file.take() {
                Some(file) => file,
                None => table.open_file(self.purpose)?,
            };
            self.bytes = read_range(&*file, table.path(), handle.offset, ahead)?;
            self.file = (self.inputs <= FULL_INPUTS_MAX).then_some(file);
            self.at = handle.offset;
        }
        let start = (handle.offset - self.at) as usize;
        table.parse(&self.bytes.slice(start..start + handle.len), handle)
    }
}
