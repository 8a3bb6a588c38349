//! Which keys are read: a sample for strategies that care.

use std::cell::Cell;

use bytes::Bytes;
use compaction_core::ReadSample;

use crate::sync::{AtomicBool, AtomicU64, Mutex, Ordering, lock, try_lock};

/// One point read in this many is sampled: a read pays for a counter, seldom for more.
const SAMPLE_EVERY: u32 = 64;

/// A scan counts as so many point reads: it takes so much longer at least, and pays about so much more for a run.
const SCAN_COUNTS: u32 = 8;

/// Samples kept until the next decision; more are dropped.
const SAMPLES_MAX: usize = 256;

/// Once samples have looked into so many runs, a decision is asked for: the sooner, the more there is to be won.
const RUNS_TOLD: u32 = 16;

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
    samples: Mutex<Samples>,
}

/// Samples that wait.
#[derive(Debug, Default)]
struct Samples {
    reads: Vec<(Bytes, Read, u32)>,
    /// Runs that they have looked into.
    runs: u32,
}

/// What was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Read {
    /// One key.
    Get,
    /// A range that starts at the key.
    Scan,
}

impl Read {
    /// As how many point reads it counts.
    fn counts(self) -> u32 {
        match self {
            Self::Get => 1,
            Self::Scan => SCAN_COUNTS,
        }
    }
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

    /// Notes one read of `key` that looked into `runs` runs, or does not. True if so much is known of reads that the strategy is to
    /// be told.
    pub(crate) fn note(&self, key: &[u8], read: Read, runs: impl FnOnce() -> u32) -> bool {
        self.is_turn(read.counts()) && self.wanted.load(Ordering::Relaxed) && self.sample(key, read, runs())
    }

    /// Counts a read as so many; true if it is one to be sampled.
    fn is_turn(&self, counts: u32) -> bool {
        if let Some(reads) = &self.reads {
            let every = u64::from(SAMPLE_EVERY);
            return reads.fetch_add(counts.into(), Ordering::Relaxed) % every + u64::from(counts) >= every;
        }
        let before = READS.get();
        READS.set(before.wrapping_add(counts));
        before % SAMPLE_EVERY + counts >= SAMPLE_EVERY
    }

    #[cold]
    fn sample(&self, key: &[u8], read: Read, runs: u32) -> bool {
        let Some(mut samples) = try_lock(&self.samples) else { return false };
        let before = samples.runs;
        if samples.reads.len() < SAMPLES_MAX {
            samples.reads.push((Bytes::copy_from_slice(key), read, runs));
            samples.runs = samples.runs.saturating_add(runs.max(1));
        }
        before < RUNS_TOLD && samples.runs >= RUNS_TOLD
    }

    /// Tells `tell` of all samples and forgets them.
    pub(crate) fn drain(&self, now_ms: u64, mut tell: impl FnMut(ReadSample<'_, Bytes>)) {
        let samples = std::mem::take(&mut *lock(&self.samples));
        for (key, read, runs) in samples.reads {
            let stands_for = SAMPLE_EVERY / read.counts();
            let (gets, scans) = match read {
                Read::Get => (stands_for, 0),
                Read::Scan => (0, stands_for),
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
    fn scans_are_sampled_the_more_often_the_more_they_count() {
        for repeatable in [false, true] {
            let heat = Heat::new(repeatable);
            heat.want();
            let _asked = (0..10 * SAMPLE_EVERY).filter(|_| heat.note(b"hot", Read::Scan, || 1)).count();
            let (mut scans, mut samples) = (0, 0);
            heat.drain(0, |sample| (scans, samples) = (scans + sample.scans, samples + 1));
            assert_eq!((scans, samples), (10 * SAMPLE_EVERY, 10 * SCAN_COUNTS));
        }
    }

    #[test]
    fn the_strategy_is_asked_for_once_when_samples_have_met_enough_runs() {
        let heat = Heat::default();
        heat.want();
        let asked = |samples: u32, runs: u32| {
            let reads = 0..samples * SAMPLE_EVERY;
            reads.filter(|_| heat.note(b"hot", Read::Get, || runs)).count()
        };
        assert_eq!((asked(RUNS_TOLD - 1, 1), asked(1, 0), asked(3 * RUNS_TOLD, 9)), (0, 1, 0));
        heat.drain(0, |_| {});
        assert_eq!((asked(1, RUNS_TOLD), asked(1, RUNS_TOLD)), (1, 0));
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
