//! Walks over the entries of data blocks, one at a time.

use std::ops::Bound;

use bytes::{Buf, Bytes};

use super::block::{Block, Cell};
use super::entries::Entries;
use super::iter::{Blocks, Part};
use crate::codec::Malformed;
use crate::error::Result;
use crate::iter::Direction;
use crate::types::{Entry, EntryRef, Kind};

/// In order.
#[derive(Default)]
pub(super) struct Forward {
    at: Option<BlockWalk>,
    /// Keys may come that lie below the bounds; above them.
    is_first: bool,
    is_last: bool,
    /// Where the block lies in the file.
    offset: u64,
}

impl Forward {
    /// Goes to the next entry; false at the end.
    #[inline]
    pub(super) fn step(&mut self, blocks: &mut Blocks) -> Result<bool> {
        loop {
            if let Some(at) = &mut self.at {
                let low = if self.is_first { blocks.low() } else { Bound::Unbounded };
                if at.step(low).map_err(|e| blocks.in_file(e, self.offset))? {
                    self.is_first = false;
                    if !self.is_last || is_up_to(blocks.high(), at.key()) {
                        return Ok(true);
                    }
                    blocks.end();
                }
            }
            let buffer = self.at.take().map_or_else(Vec::new, |at| at.key);
            let Some(part) = blocks.next(Direction::Forward)? else { return Ok(false) };
            (self.is_first, self.is_last, self.offset) = (part.is_first, part.is_last, part.offset);
            self.at = Some(BlockWalk::new(part.block, part.restarts.start, buffer));
        }
    }

    #[inline]
    pub(super) fn key(&self) -> &[u8] {
        self.at.as_ref().map_or(&[], BlockWalk::key)
    }

    #[inline]
    pub(super) fn entry(&self) -> EntryRef<'_> {
        self.at.as_ref().map_or(EntryRef::NONE, BlockWalk::entry)
    }

    #[inline]
    pub(super) fn value(&self) -> Bytes {
        self.at.as_ref().map_or(Bytes::new(), BlockWalk::value)
    }
}

/// In the opposite order: keys can only be read forward, so from one restart to the next all at once.
#[derive(Default)]
pub(super) struct Backward {
    at: Option<Entry>,
    decoded: Entries,
    rest: Option<Part>,
}

impl Backward {
    /// Goes to the next entry; false at the end.
    #[inline]
    pub(super) fn step(&mut self, blocks: &mut Blocks) -> Result<bool> {
        loop {
            self.at = self.decoded.next_back();
            if self.at.is_some() {
                return Ok(true);
            }
            if self.rest.is_none() {
                self.rest = blocks.next(Direction::Backward)?;
            }
            let Some(rest) = &mut self.rest else { return Ok(false) };
            let Some(restart) = rest.restarts.next_back() else {
                self.rest = None;
                continue;
            };
            let decoded = Entries::decode_part(&rest.block, restart..restart + 1);
            self.decoded = decoded.map_err(|e| blocks.in_file(e, rest.offset))?;
            if rest.is_first || rest.is_last {
                self.decoded.trim(blocks.low(), blocks.high());
            }
        }
    }

    #[inline]
    pub(super) fn entry(&self) -> EntryRef<'_> {
        self.at.as_ref().map_or(EntryRef::NONE, Entry::lend)
    }

    #[inline]
    pub(super) fn value(&self) -> Bytes {
        self.at.as_ref().map_or(Bytes::new(), |entry| entry.value.clone())
    }
}

fn is_from(low: Bound<&[u8]>, key: &[u8]) -> bool {
    match low {
        Bound::Unbounded => true,
        Bound::Included(low) => key >= low,
        Bound::Excluded(low) => key > low,
    }
}

fn is_up_to(high: Bound<&[u8]>, key: &[u8]) -> bool {
    match high {
        Bound::Unbounded => true,
        Bound::Included(high) => key <= high,
        Bound::Excluded(high) => key < high,
    }
}

/// A walk over a block, from before an entry on. It allocates for the longest key, not for an entry.
struct BlockWalk {
    block: Block,
    /// Where the next key starts, and its cell.
    next: (usize, usize),
    /// The next restart, and where it is.
    restart: usize,
    restart_at: Option<(usize, usize)>,
    key: Vec<u8>,
    kind: Kind,
    cell: Cell,
}

impl BlockWalk {
    /// Stands before the entry of this restart. `buffer` is for keys.
    fn new(block: Block, restart: usize, buffer: Vec<u8>) -> Self {
        let restart_at = Some(block.restart(restart)).filter(|_| restart < block.restarts());
        let next = if restart == 0 { block.start() } else { restart_at.unwrap_or((usize::MAX, 0)) };
        let mut key = buffer;
        key.clear();
        Self { block, next, restart, restart_at, key, kind: Kind::Delete, cell: Cell { seqno: 0, value: 0..0 } }
    }

    /// Goes to the next entry not below `low`; of others the values are not looked at. False at the end.
    #[inline]
    fn step(&mut self, low: Bound<&[u8]>) -> std::result::Result<bool, Malformed> {
        while self.next.0 < self.block.keys_end() {
            let (at, cell_at) = self.next;
            let raw = self.block.key(at)?;
            if self.restart_at == Some(self.next) && raw.shared == 0 {
                self.restart += 1;
                self.restart_at = (self.restart < self.block.restarts()).then(|| self.block.restart(self.restart));
            }
            if raw.shared > self.key.len() {
                return Err(Malformed { at, what: "a key that shares too much" });
            }
            self.key.truncate(raw.shared);
            self.key.extend_from_slice(raw.rest);
            self.kind = raw.kind;
            self.next = (raw.next, cell_at.saturating_add(raw.cell_len));
            if is_from(low, &self.key) {
                self.cell = self.block.cell(cell_at, raw.cell_len)?;
                return Ok(true);
            }
        }
        match self.restart_at {
            Some((at, _)) => Err(Malformed { at, what: "a restart without a whole key" }),
            None => Ok(false),
        }
    }

    /// Key of the entry that it stands at.
    #[inline]
    fn key(&self) -> &[u8] {
        &self.key
    }

    /// The entry that it stands at.
    #[inline]
    fn entry(&self) -> EntryRef<'_> {
        let value = self.block.data().get(self.cell.value.clone()).unwrap_or_default();
        EntryRef { key: &self.key, seqno: self.cell.seqno, kind: self.kind, value }
    }

    /// The value of that entry, a slice of the block.
    #[inline]
    fn value(&self) -> Bytes {
        let mut value = self.block.data().clone();
        value.truncate(self.cell.value.end);
        value.advance(self.cell.value.start);
        value
    }
}
