//! Options that several commands share.

use std::time::Duration;

use clap::ValueEnum;
use indicatif::{ProgressBar, ProgressStyle};
use lsm_std::SyncPolicy;

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

/// A progress bar on standard error, which shows itself on a terminal only.
pub fn progress(what: &'static str) -> ProgressBar {
    let bar = ProgressBar::new(0);
    if let Ok(style) = ProgressStyle::with_template("{prefix} {bar:40} {pos}/{len} {elapsed} (left: {eta})") {
        bar.set_style(style);
    }
    bar.set_prefix(what);
    bar
}
