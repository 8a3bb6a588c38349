//! First in, first out: nothing is merged, the oldest tables are dropped.

use super::{CompactionStrategy, Search};
use crate::config::ConfigError;
use crate::decision::Decision;
use crate::version::Version;

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
}

impl<K: Ord> CompactionStrategy<K> for Fifo {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn decide(&self, search: &mut Search<'_, '_, K>) -> Decision {
        search.wait()
    }

    fn debt_bytes(&self, _: &Version<'_, K>) -> u64 {
        0
    }
}
