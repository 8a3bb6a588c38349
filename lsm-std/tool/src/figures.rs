//! What one strategy did with one load: the figures that the table, the JSON and the report show.

use compaction_core::Rule;
use compaction_core::sim::{Prices, SimCounts};
use lsm_std::Stats;
use lsm_std::fs::Purpose;
use serde::Serialize;

/// Names of the parts of the cost, in the order of [`Counts::cost_parts`].
pub const COST_PARTS: [&str; 5] = ["merge writes", "merge reads", "blocks of gets", "filters of gets", "runs of scans"];

/// Everything that is counted while a load runs. All counts go up from 0.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Counts {
    /// Operations: puts, deletes, gets, misses and scans; a whole batch of a trace is one.
    pub ops: u64,
    /// Bytes of keys and values put, and of keys deleted; what [`write_amp`](Self::write_amp) is relative to.
    pub user_bytes: u64,
    /// Bytes written to the log.
    pub log_bytes: u64,
    /// Bytes of tables written by flushes.
    pub flush_bytes: u64,
    /// Memtables flushed.
    pub flushes: u64,
    /// Bytes that jobs read.
    pub merge_read_bytes: u64,
    /// Bytes that jobs wrote.
    pub merge_written_bytes: u64,
    /// Point reads.
    pub gets: u64,
    /// Runs whose filter a point read asked.
    pub filters_asked: u64,
    /// Data blocks that point reads fetched, from the cache or not.
    pub get_blocks: u64,
    /// Scans.
    pub scans: u64,
    /// Runs that scans opened.
    pub scan_runs: u64,
}

impl Counts {
    /// Table bytes written per byte that the user wrote; the log is apart.
    pub fn write_amp(&self) -> f64 {
        ratio(self.flush_bytes + self.merge_written_bytes, self.user_bytes)
    }

    /// Takes over what the store has counted of flushes, jobs and the log.
    pub fn take_writes(&mut self, stats: &Stats) {
        let merge = stats.io(Purpose::Merge);
        let flushed = stats.io(Purpose::Flush);
        self.log_bytes = stats.io(Purpose::Log).written_bytes;
        (self.flushes, self.flush_bytes) = (stats.flushes, flushed.written_bytes);
        (self.merge_read_bytes, self.merge_written_bytes) = (merge.read_bytes, merge.written_bytes);
    }

    /// Takes over what the store has counted of reads since it had counted `before`.
    pub fn take_reads(&mut self, stats: &Stats, before: &Self) {
        (self.gets, self.scans) = (stats.gets - before.gets, stats.scans - before.scans);
        self.scan_runs = stats.cache.scan_runs - before.scan_runs;
        self.filters_asked = stats.cache.filter_asked - before.filters_asked;
        self.get_blocks = stats.cache.point_blocks - before.get_blocks;
    }

    /// Runs that a point read had to ask, their filters included.
    pub fn read_amp(&self) -> f64 {
        ratio(self.filters_asked, self.gets)
    }

    /// Price of one operation in bytes, without flush and log, which are alike for all strategies.
    pub fn cost(&self, prices: &Prices) -> f64 {
        self.simulated().cost(prices).map_or(0.0, |cost| cost.num() as f64 / cost.den() as f64)
    }

    /// The parts of the total cost, in bytes, as [`COST_PARTS`] names them.
    pub fn cost_parts(&self, prices: &Prices) -> [u128; 5] {
        self.simulated().cost_parts(prices)
    }

    /// What a simulator has counted; it has no log.
    pub fn of_simulator(counts: &SimCounts) -> Self {
        let SimCounts { ops, user_bytes, flush_bytes, flushes, merge_read_bytes, merge_written_bytes, .. } = *counts;
        let SimCounts { gets, filters_asked, get_blocks, scans, scan_runs, .. } = *counts;
        Self {
            ops,
            user_bytes,
            log_bytes: 0,
            flush_bytes,
            flushes,
            merge_read_bytes,
            merge_written_bytes,
            gets,
            filters_asked,
            get_blocks,
            scans,
            scan_runs,
        }
    }

    /// As a simulator would have counted them: without the log.
    fn simulated(&self) -> SimCounts {
        SimCounts {
            ops: self.ops,
            user_bytes: self.user_bytes,
            flush_bytes: self.flush_bytes,
            flushes: self.flushes,
            merge_read_bytes: self.merge_read_bytes,
            merge_written_bytes: self.merge_written_bytes,
            gets: self.gets,
            filters_asked: self.filters_asked,
            get_blocks: self.get_blocks,
            scans: self.scans,
            scan_runs: self.scan_runs,
            ..SimCounts::default()
        }
    }
}

/// `a / b`, 0 when `b` is 0.
pub fn ratio(a: u64, b: u64) -> f64 {
    if b == 0 { 0.0 } else { a as f64 / b as f64 }
}

/// One level at one time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LevelShape {
    /// The level.
    pub level: u8,
    /// Sorted runs in it.
    pub runs: u64,
    /// Tables in it.
    pub tables: u64,
    /// Bytes of its tables.
    pub bytes: u64,
}

/// The state of a store at one time.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Sample {
    /// What had been counted by then.
    pub counts: Counts,
    /// Bytes of live keys and values, memtable included.
    pub live_bytes: u64,
    /// Bytes of the live tables.
    pub table_bytes: u64,
    /// The tree by level, level 0 first.
    pub levels: Vec<LevelShape>,
}

impl Sample {
    /// Bytes of tables per byte of live data.
    pub fn space_amp(&self) -> f64 {
        ratio(self.table_bytes, self.live_bytes)
    }

    /// Sorted runs in the tree.
    pub fn runs(&self) -> u64 {
        self.levels.iter().map(|level| level.runs).sum()
    }
}

/// Percentiles of a latency in microseconds.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Latency {
    /// Half are at most this.
    pub p50_us: f64,
    /// 95 % are at most this.
    pub p95_us: f64,
    /// 99 % are at most this.
    pub p99_us: f64,
}

impl Latency {
    /// Percentiles of `nanos`, which it sorts; all 0 without any.
    pub fn of(nanos: &mut [u64]) -> Self {
        nanos.sort_unstable();
        let at = |pct: usize| {
            let rank = (nanos.len() * pct).div_ceil(100).max(1);
            nanos.get(rank - 1).map_or(0.0, |&ns| ns as f64 / 1e3)
        };
        Self { p50_us: at(50), p95_us: at(95), p99_us: at(99) }
    }
}

/// One finished job: what was done, and why.
#[derive(Clone, Debug, Serialize)]
pub struct Job {
    /// Bytes that the user had written by then.
    pub at_user_bytes: u64,
    /// `merge`, `move` or `drop`.
    pub what: &'static str,
    /// Short name of the rule that fired.
    pub rule: &'static str,
    /// The reason, with its figures.
    pub reason: String,
    /// Input tables.
    pub tables: u64,
    /// Runs that had inputs.
    pub runs: u64,
    /// Level that the output went to; `None` for a drop.
    pub level: Option<u8>,
    /// Bytes read.
    pub read_bytes: u64,
    /// Bytes written.
    pub written_bytes: u64,
    /// How long it took, in microseconds.
    pub micros: u64,
    /// What the bandit went by, if it picked the slot.
    pub pick: Option<Pick>,
}

/// What the bandit went by when it picked a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Pick {
    /// The slot.
    pub slot: u32,
    /// Whether it was tried by luck, not for its score.
    pub explored: bool,
    /// Its score in thousandths; `u64::MAX` where it was never picked before.
    pub score_milli: u64,
    /// The mean reward of its merges before, in thousandths.
    pub mean_milli: u64,
    /// How often it had been picked before.
    pub picks: u64,
}

impl Pick {
    /// Of a decision with this rule; `None` if it is no pick of a slot.
    pub fn of(rule: &Rule) -> Option<Self> {
        match *rule {
            Rule::Slot { slot, explored, score_milli, mean_milli, picks, .. } => {
                Some(Self { slot, explored, score_milli, mean_milli, picks })
            }
            _ => None,
        }
    }
}

/// All jobs of one rule together.
#[derive(Clone, Debug, Default, Serialize)]
pub struct JobsOfRule {
    /// Short name of the rule.
    pub rule: &'static str,
    /// Jobs.
    pub jobs: u64,
    /// Bytes read.
    pub read_bytes: u64,
    /// Bytes written.
    pub written_bytes: u64,
    /// Time in them, in microseconds.
    pub micros: u64,
}

/// Sums jobs up by rule, the one that wrote most first.
pub fn by_rule(jobs: &[Job]) -> Vec<JobsOfRule> {
    let mut sums: Vec<JobsOfRule> = Vec::new();
    for job in jobs {
        let at = sums.iter().position(|sum| sum.rule == job.rule).unwrap_or_else(|| {
            sums.push(JobsOfRule { rule: job.rule, ..JobsOfRule::default() });
            sums.len() - 1
        });
        let sum = &mut sums[at];
        sum.jobs += 1;
        sum.read_bytes += job.read_bytes;
        sum.written_bytes += job.written_bytes;
        sum.micros += job.micros;
    }
    sums.sort_by_key(|sum| (std::cmp::Reverse(sum.written_bytes), std::cmp::Reverse(sum.jobs)));
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_the_smallest_values_that_so_many_do_not_exceed() {
        let mut nanos: Vec<u64> = (1..=200).rev().map(|n| n * 1_000).collect();
        let latency = Latency::of(&mut nanos);
        assert_eq!((latency.p50_us, latency.p95_us, latency.p99_us), (100.0, 190.0, 198.0));
        assert_eq!(Latency::of(&mut [7_000]).p99_us, 7.0);
        assert_eq!(Latency::of(&mut []).p50_us, 0.0);
    }

    #[test]
    fn cost_is_the_sum_of_its_priced_parts_per_operation() {
        let counts = Counts {
            ops: 10,
            merge_written_bytes: 1_000,
            merge_read_bytes: 2_000,
            get_blocks: 2,
            filters_asked: 4,
            scan_runs: 3,
            ..Counts::default()
        };
        let wanted = (1_000.0 + 2_000.0 + 2.0 * 4_096.0 + 4.0 * 512.0 + 3.0 * 4_096.0) / 10.0;
        assert!((counts.cost(&Prices::default()) - wanted).abs() < 1e-9);
        assert_eq!(Counts::default().cost(&Prices::default()), 0.0);
        assert_eq!(Counts::default().write_amp(), 0.0);
    }
}
