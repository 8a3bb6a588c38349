//! Reads one data block: point lookups without allocation.

use std::cmp::Ordering;

use byteorder::{ByteOrder, LE};
use bytes::Bytes;

use super::builder::common_prefix;
use crate::codec::{Malformed, Reader};
use crate::types::{Found, Kind, SeqNo, order};

/// One data block in memory, checked against its checksum. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Block {
    data: Bytes,
    /// Where the entries end and the restart offsets begin.
    entries_end: usize,
}

/// One entry as it stands in the block.
#[derive(Debug)]
pub(super) struct RawEntry<'a> {
    /// Bytes of the key that are those of the key before.
    pub(super) shared: usize,
    /// The rest of the key.
    pub(super) rest: &'a [u8],
    pub(super) seqno: SeqNo,
    pub(super) kind: Kind,
    /// The value ends where the next entry starts.
    pub(super) value_at: usize,
    pub(super) value_len: usize,
}

impl RawEntry<'_> {
    /// Where the next entry starts.
    pub(super) fn next(&self) -> usize {
        self.value_at + self.value_len
    }
}

impl Block {
    /// Checks the frame of the block; entries are checked as they are read.
    pub(super) fn parse(data: Bytes) -> Result<Self, Malformed> {
        let malformed = |what| Malformed { at: data.len(), what };
        if u32::try_from(data.len()).is_err() {
            return Err(malformed("a block of 4 GiB"));
        }
        let count_at = data.len().checked_sub(4).ok_or(malformed("a block too short"))?;
        let restarts = LE::read_u32(&data[count_at..]) as usize;
        let entries_end = restarts.checked_mul(4).and_then(|bytes| count_at.checked_sub(bytes));
        let entries_end = entries_end.filter(|_| restarts > 0);
        let entries_end = entries_end.ok_or(malformed("a wrong number of restarts"))?;
        Ok(Self { data, entries_end })
    }

    /// Bytes of the block in memory.
    pub fn bytes(&self) -> usize {
        self.data.len()
    }

    pub(super) fn data(&self) -> &Bytes {
        &self.data
    }

    pub(super) fn entries_end(&self) -> usize {
        self.entries_end
    }

    /// The entry at `at`, which is below [`Self::entries_end`].
    #[inline]
    pub(super) fn entry(&self, at: usize) -> Result<RawEntry<'_>, Malformed> {
        let mut reader = Reader::starting_at(&self.data[..self.entries_end], at);
        let shared = reader.size()?;
        let rest_len = reader.size()?;
        let tag = reader.varint()?;
        let seqno = reader.varint()?;
        let rest = reader.take(rest_len)?;
        let value_at = reader.at();
        let value_len = usize::try_from(tag >> 1).unwrap_or(usize::MAX);
        reader.take(value_len)?;
        let kind = if tag & 1 == 0 { Kind::Delete } else { Kind::Put };
        Ok(RawEntry { shared, rest, seqno, kind, value_at, value_len })
    }

    fn restarts(&self) -> usize {
        (self.data.len() - 4 - self.entries_end) / 4
    }

    /// Where the entry of restart `index` starts.
    fn restart(&self, index: usize) -> usize {
        LE::read_u32(&self.data[self.entries_end + 4 * index..]) as usize
    }

    /// The newest version of `key` that is at most `snapshot`.
    ///
    /// O(log entries), no allocation.
    pub fn get(&self, key: &[u8], snapshot: SeqNo) -> Result<Option<Found>, Malformed> {
        let mut at = self.seek(key, snapshot)?;
        // Bytes that the key of the entry before has in common with `key`, and how long it is.
        let (mut matched, mut last_len) = (0, 0);
        while at < self.entries_end {
            let entry = self.entry(at)?;
            if entry.shared > last_len {
                return Err(Malformed { at, what: "a key that shares too much" });
            }
            last_len = entry.shared + entry.rest.len();
            // A key that shares more with the one before than `key` does differs from `key` where that one does, and so lies before it too.
            let order = if entry.shared > matched && entry.shared > 0 {
                Ordering::Less
            } else if entry.shared > 0 && entry.shared < matched {
                Ordering::Greater
            } else {
                let wanted = &key[entry.shared..];
                let same = common_prefix(entry.rest, wanted);
                matched = entry.shared + same;
                entry.rest[same..].cmp(&wanted[same..])
            };
            match order {
                Ordering::Equal if entry.seqno <= snapshot => return Ok(Some(self.found(&entry))),
                Ordering::Less | Ordering::Equal => at = entry.next(),
                Ordering::Greater => return Ok(None),
            }
        }
        Ok(None)
    }

    fn found(&self, entry: &RawEntry<'_>) -> Found {
        let value = self.data.slice(entry.value_at..entry.next());
        Found { seqno: entry.seqno, kind: entry.kind, value }
    }

    /// Where to start looking for the first entry at or after (`key`, `seqno`): the last restart before it, or the first of all.
    fn seek(&self, key: &[u8], seqno: SeqNo) -> Result<usize, Malformed> {
        let (mut low, mut high) = (0, self.restarts());
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            let at = self.restart(middle);
            let entry = self.entry(at)?;
            if entry.shared != 0 {
                return Err(Malformed { at, what: "a restart without a whole key" });
            }
            match order(entry.rest, entry.seqno, key, seqno) {
                Ordering::Less => low = middle,
                Ordering::Equal | Ordering::Greater => high = middle,
            }
        }
        Ok(self.restart(low))
    }
}
