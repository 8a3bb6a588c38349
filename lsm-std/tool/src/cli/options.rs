//! Options that several commands share.

use std::str::FromStr;
use std::time::Duration;

use clap::ValueEnum;
use clap::builder::RangedU64ValueParser;
use compaction_core::sim::Prices;
use indicatif::{ProgressBar, ProgressStyle};
use lsm_std::SyncPolicy;

use crate::workload::NAMES;

/// When the log is synced. A write that has returned survives the death of the process under each
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Sync {
    /// Before each write returns
    Always,
    /// Every 100 milliseconds
    Interval,
    /// When the operating system sees fit
    Never,
}

impl Sync {
    /// The engine's policy.
    pub fn policy(self) -> SyncPolicy {
        match self {
            Self::Always => SyncPolicy::Always,
            Self::Interval => SyncPolicy::Interval(Duration::from_millis(100)),
            Self::Never => SyncPolicy::Never,
        }
    }
}

/// What an operation costs.
#[derive(Clone, Debug, clap::Args)]
pub struct PriceArgs {
    /// Prices of the cost in bytes, four whole numbers: per byte merged, per block of a get, per filter asked, per run of a
    /// scan
    #[arg(long, value_name = "N,N,N,N", value_parser = prices, default_value = "1,4096,512,4096")]
    pub prices: Prices,
}

fn prices(text: &str) -> Result<Prices, String> {
    let [compaction_byte, get_block, filter, scan_run] = numbers(text)?;
    Ok(Prices { compaction_byte, get_block, filter, scan_run })
}

/// So many numbers with commas between them.
pub fn numbers<T: FromStr, const N: usize>(text: &str) -> Result<[T; N], String> {
    let numbers: Option<Vec<T>> = text.split(',').map(|number| number.trim().parse().ok()).collect();
    numbers
        .and_then(|numbers| numbers.try_into().ok())
        .ok_or_else(|| format!("must be {N} numbers with commas between"))
}

/// Reads the bytes of a memtable, as the engine takes them.
pub fn memtable_bytes() -> RangedU64ValueParser {
    RangedU64ValueParser::new().range(1 << 10..=1 << 40)
}

/// Reads the bytes at which tables are cut, as the engine takes them.
pub fn table_bytes() -> RangedU64ValueParser {
    RangedU64ValueParser::new().range(1 << 10..=1 << 40)
}

/// Reads a number that may not be 0.
pub fn at_least_1() -> RangedU64ValueParser {
    RangedU64ValueParser::new().range(1..)
}

/// The built-in workloads, for the help of a command.
pub fn workloads() -> String {
    let lines: Vec<String> = NAMES.iter().map(|(name, what)| format!("  {name:<12}  {what}")).collect();
    format!("Built-in workloads:\n{}", lines.join("\n"))
}

/// A progress bar on standard error, which shows itself on a terminal only.
pub fn progress(what: &'static str) -> ProgressBar {
    let bar = ProgressBar::new(0);
    if let Ok(style) = ProgressStyle::with_template("{prefix} {bar:40} {pos}/{len} {elapsed} (left: {eta})") {
        bar.set_style(style);
    }
    bar.set_prefix(what);
    bar
}
