//! What a simulation counts, and what follows from it.

use alloc::vec::Vec;

use super::Stalls;
use crate::amp::Ratio;

/// Everything that is counted. All counts go up from 0, saturate, and stand for the whole workload whatever the scale.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SimCounts {
    /// Operations: puts, deletes, gets, misses and scans.
    pub ops: u64,
    /// Bytes of keys and values put, and of keys deleted.
    pub user_bytes: u64,
    /// Bytes of tables written by flushes.
    pub flush_bytes: u64,
    /// Memtables flushed.
    pub flushes: u64,
    /// Jobs done.
    pub jobs: u64,
    /// Bytes of data blocks that merges read.
    pub merge_read_bytes: u64,
    /// Bytes of tables that merges wrote.
    pub merge_written_bytes: u64,
    /// Point reads, of present and of absent keys.
    pub gets: u64,
    /// Runs whose filter a point read asked.
    pub filters_asked: u64,
    /// Data blocks that point reads fetched.
    pub get_blocks: u64,
    /// Scans.
    pub scans: u64,
    /// Runs that scans opened.
    pub scan_runs: u64,
}

/// Prices of one operation's parts, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prices {
    /// Per byte that a merge writes or reads.
    pub compaction_byte: u64,
    /// Per data block that a point read fetches.
    pub get_block: u64,
    /// Per run whose filter a point read asks.
    pub filter: u64,
    /// Per run that a scan opens.
    pub scan_run: u64,
}

impl Default for Prices {
    fn default() -> Self {
        Self { compaction_byte: 1, get_block: 4_096, filter: 512, scan_run: 4_096 }
    }
}

impl SimCounts {
    /// What was counted since `before`, counts of the same simulation.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        let since = |of: fn(&Self) -> u64| of(self).saturating_sub(of(before));
        Self {
            ops: since(|counts| counts.ops),
            user_bytes: since(|counts| counts.user_bytes),
            flush_bytes: since(|counts| counts.flush_bytes),
            flushes: since(|counts| counts.flushes),
            jobs: since(|counts| counts.jobs),
            merge_read_bytes: since(|counts| counts.merge_read_bytes),
            merge_written_bytes: since(|counts| counts.merge_written_bytes),
            gets: since(|counts| counts.gets),
            filters_asked: since(|counts| counts.filters_asked),
            get_blocks: since(|counts| counts.get_blocks),
            scans: since(|counts| counts.scans),
            scan_runs: since(|counts| counts.scan_runs),
        }
    }

    /// Table bytes written per byte that the user wrote; `None` before the first.
    #[must_use]
    pub fn write_amp(&self) -> Option<Ratio> {
        let written = u128::from(self.flush_bytes).saturating_add(self.merge_written_bytes.into());
        Ratio::new(written, self.user_bytes.into())
    }

    /// Runs that a point read had to ask; `None` before the first.
    #[must_use]
    pub fn read_amp(&self) -> Option<Ratio> {
        Ratio::new(self.filters_asked.into(), self.gets.into())
    }

    /// Price of one operation in bytes, without the flushes, which are alike for all strategies; `None` without operations.
    #[must_use]
    pub fn cost(&self, prices: &Prices) -> Option<Ratio> {
        let total = self.cost_parts(prices).into_iter().fold(0, u128::saturating_add);
        Ratio::new(total, self.ops.into())
    }

    /// What all operations cost, in bytes: written by merges, read by merges, blocks of gets, filters of gets, runs of scans.
    #[must_use]
    pub fn cost_parts(&self, prices: &Prices) -> [u128; 5] {
        [
            (self.merge_written_bytes, prices.compaction_byte),
            (self.merge_read_bytes, prices.compaction_byte),
            (self.get_blocks, prices.get_block),
            (self.filters_asked, prices.filter),
            (self.scan_runs, prices.scan_run),
        ]
        .map(|(count, price)| u128::from(count).saturating_mul(price.into()))
    }
}

/// One level at the end, and what was done to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SimLevel {
    /// The level.
    pub level: u8,
    /// Runs in it.
    pub runs: u64,
    /// Tables in it.
    pub tables: u64,
    /// Bytes of its tables.
    pub bytes: u64,
    /// Bytes that flushes and merges wrote to it.
    pub written_bytes: u64,
    /// Merges whose output went there.
    pub merges: u64,
}

/// The store at one time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SimSample {
    /// What had been counted by then.
    pub counts: SimCounts,
    /// Bytes of live keys and values, the memtable's too.
    pub live_bytes: u64,
    /// Bytes of tables.
    pub table_bytes: u64,
    /// Runs.
    pub runs: u64,
    /// Bytes by level, level 0 first.
    pub level_bytes: Vec<u64>,
    /// Runs by level, level 0 first.
    pub level_runs: Vec<u64>,
}

impl SimSample {
    /// Bytes of tables per byte of live data; `None` when nothing lives.
    #[must_use]
    pub fn space_amp(&self) -> Option<Ratio> {
        Ratio::new(self.table_bytes.into(), self.live_bytes.into())
    }
}

/// What a simulation came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SimReport {
    /// Operations and keys that one simulated one stood for.
    pub scale: u64,
    /// States over time, the last one when everything was flushed and the strategy had come to rest.
    pub samples: Vec<SimSample>,
    /// The levels, level 0 first.
    pub levels: Vec<SimLevel>,
    /// Most bytes that tables took, inputs and outputs of a running job both counted.
    pub peak_bytes: u64,
    /// Most bytes that the strategy ever wanted rewritten, seen after each flush.
    pub peak_debt_bytes: u64,
    /// Bytes that it still wants rewritten at the end.
    pub debt_bytes: u64,
    /// Largest bytes that one job read and wrote.
    pub peak_job_bytes: u64,
    /// How writers had to wait, if an I/O rate was given.
    pub stalls: Stalls,
}

impl SimReport {
    /// The last state.
    #[must_use]
    pub fn last(&self) -> SimSample {
        self.samples.last().cloned().unwrap_or_default()
    }

    /// What was counted.
    #[must_use]
    pub fn counts(&self) -> SimCounts {
        self.samples.last().map_or_else(SimCounts::default, |sample| sample.counts)
    }

    /// The largest space amplification of any sample; at first little is alive, so the first tenth of the writes does not
    /// count. `None` when nothing ever lived.
    #[must_use]
    pub fn peak_space_amp(&self) -> Option<Ratio> {
        let from = self.counts().user_bytes / 10;
        self.samples.iter().filter(|sample| sample.counts.user_bytes >= from).filter_map(SimSample::space_amp).max()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_every_count_what_was_before_is_taken_off() {
        let counts = SimCounts {
            ops: 1,
            user_bytes: 2,
            flush_bytes: 3,
            flushes: 4,
            jobs: 5,
            merge_read_bytes: 6,
            merge_written_bytes: 7,
            gets: 8,
            filters_asked: 9,
            get_blocks: 10,
            scans: 11,
            scan_runs: 12,
        };
        assert_eq!(counts.since(&SimCounts::default()), counts);
        assert_eq!(counts.since(&counts), SimCounts::default());
    }
}
