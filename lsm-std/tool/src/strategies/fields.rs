//! The fields of a strategy object, by strategy. A missing or null one means the default.
//!
//! Counts that the core keeps in 32 bits are clamped to that: a threshold of four thousand million runs is never reached.

use compaction_core::{
    AnySettings, BanditSettings, EstimatorKind, FifoSettings, Granularity, Layout, LeveledSettings, TieredSettings,
};
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::plan::Refusal;

/// Fields of `tiered`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TieredIn {
    #[serde(rename = "name")]
    _name: IgnoredAny,
    size_ratio: Option<f64>,
    min_merge_width: Option<u64>,
    max_merge_width: Option<u64>,
    max_space_amp_pct: Option<u64>,
    table_bytes_max: Option<u64>,
    runs_max: Option<u64>,
    job_bytes_max: Option<u64>,
}

/// Fields of `leveled` and, with `runs_max`, of `lazy`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeveledIn {
    #[serde(rename = "name")]
    _name: IgnoredAny,
    l0_runs_max: Option<u64>,
    base_bytes: Option<u64>,
    fanout: Option<u64>,
    levels_max: Option<u8>,
    table_bytes_max: Option<u64>,
    job_bytes_max: Option<u64>,
    dynamic: Option<bool>,
    granularity: Option<GranularityIn>,
    tombstone_pct_max: Option<u64>,
    tombstone_age_ms_max: Option<u64>,
    ttl_ms: Option<u64>,
    intra_l0: Option<bool>,
    runs_max: Option<u64>,
}

/// Fields of `fifo`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FifoIn {
    #[serde(rename = "name")]
    _name: IgnoredAny,
    bytes_max: Option<u64>,
    ttl_ms: Option<u64>,
}

/// Fields of `bandit`: those of `leveled`, and its own.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BanditIn {
    #[serde(rename = "name")]
    _name: IgnoredAny,
    l0_runs_max: Option<u64>,
    base_bytes: Option<u64>,
    fanout: Option<u64>,
    levels_max: Option<u8>,
    table_bytes_max: Option<u64>,
    job_bytes_max: Option<u64>,
    #[serde(rename = "dynamic")]
    _dynamic: Option<bool>,
    #[serde(rename = "granularity")]
    _granularity: Option<GranularityIn>,
    tombstone_pct_max: Option<u64>,
    tombstone_age_ms_max: Option<u64>,
    ttl_ms: Option<u64>,
    intra_l0: Option<bool>,
    max_space_amp_pct: Option<u64>,
    slots_max: Option<u64>,
    cold_runs_max: Option<u64>,
    estimator: Option<String>,
    layout: Option<String>,
    switch: Option<f64>,
    rent: Option<f64>,
    variance_k: Option<f64>,
    change: Option<f64>,
    epsilon: Option<f64>,
    ucb_c: Option<f64>,
    alpha: Option<f64>,
    discount: Option<f64>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum GranularityIn {
    Table,
    Level,
}

fn narrow(given: Option<u64>, default: u32) -> u32 {
    given.map_or(default, |value| u32::try_from(value).unwrap_or(u32::MAX))
}

impl From<TieredIn> for TieredSettings {
    fn from(given: TieredIn) -> Self {
        let default = Self::default();
        Self {
            size_ratio_ppm: given.size_ratio.map_or(default.size_ratio_ppm, Self::ppm_of_ratio),
            min_merge_width: narrow(given.min_merge_width, default.min_merge_width),
            max_merge_width: narrow(given.max_merge_width, default.max_merge_width),
            max_space_amp_pct: given.max_space_amp_pct.unwrap_or(default.max_space_amp_pct),
            table_bytes_max: given.table_bytes_max.unwrap_or(default.table_bytes_max),
            runs_max: given.runs_max.unwrap_or(default.runs_max),
            job_bytes_max: given.job_bytes_max.unwrap_or(default.job_bytes_max),
        }
    }
}

impl LeveledIn {
    /// The settings of `leveled`.
    ///
    /// # Errors
    /// `runs_max`, which only `lazy` has.
    pub fn leveled(self) -> Result<LeveledSettings, Refusal> {
        if self.runs_max.is_some() {
            return Err(Refusal::new("known-fields", [], "strategy: runs_max is a setting of lazy, not of leveled"));
        }
        Ok(self.over(LeveledSettings::default()))
    }

    /// The settings of `lazy`: without `runs_max`, one less than the fanout.
    pub fn lazy(self) -> LeveledSettings {
        let given = self.runs_max;
        let settings = self.over(LeveledSettings::lazy());
        LeveledSettings { runs_max: narrow(given, settings.fanout.saturating_sub(1).max(1)), ..settings }
    }

    fn over(self, default: LeveledSettings) -> LeveledSettings {
        LeveledSettings {
            l0_runs_max: narrow(self.l0_runs_max, default.l0_runs_max),
            base_bytes: self.base_bytes.unwrap_or(default.base_bytes),
            fanout: narrow(self.fanout, default.fanout),
            levels_max: self.levels_max.unwrap_or(default.levels_max),
            table_bytes_max: self.table_bytes_max.unwrap_or(default.table_bytes_max),
            job_bytes_max: self.job_bytes_max.unwrap_or(default.job_bytes_max),
            dynamic: self.dynamic.unwrap_or(default.dynamic),
            granularity: match self.granularity {
                Some(GranularityIn::Table) => Granularity::Table,
                Some(GranularityIn::Level) => Granularity::Level,
                None => default.granularity,
            },
            tombstone_pct_max: narrow(self.tombstone_pct_max, default.tombstone_pct_max),
            tombstone_age_ms_max: self.tombstone_age_ms_max.unwrap_or(default.tombstone_age_ms_max),
            ttl_ms: self.ttl_ms.unwrap_or(default.ttl_ms),
            intra_l0: self.intra_l0.unwrap_or(default.intra_l0),
            runs_max: default.runs_max,
        }
    }
}

impl From<FifoIn> for FifoSettings {
    fn from(given: FifoIn) -> Self {
        let default = Self::default();
        Self { bytes_max: given.bytes_max.unwrap_or(default.bytes_max), ttl_ms: given.ttl_ms.unwrap_or(default.ttl_ms) }
    }
}

impl BanditIn {
    /// The settings.
    ///
    /// # Errors
    /// An estimator that does not exist, a share that is not a number of millionths.
    pub fn bandit(self) -> Result<BanditSettings, Refusal> {
        let default = BanditSettings::default();
        self.check_unused()?;
        let estimator = match self.estimator {
            Some(name) => EstimatorKind::from_name(&name).ok_or_else(|| unknown_estimator(&name))?,
            None => default.estimator,
        };
        let layout = match self.layout.as_deref() {
            None | Some("auto") => None,
            Some(name) => Some(Layout::from_name(name).ok_or_else(|| unknown_layout(name))?),
        };
        Ok(BanditSettings {
            l0_runs_max: self.l0_runs_max.unwrap_or(default.l0_runs_max),
            table_bytes_max: self.table_bytes_max.unwrap_or(default.table_bytes_max),
            job_bytes_max: self.job_bytes_max.unwrap_or(default.job_bytes_max),
            intra_l0: self.intra_l0.unwrap_or(default.intra_l0),
            tombstone_pct_max: self.tombstone_pct_max.unwrap_or(default.tombstone_pct_max),
            tombstone_age_ms_max: self.tombstone_age_ms_max.unwrap_or(default.tombstone_age_ms_max),
            ttl_ms: self.ttl_ms.unwrap_or(default.ttl_ms),
            max_space_amp_pct: self.max_space_amp_pct.unwrap_or(default.max_space_amp_pct),
            slots_max: narrow(self.slots_max, default.slots_max),
            cold_runs_max: narrow(self.cold_runs_max, default.cold_runs_max),
            estimator,
            layout,
            switch_ppm: ppm("switch", self.switch, default.switch_ppm)?,
            rent_ppm: ppm("rent", self.rent, default.rent_ppm)?,
            epsilon_ppm: ppm("epsilon", self.epsilon, default.epsilon_ppm)?,
            ucb_c_ppm: ppm("ucb_c", self.ucb_c, default.ucb_c_ppm)?,
            alpha_ppm: ppm("alpha", self.alpha, default.alpha_ppm)?,
            discount_ppm: ppm("discount", self.discount, default.discount_ppm)?,
            variance_k_ppm: ppm("variance_k", self.variance_k, default.variance_k_ppm)?,
            change_ppm: ppm("change", self.change, default.change_ppm)?,
        })
    }
}

impl BanditIn {
    /// What has no effect must make sense all the same.
    fn check_unused(&self) -> Result<(), Refusal> {
        let default = LeveledSettings::default();
        let unused = LeveledSettings {
            base_bytes: self.base_bytes.unwrap_or(default.base_bytes),
            fanout: narrow(self.fanout, default.fanout),
            levels_max: self.levels_max.unwrap_or(default.levels_max),
            ..default
        };
        Ok(AnySettings::Leveled(unused).check()?)
    }
}

fn unknown_layout(name: &str) -> Refusal {
    let known: Vec<&str> = Layout::ALL.iter().map(|layout| layout.name()).collect();
    Refusal::new("values", [], format!("strategy: layout {name:?} is none of auto, {}", known.join(", ")))
}

fn unknown_estimator(name: &str) -> Refusal {
    let known: Vec<&str> = EstimatorKind::ALL.iter().map(|kind| kind.name()).collect();
    Refusal::new("values", [], format!("strategy: estimator {name:?} is none of {}", known.join(", ")))
}

fn ppm(name: &str, given: Option<f64>, default: u64) -> Result<u64, Refusal> {
    match given {
        None => Ok(default),
        Some(share) if (0.0..=1e9).contains(&share) => Ok((share * 1e6).round() as u64),
        Some(share) => Err(Refusal::new("values", [], format!("strategy: {name} is {share}, must be 0 to 10^9"))),
    }
}
