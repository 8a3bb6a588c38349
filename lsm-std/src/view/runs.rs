//! The runs of a view, and reads over one run.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use crate::error::Result;
use crate::iter::{Bounds, Cursor, Direction, Step};
use crate::sst::{Access, TableCursor};
use crate::types::EntryRef;
use crate::view::TableHandle;

/// Runs in one block of [`Runs`].
const BLOCK_RUNS: usize = 128;

/// So many blocks more than twice the least number make it worth copying all runs into full ones.
const SPARSE_BLOCKS: usize = 16;

/// All runs of a tree, oldest first.
///
/// Kept in shared blocks, so that adding a run copies one block and one pointer per further block, not every run: a store that
/// never merges may have tens of thousands.
#[derive(Clone, Debug, Default)]
pub(crate) struct Runs {
    blocks: Vec<Arc<Vec<Arc<RunView>>>>,
}

impl Runs {
    /// These runs, oldest first. O(runs).
    pub(crate) fn new(runs: &[Arc<RunView>]) -> Self {
        Self { blocks: runs.chunks(BLOCK_RUNS).map(|block| Arc::new(block.to_vec())).collect() }
    }

    /// Adds a run newer than all others.
    pub(crate) fn push(&mut self, run: Arc<RunView>) {
        match self.blocks.last_mut().filter(|block| block.len() < BLOCK_RUNS) {
            Some(block) => Arc::make_mut(block).push(run),
            None => self.blocks.push(Arc::new(vec![run])),
        }
    }

    /// Puts `fresh` in the place of the runs of these positions. O(`fresh`), and one pointer per block.
    pub(crate) fn splice(&mut self, range: Range<usize>, fresh: &[Arc<RunView>]) {
        let (mut first, mut before) = (0, 0);
        while let Some(block) = self.blocks.get(first).filter(|block| before + block.len() <= range.start) {
            before += block.len();
            first += 1;
        }
        let (mut end, mut upto) = (first, before);
        while let Some(block) = self.blocks.get(end).filter(|_| upto < range.end.max(range.start + 1)) {
            upto += block.len();
            end += 1;
        }
        let touched = || self.blocks[first..end].iter().flat_map(|block| block.iter());
        let head = touched().take(range.start - before);
        let tail = touched().skip(range.end - before);
        let runs: Vec<_> = head.chain(fresh).chain(tail).cloned().collect();
        self.blocks.splice(first..end, Self::new(&runs).blocks);
        let count: usize = self.blocks.iter().map(|block| block.len()).sum();
        if self.blocks.len() > 2 * (count / BLOCK_RUNS) + SPARSE_BLOCKS {
            let runs: Vec<_> = self.blocks.iter().flat_map(|block| block.iter().cloned()).collect();
            *self = Self::new(&runs);
        }
    }

    /// The runs, newest first.
    pub(crate) fn newest_first(&self) -> impl Iterator<Item = &Arc<RunView>> {
        self.blocks.iter().rev().flat_map(|block| block.iter().rev())
    }
}

/// Tables sorted by key, disjoint.
#[derive(Debug)]
pub(crate) struct RunView {
    pub(crate) tables: Vec<Arc<TableHandle>>,
}

impl RunView {
    /// The one table that may hold `key`, whose [`head`](crate::types::head) is given. O(log tables).
    #[inline]
    pub(crate) fn find(&self, key: &[u8], head: u128) -> Option<&TableHandle> {
        let at = self.tables.partition_point(|table| table.is_before(key, head));
        self.tables.get(at).filter(|table| !table.is_behind(key, head)).map(|table| &**table)
    }

    /// A walk over the entries within `bounds`; `None` if no table meets them. Opens nothing yet.
    pub(crate) fn range(self: &Arc<Self>, bounds: &Bounds, direction: Direction, access: Access) -> Option<RunCursor> {
        let first = self.tables.partition_point(|table| bounds.is_above(&table.meta().max));
        let end = self.tables.partition_point(|table| !bounds.is_below(&table.meta().min));
        (first < end).then(|| RunCursor {
            run: Arc::clone(self),
            first,
            end,
            table: None,
            announced: false,
            opened: false,
            bounds: bounds.clone(),
            direction,
            access,
        })
    }
}

/// Walks a run in one direction, one open table at a time. Says where each table starts before it opens it.
pub(crate) struct RunCursor {
    run: Arc<RunView>,
    /// Tables not yet opened: `first..end`.
    first: usize,
    end: usize,
    table: Option<Box<TableCursor>>,
    /// Where the next table starts has been said.
    announced: bool,
    /// A table has been opened.
    opened: bool,
    bounds: Bounds,
    direction: Direction,
    access: Access,
}

impl RunCursor {
    /// The next table to be opened.
    fn next_table(&self) -> Option<&Arc<TableHandle>> {
        let tables = self.run.tables.get(self.first..self.end)?;
        match self.direction {
            Direction::Forward => tables.first(),
            Direction::Backward => tables.last(),
        }
    }

    fn open(&mut self, table: &TableHandle) -> Result<()> {
        match self.direction {
            Direction::Forward => self.first += 1,
            Direction::Backward => self.end -= 1,
        }
        self.announced = false;
        if self.access == Access::Read && !self.opened {
            table.count_scan();
        }
        self.opened = true;
        let reader = table.reader()?;
        let Bounds { low, high } = self.bounds.clone();
        self.table = Some(Box::new(reader.range(low, high, self.direction, self.access)));
        Ok(())
    }
}

impl Cursor for RunCursor {
    #[inline]
    fn step(&mut self) -> Result<Step> {
        loop {
            if let Some(table) = &mut self.table
                && table.step()? == Step::Entry
            {
                return Ok(Step::Entry);
            }
            self.table = None;
            let Some(table) = self.next_table().map(Arc::clone) else { return Ok(Step::End) };
            if !self.announced {
                self.announced = true;
                return Ok(Step::From);
            }
            self.open(&table).inspect_err(|_| self.first = self.end)?;
        }
    }

    #[inline]
    fn key(&self) -> &[u8] {
        match (&self.table, self.next_table()) {
            (Some(table), _) => table.key(),
            (None, Some(next)) if self.direction == Direction::Forward => &next.meta().min,
            (None, Some(next)) => &next.meta().max,
            (None, None) => &[],
        }
    }

    #[inline]
    fn entry(&self) -> EntryRef<'_> {
        self.table.as_ref().map_or(EntryRef::NONE, |table| table.entry())
    }

    #[inline]
    fn value(&self) -> Bytes {
        self.table.as_ref().map_or(Bytes::new(), |table| table.value())
    }
}

impl std::fmt::Debug for RunCursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RunCursor").field("first", &self.first).field("end", &self.end).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::cache::Cache;
    use crate::fs::MemFs;
    use crate::types::{TableMeta, head};
    use crate::view::Files;

    /// A table from `min` to `max` that nobody opens.
    fn table(files: &Arc<Files>, min: &[u8], max: &[u8]) -> Arc<TableHandle> {
        let meta = TableMeta {
            id: files.new_id(),
            bytes: 1,
            entries: 2,
            tombstones: 0,
            min: Bytes::copy_from_slice(min),
            max: Bytes::copy_from_slice(max),
            newest_ms: 0,
            oldest_tombstone_ms: None,
            oldest_seqno: 1,
            newest_seqno: 1,
        };
        TableHandle::new(files, meta)
    }

    /// Keys of which many share their first sixteen bytes.
    fn key() -> impl Strategy<Value = Vec<u8>> {
        let letters = prop::sample::select(vec![0u8, b'a', 0xff]);
        prop::collection::vec(letters, 0..4)
            .prop_flat_map(|end| (0usize..18).prop_map(move |len| [&vec![b'a'; len], &end[..]].concat()))
    }

    proptest! {
        #[test]
        fn the_table_that_may_hold_a_key_is_the_one_whose_bounds_it_lies_between(
            bounds in prop::collection::btree_set(key(), 2..40),
            asked in prop::collection::vec(key(), 1..20),
        ) {
            let (bounds, cache) = (Vec::from_iter(bounds), Cache::new(0, 1));
            let files = Arc::new(Files::new(Arc::new(MemFs::new()), "".into(), cache, 1, 0));
            let tables: Vec<_> = bounds.chunks_exact(2).map(|pair| table(&files, &pair[0], &pair[1])).collect();
            let run = RunView { tables };
            for key in asked.iter().chain(&bounds) {
                let between = run.tables.iter().find(|table| table.meta().min[..] <= key[..] && key[..] <= table.meta().max[..]);
                prop_assert_eq!(run.find(key, head(key)).map(|table| table.meta().id), between.map(|table| table.meta().id));
            }
        }

        #[test]
        fn spliced_runs_are_those_of_a_spliced_list(
            edits in proptest::collection::vec((any::<prop::sample::Index>(), 0..300usize, 0..300usize), 1..40),
        ) {
            let (mut runs, mut list) = (Runs::default(), Vec::new());
            for (at, removed, added) in edits {
                let start = at.index(list.len() + 1);
                let end = (start + removed).min(list.len());
                let fresh: Vec<_> = (0..added).map(|_| Arc::new(RunView { tables: Vec::new() })).collect();
                runs.splice(start..end, &fresh);
                list.splice(start..end, fresh);
                prop_assert!(runs.newest_first().map(Arc::as_ptr).eq(list.iter().rev().map(Arc::as_ptr)));
                prop_assert!(runs.blocks.len() <= 2 * (list.len() / BLOCK_RUNS) + SPARSE_BLOCKS + 1);
            }
        }
    }
}
