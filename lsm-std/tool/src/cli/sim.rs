//! `lsm sim`.

use std::fs;
use std::path::{Path, PathBuf};

use compaction_core::sim::{Mix, StoreSettings};

use super::asked::{List, apart, list, scaled_candidate};
use super::compare::try_to_write;
use super::options::{PriceArgs, at_least_1, memtable_bytes, numbers, table_bytes, workloads};
use super::{print, print_json};
use crate::Failure;
use crate::compare::Source;
use crate::human::bytes;
use crate::report::Report;
use crate::sim::{Candidate, Simulated, Standing, check, check_table, simulate_source, store, table};
use crate::strategies::{Sizes, Strategy};
use crate::workload::{NAMES, load};

/// Simulate strategies under a workload, without touching data.
///
/// Tables hold key numbers instead of keys and lengths instead of values, so a simulation takes a fraction of the time and
/// none of the disk. Large workloads are sampled. `--check` runs the engine too and holds the two side by side.
#[derive(Debug, clap::Args)]
#[command(after_help = workloads())]
pub struct Args {
    /// Traces to simulate, with the reads of `lsm compare`
    trace: Vec<PathBuf>,
    /// Workload files or names of built-in workloads [with --check default: all built-in ones]
    #[arg(long, value_name = "FILE|NAME", value_delimiter = ',')]
    workload: Vec<String>,
    /// Strategies with spaces or commas between: names, or JSON objects with settings as for `lsm plan` [default: tiered,
    /// leveled, lazy, bandit, and fifo where the workload has a time to live]
    #[arg(long, visible_alias = "strategies", value_name = "NAME|JSON", num_args = 1.., value_parser = list)]
    strategy: Vec<List>,
    /// Start from the store in this directory: what each strategy would cost from here. Without a workload: as many writes as
    /// it has entries, of their size
    #[arg(long, value_name = "DIR", conflicts_with = "check")]
    what_if: Option<PathBuf>,
    /// Shares of puts, deletes, gets, misses and scans to come in --what-if; reads leave no trace in a store
    #[arg(long, value_name = "P,D,G,M,S", value_parser = mix, requires = "what_if", conflicts_with = "workload")]
    mix: Option<Mix>,
    /// Bytes of a memtable [default: so that there are at least 200 flushes, at most 64 MiB]
    #[arg(long, value_name = "N", value_parser = memtable_bytes())]
    memtable_bytes: Option<u64>,
    /// Bytes at which tables are cut [default: one memtable]
    #[arg(long, value_name = "N", value_parser = table_bytes())]
    table_bytes: Option<u64>,
    /// Target of the first level below level 0 [default: four memtables]
    #[arg(long, value_name = "N", value_parser = at_least_1())]
    base_bytes: Option<u64>,
    /// Operations and keys that one simulated one stands for [default: 1 up to eight million operations]
    #[arg(long, value_name = "N", value_parser = at_least_1())]
    scale: Option<u64>,
    /// Bytes per second that the disk reads and writes: to see how long writers wait
    #[arg(long, value_name = "N", default_value_t = 0)]
    io_rate: u64,
    /// Bytes per second that the user writes [default: as many as the store takes]
    #[arg(long, value_name = "N", default_value_t = 0)]
    write_rate: u64,
    #[command(flatten)]
    prices: PriceArgs,
    /// Hold the simulator against the engine; exit with 1 if write or space amplification is more than 5 % off
    #[arg(long)]
    check: bool,
    /// Directory in which the stores of --check are made [default: that of the system]
    #[arg(long, value_name = "DIR", requires = "check")]
    tmp: Option<PathBuf>,
    /// Write a report with plots to this file: amplification, levels and runs over time, jobs and their reasons, what the bandit
    /// picked. For one workload or trace
    #[arg(long, value_name = "FILE", conflicts_with = "check")]
    out: Option<PathBuf>,
    /// Print JSON, one object a strategy
    #[arg(long)]
    json: bool,
    /// Add the tree over time to the JSON
    #[arg(long, requires = "json")]
    over_time: bool,
}

pub fn run(args: &Args) -> Result<(), Failure> {
    let traces = traces(args);
    if args.what_if.is_some() && !traces.is_empty() {
        return Err(Failure::Usage("--what-if takes a workload, no trace".into()));
    }
    if traces.is_empty() && args.workload.is_empty() && !args.check && args.what_if.is_none() {
        return Err(Failure::Usage("needs a trace, --workload FILE|NAME, --what-if DIR or --check".into()));
    }
    if args.check {
        return run_check(args);
    }
    if let Some(dir) = &args.what_if {
        return run_what_if(args, dir);
    }
    let sources = sources(args)?;
    if let Some(out) = &args.out {
        if sources.len() > 1 {
            return Err(Failure::Usage(format!("--out takes one workload or trace, not {}", sources.len())));
        }
        try_to_write(out)?;
    }
    for source in &sources {
        let all = simulate_all(args, source)?;
        report(args, source.name(), source.notes(), &all)?;
        let prices = args.prices.prices;
        if args.json {
            all.iter().try_for_each(|one| print_json(&one.json(&prices, args.over_time)))?;
        } else {
            print(|out| {
                writeln!(out, "{}: {}\n", source.name(), source.notes().join(" "))?;
                table(&all, &prices, out)
            })?;
        }
    }
    Ok(())
}

fn run_what_if(args: &Args, dir: &Path) -> Result<(), Failure> {
    let standing = Standing::of(dir)?;
    let (name, workload) = match args.workload.as_slice() {
        [] => ("more of the same".to_owned(), standing.workload(args.mix)),
        [name] => (name.clone(), load(name)?),
        names => return Err(Failure::Wrong(format!("--what-if takes one workload, not {}", names.len()))),
    };
    let source = Source::Workload { name, workload: workload.clone() };
    let (store, candidates) = setting(args, &source, args.memtable_bytes.unwrap_or_else(|| source.memtable_bytes()));
    let simulated = candidates.into_iter().map(|candidate| standing.simulate(&workload, candidate, &store));
    let all: Vec<Simulated> = simulated.collect::<Result<_, _>>()?;
    let prices = args.prices.prices;
    let notes = [vec![format!("{}: {}.", dir.display(), standing.notes())], source.notes()].concat();
    report(args, source.name(), notes, &all)?;
    if args.json {
        return all.iter().try_for_each(|one| print_json(&one.json(&prices, args.over_time)));
    }
    print(|out| {
        writeln!(out, "{}: {}.", dir.display(), standing.notes())?;
        let (notes, memtable) = (source.notes().join(" "), bytes(store.memtable_bytes));
        writeln!(out, "{}, memtables of {memtable}: {notes}\n", source.name())?;
        table(&all, &prices, out)
    })
}

/// Writes the report that is asked for, if one is.
fn report(args: &Args, load: String, notes: Vec<String>, all: &[Simulated]) -> Result<(), Failure> {
    let Some(out) = &args.out else { return Ok(()) };
    let outcomes = all.iter().map(Simulated::outcome).collect::<Result<_, _>>()?;
    let report = Report { load, notes, outcomes, prices: args.prices.prices, write_unit: "put", is_simulated: true };
    fs::write(out, report.render()).map_err(Failure::io(out.display()))
}

fn mix(text: &str) -> Result<Mix, String> {
    let [put, delete, get, miss, scan] = numbers(text)?;
    Ok(Mix { put, delete, get, miss, scan })
}

/// The traces, also those that stand behind the strategies.
fn traces(args: &Args) -> Vec<&Path> {
    args.trace.iter().map(PathBuf::as_path).chain(apart(&args.strategy).1).collect()
}

fn sources(args: &Args) -> Result<Vec<Source>, Failure> {
    let all: Vec<String> = NAMES.iter().map(|(name, _)| (*name).to_owned()).collect();
    let traces = traces(args);
    let names = if args.workload.is_empty() && traces.is_empty() { &all } else { &args.workload };
    let traces = traces.into_iter().map(Source::trace);
    traces.chain(names.iter().map(|name| Source::workload(name))).collect()
}

fn simulate_all(args: &Args, source: &Source) -> Result<Vec<Simulated>, Failure> {
    let memtable_bytes = args.memtable_bytes.unwrap_or_else(|| source.memtable_bytes());
    let (store, candidates) = setting(args, source, memtable_bytes);
    candidates.into_iter().map(|candidate| simulate_source(source, candidate, &store)).collect()
}

/// The store and the strategies that are asked for.
fn setting(args: &Args, source: &Source, memtable_bytes: u64) -> (StoreSettings, Vec<Candidate>) {
    let mut store = store(memtable_bytes, args.table_bytes.unwrap_or(memtable_bytes));
    (store.io_bytes_per_s, store.user_bytes_per_s, store.scale) = (args.io_rate, args.write_rate, args.scale);
    let (base_bytes, table_bytes) = (args.base_bytes, args.table_bytes);
    let sizes = Sizes { memtable_bytes, base_bytes, table_bytes, ttl_ms: source.ttl_ms() };
    let (asked, _) = apart(&args.strategy);
    let candidates: Vec<Candidate> = if asked.is_empty() {
        source.strategies().into_iter().map(|strategy| scaled_candidate(strategy, &sizes)).collect()
    } else {
        asked.into_iter().map(|asked| asked.candidate(&sizes)).collect()
    };
    (store, candidates)
}

fn run_check(args: &Args) -> Result<(), Failure> {
    let (asked, _) = apart(&args.strategy);
    let asked: Vec<Strategy> = asked.into_iter().map(|asked| asked.name("--check")).collect::<Result<_, _>>()?;
    let mut all = Vec::new();
    for source in &sources(args)? {
        let strategies = if asked.is_empty() { source.strategies() } else { asked.clone() };
        for strategy in strategies {
            all.push(check(source, strategy, args.scale, args.tmp.as_deref())?);
        }
    }
    print(|out| check_table(&all, out))?;
    match all.iter().filter(|one| one.error() > 0.05).count() {
        0 => Ok(()),
        off => Err(Failure::Wrong(format!("{off} of {} are more than 5 % off", all.len()))),
    }
}
