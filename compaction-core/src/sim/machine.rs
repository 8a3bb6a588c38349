//! The simulated store: the engine without bytes.
//!
//! A flush and the merges that follow it are done as the engine's seeded single-worker mode does them, one after the other,
//! until the strategy wants none. Tables hold key numbers, and values only as lengths.

use alloc::vec::Vec;

use hashbrown::HashMap;

use super::entry::{self, Entry};
use super::memory::Memory;
use super::names::{KeyName, Names};
use super::stall::Channel;
use super::{SimCounts, SimError, SimReport, SplitMix, StoreSettings};
use crate::decision::{Job, Moment, Reason, Work};
use crate::edit::VersionVec;
use crate::strategy::{CompactionStrategy, Event, Outcome};

/// Jobs without a write in between after which a strategy counts as restless.
const JOBS_MAX: u64 = 1 << 20;

/// A store without bytes under one strategy. Keys are numbers.
///
/// Every figure is weighted by the scale, so a caller that samples gives each operation once for `scale` of them.
///
/// ```
/// use compaction_core::sim::{Simulation, StoreSettings};
/// use compaction_core::Tiered;
/// let store = StoreSettings { memtable_bytes: 4_096, ..StoreSettings::default() };
/// let mut simulation = Simulation::new(Tiered::default(), &store, 1);
/// for key in 0..1_000 {
///     simulation.put(key, 100)?;
/// }
/// simulation.get(7)?;
/// let report = simulation.finish()?;
/// assert!(report.counts().flushes > 30 && report.counts().write_amp() > None);
/// # Ok::<(), compaction_core::sim::SimError>(())
/// ```
#[derive(Debug)]
pub struct Simulation<S> {
    pub(super) strategy: S,
    pub(super) store: StoreSettings,
    pub(super) scale: u64,
    pub(super) tree: VersionVec<u32>,
    pub(super) tables: HashMap<u64, Data>,
    pub(super) next_id: u64,
    pub(super) memory: Memory,
    pub(super) now_ms: u64,
    /// How long entries live; a write takes a millisecond.
    pub(super) ttl_ms: Option<u64>,
    entropy: SplitMix,
    pub(super) reads: SplitMix,
    pub(super) heat: Vec<super::read::Sampled>,
    /// Reads so far, a scan counted as several.
    pub(super) reads_noted: u64,
    /// Runs that the samples in `heat` have looked into.
    pub(super) runs_noted: u32,
    pub(super) counts: SimCounts,
    pub(super) report: SimReport,
    pub(super) channel: Channel,
}

/// The entries of a table.
#[derive(Debug, Default)]
pub(super) struct Data {
    pub(super) entries: Vec<Entry>,
    pub(super) data_bytes: u64,
}

impl<S: CompactionStrategy<u32>> Simulation<S> {
    /// An empty store whose operations stand for `scale` each, at least 1.
    pub fn new(strategy: S, store: &StoreSettings, scale: u64) -> Self {
        let scale = scale.max(1);
        let mut simulation = Self {
            strategy,
            store: *store,
            scale,
            tree: VersionVec::default(),
            tables: HashMap::new(),
            next_id: 1,
            memory: Memory::default(),
            now_ms: 0,
            ttl_ms: None,
            entropy: SplitMix::new(store.seed),
            reads: SplitMix::new(!store.seed),
            heat: Vec::new(),
            reads_noted: 0,
            runs_noted: 0,
            counts: SimCounts::default(),
            report: SimReport { scale, ..SimReport::default() },
            channel: Channel::new(store.io_bytes_per_s, store.user_bytes_per_s, store.frozen_memtables_max),
        };
        simulation.flushed(0);
        simulation
    }

    /// Tells what the keys look like, by number, before anything is written: sizes are then those of these very keys, where the
    /// [format](super::TableFormat) else has one length for all.
    pub fn name_keys(&mut self, names: Vec<KeyName>) {
        self.memory.names = Names(names);
    }

    /// Writes `value_bytes` bytes under `key`; if the memtable was full, it is flushed, and what is due is merged.
    ///
    /// # Errors
    /// What the strategy or the tree did wrong.
    pub fn put(&mut self, key: u32, value_bytes: u32) -> Result<(), SimError> {
        self.write(&[(key, Some(value_bytes))])
    }

    /// Deletes `key`, whether it is there or not.
    ///
    /// # Errors
    /// As [`put`](Self::put).
    pub fn delete(&mut self, key: u32) -> Result<(), SimError> {
        self.write(&[(key, None)])
    }

    /// Writes a batch, which lies in one memtable: keys with the lengths of their values, or `None` to delete them.
    ///
    /// # Errors
    /// As [`put`](Self::put).
    pub fn write(&mut self, batch: &[(u32, Option<u32>)]) -> Result<(), SimError> {
        self.now_ms = self.now_ms.saturating_add(self.scale);
        let frozen = (self.memory.bytes >= self.store.memtable_bytes).then(|| self.memory.freeze());
        for (key, value) in batch {
            self.memory.insert(*key, *value, &self.store.format)?;
            let key_bytes = self.memory.names.bytes(*key, &self.store.format);
            let bytes = key_bytes.saturating_add(value.unwrap_or(0).into());
            let held = bytes.saturating_add(self.store.memtable_entry_bytes).saturating_mul(self.scale);
            self.memory.bytes = self.memory.bytes.saturating_add(held);
            let written = bytes.saturating_mul(self.scale);
            self.counts.user_bytes = self.counts.user_bytes.saturating_add(written);
        }
        self.counts.ops = self.counts.ops.saturating_add(self.scale);
        frozen.map_or(Ok(()), |writes| self.flush(writes))
    }

    /// Writes a memtable into tables and merges until the strategy wants no more.
    pub(super) fn flush(&mut self, mut writes: Vec<Entry>) -> Result<(), SimError> {
        let before = self.work_bytes();
        entry::sort(&mut writes);
        let now_ms = self.now_ms;
        let cuts = match (self.strategy.cuts_flushes(), writes.first(), writes.last()) {
            (true, Some(first), Some(last)) => self.guards(Some(first.key), Some(last.key)),
            _ => Vec::new(),
        };
        let tables = self.cut(&writes, self.store.table_bytes, (now_ms, now_ms), &cuts);
        let bytes = tables.iter().map(|table| table.bytes).fold(0, u64::saturating_add);
        if !tables.is_empty() {
            self.tree.flush(tables)?;
        }
        self.counts.flush_bytes = self.counts.flush_bytes.saturating_add(bytes);
        self.counts.flushes = self.counts.flushes.saturating_add(1);
        self.wrote(0, bytes, 0);
        self.flushed(bytes);
        let debt = self.strategy.debt_bytes(&self.tree.view());
        self.report.peak_debt_bytes = self.report.peak_debt_bytes.max(debt);
        self.work()?;
        let done = self.work_bytes().saturating_sub(before);
        self.channel.pass(self.counts.user_bytes, done);
        Ok(())
    }

    /// Bytes that flushes and merges have read and written.
    fn work_bytes(&self) -> u64 {
        let merged = self.counts.merge_read_bytes.saturating_add(self.counts.merge_written_bytes);
        merged.saturating_add(self.counts.flush_bytes)
    }

    fn flushed(&mut self, bytes: u64) {
        self.strategy.observe(&Event::Flushed { version: self.tree.view(), now_ms: self.now_ms, bytes });
        self.report.peak_bytes = self.report.peak_bytes.max(self.table_bytes());
    }

    /// Does what the strategy wants.
    pub(super) fn work(&mut self) -> Result<(), SimError> {
        for _ in 0..JOBS_MAX {
            self.tell_heat();
            let moment = Moment {
                now_ms: self.now_ms,
                entropy: self.entropy.next_u64(),
                free_bytes: self.free_bytes(),
                snapshot_floor: u64::MAX,
            };
            let decision = self.strategy.choose(&self.tree.view(), &moment);
            let Some(job) = decision.choice.job() else { return Ok(()) };
            self.job(job, decision.reason)?;
        }
        Err(SimError::Restless { jobs: JOBS_MAX })
    }

    fn free_bytes(&self) -> u64 {
        match self.store.space_bytes {
            u64::MAX => u64::MAX,
            space => space.saturating_sub(self.table_bytes()),
        }
    }

    fn job(&mut self, job: Job, reason: Reason) -> Result<(), SimError> {
        let ticket = self.tree.begin(job)?;
        let runs_before = self.tree.view().runs().len();
        let bytes_before = self.table_bytes();
        let (outputs, read) = match job.work() {
            Work::Merge => self.merge(&job),
            Work::Move => (Vec::new(), (0, 0)),
            Work::Drop => {
                drop(self.take_inputs(&job));
                (Vec::new(), (0, 0))
            }
        };
        let written = outputs.iter().map(|table| table.bytes).fold(0, u64::saturating_add);
        self.report.peak_bytes = self.report.peak_bytes.max(bytes_before.saturating_add(written));
        let done = self.tree.finish(ticket, outputs).map_err(|(_, error)| error)?;
        let (data_read, bytes_read) = read;
        let bytes = bytes_read.saturating_add(written);
        self.report.peak_job_bytes = self.report.peak_job_bytes.max(bytes);
        self.counts.jobs = self.counts.jobs.saturating_add(1);
        self.counts.merge_read_bytes = self.counts.merge_read_bytes.saturating_add(data_read);
        self.counts.merge_written_bytes = self.counts.merge_written_bytes.saturating_add(written);
        if job.work() == Work::Merge {
            self.wrote(job.level(), written, 1);
        }
        let version = self.tree.view();
        let removed = runs_before.saturating_sub(version.runs().len());
        let outcome = Outcome {
            job: done,
            reason,
            bytes_read,
            bytes_written: written,
            micros: self.channel.job_us(bytes),
            now_ms: self.now_ms,
            runs_removed: u32::try_from(removed).unwrap_or(u32::MAX),
        };
        self.strategy.observe(&Event::Done { version, outcome });
        Ok(())
    }

    pub(super) fn table_bytes(&self) -> u64 {
        crate::strategy::clamp(self.tree.view().bytes())
    }

    /// Bytes of live keys and values that have not expired. O(keys) where any may have, else O(1).
    pub(super) fn live_bytes(&self) -> u64 {
        let young = |ttl_ms: u64| self.memory.young_bytes(ttl_ms.div_euclid(self.scale), &self.store.format);
        self.ttl_ms.map_or(self.memory.live_bytes, young).saturating_mul(self.scale)
    }
}
