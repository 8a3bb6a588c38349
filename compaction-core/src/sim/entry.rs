//! Entries without bytes, and their merge.

use alloc::vec::Vec;

/// The value of a tombstone.
const TOMBSTONE: u32 = u32::MAX;

/// The newest version of one key in a table: twelve bytes, whatever it stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Number of the key.
    pub(crate) key: u32,
    /// Number of the write.
    pub(crate) seqno: u32,
    value: u32,
}

impl Entry {
    /// `value` is the value's length, or `None` for a tombstone.
    pub(crate) fn new(key: u32, seqno: u32, value: Option<u32>) -> Self {
        Self { key, seqno, value: value.map_or(TOMBSTONE, |bytes| bytes.min(TOMBSTONE - 1)) }
    }

    /// Length of the value; `None` for a tombstone.
    pub(crate) fn value(&self) -> Option<u32> {
        (self.value != TOMBSTONE).then_some(self.value)
    }
}

/// Sorts the writes of a memtable by key and leaves the newest of each.
pub(crate) fn sort(writes: &mut Vec<Entry>) {
    writes.sort_unstable_by_key(|entry| (entry.key, !entry.seqno));
    writes.dedup_by_key(|entry| entry.key);
}

/// Merges runs, each sorted by key, the newest first: of each key the newest entry stays.
///
/// Neighbours in age are merged pairwise, and the results again: O(entries x log runs).
pub(crate) fn merge(mut runs: Vec<Vec<Entry>>) -> Vec<Entry> {
    while runs.len() > 1 {
        let mut merged = Vec::with_capacity(runs.len().div_ceil(2));
        let mut rest = runs.into_iter();
        while let Some(newer) = rest.next() {
            merged.push(match rest.next() {
                Some(older) => merge_two(&newer, &older),
                None => newer,
            });
        }
        runs = merged;
    }
    runs.pop().unwrap_or_default()
}

fn merge_two(mut newer: &[Entry], mut older: &[Entry]) -> Vec<Entry> {
    let mut out = Vec::with_capacity(newer.len().saturating_add(older.len()));
    loop {
        match (newer, older) {
            ([a, rest @ ..], [b, ..]) if a.key < b.key => {
                out.push(*a);
                newer = rest;
            }
            ([a, ..], [b, rest @ ..]) if b.key < a.key => {
                out.push(*b);
                older = rest;
            }
            ([a, after @ ..], [_, rest @ ..]) => {
                out.push(*a);
                (newer, older) = (after, rest);
            }
            (rest, []) | ([], rest) => {
                out.extend_from_slice(rest);
                return out;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeMap;
    use alloc::vec;

    #[test]
    fn a_merge_keeps_the_newest_of_each_key() {
        let mut rng = super::super::SplitMix::new(5);
        let (mut runs, mut model) = (Vec::new(), BTreeMap::new());
        for age in 0..7u32 {
            let mut writes: Vec<Entry> = (0..200)
                .map(|at| Entry::new(rng.below(300) as u32, age * 200 + at, (at % 3 > 0).then_some(at)))
                .collect();
            for entry in &writes {
                model.insert(entry.key, *entry);
            }
            sort(&mut writes);
            runs.insert(0, writes);
        }
        assert_eq!(merge(runs), model.into_values().collect::<Vec<_>>());
        assert_eq!(merge(vec![]), vec![]);
    }
}
