//! Settings of any strategy in text: a name, and `setting=value` for what differs from the default.

use compaction_core::{AnySettings, Full, TieredSettings};

use crate::drawn::number;

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
        _ => Err(format!("unknown strategy {name}")),
    }
}
