//! Keys and values of a memtable, copied one behind the other.
//!
//! A chunk is as large as the memtable may become, so that most memtables have one. The system gives memory for what was written to
//! of it, and has it back when the memtable goes; of small pieces an allocator would keep most.

use bytes::{Bytes, BytesMut};

use crate::batch::Op;
use crate::fs::roomy;
use crate::types::{Entry, Found, Kind, SeqNo};

/// Fewest and most bytes of a chunk.
const CHUNK_BYTES_MIN: usize = 64 << 10;
const CHUNK_BYTES_MAX: usize = 64 << 20;

/// A larger record lies by itself.
pub(super) const SHARED_BYTES_MAX: usize = 8 << 10;

/// Before a key in a chunk stand its length, and that of its value twice, plus the kind: two bytes each, little-endian.
const HEADER_BYTES: usize = 4;
const _: () = assert!(SHARED_BYTES_MAX * 2 < 1 << 16, "lengths fit two bytes");

/// Stands for the place of a record that lies by itself.
const ALONE: u32 = u32::MAX;

/// Where a write lies: in which chunk and where there, or which it is of those that lie by themselves.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record {
    chunk: u32,
    at: u32,
}

/// All records of a memtable.
#[derive(Debug)]
pub(super) struct Records {
    /// The last one is filled.
    chunks: Vec<Vec<u8>>,
    alone: Vec<Alone>,
    chunk_bytes: usize,
}

#[derive(Debug)]
struct Alone {
    kind: Kind,
    key_len: usize,
    /// The key and the value.
    both: Bytes,
}

/// What a record says.
struct Parts<'a> {
    kind: Kind,
    key_len: usize,
    /// The key and the value.
    both: &'a [u8],
}

impl Record {
    /// That of no entry.
    pub(super) const NONE: Self = Self { chunk: 0, at: 0 };
}

impl Records {
    /// None, of a memtable that will hold about `bytes`. Allocates nothing.
    pub(super) fn new(bytes: u64) -> Self {
        Self { chunks: Vec::new(), alone: Vec::new(), chunk_bytes: chunk_bytes(bytes) }
    }

    /// Adds `op`; `large` is its key and value where they are [large](large_record).
    pub(super) fn add(&mut self, op: &Op<'_>, large: Option<Bytes>) -> Record {
        if let Some(both) = large {
            self.alone.push(Alone { kind: op.kind, key_len: op.key.len(), both });
            return Record { chunk: self.alone.len() as u32 - 1, at: ALONE };
        }
        let len = HEADER_BYTES + op.key.len() + op.value.len();
        if self.chunks.last().is_none_or(|chunk| chunk.capacity() - chunk.len() < len) {
            self.chunks.push(roomy(self.chunk_bytes));
        }
        let last = self.chunks.len() - 1;
        let chunk = &mut self.chunks[last];
        let at = chunk.len() as u32;
        chunk.extend_from_slice(&(op.key.len() as u16).to_le_bytes());
        chunk.extend_from_slice(&(op.value.len() as u16 * 2 + op.kind as u16).to_le_bytes());
        chunk.extend_from_slice(op.key);
        chunk.extend_from_slice(op.value);
        Record { chunk: last as u32, at }
    }

    fn parts(&self, record: Record) -> Parts<'_> {
        let chunk = record.chunk as usize;
        if record.at == ALONE {
            let Alone { kind, key_len, both } = &self.alone[chunk];
            return Parts { kind: *kind, key_len: *key_len, both };
        }
        let (header, rest) = self.chunks[chunk][record.at as usize..].split_at(HEADER_BYTES);
        let (key_len, of_value) =
            (u16::from_le_bytes([header[0], header[1]]), u16::from_le_bytes([header[2], header[3]]));
        let kind = if of_value % 2 == Kind::Put as u16 { Kind::Put } else { Kind::Delete };
        let key_len = usize::from(key_len);
        Parts { kind, key_len, both: &rest[..key_len + usize::from(of_value / 2)] }
    }

    pub(super) fn key(&self, record: Record) -> &[u8] {
        let parts = self.parts(record);
        &parts.both[..parts.key_len]
    }

    /// What a get finds: the value is copied, unless the record lies by itself.
    pub(super) fn found(&self, record: Record, seqno: SeqNo) -> Found {
        let Parts { kind, key_len, both } = self.parts(record);
        let value = match record.at {
            ALONE => self.alone[record.chunk as usize].both.slice(key_len..),
            _ => Bytes::copy_from_slice(&both[key_len..]),
        };
        Found { seqno, kind, value }
    }

    /// The entry of a record, copied into `copies`, unless the record lies by itself.
    pub(super) fn entry(&self, record: Record, seqno: SeqNo, copies: &mut BytesMut) -> Entry {
        let Parts { kind, key_len, both } = self.parts(record);
        let mut value = if record.at == ALONE {
            self.alone[record.chunk as usize].both.clone()
        } else {
            copies.extend_from_slice(both);
            copies.split().freeze()
        };
        let key = value.split_to(key_len);
        Entry { key, seqno, kind, value }
    }
}

/// How much room a memtable that will hold about `bytes` makes at once.
pub(super) fn chunk_bytes(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX).clamp(CHUNK_BYTES_MIN, CHUNK_BYTES_MAX)
}

/// The key and the value of `op`, copied, if they are too large for a chunk.
pub(super) fn large_record(op: &Op<'_>) -> Option<Bytes> {
    (op.key.len() + op.value.len() > SHARED_BYTES_MAX).then(|| [op.key, op.value].concat().into())
}
