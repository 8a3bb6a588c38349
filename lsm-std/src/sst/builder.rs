//! Builds one data block.

use crate::codec::{put_u32, put_varint};
use crate::types::{Kind, SeqNo};

/// Every so many entries one stands with its whole key, for binary search.
const RESTART_ENTRIES: usize = 16;

/// A block is closed before its keys, written out in full, have more bytes than this and one key more.
pub(super) const KEYS_BYTES_MAX: usize = 1 << 20;

/// One data block in the making.
///
/// ```text
/// block   entry*  restart offset u32*  number of restarts u32
/// entry   shared  unshared  value length * 2 + kind  seqno  (varints)  rest of the key  value
/// ```
/// `shared` is how many bytes the key has in common with the one before; 0 at a restart, else as many as there are.
#[derive(Debug, Default)]
pub(super) struct BlockBuilder {
    out: Vec<u8>,
    restarts: Vec<u32>,
    since_restart: usize,
    keys_bytes: usize,
    last_key: Vec<u8>,
}

impl BlockBuilder {
    /// Appends an entry, which must come after the last one. False if the block would be too long for that.
    #[must_use]
    pub(super) fn add(&mut self, key: &[u8], seqno: SeqNo, kind: Kind, value: &[u8]) -> bool {
        let Ok(at) = u32::try_from(self.out.len()) else { return false };
        if u32::try_from(self.out.len() + key.len() + value.len() + (1 << 20)).is_err() {
            return false;
        }
        let is_restart = self.since_restart == 0 || self.since_restart >= RESTART_ENTRIES;
        let same = if is_restart { 0 } else { common_prefix(&self.last_key, key) };
        if is_restart {
            self.restarts.push(at);
            self.since_restart = 0;
        }
        let rest = &key[same..];
        put_varint(&mut self.out, same as u64);
        put_varint(&mut self.out, rest.len() as u64);
        put_varint(&mut self.out, (value.len() as u64) << 1 | kind as u64);
        put_varint(&mut self.out, seqno);
        self.out.extend_from_slice(rest);
        self.out.extend_from_slice(value);
        self.since_restart += 1;
        self.keys_bytes += key.len();
        self.last_key.truncate(same);
        self.last_key.extend_from_slice(rest);
        true
    }

    /// True if the block should be closed.
    pub(super) fn is_full(&self, block_bytes: usize) -> bool {
        self.len() >= block_bytes || self.keys_bytes >= KEYS_BYTES_MAX
    }

    /// Bytes of the block so far.
    pub(super) fn len(&self) -> usize {
        self.out.len() + 4 * (self.restarts.len() + 1)
    }

    /// True if the block has no entry.
    pub(super) fn is_empty(&self) -> bool {
        self.out.is_empty()
    }

    /// The whole block. [`Self::clear`] begins the next one.
    pub(super) fn finish(&mut self) -> &[u8] {
        self.restarts.iter().for_each(|&at| put_u32(&mut self.out, at));
        let restarts = self.restarts.len() as u32;
        put_u32(&mut self.out, restarts);
        &self.out
    }

    /// Makes the block empty. Its buffer is kept unless it is large.
    pub(super) fn clear(&mut self) {
        self.out.clear();
        if self.out.capacity() > KEYS_BYTES_MAX {
            self.out = Vec::new();
        }
        self.restarts.clear();
        self.since_restart = 0;
        self.keys_bytes = 0;
        self.last_key.clear();
    }
}

/// How many bytes `a` and `b` start with alike.
#[inline]
pub(super) fn common_prefix(a: &[u8], b: &[u8]) -> usize {
    let (eights_a, eights_b) = (a.as_chunks::<8>().0, b.as_chunks::<8>().0);
    let same = 8 * eights_a.iter().zip(eights_b).take_while(|(a, b)| a == b).count();
    same + a[same..].iter().zip(&b[same..]).take_while(|(a, b)| a == b).count()
}
