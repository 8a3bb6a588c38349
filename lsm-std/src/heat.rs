//! Which keys are read: a sample for strategies that care.

use std::cell::Cell;

use bytes::Bytes;
use compaction_core::ReadSample;

use crate::sync::{Mutex, lock};

/// One read in this many is sampled, counted in each thread: a read pays for a counter, seldom for more.
const SAMPLE_EVERY: u32 = 64;

/// Samples kept until the next decision; more are dropped.
const SAMPLES_MAX: usize = 256;

thread_local! {
    static READS: Cell<u32> = const { Cell::new(0) };
}

/// Samples of reads that the strategy has not been told of.
#[derive(Debug, Default)]
pub(crate) struct Heat {
    samples: Mutex<Vec<(Bytes, Read)>>,
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
    /// Notes one read of `key`, or does not.
    pub(crate) fn note(&self, key: &[u8], read: Read) {
        let count = READS.get().wrapping_add(1);
        READS.set(count);
        if count.is_multiple_of(SAMPLE_EVERY) {
            let mut samples = lock(&self.samples);
            if samples.len() < SAMPLES_MAX {
                samples.push((Bytes::copy_from_slice(key), read));
            }
        }
    }

    /// Tells `tell` of all samples and forgets them.
    pub(crate) fn drain(&self, now_ms: u64, mut tell: impl FnMut(ReadSample<'_, Bytes>)) {
        for (key, read) in std::mem::take(&mut *lock(&self.samples)) {
            let (gets, scans) = match read {
                Read::Get => (SAMPLE_EVERY, 0),
                Read::Scan => (0, SAMPLE_EVERY),
            };
            tell(ReadSample { key: &key, gets, scans, now_ms });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_stand_for_all_reads() {
        let heat = Heat::default();
        for _ in 0..SAMPLE_EVERY * 10 {
            heat.note(b"hot", Read::Get);
        }
        let mut gets = 0;
        heat.drain(0, |sample| gets += sample.gets);
        assert_eq!(gets, SAMPLE_EVERY * 10);
        heat.drain(0, |_| panic!("told twice"));
    }
}
