//! What is kept of tables in memory: blocks, up to a number of bytes, and open files, up to a number of files.

mod queue;
mod slots;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use quick_cache::sync::Cache as QuickCache;

use crate::cache::queue::Queue;
use crate::error::Result;
use crate::fs::ReadFile;
use crate::sync::{Mutex, lock};
use crate::timing::Laps;
use crate::types::FileId;

pub(crate) use slots::Slots;

/// What a block in memory costs beside its bytes: its allocation's own, and its place in line.
const ENTRY_BYTES: u64 = 64;

/// Blocks and open files of one store's tables.
pub struct Cache {
    blocks: Mutex<Queue>,
    bytes_max: u64,
    files: QuickCache<FileId, Arc<dyn ReadFile>>,
    counters: Counters,
}

#[derive(Default)]
struct Counters {
    hits: AtomicU64,
    misses: AtomicU64,
    point_blocks: AtomicU64,
    filter_asked: AtomicU64,
    filter_denied: AtomicU64,
    files_opened: AtomicU64,
    scan_runs: AtomicU64,
}

/// What the cache has been asked so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheStats {
    /// Blocks that were found in memory.
    pub hits: u64,
    /// Blocks that had to be read. Merges read past the cache and are not counted.
    pub misses: u64,
    /// Blocks that point reads asked for; part of hits and misses together.
    pub point_blocks: u64,
    /// Questions put to filters.
    pub filter_asked: u64,
    /// Questions that a filter answered with "not here".
    pub filter_denied: u64,
    /// Runs that scans opened: those that they came to before they ended.
    pub scan_runs: u64,
    /// Files opened to read blocks.
    pub files_opened: u64,
    /// Bytes of blocks now in memory.
    pub bytes: u64,
    /// Files now open to read blocks.
    pub open_files: u64,
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache").field("stats", &self.stats()).finish_non_exhaustive()
    }
}

impl Cache {
    /// Keeps blocks of up to `bytes` bytes (0: none), and about `open_files_max` files open (at least 1).
    pub fn new(bytes: u64, open_files_max: usize) -> Arc<Self> {
        let files = QuickCache::new(open_files_max.max(1));
        let blocks = Mutex::new(Queue::new(bytes));
        Arc::new(Self { blocks, bytes_max: bytes, files, counters: Counters::default() })
    }

    /// What has been asked so far.
    pub fn stats(&self) -> CacheStats {
        let counters = &self.counters;
        CacheStats {
            hits: counters.hits.load(Relaxed),
            misses: counters.misses.load(Relaxed),
            point_blocks: counters.point_blocks.load(Relaxed),
            filter_asked: counters.filter_asked.load(Relaxed),
            filter_denied: counters.filter_denied.load(Relaxed),
            scan_runs: counters.scan_runs.load(Relaxed),
            files_opened: counters.files_opened.load(Relaxed),
            bytes: lock(&self.blocks).bytes(),
            open_files: self.files.len() as u64,
        }
    }

    /// For a table of so many blocks: where those that are in memory are found.
    pub(crate) fn slots(&self, blocks: usize) -> Arc<Slots> {
        Slots::new(if self.bytes_max > 0 { blocks } else { 0 })
    }

    /// Whether block `index` of a table, so many bytes long, is to be kept.
    pub(crate) fn admits(&self, slots: &Slots, index: usize, bytes: usize) -> bool {
        self.bytes_max > 0 && lock(&self.blocks).admits(slots, index, bytes as u64 + ENTRY_BYTES)
    }

    /// Keeps block `index` of a table, unless it is larger than a part of the cache.
    pub(crate) fn keep_block(&self, slots: &Arc<Slots>, index: usize, block: &Arc<[u8]>) {
        if self.bytes_max > 0 {
            lock(&self.blocks).insert(slots, index, block, block.len() as u64 + ENTRY_BYTES);
        }
    }

    /// The table of these slots goes: its blocks do, and no more of them is kept. O(its blocks), the second time O(1).
    pub(crate) fn forget(&self, slots: &Slots) {
        if self.bytes_max > 0 && !slots.is_gone() {
            lock(&self.blocks).forget(slots);
            slots.clear();
        }
    }

    /// The open file of table `id`, from `open` if it is not open.
    pub(crate) fn file(
        &self,
        id: FileId,
        open: impl FnOnce() -> Result<Arc<dyn ReadFile>>,
    ) -> Result<Arc<dyn ReadFile>> {
        if let Some(file) = self.files.get(&id) {
            return Ok(file);
        }
        let file = open()?;
        self.counters.files_opened.fetch_add(1, Relaxed);
        self.files.insert(id, file.clone());
        Ok(file)
    }

    /// Closes the file of table `id` when its last reader is done.
    pub(crate) fn close_file(&self, id: FileId) {
        self.files.remove(&id);
    }

    /// Counts what reads asked.
    #[inline]
    pub(crate) fn count(&self, asked: &Asked) {
        let counters = &self.counters;
        let count = |counter: &AtomicU64, count: u32| {
            if count > 0 {
                counter.fetch_add(count.into(), Relaxed);
            }
        };
        count(&counters.hits, asked.hits);
        count(&counters.misses, asked.misses);
        count(&counters.point_blocks, asked.point_blocks);
        count(&counters.filter_asked, asked.filter_asked);
        count(&counters.filter_denied, asked.filter_denied);
    }

    pub(crate) fn count_scan_run(&self) {
        self.counters.scan_runs.fetch_add(1, Relaxed);
    }
}

/// What reads asked, counted where no other thread counts until all is known.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Asked {
    /// What the parts of a get take.
    pub(crate) laps: Laps,
    /// Runs of which a table may have held the key.
    pub(crate) runs: u32,
    pub(crate) hits: u32,
    pub(crate) misses: u32,
    pub(crate) point_blocks: u32,
    pub(crate) filter_asked: u32,
    pub(crate) filter_denied: u32,
}

#[cfg(test)]
mod tests;
