//! This project's engine beside others: one harness, one process for each engine and workload.
//!
//! `run` does one workload on one engine and prints a line of JSON; `table` makes tables of many such lines. `./run` does both.

mod drive;
mod engines;
mod pairs;
mod process;
mod table;
mod workload;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};
use std::{fs, io};

use clap::{Parser, Subcommand, ValueEnum};
use serde::{Deserialize, Serialize};

use drive::{Task, Timed, load, run, watched};
use engines::{Budget, Name, Result, Setting, open};
use workload::Workload;

#[derive(Parser)]
#[command(about = "Runs one workload on one engine, or makes tables of many runs")]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// One workload on one engine: a line of JSON.
    Run(RunArgs),
    /// One table of the lines in these files: an engine and its options a row, a workload a column.
    Options {
        files: Vec<PathBuf>,
        /// The row that others are held against.
        #[arg(long, default_value = "tiered")]
        ours: String,
    },
    /// Tables of the lines in these files: medians, spread, and ratios to this project's engine.
    Table {
        files: Vec<PathBuf>,
        /// The engine that others are held against.
        #[arg(long, default_value = "tiered")]
        ours: String,
    },
}

#[derive(clap::Args)]
struct RunArgs {
    #[arg(long)]
    engine: Name,
    #[arg(long)]
    workload: Workload,
    /// Keys.
    #[arg(long, default_value_t = 1_000_000)]
    entries: u64,
    #[arg(long, default_value_t = 100)]
    value_bytes: usize,
    #[arg(long, default_value_t = 1)]
    threads: u64,
    #[arg(long, default_value_t = 1)]
    seed: u64,
    #[arg(long, default_value_t = 512)]
    cache_mib: u64,
    #[arg(long, default_value_t = 64)]
    memtable_mib: u64,
    /// Pairs a call of the workload `batch`; other sizes than 1 000 go into the name of the engine.
    #[arg(long, default_value_t = BATCH, value_parser = clap::value_parser!(u64).range(1..))]
    batch: u64,
    /// A further option of this project's engine, as `block_bytes=16384`; it goes into the name of the engine.
    #[arg(long, value_parser = setting)]
    set: Vec<Setting>,
    /// Given up when it takes longer, loading included.
    #[arg(long, default_value_t = 600)]
    seconds_max: u64,
    /// A directory to work below; what is made there is removed.
    #[arg(long)]
    dir: PathBuf,
}

/// Pairs a call of the workload `batch`.
const BATCH: u64 = 1_000;

/// What one run came to. Figures are those of its operations: what was loaded before is in `write_amp`, `merge_amp`,
/// `disk_bytes_peak` and `memory_bytes_peak` alone.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Line {
    engine: String,
    workload: String,
    entries: u64,
    value_bytes: usize,
    threads: u64,
    seed: u64,
    ops: u64,
    /// Of time spent in calls.
    ops_per_second: f64,
    /// With what was left to be flushed and merged afterwards.
    ops_per_second_settled: f64,
    p50_ns: u64,
    p95_ns: u64,
    p99_ns: u64,
    p999_ns: u64,
    max_ns: u64,
    /// Bytes handed to write calls per byte of keys and values, from the first one on until all was settled.
    write_amp: f64,
    /// The same of what merges write, where the engine says so: neither the log nor flushes are in it.
    merge_amp: Option<f64>,
    disk_bytes: u64,
    disk_bytes_peak: u64,
    memory_bytes_peak: u64,
    cpu_seconds: f64,
    /// Operations a second of each stretch, where there are several.
    phases: Vec<f64>,
    /// Why there are no figures.
    failed: Option<String>,
}

fn main() -> ExitCode {
    let done = match Args::parse().command {
        Command::Run(args) => measure(&args),
        Command::Options { files, ours } => table::print_options(&files, &ours, &mut io::stdout().lock()),
        Command::Table { files, ours } => table::print(&files, &ours, &mut io::stdout().lock()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Prints a line of figures, or of why there are none.
fn measure(args: &RunArgs) -> Result<()> {
    let dir =
        args.dir.join(format!("{}-{}-{}", value_name(args.engine), value_name(args.workload), std::process::id()));
    fs::create_dir_all(&dir)?;
    let too_long = || {
        let _ = fs::remove_dir_all(&dir);
        let _ = tell(Line { failed: Some(format!("took more than {} s", args.seconds_max)), ..named(args) });
        std::process::exit(1);
    };
    let (line, disk_bytes_peak) = watched(&dir, Duration::from_secs(args.seconds_max), too_long, || work(args, &dir));
    fs::remove_dir_all(&dir)?;
    match line {
        Ok(line) => tell(Line { disk_bytes_peak, ..line }),
        Err(error) => {
            tell(Line { failed: Some(error.to_string()), ..named(args) })?;
            Err(error)
        }
    }
}

fn tell(line: Line) -> Result<()> {
    println!("{}", serde_json::to_string(&line)?);
    Ok(())
}

fn setting(text: &str) -> Result<Setting> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=NUMBER")?;
    Ok((name.to_owned(), value.parse().map_err(|error| format!("{value:?}: {error}"))?))
}

/// A line that says what was run, without figures.
fn named(args: &RunArgs) -> Line {
    let RunArgs { entries, value_bytes, threads, seed, .. } = *args;
    let (mut engine, workload) = (value_name(args.engine), value_name(args.workload));
    for (name, value) in &args.set {
        engine += &format!(" {name}={value}");
    }
    if args.batch != BATCH {
        engine += &format!(" batch={}", args.batch);
    }
    Line { engine, workload, entries, value_bytes, threads, seed, ..Line::default() }
}

fn value_name(value: impl ValueEnum) -> String {
    value.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}

fn work(args: &RunArgs, dir: &std::path::Path) -> Result<Line> {
    let RunArgs { workload, entries, value_bytes, threads, seed, .. } = *args;
    let task = Task { workload, entries, value_bytes, threads, seed };
    let is_synced = workload == Workload::SyncWrite;
    let (cache_bytes, memtable_bytes) = (args.cache_mib << 20, args.memtable_mib << 20);
    let budget = Budget { cache_bytes, memtable_bytes, is_synced };
    let engine = open(args.engine, dir, &budget, &args.set)?;
    let keys = AtomicU64::new(0);
    let mut written = 0;
    if workload.is_loaded() {
        load(&*engine, &task)?;
        engine.settle()?;
        keys.store(entries, std::sync::atomic::Ordering::Relaxed);
        written = entries;
    }
    let before = process::usage();
    let (mut ops, mut in_calls, mut phases) = (0, Duration::ZERO, Vec::new());
    let mut latency = hdrhistogram::Histogram::<u64>::new(3)?;
    for phase in workload.phases(args.batch as usize) {
        let Timed { ops: done, written: pairs, in_calls: took, latency: seen } = run(&*engine, &task, phase, &keys)?;
        phases.push(done as f64 / took.as_secs_f64());
        written += pairs;
        (ops, in_calls) = (ops + done, in_calls + took);
        latency.add(seen)?;
    }
    let settling = Instant::now();
    engine.settle()?;
    let settled = in_calls + settling.elapsed();
    let after = process::usage();
    let user_bytes = (written * (pairs::KEY_BYTES + value_bytes) as u64).max(1) as f64;
    Ok(Line {
        ops,
        ops_per_second: ops as f64 / in_calls.as_secs_f64(),
        ops_per_second_settled: ops as f64 / settled.as_secs_f64(),
        p50_ns: latency.value_at_quantile(0.5),
        p95_ns: latency.value_at_quantile(0.95),
        p99_ns: latency.value_at_quantile(0.99),
        p999_ns: latency.value_at_quantile(0.999),
        max_ns: latency.max(),
        write_amp: engine.written_bytes().unwrap_or(after.written_bytes) as f64 / user_bytes,
        merge_amp: engine.merged_bytes()?.map(|bytes| bytes as f64 / user_bytes),
        disk_bytes: process::disk_bytes(dir),
        memory_bytes_peak: process::peak_memory_bytes(),
        cpu_seconds: after.cpu_seconds - before.cpu_seconds,
        phases: if phases.len() > 1 { phases } else { Vec::new() },
        ..named(args)
    })
}
