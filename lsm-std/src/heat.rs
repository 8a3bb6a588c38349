//! Which keys are read: a sample for strategies that care.

use std::cell::Cell;

use bytes::Bytes;
use compaction_core::ReadSample;

use crate::sync::{AtomicBool, AtomicU64, Mutex, Ordering, lock, try_lock};

/// One read in this many is sampled: a read pays for a counter, seldom for more.
const SAMPLE_EVERY: u32 = 64;

/// Samples kept until the next decision; more are dropped.
const SAMPLES_MAX: usize = 256;

/// With so many samples a decision is asked for.
const SAMPLES_TOLD: usize = 16;

thread_local! {
    /// Reads of this thread, of whatever store: no two threads write to one counter.
    static READS: Cell<u32> = const { Cell::new(0) };
}

/// Samples of reads that the strategy has not been told of.
///
/// A read never waits here: a sample that comes while another thread is at the list is dropped.
#[derive(Debug, Default)]
pub(crate) struct Heat {
    /// Whether the strategy learns from reads. If not, none is sampled.
    wanted: AtomicBool,
    /// Reads of this store, where the same calls must give the same samples.
    reads: Option<AtomicU64>,
    samples: Mutex<Vec<(Bytes, Read, u32)>>,
}

/// What was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Read {
    /// One key.
    Get,
    /// A range that starts at the key.
    Scan,
}

impl Heat {
    /// No samples yet. If `is_repeatable`, which reads are sampled follows from the reads of this store alone.
    pub(crate) fn new(is_repeatable: bool) -> Self {
        Self { reads: is_repeatable.then(AtomicU64::default), ..Self::default() }
    }

    /// Reads are sampled from now on.
    pub(crate) fn want(&self) {
        self.wanted.store(true, Ordering::Relaxed);
    }

    /// Notes one read of `key` that looked into `runs` runs, or does not. True if so many samples wait that the strategy is
    /// to be told.
    pub(crate) fn note(&self, key: &[u8], read: Read, runs: impl FnOnce() -> u32) -> bool {
        self.is_turn() && self.wanted.load(Ordering::Relaxed) && self.sample(key, read, runs())
    }

    /// Counts a read; true if it is one to be sampled.
    fn is_turn(&self) -> bool {
        if let Some(reads) = &self.reads {
            return (reads.fetch_add(1, Ordering::Relaxed) + 1).is_multiple_of(SAMPLE_EVERY.into());
        }
        let count = READS.get().wrapping_add(1);
        READS.set(count);
        count.is_multiple_of(SAMPLE_EVERY)
    }

    #[cold]
    fn sample(&self, key: &[u8], read: Read, runs: u32) -> bool {
        let Some(mut samples) = try_lock(&self.samples) else { return false };
        if samples.len() < SAMPLES_MAX {
            samples.push((Bytes::copy_from_slice(key), read, runs));
        }
        samples.len() == SAMPLES_TOLD
    }

    /// Tells `tell` of all samples and forgets them.
    pub(crate) fn drain(&self, now_ms: u64, mut tell: impl FnMut(ReadSample<'_, Bytes>)) {
        for (key, read, runs) in std::mem::take(&mut *lock(&self.samples)) {
            let (gets, scans) = match read {
                Read::Get => (SAMPLE_EVERY, 0),
                Read::Scan => (0, SAMPLE_EVERY),
            };
            tell(ReadSample { key: &key, gets, scans, runs, now_ms });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_stand_for_all_reads() {
        let heat = Heat::default();
        let read = || (0..SAMPLE_EVERY * 10).filter(|_| heat.note(b"hot", Read::Get, || 1)).count();
        read();
        heat.drain(0, |_| panic!("nobody wants to know"));
        heat.want();
        read();
        let mut gets = 0;
        heat.drain(0, |sample| gets += sample.gets);
        assert_eq!(gets, SAMPLE_EVERY * 10);
        heat.drain(0, |_| panic!("told twice"));
    }

    #[test]
    fn the_strategy_is_asked_for_once_when_half_of_the_room_is_full() {
        let heat = Heat::default();
        heat.want();
        let asked = |reads: usize| (0..reads).filter(|_| heat.note(b"hot", Read::Get, || 1)).count();
        let half = SAMPLE_EVERY as usize * SAMPLES_TOLD;
        assert_eq!((asked(half - SAMPLE_EVERY as usize), asked(SAMPLE_EVERY as usize), asked(3 * half)), (0, 1, 0));
        heat.drain(0, |_| {});
        assert_eq!(asked(half), 1);
    }

    #[test]
    fn which_reads_are_sampled_does_not_follow_from_those_of_another_store_where_it_must_be_repeatable() {
        let sampled = || {
            let heat = Heat::new(true);
            heat.want();
            let _asked = (0..100u8).filter(|at| heat.note(&[*at], Read::Get, || 1)).count();
            let mut keys = Vec::new();
            heat.drain(0, |sample| keys.push(sample.key.clone()));
            keys
        };
        let first = sampled();
        assert_eq!((first.len(), sampled()), (1, first));
    }
}
