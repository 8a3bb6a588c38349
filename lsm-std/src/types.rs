//! What every layer of the engine speaks of: sequence numbers, entries, tables.

use std::cmp::Ordering;

use bytes::Bytes;

use crate::codec::{Malformed, Reader, put_bytes, put_u64, put_varint};

/// The number of one write. Every put and delete of a store has its own; a larger one is newer.
pub type SeqNo = u64;

/// The number of a file: log segment, table or manifest. Never used twice in the life of a store.
pub type FileId = u64;

/// File numbers and sequence numbers lie below this: nothing that is added to one can overflow.
pub(crate) const NUMBERS_END: u64 = 1 << 63;

/// Longest key in bytes.
pub const KEY_BYTES_MAX: usize = 64 * 1024;

/// Longest value in bytes.
pub const VALUE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// What one entry does to its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Kind {
    /// The key is gone from this sequence number on. The value is empty.
    Delete = 0,
    /// The key has this value from this sequence number on.
    Put = 1,
}

impl Kind {
    /// The kind whose stored byte is `byte`, if there is one.
    pub const fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            0 => Some(Self::Delete),
            1 => Some(Self::Put),
            _ => None,
        }
    }
}

/// One version of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The user's key.
    pub key: Bytes,
    /// When it was written, in writes.
    pub seqno: SeqNo,
    /// Put or delete.
    pub kind: Kind,
    /// The user's value; empty for a delete.
    pub value: Bytes,
}

/// A version of a key that somebody else holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntryRef<'a> {
    /// The user's key.
    pub key: &'a [u8],
    /// When it was written, in writes.
    pub seqno: SeqNo,
    /// Put or delete.
    pub kind: Kind,
    /// The user's value; empty for a delete.
    pub value: &'a [u8],
}

impl EntryRef<'_> {
    /// Where there is none.
    pub(crate) const NONE: EntryRef<'static> = EntryRef { key: &[], seqno: 0, kind: Kind::Delete, value: &[] };
}

impl Entry {
    /// The same, lent.
    pub fn lend(&self) -> EntryRef<'_> {
        EntryRef { key: &self.key, seqno: self.seqno, kind: self.kind, value: &self.value }
    }

    /// The order in which entries lie in a table: keys ascending, and of one key the newest first.
    pub fn order(&self, other: &Self) -> Ordering {
        order(&self.key, self.seqno, &other.key, other.seqno)
    }
}

/// The order of entries, given as key and sequence number: keys ascending, of one key the newest first.
pub fn order(key: &[u8], seqno: SeqNo, other_key: &[u8], other_seqno: SeqNo) -> Ordering {
    key.cmp(other_key).then_with(|| other_seqno.cmp(&seqno))
}

/// The first sixteen bytes as a number that sorts as they do, zeros for those that are missing.
pub(crate) fn head(key: &[u8]) -> u128 {
    let mut first = [0; 16];
    let len = key.len().min(16);
    first[..len].copy_from_slice(&key[..len]);
    u128::from_be_bytes(first)
}

/// A version of a key that a point read found, without the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// When it was written.
    pub seqno: SeqNo,
    /// Put or delete.
    pub kind: Kind,
    /// The value; empty for a delete.
    pub value: Bytes,
}

/// What is known of a table without opening it. Kept in the manifest and in the table itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableMeta {
    /// Number of the table's file.
    pub id: FileId,
    /// Length of the file in bytes.
    pub bytes: u64,
    /// Entries of both kinds, every version counted.
    pub entries: u64,
    /// Entries that are deletes.
    pub tombstones: u64,
    /// Smallest user key.
    pub min: Bytes,
    /// Largest user key, inclusive.
    pub max: Bytes,
    /// When the newest entry was flushed, milliseconds since the epoch of the store's clock.
    pub newest_ms: u64,
    /// When the oldest tombstone was flushed; `None` without tombstones.
    pub oldest_tombstone_ms: Option<u64>,
    /// Smallest sequence number in the table.
    pub oldest_seqno: SeqNo,
    /// Largest sequence number in the table.
    pub newest_seqno: SeqNo,
}

impl TableMeta {
    /// Appends the stored form. Its length does not depend on `bytes`, so that a table can hold its own.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        put_varint(out, self.id);
        put_u64(out, self.bytes);
        put_varint(out, self.entries);
        put_varint(out, self.tombstones);
        put_varint(out, self.newest_ms);
        put_varint(out, u64::from(self.oldest_tombstone_ms.is_some()));
        put_varint(out, self.oldest_tombstone_ms.unwrap_or(0));
        put_varint(out, self.oldest_seqno);
        put_varint(out, self.newest_seqno);
        put_bytes(out, &self.min);
        put_bytes(out, &self.max);
    }

    /// Reads what [`Self::encode`] wrote. An error if it contradicts itself.
    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let start = reader.malformed("a table that contradicts itself");
        let id = reader.varint()?;
        let bytes = reader.u64()?;
        let (entries, tombstones) = (reader.varint()?, reader.varint()?);
        let newest_ms = reader.varint()?;
        let (has_tombstone, oldest_ms) = (reader.varint()?, reader.varint()?);
        let (oldest_seqno, newest_seqno) = (reader.varint()?, reader.varint()?);
        let min = Bytes::copy_from_slice(reader.bytes()?);
        let max = Bytes::copy_from_slice(reader.bytes()?);
        let oldest_tombstone_ms = (has_tombstone != 0).then_some(oldest_ms);
        let meta = Self {
            id,
            bytes,
            entries,
            tombstones,
            min,
            max,
            newest_ms,
            oldest_tombstone_ms,
            oldest_seqno,
            newest_seqno,
        };
        if meta.is_sound() { Ok(meta) } else { Err(start) }
    }

    /// True if no two fields contradict each other.
    pub(crate) fn is_sound(&self) -> bool {
        self.entries > 0
            && self.tombstones <= self.entries
            && self.min <= self.max
            && self.oldest_seqno <= self.newest_seqno
            && self.oldest_tombstone_ms.is_some() == (self.tombstones > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newer_versions_of_a_key_come_first() {
        assert_eq!(order(b"a", 2, b"a", 1), Ordering::Less);
        assert_eq!(order(b"a", 1, b"b", 2), Ordering::Less);
        assert_eq!(order(b"", 0, b"", 0), Ordering::Equal);
    }

    #[test]
    fn a_kind_survives_its_byte() {
        for kind in [Kind::Delete, Kind::Put] {
            assert_eq!(Kind::from_byte(kind as u8), Some(kind));
        }
        assert_eq!(Kind::from_byte(2), None);
    }
}
