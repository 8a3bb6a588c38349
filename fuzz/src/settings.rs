//! Strategies with arbitrary settings; settings that are refused give none.

use arbitrary::Arbitrary;
use compaction_core::{AnySettings, CompactionStrategy, Full, Idle, Tiered, TieredSettings};

use crate::{Key, Size};

/// A strategy and its settings.
#[derive(Arbitrary, Clone, Debug)]
pub enum Settings {
    /// Never does anything.
    Idle,
    /// Merges everything.
    Full(Size),
    /// Size-tiered.
    Tiered {
        /// In parts per million.
        size_ratio_ppm: Size,
        /// Least width.
        min_merge_width: u8,
        /// Most, or unlimited.
        max_merge_width: Option<u8>,
        /// Space trigger.
        max_space_amp_pct: Size,
        /// Cut of outputs.
        table_bytes_max: Size,
        /// Cap on runs.
        runs_max: Option<u8>,
        /// Cap on a job.
        job_bytes_max: Option<Size>,
    },
}

impl Settings {
    /// As they are stored, or `None` when they are refused.
    pub fn stored(&self) -> Option<AnySettings> {
        let settings = match self {
            Self::Idle => AnySettings::Idle,
            Self::Full(table_bytes_max) => AnySettings::Full(Full { table_bytes_max: table_bytes_max.value() }),
            Self::Tiered {
                size_ratio_ppm,
                min_merge_width,
                max_merge_width,
                max_space_amp_pct,
                table_bytes_max,
                runs_max,
                job_bytes_max,
            } => AnySettings::Tiered(TieredSettings {
                size_ratio_ppm: size_ratio_ppm.value(),
                min_merge_width: u32::from(*min_merge_width),
                max_merge_width: max_merge_width.map_or(u32::MAX, u32::from),
                max_space_amp_pct: max_space_amp_pct.value(),
                table_bytes_max: table_bytes_max.value(),
                runs_max: runs_max.map_or(u64::MAX, u64::from),
                job_bytes_max: job_bytes_max.map_or(u64::MAX, Size::value),
            }),
        };
        settings.check().is_ok().then_some(settings)
    }

    /// The strategy, or `None` when its settings are refused.
    pub fn strategy(&self) -> Option<Box<dyn CompactionStrategy<Key>>> {
        Some(match self.stored()? {
            AnySettings::Idle => Box::new(Idle),
            AnySettings::Full(full) => Box::new(full),
            AnySettings::Tiered(settings) => Box::new(Tiered::new(settings).ok()?),
            _ => return None,
        })
    }
}
