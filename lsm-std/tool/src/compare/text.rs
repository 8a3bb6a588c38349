//! The comparison as a table on a terminal.

use std::io::{self, Write};

use compaction_core::sim::Prices;

use super::Outcome;
use crate::figures::by_rule;
use crate::human::{bytes, micros, three_digits, write_rows};

/// Writes one column per strategy, one row per figure.
///
/// # Errors
/// Those of `out`.
pub fn table(outcomes: &[Outcome], prices: &Prices, out: &mut dyn Write) -> io::Result<()> {
    let mut rows: Vec<(String, Vec<String>)> = Vec::new();
    let mut row = |name: &str, value: &dyn Fn(&Outcome) -> String| {
        rows.push((name.to_owned(), outcomes.iter().map(value).collect()));
    };
    row("", &|o| o.strategy.name().to_owned());
    row("write amplification", &|o| three_digits(o.last().counts.write_amp()));
    row("read amplification", &|o| three_digits(o.last().counts.read_amp()));
    row("space amplification", &|o| three_digits(o.last().space_amp()));
    row("  at its peak", &|o| three_digits(o.peak_space_amp()));
    row("cost per operation", &|o| bytes(o.last().counts.cost(prices) as u64));
    row("peak disk", &|o| bytes(o.peak_disk_bytes));
    for (name, latency) in [("write", (|o| o.put) as fn(&Outcome) -> _), ("get", |o| o.get)] {
        let shown = |us: f64| if us > 0.0 { micros(us) } else { "–".to_owned() };
        row(&format!("{name} p50"), &|o| shown(latency(o).p50_us));
        row(&format!("{name} p95"), &|o| shown(latency(o).p95_us));
        row(&format!("{name} p99"), &|o| shown(latency(o).p99_us));
    }
    row("flushes", &|o| o.last().counts.flushes.to_string());
    row("jobs", &|o| o.jobs.len().to_string());
    let mut rules: Vec<&str> = outcomes.iter().flat_map(|o| &o.jobs).map(|job| job.rule).collect();
    rules.sort_unstable();
    rules.dedup();
    for rule in rules {
        let jobs = |o: &Outcome| by_rule(&o.jobs).iter().find(|sum| sum.rule == rule).map_or(0, |sum| sum.jobs);
        row(&format!("  {rule}"), &|o| jobs(o).to_string());
    }
    row("time", &|o| micros(o.seconds * 1e6));
    write_rows(&rows, out)
}
