//! Strategies with arbitrary settings; settings that are refused give none.

use arbitrary::Arbitrary;
use compaction_core::{
    AnySettings, AnyStrategyVec, BanditSettings, CompactionStrategy, EstimatorKind, FifoSettings, Full, Granularity,
    Layout, LeveledSettings, TieredSettings,
};

use crate::{Key, Size};

/// A strategy and its settings.
#[derive(Arbitrary, Clone, Debug)]
pub enum Settings {
    /// Never does anything.
    Idle,
    /// Merges everything.
    Full(Size),
    /// Size-tiered.
    Tiered(TieredSpec),
    /// Leveled, or lazy leveled.
    Leveled(LeveledSpec),
    /// Adaptive.
    Bandit(BanditSpec),
    /// First in, first out.
    Fifo {
        /// Cap on the tree.
        bytes_max: Option<Size>,
        /// Time to live.
        ttl_ms: Option<Size>,
    },
}

/// Settings of size-tiered compaction.
#[derive(Arbitrary, Clone, Debug)]
pub struct TieredSpec {
    size_ratio_ppm: Size,
    min_merge_width: u8,
    max_merge_width: Option<u8>,
    max_space_amp_pct: Size,
    table_bytes_max: Size,
    runs_max: Option<u8>,
    job_bytes_max: Option<Size>,
}

/// Settings of leveled compaction.
#[derive(Arbitrary, Clone, Debug)]
pub struct LeveledSpec {
    l0_runs_max: u8,
    base_bytes: Size,
    fanout: u8,
    levels_max: u8,
    table_bytes_max: Size,
    job_bytes_max: Option<Size>,
    flags: [bool; 3],
    tombstone_pct_max: u8,
    tombstone_age_ms_max: Option<Size>,
    ttl_ms: Option<Size>,
    runs_max: u8,
}

/// Settings of adaptive compaction.
#[derive(Arbitrary, Clone, Debug)]
pub struct BanditSpec {
    l0_runs_max: u8,
    table_bytes_max: Size,
    job_bytes_max: Option<Size>,
    intra_l0: bool,
    tombstone_pct_max: u8,
    tombstone_age_ms_max: Option<Size>,
    ttl_ms: Option<Size>,
    max_space_amp_pct: Size,
    slots_max: u8,
    cold_runs_max: u8,
    ucb: bool,
    ppm: [u32; 4],
}

impl Settings {
    /// As they are stored, or `None` when they are refused.
    pub fn stored(&self) -> Option<AnySettings> {
        let settings = match self {
            Self::Idle => AnySettings::Idle,
            Self::Full(table_bytes_max) => AnySettings::Full(Full { table_bytes_max: table_bytes_max.value() }),
            Self::Tiered(spec) => AnySettings::Tiered(spec.settings()),
            Self::Leveled(spec) => AnySettings::from(spec.settings()),
            Self::Bandit(spec) => AnySettings::Bandit(spec.settings()),
            Self::Fifo { bytes_max, ttl_ms } => {
                AnySettings::Fifo(FifoSettings { bytes_max: limit(*bytes_max), ttl_ms: limit(*ttl_ms) })
            }
        };
        settings.check().is_ok().then_some(settings)
    }

    /// Whether the strategy drops live data: a store under it is no map.
    pub fn forgets(&self) -> bool {
        match self {
            Self::Idle | Self::Full(_) | Self::Tiered(_) => false,
            Self::Leveled(spec) => spec.ttl_ms.is_some(),
            Self::Bandit(spec) => spec.ttl_ms.is_some(),
            Self::Fifo { .. } => true,
        }
    }

    /// The strategy, or `None` when its settings are refused.
    pub fn strategy(&self) -> Option<Box<dyn CompactionStrategy<Key>>> {
        Some(Box::new(AnyStrategyVec::<Key>::new(self.stored()?, Vec::new()).ok()?))
    }
}

/// No limit unless one is given.
fn limit(size: Option<Size>) -> u64 {
    size.map_or(u64::MAX, Size::value)
}

impl TieredSpec {
    fn settings(&self) -> TieredSettings {
        TieredSettings {
            size_ratio_ppm: self.size_ratio_ppm.value(),
            min_merge_width: u32::from(self.min_merge_width),
            max_merge_width: self.max_merge_width.map_or(u32::MAX, u32::from),
            max_space_amp_pct: self.max_space_amp_pct.value(),
            table_bytes_max: self.table_bytes_max.value(),
            runs_max: self.runs_max.map_or(u64::MAX, u64::from),
            job_bytes_max: limit(self.job_bytes_max),
        }
    }
}

impl LeveledSpec {
    fn settings(&self) -> LeveledSettings {
        let [dynamic, level, intra_l0] = self.flags;
        LeveledSettings {
            l0_runs_max: u32::from(self.l0_runs_max % 8),
            base_bytes: self.base_bytes.value(),
            fanout: u32::from(self.fanout),
            levels_max: self.levels_max % 9,
            table_bytes_max: self.table_bytes_max.value(),
            job_bytes_max: limit(self.job_bytes_max),
            dynamic,
            granularity: if level { Granularity::Level } else { Granularity::Table },
            tombstone_pct_max: u32::from(self.tombstone_pct_max),
            tombstone_age_ms_max: limit(self.tombstone_age_ms_max),
            ttl_ms: limit(self.ttl_ms),
            intra_l0,
            runs_max: u32::from(self.runs_max % 8),
        }
    }
}

impl BanditSpec {
    fn settings(&self) -> BanditSettings {
        let [epsilon, ucb_c, alpha, discount] = self.ppm.map(|ppm| u64::from(ppm) % 1_000_001);
        BanditSettings {
            l0_runs_max: u64::from(self.l0_runs_max % 8),
            table_bytes_max: self.table_bytes_max.value(),
            job_bytes_max: limit(self.job_bytes_max),
            intra_l0: self.intra_l0,
            tombstone_pct_max: u64::from(self.tombstone_pct_max),
            tombstone_age_ms_max: limit(self.tombstone_age_ms_max),
            ttl_ms: limit(self.ttl_ms),
            max_space_amp_pct: self.max_space_amp_pct.value(),
            slots_max: u32::from(self.slots_max),
            cold_runs_max: u32::from(self.cold_runs_max % 16),
            // What is left of fields that are drawn already chooses among more than two.
            estimator: if self.ucb {
                EstimatorKind::Ucb
            } else {
                EstimatorKind::ALL[alpha as usize % EstimatorKind::ALL.len()]
            },
            layout: Layout::ALL.get(discount as usize % 16).copied(),
            switch_ppm: 1 + discount % 1_000_000,
            rent_ppm: 1 + ucb_c * 2,
            variance_k_ppm: ucb_c,
            change_ppm: epsilon * 2,
            epsilon_ppm: epsilon,
            ucb_c_ppm: ucb_c * 4,
            alpha_ppm: alpha,
            discount_ppm: 500_000 + discount / 2,
        }
    }
}
