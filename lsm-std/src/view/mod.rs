//! One state of a store, as reads see it: a memtable, the frozen ones behind it, and the runs.
//!
//! A view never changes but for its active memtable, which grows. Every freeze and every edit of the tree makes a new one, which
//! shares all that stays; whoever holds an old one can go on reading it, its files included.

mod files;
mod runs;
mod table;

use std::sync::Arc;

use bytes::Bytes;

use crate::error::Result;
use crate::iter::{Bounds, Cursor, Direction, Each, Sources, Step};
use crate::memtable::{MemIter, Memtable};
use crate::sst::{Access, key_hash};
use crate::types::{EntryRef, Found, SeqNo};

pub(crate) use files::Files;
pub(crate) use runs::{RunCursor, RunView, Runs};
pub(crate) use table::TableHandle;

/// One state of a store.
#[derive(Clone, Debug)]
pub(crate) struct View {
    /// Takes the writes.
    pub(crate) active: Arc<Memtable>,
    /// Wait to be flushed, oldest first.
    pub(crate) frozen: Vec<Arc<Memtable>>,
    /// The tables.
    pub(crate) runs: Runs,
}

impl View {
    /// The newest version of `key` no newer than `seqno`, a delete included, and in how many runs it was looked for. Newest to
    /// oldest, the first hit wins.
    pub(crate) fn get(&self, key: &[u8], seqno: SeqNo) -> Result<(Option<Found>, u32)> {
        let memtables = std::iter::once(&self.active).chain(self.frozen.iter().rev());
        for memtable in memtables {
            if let Some(found) = memtable.get(key, seqno) {
                return Ok((Some(found), 0));
            }
        }
        let (hash, mut runs) = (key_hash(key), 0u32);
        for run in self.runs.newest_first() {
            let Some(table) = run.find(key) else { continue };
            runs = runs.saturating_add(1);
            if let Some(found) = table.reader()?.get(key, hash, seqno)? {
                return Ok((Some(found), runs));
            }
        }
        Ok((None, runs))
    }

    /// How many runs have a table whose keys reach over `key`.
    pub(crate) fn runs_at(&self, key: &[u8]) -> u32 {
        let runs = self.runs.newest_first().filter(|run| run.find(key).is_some()).count();
        u32::try_from(runs).unwrap_or(u32::MAX)
    }
}

/// A walk over one memtable or one run.
#[derive(Debug)]
pub(crate) enum Source {
    /// A memtable.
    Memory(Each<MemIter>),
    /// A run.
    Run(RunCursor),
}

impl Cursor for Source {
    #[inline]
    fn step(&mut self) -> Result<Step> {
        match self {
            Self::Memory(entries) => entries.step(),
            Self::Run(entries) => entries.step(),
        }
    }

    #[inline]
    fn key(&self) -> &[u8] {
        match self {
            Self::Memory(entries) => entries.key(),
            Self::Run(entries) => entries.key(),
        }
    }

    #[inline]
    fn entry(&self) -> EntryRef<'_> {
        match self {
            Self::Memory(entries) => entries.entry(),
            Self::Run(entries) => entries.entry(),
        }
    }

    #[inline]
    fn value(&self) -> Bytes {
        match self {
            Self::Memory(entries) => entries.value(),
            Self::Run(entries) => entries.value(),
        }
    }
}

impl Sources for Arc<View> {
    type Cursor = Source;

    fn sources(&self, bounds: &Bounds, direction: Direction, seqno: SeqNo) -> Vec<Source> {
        let memtables = std::iter::once(&self.active).chain(&self.frozen).filter(|memtable| !memtable.is_empty());
        let memory =
            memtables.map(|memtable| Source::Memory(Each::of(memtable.range(bounds.clone(), direction, seqno))));
        let runs = self.runs.newest_first().filter_map(|run| run.range(bounds, direction, Access::Read));
        memory.chain(runs.map(Source::Run)).collect()
    }
}
