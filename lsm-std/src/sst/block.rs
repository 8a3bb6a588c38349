//! Reads one data block: point lookups without allocation.

use std::cmp::Ordering;
use std::ops::{Deref, Range};

use byteorder::{ByteOrder, LE};
use bytes::Bytes;

use super::builder::common_prefix;
use crate::codec::{Malformed, Reader};
use crate::types::{Kind, SeqNo};

/// Bytes at the end of a block: where the cells end, and the number of restarts.
const END_BYTES: usize = 8;

/// Bytes that memory hands over at once.
const LINE_BYTES: usize = 64;

/// Lines at the end of a block that a search fetches at first.
const FETCHED_LINES: usize = 6;

/// Bytes of one restart.
const RESTART_BYTES: usize = 8;

/// One data block in memory, checked against its checksum.
#[derive(Clone, Debug)]
pub(super) struct Block<D = Bytes> {
    data: D,
    /// Where the cells end and the keys begin.
    cells_end: usize,
    /// Where the keys end and the restarts begin.
    keys_end: usize,
}

/// A key as it stands in the block, and where its cell lies.
#[derive(Debug)]
pub(super) struct RawKey<'a> {
    /// Bytes of the key that are those of the key before.
    pub(super) shared: usize,
    /// The rest of the key.
    pub(super) rest: &'a [u8],
    pub(super) kind: Kind,
    pub(super) cell_len: usize,
    /// Where the next key starts.
    pub(super) next: usize,
}

/// What lies apart from the key.
#[derive(Debug)]
pub(super) struct Cell {
    pub(super) seqno: SeqNo,
    pub(super) value: Range<usize>,
}

/// Where a point read found a version, and which one.
#[derive(Debug)]
pub(super) struct FoundAt {
    pub(super) seqno: SeqNo,
    pub(super) kind: Kind,
    pub(super) value: Range<usize>,
}

impl<D: Deref<Target = [u8]>> Block<D> {
    /// Checks the frame of the block; entries are checked as they are read. O(1).
    #[inline]
    pub(super) fn parse(data: D) -> Result<Self, Malformed> {
        let malformed = |what| Malformed { at: data.len(), what };
        if u32::try_from(data.len()).is_err() {
            return Err(malformed("a block of 4 GiB"));
        }
        let end = data.len().checked_sub(END_BYTES).ok_or(malformed("a block too short"))?;
        let cells_end = LE::read_u32(&data[end..]) as usize;
        let restarts = LE::read_u32(&data[end + 4..]) as usize;
        let keys_end = restarts.checked_mul(RESTART_BYTES).and_then(|bytes| end.checked_sub(bytes));
        let keys_end = keys_end.filter(|&keys_end| restarts > 0 && cells_end <= keys_end);
        let keys_end = keys_end.ok_or(malformed("a block whose parts overlap"))?;
        Ok(Self { data, cells_end, keys_end })
    }

    pub(super) fn data(&self) -> &D {
        &self.data
    }

    /// Where the first key starts, and its cell.
    pub(super) fn start(&self) -> (usize, usize) {
        (self.cells_end, 0)
    }

    /// Where the keys end.
    pub(super) fn keys_end(&self) -> usize {
        self.keys_end
    }

    /// Where the keys of these restarts lie, and where the cell of the first is.
    pub(super) fn keys(&self, restarts: Range<usize>) -> (Range<usize>, usize) {
        let (start, cell_at) = if restarts.start == 0 { (self.cells_end, 0) } else { self.restart(restarts.start) };
        let end = if restarts.end < self.restarts() { self.restart(restarts.end).0 } else { self.keys_end };
        (start..end.clamp(start, self.keys_end.max(start)), cell_at)
    }

    /// The key at `at`.
    #[inline]
    pub(super) fn key(&self, at: usize) -> Result<RawKey<'_>, Malformed> {
        if let Some((&[shared, len, low, high], rest)) =
            self.data[..self.keys_end].get(at..).and_then(<[u8]>::split_first_chunk)
            && shared | len < 0x80
            && low >= 0x80
            && high < 0x80
            && let Some(rest) = rest.get(..len.into())
        {
            // Most keys: short, with a value of 64 bytes and more.
            let kind = if low & 1 == 0 { Kind::Delete } else { Kind::Put };
            let cell_len = usize::from(low & 0x7f) >> 1 | usize::from(high) << 6;
            return Ok(RawKey { shared: shared.into(), rest, kind, cell_len, next: at + 4 + usize::from(len) });
        }
        self.any_key(at)
    }

    fn any_key(&self, at: usize) -> Result<RawKey<'_>, Malformed> {
        let mut reader = Reader::starting_at(&self.data[..self.keys_end], at);
        let (shared, rest_len, tag) = (reader.size()?, reader.size()?, reader.varint()?);
        let rest = reader.take(rest_len)?;
        let kind = if tag & 1 == 0 { Kind::Delete } else { Kind::Put };
        let cell_len = usize::try_from(tag >> 1).unwrap_or(usize::MAX);
        Ok(RawKey { shared, rest, kind, cell_len, next: reader.at() })
    }

    /// The cell of `len` bytes at `at`.
    #[inline]
    pub(super) fn cell(&self, at: usize, len: usize) -> Result<Cell, Malformed> {
        let end = at.checked_add(len).filter(|&end| end <= self.cells_end);
        let end = end.ok_or(Malformed { at, what: "a value beyond the values" })?;
        let mut reader = Reader::starting_at(&self.data[..end], at);
        let seqno = reader.varint()?;
        Ok(Cell { seqno, value: reader.at()..end })
    }

    /// How many keys stand whole, for a search; at least one.
    pub(super) fn restarts(&self) -> usize {
        (self.data.len() - END_BYTES - self.keys_end) / RESTART_BYTES
    }

    /// Where the key of restart `index` starts, and its cell.
    pub(super) fn restart(&self, index: usize) -> (usize, usize) {
        let at = self.keys_end + RESTART_BYTES * index;
        (LE::read_u32(&self.data[at..]) as usize, LE::read_u32(&self.data[at + 4..]) as usize)
    }

    /// The newest version of `key` that is at most `snapshot`.
    ///
    /// O(log entries), no allocation.
    pub(super) fn get(&self, key: &[u8], snapshot: SeqNo) -> Result<Option<FoundAt>, Malformed> {
        let (mut at, mut cell_at) = self.restart(self.seek(key, snapshot)?);
        // Bytes that the key before has in common with the wanted one, and how long it is.
        let (mut matched, mut last_len) = (0, 0);
        while at < self.keys_end {
            let raw = self.key(at)?;
            if raw.shared > last_len {
                return Err(Malformed { at, what: "a key that shares too much" });
            }
            last_len = raw.shared + raw.rest.len();
            // A key that shares more with the one before than the wanted one does differs where that one does, and so lies
            // before it too.
            let order = if raw.shared > matched {
                Ordering::Less
            } else if raw.shared > 0 && raw.shared < matched {
                Ordering::Greater
            } else {
                let wanted = &key[raw.shared..];
                let same = common_prefix(raw.rest, wanted);
                matched = raw.shared + same;
                raw.rest.get(same).cmp(&wanted.get(same))
            };
            match order {
                Ordering::Less => {}
                Ordering::Equal => {
                    let Cell { seqno, value } = self.cell(cell_at, raw.cell_len)?;
                    if seqno <= snapshot {
                        return Ok(Some(FoundAt { seqno, kind: raw.kind, value }));
                    }
                }
                Ordering::Greater => return Ok(None),
            }
            at = raw.next;
            cell_at = cell_at.saturating_add(raw.cell_len);
        }
        Ok(None)
    }

    /// Fetches what a search will read: the end, where most keys are. The processor waits once for all of it, not line by line.
    #[inline]
    pub(super) fn fetch(&self) {
        let lines = self.data.rchunks(LINE_BYTES).take(FETCHED_LINES);
        std::hint::black_box(lines.fold(0, |sum, line| sum ^ line[0]));
    }

    /// Where to start looking for the first entry at or after (`key`, `seqno`): the last restart before it, or the first of all.
    pub(super) fn seek(&self, key: &[u8], seqno: SeqNo) -> Result<usize, Malformed> {
        let (mut low, mut high) = (0, self.restarts());
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            let (at, cell_at) = self.restart(middle);
            let raw = self.key(at)?;
            if raw.shared != 0 {
                return Err(Malformed { at, what: "a restart without a whole key" });
            }
            let is_before = match raw.rest.cmp(key) {
                Ordering::Equal => self.cell(cell_at, raw.cell_len)?.seqno > seqno,
                order => order == Ordering::Less,
            };
            if is_before {
                low = middle;
            } else {
                high = middle;
            }
        }
        Ok(low)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Bytes as lengths and tags have them: short, or of two bytes and more.
    fn bytes() -> impl Strategy<Value = Vec<u8>> {
        let byte = prop_oneof![0u8..6, 0x7eu8..0x86, any::<u8>()];
        prop::collection::vec(byte, 0..12)
    }

    proptest! {
        #[test]
        fn a_short_key_is_read_as_any_other_is(keys in bytes(), at in 0usize..14) {
            let mut data = keys.clone();
            data.extend([0; RESTART_BYTES]);
            data.extend([0, 0, 0, 0, 1, 0, 0, 0]);
            let block = Block::parse(&data[..]).unwrap();
            prop_assert_eq!(block.keys_end(), keys.len());
            prop_assert_eq!(format!("{:?}", block.key(at)), format!("{:?}", block.any_key(at)));
        }
    }
}
