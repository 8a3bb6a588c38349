//! Figures of an open store.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::cache::CacheStats;
use crate::fs::{IoStats, Purpose};
use crate::report::{Chosen, LevelShape};
use crate::sync::{AtomicU64, Mutex, Ordering, lock};
use crate::types::SeqNo;

/// Figures of an open store, since it was opened where they count events.
#[derive(Clone, Debug)]
pub struct Stats {
    /// Name of the strategy.
    pub strategy: &'static str,
    /// The levels that hold anything, level 0 first.
    pub levels: Vec<LevelShape>,
    /// Largest sequence number written.
    pub last_seqno: SeqNo,
    /// Oldest sequence number that an open snapshot reads at.
    pub oldest_snapshot: Option<SeqNo>,
    /// Bytes in the active memtable and in the frozen ones.
    pub memtable_bytes: u64,
    /// Memtables waiting to be flushed.
    pub frozen_memtables: usize,
    /// Jobs running now.
    pub jobs_running: usize,
    /// Bytes that the strategy still wants rewritten.
    pub debt_bytes: u64,
    /// Bytes of keys and values in all batches written, as encoded.
    pub user_bytes: u64,
    /// Batches written.
    pub batches: u64,
    /// Flushes done; one may take several small memtables that wait.
    pub flushes: u64,
    /// Point reads.
    pub gets: u64,
    /// Range reads begun.
    pub scans: u64,
    /// Jobs done, by the name of the rule that chose them.
    pub jobs: BTreeMap<&'static str, JobStats>,
    /// Jobs given up.
    pub jobs_aborted: u64,
    /// How long writers were slowed because merges or flushes lagged behind, in all.
    pub slowed: Duration,
    /// How often a writer was stopped because too many memtables waited.
    pub stops: u64,
    /// Of the block cache, of filters and of open files.
    pub cache: CacheStats,
    /// Bytes read, written and synced at the file layer, by purpose.
    pub io: Vec<(Purpose, IoStats)>,
    /// The last failure of background work that has not succeeded since.
    pub background_error: Option<String>,
}

/// Figures of the jobs that one rule chose.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JobStats {
    /// Jobs done.
    pub jobs: u64,
    /// Bytes of tables read.
    pub bytes_read: u64,
    /// Bytes of tables written.
    pub bytes_written: u64,
    /// Microseconds spent.
    pub micros: u64,
}

impl Stats {
    /// What the file layer saw for one purpose.
    pub fn io(&self, purpose: Purpose) -> IoStats {
        self.io.iter().find(|(found, _)| *found == purpose).map_or_else(IoStats::default, |(_, io)| *io)
    }

    /// Bytes of all tables.
    pub fn table_bytes(&self) -> u64 {
        self.levels.iter().fold(0, |sum, level| sum.saturating_add(level.bytes))
    }

    /// Bytes that flushes and merges wrote to tables, per byte of [`user_bytes`](Self::user_bytes); the log is not counted. 0
    /// before the first write. After a crash the tables of what the log held count, though this opening did not write those bytes.
    ///
    /// Counted at the file layer.
    pub fn write_amp(&self) -> f64 {
        let written = self.io(Purpose::Flush).written_bytes + self.io(Purpose::Merge).written_bytes;
        if self.user_bytes == 0 { 0.0 } else { written as f64 / self.user_bytes as f64 }
    }
}

/// Counts what the file layer and the cache do not.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) flushes: AtomicU64,
    pub(crate) gets: AtomicU64,
    pub(crate) scans: AtomicU64,
    pub(crate) batches: AtomicU64,
    pub(crate) user_bytes: AtomicU64,
    pub(crate) aborted: AtomicU64,
    pub(crate) stops: AtomicU64,
    pub(crate) slowed_nanos: AtomicU64,
    pub(crate) jobs: Mutex<BTreeMap<&'static str, JobStats>>,
}

impl Counters {
    pub(crate) fn wrote(&self, bytes: u64) {
        self.batches.fetch_add(1, Ordering::Relaxed);
        self.user_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn slowed(&self, pause: Duration) {
        let nanos = u64::try_from(pause.as_nanos()).unwrap_or(u64::MAX);
        self.slowed_nanos.fetch_add(nanos, Ordering::Relaxed);
    }

    pub(crate) fn stopped(&self) {
        self.stops.fetch_add(1, Ordering::Relaxed);
        metrics::counter!("lsm_write_stops_total").increment(1);
    }

    pub(crate) fn flushed(&self, bytes: u64) {
        self.flushes.fetch_add(1, Ordering::Relaxed);
        metrics::counter!("lsm_flushes_total").increment(1);
        metrics::counter!("lsm_flush_bytes_total").increment(bytes);
    }

    pub(crate) fn done(&self, chosen: &Chosen, bytes_read: u64, bytes_written: u64, micros: u64) {
        let mut jobs = lock(&self.jobs);
        let stats = jobs.entry(chosen.rule).or_default();
        stats.jobs += 1;
        stats.bytes_read += bytes_read;
        stats.bytes_written += bytes_written;
        stats.micros += micros;
        metrics::counter!("lsm_jobs_total", "choice" => chosen.choice, "rule" => chosen.rule).increment(1);
        metrics::counter!("lsm_job_bytes_read_total", "rule" => chosen.rule).increment(bytes_read);
        metrics::counter!("lsm_job_bytes_written_total", "rule" => chosen.rule).increment(bytes_written);
        metrics::histogram!("lsm_job_micros", "rule" => chosen.rule).record(micros as f64);
    }

    pub(crate) fn aborted(&self) {
        self.aborted.fetch_add(1, Ordering::Relaxed);
        metrics::counter!("lsm_jobs_aborted_total").increment(1);
    }
}
