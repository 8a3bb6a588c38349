//! Settings of the bandit.

use super::super::PPM;
use super::layout::Layout;
use crate::config::ConfigError;

/// The kinds of estimators with their stored names.
macro_rules! kinds {
    ($($(#[$about:meta])+ $kind:ident = $name:literal,)+) => {
        /// Which estimator scores the slots.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum EstimatorKind {
            $($(#[$about])+ #[doc = concat!("Stored name `", $name, "`.")] $kind,)+
        }

        impl EstimatorKind {
            /// All of them.
            pub const ALL: [Self; [$($name),+].len()] = [$(Self::$kind),+];

            /// The stored name.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$kind => $name),+
                }
            }
        }
    };
}

kinds! {
    /// Upper confidence bound: mean reward and a bonus for what is little known.
    #[default]
    Ucb = "ucb",
    /// The mean reward alone.
    Greedy = "greedy",
    /// The mean reward, and random picks the more often the more rewards vary.
    Variance = "variance",
    /// Thompson sampling.
    Thompson = "thompson",
    /// A linear model over heat, runs, size, traffic and pressure.
    Contextual = "contextual",
}

impl EstimatorKind {
    /// The one with this stored name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// Settings of the adaptive strategy. Ratios are in parts per million.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BanditSettings {
    /// The most runs that may stand in level 0.
    pub l0_runs_max: u64,
    /// Output tables are cut at this many bytes.
    pub table_bytes_max: u64,
    /// Cap on the input bytes of a job. `u64::MAX`: none.
    pub job_bytes_max: u64,
    /// Whether the newest runs of level 0 are merged where they are when the way down is barred.
    pub intra_l0: bool,
    /// The share of tombstones, in percent of a table's entries, and of the older entries that it meets, above which it is merged to
    /// the bottom; 100 and more: off.
    pub tombstone_pct_max: u64,
    /// The age of a tombstone, in milliseconds, above which its table is merged to the bottom. `u64::MAX`: off.
    pub tombstone_age_ms_max: u64,
    /// The time to live in milliseconds: tables that hold only older entries are dropped. `u64::MAX`: off.
    pub ttl_ms: u64,
    /// By how many percent the newer runs of all slots, and as many entries of the oldest as there are tombstones in them, may
    /// outweigh the rest. `u64::MAX`: without limit.
    pub max_space_amp_pct: u64,
    /// The most slots that the key range is cut into; the storage may hold fewer.
    pub slots_max: u32,
    /// The most runs that a slot may have, however seldom it is read.
    pub cold_runs_max: u32,
    /// How the scheduler scores a slot.
    pub estimator: EstimatorKind,
    /// The layout of every slot; `None`: for each slot the one that costs least at what is read and written there.
    pub layout: Option<Layout>,
    /// A slot changes its layout only for one that costs at most this share of the present one.
    pub switch_ppm: u64,
    /// Reads must have paid this share of what a merge costs, beyond what the layout was chosen for, before it is made for their sake
    /// alone; `u64::MAX`: never.
    pub rent_ppm: u64,
    /// How often any slot is picked instead of the best. Off by default: merges of one flush are all done whatever their order, and a
    /// pick at random finds nothing ready. The literature has 0.1, for loads that change fast 0.15 to 0.2.
    pub epsilon_ppm: u64,
    /// Weight of the bonus for what is little known.
    pub ucb_c_ppm: u64,
    /// Weight of a new reward in a slot's mean.
    pub alpha_ppm: u64,
    /// What a pick is still worth, in the scores, one pick later; 1 000 000: nothing is forgotten.
    pub discount_ppm: u64,
    /// What a unit of variance of the rewards adds to epsilon, for the estimator `variance`.
    pub variance_k_ppm: u64,
    /// Rewards that deviate one way by so much in all are a change, after which the slot's past counts little; 0: off.
    pub change_ppm: u64,
}

impl BanditSettings {
    /// The name under which the settings are stored.
    pub const NAME: &'static str = "BanditCompaction";
    /// The largest `cold_runs_max`.
    pub const COLD_RUNS_MAX: u32 = 1_024;
    /// The largest `slots_max`.
    pub const SLOTS_MAX: u32 = 65_536;
    /// The largest `ucb_c_ppm`: a bonus a thousand times the largest reward.
    pub const UCB_C_PPM_MAX: u64 = 1_000 * PPM;
    /// The least `discount_ppm`: half.
    pub const DISCOUNT_PPM_MIN: u64 = PPM / 2;

    /// Checks the settings as a whole.
    ///
    /// # Errors
    /// The first setting that lies outside what makes sense.
    pub fn check(&self) -> Result<(), ConfigError> {
        ConfigError::positive("l0_runs_max", self.l0_runs_max)?;
        ConfigError::positive("table_bytes_max", self.table_bytes_max)?;
        ConfigError::positive("job_bytes_max", self.job_bytes_max)?;
        ConfigError::within("slots_max", self.slots_max.into(), 1, Self::SLOTS_MAX.into())?;
        ConfigError::within("cold_runs_max", self.cold_runs_max.into(), 1, Self::COLD_RUNS_MAX.into())?;
        self.layout.map_or(Ok(()), Layout::check)?;
        ConfigError::within("switch_ppm", self.switch_ppm, 1, PPM)?;
        ConfigError::positive("rent_ppm", self.rent_ppm)?;
        ConfigError::within("epsilon_ppm", self.epsilon_ppm, 0, PPM)?;
        ConfigError::within("ucb_c_ppm", self.ucb_c_ppm, 0, Self::UCB_C_PPM_MAX)?;
        ConfigError::within("alpha_ppm", self.alpha_ppm, 1, PPM)?;
        ConfigError::within("variance_k_ppm", self.variance_k_ppm, 0, Self::UCB_C_PPM_MAX)?;
        ConfigError::within("change_ppm", self.change_ppm, 0, Self::UCB_C_PPM_MAX)?;
        ConfigError::within("discount_ppm", self.discount_ppm, Self::DISCOUNT_PPM_MIN, PPM)
    }
}

impl Default for BanditSettings {
    fn default() -> Self {
        let table_bytes_max = 64 << 20;
        Self {
            l0_runs_max: 4,
            table_bytes_max,
            job_bytes_max: 25 * table_bytes_max,
            intra_l0: true,
            tombstone_pct_max: 50,
            tombstone_age_ms_max: u64::MAX,
            ttl_ms: u64::MAX,
            max_space_amp_pct: 100,
            slots_max: 16,
            cold_runs_max: 128,
            estimator: EstimatorKind::Ucb,
            layout: None,
            switch_ppm: 9 * (PPM / 10),
            rent_ppm: 2 * (PPM / 5),
            epsilon_ppm: 0,
            ucb_c_ppm: 2 * PPM,
            alpha_ppm: PPM / 10,
            discount_ppm: PPM,
            variance_k_ppm: PPM,
            change_ppm: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_those_of_the_literature_but_for_picks_at_random() {
        let settings = BanditSettings::default();
        assert_eq!(settings.check(), Ok(()));
        assert_eq!((settings.ucb_c_ppm, settings.alpha_ppm, settings.epsilon_ppm), (2_000_000, 100_000, 0));
    }

    #[test]
    fn each_setting_out_of_range_is_named() {
        let good = BanditSettings::default();
        let cases = [
            (BanditSettings { l0_runs_max: 0, ..good }, "l0_runs_max"),
            (BanditSettings { table_bytes_max: 0, ..good }, "table_bytes_max"),
            (BanditSettings { job_bytes_max: 0, ..good }, "job_bytes_max"),
            (BanditSettings { slots_max: 0, ..good }, "slots_max"),
            (BanditSettings { cold_runs_max: 0, ..good }, "cold_runs_max"),
            (BanditSettings { cold_runs_max: 1_025, ..good }, "cold_runs_max"),
            (BanditSettings { layout: Some(Layout::Tiered(1)), ..good }, "layout tiered"),
            (BanditSettings { epsilon_ppm: PPM + 1, ..good }, "epsilon_ppm"),
            (BanditSettings { ucb_c_ppm: u64::MAX, ..good }, "ucb_c_ppm"),
            (BanditSettings { alpha_ppm: 0, ..good }, "alpha_ppm"),
            (BanditSettings { discount_ppm: PPM + 1, ..good }, "discount_ppm"),
            (BanditSettings { switch_ppm: 0, ..good }, "switch_ppm"),
            (BanditSettings { rent_ppm: 0, ..good }, "rent_ppm"),
            (BanditSettings { variance_k_ppm: u64::MAX, ..good }, "variance_k_ppm"),
            (BanditSettings { change_ppm: u64::MAX, ..good }, "change_ppm"),
        ];
        for (settings, expected) in cases {
            let found = settings.check();
            assert!(
                matches!(found, Err(ConfigError::OutOfRange { name, .. }) if name == expected),
                "{expected}: {found:?}"
            );
        }
    }

    #[test]
    fn every_scoring_is_found_by_its_name() {
        for kind in EstimatorKind::ALL {
            assert_eq!(EstimatorKind::from_name(kind.name()), Some(kind));
        }
        assert_eq!(EstimatorKind::from_name("gut"), None);
    }
}
