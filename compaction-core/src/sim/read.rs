//! Reads of the simulated store: runs asked, filters passed, blocks fetched.

use super::{SimError, Simulation};
use crate::strategy::{CompactionStrategy, Event, ReadSample};
use crate::version::Version;

/// One point read in this many is sampled for the strategy, as in the engine.
const SAMPLE_EVERY: u64 = 64;
/// A scan counts as so many point reads: it pays about so much more for a run.
const SCAN_COUNTS: u64 = 8;
/// Samples kept until the next decision; more are dropped.
const SAMPLES_MAX: usize = 256;

/// Once samples have looked into so many runs, a decision is asked for.
const RUNS_TOLD: u32 = 16;
const MILLION: u64 = 1_000_000;

/// A sampled read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sampled {
    key: u32,
    gets: u32,
    scans: u32,
    runs: u32,
}

/// What a point read cost.
#[derive(Clone, Copy, Debug, Default)]
struct Found {
    filters: u64,
    blocks: u64,
}

impl<S: CompactionStrategy<u32>> Simulation<S> {
    /// Reads `key`; the strategy may want to merge something then.
    ///
    /// # Errors
    /// What the strategy or the tree did wrong.
    pub fn get(&mut self, key: u32) -> Result<(), SimError> {
        let found = self.point_read(key, false);
        self.note(key, (1, 0), found.filters)
    }

    /// Reads a key just above `key` that is never written.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn miss(&mut self, key: u32) -> Result<(), SimError> {
        let found = self.point_read(key, true);
        self.note(key, (1, 0), found.filters)
    }

    /// Scans `keys` keys from `key` on. Runs that hold nothing in that range are not opened.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn scan(&mut self, key: u32, keys: u64) -> Result<(), SimError> {
        let version = self.tree.view();
        let spans = |run: &usize| table_of(&version, *run, key, false).is_some();
        let here = if self.is_sampled(SCAN_COUNTS) { (0..version.runs().len()).filter(spans).count() } else { 0 };
        let last = self.memory.reach(key, keys.div_ceil(self.scale));
        let meets = |run: &usize| !version.overlap(*run, &key, &last).is_empty();
        let runs = (0..version.runs().len()).filter(meets).count();
        let weight = self.read_weight();
        self.counts.ops = self.counts.ops.saturating_add(weight);
        self.counts.scans = self.counts.scans.saturating_add(weight);
        let opened = u64::try_from(runs).unwrap_or(u64::MAX).saturating_mul(weight);
        self.counts.scan_runs = self.counts.scan_runs.saturating_add(opened);
        self.note(key, (0, 1), u64::try_from(here).unwrap_or(u64::MAX))
    }

    /// Reads of the workload that one read stands for.
    fn read_weight(&self) -> u64 {
        self.scale.saturating_mul(self.store.read_weight.max(1))
    }

    fn point_read(&mut self, key: u32, absent: bool) -> Found {
        let weight = self.read_weight();
        self.counts.ops = self.counts.ops.saturating_add(weight);
        self.counts.gets = self.counts.gets.saturating_add(weight);
        if !absent && self.memory.has(key) {
            return Found::default();
        }
        let found = self.look(key, absent);
        let weighted = |count: u64| count.saturating_mul(weight);
        self.counts.filters_asked = self.counts.filters_asked.saturating_add(weighted(found.filters));
        self.counts.get_blocks = self.counts.get_blocks.saturating_add(weighted(found.blocks));
        found
    }

    /// Asks the runs, newest first, until one has the key.
    fn look(&mut self, key: u32, absent: bool) -> Found {
        let (mut found, pass_ppm) = (Found::default(), self.store.format.filter_pass_ppm);
        let has_filter = self.store.format.filter_bits > 0;
        let version = self.tree.view();
        let home = if absent { None } else { self.memory.table_of(key) };
        for run in (0..version.runs().len()).rev() {
            let Some(id) = table_of(&version, run, key, absent) else { continue };
            found.filters = found.filters.saturating_add(1);
            let hit = home == Some(id);
            if hit || !has_filter || self.reads.below(MILLION) < pass_ppm {
                found.blocks = found.blocks.saturating_add(1);
            }
            if hit {
                break;
            }
        }
        found
    }

    /// Whether the next read is noted, of which one counts as `counts`.
    fn is_sampled(&self, counts: u64) -> bool {
        self.reads_noted.saturating_add(self.read_weight().saturating_mul(counts)) / SAMPLE_EVERY
            > self.reads_noted / SAMPLE_EVERY
    }

    /// Notes one read, which looked into `runs` runs, for the strategy, or does not; when enough wait, it is told and does what it
    /// wants.
    fn note(&mut self, key: u32, (gets, scans): (u64, u64), runs: u64) -> Result<(), SimError> {
        let (before, counts) = (self.reads_noted / SAMPLE_EVERY, if scans > 0 { SCAN_COUNTS } else { 1 });
        self.reads_noted = self.reads_noted.saturating_add(self.read_weight().saturating_mul(counts));
        let samples = (self.reads_noted / SAMPLE_EVERY).saturating_sub(before);
        let stands_for = samples.saturating_mul(SAMPLE_EVERY.checked_div(counts).unwrap_or(1));
        if stands_for > 0 && self.heat.len() < SAMPLES_MAX {
            let narrow = |count: u64| u32::try_from(count.saturating_mul(stands_for)).unwrap_or(u32::MAX);
            let runs = u32::try_from(runs).unwrap_or(u32::MAX);
            self.heat.push(Sampled { key, gets: narrow(gets), scans: narrow(scans), runs });
            self.runs_noted = self.runs_noted.saturating_add(runs.max(1));
            if self.runs_noted >= RUNS_TOLD {
                return self.work();
            }
        }
        Ok(())
    }

    /// Tells the strategy of the reads sampled since the last decision.
    pub(super) fn tell_heat(&mut self) {
        self.runs_noted = 0;
        for Sampled { key, gets, scans, runs } in self.heat.drain(..) {
            let sample = ReadSample { key: &key, gets, scans, runs, now_ms: self.now_ms };
            self.strategy.observe(&Event::Reads(sample));
        }
    }
}

/// The table of run `run` that spans `key`, or the gap just above it.
fn table_of(version: &Version<'_, u32>, run: usize, key: u32, above: bool) -> Option<u64> {
    let tables = version.run_tables(run);
    let at = tables.partition_point(|table| if above { table.max <= key } else { table.max < key });
    tables.get(at).filter(|table| table.min <= key).map(|table| table.id)
}
