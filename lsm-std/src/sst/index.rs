//! Finds the one data block in which a key can lie.
//!
//! For each block a separator: at or after its last entry, before the first of the next block. In memory all separators lie
//! in one buffer without the prefix that they share; the first eight bytes of each, as a number, stand in an array of their
//! own, so that a search touches little else.

use std::cmp::Ordering;

use bytes::Bytes;

use super::builder::common_prefix;
use super::seal::{BLOCK_BYTES_MAX, TRAILER_BYTES};
use crate::codec::{Malformed, Reader, put_bytes, put_varint};
use crate::types::{SeqNo, order};

/// No stored block is shorter: what little it holds has a frame and a trailer. Bounds the memory that an index can ask for.
const BLOCK_BYTES_MIN: usize = 2 * TRAILER_BYTES;

/// Numbers in a line of memory.
const LINE_HEADS: usize = 8;

/// The index in the making: the stored form, entry by entry.
#[derive(Debug, Default)]
pub(super) struct IndexBuilder {
    out: Vec<u8>,
}

impl IndexBuilder {
    /// Appends a block of `len` stored bytes that ends at or before (`key`, `seqno`).
    pub(super) fn add(&mut self, key: &[u8], seqno: SeqNo, len: usize) {
        put_bytes(&mut self.out, key);
        put_varint(&mut self.out, seqno);
        put_varint(&mut self.out, len as u64);
    }

    /// The stored form.
    pub(super) fn finish(self) -> Vec<u8> {
        self.out
    }

    /// Bytes of the stored form so far.
    pub(super) fn len(&self) -> usize {
        self.out.len()
    }
}

/// Where a data block lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BlockHandle {
    pub(super) offset: u64,
    pub(super) len: usize,
}

/// The index of one table, in memory.
#[derive(Debug)]
pub(super) struct Index {
    /// What every separator starts with.
    prefix: Box<[u8]>,
    /// The first eight bytes of each separator behind the prefix.
    heads: Heads,
    /// Where each block starts.
    offsets: Box<[u64]>,
    /// Where each separator ends in `keys`; it starts where the one before ends.
    key_ends: Box<[u32]>,
    keys: Box<[u8]>,
    /// Sequence numbers of separators, by their index: of the few that have one, as the versions of their key go on in the next block.
    seqnos: Box<[(u32, SeqNo)]>,
}

impl Index {
    /// Reads the stored form of an index whose blocks fill the file up to `data_end`.
    pub(super) fn parse(stored: &[u8], data_end: u64) -> Result<Self, Malformed> {
        let mut reader = Reader::new(stored);
        let mut separators: Vec<(&[u8], SeqNo)> = Vec::new();
        let mut offsets = Vec::new();
        let mut offset = 0u64;
        while !reader.is_empty() {
            let place = reader.malformed("a block out of place");
            let (key, seqno, len) = (reader.bytes()?, reader.varint()?, reader.varint()?);
            let ascends = separators.last().is_none_or(|last| order(last.0, last.1, key, seqno) == Ordering::Less);
            let fits = (BLOCK_BYTES_MIN..=BLOCK_BYTES_MAX + TRAILER_BYTES).contains(&usize::try_from(len).unwrap_or(0));
            if !ascends || !fits {
                return Err(place);
            }
            separators.push((key, seqno));
            offsets.push(offset);
            offset = offset.checked_add(len).filter(|&end| end <= data_end).ok_or(place)?;
        }
        if offset != data_end || offsets.is_empty() {
            return Err(reader.malformed("data that no block covers"));
        }
        Self::new(&separators, offsets).ok_or_else(|| reader.malformed("keys of 4 GiB"))
    }

    /// `None` if it does not fit.
    fn new(separators: &[(&[u8], SeqNo)], offsets: Vec<u64>) -> Option<Self> {
        let ends = separators.first().zip(separators.last());
        // Between the first and the last in order, no separator can start otherwise than both do.
        let prefix = ends.map_or(&[][..], |(first, last)| &first.0[..common_prefix(first.0, last.0)]);
        let rests = || separators.iter().map(|(key, _)| &key[prefix.len()..]);
        let heads = Heads::new(rests().map(head).collect());
        let mut keys = Vec::with_capacity(rests().map(<[u8]>::len).sum());
        let mut key_ends = Vec::with_capacity(separators.len());
        for rest in rests() {
            keys.extend_from_slice(rest);
            key_ends.push(u32::try_from(keys.len()).ok()?);
        }
        let seqnos = (0..).zip(separators).filter(|(_, (_, seqno))| *seqno > 0).map(|(at, (_, seqno))| (at, *seqno));
        let seqnos = seqnos.collect();
        Some(Self {
            prefix: prefix.into(),
            heads,
            offsets: offsets.into(),
            key_ends: key_ends.into(),
            keys: keys.into(),
            seqnos,
        })
    }

    /// Number of blocks.
    pub(super) fn blocks(&self) -> usize {
        self.offsets.len()
    }

    /// The first block whose separator is at or after (`key`, `seqno`): the only one that can hold the first entry there.
    /// The number of blocks if there is none.
    pub(super) fn find(&self, key: &[u8], seqno: SeqNo) -> usize {
        let Some(rest) = key.strip_prefix(&*self.prefix) else {
            return if *key < *self.prefix { 0 } else { self.blocks() };
        };
        let wanted = head(rest);
        let low = self.heads.lower(wanted);
        let heads = &self.heads.all[low..];
        if heads.first() != Some(&wanted) {
            return low;
        }
        let high = low + heads.partition_point(|&head| head == wanted);
        let (mut start, mut end) = (low, high);
        while start < end {
            let middle = start + (end - start) / 2;
            match order(self.key(middle), self.seqno(middle), rest, seqno) {
                Ordering::Less => start = middle + 1,
                Ordering::Equal | Ordering::Greater => end = middle,
            }
        }
        start
    }

    /// Where block `index` lies, if there is one.
    pub(super) fn block(&self, index: usize, data_end: u64) -> Option<BlockHandle> {
        let offset = *self.offsets.get(index)?;
        let end = self.offsets.get(index + 1).map_or(data_end, |next| *next);
        Some(BlockHandle { offset, len: usize::try_from(end - offset).ok()? })
    }

    /// A key at or after all of block `index`, before all of the next.
    pub(super) fn separator(&self, index: usize) -> Bytes {
        [&*self.prefix, self.key(index)].concat().into()
    }

    fn key(&self, index: usize) -> &[u8] {
        let start = index.checked_sub(1).map_or(0, |before| self.key_ends[before]);
        &self.keys[start as usize..self.key_ends[index] as usize]
    }

    fn seqno(&self, index: usize) -> SeqNo {
        let at = self.seqnos.binary_search_by_key(&index, |(at, _)| *at as usize);
        at.map_or(0, |at| self.seqnos[at].1)
    }
}

/// Numbers in order, and above them, in steps, the last of each line of memory: a search reads one line a step, and all but the
/// last are few enough to stay in the processor's cache.
#[derive(Debug)]
struct Heads {
    all: Box<[u64]>,
    /// Fewest first. Of each, one number stands for [`LINE_HEADS`] of the next.
    steps: Vec<Box<[u64]>>,
}

impl Heads {
    fn new(all: Box<[u64]>) -> Self {
        let mut steps: Vec<Box<[u64]>> = Vec::new();
        loop {
            let below = steps.last().unwrap_or(&all);
            if below.len() <= LINE_HEADS {
                break;
            }
            let lasts = below.chunks(LINE_HEADS).filter_map(|line| line.last().copied()).collect();
            steps.push(lasts);
        }
        steps.reverse();
        Self { all, steps }
    }

    /// How many are smaller than `wanted`.
    fn lower(&self, wanted: u64) -> usize {
        let mut at = 0;
        for step in self.steps.iter().chain(std::iter::once(&self.all)) {
            let start = LINE_HEADS * at;
            let end = (start + LINE_HEADS).min(step.len());
            at = match step.get(start..end) {
                // No branch a number: which of them is larger nobody can foretell.
                Some(line) => start + line.iter().map(|&head| usize::from(head < wanted)).sum::<usize>(),
                None => return self.all.len(),
            };
        }
        at
    }
}

/// The first eight bytes as a number that sorts as they do, zeros for those that are missing.
fn head(key: &[u8]) -> u64 {
    let mut first = [0; 8];
    let len = key.len().min(8);
    first[..len].copy_from_slice(&key[..len]);
    u64::from_be_bytes(first)
}

/// The shortest key that is easily found at or after `last` and before `next`; `last < next`.
pub(super) fn separator<'a>(last: &'a [u8], next: &'a [u8], buffer: &'a mut Vec<u8>) -> &'a [u8] {
    let same = common_prefix(last, next);
    if same == last.len() {
        return last;
    }
    if next.len() > same + 1 {
        return &next[..=same];
    }
    if last.len() > same + 1 && last[same] + 1 < next[same] {
        buffer.clear();
        buffer.extend_from_slice(&last[..=same]);
        buffer[same] += 1;
        return buffer;
    }
    last
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key() -> impl Strategy<Value = Vec<u8>> {
        let letters = prop::sample::select(vec![0u8, 1, b'a', b'b', 0xff]);
        prop::collection::vec(letters, 0..12)
    }

    proptest! {
        #[test]
        fn a_separator_lies_between_and_is_no_longer(a in key(), b in key()) {
            prop_assume!(a < b);
            let mut buffer = Vec::new();
            let between = separator(&a, &b, &mut buffer);
            prop_assert!(*a <= *between && *between < *b);
            prop_assert!(between.len() <= a.len().max(b.len()));
        }

        #[test]
        fn find_agrees_with_a_scan(
            keys in prop::collection::btree_set((key(), 0u64..4), 1..200),
            prefix in key(),
            asked in key(),
            seqno in 0u64..4,
        ) {
            let mut separators: Vec<_> = keys.into_iter().map(|(key, seqno)| ([prefix.clone(), key].concat(), seqno)).collect();
            separators.sort_by(|a, b| order(&a.0, a.1, &b.0, b.1));
            let mut builder = IndexBuilder::default();
            separators.iter().for_each(|(key, seqno)| builder.add(key, *seqno, 10));
            let data_end = separators.len() as u64 * 10;
            let index = Index::parse(&builder.finish(), data_end).unwrap();
            for asked in [[prefix.clone(), asked.clone()].concat(), asked, prefix] {
                let scan = separators.iter().position(|(key, at)| order(key, *at, &asked, seqno) != Ordering::Less);
                prop_assert_eq!(index.find(&asked, seqno), scan.unwrap_or(separators.len()));
            }
            for i in 0..index.blocks() {
                prop_assert_eq!(index.block(i, data_end), Some(BlockHandle { offset: i as u64 * 10, len: 10 }));
            }
            prop_assert_eq!(index.block(index.blocks(), data_end), None);
        }

        #[test]
        fn as_many_heads_are_smaller_as_a_count_finds(mut all in prop::collection::vec(0u64..300, 0..1_200), wanted in 0u64..301) {
            all.sort_unstable();
            let count = all.iter().filter(|&&head| head < wanted).count();
            prop_assert_eq!(Heads::new(all.into()).lower(wanted), count);
        }

        #[test]
        fn any_bytes_parse_without_a_panic(stored: Vec<u8>, data_end: u64) {
            let _ = Index::parse(&stored, data_end);
        }
    }

    #[test]
    fn long_neighbours_get_short_separators() {
        let mut buffer = Vec::new();
        assert_eq!(separator(b"apple pie", b"banana", &mut buffer), b"b");
        assert_eq!(separator(b"apple pie", b"c", &mut buffer), b"b");
        assert_eq!(separator(b"ab", b"abc", &mut buffer), b"ab");
    }
}
