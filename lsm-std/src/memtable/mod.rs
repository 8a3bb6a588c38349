//! The newest writes, in memory and sorted.
//!
//! Ordered as tables are: keys ascending, of one key the newest version first. Only the leader of a commit group writes to it. A
//! lock is held for one write, one look-up, or one stretch of a scan, by any number of readers at once.

mod filter;
mod records;
mod sorted;

use std::collections::VecDeque;
use std::ops::Bound;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use crate::batch::Op;
use crate::iter::{Bounds, Direction};
use crate::memtable::filter::Filter;
use crate::memtable::records::large_record;
use crate::memtable::sorted::{Passed, Place, Sorted};
use crate::sst::key_hash;
use crate::sync::{AtomicU64, Ordering, RwLock, read, write};
use crate::types::{Entry, FileId, Found, SeqNo};

/// What an entry counts in memory beside its key and value, in bytes; it takes 36 to 68, as leaves are full or half full.
const ENTRY_OVERHEAD_BYTES: u64 = 64;

/// Entries fetched at once by an iterator: few at first, for short scans, more as it goes on.
const CHUNK_MIN: usize = 4;
const CHUNK_MAX: usize = 256;

/// Room for an entry where an iterator copies them to, in bytes; it grows where they are larger.
const COPY_BYTES: usize = 64;

/// A sorted map of versions in memory.
#[derive(Debug)]
pub(crate) struct Memtable {
    sorted: RwLock<Sorted>,
    filter: Filter,
    bytes: AtomicU64,
    newest_seqno: AtomicU64,
    /// The oldest log segment that holds any of its writes.
    first_log: FileId,
}

impl Memtable {
    /// An empty memtable that will hold about `bytes`, whose writes go to log segment `first_log` and those behind it.
    pub(crate) fn new(first_log: FileId, bytes: u64) -> Self {
        Self {
            sorted: RwLock::new(Sorted::new(bytes)),
            filter: Filter::new(bytes),
            bytes: AtomicU64::new(0),
            newest_seqno: AtomicU64::new(0),
            first_log,
        }
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
        self.newest_seqno() == 0
    }

    /// Largest sequence number in it; 0 if it is empty.
    pub(crate) fn newest_seqno(&self) -> SeqNo {
        self.newest_seqno.load(Ordering::Acquire)
    }

    /// Adds one write; its bytes are copied, many of them while readers go on. Sequence numbers come in ascending order, from 1
    /// on. O(log entries).
    pub(crate) fn insert(&self, op: &Op<'_>, seqno: SeqNo) {
        let large = large_record(op);
        self.filter.add(key_hash(op.key));
        write(&self.sorted).insert(op, large, seqno);
        let bytes = op.key.len() as u64 + op.value.len() as u64 + ENTRY_OVERHEAD_BYTES;
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.newest_seqno.store(seqno, Ordering::Release);
    }

    /// The newest version of `key`, which has this [hash](key_hash), that is no newer than `seqno`. O(log entries); mostly O(1) if it
    /// has none.
    pub(crate) fn get(&self, key: &[u8], hash: u64, seqno: SeqNo) -> Option<Found> {
        if !self.filter.may_contain(hash) {
            return None;
        }
        let sorted = read(&self.sorted);
        let slot = sorted.slot(sorted.lower(key, seqno))?;
        (sorted.key(slot) == key).then(|| sorted.found(slot))
    }

    /// All entries in order. Meant for a memtable that is no longer written to.
    pub(crate) fn entries(self: &Arc<Self>) -> MemIter {
        self.iter(Bounds::all(), Direction::Forward, None)
    }

    /// An iterator over the keys within `bounds`, in the given direction: of each the newest version no newer than `seqno`, if it has
    /// one. O(log entries) for a key, however many versions it has.
    pub(crate) fn range(self: &Arc<Self>, bounds: Bounds, direction: Direction, seqno: SeqNo) -> MemIter {
        self.iter(bounds, direction, Some(seqno))
    }

    fn iter(self: &Arc<Self>, bounds: Bounds, direction: Direction, seqno: Option<SeqNo>) -> MemIter {
        let (table, chunk) = (Arc::clone(self), VecDeque::new());
        MemIter { table, bounds, direction, seqno, last: None, chunk, fetch: CHUNK_MIN, is_done: false }
    }
}

/// Walks a memtable in one direction and keeps it alive meanwhile.
#[derive(Debug)]
pub(crate) struct MemIter {
    table: Arc<Memtable>,
    bounds: Bounds,
    direction: Direction,
    /// Which version of each key is wanted; without it all are, which only goes forward.
    seqno: Option<SeqNo>,
    /// The last version that was passed.
    last: Option<(Bytes, SeqNo)>,
    chunk: VecDeque<Entry>,
    fetch: usize,
    /// There is nothing behind the chunk.
    is_done: bool,
}

impl MemIter {
    fn refill(&mut self) {
        let sorted = read(&self.table.sorted);
        // No entry has the number 0, or the largest one.
        let mut low = match &self.bounds.low {
            Bound::Unbounded => Place::START,
            Bound::Included(key) => sorted.lower(key, SeqNo::MAX),
            Bound::Excluded(key) => sorted.lower(key, 0),
        };
        let mut high = match &self.bounds.high {
            Bound::Unbounded => sorted.end(),
            Bound::Included(key) => sorted.lower(key, 0),
            Bound::Excluded(key) => sorted.lower(key, SeqNo::MAX),
        };
        match (&self.last, self.direction) {
            (None, _) => {}
            (Some((key, seqno)), Direction::Forward) => low = sorted.lower(key, seqno.saturating_sub(1)),
            (Some((key, seqno)), Direction::Backward) => high = sorted.lower(key, *seqno),
        }
        let (mut looked, mut last) = (0, None);
        let mut copies = BytesMut::with_capacity(if low < high { self.fetch * COPY_BYTES } else { 0 });
        while low < high && looked < self.fetch {
            looked += 1;
            let (place, found) = match (self.direction, self.seqno) {
                (Direction::Forward, None) => (low, Passed { found: sorted.slot(low), next: sorted.after(low) }),
                (Direction::Forward, Some(seqno)) => (low, sorted.forward(low, seqno)),
                (Direction::Backward, seqno) => {
                    let Some(place) = sorted.before(high) else { break };
                    (place, sorted.backward(place, seqno.unwrap_or(SeqNo::MAX)))
                }
            };
            last = sorted.slot(place);
            self.chunk.extend(found.found.map(|slot| sorted.entry(slot, &mut copies)));
            match self.direction {
                Direction::Forward => low = found.next,
                Direction::Backward => high = found.next,
            }
        }
        self.last = last.map(|slot| {
            let seqno = match (self.direction, self.seqno) {
                (Direction::Forward, None) => slot.seqno(),
                (Direction::Forward, Some(_)) => 1,
                (Direction::Backward, _) => SeqNo::MAX,
            };
            (Bytes::copy_from_slice(sorted.key(slot)), seqno)
        });
        self.is_done = low >= high;
        drop(sorted);
        self.fetch = (self.fetch * 4).min(CHUNK_MAX);
    }
}

impl Iterator for MemIter {
    type Item = Entry;

    fn next(&mut self) -> Option<Entry> {
        while self.chunk.is_empty() && !self.is_done {
            self.refill();
        }
        self.chunk.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::types::Kind;

    fn put<'a>(key: &'a [u8], value: &'a [u8]) -> Op<'a> {
        Op { kind: Kind::Put, key, value }
    }

    #[test]
    fn a_read_sees_the_newest_version_no_newer_than_its_snapshot() {
        let table = Memtable::new(1, 0);
        table.insert(&put(b"b", b"old"), 3);
        table.insert(&put(b"b", b"new"), 5);
        let value = |seqno| table.get(b"b", key_hash(b"b"), seqno).map(|found| found.value);
        assert_eq!(value(2), None);
        assert_eq!(value(3).as_deref(), Some(&b"old"[..]));
        assert_eq!(value(4).as_deref(), Some(&b"old"[..]));
        assert_eq!(value(9).as_deref(), Some(&b"new"[..]));
        assert_eq!(table.get(b"a", key_hash(b"a"), 9), None);
        assert_eq!(table.newest_seqno(), 5);
    }

    #[test]
    fn the_first_write_may_be_of_nothing() {
        let table = Arc::new(Memtable::new(1, 0));
        table.insert(&put(b"", b""), 1);
        assert_eq!(table.get(b"", key_hash(b""), 1).map(|found| found.value), Some(Bytes::new()));
        assert_eq!(table.entries().map(|entry| entry.key).collect::<Vec<_>>(), [Bytes::new()]);
    }

    #[test]
    fn an_iterator_goes_on_over_many_chunks_in_both_directions() {
        let table = Arc::new(Memtable::new(1, 0));
        for at in 0..2000u64 {
            table.insert(&put(&at.to_be_bytes(), b""), at + 1);
        }
        let walk = |bounds: Bounds, direction| {
            let seqnos = table.range(bounds, direction, 2000).map(|entry| entry.seqno);
            seqnos.collect::<Vec<_>>()
        };
        assert_eq!(walk(Bounds::all(), Direction::Forward), (1..=2000).collect::<Vec<_>>());
        assert_eq!(walk(Bounds::all(), Direction::Backward), (1..=2000).rev().collect::<Vec<_>>());
        assert_eq!(table.entries().map(|entry| entry.seqno).collect::<Vec<_>>(), (1..=2000).collect::<Vec<_>>());
        let low = Bound::Excluded(Bytes::copy_from_slice(&9u64.to_be_bytes()));
        let high = Bound::Included(Bytes::copy_from_slice(&11u64.to_be_bytes()));
        assert_eq!(walk(Bounds { low: low.clone(), high: high.clone() }, Direction::Forward), [11, 12]);
        assert_eq!(walk(Bounds { low, high }, Direction::Backward), [12, 11]);
    }
    proptest! {
        #[test]
        fn a_range_gives_of_each_key_the_newest_version_that_is_old_enough(
            keys in prop::collection::vec(prop::sample::select(vec![0u8, 1, 2, 3, 3, 3, 3, 3, 9]), 1..1200),
            seqno in 0u64..1300,
            low in 0u8..5,
            high in 0u8..11,
        ) {
            let table = Arc::new(Memtable::new(1, 0));
            let mut newest = BTreeMap::new();
            for (at, key) in (1..).zip(&keys) {
                table.insert(&put(&[*key], b""), at);
                if at <= seqno {
                    newest.insert(*key, at);
                }
            }
            let bounds = Bounds { low: Bound::Included(vec![low].into()), high: Bound::Excluded(vec![high].into()) };
            let expected: Vec<_> = newest.into_iter().filter(|(key, _)| (low..high).contains(key)).map(|(_, at)| at).collect();
            let walk = |direction| table.range(bounds.clone(), direction, seqno).map(|entry| entry.seqno).collect::<Vec<_>>();
            prop_assert_eq!(walk(Direction::Forward), expected.clone());
            prop_assert_eq!(walk(Direction::Backward), expected.into_iter().rev().collect::<Vec<_>>());
            prop_assert_eq!(table.entries().count(), keys.len());
        }
    }

    #[test]
    fn a_scan_fetches_one_version_of_a_key_that_has_many() {
        let table = Arc::new(Memtable::new(1, 0));
        for seqno in 1..=100_000 {
            table.insert(&put(b"hot", b""), seqno);
        }
        for direction in [Direction::Forward, Direction::Backward] {
            let mut walk = table.range(Bounds::all(), direction, 50_000);
            walk.refill();
            assert!(walk.is_done, "one stretch is enough");
            assert_eq!(walk.map(|entry| entry.seqno).collect::<Vec<_>>(), [50_000]);
        }
    }
}
