//! The only source of time and of randomness.
//!
//! Wall time decides about TTLs and tombstone ages; a strategy gets it as a number with every question. A store opened
//! with [`Options::deterministic`](crate::Options::deterministic) counts batches instead, and draws its entropy from a seed.

use std::fmt::Debug;
use std::hash::{BuildHasher, RandomState};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::sync::{AtomicU64, Ordering};

/// Where a store takes the time of day from.
///
/// It may stand still or step back: nothing in the engine breaks, TTLs merely fire later.
pub trait Clock: Send + Sync + Debug {
    /// Milliseconds since some fixed point, the same in every run of the store; the Unix epoch for the system's clock.
    fn now_ms(&self) -> u64;

    /// Told once for every batch written. A logical clock may go on by it; the system's clock ignores it.
    fn batch_written(&self) {}
}

/// The system's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now_ms(&self) -> u64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }
}

/// A clock that is set by hand, or goes on by one millisecond for each batch written.
#[derive(Debug, Default)]
pub struct LogicalClock {
    now_ms: AtomicU64,
    per_batch_ms: u64,
}

impl LogicalClock {
    /// A clock that shows `now_ms` until it is set.
    pub fn at(now_ms: u64) -> Self {
        Self { now_ms: AtomicU64::new(now_ms), per_batch_ms: 0 }
    }

    /// A clock that starts at 0 and goes on by one millisecond for each batch written.
    pub fn counting_batches() -> Self {
        Self { now_ms: AtomicU64::new(0), per_batch_ms: 1 }
    }

    /// Sets the time; it may step back.
    pub fn set(&self, now_ms: u64) {
        self.now_ms.store(now_ms, Ordering::Relaxed);
    }
}

impl Clock for LogicalClock {
    fn now_ms(&self) -> u64 {
        self.now_ms.load(Ordering::Relaxed)
    }

    fn batch_written(&self) {
        self.now_ms.fetch_add(self.per_batch_ms, Ordering::Relaxed);
    }
}

/// A stream of random numbers (SplitMix64: Steele et al., "Fast Splittable Pseudorandom Number Generators", 2014).
#[derive(Clone, Debug)]
pub(crate) struct Entropy(u64);

impl Entropy {
    /// The stream of `seed`: always the same one.
    pub(crate) fn seeded(seed: u64) -> Self {
        Self(seed)
    }

    /// A stream that differs from run to run.
    pub(crate) fn random() -> Self {
        Self(RandomState::new().hash_one(SystemClock.now_ms()))
    }

    /// The next number, uniform over `u64`.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}

/// What the system's steady clock shows: for pauses and durations, which no decision depends on.
pub(crate) fn instant() -> Instant {
    Instant::now()
}

/// Measures how long something takes, for metrics only: no decision depends on it but through `Outcome::micros`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts now.
    pub(crate) fn start() -> Self {
        Self(instant())
    }

    /// Microseconds since the start.
    pub(crate) fn micros(&self) -> u64 {
        u64::try_from(self.0.elapsed().as_micros()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_numbers_again() {
        let draw = |seed| {
            let mut entropy = Entropy::seeded(seed);
            [entropy.next(), entropy.next()]
        };
        assert_eq!(draw(0), [0xE220_A839_7B1D_CDAF, 0x6E78_9E6A_A1B9_65F4]);
        assert_ne!(draw(1), draw(2));
    }

    #[test]
    fn a_counting_clock_goes_on_with_each_batch_and_a_set_one_does_not() {
        let clock = LogicalClock::counting_batches();
        clock.batch_written();
        assert_eq!(clock.now_ms(), 1);
        let clock = LogicalClock::at(7);
        clock.batch_written();
        assert_eq!(clock.now_ms(), 7);
        clock.set(3);
        assert_eq!(clock.now_ms(), 3);
    }
}
