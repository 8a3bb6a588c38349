//! `lsm tune`.

use std::path::PathBuf;

use compaction_core::tune::{Bounds, Limits, Popularity};

use super::{print, print_json};
use crate::Failure;
use crate::tune::{HEAD, Question, answer, check, measure, questions};

/// Fan-outs, levels, strategy and filter bits for a workload, by mathematics.
///
/// Two models answer. Without filters: the fan-outs that need the fewest compares per operation, exact (O'Neil et al. 1996;
/// Lagrange multipliers). With filters and blocks: strategy, size ratio and runs per level that cost least at the prices of
/// `lsm sim`, or with limits read cheapest (Dostoevsky, SIGMOD 2018); filter bits by level as in Monkey, SIGMOD 2017.
#[derive(Debug, clap::Args)]
#[command(
    allow_negative_numbers = true,
    override_usage = "lsm tune --reads <PR> --writes <PI> --entries <K> [OPTIONS]
       lsm tune --reads <PR> --writes <PI> --product <X> [OPTIONS]
       lsm tune --dir <STORE> [OPTIONS]
       lsm tune --check [OPTIONS]"
)]
pub struct Args {
    /// Share of operations that read a key that is there [with --dir default: what the writes leave, or half]
    #[arg(long, value_name = "PR", required_unless_present_any = ["dir", "check"])]
    reads: Option<f64>,
    /// Share of operations that write [with --dir default: what the reads leave, or half]
    #[arg(long, value_name = "PI", required_unless_present_any = ["dir", "check"])]
    writes: Option<f64>,
    /// Share of operations that scan
    #[arg(long, value_name = "PS", default_value_t = 0.0)]
    scans: f64,
    /// Share of operations that read a key that is not there
    #[arg(long, value_name = "PM", default_value_t = 0.0)]
    misses: f64,
    /// Entries of the store, as 1000000 or 1e6
    #[arg(long, value_name = "K", required_unless_present_any = ["product", "dir", "check"])]
    entries: Option<f64>,
    /// What the fan-outs multiply to, in place of the entries
    #[arg(long, value_name = "X")]
    product: Option<f64>,
    /// Levels below the memtable [default: the best number]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000))]
    levels: Option<u64>,
    /// The least that a fan-out may be
    #[arg(long, value_name = "F", default_value_t = 1.0)]
    fanout_min: f64,
    /// The most that a fan-out may be [default: no limit]
    #[arg(long, value_name = "F")]
    fanout_max: Option<f64>,
    /// Entries of the memtable [default: what is best, at most a memtable of 16 MiB unless --levels is given]
    #[arg(long, value_name = "B")]
    memtable_entries: Option<f64>,
    /// The least entries of the memtable
    #[arg(long, value_name = "B", default_value_t = 1.0, conflicts_with = "memtable_entries")]
    memtable_entries_min: f64,
    /// The most entries of the memtable, as a share of all
    #[arg(long, value_name = "M", conflicts_with = "memtable_entries")]
    memtable_share_max: Option<f64>,
    /// Bytes of memory for memtable and filters. Unless the memtable is given, filters take 10 bits an entry, at most half of it
    #[arg(long, value_name = "BYTES")]
    memory: Option<f64>,
    /// Bytes of key and value [default: 116, or what the store has]
    #[arg(long, value_name = "N")]
    entry_bytes: Option<f64>,
    /// Which keys are touched more often: uniform, zipf:0.99, or hot:0.2:0.8 for a fifth of the keys with four fifths of the
    /// operations
    #[arg(long, value_name = "SKEW", default_value = "uniform", value_parser = popularity)]
    skew: Popularity,
    /// The most bytes written per byte that the user writes: then reads are made cheap within it
    #[arg(long, value_name = "W")]
    write_amp_max: Option<f64>,
    /// The most bytes of tables per live byte, at any time
    #[arg(long, value_name = "S")]
    space_amp_max: Option<f64>,
    /// Take entries and their size, and the measured amplification, from the store in this directory, and propose a better
    /// size ratio. Reads leave no trace in a store: without their share half of the operations are taken for reads, and
    /// the answer says so
    #[arg(long, value_name = "STORE")]
    dir: Option<PathBuf>,
    /// Run the answer in the simulator, beside a grid of strategies and fan-outs; exit with 1 if it costs over 5 % more than
    /// the best of them. Without shares: twelve workloads, a minute or two
    #[arg(long, conflicts_with_all = ["dir", "json"])]
    check: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args) -> Result<(), Failure> {
    let measured = args.dir.as_deref().map(measure).transpose()?;
    let (of_store, of_entry) = measured.as_ref().map(|store| (store.entries, store.entry_bytes)).unzip();
    let others = args.scans + args.misses;
    let (reads, writes) = match (args.reads, args.writes) {
        (Some(reads), Some(writes)) => (reads, writes),
        (Some(reads), None) => (reads, 1.0 - reads - others),
        (None, Some(writes)) => (1.0 - writes - others, writes),
        (None, None) => ((1.0 - others) / 2.0, (1.0 - others) / 2.0),
    };
    let question = Question {
        reads,
        writes,
        scans: args.scans,
        misses: args.misses,
        entries: args.entries.or(if args.product.is_some() { None } else { of_store }),
        product: args.product,
        levels: args.levels.map(|levels| levels as usize),
        bounds: Bounds { min: args.fanout_min, max: args.fanout_max.unwrap_or(f64::INFINITY) },
        memtable_entries: args.memtable_entries,
        memtable_entries_min: args.memtable_entries_min,
        memtable_share_max: args.memtable_share_max,
        memory_bytes: args.memory,
        entry_bytes: args.entry_bytes.or(of_entry).unwrap_or(116.0),
        popularity: args.skew,
        limits: Limits {
            write_amp: args.write_amp_max.unwrap_or(f64::INFINITY),
            space_amp: args.space_amp_max.unwrap_or(f64::INFINITY),
        },
        assumed: args.reads.is_none() && args.writes.is_none(),
    };
    if args.check {
        let asked = args.reads.is_some() || args.writes.is_some() || args.entries.is_some();
        return run_check(&if asked { vec![("as given".to_owned(), question)] } else { questions() });
    }
    let answer = answer(&question, measured)?;
    if args.json { print_json(&answer.json()) } else { print(|out| answer.text(out)) }
}

fn run_check(questions: &[(String, Question)]) -> Result<(), Failure> {
    print(|out| writeln!(out, "{HEAD}"))?;
    let mut off = 0;
    for (name, question) in questions {
        let checked = check(name, question)?;
        print(|out| writeln!(out, "{checked}"))?;
        off += usize::from(checked.gap() > 0.05);
    }
    match off {
        0 => Ok(()),
        off => {
            Err(Failure::Wrong(format!("{off} of {} cost over 5 % more than the best of the grid", questions.len())))
        }
    }
}

fn popularity(text: &str) -> Result<Popularity, String> {
    let share = |text: &str| text.parse::<f64>().ok().filter(|share| (0.0..=1.0).contains(share));
    let parts: Vec<&str> = text.split(':').collect();
    let found = match parts.as_slice() {
        ["uniform"] => Some(Popularity::Uniform),
        ["zipf", theta] => share(theta).filter(|theta| *theta < 1.0).map(Popularity::Zipf),
        ["hot", keys, ops] => share(keys).zip(share(ops)).map(|(keys, ops)| Popularity::Hot { keys, ops }),
        _ => None,
    };
    found.ok_or_else(|| "must be uniform, zipf:0.99 (below 1), or hot:0.2:0.8".to_owned())
}
