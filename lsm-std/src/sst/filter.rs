//! Tells that a key is not in a table, mostly, without reading a block.
//!
//! A Bloom filter whose bits for one key all lie in one line of 64 bytes: one cache miss a question. The lines cost a
//! little precision, which the number of probes is chosen for.

use bytes::Bytes;
use xxhash_rust::xxh3::xxh3_64;

use crate::codec::Malformed;

/// Bytes of one line.
const LINE_BYTES: usize = 64;

/// More probes than this gain nothing.
const PROBES_MAX: u8 = 12;

/// Odd, with bits well spread: each multiplication gives the top bits of the next probe.
const STEP: u64 = 0x9e6c_63d0_9759_27c5;

/// The hash by which every filter asks for `key`: computed once a read, however many tables are asked.
pub fn key_hash(key: &[u8]) -> u64 {
    xxh3_64(key)
}

/// Hashes that are kept together: 64 KiB of them.
const PIECE_HASHES: usize = 8 << 10;

/// The hashes of a table's keys, in pieces of one size: one buffer for all would be there twice over whenever it grows.
#[derive(Debug, Default)]
pub(super) struct Hashes {
    pieces: Vec<Vec<u64>>,
}

impl Hashes {
    pub(super) fn push(&mut self, hash: u64) {
        match self.pieces.last_mut() {
            Some(piece) if piece.len() < PIECE_HASHES => piece.push(hash),
            _ => {
                let mut piece = Vec::with_capacity(PIECE_HASHES);
                piece.push(hash);
                self.pieces.push(piece);
            }
        }
    }

    pub(super) fn len(&self) -> usize {
        self.pieces.last().map_or(0, |last| (self.pieces.len() - 1) * PIECE_HASHES + last.len())
    }
}

impl FromIterator<u64> for Hashes {
    fn from_iter<I: IntoIterator<Item = u64>>(hashes: I) -> Self {
        let mut all = Self::default();
        hashes.into_iter().for_each(|hash| all.push(hash));
        all
    }
}

/// The filter of one table.
#[derive(Debug)]
pub(super) struct Filter {
    lines: Bytes,
    probes: u8,
}

impl Filter {
    /// The stored form for the keys of these hashes: the lines, then the number of probes.
    pub(super) fn build(hashes: &Hashes, bits: u8) -> Vec<u8> {
        let wanted_bits = hashes.len().saturating_mul(bits.into());
        let lines = wanted_bits.div_ceil(LINE_BYTES * 8).max(1);
        let probes = (u16::from(bits) * 3 / 5).clamp(1, PROBES_MAX.into()) as u8;
        let mut out = vec![0; lines * LINE_BYTES];
        for &hash in hashes.pieces.iter().flatten() {
            let line = line(hash, lines);
            let line = &mut out[line * LINE_BYTES..][..LINE_BYTES];
            for bit in bits_of(hash, probes) {
                line[bit / 8] |= 1 << (bit % 8);
            }
        }
        out.push(probes);
        out
    }

    /// Reads what [`Self::build`] wrote.
    pub(super) fn parse(stored: &Bytes) -> Result<Self, Malformed> {
        let malformed = Malformed { at: 0, what: "a filter of the wrong size" };
        let (&probes, lines) = stored.split_last().ok_or(malformed)?;
        let is_whole = !lines.is_empty() && lines.len().is_multiple_of(LINE_BYTES);
        if !is_whole || !(1..=PROBES_MAX).contains(&probes) {
            return Err(malformed);
        }
        Ok(Self { lines: stored.slice(..lines.len()), probes })
    }

    /// Some byte of the line that will be asked for this hash: to have read it fetches the line, and waits for none.
    #[inline]
    pub(super) fn fetch(&self, hash: u64) -> u8 {
        self.lines[line(hash, self.lines.len() / LINE_BYTES) * LINE_BYTES]
    }

    /// False if no key of this hash was given to [`Self::build`].
    #[inline]
    pub(super) fn may_contain(&self, hash: u64) -> bool {
        let line = line(hash, self.lines.len() / LINE_BYTES);
        let line = self.lines[line * LINE_BYTES..][..LINE_BYTES].as_chunks::<8>().0;
        // No branch between the probes: they wait for memory together, and with those of other filters.
        let words = bits_of(hash, self.probes).map(|bit| u64::from_le_bytes(line[bit / 64]) >> (bit % 64));
        words.fold(1, |all, word| all & word) == 1
    }
}

/// The line of a hash: its upper half, scaled to the number of lines.
fn line(hash: u64, lines: usize) -> usize {
    ((u128::from(hash) * lines as u128) >> 64) as usize
}

/// The bits of a hash in its line.
fn bits_of(hash: u64, probes: u8) -> impl Iterator<Item = usize> {
    let mut state = hash.rotate_left(32);
    (0..probes).map(move |_| {
        state = state.wrapping_mul(STEP);
        (state >> 55) as usize
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn filter(hashes: &[u64], bits: u8) -> Filter {
        Filter::parse(&Filter::build(&hashes.iter().copied().collect(), bits).into()).unwrap()
    }

    proptest! {
        #[test]
        fn no_key_is_denied(hashes: Vec<u64>, bits in 1u8..=64) {
            let filter = filter(&hashes, bits);
            prop_assert!(hashes.iter().all(|&hash| filter.may_contain(hash)));
        }

        #[test]
        fn the_answer_is_that_of_bits_asked_one_by_one(hashes: Vec<u64>, bits in 1u8..=64, asked: Vec<u64>) {
            let filter = filter(&hashes, bits);
            for hash in asked {
                let start = line(hash, filter.lines.len() / LINE_BYTES) * LINE_BYTES;
                let is_set = |bit: usize| filter.lines[start + bit / 8] & 1 << (bit % 8) != 0;
                prop_assert_eq!(filter.may_contain(hash), bits_of(hash, filter.probes).all(is_set));
            }
        }

        #[test]
        fn any_bytes_are_asked_without_a_panic(stored: Vec<u8>, hash: u64) {
            if let Ok(filter) = Filter::parse(&stored.into()) {
                filter.may_contain(hash);
            }
        }
    }

    /// Of so many absent keys, as users make them, those that pass.
    fn passing(keys: u32, bits: u8, asked: u32) -> usize {
        let hash = |i: u32| key_hash(format!("user{i:010}").as_bytes());
        let filter = filter(&(0..keys).map(hash).collect::<Vec<_>>(), bits);
        (keys..keys + asked).filter(|&i| filter.may_contain(hash(i))).count()
    }

    #[test]
    fn ten_bits_let_at_most_one_percent_of_absent_keys_pass() {
        for keys in [100_000, 1_000_000] {
            let passing = passing(keys, 10, 1_000_000);
            assert!(passing <= 10_000, "{passing} of 1000000 with {keys} keys");
        }
        // With few lines one that is full by chance counts.
        for keys in [1, 30, 1_000] {
            let passing = passing(keys, 10, 100_000);
            assert!(passing <= 1_500, "{passing} of 100000 with {keys} keys");
        }
    }

    #[test]
    fn more_bits_let_fewer_keys_pass() {
        let passing = [2, 5, 10, 16, 24].map(|bits| passing(50_000, bits, 100_000));
        assert!(passing.is_sorted_by(|a, b| a > b), "{passing:?}");
        assert!(passing[0] < 50_000 && passing[4] < 50, "{passing:?}");
    }
}
