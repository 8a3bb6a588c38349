//! Tables of many runs.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::PathBuf;

use clap::ValueEnum;

use crate::engines::{Name, Result};
use crate::workload::Workload;
use crate::{Line, value_name};

/// A table: its name, how its figures are read from a line, and how they are written.
type Figure = (&'static str, fn(&Line) -> Option<f64>, fn(f64) -> String);

const FIGURES: [Figure; 13] = [
    ("Operations a second", |line| Some(line.ops_per_second), short),
    ("Operations a second, settling included", |line| Some(line.ops_per_second_settled), short),
    ("Latency, median, µs", |line| Some(line.p50_ns as f64 / 1e3), tenths),
    ("Latency, 95th percentile, µs", |line| Some(line.p95_ns as f64 / 1e3), tenths),
    ("Latency, 99th percentile, µs", |line| Some(line.p99_ns as f64 / 1e3), tenths),
    ("Latency, 99.9th percentile, µs", |line| Some(line.p999_ns as f64 / 1e3), tenths),
    ("Latency, longest, ms", |line| Some(line.max_ns as f64 / 1e6), tenths),
    ("Bytes handed to write calls per byte of the user", |line| Some(line.write_amp), hundredths),
    ("Bytes written by merges per byte of the user", |line| line.merge_amp, hundredths),
    ("Disk at the end, MiB", |line| Some(line.disk_bytes as f64 / MIB), tenths),
    ("Disk at its peak, MiB", |line| Some(line.disk_bytes_peak as f64 / MIB), tenths),
    ("Peak memory, MiB", |line| Some(line.memory_bytes_peak as f64 / MIB), tenths),
    ("Processor seconds", |line| Some(line.cpu_seconds), tenths),
];

const MIB: f64 = 1_048_576.0;

/// What makes runs comparable: workload by its place in the list, entries, bytes of a value, threads.
type Case = (usize, u64, usize, u64);

/// The lines of each case.
type Cases = BTreeMap<Case, Vec<Line>>;

/// Writes a table for each figure of the lines in `files`, with the median of each engine, its spread where there are several
/// runs, and how many times as much that of `ours` is; then what failed.
///
/// # Errors
/// A file cannot be read, or is not of such lines.
pub fn print(files: &[PathBuf], ours: &str, out: &mut dyn Write) -> Result<()> {
    let cases = read(files)?;
    let seen = engines(&cases);
    for (name, of, write) in FIGURES {
        writeln!(out, "\n{name}\n\n| workload | keys | value | threads | {} |", seen.join(" | "))?;
        writeln!(out, "|---|---|---|---|{}", "---|".repeat(seen.len()))?;
        for (case, lines) in &cases {
            write!(out, "| {} |", case_name(case))?;
            let values = |engine: &str| {
                let measured = lines.iter().filter(|line| line.engine == engine && line.failed.is_none());
                sorted(measured.filter_map(of).collect())
            };
            let own = median(&values(ours));
            for engine in &seen {
                write!(out, " {} |", cell(&values(engine), (*engine != ours).then_some(own).flatten(), write))?;
            }
            writeln!(out)?;
        }
    }
    print_missing(&cases, &seen, out)
}

/// The engines that were run, in their order, and behind each the same with other options.
fn engines(cases: &Cases) -> Vec<String> {
    let place = |engine: &str| {
        let name = engine.split(' ').next().unwrap_or_default();
        Name::value_variants().iter().position(|known| value_name(*known) == name)
    };
    let mut seen: Vec<_> = cases.values().flatten().map(|line| line.engine.clone()).collect();
    seen.sort_by_cached_key(|engine| (place(engine), engine.clone()));
    seen.dedup();
    seen
}

/// Writes operations a second: an engine and its options a row, a case a column, with the median, the spread where there are
/// several runs, and how many times as much it is as that of `ours`.
///
/// # Errors
/// A file cannot be read, or is not of such lines.
pub fn print_options(files: &[PathBuf], ours: &str, out: &mut dyn Write) -> Result<()> {
    let cases = read(files)?;
    let names: Vec<_> = cases.keys().map(|case| case_name(case).replace(" | ", ", ")).collect();
    writeln!(out, "| | {} |\n|---|{}", names.join(" | "), "---|".repeat(names.len()))?;
    let mut rows: Vec<&str> = Vec::new();
    for line in cases.values().flatten() {
        if !rows.contains(&line.engine.as_str()) {
            rows.push(&line.engine);
        }
    }
    for row in rows {
        write!(out, "| {row} |")?;
        for lines in cases.values() {
            let values = |engine: &str| {
                let measured = lines.iter().filter(|line| line.engine == engine && line.failed.is_none());
                sorted(measured.map(|line| line.ops_per_second).collect())
            };
            let (own, values) = (median(&values(ours)), values(row));
            let times = own.zip(median(&values)).filter(|_| row != ours);
            let times = times.map_or_else(String::new, |(own, middle)| format!(" ({:.2}×)", middle / own));
            write!(out, " {}{times} |", cell(&values, None, short))?;
        }
        writeln!(out)?;
    }
    Ok(())
}

fn read(files: &[PathBuf]) -> Result<Cases> {
    let workloads: Vec<_> = Workload::value_variants().iter().map(|workload| value_name(*workload)).collect();
    let mut cases = Cases::new();
    for file in files {
        let text = fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
        for (at, line) in text.lines().enumerate() {
            let line: Line =
                serde_json::from_str(line).map_err(|error| format!("{}:{}: {error}", file.display(), at + 1))?;
            let place = workloads.iter().position(|workload| *workload == line.workload).unwrap_or(usize::MAX);
            cases.entry((place, line.entries, line.value_bytes, line.threads)).or_default().push(line);
        }
    }
    Ok(cases)
}

fn case_name((place, entries, bytes, threads): &Case) -> String {
    let workload =
        Workload::value_variants().get(*place).map_or_else(|| "?".to_owned(), |workload| value_name(*workload));
    format!("{workload} | {} | {bytes} B | {threads}", short(*entries as f64))
}

/// Names each run that failed, and each engine that a case was not run on.
fn print_missing(cases: &Cases, engines: &[String], out: &mut dyn Write) -> Result<()> {
    let mut missing = Vec::new();
    for (case, lines) in cases {
        let name = case_name(case).replace(" | ", ", ");
        for engine in engines {
            let mut own = lines.iter().filter(|line| line.engine == *engine).peekable();
            if own.peek().is_none() {
                missing.push(format!("- {engine}, {name}: not run, or killed"));
            }
            for line in own {
                missing
                    .extend(line.failed.as_ref().map(|why| format!("- {engine}, {name}, seed {}: {why}", line.seed)));
            }
        }
    }
    match missing.is_empty() {
        true => writeln!(out, "\nNothing failed, nothing was left out.")?,
        false => writeln!(out, "\nNot measured:\n\n{}", missing.join("\n"))?,
    }
    Ok(())
}

/// Median, spread, and what `own` is in multiples of it.
fn cell(values: &[f64], own: Option<f64>, write: fn(f64) -> String) -> String {
    let Some(middle) = median(values) else { return "–".to_owned() };
    let spread = match values {
        [first, .., last] if middle > 0.0 => format!(" ±{:.0} %", 50.0 * (last - first) / middle),
        _ => String::new(),
    };
    let ratio = own.filter(|_| middle > 0.0).map_or_else(String::new, |own| format!(" ({:.2}×)", own / middle));
    format!("{}{spread}{ratio}", write(middle))
}

fn sorted(mut values: Vec<f64>) -> Vec<f64> {
    values.sort_by(f64::total_cmp);
    values
}

fn median(sorted: &[f64]) -> Option<f64> {
    let middle = sorted.len() / 2;
    let upper = sorted.get(middle).copied()?;
    let lower = if sorted.len().is_multiple_of(2) { sorted.get(middle - 1).copied()? } else { upper };
    Some(f64::midpoint(lower, upper))
}

fn short(value: f64) -> String {
    match value {
        1e6.. => format!("{:.2}M", value / 1e6),
        1e4.. => format!("{:.0}k", value / 1e3),
        1e3.. => format!("{:.1}k", value / 1e3),
        _ => format!("{value:.0}"),
    }
}

fn tenths(value: f64) -> String {
    format!("{value:.1}")
}

fn hundredths(value: f64) -> String {
    format!("{value:.2}")
}
