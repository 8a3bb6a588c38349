//! Strategy names and settings as scripts write them, and what they mean to the core.

mod fields;
mod help;

use clap::ValueEnum;
use compaction_core::{AnySettings, BanditSettings, ConfigError, FifoSettings, LeveledSettings, TieredSettings};
use fields::{BanditIn, FifoIn, LeveledIn, TieredIn};
use serde::Deserialize;

pub use help::HELP;

use crate::human::{bytes, count};
use crate::plan::{Object, Refusal};

/// The strategy object's name; its other fields are read by that name.
#[derive(Deserialize)]
struct Named {
    name: String,
}

/// A strategy by the name that scripts and the command line use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Strategy {
    /// Whole runs of similar size, neighbours in age
    Tiered,
    /// One run per level, each level a multiple of the one above
    Leveled,
    /// Tiered above, leveled at the bottom
    Lazy,
    /// Slots of the key range, hot ones merged more: learns from the reads
    Bandit,
    /// Nothing is merged, the oldest is dropped
    Fifo,
}

impl Strategy {
    /// The name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tiered => "tiered",
            Self::Leveled => "leveled",
            Self::Lazy => "lazy",
            Self::Bandit => "bandit",
            Self::Fifo => "fifo",
        }
    }
}

/// Reads a strategy object such as `{"name":"tiered","size_ratio":1.0}`.
///
/// # Errors
/// A name or a setting that does not exist, a value of the wrong kind or out of range.
pub fn parse(json: &str) -> Result<AnySettings, Refusal> {
    let Object(Named { name }) = read(json)?;
    let Ok(strategy) = Strategy::from_str(&name, false) else {
        let known: Vec<&str> = Strategy::value_variants().iter().map(|known| known.name()).collect();
        let text = format!("unknown strategy {name:?}: known are {}", known.join(", "));
        return Err(Refusal::new("known-strategies", [], text));
    };
    let settings = match strategy {
        Strategy::Tiered => AnySettings::Tiered(read::<TieredIn>(json)?.into()),
        Strategy::Leveled => AnySettings::from(read::<LeveledIn>(json)?.leveled()?),
        Strategy::Lazy => AnySettings::from(read::<LeveledIn>(json)?.lazy()),
        Strategy::Bandit => AnySettings::Bandit(read::<BanditIn>(json)?.bandit()?),
        Strategy::Fifo => AnySettings::Fifo(read::<FifoIn>(json)?.into()),
    };
    settings.check()?;
    Ok(settings)
}

fn read<'a, T: Deserialize<'a>>(json: &'a str) -> Result<T, Refusal> {
    serde_json::from_str(json).map_err(|error| Refusal::json("strategy", &error))
}

impl From<ConfigError> for Refusal {
    fn from(error: ConfigError) -> Self {
        Self::new("settings", [], error.to_string())
    }
}

/// The settings of `strategy` for a store with memtables of `memtable_bytes`: defaults, but the sizes follow the
/// memtable unless they are given (base 4 memtables, tables 1). `ttl_ms` is taken by the strategies that have one.
pub fn scaled(strategy: Strategy, sizes: &Sizes) -> AnySettings {
    let table_bytes_max = sizes.table_bytes.unwrap_or(sizes.memtable_bytes);
    let base_bytes = sizes.base_bytes.unwrap_or(sizes.memtable_bytes.saturating_mul(4));
    let job_bytes_max = table_bytes_max.saturating_mul(25);
    let ttl_ms = sizes.ttl_ms.unwrap_or(u64::MAX);
    let leveled = |settings| LeveledSettings { table_bytes_max, base_bytes, job_bytes_max, ttl_ms, ..settings };
    match strategy {
        Strategy::Tiered => AnySettings::Tiered(TieredSettings { table_bytes_max, ..TieredSettings::default() }),
        Strategy::Leveled => AnySettings::from(leveled(LeveledSettings::default())),
        Strategy::Lazy => AnySettings::from(leveled(LeveledSettings::lazy())),
        Strategy::Bandit => {
            AnySettings::Bandit(BanditSettings { table_bytes_max, job_bytes_max, ttl_ms, ..BanditSettings::default() })
        }
        Strategy::Fifo => AnySettings::Fifo(FifoSettings { ttl_ms, ..FifoSettings::default() }),
    }
}

/// Sizes that settings follow.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sizes {
    /// Bytes of a memtable.
    pub memtable_bytes: u64,
    /// Target of the first level below level 0, in bytes; without it 4 memtables.
    pub base_bytes: Option<u64>,
    /// Where output tables are cut, in bytes; without it 1 memtable.
    pub table_bytes: Option<u64>,
    /// Time to live in milliseconds; without it nothing expires.
    pub ttl_ms: Option<u64>,
}

/// The settings in words, as reports show them.
pub fn describe(settings: &AnySettings) -> String {
    let cap = |name: &str, limit: u64| if limit == u64::MAX { String::new() } else { format!(", {name} {limit}") };
    match settings {
        AnySettings::Tiered(s) => format!(
            "size ratio {}, merges of {} runs or more, space amplification up to {} %, tables of {}",
            s.size_ratio(),
            s.min_merge_width,
            s.max_space_amp_pct,
            bytes(s.table_bytes_max)
        ),
        AnySettings::Leveled(s) | AnySettings::Lazy(s) => format!(
            "up to {} in level 0, base {}, fanout {}, {} per level above the last, tables of {}, jobs of up to {}{}",
            count(s.l0_runs_max.into(), "run"),
            bytes(s.base_bytes),
            s.fanout,
            count(s.runs_max.into(), "run"),
            bytes(s.table_bytes_max),
            bytes(s.job_bytes_max),
            cap("time to live in ms", s.ttl_ms)
        ),
        AnySettings::Bandit(s) => format!(
            "up to {} in level 0, up to {} of up to {}, estimator {}, explores {} %, tables of {}, jobs of up to {}{}",
            count(s.l0_runs_max, "run"),
            count(s.slots_max.into(), "slot"),
            count(s.cold_runs_max.into(), "run"),
            s.estimator.name(),
            s.epsilon_ppm as f64 / 1e4,
            bytes(s.table_bytes_max),
            bytes(s.job_bytes_max),
            cap("time to live in ms", s.ttl_ms)
        ),
        AnySettings::Fifo(s) => format!("up to {}{}", bytes(s.bytes_max), cap("time to live in ms", s.ttl_ms)),
        _ => settings.name().to_owned(),
    }
}
