//! Versions in order, in memory: leaves of up to [`LEAF_MAX`] entries, and an array of where each leaf begins.
//!
//! The first sixteen bytes of each key, as a number, stand in arrays of their own, so that a search touches little else. Keys and
//! values lie elsewhere ([`Records`]): nothing is allocated for an entry, and little is freed when all go.

use bytes::{Bytes, BytesMut};

use crate::batch::Op;
use crate::fs::roomy;
use crate::memtable::records::{self, Record, Records};
use crate::types::{Entry, Found, SeqNo, head, order};

/// A leaf with so many entries is split.
const LEAF_MAX: usize = 256;

/// Versions, keys ascending, of one key the newest first.
#[derive(Debug)]
pub(super) struct Sorted {
    /// The head of each leaf's first key.
    firsts: Vec<u128>,
    /// Where in `leaves` each leaf lies.
    order: Vec<u32>,
    /// None is empty.
    leaves: Vec<Leaf>,
    /// Room is made for so many leaves at once, as chunks are made for [`Records`].
    leaves_expected: usize,
    records: Records,
}

#[derive(Debug)]
struct Leaf {
    len: usize,
    heads: [u128; LEAF_MAX],
    slots: [Slot; LEAF_MAX],
}

/// One version of one key.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slot {
    record: Record,
    seqno: SeqNo,
}

/// The place of an entry: its leaf, and which entry of the leaf.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    leaf: usize,
    at: usize,
}

/// What a scan finds of one key.
pub(super) struct Passed<'a> {
    /// The version that it wants, if there is one.
    pub(super) found: Option<&'a Slot>,
    /// Where all versions of the key are passed.
    pub(super) next: Place,
}

impl Place {
    /// That of the first entry.
    pub(super) const START: Self = Self { leaf: 0, at: 0 };
}

impl Slot {
    const NONE: Self = Self { record: Record::NONE, seqno: 0 };

    pub(super) fn seqno(&self) -> SeqNo {
        self.seqno
    }
}

impl Sorted {
    /// Empty; it will hold about `bytes`.
    pub(super) fn new(bytes: u64) -> Self {
        let leaves_expected = records::chunk_bytes(bytes) / size_of::<Leaf>();
        let records = Records::new(bytes);
        Self { firsts: Vec::new(), order: Vec::new(), leaves: Vec::new(), leaves_expected, records }
    }

    /// Adds a version, `large` being its [record](super::records::large_record) if it has one; one of the same key and number is replaced.
    /// O(log entries), and moving up to a leaf; once in half a leaf's entries also 24 bytes for each leaf.
    pub(super) fn insert(&mut self, op: &Op<'_>, large: Option<Bytes>, seqno: SeqNo) {
        let slot = Slot { record: self.records.add(op, large), seqno };
        let head = head(op.key);
        let at_leaf = self.leaf(head, op.key, seqno);
        let Some(&leaf) = self.order.get(at_leaf) else {
            self.leaves = roomy(self.leaves_expected);
            self.add_leaf(0, Leaf::new(&[head], &[slot]));
            return;
        };
        let leaf = &mut self.leaves[leaf as usize];
        let at = leaf.lower(&self.records, head, op.key, seqno);
        if let Some(same) = leaf.slots[..leaf.len].get_mut(at)
            && same.seqno == seqno
            && self.records.key(same.record) == op.key
        {
            *same = slot;
            return;
        }
        leaf.insert(at, head, slot);
        self.firsts[at_leaf] = leaf.heads[0];
        if leaf.len == LEAF_MAX {
            // Keys that come in order leave full leaves behind. Only the last leaf is cut at its end: before another one keys may go on
            // to come at that end, each the first of a leaf of its own.
            let is_last = at_leaf + 1 == self.firsts.len();
            let cut = if is_last && at + 1 == LEAF_MAX { at } else { LEAF_MAX / 2 };
            leaf.len = cut;
            let next = Leaf::new(&leaf.heads[cut..], &leaf.slots[cut..]);
            self.add_leaf(at_leaf + 1, next);
        }
    }

    /// Makes `leaf` the leaf number `at`.
    fn add_leaf(&mut self, at: usize, leaf: Leaf) {
        self.firsts.insert(at, leaf.heads[0]);
        self.order.insert(at, self.leaves.len() as u32);
        self.leaves.push(leaf);
    }

    /// Leaf number `at`, in the order of keys.
    fn nth(&self, at: usize) -> Option<&Leaf> {
        self.leaves.get(*self.order.get(at)? as usize)
    }

    pub(super) fn key(&self, slot: &Slot) -> &[u8] {
        self.records.key(slot.record)
    }

    pub(super) fn found(&self, slot: &Slot) -> Found {
        self.records.found(slot.record, slot.seqno)
    }

    /// What stands in `slot`, copied into `copies` if it is small.
    pub(super) fn entry(&self, slot: &Slot, copies: &mut BytesMut) -> Entry {
        self.records.entry(slot.record, slot.seqno, copies)
    }

    /// The leaf to which (`key`, `seqno`) belongs: the last that begins at or before it, or the first.
    fn leaf(&self, head: u128, key: &[u8], seqno: SeqNo) -> usize {
        let is_behind = |slot: &Slot| order(self.key(slot), slot.seqno, key, seqno).is_gt();
        let begun = search(&self.firsts, head, |at| self.nth(at).is_some_and(|leaf| !is_behind(&leaf.slots[0])));
        begun.saturating_sub(1)
    }

    /// The place of the first entry at or after (`key`, `seqno`).
    pub(super) fn lower(&self, key: &[u8], seqno: SeqNo) -> Place {
        let head = head(key);
        let leaf = self.leaf(head, key, seqno);
        let at = self.nth(leaf).map_or(0, |leaf| leaf.lower(&self.records, head, key, seqno));
        self.whole(Place { leaf, at })
    }

    /// Behind the last entry of a leaf stands the first of the next.
    fn whole(&self, place: Place) -> Place {
        let is_behind = self.nth(place.leaf).is_some_and(|leaf| place.at == leaf.len);
        if is_behind { Place { leaf: place.leaf + 1, at: 0 } } else { place }
    }

    /// The place behind the last entry.
    pub(super) fn end(&self) -> Place {
        Place { leaf: self.order.len(), at: 0 }
    }

    /// The place behind `place`, which is not the end.
    pub(super) fn after(&self, place: Place) -> Place {
        self.whole(Place { leaf: place.leaf, at: place.at + 1 })
    }

    /// The place before `place`; `None` before the first.
    pub(super) fn before(&self, place: Place) -> Option<Place> {
        if let Some(at) = place.at.checked_sub(1) {
            return Some(Place { leaf: place.leaf, at });
        }
        let leaf = place.leaf.checked_sub(1)?;
        Some(Place { leaf, at: self.nth(leaf)?.len - 1 })
    }

    /// Of the key whose first version stands at `place`: the newest version no newer than `seqno`, and the place behind all of them.
    /// O(1) for a key of one version, else O(log entries).
    pub(super) fn forward(&self, place: Place, seqno: SeqNo) -> Passed<'_> {
        let (first, after) = (self.slot(place), self.after(place));
        self.passed(first, self.slot(after), after, (seqno, 0))
    }

    /// Of the key whose last version stands at `place`: the newest version no newer than `seqno`, and the place of the first.
    pub(super) fn backward(&self, place: Place, seqno: SeqNo) -> Passed<'_> {
        let neighbour = self.before(place).and_then(|before| self.slot(before));
        self.passed(self.slot(place), neighbour, place, (seqno, SeqNo::MAX))
    }

    /// `next` is right if `neighbour` is of another key than `slot`; else the place is that of `end`.
    fn passed<'a>(
        &'a self,
        slot: Option<&'a Slot>,
        neighbour: Option<&Slot>,
        next: Place,
        (seqno, end): (SeqNo, SeqNo),
    ) -> Passed<'a> {
        let Some(slot) = slot else { return Passed { found: None, next } };
        let key = self.key(slot);
        if neighbour.is_none_or(|neighbour| self.key(neighbour) != key) {
            return Passed { found: Some(slot).filter(|slot| slot.seqno <= seqno), next };
        }
        let found = self.slot(self.lower(key, seqno)).filter(|found| self.key(found) == key);
        Passed { found, next: self.lower(key, end) }
    }

    /// The entry at `place`; `None` at the end.
    pub(super) fn slot(&self, place: Place) -> Option<&Slot> {
        self.nth(place.leaf)?.slots().get(place.at)
    }
}

impl Leaf {
    /// Of these entries, fewer than [`LEAF_MAX`].
    fn new(heads: &[u128], slots: &[Slot]) -> Self {
        let mut leaf = Self { len: slots.len(), heads: [0; LEAF_MAX], slots: [Slot::NONE; LEAF_MAX] };
        leaf.heads[..heads.len()].copy_from_slice(heads);
        leaf.slots[..slots.len()].copy_from_slice(slots);
        leaf
    }

    fn slots(&self) -> &[Slot] {
        &self.slots[..self.len]
    }

    fn insert(&mut self, at: usize, head: u128, slot: Slot) {
        self.heads.copy_within(at..self.len, at + 1);
        self.slots.copy_within(at..self.len, at + 1);
        (self.heads[at], self.slots[at]) = (head, slot);
        self.len += 1;
    }

    /// The first entry at or after (`key`, `seqno`).
    fn lower(&self, records: &Records, head: u128, key: &[u8], seqno: SeqNo) -> usize {
        let is_before = |slot: &Slot| order(records.key(slot.record), slot.seqno, key, seqno).is_lt();
        search(&self.heads[..self.len], head, |at| is_before(&self.slots[at]))
    }
}

/// How many of what has these `heads`, in order, come before what has `wanted`: `is_before` decides where heads are alike.
fn search(heads: &[u128], wanted: u128, is_before: impl Fn(usize) -> bool) -> usize {
    let mut start = heads.partition_point(|head| *head < wanted);
    // Mostly the newest version of the one key of this head is wanted, and that stands first.
    if heads.get(start) != Some(&wanted) || !is_before(start) {
        return start;
    }
    let mut end = start + heads[start..].partition_point(|head| *head == wanted);
    while start < end {
        let middle = start + (end - start) / 2;
        if is_before(middle) {
            start = middle + 1;
        } else {
            end = middle;
        }
    }
    start
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::memtable::records::{SHARED_BYTES_MAX, large_record};
    use crate::types::Kind;

    /// Keys that share all sixteen bytes of their heads, or end before them, or neither.
    fn key() -> impl Strategy<Value = Vec<u8>> {
        let letters = prop::collection::vec(prop::sample::select(vec![0u8, 1, b'b']), 0..4);
        (prop::sample::select(vec![0usize, 14, 20]), letters).prop_map(|(same, rest)| [vec![b'a'; same], rest].concat())
    }

    proptest! {
        #[test]
        fn it_holds_what_a_sorted_map_holds_in_the_same_order(
            writes in prop::collection::vec((key(), 1u64..9, 0..100usize, prop::sample::select(vec![Kind::Put, Kind::Delete])), 1..1500),
            asked in prop::collection::vec((key(), 0u64..10), 1..50),
        ) {
            let (mut sorted, mut map) = (Sorted::new(1), BTreeMap::new());
            for (key, seqno, len, kind) in &writes {
                // Some are too large to share a chunk.
                let value = vec![*len as u8; if *len == 0 { SHARED_BYTES_MAX } else { *len }];
                let op = Op { kind: *kind, key, value: &value };
                sorted.insert(&op, large_record(&op), *seqno);
                map.insert((key.clone(), u64::MAX - seqno), (*kind, Bytes::from(value)));
            }
            let (mut place, mut places, mut copies) = (Place::START, Vec::new(), BytesMut::new());
            for ((key, seqno), value) in &map {
                let slot = sorted.slot(place).unwrap();
                let found = sorted.found(slot);
                prop_assert_eq!((sorted.key(slot), found.seqno, &(found.kind, found.value)), (&key[..], u64::MAX - seqno, value));
                let entry = sorted.entry(slot, &mut copies);
                prop_assert_eq!((&entry.key[..], entry.seqno, &(entry.kind, entry.value)), (&key[..], found.seqno, value));
                places.push(place);
                place = sorted.after(place);
            }
            prop_assert_eq!(place, sorted.end());
            for expected in places.iter().rev() {
                place = sorted.before(place).unwrap();
                prop_assert_eq!(place, *expected);
            }
            prop_assert_eq!(sorted.before(place), None);
            for (key, seqno) in asked {
                let expected = map.range((key.clone(), u64::MAX - seqno)..).count();
                let before = map.len() - expected;
                prop_assert_eq!(sorted.lower(&key, seqno), places.get(before).copied().unwrap_or(sorted.end()));
            }
        }
    }

    #[test]
    fn keys_that_come_in_order_fill_their_leaves() {
        let mut sorted = Sorted::new(1);
        for at in 0..1_000u64 {
            sorted.insert(&Op { kind: Kind::Put, key: &at.to_be_bytes(), value: b"" }, None, at + 1);
        }
        assert_eq!(sorted.leaves.len(), 1_000usize.div_ceil(LEAF_MAX - 1));
    }

    #[test]
    fn leaves_stay_half_full_wherever_keys_come_after_full_ones() {
        let number = |at: u64| at.to_be_bytes();
        for full in [LEAF_MAX as u64 - 1, 2 * (LEAF_MAX as u64 - 1)] {
            let put = |sorted: &mut Sorted, key: u64, seqno| {
                sorted.insert(&Op { kind: Kind::Put, key: &number(key), value: b"" }, None, seqno);
            };
            for hot in full - 1..=full + 1 {
                let (mut falling, mut same) = (Sorted::new(1), Sorted::new(1));
                for at in 0..full {
                    put(&mut falling, at, at + 1);
                    put(&mut same, at, at + 1);
                }
                put(&mut same, full + 9, full + 9);
                for at in 0..10_000 {
                    put(&mut falling, full + 10_000 - at, full + at + 10);
                    put(&mut same, hot, full + at + 10);
                }
                for sorted in [falling, same] {
                    let max = 4 + (10_000 + full as usize) / (LEAF_MAX / 2);
                    assert!(sorted.leaves.len() <= max, "{} leaves", sorted.leaves.len());
                }
            }
        }
    }
}
