//! `lsm sim`.

use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::ValueEnum;
use compaction_core::AnySettings;
use compaction_core::sim::{Mix, Prices, StoreSettings};

use super::{print, print_json};
use crate::Failure;
use crate::compare::Source;
use crate::sim::{Candidate, Simulated, Standing, check, check_table, simulate_source, store, table};
use crate::strategies::{self, Sizes, Strategy, scaled};
use crate::workload::{NAMES, named, parse};

/// Bytes of a memtable in a store, unless told otherwise.
const MEMTABLE_BYTES: u64 = 16 << 20;

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
    #[arg(long, value_name = "FILE|NAME", value_delimiter = ',', required_unless_present_any = ["trace", "check", "what_if"])]
    workload: Vec<String>,
    /// Strategies by name, or as JSON objects with settings as for `lsm plan` [default: tiered, leveled, lazy, bandit, and fifo
    /// where the workload has a time to live]
    #[arg(long, visible_alias = "strategies", value_name = "NAME|JSON", num_args = 1..)]
    strategy: Vec<String>,
    /// Start from the store in this directory: what each strategy would cost from here. Without a workload: as many writes as
    /// it has entries, of their size
    #[arg(long, value_name = "DIR", conflicts_with = "check")]
    what_if: Option<PathBuf>,
    /// Shares of puts, deletes, gets, misses and scans to come in --what-if; reads leave no trace in a store
    #[arg(long, value_name = "P,D,G,M,S", value_parser = mix, requires = "what_if", conflicts_with = "workload")]
    mix: Option<Mix>,
    /// Bytes of a memtable [default: so that there are at least 200 flushes, at most 64 MiB]
    #[arg(long, value_name = "N")]
    memtable_bytes: Option<u64>,
    /// Bytes at which tables are cut [default: one memtable]
    #[arg(long, value_name = "N")]
    table_bytes: Option<u64>,
    /// Target of the first level below level 0 [default: four memtables]
    #[arg(long, value_name = "N")]
    base_bytes: Option<u64>,
    /// Operations and keys that one simulated one stands for [default: 1 up to eight million operations]
    #[arg(long, value_name = "N")]
    scale: Option<u64>,
    /// Bytes per second that the disk reads and writes: to see how long writers wait
    #[arg(long, value_name = "N", default_value_t = 0)]
    io_rate: u64,
    /// Bytes per second that the user writes [default: as many as the store takes]
    #[arg(long, value_name = "N", default_value_t = 0)]
    write_rate: u64,
    /// Prices of the cost in bytes, four numbers: per byte merged, per block of a get, per filter asked, per run of a scan
    #[arg(long, value_name = "N,N,N,N", value_parser = prices)]
    prices: Option<Prices>,
    /// Hold the simulator against the engine; exit with 1 if write or space amplification is more than 5 % off
    #[arg(long)]
    check: bool,
    /// Directory in which the stores of --check are made [default: that of the system]
    #[arg(long, value_name = "DIR", requires = "check")]
    tmp: Option<PathBuf>,
    /// Print JSON, one object a strategy
    #[arg(long)]
    json: bool,
    /// Add the tree over time to the JSON
    #[arg(long, requires = "json")]
    over_time: bool,
}

fn workloads() -> String {
    let lines: Vec<String> = NAMES.iter().map(|(name, what)| format!("  {name:<12}  {what}")).collect();
    format!("Built-in workloads:\n{}", lines.join("\n"))
}

pub fn run(args: &Args) -> Result<(), Failure> {
    if args.check {
        return run_check(args);
    }
    if let Some(dir) = &args.what_if {
        return run_what_if(args, dir);
    }
    for source in &sources(args)? {
        let all = simulate_all(args, source)?;
        let prices = args.prices.unwrap_or_default();
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
    let source = match args.workload.as_slice() {
        [] => Source::Workload { name: "more of the same".to_owned(), workload: standing.workload(args.mix) },
        _ => sources(args)?.swap_remove(0),
    };
    let Source::Workload { workload, .. } = &source else { return Ok(()) };
    let (store, candidates) = setting(args, &source, args.memtable_bytes.unwrap_or(MEMTABLE_BYTES))?;
    let simulated = candidates.into_iter().map(|candidate| standing.simulate(workload, candidate, &store));
    let all: Vec<Simulated> = simulated.collect::<Result<_, _>>()?;
    let prices = args.prices.unwrap_or_default();
    if args.json {
        return all.iter().try_for_each(|one| print_json(&one.json(&prices, args.over_time)));
    }
    print(|out| {
        writeln!(out, "{}: {}.\n{}: {}\n", dir.display(), standing.notes(), source.name(), source.notes().join(" "))?;
        table(&all, &prices, out)
    })
}

/// So many numbers with commas between them.
fn numbers<T: FromStr, const N: usize>(text: &str) -> Result<[T; N], String> {
    let numbers: Option<Vec<T>> = text.split(',').map(|number| number.trim().parse().ok()).collect();
    numbers
        .and_then(|numbers| numbers.try_into().ok())
        .ok_or_else(|| format!("must be {N} numbers with commas between"))
}

fn prices(text: &str) -> Result<Prices, String> {
    let [compaction_byte, get_block, filter, scan_run] = numbers(text)?;
    Ok(Prices { compaction_byte, get_block, filter, scan_run })
}

fn mix(text: &str) -> Result<Mix, String> {
    let [put, delete, get, miss, scan] = numbers(text)?;
    Ok(Mix { put, delete, get, miss, scan })
}

fn sources(args: &Args) -> Result<Vec<Source>, Failure> {
    let all: Vec<String> = NAMES.iter().map(|(name, _)| (*name).to_owned()).collect();
    let names = if args.workload.is_empty() && args.trace.is_empty() { &all } else { &args.workload };
    let source = |name: &String| {
        let workload = match named(name) {
            Some(workload) => workload,
            None => parse(&fs::read_to_string(name).map_err(Failure::io(name))?)?,
        };
        Ok(Source::Workload { name: name.clone(), workload })
    };
    let traces = args.trace.iter().map(|path| Source::trace(path));
    traces.chain(names.iter().map(source)).collect()
}

fn simulate_all(args: &Args, source: &Source) -> Result<Vec<Simulated>, Failure> {
    let memtable_bytes = args.memtable_bytes.unwrap_or_else(|| source.memtable_bytes());
    let (store, candidates) = setting(args, source, memtable_bytes)?;
    candidates.into_iter().map(|candidate| simulate_source(source, candidate, &store)).collect()
}

/// The store and the strategies that are asked for.
fn setting(args: &Args, source: &Source, memtable_bytes: u64) -> Result<(StoreSettings, Vec<Candidate>), Failure> {
    let mut store = store(memtable_bytes, args.table_bytes.unwrap_or(memtable_bytes));
    (store.io_bytes_per_s, store.user_bytes_per_s, store.scale) = (args.io_rate, args.write_rate, args.scale);
    let (base_bytes, table_bytes) = (args.base_bytes, args.table_bytes);
    let sizes = Sizes { memtable_bytes, base_bytes, table_bytes, ttl_ms: source.ttl_ms() };
    let candidates: Vec<Candidate> = if args.strategy.is_empty() {
        defaults(source).into_iter().map(|strategy| candidate(strategy, scaled(strategy, &sizes))).collect()
    } else {
        args.strategy.iter().map(|text| parse_candidate(text, &sizes)).collect::<Result<_, _>>()?
    };
    Ok((store, candidates))
}

fn candidate(strategy: Strategy, settings: AnySettings) -> Candidate {
    Candidate { name: strategy.name().to_owned(), settings }
}

/// A strategy by name, its sizes following the memtable, or as an object with its settings.
fn parse_candidate(text: &str, sizes: &Sizes) -> Result<Candidate, Failure> {
    if text.trim_start().starts_with('{') {
        let settings = strategies::parse(text).map_err(|refusal| Failure::Wrong(refusal.text))?;
        return Ok(Candidate { name: text.to_owned(), settings });
    }
    let strategy = Strategy::from_str(text, false).map_err(|_| Failure::Wrong(format!("unknown strategy {text:?}")))?;
    Ok(candidate(strategy, scaled(strategy, sizes)))
}

fn defaults(source: &Source) -> Vec<Strategy> {
    let mut all = vec![Strategy::Tiered, Strategy::Leveled, Strategy::Lazy, Strategy::Bandit];
    all.extend(source.ttl_ms().map(|_| Strategy::Fifo));
    all
}

fn run_check(args: &Args) -> Result<(), Failure> {
    let mut all = Vec::new();
    for source in &sources(args)? {
        let strategies: Vec<Strategy> = match args.strategy.as_slice() {
            [] => defaults(source),
            names => names.iter().filter_map(|name| Strategy::from_str(name, false).ok()).collect(),
        };
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
