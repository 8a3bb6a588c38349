//! Tells that a key is not in a memtable, mostly, without a search: most reads are of keys that were flushed long ago.
//!
//! A Bloom filter whose bits for one key all lie in one word: one cache miss a question, and no lock.

use crate::sync::{AtomicU64, Ordering};

/// A word for so many bytes of a memtable: about eight bits an entry of 64 bytes beside the 64 that it is counted with.
const BYTES_PER_WORD: u64 = 1024;

/// The most words; a memtable of more than a gibibyte is searched more often.
const WORDS_MAX: u64 = 1 << 20;

/// Bits of a key.
const PROBES: u32 = 4;

#[derive(Debug)]
pub(super) struct Filter {
    words: Box<[AtomicU64]>,
}

impl Filter {
    /// The filter of a memtable that will hold about `bytes`. It takes a 128th of that.
    pub(super) fn new(bytes: u64) -> Self {
        let words = (bytes / BYTES_PER_WORD).clamp(1, WORDS_MAX);
        Self { words: (0..words).map(|_| AtomicU64::new(0)).collect() }
    }

    /// Adds a key; only one thread may do that at a time. Whoever learns of the key's entry afterwards finds it here.
    pub(super) fn add(&self, hash: u64) {
        let word = self.word(hash);
        word.store(word.load(Ordering::Relaxed) | bits(hash), Ordering::Relaxed);
    }

    /// False if no key of this hash was added.
    pub(super) fn may_contain(&self, hash: u64) -> bool {
        self.word(hash).load(Ordering::Relaxed) & bits(hash) == bits(hash)
    }

    /// The word of a hash: its upper half, scaled to their number.
    fn word(&self, hash: u64) -> &AtomicU64 {
        &self.words[((u128::from(hash) * self.words.len() as u128) >> 64) as usize]
    }
}

/// The bits of a hash in its word, from its lower half.
fn bits(hash: u64) -> u64 {
    (0..PROBES).fold(0, |bits, nth| bits | 1 << (hash >> (6 * nth) & 63))
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::sst::key_hash;

    #[test]
    fn what_was_added_is_found_and_of_the_rest_little() {
        let filter = Filter::new(128 * 10_000);
        let hash = |at: u64| key_hash(&at.to_be_bytes());
        (0..10_000).for_each(|at| filter.add(hash(at)));
        assert!((0..10_000).all(|at| filter.may_contain(hash(at))));
        let passed = (10_000..110_000).filter(|at| filter.may_contain(hash(*at))).count();
        assert!(passed < 8_000, "{passed} of 100 000");
    }

    #[test]
    fn of_no_bytes_or_too_many_it_is_a_filter_all_the_same() {
        for bytes in [0, u64::MAX] {
            let filter = Filter::new(bytes);
            filter.add(u64::MAX);
            filter.add(0);
            assert!(filter.may_contain(u64::MAX) && filter.may_contain(0));
        }
    }
}
