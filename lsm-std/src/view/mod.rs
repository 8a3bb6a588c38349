//! One state of a store, as reads see it: a memtable, the frozen ones behind it, and the runs.
//!
//! A view never changes but for its active memtable, which grows. Every freeze and every edit of the tree makes a new one, which
//! shares all that stays; whoever holds an old one can go on reading it, its files included.

mod files;
mod runs;
mod table;

use std::sync::Arc;

use bytes::Bytes;

use crate::cache::Asked;
use crate::error::Result;
use crate::iter::{Bounds, Cursor, Direction, Each, Sources, Step};
use crate::memtable::{MemIter, Memtable};
use crate::sst::{Access, key_hash};
use crate::timing::Part;
use crate::types::{EntryRef, Found, SeqNo, head};

pub(crate) use files::Files;
pub(crate) use runs::{RunCursor, RunView, Runs};
pub(crate) use table::TableHandle;

/// Filters of so many runs are asked at once.
const RUNS_AT_ONCE: usize = 4;

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
    /// The newest version of `key` no newer than `seqno`, a delete included. Newest to oldest, the first hit wins. What is asked
    /// on the way is counted in `asked`.
    pub(crate) fn get(&self, key: &[u8], seqno: SeqNo, asked: &mut Asked) -> Result<Option<Found>> {
        let (hash, head) = (key_hash(key), head(key));
        let memtables = std::iter::once(&self.active).chain(self.frozen.iter().rev());
        for memtable in memtables {
            let found = memtable.get(key, hash, seqno);
            asked.laps.end(Part::Memtable);
            if let Some(found) = found {
                return Ok(Some(found));
            }
        }
        let mut rest = self.runs.newest_first().filter_map(|run| run.find(key, head));
        loop {
            let (mut tables, mut denied) = ([None; RUNS_AT_ONCE], [false; RUNS_AT_ONCE]);
            for (place, table) in tables.iter_mut().zip(&mut rest) {
                *place = Some(table);
            }
            asked.laps.end(Part::Index);
            // All filters before any block: their memory is waited for once.
            let fetched = tables.iter().flatten().map(|table| table.fetch_filter(hash));
            std::hint::black_box(fetched.fold(0, |sum, byte| sum ^ byte));
            for (denied, table) in denied.iter_mut().zip(tables.iter().flatten()) {
                *denied = table.denies(hash);
            }
            asked.laps.end(Part::Filter);
            for (table, denied) in tables.into_iter().zip(denied) {
                let Some(table) = table else { return Ok(None) };
                asked.runs += 1;
                if denied {
                    asked.filter_asked += 1;
                    asked.filter_denied += 1;
                } else if let Some(found) = table.get(key, hash, seqno, asked)? {
                    return Ok(Some(found));
                }
            }
        }
    }

    /// How many runs have a table whose keys reach over `key`.
    pub(crate) fn runs_at(&self, key: &[u8]) -> u32 {
        let head = head(key);
        let runs = self.runs.newest_first().filter(|run| run.find(key, head).is_some()).count();
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
