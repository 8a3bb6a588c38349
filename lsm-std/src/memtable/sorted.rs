//! Versions in order, in memory: leaves of up to [`LEAF_MAX`] entries, and an array of where each leaf begins.
//!
//! The first sixteen bytes of each key, as a number, stand in arrays of their own, so that a search touches little else. Keys and
//! values are copied into chunks that many entries share: nothing is allocated for an entry, and little is freed when all go.

use bytes::{Bytes, BytesMut};

use crate::batch::Op;
use crate::types::{Entry, Found, Kind, SeqNo, head, order};

/// A leaf with so many entries is split.
const LEAF_MAX: usize = 256;

/// Bytes of a chunk. A value that was read keeps its chunk in memory.
const CHUNK_BYTES: usize = 64 << 10;

/// A larger entry has a chunk of its own.
const SHARED_BYTES_MAX: usize = CHUNK_BYTES / 8;

/// Versions, keys ascending, of one key the newest first.
#[derive(Debug, Default)]
pub(super) struct Sorted {
    /// The head of each leaf's first key.
    firsts: Vec<u128>,
    /// None is empty.
    #[expect(clippy::vec_box, reason = "a split moves pointers, not leaves")]
    leaves: Vec<Box<Leaf>>,
    /// Where the next entries go.
    chunk: BytesMut,
}

#[derive(Debug, Default)]
struct Leaf {
    heads: Vec<u128>,
    slots: Vec<Slot>,
}

/// One version of one key.
#[derive(Debug)]
pub(super) struct Slot {
    /// Key and value.
    record: Bytes,
    key_len: usize,
    kind: Kind,
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
    pub(super) fn key(&self) -> &[u8] {
        &self.record[..self.key_len]
    }

    pub(super) fn seqno(&self) -> SeqNo {
        self.seqno
    }

    /// Whether it comes before (`key`, `seqno`).
    fn is_before(&self, key: &[u8], seqno: SeqNo) -> bool {
        order(self.key(), self.seqno, key, seqno).is_lt()
    }

    /// Whether it comes behind (`key`, `seqno`).
    fn is_behind(&self, key: &[u8], seqno: SeqNo) -> bool {
        order(self.key(), self.seqno, key, seqno).is_gt()
    }

    pub(super) fn found(&self) -> Found {
        Found { seqno: self.seqno, kind: self.kind, value: self.record.slice(self.key_len..) }
    }

    pub(super) fn entry(&self) -> Entry {
        let Found { seqno, kind, value } = self.found();
        Entry { key: self.record.slice(..self.key_len), seqno, kind, value }
    }
}

impl Sorted {
    /// Adds a version, `large` being its [record](large_record) if it has one; one of the same key and number is replaced.
    /// O(log entries), and moving up to a leaf; once in half a leaf's entries also 24 bytes for each leaf.
    pub(super) fn insert(&mut self, op: &Op<'_>, large: Option<Bytes>, seqno: SeqNo) {
        let record = large.unwrap_or_else(|| self.record(op.key, op.value));
        let slot = Slot { record, key_len: op.key.len(), kind: op.kind, seqno };
        let head = head(op.key);
        let at_leaf = self.leaf(head, op.key, seqno);
        let Some(leaf) = self.leaves.get_mut(at_leaf) else {
            self.firsts.push(head);
            self.leaves.push(Box::new(Leaf { heads: vec![head], slots: vec![slot] }));
            return;
        };
        let at = leaf.lower(head, op.key, seqno);
        match leaf.slots.get_mut(at) {
            Some(same) if same.seqno == seqno && same.key() == op.key => {
                *same = slot;
                return;
            }
            _ => leaf.slots.insert(at, slot),
        }
        leaf.heads.insert(at, head);
        self.firsts[at_leaf] = leaf.heads[0];
        if leaf.slots.len() == LEAF_MAX {
            // Keys that come in order leave full leaves behind. Only the last leaf is cut at its end: before another one keys may go on
            // to come at that end, each the first of a leaf of its own.
            let is_last = at_leaf + 1 == self.firsts.len();
            let cut = if is_last && at + 1 == LEAF_MAX { at } else { LEAF_MAX / 2 };
            let next = Leaf { heads: leaf.heads.split_off(cut), slots: leaf.slots.split_off(cut) };
            self.firsts.insert(at_leaf + 1, next.heads[0]);
            self.leaves.insert(at_leaf + 1, Box::new(next));
        }
    }

    /// `key` and `value`, copied into a chunk.
    fn record(&mut self, key: &[u8], value: &[u8]) -> Bytes {
        let len = key.len() + value.len();
        if self.chunk.capacity() < len {
            self.chunk = BytesMut::with_capacity(CHUNK_BYTES);
        }
        self.chunk.extend_from_slice(key);
        self.chunk.extend_from_slice(value);
        self.chunk.split().freeze()
    }

    /// The leaf to which (`key`, `seqno`) belongs: the last that begins at or before it, or the first.
    fn leaf(&self, head: u128, key: &[u8], seqno: SeqNo) -> usize {
        let begun = search(&self.firsts, head, |leaf| !self.leaves[leaf].slots[0].is_behind(key, seqno));
        begun.saturating_sub(1)
    }

    /// The place of the first entry at or after (`key`, `seqno`).
    pub(super) fn lower(&self, key: &[u8], seqno: SeqNo) -> Place {
        let head = head(key);
        let leaf = self.leaf(head, key, seqno);
        let at = self.leaves.get(leaf).map_or(0, |leaf| leaf.lower(head, key, seqno));
        self.whole(Place { leaf, at })
    }

    /// Behind the last entry of a leaf stands the first of the next.
    fn whole(&self, place: Place) -> Place {
        let is_behind = self.leaves.get(place.leaf).is_some_and(|leaf| place.at == leaf.slots.len());
        if is_behind { Place { leaf: place.leaf + 1, at: 0 } } else { place }
    }

    /// The place behind the last entry.
    pub(super) fn end(&self) -> Place {
        Place { leaf: self.leaves.len(), at: 0 }
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
        Some(Place { leaf, at: self.leaves.get(leaf)?.slots.len() - 1 })
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
        if neighbour.is_none_or(|neighbour| neighbour.key() != slot.key()) {
            return Passed { found: Some(slot).filter(|slot| slot.seqno <= seqno), next };
        }
        let found = self.slot(self.lower(slot.key(), seqno)).filter(|found| found.key() == slot.key());
        Passed { found, next: self.lower(slot.key(), end) }
    }

    /// The entry at `place`; `None` at the end.
    pub(super) fn slot(&self, place: Place) -> Option<&Slot> {
        self.leaves.get(place.leaf)?.slots.get(place.at)
    }
}

impl Leaf {
    /// The first entry at or after (`key`, `seqno`).
    fn lower(&self, head: u128, key: &[u8], seqno: SeqNo) -> usize {
        search(&self.heads, head, |at| self.slots[at].is_before(key, seqno))
    }
}

/// The key and the value of `op`, copied, if they are too large for a chunk.
pub(super) fn large_record(op: &Op<'_>) -> Option<Bytes> {
    (op.key.len() + op.value.len() > SHARED_BYTES_MAX).then(|| [op.key, op.value].concat().into())
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

    /// Keys that share all sixteen bytes of their heads, or end before them, or neither.
    fn key() -> impl Strategy<Value = Vec<u8>> {
        let letters = prop::collection::vec(prop::sample::select(vec![0u8, 1, b'b']), 0..4);
        (prop::sample::select(vec![0usize, 14, 20]), letters).prop_map(|(same, rest)| [vec![b'a'; same], rest].concat())
    }

    proptest! {
        #[test]
        fn it_holds_what_a_sorted_map_holds_in_the_same_order(
            writes in prop::collection::vec((key(), 1u64..9, 0..100usize), 1..1500),
            asked in prop::collection::vec((key(), 0u64..10), 1..50),
        ) {
            let (mut sorted, mut map) = (Sorted::default(), BTreeMap::new());
            for (key, seqno, len) in &writes {
                // Some are too large to share a chunk.
                let value = vec![*len as u8; if *len == 0 { SHARED_BYTES_MAX } else { *len }];
                let op = Op { kind: Kind::Put, key, value: &value };
                sorted.insert(&op, large_record(&op), *seqno);
                map.insert((key.clone(), u64::MAX - seqno), value);
            }
            let (mut place, mut places) = (Place::START, Vec::new());
            for ((key, seqno), value) in &map {
                let slot = sorted.slot(place).unwrap();
                prop_assert_eq!((slot.key(), slot.seqno, &slot.found().value), (&key[..], u64::MAX - seqno, &Bytes::from(value.clone())));
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
        let mut sorted = Sorted::default();
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
                let (mut falling, mut same) = (Sorted::default(), Sorted::default());
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
