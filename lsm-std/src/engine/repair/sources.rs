//! All versions of all keys, in order, from tables that may overlap in any way.

use std::collections::{BTreeSet, VecDeque};

use bytes::Bytes;

use crate::error::Result;
use crate::memtable::MemIter;
use crate::sst::{SalvagedEntries, SalvagedTable};
use crate::types::Entry;

/// Up to so many files are kept open at a time.
const FILES_MAX: usize = 128;

/// A sorted source.
pub(super) enum Source {
    /// Tables one after the other.
    Chain(Chain),
    /// The log.
    Log(MemIter),
}

/// Tables that follow each other by key.
pub(super) struct Chain {
    tables: VecDeque<SalvagedTable>,
    open: Option<SalvagedEntries>,
    keeps_open: bool,
}

/// Lines the tables up in as few chains as can be.
pub(super) fn chains(mut tables: Vec<SalvagedTable>) -> Vec<Source> {
    tables.retain(|table| table.keys.is_some());
    tables.sort_by(|a, b| a.keys.cmp(&b.keys));
    let mut chains: Vec<VecDeque<SalvagedTable>> = Vec::new();
    // Chains by their last key.
    let mut ends: BTreeSet<(Bytes, usize)> = BTreeSet::new();
    for table in tables {
        let Some((min, max)) = table.keys.clone() else { continue };
        let before = ends.range(..(min, 0)).next_back().cloned();
        let chain = match before {
            Some(end) => {
                ends.remove(&end);
                end.1
            }
            None => {
                chains.push(VecDeque::new());
                chains.len() - 1
            }
        };
        ends.insert((max, chain));
        chains[chain].push_back(table);
    }
    let keeps_open = chains.len() <= FILES_MAX;
    chains.into_iter().map(|tables| Source::Chain(Chain { tables, open: None, keeps_open })).collect()
}

impl Iterator for Chain {
    type Item = Result<Entry>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(open) = &mut self.open {
                match open.next() {
                    Some(entry) => return Some(entry),
                    None => self.open = None,
                }
            }
            match self.tables.pop_front()?.entries(self.keeps_open) {
                Ok(entries) => self.open = Some(entries),
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

impl Iterator for Source {
    type Item = Result<Entry>;

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::Chain(chain) => chain.next(),
            Self::Log(entries) => entries.next().map(Ok),
        }
    }
}
