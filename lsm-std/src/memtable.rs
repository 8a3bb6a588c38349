//! The newest writes, in memory and sorted.
//!
//! A lock-free skip list ordered as tables are: keys ascending, of one key the newest version first. Only the leader of a
//! commit group writes to it; any number of readers go on meanwhile. Keys and values refer to the bytes of their batch.

use std::borrow::Borrow;
use std::cmp::Ordering as Order;
use std::collections::VecDeque;
use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;
use crossbeam_skiplist::SkipMap;

use crate::batch::Op;
use crate::iter::{Bounds, Direction};
use crate::sync::{AtomicU64, Ordering};
use crate::types::{Entry, FileId, Found, Kind, SeqNo, order};

/// What an entry costs in memory beside its key and value, in bytes: about what the skip list takes.
const ENTRY_OVERHEAD_BYTES: u64 = 64;

/// Entries fetched at once by an iterator: few at first, for short scans, more as it goes on.
const CHUNK_MIN: usize = 4;
const CHUNK_MAX: usize = 256;

/// A sorted map of versions in memory.
#[derive(Debug)]
pub(crate) struct Memtable {
    map: SkipMap<VersionKey, (Kind, Bytes)>,
    bytes: AtomicU64,
    newest_seqno: AtomicU64,
    /// The oldest log segment that holds any of its writes.
    first_log: FileId,
}

impl Memtable {
    /// An empty memtable whose writes go to log segment `first_log` and those behind it.
    pub(crate) fn new(first_log: FileId) -> Self {
        Self { map: SkipMap::new(), bytes: AtomicU64::new(0), newest_seqno: AtomicU64::new(0), first_log }
    }

    /// The oldest log segment that holds any of its writes.
    pub(crate) fn first_log(&self) -> FileId {
        self.first_log
    }

    /// About how much memory it takes, in bytes.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// True if nothing was ever written to it.
    pub(crate) fn is_empty(&self) -> bool {
        self.map.is_empty()
    }

    /// Largest sequence number in it; 0 if it is empty.
    pub(crate) fn newest_seqno(&self) -> SeqNo {
        self.newest_seqno.load(Ordering::Acquire)
    }

    /// Adds one write. Sequence numbers come in ascending order.
    pub(crate) fn insert(&self, op: Op, seqno: SeqNo) {
        let bytes = op.key.len() as u64 + op.value.len() as u64 + ENTRY_OVERHEAD_BYTES;
        self.map.insert(VersionKey { key: op.key, seqno }, (op.kind, op.value));
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.newest_seqno.store(seqno, Ordering::Release);
    }

    /// The newest version of `key` that is no newer than `seqno`. O(log entries).
    pub(crate) fn get(&self, key: &[u8], seqno: SeqNo) -> Option<Found> {
        let from = Probe { key, seqno };
        let entry = self.map.lower_bound(Bound::Included(&from as &dyn Version))?;
        (entry.key().key == key).then(|| {
            let (kind, value) = entry.value();
            Found { seqno: entry.key().seqno, kind: *kind, value: value.clone() }
        })
    }

    /// All entries in order. Meant for a memtable that is no longer written to.
    pub(crate) fn entries(&self) -> impl Iterator<Item = Entry> + '_ {
        self.map.iter().map(|entry| to_entry(entry.key(), entry.value()))
    }

    /// An iterator over the versions within `bounds`, all of them, in the given direction.
    pub(crate) fn range(self: &Arc<Self>, bounds: Bounds, direction: Direction) -> MemIter {
        MemIter { table: Arc::clone(self), bounds, direction, last: None, chunk: VecDeque::new(), fetch: CHUNK_MIN }
    }
}

fn to_entry(key: &VersionKey, (kind, value): &(Kind, Bytes)) -> Entry {
    Entry { key: key.key.clone(), seqno: key.seqno, kind: *kind, value: value.clone() }
}

/// Walks a memtable in one direction and keeps it alive meanwhile.
#[derive(Debug)]
pub(crate) struct MemIter {
    table: Arc<Memtable>,
    bounds: Bounds,
    direction: Direction,
    last: Option<VersionKey>,
    chunk: VecDeque<Entry>,
    fetch: usize,
}

impl MemIter {
    fn refill(&mut self) {
        let low = match &self.bounds.low {
            Bound::Unbounded => None,
            Bound::Included(key) => Some(Bound::Included(Probe { key, seqno: SeqNo::MAX })),
            Bound::Excluded(key) => Some(Bound::Excluded(Probe { key, seqno: 0 })),
        };
        let high = match &self.bounds.high {
            Bound::Unbounded => None,
            Bound::Included(key) => Some(Bound::Included(Probe { key, seqno: 0 })),
            Bound::Excluded(key) => Some(Bound::Excluded(Probe { key, seqno: SeqNo::MAX })),
        };
        let last = self.last.as_ref().map(|last| Bound::Excluded(Probe { key: &last.key, seqno: last.seqno }));
        let (low, high) = match self.direction {
            Direction::Forward => (last.or(low), high),
            Direction::Backward => (low, last.or(high)),
        };
        let range = self.table.map.range::<dyn Version, _>((as_dyn(&low), as_dyn(&high)));
        let fetch =
            |entry: crossbeam_skiplist::map::Entry<'_, VersionKey, (Kind, Bytes)>| to_entry(entry.key(), entry.value());
        match self.direction {
            Direction::Forward => self.chunk.extend(range.take(self.fetch).map(fetch)),
            Direction::Backward => self.chunk.extend(range.rev().take(self.fetch).map(fetch)),
        }
        self.fetch = (self.fetch * 4).min(CHUNK_MAX);
        self.last = self.chunk.back().map(|entry| VersionKey { key: entry.key.clone(), seqno: entry.seqno });
    }
}

impl Iterator for MemIter {
    type Item = Entry;

    fn next(&mut self) -> Option<Entry> {
        if self.chunk.is_empty() {
            if self.last.is_none() && self.fetch > CHUNK_MIN {
                return None;
            }
            self.refill();
        }
        self.chunk.pop_front()
    }
}

fn as_dyn<'a>(bound: &'a Option<Bound<Probe<'a>>>) -> Bound<&'a (dyn Version + 'a)> {
    match bound {
        None | Some(Bound::Unbounded) => Bound::Unbounded,
        Some(Bound::Included(probe)) => Bound::Included(probe),
        Some(Bound::Excluded(probe)) => Bound::Excluded(probe),
    }
}

/// The key of the skip list.
#[derive(Debug)]
struct VersionKey {
    key: Bytes,
    seqno: SeqNo,
}

/// The same as borrowed parts, so that a look-up copies nothing.
struct Probe<'a> {
    key: &'a [u8],
    seqno: SeqNo,
}

/// What [`VersionKey`] and [`Probe`] have in common: the one is searched by the other.
trait Version {
    fn parts(&self) -> (&[u8], SeqNo);
}

impl Version for VersionKey {
    fn parts(&self) -> (&[u8], SeqNo) {
        (&self.key, self.seqno)
    }
}

impl Version for Probe<'_> {
    fn parts(&self) -> (&[u8], SeqNo) {
        (self.key, self.seqno)
    }
}

impl<'a> Borrow<dyn Version + 'a> for VersionKey {
    fn borrow(&self) -> &(dyn Version + 'a) {
        self
    }
}

impl Ord for dyn Version + '_ {
    fn cmp(&self, other: &Self) -> Order {
        let ((key, seqno), (other_key, other_seqno)) = (self.parts(), other.parts());
        order(key, seqno, other_key, other_seqno)
    }
}

impl PartialOrd for dyn Version + '_ {
    fn partial_cmp(&self, other: &Self) -> Option<Order> {
        Some(self.cmp(other))
    }
}

impl PartialEq for dyn Version + '_ {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Order::Equal
    }
}

impl Eq for dyn Version + '_ {}

impl Ord for VersionKey {
    fn cmp(&self, other: &Self) -> Order {
        order(&self.key, self.seqno, &other.key, other.seqno)
    }
}

impl PartialOrd for VersionKey {
    fn partial_cmp(&self, other: &Self) -> Option<Order> {
        Some(self.cmp(other))
    }
}

impl PartialEq for VersionKey {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Order::Equal
    }
}

impl Eq for VersionKey {}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(key: &'static [u8], value: &'static [u8]) -> Op {
        Op { kind: Kind::Put, key: Bytes::from_static(key), value: Bytes::from_static(value) }
    }

    #[test]
    fn a_read_sees_the_newest_version_no_newer_than_its_snapshot() {
        let table = Memtable::new(1);
        table.insert(put(b"b", b"old"), 3);
        table.insert(put(b"b", b"new"), 5);
        let value = |seqno| table.get(b"b", seqno).map(|found| found.value);
        assert_eq!(value(2), None);
        assert_eq!(value(3).as_deref(), Some(&b"old"[..]));
        assert_eq!(value(4).as_deref(), Some(&b"old"[..]));
        assert_eq!(value(9).as_deref(), Some(&b"new"[..]));
        assert_eq!(table.get(b"a", 9), None);
        assert_eq!(table.newest_seqno(), 5);
    }

    #[test]
    fn an_iterator_goes_on_over_many_chunks_in_both_directions() {
        let table = Arc::new(Memtable::new(1));
        for at in 0..2000u64 {
            let key = Bytes::copy_from_slice(&at.to_be_bytes());
            table.insert(Op { kind: Kind::Put, key, value: Bytes::new() }, at + 1);
        }
        let walk = |bounds: Bounds, direction| {
            let seqnos = table.range(bounds, direction).map(|entry| entry.seqno);
            seqnos.collect::<Vec<_>>()
        };
        assert_eq!(walk(Bounds::all(), Direction::Forward), (1..=2000).collect::<Vec<_>>());
        assert_eq!(walk(Bounds::all(), Direction::Backward), (1..=2000).rev().collect::<Vec<_>>());
        let low = Bound::Excluded(Bytes::copy_from_slice(&9u64.to_be_bytes()));
        let high = Bound::Included(Bytes::copy_from_slice(&11u64.to_be_bytes()));
        assert_eq!(walk(Bounds { low: low.clone(), high: high.clone() }, Direction::Forward), [11, 12]);
        assert_eq!(walk(Bounds { low, high }, Direction::Backward), [12, 11]);
    }
}
