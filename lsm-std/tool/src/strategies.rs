//! Strategy names and settings as scripts write them, and what they mean to the core.

use compaction_core::{AnySettings, CompactionStrategy, ConfigError, Idle, Tiered, TieredSettings};
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::plan::{Object, Refusal};

/// The strategy object's name; its other fields are read by that name.
#[derive(Deserialize)]
struct Named {
    name: String,
}

/// The fields of a tiered strategy object. A missing or null one means the default.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TieredIn {
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

/// Reads a strategy object such as `{"name":"tiered","size_ratio":1.0}`.
///
/// # Errors
/// A name or a setting that does not exist, a value of the wrong kind or out of range.
pub fn parse(json: &str) -> Result<AnySettings, Refusal> {
    let refuse = |error: serde_json::Error| Refusal::json("strategy", &error);
    let Object(Named { name }) = serde_json::from_str(json).map_err(refuse)?;
    let settings = match name.as_str() {
        "tiered" => AnySettings::Tiered(serde_json::from_str::<TieredIn>(json).map_err(refuse)?.into()),
        _ => {
            let text = format!("unknown strategy {name:?}: tiered is known");
            return Err(Refusal::new("known-strategies", [], text));
        }
    };
    settings.check()?;
    Ok(settings)
}

/// The strategy itself.
///
/// # Errors
/// The setting that no strategy can work with.
pub fn build<K: Ord>(settings: &AnySettings) -> Result<Box<dyn CompactionStrategy<K>>, Refusal> {
    match *settings {
        AnySettings::Tiered(settings) => Ok(Box::new(Tiered::new(settings)?)),
        AnySettings::Full(full) => Ok(Box::new(full)),
        _ => Ok(Box::new(Idle)),
    }
}

impl From<TieredIn> for TieredSettings {
    fn from(given: TieredIn) -> Self {
        let default = Self::default();
        let width = |given: Option<u64>, default: u32| given.map_or(default, |w| u32::try_from(w).unwrap_or(u32::MAX));
        Self {
            size_ratio_ppm: given.size_ratio.map_or(default.size_ratio_ppm, Self::ppm_of_ratio),
            min_merge_width: width(given.min_merge_width, default.min_merge_width),
            max_merge_width: width(given.max_merge_width, default.max_merge_width),
            max_space_amp_pct: given.max_space_amp_pct.unwrap_or(default.max_space_amp_pct),
            table_bytes_max: given.table_bytes_max.unwrap_or(default.table_bytes_max),
            runs_max: given.runs_max.unwrap_or(default.runs_max),
            job_bytes_max: given.job_bytes_max.unwrap_or(default.job_bytes_max),
        }
    }
}

impl From<ConfigError> for Refusal {
    fn from(error: ConfigError) -> Self {
        Self::new("settings", [], error.to_string())
    }
}

/// The settings of every strategy, with defaults and where they come from, for `lsm plan --help`.
pub const HELP: &str = "\
Settings of a strategy object, their defaults, and the source of each:

tiered
  size_ratio         1.0          RocksDB universal compaction, size_ratio (there 1 %; 1.0 is a factor of 2 either way)
  min_merge_width    4            Cassandra SizeTieredCompactionStrategy, min_threshold
  max_merge_width    unlimited    RocksDB universal compaction, max_merge_width
  max_space_amp_pct  200          RocksDB universal compaction, max_size_amplification_percent
  table_bytes_max    67108864     RocksDB, target_file_size_base (64 MiB)
  runs_max           unlimited    most runs that may stand; its own
  job_bytes_max      unlimited    RocksDB, max_compaction_bytes
";
