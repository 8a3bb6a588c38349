//! Backpressure: writers are slowed while merges or flushes lag behind, and stopped only while there is no room at all.

use std::time::{Duration, Instant};

use crate::clock::instant;
use crate::engine::{Engine, worker};
use crate::error::{Error, Result};
use crate::sync::{AtomicU64, Mutex, Ordering, lock, sleep};

/// At twice the debt limit writers get on at 16 MiB/s in all; at a higher debt slower in proportion.
const DEBT_NANOS_PER_KIB: u64 = 60 << 10;

/// What a flush is taken to cost before one was measured: about 100 MiB/s.
const FLUSH_NANOS_PER_KIB: u64 = 10 << 10;

/// No write takes more of the time, however large it is, and none waits for more of what others took.
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// Pauses below this are added up: a thread that sleeps is woken some 60 microseconds late.
const PAUSE_MIN: Duration = Duration::from_millis(1);

/// How fast writers are let through while they are slowed, all of them together.
#[derive(Debug)]
pub(super) struct Pace {
    /// What the last flushes took for 1 KiB of memtable, in nanoseconds.
    flush_nanos: AtomicU64,
    /// When what was let through so far has had its time.
    free_at: Mutex<Option<Instant>>,
}

impl Default for Pace {
    fn default() -> Self {
        Self { flush_nanos: AtomicU64::new(FLUSH_NANOS_PER_KIB), free_at: Mutex::new(None) }
    }
}

impl Pace {
    /// Learns from a flush of `bytes`; the last one counts for a quarter.
    pub(super) fn flushed(&self, bytes: u64, micros: u64) {
        let nanos = u128::from(micros) * 1000 * 1024 / u128::from(bytes.max(1));
        let before = self.flush_nanos.load(Ordering::Relaxed);
        let after = (u128::from(before) * 3 + nanos) / 4;
        self.flush_nanos.store(u64::try_from(after).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Holds a write of `bytes` up, at so many nanoseconds for each KiB of all writes. Answers with the time slept.
    fn hold(&self, bytes: u64, nanos_per_kib: u128) -> Duration {
        let nanos = u128::from(bytes) * nanos_per_kib / 1024;
        let share = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        let pause = let_through(&mut lock(&self.free_at), instant(), share);
        if !pause.is_zero() {
            sleep(pause);
        }
        pause
    }
}

/// How long a write that takes `share` of the time has to wait behind those before it.
fn let_through(free_at: &mut Option<Instant>, now: Instant, share: Duration) -> Duration {
    let until = free_at.map_or(now, |free_at| free_at.clamp(now, now + PAUSE_MAX)) + share.min(PAUSE_MAX);
    *free_at = Some(until);
    let pause = until - now;
    if pause < PAUSE_MIN { Duration::ZERO } else { pause }
}

/// Nanoseconds for each KiB written at `debt` bytes: none up to the limit, then in proportion.
fn debt_nanos(debt: u64, limit: u64) -> u128 {
    let over_milli = u128::from(debt.saturating_sub(limit)) * 1000 / u128::from(limit.max(1));
    u128::from(DEBT_NANOS_PER_KIB) * over_milli / 1000
}

/// Nanoseconds for each KiB written while the last memtable that there is room for is filled: more the fuller it is. Half full
/// writers go as fast as one flush at a time, and full half as fast: where that is enough, nobody has to be stopped.
fn flush_nanos(measured: u64, active_bytes: u64, memtable_bytes: u64) -> u128 {
    u128::from(measured) * 2 * u128::from(active_bytes.min(memtable_bytes)) / u128::from(memtable_bytes.max(1))
}

impl Engine {
    /// Waits until there is room for a write of `bytes`: slows it while merges or flushes lag behind, stops it while too many
    /// memtables wait to be flushed.
    pub(crate) fn make_room(&self, bytes: u64) -> Result<()> {
        self.health.check()?;
        self.slow_down(bytes);
        let is_full = || self.view.load().active.bytes() >= self.options.memtable_bytes;
        while is_full() {
            let rung = self.bell.rung();
            if !is_full() || self.frozen() < self.options.frozen_memtables_max {
                return Ok(());
            }
            if self.options.seed.is_some() {
                self.work_inline()?;
                continue;
            }
            self.health.check()?;
            self.health.flushes.check()?;
            if self.stopping.load(Ordering::Acquire) {
                return Err(Error::Closed);
            }
            self.counters.stopped();
            self.bell.wait(rung, Some(worker::LOOK_EVERY));
        }
        Ok(())
    }

    fn slow_down(&self, bytes: u64) {
        if self.options.seed.is_some() {
            // The writer does the work itself.
            return;
        }
        let (mut nanos, options) = (0, &self.options);
        if self.merging.load(Ordering::Relaxed) > 0 {
            nanos += debt_nanos(self.debt_bytes.load(Ordering::Relaxed), options.debt_limit());
        }
        let view = self.view.load();
        if view.frozen.len() >= options.frozen_memtables_max {
            let measured = self.pace.flush_nanos.load(Ordering::Relaxed);
            nanos += flush_nanos(measured, view.active.bytes(), options.memtable_bytes);
        }
        drop(view);
        if nanos > 0 {
            self.counters.slowed(self.pace.hold(bytes, nanos));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writers_are_slowed_more_the_further_merges_and_flushes_lag_behind() {
        assert_eq!([99, 100, 150, 200, 300].map(|debt| debt_nanos(debt, 100) >> 10), [0, 0, 30, 60, 120]);
        assert_eq!([0, 25, 50, 100, 101].map(|bytes| flush_nanos(8, bytes, 100)), [0, 4, 8, 16, 16]);
        assert_eq!(flush_nanos(u64::MAX, u64::MAX, 1), u128::from(u64::MAX) * 2);
        assert!(debt_nanos(u64::MAX, 0) > 0);
    }

    #[test]
    fn the_pace_follows_what_flushes_take() {
        let pace = Pace::default();
        (0..40).for_each(|_| pace.flushed(1 << 20, 40_000));
        let nanos = pace.flush_nanos.load(Ordering::Relaxed);
        assert!((39_000..=40_000).contains(&nanos), "{nanos}");
        (0..4).for_each(|_| pace.flushed(0, u64::MAX));
    }

    #[test]
    fn small_pauses_are_added_up_and_writers_wait_for_each_others() {
        let (mut free_at, now, micros) = (None, instant(), Duration::from_micros);
        let mut wait = |at, share| let_through(&mut free_at, now + micros(at), micros(share)).as_micros();
        assert_eq!([wait(0, 400), wait(0, 400), wait(100, 400)], [0, 0, 1100]);
        assert_eq!([wait(100, 500), wait(1700, 999), wait(9000, 1000)], [1600, 0, 1000], "idle time is no credit");
        assert_eq!(
            [wait(9000, u64::MAX), wait(9000, u64::MAX)],
            [1_001_000, 2_000_000],
            "one write is not held up for others' hours"
        );
    }
}
