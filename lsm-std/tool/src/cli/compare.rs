//! `lsm compare`.

use std::fs;
use std::path::{Path, PathBuf};

use clap::ArgGroup;
use serde_json::json;

use super::options::{Sync, progress};
use super::{print, print_json};
use crate::Failure;
use crate::compare::{FLUSHES_MIN, Outcome, Run, Source, run as run_one, table};
use crate::figures::Prices;
use crate::human::bytes;
use crate::report::Report;
use crate::strategies::{Sizes, Strategy, describe, scaled};
use crate::workload::{NAMES, named, parse};

/// Run the same load under several strategies in the real engine, and write a report.
///
/// Every strategy does the same writes on real files in a temporary directory, and the same seeded reads, each of which is
/// checked. Prints a table and writes one HTML file that needs nothing else.
#[derive(Debug, clap::Args)]
#[command(group = ArgGroup::new("load").args(["trace", "workload"]), after_help = workloads())]
pub struct Args {
    /// The trace to replay; without it or a workload one that `lsm` brings along, the change history of redb
    trace: Option<PathBuf>,
    /// A workload file, or the name of a built-in workload
    #[arg(long, value_name = "FILE|NAME")]
    workload: Option<String>,
    /// Strategies to compare [default: tiered,leveled,lazy,bandit, and fifo where the workload has a time to live]
    #[arg(long, value_delimiter = ',', value_enum)]
    strategies: Vec<Strategy>,
    /// Where to write the report [default: report.html; with --json none]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Bytes of a memtable [default: so that there are at least 200 flushes]
    #[arg(long, value_name = "N")]
    memtable_bytes: Option<u64>,
    /// When the log is synced
    #[arg(long, value_enum, default_value_t = Sync::Interval)]
    sync: Sync,
    /// Flush and merge in background threads, as a store in use does; the figures then vary from run to run
    #[arg(long)]
    background: bool,
    /// Directory in which the temporary stores are made [default: that of the system]
    #[arg(long, value_name = "DIR")]
    tmp: Option<PathBuf>,
    /// Prices of the cost in bytes, four numbers: per byte merged, per block of a get, per filter asked, per run of a scan
    #[arg(long, value_delimiter = ',', num_args = 4, value_name = "N")]
    prices: Vec<f64>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

const WORKLOAD_FILE: &str = "\
A workload file, all numbers but ops and keys with defaults:
  {\"seed\":1,\"phases\":[{\"ops\":300000,\"keys\":40000,\"skew\":{\"zipf\":0.99},\"value_bytes\":100,\"scan_keys\":50,
   \"mix\":{\"put\":0.5,\"delete\":0.0,\"get\":0.4,\"miss\":0.05,\"scan\":0.05}}]}
Other skews: \"uniform\", \"latest\", \"sequential\", and
{\"hot\":{\"share_of_keys\":0.2,\"share_of_ops\":0.8,\"at\":0.0}}. With \"ttl_ms\" beside the seed entries live for so many writes.";

fn workloads() -> String {
    let lines: Vec<String> = NAMES.iter().map(|(name, what)| format!("  {name:<12}  {what}")).collect();
    format!("Built-in workloads:\n{}\n\n{WORKLOAD_FILE}", lines.join("\n"))
}

pub fn run(args: &Args) -> Result<(), Failure> {
    let source = source(args)?;
    let memtable_bytes = args.memtable_bytes.unwrap_or_else(|| source.memtable_bytes());
    let prices = match args.prices.as_slice() {
        [compaction_byte, get_block, filter, scan_run] => {
            Prices { compaction_byte: *compaction_byte, get_block: *get_block, filter: *filter, scan_run: *scan_run }
        }
        _ => Prices::default(),
    };
    let mut outcomes = Vec::new();
    for strategy in strategies(args, &source) {
        outcomes.push(one(args, &source, strategy, memtable_bytes)?);
    }
    let notes = notes(args, &source, memtable_bytes, &outcomes);
    let out = args.out.clone().or_else(|| (!args.json).then(|| PathBuf::from("report.html")));
    if args.json {
        let figures: Vec<_> = outcomes.iter().map(|outcome| outcome.json(&prices)).collect();
        print_json(&json!({
            "load": source.name(), "memtable_bytes": memtable_bytes, "prices": prices, "strategies": figures,
            "report": out.as_ref().map(|path| path.display().to_string()),
        }))?;
    } else {
        print(|out| {
            writeln!(out, "{}\n- {}\n", source.name(), notes.join("\n- "))?;
            table(&outcomes, &prices, out)
        })?;
    }
    let Some(out) = out else { return Ok(()) };
    let write_unit = if matches!(source, Source::Trace { .. }) { "batch" } else { "put or delete" };
    let report = Report { load: source.name(), notes, outcomes, prices, write_unit };
    fs::write(&out, report.render()).map_err(Failure::io(out.display()))?;
    if args.json { Ok(()) } else { print(|text| writeln!(text, "\n{}\nReport: {}", report.verdict(), out.display())) }
}

fn source(args: &Args) -> Result<Source, Failure> {
    if let Some(path) = &args.trace {
        return Source::trace(path);
    }
    let Some(name) = args.workload.clone() else { return Source::bundled() };
    let workload = match named(&name) {
        Some(workload) => workload,
        None => parse(&fs::read_to_string(&name).map_err(Failure::io(&name))?)?,
    };
    Ok(Source::Workload { name, workload })
}

fn strategies(args: &Args, source: &Source) -> Vec<Strategy> {
    if !args.strategies.is_empty() {
        return args.strategies.clone();
    }
    let mut all = vec![Strategy::Tiered, Strategy::Leveled, Strategy::Lazy, Strategy::Bandit];
    all.extend(source.ttl_ms().map(|_| Strategy::Fifo));
    all
}

fn one(args: &Args, source: &Source, strategy: Strategy, memtable_bytes: u64) -> Result<Outcome, Failure> {
    let sizes = Sizes { memtable_bytes, ttl_ms: source.ttl_ms(), ..Sizes::default() };
    let settings = scaled(strategy, &sizes);
    let mut builder = tempfile::Builder::new();
    builder.prefix("lsm-compare-");
    let dir = match &args.tmp {
        Some(parent) => builder.tempdir_in(parent),
        None => builder.tempdir(),
    };
    let dir = dir.map_err(Failure::io(args.tmp.as_deref().unwrap_or(Path::new("temporary directory")).display()))?;
    let bar = progress(strategy.name());
    bar.set_length(source.length());
    let described = describe(&settings);
    let sync = args.sync.policy();
    let (background, dir) = (args.background, dir.path().to_path_buf());
    let run = Run { source, strategy, settings, described, memtable_bytes, sync, background, dir };
    let outcome = run_one(&run, &bar);
    bar.finish_and_clear();
    outcome.map_err(|failure| Failure::Wrong(format!("{}: {failure}", strategy.name())))
}

fn notes(args: &Args, source: &Source, memtable_bytes: u64, outcomes: &[Outcome]) -> Vec<String> {
    let mut notes = source.notes();
    let flushes = outcomes.iter().map(|outcome| outcome.last().counts.flushes).min().unwrap_or(0);
    let chosen = match args.memtable_bytes {
        Some(_) => "as asked for".to_owned(),
        None if flushes >= FLUSHES_MIN => format!("chosen for at least {FLUSHES_MIN} flushes"),
        None => format!("the load is too small for {FLUSHES_MIN} flushes"),
    };
    notes.push(format!(
        "Memtables of {} ({chosen}; there were {flushes}); tables are cut at 1 memtable, the first level below level 0 \
         takes 4.",
        bytes(memtable_bytes)
    ));
    notes.push(if args.background {
        "Flushes and merges ran in background threads.".to_owned()
    } else {
        "Flushes and merges were done within the write that made them due, so the trees are the same in every run, and \
         the slowest writes are those that waited for a merge."
            .to_owned()
    });
    notes
}
