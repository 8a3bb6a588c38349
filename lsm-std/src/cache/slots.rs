//! Of one table, the blocks that are in memory, each at its number: a read finds one without a hash, and without a lock that
//! readers of other blocks take.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering::Relaxed};

use crate::sync::{RwLock, read, write};

/// A block is known to have been asked for up to so many times since it came or was last passed over.
const ASKED_MAX: u8 = 3;

/// The blocks of one table that are in memory.
///
/// 33 bytes for each block, in memory or not.
pub(crate) struct Slots {
    blocks: Box<[Slot]>,
    /// Of a block in memory, how often it was asked for; of another one, when it went or was read and not kept, 0 if never.
    marks: Box<[AtomicU8]>,
    /// What its blocks count in the cache, in bytes.
    counted: AtomicU64,
    /// The table goes.
    is_gone: AtomicBool,
}

type Slot = RwLock<Option<Arc<[u8]>>>;

impl fmt::Debug for Slots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slots").field("blocks", &self.blocks.len()).finish_non_exhaustive()
    }
}

impl Slots {
    /// For a table of so many blocks, none of which is in memory.
    pub(crate) fn new(blocks: usize) -> Arc<Self> {
        Arc::new(Self {
            blocks: std::iter::repeat_with(|| RwLock::new(None)).take(blocks).collect(),
            marks: std::iter::repeat_with(AtomicU8::default).take(blocks).collect(),
            counted: AtomicU64::new(0),
            is_gone: AtomicBool::new(false),
        })
    }

    /// What `look` makes of block `index` if it is in memory. Until it is done the block stays there.
    #[inline]
    pub(crate) fn with<T>(&self, index: usize, look: impl FnOnce(&Arc<[u8]>) -> T) -> Option<T> {
        let slot = read(self.blocks.get(index)?);
        let block = slot.as_ref()?;
        let mark = &self.marks[index];
        let asked = mark.load(Relaxed);
        if asked < ASKED_MAX {
            mark.store(asked + 1, Relaxed);
        }
        Some(look(block))
    }

    /// Puts a block in its place, which counts so many bytes. When it went last, 0 for never; `None` if it is there already.
    pub(super) fn put(&self, index: usize, block: &Arc<[u8]>, bytes: u64) -> Option<u8> {
        let mut slot = write(self.blocks.get(index)?);
        if slot.is_some() {
            return None;
        }
        *slot = Some(Arc::clone(block));
        self.counted.fetch_add(bytes, Relaxed);
        Some(self.marks[index].swap(0, Relaxed))
    }

    /// Takes block `index` out, which counts so many bytes, and notes when that was.
    pub(super) fn evict(&self, index: usize, bytes: u64, when: u8) {
        if let Some(slot) = self.blocks.get(index) {
            let block = write(slot).take();
            self.marks[index].store(when, Relaxed);
            self.counted.fetch_sub(bytes, Relaxed);
            drop(block);
        }
    }

    /// Notes when block `index` was read and got no place, unless it has one by now.
    pub(super) fn pass_over(&self, index: usize, when: u8) {
        if let Some(slot) = self.blocks.get(index) {
            let slot = read(slot);
            if slot.is_none() {
                self.marks[index].store(when, Relaxed);
            }
        }
    }

    /// How often block `index`, which is in memory, was asked for.
    pub(super) fn asked(&self, index: usize) -> u8 {
        self.marks.get(index).map_or(0, |mark| mark.load(Relaxed))
    }

    /// From now on block `index`, which is in memory, was asked for so many times.
    pub(super) fn set_asked(&self, index: usize, asked: u8) {
        if let Some(mark) = self.marks.get(index) {
            mark.store(asked, Relaxed);
        }
    }

    /// The table goes. What its blocks count in the cache, in bytes.
    pub(super) fn leave(&self) -> u64 {
        self.is_gone.store(true, Relaxed);
        self.counted.load(Relaxed)
    }

    /// Takes all blocks out of a table that [goes](Self::leave).
    pub(super) fn clear(&self) {
        for slot in &self.blocks {
            let block = write(slot).take();
            drop(block);
        }
    }

    pub(super) fn is_gone(&self) -> bool {
        self.is_gone.load(Relaxed)
    }
}
