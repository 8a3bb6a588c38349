//! When writers have to wait, given how fast the disk is.
//!
//! One channel does all flushes and merges, in the order in which they become due. Writers wait when it is further behind
//! than the full memtables may be that wait for it.

/// How writers had to wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stalls {
    /// How often writers waited.
    pub count: u64,
    /// For how long in all, in microseconds.
    pub total_us: u64,
    /// The longest wait, in microseconds.
    pub longest_us: u64,
    /// How long the disk was busy, in microseconds.
    pub busy_us: u64,
    /// How long everything took, in microseconds.
    pub elapsed_us: u64,
}

/// Time that passes between user, memtables and disk.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Channel {
    io_bytes_per_s: u64,
    user_bytes_per_s: u64,
    waiting_max: u64,
    backlog_us: u64,
    user_bytes: u64,
    stalls: Stalls,
}

/// Microseconds for `bytes` at `rate` bytes per second; none at rate 0.
fn micros(bytes: u64, rate: u64) -> u64 {
    let micros = u128::from(bytes).saturating_mul(1_000_000).checked_div(rate.into()).unwrap_or(0);
    u64::try_from(micros).unwrap_or(u64::MAX)
}

impl Channel {
    pub(crate) fn new(io_bytes_per_s: u64, user_bytes_per_s: u64, waiting_max: u64) -> Self {
        Self { io_bytes_per_s, user_bytes_per_s, waiting_max, backlog_us: 0, user_bytes: 0, stalls: Stalls::default() }
    }

    /// How long a job of so many bytes takes, in microseconds.
    pub(crate) fn job_us(&self, bytes: u64) -> u64 {
        micros(bytes, self.io_bytes_per_s)
    }

    /// The user has written `user_bytes` in all; now `work_bytes` are to be read and written for them.
    pub(crate) fn pass(&mut self, user_bytes: u64, work_bytes: u64) {
        if self.io_bytes_per_s == 0 {
            return;
        }
        let writing_us = micros(user_bytes.saturating_sub(self.user_bytes), self.user_bytes_per_s);
        self.user_bytes = user_bytes;
        let work_us = self.job_us(work_bytes);
        self.backlog_us = self.backlog_us.saturating_sub(writing_us).saturating_add(work_us);
        // While this many further memtables fill up, nobody waits.
        let allowed_us = writing_us.saturating_mul(self.waiting_max);
        let wait_us = self.backlog_us.saturating_sub(allowed_us);
        self.backlog_us = self.backlog_us.saturating_sub(wait_us);
        let stalls = &mut self.stalls;
        stalls.busy_us = stalls.busy_us.saturating_add(work_us);
        stalls.elapsed_us = stalls.elapsed_us.saturating_add(writing_us).saturating_add(wait_us);
        if wait_us > 0 {
            stalls.count = stalls.count.saturating_add(1);
            stalls.total_us = stalls.total_us.saturating_add(wait_us);
            stalls.longest_us = stalls.longest_us.max(wait_us);
        }
    }

    pub(crate) fn stalls(&self) -> Stalls {
        self.stalls
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fast_disk_stalls_nobody_and_a_slow_one_for_what_memtables_cannot_take() {
        let run = |io: u64| {
            let mut channel = Channel::new(io, 1_000_000, 2);
            // A second of writes each; each tenth makes ten seconds' worth of the slow disk's work.
            (1..=20).for_each(|at| channel.pass(at * 1_000_000, if at % 10 == 0 { 10_000_000 } else { 100_000 }));
            channel.stalls()
        };
        let fast = run(100_000_000);
        assert_eq!((fast.count, fast.elapsed_us), (0, 20_000_000));
        let slow = run(1_000_000);
        assert!(slow.count > 0 && slow.longest_us == 8_000_000, "{slow:?}");
        assert_eq!(slow.elapsed_us, 20_000_000 + slow.total_us);
        assert_eq!((slow.busy_us, fast.busy_us), (21_800_000, 218_000), "18 tenths of a second and twice ten");
        assert_eq!(run(0), Stalls::default());
    }
}
