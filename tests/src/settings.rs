//! Settings of any strategy in text: a name, and `setting=value` for what differs from the default.

use compaction_core::{
    AnySettings, BanditSettings, EstimatorKind, FifoSettings, Full, Granularity, LeveledSettings, TieredSettings,
};

use crate::drawn::number;

/// One of each strategy, with settings small enough that a few hundred flushes of a kilobyte make every rule fire.
pub const EACH: [(&str, &str); 8] = [
    ("tiered", "tiered runs_max=12 table_bytes_max=2000"),
    ("leveled", "leveled base_bytes=8000 fanout=4 levels_max=5 table_bytes_max=2000 job_bytes_max=40000 ttl_ms=400000"),
    (
        "static",
        "leveled dynamic=false granularity=level base_bytes=8000 fanout=4 levels_max=4 table_bytes_max=2000 \
         job_bytes_max=40000 tombstone_pct_max=30 tombstone_age_ms_max=50000",
    ),
    ("lazy", "lazy base_bytes=16000 fanout=4 runs_max=2 levels_max=5 table_bytes_max=2000 job_bytes_max=60000"),
    ("bandit", "bandit table_bytes_max=2000 job_bytes_max=40000 slots_max=16 cold_runs_max=4"),
    ("fifo", "fifo bytes_max=70000 ttl_ms=50000"),
    ("idle", "idle"),
    ("full", "full table_bytes_max=2000"),
];

/// Assigns the settings that are plain numbers.
macro_rules! assign {
    ($settings:ident, $name:expr, $value:expr, [$($field:ident),* $(,)?]) => {
        match $name {
            $(stringify!($field) => {
                $settings.$field = number($value)
                    .map(|value| value.try_into().unwrap_or(!0))
                    .ok_or_else(|| format!("{} is not a number: {}", $name, $value))?;
            })*
            _ => return Err(format!("unknown setting {}", $name)),
        }
    };
}

/// Reads `name setting=value ..`.
///
/// # Errors
/// What is not known, or not a number.
pub fn parse(text: &str) -> Result<AnySettings, String> {
    let mut words = text.split_whitespace();
    let name = words.next().ok_or("a strategy has a name")?;
    let pairs: Vec<(&str, &str)> =
        words.map(|word| word.split_once('=').ok_or(format!("not a setting: {word}"))).collect::<Result<_, _>>()?;
    match name {
        "idle" => Ok(AnySettings::Idle),
        "full" => {
            let mut full = Full { table_bytes_max: 64 << 20 };
            for (name, value) in pairs {
                assign!(full, name, value, [table_bytes_max]);
            }
            Ok(AnySettings::Full(full))
        }
        "tiered" => {
            let mut settings = TieredSettings::default();
            for (name, value) in pairs {
                assign!(
                    settings,
                    name,
                    value,
                    [
                        size_ratio_ppm,
                        min_merge_width,
                        max_merge_width,
                        max_space_amp_pct,
                        table_bytes_max,
                        runs_max,
                        job_bytes_max,
                    ]
                );
            }
            Ok(AnySettings::Tiered(settings))
        }
        "leveled" => leveled(LeveledSettings::default(), &pairs).map(AnySettings::Leveled),
        "lazy" => leveled(LeveledSettings::lazy(), &pairs).map(AnySettings::Lazy),
        "bandit" => bandit(&pairs).map(AnySettings::Bandit),
        "fifo" => {
            let mut settings = FifoSettings::default();
            for (name, value) in pairs {
                assign!(settings, name, value, [bytes_max, ttl_ms]);
            }
            Ok(AnySettings::Fifo(settings))
        }
        _ => Err(format!("unknown strategy {name}")),
    }
}

fn leveled(mut settings: LeveledSettings, pairs: &[(&str, &str)]) -> Result<LeveledSettings, String> {
    for (name, value) in pairs {
        match (*name, *value) {
            ("dynamic", value) => settings.dynamic = value == "true",
            ("intra_l0", value) => settings.intra_l0 = value == "true",
            ("granularity", "table") => settings.granularity = Granularity::Table,
            ("granularity", "level") => settings.granularity = Granularity::Level,
            (name, value) => assign!(
                settings,
                name,
                value,
                [
                    l0_runs_max,
                    base_bytes,
                    fanout,
                    levels_max,
                    table_bytes_max,
                    job_bytes_max,
                    tombstone_pct_max,
                    tombstone_age_ms_max,
                    ttl_ms,
                    runs_max,
                ]
            ),
        }
    }
    Ok(settings)
}

fn bandit(pairs: &[(&str, &str)]) -> Result<BanditSettings, String> {
    let mut settings = BanditSettings::default();
    for (name, value) in pairs {
        match (*name, *value) {
            ("intra_l0", value) => settings.intra_l0 = value == "true",
            ("estimator", value) => {
                settings.estimator = EstimatorKind::from_name(value).ok_or(format!("unknown estimator {value}"))?;
            }
            (name, value) => assign!(
                settings,
                name,
                value,
                [
                    l0_runs_max,
                    table_bytes_max,
                    job_bytes_max,
                    tombstone_pct_max,
                    tombstone_age_ms_max,
                    ttl_ms,
                    max_space_amp_pct,
                    slots_max,
                    cold_runs_max,
                    epsilon_ppm,
                    ucb_c_ppm,
                    alpha_ppm,
                    discount_ppm,
                ]
            ),
        }
    }
    Ok(settings)
}
