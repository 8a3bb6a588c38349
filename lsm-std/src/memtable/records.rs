//! Keys and values of a memtable, copied one behind the other.
//!
//! A chunk is as large as the memtable may become, so that most memtables have one. The system gives memory for what was written to
//! of it, and has it back when the memtable goes; of small pieces an allocator would keep most.

use bytes::{Bytes, BytesMut};

use crate::batch::Op;
use crate::fs::roomy;
use crate::types::{Entry, Kind, SeqNo};

/// Fewest and most bytes of a chunk.
const CHUNK_BYTES_MIN: usize = 64 << 10;
const CHUNK_BYTES_MAX: usize = 64 << 20;

/// A larger record lies by itself.
pub(super) const SHARED_BYTES_MAX: usize = 8 << 10;

/// Stands for the place of a record that lies by itself.
const ALONE: u32 = u32::MAX;

/// Where a key and its value lie, one behind the other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record {
    chunk: u32,
    at: u32,
    key_len: u32,
    value_len: u32,
}

/// All records of a memtable.
#[derive(Debug)]
pub(super) struct Records {
    /// The last one is filled.
    chunks: Vec<Vec<u8>>,
    alone: Vec<Bytes>,
    chunk_bytes: usize,
}

impl Record {
    /// That of no entry.
    pub(super) const NONE: Self = Self { chunk: 0, at: 0, key_len: 0, value_len: 0 };
}

impl Records {
    /// None, of a memtable that will hold about `bytes`. Allocates nothing.
    pub(super) fn new(bytes: u64) -> Self {
        Self { chunks: Vec::new(), alone: Vec::new(), chunk_bytes: chunk_bytes(bytes) }
    }

    /// Adds the key and the value of `op`; `large` is both of them where they are [large](large_record).
    pub(super) fn add(&mut self, op: &Op<'_>, large: Option<Bytes>) -> Record {
        let (key_len, value_len) = (op.key.len() as u32, op.value.len() as u32);
        if let Some(large) = large {
            self.alone.push(large);
            return Record { chunk: self.alone.len() as u32 - 1, at: ALONE, key_len, value_len };
        }
        let len = op.key.len() + op.value.len();
        if self.chunks.last().is_none_or(|chunk| chunk.capacity() - chunk.len() < len) {
            self.chunks.push(roomy(self.chunk_bytes));
        }
        let last = self.chunks.len() - 1;
        let chunk = &mut self.chunks[last];
        let at = chunk.len() as u32;
        chunk.extend_from_slice(op.key);
        chunk.extend_from_slice(op.value);
        Record { chunk: last as u32, at, key_len, value_len }
    }

    /// The key and the value.
    fn both(&self, record: &Record) -> &[u8] {
        let chunk = record.chunk as usize;
        if record.at == ALONE {
            return &self.alone[chunk];
        }
        &self.chunks[chunk][record.at as usize..][..(record.key_len + record.value_len) as usize]
    }

    pub(super) fn key(&self, record: &Record) -> &[u8] {
        &self.both(record)[..record.key_len as usize]
    }

    /// The value: copied, unless the record lies by itself.
    pub(super) fn value(&self, record: &Record) -> Bytes {
        let start = record.key_len as usize;
        if record.at == ALONE {
            return self.alone[record.chunk as usize].slice(start..);
        }
        Bytes::copy_from_slice(&self.both(record)[start..])
    }

    /// The entry of a record, copied into `copies`, unless the record lies by itself.
    pub(super) fn entry(&self, record: &Record, (kind, seqno): (Kind, SeqNo), copies: &mut BytesMut) -> Entry {
        let mut both = if record.at == ALONE {
            self.alone[record.chunk as usize].clone()
        } else {
            copies.extend_from_slice(self.both(record));
            copies.split().freeze()
        };
        let key = both.split_to(record.key_len as usize);
        Entry { key, seqno, kind, value: both }
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
