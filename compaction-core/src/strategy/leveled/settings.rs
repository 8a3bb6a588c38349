//! What a user may set, and what is refused.

use crate::config::ConfigError;

/// How much of a level one job takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Granularity {
    /// One table and what it overlaps below: many small jobs.
    #[default]
    Table,
    /// The whole level, where the cap on a job allows it: few large jobs.
    Level,
}

/// Settings of [`Leveled`](super::Leveled).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeveledSettings {
    /// The most runs of level 0 that may stand. At least 1.
    pub l0_runs_max: u32,
    /// Target of the shallowest level below level 0, in bytes; of each of its runs, where it may have several. At least 1.
    pub base_bytes: u64,
    /// How many times a level's target exceeds that of the level above. At least 2.
    pub fanout: u32,
    /// Number of levels, level 0 counted: 2 to [`LEVELS_MAX`](Self::LEVELS_MAX).
    pub levels_max: u8,
    /// Output tables are cut at this many bytes. At least 1.
    pub table_bytes_max: u64,
    /// Cap on the input bytes of a job. At least 1; `u64::MAX`: none.
    pub job_bytes_max: u64,
    /// Whether targets follow the size of the deepest level; otherwise they are counted down from `base_bytes`.
    pub dynamic: bool,
    /// How much of a level one job takes.
    pub granularity: Granularity,
    /// The most tombstones that a table may hold, in percent of its entries. 100 and above: no limit.
    pub tombstone_pct_max: u32,
    /// The age in milliseconds that a tombstone may reach. `u64::MAX`: no limit.
    pub tombstone_age_ms_max: u64,
    /// Tables whose newest entry is this old, in milliseconds, are dropped. `u64::MAX`: never.
    pub ttl_ms: u64,
    /// Whether runs of level 0 may be merged where they are when the way down is barred.
    pub intra_l0: bool,
    /// The most runs of each level between level 0 and the deepest one. At least 1; 1 is leveled, `fanout - 1` is tiered
    /// above and leveled at the bottom.
    pub runs_max: u32,
}

impl LeveledSettings {
    /// The most levels there may be.
    pub const LEVELS_MAX: u8 = 32;

    /// Lazy leveling: several runs in every level but the deepest, which has one. Merges less, reads more.
    ///
    /// Jobs have no cap: all runs of a level merge at once, as tiering does. Under a cap that is smaller than a level they go
    /// down one by one, and each of them rewrites the deepest level.
    ///
    /// Source: Dayan and Idreos, "Dostoevsky", SIGMOD 2018.
    #[must_use]
    pub fn lazy() -> Self {
        let leveled = Self::default();
        Self { runs_max: leveled.fanout.saturating_sub(1), job_bytes_max: u64::MAX, ..leveled }
    }

    /// The name under which the settings are stored: [`Leveled::NAME`](super::Leveled::NAME), or
    /// [`Leveled::LAZY_NAME`](super::Leveled::LAZY_NAME) when a level may have several runs.
    #[must_use]
    pub fn name(&self) -> &'static str {
        if self.runs_max > 1 { super::Leveled::LAZY_NAME } else { super::Leveled::NAME }
    }

    /// What the level above one of `bytes` bytes may hold.
    pub(super) fn shrunk(&self, bytes: u64) -> u64 {
        bytes.checked_div(self.fanout.into()).unwrap_or(0)
    }

    /// Refuses what no tree can be shaped by.
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        ConfigError::positive("l0_runs_max", self.l0_runs_max.into())?;
        ConfigError::positive("base_bytes", self.base_bytes)?;
        ConfigError::within("fanout", self.fanout.into(), 2, u32::MAX.into())?;
        ConfigError::within("levels_max", self.levels_max.into(), 2, Self::LEVELS_MAX.into())?;
        ConfigError::positive("table_bytes_max", self.table_bytes_max)?;
        ConfigError::positive("job_bytes_max", self.job_bytes_max)?;
        ConfigError::positive("runs_max", self.runs_max.into())
    }
}

impl Default for LeveledSettings {
    /// The usual values of RocksDB, whose cap on a job is 25 tables.
    fn default() -> Self {
        Self {
            l0_runs_max: 4,
            base_bytes: 256 << 20,
            fanout: 10,
            levels_max: 7,
            table_bytes_max: 64 << 20,
            job_bytes_max: 25 * (64 << 20),
            dynamic: true,
            granularity: Granularity::Table,
            tombstone_pct_max: 50,
            tombstone_age_ms_max: u64::MAX,
            ttl_ms: u64::MAX,
            intra_l0: true,
            runs_max: 1,
        }
    }
}
