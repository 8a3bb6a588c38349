//! `lsm compare`.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use clap::ArgGroup;
use compaction_core::sim::Prices;
use serde_json::{Value, json};

use super::asked::{List, apart, list};
use super::options::{PriceArgs, Sync, memtable_bytes, progress, workloads};
use super::{print, print_json};
use crate::Failure;
use crate::compare::{FLUSHES_MIN, Outcome, Run, Source, run as run_one, table, temporary};
use crate::human::bytes;
use crate::report::Report;
use crate::strategies::{Sizes, Strategy, describe, scaled};

/// Run the same load under several strategies in the real engine, and write a report.
///
/// Every strategy does the same writes on real files in a temporary directory, and the same seeded reads, each of which is
/// checked. Prints a table and writes one HTML file that needs nothing else.
#[derive(Debug, clap::Args)]
#[command(group = ArgGroup::new("load").args(["trace", "workload"]), after_help = after_help())]
pub struct Args {
    /// The trace to replay; without it or a workload one that `lsm` brings along, the change history of redb
    trace: Option<PathBuf>,
    /// A workload file, or the name of a built-in workload
    #[arg(long, value_name = "FILE|NAME")]
    workload: Option<String>,
    /// Strategies to compare, with spaces or commas between: tiered, leveled, lazy, bandit, fifo [default: the first four, and
    /// fifo where the workload has a time to live]
    #[arg(long, visible_alias = "strategy", value_name = "NAME", num_args = 1.., value_parser = list)]
    strategies: Vec<List>,
    /// Where to write the report
    #[arg(long, value_name = "FILE", default_value = "report.html")]
    out: PathBuf,
    /// Bytes of a memtable [default: so that there are at least 200 flushes]
    #[arg(long, value_name = "N", value_parser = memtable_bytes())]
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
    #[command(flatten)]
    prices: PriceArgs,
    /// Print one JSON object; `report` in it is where the report is
    #[arg(long)]
    json: bool,
}

const WORKLOAD_FILE: &str = "\
A workload file, all numbers but ops and keys with defaults:
  {\"seed\":1,\"phases\":[{\"ops\":300000,\"keys\":40000,
   \"skew\":{\"zipf\":0.99},\"value_bytes\":100,\"scan_keys\":50,
   \"mix\":{\"put\":0.5,\"delete\":0.0,\"get\":0.4,\"miss\":0.05,\"scan\":0.05}}]}
Other skews: \"uniform\", \"latest\" (appends), {\"series\":16} (to so many
ranges by turns), \"sequential\", \"scattered\" (each key once, far apart), and
{\"hot\":{\"share_of_keys\":0.2,\"share_of_ops\":0.8,\"at\":0.0}}. \"read_skew\":
that of gets, misses and scans, where it is not as for the writes. With
\"ttl_ms\" beside the seed entries live for so many writes.";

fn after_help() -> String {
    format!("{}\n\n{WORKLOAD_FILE}", workloads())
}

pub fn run(args: &Args) -> Result<(), Failure> {
    let (asked, traces) = apart(&args.strategies);
    let asked: Vec<Strategy> = asked.into_iter().map(|asked| asked.name("compare")).collect::<Result<_, _>>()?;
    let source = source(args, &traces)?;
    try_to_write(&args.out)?;
    let memtable_bytes = args.memtable_bytes.unwrap_or_else(|| source.memtable_bytes());
    let prices = args.prices.prices;
    let strategies = if asked.is_empty() { source.strategies() } else { asked };
    let mut outcomes = Vec::new();
    for strategy in strategies {
        outcomes.push(one(args, &source, strategy, memtable_bytes)?);
    }
    let notes = notes(args, &source, memtable_bytes, &outcomes);
    if args.json {
        let figures: Vec<_> = outcomes.iter().map(|outcome| outcome.json(&prices)).collect();
        print_json(&json!({
            "load": source.name(), "memtable_bytes": memtable_bytes, "prices": prices_json(&prices), "strategies": figures,
            "report": args.out.display().to_string(),
        }))?;
    } else {
        print(|out| {
            writeln!(out, "{}\n- {}\n", source.name(), notes.join("\n- "))?;
            table(&outcomes, &prices, out)
        })?;
    }
    let write_unit = if matches!(source, Source::Trace { .. }) { "batch" } else { "put or delete" };
    let report = Report { load: source.name(), notes, outcomes, prices, write_unit, is_simulated: false };
    let path = args.out.display();
    fs::write(&args.out, report.render()).map_err(Failure::io(&path))?;
    if args.json { Ok(()) } else { print(|out| writeln!(out, "\n{}\nReport: {path}", report.verdict())) }
}

/// The load: one trace, here or behind the strategies, or one workload.
fn source(args: &Args, behind: &[&Path]) -> Result<Source, Failure> {
    match (&args.trace, behind, &args.workload) {
        (Some(path), [], None) => Source::trace(path),
        (None, [path], None) => Source::trace(path),
        (None, [], Some(name)) => Source::workload(name),
        (None, [], None) => Source::bundled(),
        _ => Err(Failure::Usage("compare takes one trace or one workload".into())),
    }
}

/// To hear now, not when all is done, that the report cannot be written.
pub(super) fn try_to_write(out: &Path) -> Result<(), Failure> {
    let is_new = !out.exists();
    File::options().append(true).create(true).open(out).map_err(Failure::io(out.display()))?;
    if is_new { fs::remove_file(out).map_err(Failure::io(out.display())) } else { Ok(()) }
}

fn prices_json(prices: &Prices) -> Value {
    let Prices { compaction_byte, get_block, filter, scan_run } = prices;
    json!({"compaction_byte": compaction_byte, "get_block": get_block, "filter": filter, "scan_run": scan_run})
}

fn one(args: &Args, source: &Source, strategy: Strategy, memtable_bytes: u64) -> Result<Outcome, Failure> {
    let sizes = Sizes { memtable_bytes, ttl_ms: source.ttl_ms(), ..Sizes::default() };
    let settings = scaled(strategy, &sizes);
    let dir = temporary(args.tmp.as_deref())?;
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
