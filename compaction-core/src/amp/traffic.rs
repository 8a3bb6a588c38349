//! What went through a tree, counted from the events that strategies observe.

use super::Ratio;
use crate::decision::Work;
use crate::strategy::{Event, Outcome};

/// What jobs did that wrote to one level. Counts saturate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LevelTraffic {
    /// Merges.
    pub merges: u64,
    /// Moves, which write nothing.
    pub moves: u64,
    /// Bytes that merges read.
    pub bytes_read: u128,
    /// Bytes written: by merges, and into level 0 by flushes too.
    pub bytes_written: u128,
}

/// What went through a tree since counting began, by the level that was written to. Counts saturate.
///
/// The last of the `LEVELS` entries takes every deeper level too. Feed it the events that the strategy observes:
/// ```
/// use compaction_core::amp::{Milli, Traffic};
/// use compaction_core::{Event, Version};
/// let mut traffic: Traffic = Traffic::default();
/// let version = Version::<u32>::new(&[], &[])?;
/// traffic.observe(&Event::Flushed { version, now_ms: 0, bytes: 4_096 });
/// assert_eq!(traffic.write().map(|amp| amp.milli_ceil()), Some(Milli::ONE));
/// # Ok::<(), compaction_core::TreeError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Traffic<const LEVELS: usize = 8> {
    levels: [LevelTraffic; LEVELS],
    flushed: u128,
    drops: u64,
}

impl<const LEVELS: usize> Default for Traffic<LEVELS> {
    fn default() -> Self {
        Self { levels: [LevelTraffic::default(); LEVELS], flushed: 0, drops: 0 }
    }
}

impl<const LEVELS: usize> Traffic<LEVELS> {
    /// Counts what an event tells; aborted jobs and reads count nothing.
    pub fn observe<K>(&mut self, event: &Event<'_, K>) {
        match event {
            Event::Flushed { bytes, .. } => {
                let bytes = u128::from(*bytes);
                self.flushed = self.flushed.saturating_add(bytes);
                if let Some(level) = self.entry(0) {
                    level.bytes_written = level.bytes_written.saturating_add(bytes);
                }
            }
            Event::Done { outcome, .. } => self.done(outcome),
            Event::Aborted { .. } | Event::Reads(_) => {}
        }
    }

    fn done(&mut self, outcome: &Outcome) {
        if outcome.job.work() == Work::Drop {
            self.drops = self.drops.saturating_add(1);
            return;
        }
        let Some(level) = self.entry(outcome.job.level()) else { return };
        match outcome.job.work() {
            Work::Merge => {
                level.merges = level.merges.saturating_add(1);
                level.bytes_read = level.bytes_read.saturating_add(u128::from(outcome.bytes_read));
                level.bytes_written = level.bytes_written.saturating_add(u128::from(outcome.bytes_written));
            }
            Work::Move => level.moves = level.moves.saturating_add(1),
            Work::Drop => {}
        }
    }

    fn entry(&mut self, level: u8) -> Option<&mut LevelTraffic> {
        let last = LEVELS.checked_sub(1)?;
        self.levels.get_mut(usize::from(level).min(last))
    }

    /// What was counted for each level; the last entry stands for every deeper level too.
    #[must_use]
    pub fn levels(&self) -> &[LevelTraffic; LEVELS] {
        &self.levels
    }

    /// Bytes flushed, to which all amplification is relative.
    #[must_use]
    pub fn bytes_flushed(&self) -> u128 {
        self.flushed
    }

    /// Jobs that dropped tables.
    #[must_use]
    pub fn drops(&self) -> u64 {
        self.drops
    }

    /// Write amplification: bytes written by flushes and merges per byte flushed; `None` before the first flush.
    #[must_use]
    pub fn write(&self) -> Option<Ratio> {
        Ratio::new(self.sum(|level| level.bytes_written), self.flushed)
    }

    /// The share of `level` in [`write`](Self::write); the shares of all levels add up to it. `None` also beyond the last level
    /// that is counted apart.
    #[must_use]
    pub fn level_write(&self, level: u8) -> Option<Ratio> {
        Ratio::new(self.levels.get(usize::from(level))?.bytes_written, self.flushed)
    }

    /// Bytes that merges read per byte flushed; `None` before the first flush.
    #[must_use]
    pub fn merge_read(&self) -> Option<Ratio> {
        Ratio::new(self.sum(|level| level.bytes_read), self.flushed)
    }

    fn sum(&self, bytes: impl Fn(&LevelTraffic) -> u128) -> u128 {
        self.levels.iter().map(bytes).fold(0, u128::saturating_add)
    }
}
