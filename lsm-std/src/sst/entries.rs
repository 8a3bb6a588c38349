//! Reads the entries of one data block, all or some, from either end.

use std::ops::{Bound, Range};

use bytes::Bytes;

use super::block::Block;
use super::builder::KEYS_BYTES_MAX;
use crate::codec::Malformed;
use crate::types::{Entry, KEY_BYTES_MAX, Kind, SeqNo};

/// How many bytes of a block the key of an entry is expected to take, and how much longer it is written out, to allocate once.
const USUAL_KEY_BYTES: usize = 6;
const USUAL_EXPANSION: usize = 3;

/// Entries of a block, keys written out, not yet taken from either end.
///
/// Two allocations for all of them, none for an entry: keys are slices of one buffer, values of the block.
#[derive(Debug, Default)]
pub(super) struct Entries {
    data: Bytes,
    keys: Bytes,
    slots: Vec<Slot>,
    left: Range<usize>,
}

/// One entry; offsets fit 32 bits because blocks do.
#[derive(Clone, Copy, Debug)]
struct Slot {
    seqno: SeqNo,
    key_at: u32,
    key_len: u32,
    value_at: u32,
    value_len: u32,
    kind: Kind,
}

impl Entries {
    /// Decodes the block. O(bytes of its keys).
    pub(super) fn decode(block: &Block) -> Result<Self, Malformed> {
        Self::decode_part(block, 0..block.restarts())
    }

    /// Decodes the entries of these restarts, of which there is one at least. O(bytes of their keys).
    pub(super) fn decode_part(block: &Block, restarts: Range<usize>) -> Result<Self, Malformed> {
        let (span, first_cell) = block.keys(restarts.clone());
        let mut restart = restarts.start;
        let mut keys: Vec<u8> = Vec::with_capacity(USUAL_EXPANSION * span.len());
        let mut slots: Vec<Slot> = Vec::with_capacity(1 + span.len() / USUAL_KEY_BYTES);
        let (mut at, mut cell_at, mut key_at, mut key_len) = (span.start, first_cell, 0, 0);
        while at < span.end {
            let raw = block.key(at)?;
            let cell = block.cell(cell_at, raw.cell_len)?;
            if restart < restarts.end && block.restart(restart) == (at, cell_at) && raw.shared == 0 {
                restart += 1;
            }
            if raw.shared > key_len {
                return Err(Malformed { at, what: "a key that shares too much" });
            }
            let is_same_key = !slots.is_empty() && raw.shared == key_len && raw.rest.is_empty();
            if !is_same_key {
                let shared = key_at..key_at + raw.shared;
                key_at = keys.len();
                keys.extend_from_within(shared);
                keys.extend_from_slice(raw.rest);
                key_len = keys.len() - key_at;
            }
            if keys.len() > KEYS_BYTES_MAX + KEY_BYTES_MAX {
                return Err(Malformed { at, what: "keys too long for one block" });
            }
            slots.push(Slot {
                seqno: cell.seqno,
                key_at: key_at as u32,
                key_len: key_len as u32,
                value_at: cell.value.start as u32,
                value_len: cell.value.len() as u32,
                kind: raw.kind,
            });
            at = raw.next;
            cell_at = cell.value.end;
        }
        if restart != restarts.end {
            return Err(Malformed { at, what: "a restart without a whole key" });
        }
        let left = 0..slots.len();
        Ok(Self { data: block.data().clone(), keys: keys.into(), slots, left })
    }

    /// Leaves out what lies outside the bounds.
    pub(super) fn trim(&mut self, low: Bound<&[u8]>, high: Bound<&[u8]>) {
        let start = match low {
            Bound::Unbounded => 0,
            Bound::Included(low) => self.slots.partition_point(|slot| self.key(slot) < low),
            Bound::Excluded(low) => self.slots.partition_point(|slot| self.key(slot) <= low),
        };
        let end = match high {
            Bound::Unbounded => self.slots.len(),
            Bound::Included(high) => self.slots.partition_point(|slot| self.key(slot) <= high),
            Bound::Excluded(high) => self.slots.partition_point(|slot| self.key(slot) < high),
        };
        self.left = start..end.max(start);
    }

    fn key(&self, slot: &Slot) -> &[u8] {
        &self.keys[slot.key_at as usize..][..slot.key_len as usize]
    }

    fn entry(&self, index: usize) -> Entry {
        let slot = &self.slots[index];
        let slice = |bytes: &Bytes, at: u32, len: u32| bytes.slice(at as usize..at as usize + len as usize);
        Entry {
            key: slice(&self.keys, slot.key_at, slot.key_len),
            seqno: slot.seqno,
            kind: slot.kind,
            value: slice(&self.data, slot.value_at, slot.value_len),
        }
    }
}

impl Iterator for Entries {
    type Item = Entry;

    fn next(&mut self) -> Option<Entry> {
        self.left.next().map(|index| self.entry(index))
    }
}

impl DoubleEndedIterator for Entries {
    fn next_back(&mut self) -> Option<Entry> {
        self.left.next_back().map(|index| self.entry(index))
    }
}
