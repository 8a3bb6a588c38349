//! First in, first out: nothing is merged, the oldest tables are dropped.
//!
//! 1. What has outlived its time to live. 2. While the tree holds too many bytes: the oldest runs, as many as may go without
//!    leaving less than allowed; then, of the oldest run, the table whose newest entry is the oldest.
//!
//! Only tables wholly below the snapshot floor go.

use super::{CompactionStrategy, Search, clamp, expire};
use crate::config::ConfigError;
use crate::decision::{Decision, Rule};
use crate::version::{Run, Version};

/// Settings of [`Fifo`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FifoSettings {
    /// The most bytes the tree may hold; the oldest tables go. At least 1; `u64::MAX`: no limit.
    pub bytes_max: u64,
    /// Tables whose newest entry is this old, in milliseconds, are dropped. `u64::MAX`: never.
    pub ttl_ms: u64,
}

impl Default for FifoSettings {
    /// A cap of 1 GiB, as RocksDB's FIFO has, and no time to live.
    fn default() -> Self {
        Self { bytes_max: 1 << 30, ttl_ms: u64::MAX }
    }
}

/// First in, first out: a cache or a log that forgets.
///
/// ```
/// use compaction_core::{Choice, CompactionStrategy, Fifo, FifoSettings, Moment, Run, Table, Version};
/// let mut tables = [Table::new(1, 600, 0, 9), Table::new(2, 600, 0, 9)];
/// let runs = [Run::seal(0, 0, &mut tables[..1])?, Run::seal(0, 1, &mut tables[1..])?];
/// let version = Version::new(&runs, &tables)?;
/// let strategy = Fifo::new(FifoSettings { bytes_max: 1_000, ..Default::default() }).expect("a cap above 0");
/// let decision = strategy.choose(&version, &Moment::default());
/// assert!(matches!(decision.choice, Choice::Drop(job) if job.range() == (0..=0)));
/// # Ok::<(), compaction_core::TreeError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fifo {
    settings: FifoSettings,
}

impl Fifo {
    /// The stored name.
    pub const NAME: &'static str = "FifoCompaction";

    /// Checks the settings.
    ///
    /// # Errors
    /// A size cap of 0.
    pub fn new(settings: FifoSettings) -> Result<Self, ConfigError> {
        ConfigError::positive("bytes_max", settings.bytes_max)?;
        Ok(Self { settings })
    }

    /// The settings.
    #[must_use]
    pub fn settings(&self) -> FifoSettings {
        self.settings
    }

    fn shrink<K: Ord>(&self, search: &mut Search<'_, '_, K>) -> bool {
        let version = search.version;
        let floor = search.moment.snapshot_floor;
        let (bytes, max) = (version.bytes(), self.settings.bytes_max);
        let Some(mut spare) = bytes.checked_sub(u128::from(max)).filter(|spare| *spare > 0) else { return false };
        search.answer(Rule::SizeCap { bytes: clamp(bytes), max });
        let goes = |run: &&Run| {
            let rest = spare.checked_sub(u128::from(run.bytes()));
            spare = rest.unwrap_or(spare);
            rest.is_some() && run.is_below(floor)
        };
        if let Some(newest) = version.runs.iter().take_while(goes).count().checked_sub(1) {
            return expire::drop_runs(search, newest);
        }
        let stalest = version.runs.first().map_or(0, Run::stalest);
        version.tables.get(stalest).is_some_and(|table| table.below(floor)) && expire::drop_table(search, 0, stalest)
    }
}

impl<K: Ord> CompactionStrategy<K> for Fifo {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn decide(&self, search: &mut Search<'_, '_, K>) -> Decision {
        let _ = expire::expired(search, self.settings.ttl_ms) || self.shrink(search);
        search.conclude()
    }

    /// 0: nothing is ever rewritten.
    fn debt_bytes(&self, _: &Version<'_, K>) -> u64 {
        0
    }
}
