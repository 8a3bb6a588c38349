//! `lsm sim`.

use std::fs;
use std::path::PathBuf;

use clap::ValueEnum;
use compaction_core::AnySettings;
use compaction_core::sim::Prices;

use super::{print, print_json};
use crate::Failure;
use crate::compare::Source;
use crate::sim::{Candidate, Simulated, check, check_table, simulate, store, table};
use crate::strategies::{self, Sizes, Strategy, scaled};
use crate::workload::{NAMES, named, parse};

/// Simulate strategies under a workload, without touching data.
///
/// Tables hold key numbers instead of keys and lengths instead of values, so a simulation takes a fraction of the time and
/// none of the disk. Large workloads are sampled. `--check` runs the engine too and holds the two side by side.
#[derive(Debug, clap::Args)]
#[command(after_help = workloads())]
pub struct Args {
    /// Workload files or names of built-in workloads [with --check default: all built-in ones]
    #[arg(long, value_name = "FILE|NAME", value_delimiter = ',', required_unless_present = "check")]
    workload: Vec<String>,
    /// Strategies by name, or as JSON objects with settings as for `lsm plan` [default: tiered, leveled, lazy, bandit, and fifo
    /// where the workload has a time to live]
    #[arg(long, visible_alias = "strategies", value_name = "NAME|JSON", num_args = 1..)]
    strategy: Vec<String>,
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
    #[arg(long, value_delimiter = ',', num_args = 4, value_name = "N")]
    prices: Vec<u64>,
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
    for source in &sources(args)? {
        let all = simulate_all(args, source)?;
        let prices = prices(args);
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

fn prices(args: &Args) -> Prices {
    match args.prices.as_slice() {
        [compaction_byte, get_block, filter, scan_run] => {
            Prices { compaction_byte: *compaction_byte, get_block: *get_block, filter: *filter, scan_run: *scan_run }
        }
        _ => Prices::default(),
    }
}

fn sources(args: &Args) -> Result<Vec<Source>, Failure> {
    let all: Vec<String> = NAMES.iter().map(|(name, _)| (*name).to_owned()).collect();
    let names = if args.workload.is_empty() { &all } else { &args.workload };
    let source = |name: &String| {
        let workload = match named(name) {
            Some(workload) => workload,
            None => parse(&fs::read_to_string(name).map_err(Failure::io(name))?)?,
        };
        Ok(Source::Workload { name: name.clone(), workload })
    };
    names.iter().map(source).collect()
}

fn simulate_all(args: &Args, source: &Source) -> Result<Vec<Simulated>, Failure> {
    let Source::Workload { workload, .. } = source else { return Ok(Vec::new()) };
    let memtable_bytes = args.memtable_bytes.unwrap_or_else(|| source.memtable_bytes());
    let mut store = store(memtable_bytes, args.table_bytes.unwrap_or(memtable_bytes));
    (store.io_bytes_per_s, store.user_bytes_per_s, store.scale) = (args.io_rate, args.write_rate, args.scale);
    let (base_bytes, table_bytes) = (args.base_bytes, args.table_bytes);
    let sizes = Sizes { memtable_bytes, base_bytes, table_bytes, ttl_ms: source.ttl_ms() };
    let candidates: Vec<Candidate> = if args.strategy.is_empty() {
        defaults(source).into_iter().map(|strategy| candidate(strategy, scaled(strategy, &sizes))).collect()
    } else {
        args.strategy.iter().map(|text| parse_candidate(text, &sizes)).collect::<Result<_, _>>()?
    };
    candidates.into_iter().map(|candidate| simulate(workload, candidate, &store)).collect()
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
