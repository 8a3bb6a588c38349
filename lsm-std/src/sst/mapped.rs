//! Blocks of a table that are read where the system has them.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::footer::Tail;
use super::seal::{unpacked, unseal_lent};
use crate::codec::Malformed;
use crate::fs::MappedFile;

/// The blocks of one table, and of each whether it was checked.
pub(super) struct MappedBlocks {
    map: MappedFile,
    checked: Box<[AtomicU64]>,
}

impl MappedBlocks {
    /// `None` if the file has another length than the table.
    pub(super) fn new(map: MappedFile, tail: &Tail) -> Option<Self> {
        let words = tail.index.blocks().div_ceil(u64::BITS as usize);
        let checked = std::iter::repeat_with(AtomicU64::default).take(words).collect();
        (map.bytes().len() as u64 == tail.meta.bytes).then_some(Self { map, checked })
    }

    /// Block `index` without its trailer, `None` if it is packed. Its checksum is computed the first time.
    #[inline]
    pub(super) fn block(&self, index: usize, tail: &Tail) -> Option<Result<&[u8], Malformed>> {
        let handle = tail.index.block(index, tail.data_end)?;
        let stored = self.map.bytes().get(usize::try_from(handle.offset).ok()?..)?.get(..handle.len)?;
        let raw = unpacked(stored)?;
        let (word, bit) = (self.checked.get(index / u64::BITS as usize)?, 1 << (index % u64::BITS as usize));
        if word.load(Relaxed) & bit == 0 {
            if let Err(malformed) = unseal_lent(stored, tail.meta.id, handle.offset) {
                return Some(Err(malformed));
            }
            word.fetch_or(bit, Relaxed);
        }
        Some(Ok(raw))
    }
}
