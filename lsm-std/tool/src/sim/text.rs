//! Simulations as a table on a terminal.

use std::io::{self, Write};

use compaction_core::sim::Prices;

use super::{Simulated, number};
use crate::human::{bytes, micros, three_digits, write_rows};

/// Writes one column per strategy, one row per figure.
///
/// # Errors
/// Those of `out`.
pub fn table(all: &[Simulated], prices: &Prices, out: &mut dyn Write) -> io::Result<()> {
    let mut rows: Vec<(String, Vec<String>)> = Vec::new();
    let mut row = |name: &str, value: &dyn Fn(&Simulated) -> String| {
        rows.push((name.to_owned(), all.iter().map(value).collect()));
    };
    row("", &|s| s.candidate.name.clone());
    row("write amplification", &|s| three_digits(number(s.report.counts().write_amp())));
    row("read amplification", &|s| three_digits(number(s.report.counts().read_amp())));
    row("space amplification", &|s| three_digits(number(s.report.last().space_amp())));
    row("  at its peak", &|s| three_digits(number(s.report.peak_space_amp())));
    row("cost per operation", &|s| bytes(number(s.report.counts().cost(prices)) as u64));
    row("peak of all tables", &|s| bytes(s.report.peak_bytes));
    row("largest job", &|s| bytes(s.report.peak_job_bytes));
    row("peak debt", &|s| bytes(s.report.peak_debt_bytes));
    row("flushes", &|s| s.report.counts().flushes.to_string());
    row("jobs", &|s| s.report.counts().jobs.to_string());
    let levels = all.iter().map(|s| s.report.levels.len()).max().unwrap_or(0);
    for at in 0..levels {
        row(&format!("level {at}"), &|s| {
            let level = s.report.levels.get(at).copied().unwrap_or_default();
            if level.runs == 0 { "–".to_owned() } else { format!("{} in {}", bytes(level.bytes), level.runs) }
        });
    }
    if all.iter().any(|s| s.report.stalls.elapsed_us > 0) {
        row("stalls", &|s| s.report.stalls.count.to_string());
        row("  in all", &|s| micros(s.report.stalls.total_us as f64));
        row("  the longest", &|s| micros(s.report.stalls.longest_us as f64));
        row("disk busy", &|s| micros(s.report.stalls.busy_us as f64));
    }
    row("one in", &|s| s.report.scale.to_string());
    row("time", &|s| micros(s.seconds * 1e6));
    write_rows(&rows, out)
}
