//! Leveled compaction, and the layouts between leveled and tiered.

mod settings;

use super::{CompactionStrategy, Search};
use crate::config::ConfigError;
use crate::decision::Decision;
use crate::version::Version;

pub use settings::{Granularity, LeveledSettings};

/// Leveled compaction. See the [module](self) for the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leveled {
    settings: LeveledSettings,
}

impl Leveled {
    /// The stored name of the leveled layout.
    pub const NAME: &'static str = "LeveledCompaction";
    /// The stored name of layouts with several runs in a level.
    pub const LAZY_NAME: &'static str = "LazyLeveledCompaction";

    /// Checks the settings as a whole.
    ///
    /// # Errors
    /// The setting that no tree can be shaped by.
    pub fn new(settings: LeveledSettings) -> Result<Self, ConfigError> {
        settings.check()?;
        Ok(Self { settings })
    }

    /// The settings.
    #[must_use]
    pub fn settings(&self) -> LeveledSettings {
        self.settings
    }
}

impl<K: Ord> CompactionStrategy<K> for Leveled {
    fn name(&self) -> &'static str {
        self.settings.name()
    }

    fn decide(&self, search: &mut Search<'_, '_, K>) -> Decision {
        search.wait()
    }

    fn debt_bytes(&self, _: &Version<'_, K>) -> u64 {
        0
    }
}
