//! One state of a store, as reads see it: a memtable, the frozen ones behind it, and the runs.
//!
//! A view never changes but for its active memtable, which grows. Every freeze and every edit of the tree makes a new one, which
//! shares all that stays; whoever holds an old one can go on reading it, its files included.

mod runs;
mod table;

use std::sync::Arc;

use crate::error::Result;
use crate::iter::{Bounds, Direction, Next, Sources};
use crate::memtable::{MemIter, Memtable};
use crate::sst::{Access, key_hash};
use crate::types::{Found, SeqNo};

pub(crate) use runs::{RunIter, RunView, Runs};
pub(crate) use table::{Files, TableHandle};

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
    /// The newest version of `key` no newer than `seqno`, a delete included. Newest to oldest, the first hit wins.
    pub(crate) fn get(&self, key: &[u8], seqno: SeqNo) -> Result<Option<Found>> {
        let memtables = std::iter::once(&self.active).chain(self.frozen.iter().rev());
        for memtable in memtables {
            if let Some(found) = memtable.get(key, seqno) {
                return Ok(Some(found));
            }
        }
        let hash = key_hash(key);
        for run in self.runs.newest_first() {
            if let Some(table) = run.find(key)
                && let Some(found) = table.reader()?.get(key, hash, seqno)?
            {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }
}

/// Iterates over one memtable or one run.
#[derive(Debug)]
pub(crate) enum Source {
    /// A memtable.
    Memory(MemIter),
    /// A run.
    Run(RunIter),
}

impl Iterator for Source {
    type Item = Result<Next>;

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::Memory(entries) => entries.next().map(|entry| Ok(Next::Entry(entry))),
            Self::Run(entries) => entries.next(),
        }
    }
}

impl Sources for Arc<View> {
    type Iter = Source;

    fn sources(&self, bounds: &Bounds, direction: Direction) -> Vec<Source> {
        let memtables = std::iter::once(&self.active).chain(&self.frozen).filter(|memtable| !memtable.is_empty());
        let memory = memtables.map(|memtable| Source::Memory(memtable.range(bounds.clone(), direction)));
        let runs = self.runs.newest_first().filter_map(|run| run.range(bounds, direction, Access::Read));
        memory.chain(runs.map(Source::Run)).collect()
    }
}
