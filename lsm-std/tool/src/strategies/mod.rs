//! Strategy names and settings as scripts write them, and what they mean to the core.

mod fields;
mod help;

use clap::ValueEnum;
use compaction_core::{
    AnySettings, BanditSettings, ConfigError, Fifo, FifoSettings, Leveled, LeveledSettings, Tiered, TieredSettings,
};
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

    /// The strategy of this name.
    ///
    /// # Errors
    /// A sentence that tells the known names.
    pub fn named(name: &str) -> Result<Self, String> {
        Self::from_str(name, false).map_err(|_| {
            let known: Vec<&str> = Self::value_variants().iter().map(|known| known.name()).collect();
            format!("unknown strategy {name:?}: known are {}", known.join(", "))
        })
    }
}

/// What the command line calls a strategy of this stored name; the stored name where it has none.
pub fn short_name(stored: &'static str) -> &'static str {
    match stored {
        Tiered::NAME => "tiered",
        Leveled::NAME => "leveled",
        Leveled::LAZY_NAME => "lazy",
        BanditSettings::NAME => "bandit",
        Fifo::NAME => "fifo",
        other => other,
    }
}

/// Reads a strategy object such as `{"name":"tiered","size_ratio":1.0}`.
///
/// # Errors
/// A name or a setting that does not exist, a value of the wrong kind or out of range.
pub fn parse(json: &str) -> Result<AnySettings, Refusal> {
    let Object(Named { name }) = read(json)?;
    let strategy = Strategy::named(&name).map_err(|text| Refusal::new("known-strategies", [], text))?;
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
/// memtable unless they are given (base 4 memtables, tables 1). The cap on a job stays: with small memtables a batch may be
/// many times as large as one, and capped jobs could not keep up. `ttl_ms` is taken by the strategies that have one.
pub fn scaled(strategy: Strategy, sizes: &Sizes) -> AnySettings {
    let table_bytes_max = sizes.table_bytes.unwrap_or(sizes.memtable_bytes);
    let base_bytes = sizes.base_bytes.unwrap_or(sizes.memtable_bytes.saturating_mul(4));
    let ttl_ms = sizes.ttl_ms.unwrap_or(u64::MAX);
    let leveled = |settings| LeveledSettings { table_bytes_max, base_bytes, ttl_ms, ..settings };
    match strategy {
        Strategy::Tiered => AnySettings::Tiered(TieredSettings { table_bytes_max, ..TieredSettings::default() }),
        Strategy::Leveled => AnySettings::from(leveled(LeveledSettings::default())),
        Strategy::Lazy => AnySettings::from(leveled(LeveledSettings::lazy())),
        Strategy::Bandit => {
            AnySettings::Bandit(BanditSettings { table_bytes_max, ttl_ms, ..BanditSettings::default() })
        }
        // Without a cap on the size: the workload says what may go.
        Strategy::Fifo => AnySettings::Fifo(FifoSettings { ttl_ms, bytes_max: u64::MAX }),
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
    let up_to = |limit| if limit == u64::MAX { "of any size".to_owned() } else { format!("of up to {}", bytes(limit)) };
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
            "up to {} in level 0, base {}, fanout {}, {} per level above the last, tables of {}, jobs {}{}",
            count(s.l0_runs_max.into(), "run"),
            bytes(s.base_bytes),
            s.fanout,
            count(s.runs_max.into(), "run"),
            bytes(s.table_bytes_max),
            up_to(s.job_bytes_max),
            cap("time to live in ms", s.ttl_ms)
        ),
        AnySettings::Bandit(s) => format!(
            "up to {} in level 0, up to {} of up to {}, estimator {}, picks at random {} %, tables of {}, jobs {}{}",
            count(s.l0_runs_max, "run"),
            count(s.slots_max.into(), "slot"),
            count(s.cold_runs_max.into(), "run"),
            s.estimator.name(),
            s.epsilon_ppm as f64 / 1e4,
            bytes(s.table_bytes_max),
            up_to(s.job_bytes_max),
            cap("time to live in ms", s.ttl_ms)
        ),
        AnySettings::Fifo(s) => up_to(s.bytes_max) + &cap("time to live in ms", s.ttl_ms),
        _ => settings.name().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn documented(strategy: Strategy) -> Vec<(&'static str, Value)> {
        let none = json!(u64::MAX);
        let leveled = vec![
            ("l0_runs_max", json!(4)),
            ("base_bytes", json!(268_435_456)),
            ("fanout", json!(10)),
            ("levels_max", json!(7)),
            ("table_bytes_max", json!(67_108_864)),
            ("job_bytes_max", if strategy == Strategy::Lazy { none.clone() } else { json!(1_677_721_600) }),
            ("dynamic", json!(true)),
            ("granularity", json!("table")),
            ("tombstone_pct_max", json!(50)),
            ("tombstone_age_ms_max", none.clone()),
            ("ttl_ms", none.clone()),
            ("intra_l0", json!(true)),
        ];
        let own = match strategy {
            Strategy::Tiered => {
                return vec![
                    ("size_ratio", json!(1.0)),
                    ("min_merge_width", json!(4)),
                    ("max_merge_width", none.clone()),
                    ("max_space_amp_pct", json!(200)),
                    ("table_bytes_max", json!(67_108_864)),
                    ("runs_max", none.clone()),
                    ("job_bytes_max", none),
                ];
            }
            Strategy::Fifo => return vec![("bytes_max", json!(1_073_741_824)), ("ttl_ms", none)],
            Strategy::Leveled => vec![],
            Strategy::Lazy => vec![("runs_max", json!(9))],
            Strategy::Bandit => vec![
                ("max_space_amp_pct", json!(100)),
                ("slots_max", json!(16)),
                ("cold_runs_max", json!(128)),
                ("layout", json!("auto")),
                ("switch", json!(0.9)),
                ("rent", json!(0.4)),
                ("estimator", json!("ucb")),
                ("epsilon", json!(0.0)),
                ("ucb_c", json!(2.0)),
                ("alpha", json!(0.1)),
                ("discount", json!(1.0)),
                ("variance_k", json!(1.0)),
                ("change", json!(0.0)),
            ],
        };
        [leveled, own].concat()
    }

    #[test]
    fn every_documented_setting_is_known_has_the_documented_default_and_stands_in_the_help() {
        for &strategy in Strategy::value_variants() {
            let name = strategy.name();
            let default = parse(&json!({"name": name}).to_string()).expect("all defaults");
            for (setting, value) in documented(strategy) {
                for value in [value, Value::Null] {
                    let given = parse(&json!({"name": name, setting: value}).to_string());
                    assert_eq!(given, Ok(default), "{name} {setting} {value}");
                }
                assert!(HELP.lines().any(|line| line.trim_start().starts_with(setting)), "{setting} lacks help");
            }
        }
    }

    #[test]
    fn a_setting_changes_what_it_names_and_a_wrong_one_is_refused() {
        let lazy = parse(r#"{"name":"lazy","fanout":5}"#).expect("good");
        assert!(
            matches!(lazy, AnySettings::Lazy(settings) if (settings.fanout, settings.runs_max) == (5, 4)),
            "{lazy:?}"
        );
        let bandit =
            parse(r#"{"name":"bandit","epsilon":0.25,"estimator":"greedy","l0_runs_max":18446744073709551615}"#);
        assert!(matches!(bandit, Ok(AnySettings::Bandit(settings)) if settings.epsilon_ppm == 250_000), "{bandit:?}");
        for (json, law) in [
            (r#"{"name":"leveled","runs_max":3}"#, "known-fields"),
            (r#"{"name":"leveled","fanout":1}"#, "settings"),
            (r#"{"name":"leveled","granularity":"row"}"#, "values"),
            (r#"{"name":"leveled","levels_max":300}"#, "values"),
            (r#"{"name":"bandit","estimator":"gut"}"#, "values"),
            (r#"{"name":"bandit","epsilon":1.5}"#, "settings"),
            (r#"{"name":"bandit","alpha":-1}"#, "values"),
            (r#"{"name":"fifo","bytes_max":0}"#, "settings"),
            (r#"{"name":"fifo","fanout":3}"#, "known-fields"),
        ] {
            assert_eq!(parse(json).expect_err(json).law, law, "{json}");
        }
    }

    #[test]
    fn sizes_follow_the_memtable_unless_given() {
        let sizes = Sizes { memtable_bytes: 1 << 20, ..Sizes::default() };
        let bytes = |settings| match settings {
            AnySettings::Leveled(settings) | AnySettings::Lazy(settings) => {
                (settings.base_bytes, settings.table_bytes_max)
            }
            other => panic!("{other:?}"),
        };
        assert_eq!(bytes(scaled(Strategy::Leveled, &sizes)), (4 << 20, 1 << 20));
        let sizes = Sizes { base_bytes: Some(7), table_bytes: Some(5), ..sizes };
        assert_eq!(bytes(scaled(Strategy::Lazy, &sizes)), (7, 5));
        let fifo = FifoSettings { bytes_max: u64::MAX, ttl_ms: u64::MAX };
        assert_eq!(scaled(Strategy::Fifo, &sizes), AnySettings::Fifo(fifo), "nothing goes unless it expires");
        for &strategy in Strategy::value_variants() {
            assert_eq!(scaled(strategy, &sizes).check(), Ok(()));
            assert!(!describe(&scaled(strategy, &sizes)).contains("Settings"));
        }
    }
}
