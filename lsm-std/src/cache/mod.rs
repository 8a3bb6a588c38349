//! What is kept of tables in memory: blocks, up to a number of bytes, and open files, up to a number of files.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use quick_cache::Weighter;
use quick_cache::sync::Cache as QuickCache;

use crate::error::Result;
use crate::fs::ReadFile;
use crate::sst::Block;
use crate::types::FileId;

/// What an entry of the cache costs beside the bytes of its block.
const ENTRY_BYTES: u64 = 128;

/// How large blocks are expected to be, to size the cache's own tables.
const USUAL_BLOCK_BYTES: u64 = 4096;

/// Blocks and open files of one store's tables.
pub struct Cache {
    blocks: Option<QuickCache<(FileId, u64), Block, ByBytes>>,
    files: QuickCache<FileId, Arc<dyn ReadFile>>,
    counters: Counters,
}

#[derive(Clone)]
struct ByBytes;

impl Weighter<(FileId, u64), Block> for ByBytes {
    fn weight(&self, _: &(FileId, u64), block: &Block) -> u64 {
        block.bytes() as u64 + ENTRY_BYTES
    }
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
        let items = usize::try_from(bytes / USUAL_BLOCK_BYTES).unwrap_or(usize::MAX).clamp(16, 1 << 20);
        let blocks = (bytes > 0).then(|| QuickCache::with_weighter(items, bytes, ByBytes));
        let files = QuickCache::new(open_files_max.max(1));
        Arc::new(Self { blocks, files, counters: Counters::default() })
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
            bytes: self.blocks.as_ref().map_or(0, |blocks| blocks.weight()),
            open_files: self.files.len() as u64,
        }
    }

    /// The block at `offset` of table `id`, if it is in memory.
    pub(crate) fn block(&self, id: FileId, offset: u64) -> Option<Block> {
        let block = self.blocks.as_ref().and_then(|blocks| blocks.get(&(id, offset)));
        let counter = if block.is_some() { &self.counters.hits } else { &self.counters.misses };
        counter.fetch_add(1, Relaxed);
        block
    }

    /// Keeps a block, unless it is larger than a part of the cache.
    pub(crate) fn keep_block(&self, id: FileId, offset: u64, block: &Block) {
        if let Some(blocks) = &self.blocks {
            blocks.insert((id, offset), block.clone());
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

    pub(crate) fn count_filter(&self, passed: bool) {
        self.counters.filter_asked.fetch_add(1, Relaxed);
        self.counters.filter_denied.fetch_add(u64::from(!passed), Relaxed);
    }

    pub(crate) fn count_scan_run(&self) {
        self.counters.scan_runs.fetch_add(1, Relaxed);
    }

    pub(crate) fn count_point_block(&self) {
        self.counters.point_blocks.fetch_add(1, Relaxed);
    }
}
