//! Builds one data block.

use crate::codec::{put_u32, put_varint, varint_len};
use crate::types::{Kind, SeqNo};

/// Every so many entries one stands with its whole key, for binary search.
const RESTART_ENTRIES: usize = 16;

/// A block is closed before its keys, written out in full, have more bytes than this and one key more.
pub(super) const KEYS_BYTES_MAX: usize = 1 << 20;

/// One data block in the making.
///
/// ```text
/// block     cell*  key*  restart*  end of the cells u32  number of restarts u32
/// cell      seqno varint  value
/// key       shared  unshared  cell length * 2 + kind  (varints)  rest of the key
/// restart   start of a key u32  start of its cell u32
/// ```
/// `shared` is how many bytes the key has in common with the one before; 0 at a restart, else as many as there are. Keys
/// stand apart from values, so that a search walks through few lines of memory.
#[derive(Debug, Default)]
pub(super) struct BlockBuilder {
    cells: Vec<u8>,
    keys: Vec<u8>,
    restarts: Vec<(usize, usize)>,
    entries: usize,
    keys_bytes: usize,
    last_key: Vec<u8>,
}

impl BlockBuilder {
    /// Appends an entry, which must come after the last one.
    pub(super) fn add(&mut self, key: &[u8], seqno: SeqNo, kind: Kind, value: &[u8]) {
        let is_restart = self.entries.is_multiple_of(RESTART_ENTRIES);
        if is_restart {
            self.restarts.push((self.keys.len(), self.cells.len()));
        }
        let same = if is_restart { 0 } else { common_prefix(&self.last_key, key) };
        let rest = &key[same..];
        let cell_len = varint_len(seqno) + value.len();
        put_varint(&mut self.keys, same as u64);
        put_varint(&mut self.keys, rest.len() as u64);
        put_varint(&mut self.keys, (cell_len as u64) << 1 | kind as u64);
        self.keys.extend_from_slice(rest);
        put_varint(&mut self.cells, seqno);
        self.cells.extend_from_slice(value);
        self.entries += 1;
        self.keys_bytes += key.len();
        self.last_key.truncate(same);
        self.last_key.extend_from_slice(rest);
    }

    /// True if the block should be closed.
    pub(super) fn is_full(&self, block_bytes: usize) -> bool {
        self.len() >= block_bytes || self.keys_bytes >= KEYS_BYTES_MAX
    }

    /// Bytes of the block so far.
    pub(super) fn len(&self) -> usize {
        self.cells.len() + self.keys.len() + 8 * (self.restarts.len() + 1)
    }

    /// True if the block has no entry.
    pub(super) fn is_empty(&self) -> bool {
        self.entries == 0
    }

    /// The whole block; `None` if it is too long for 32-bit offsets. [`Self::clear`] begins the next one.
    pub(super) fn finish(&mut self) -> Option<&[u8]> {
        u32::try_from(self.len()).ok()?;
        let keys_at = self.cells.len();
        self.cells.extend_from_slice(&self.keys);
        for &(key_at, cell_at) in &self.restarts {
            put_u32(&mut self.cells, (keys_at + key_at) as u32);
            put_u32(&mut self.cells, cell_at as u32);
        }
        put_u32(&mut self.cells, keys_at as u32);
        put_u32(&mut self.cells, self.restarts.len() as u32);
        Some(&self.cells)
    }

    /// Makes the block empty. Its buffer is kept unless it is large.
    pub(super) fn clear(&mut self) {
        self.cells.clear();
        if self.cells.capacity() > KEYS_BYTES_MAX {
            self.cells = Vec::new();
        }
        self.keys.clear();
        self.restarts.clear();
        self.entries = 0;
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
