//! Settings of any strategy in text: a name, and `setting=value` for what differs from the default.

use compaction_core::{AnySettings, Full};
use lsm_tool::strategies;
use serde_json::{Map, Value};

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

/// Reads `name setting=value ..`: the settings of `lsm plan`, and the two strategies that only tests have use for.
///
/// # Errors
/// What is not known, of the wrong kind or out of range.
pub fn parse(text: &str) -> Result<AnySettings, String> {
    let mut words = text.split_whitespace();
    let name = words.next().ok_or("a strategy has a name")?;
    let mut object = Map::new();
    for word in words {
        let (setting, value) = word.split_once('=').ok_or(format!("not a setting: {word}"))?;
        object.insert(setting.to_owned(), json_of(value));
    }
    match name {
        "idle" if object.is_empty() => Ok(AnySettings::Idle),
        "full" => match (object.len(), object.get("table_bytes_max").map(Value::as_u64)) {
            (0, _) => Ok(AnySettings::Full(Full { table_bytes_max: 64 << 20 })),
            (1, Some(Some(table_bytes_max))) => Ok(AnySettings::Full(Full { table_bytes_max })),
            _ => Err(format!("full has one setting, table_bytes_max: {text}")),
        },
        _ => {
            object.insert("name".to_owned(), name.into());
            strategies::parse(&Value::Object(object).to_string()).map_err(|refusal| refusal.text)
        }
    }
}

/// A number, `max`, `true` or `false`; else a word.
fn json_of(value: &str) -> Value {
    match (number(value), value.parse::<f64>(), value.parse::<bool>()) {
        (Some(number), ..) => number.into(),
        (_, Ok(number), _) => number.into(),
        (.., Ok(flag)) => flag.into(),
        _ => value.into(),
    }
}
