//! What the simulated store reports of itself.

use super::{SimCounts, SimError, SimLevel, SimReport, SimSample, Simulation};
use crate::strategy::{CompactionStrategy, clamp};

impl<S: CompactionStrategy<u32>> Simulation<S> {
    /// Notes that `bytes` were written to `level`, by a merge or by a flush.
    pub(super) fn wrote(&mut self, level: u8, bytes: u64, merges: u64) {
        self.change_level(level, |entry| {
            entry.written_bytes = entry.written_bytes.saturating_add(bytes);
            entry.merges = entry.merges.saturating_add(merges);
        });
    }

    fn change_level(&mut self, level: u8, change: impl FnOnce(&mut SimLevel)) {
        let levels = &mut self.report.levels;
        let known = u8::try_from(levels.len()).unwrap_or(u8::MAX);
        levels.extend((known..=level).map(|level| SimLevel { level, ..SimLevel::default() }));
        if let Some(entry) = levels.get_mut(usize::from(level)) {
            change(entry);
        }
    }

    /// What has been counted so far.
    #[must_use]
    pub fn counts(&self) -> SimCounts {
        self.counts
    }

    /// Notes the present state for the report.
    pub fn sample(&mut self) {
        let version = self.tree.view();
        let wide = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        let shape = |level| (clamp(version.level_bytes(level)), wide(version.level_runs(level).len()));
        let levels = (0..=version.deepest()).filter(|_| !version.runs().is_empty());
        let (level_bytes, level_runs) = levels.map(shape).unzip();
        let sample = SimSample {
            counts: self.counts,
            live_bytes: self.live_bytes(),
            table_bytes: self.table_bytes(),
            runs: wide(version.runs().len()),
            level_bytes,
            level_runs,
        };
        self.report.samples.push(sample);
    }

    /// Flushes what is left, lets the strategy come to rest, and answers with what was counted.
    ///
    /// # Errors
    /// As [`put`](Self::put).
    pub fn finish(mut self) -> Result<SimReport, SimError> {
        let writes = self.memory.freeze();
        if !writes.is_empty() {
            self.flush(writes)?;
        }
        self.work()?;
        self.sample();
        for level in 0..=self.tree.view().deepest() {
            let version = self.tree.view();
            let runs = version.level_runs(level);
            let tables = runs.clone().map(|run| version.run_tables(run).len()).fold(0, usize::saturating_add);
            let (bytes, runs) = (clamp(version.level_bytes(level)), runs.len());
            self.change_level(level, |entry| {
                entry.bytes = bytes;
                entry.runs = u64::try_from(runs).unwrap_or(u64::MAX);
                entry.tables = u64::try_from(tables).unwrap_or(u64::MAX);
            });
        }
        self.report.debt_bytes = self.strategy.debt_bytes(&self.tree.view());
        self.report.stalls = self.channel.stalls();
        Ok(self.report)
    }
}
