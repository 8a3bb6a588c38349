//! Measures the adaptive strategy against static ones. See `--help`.

use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use clap::Parser;
use compaction_core::BanditSettings;
use lsm_tests::adaptive::case::{Case, Set};
use lsm_tests::adaptive::field::{MEMTABLE_BYTES, bandit, six};
use lsm_tests::adaptive::race::race;
use lsm_tests::adaptive::show::Field;
use lsm_tests::adaptive::{moving, random, stationary};

/// Measure the adaptive strategy against tiered 4 and 8, leveled 4 and 10, lazy 4 and 10.
///
/// Cost per operation: bytes that merges read and write, 4 096 a data block that a point read fetches, 512 a filter that it asks, 4 096
/// a run that a scan opens. Everything counts, from an empty store on, the load too; at the end everything comes to rest, and
/// what a strategy still owes then is charged as read and written. Ratios are to the best of the six in hindsight.
#[derive(Debug, Parser)]
struct Args {
    /// What to measure
    #[command(subcommand)]
    what: What,
    /// The workloads to tune with, or those to judge by
    #[arg(long, value_enum, default_value_t = Set::Judge, global = true)]
    set: Set,
    /// Threads
    #[arg(long, default_value_t = 2, global = true)]
    jobs: usize,
    /// Only the cases whose names contain this
    #[arg(long, default_value = "", global = true)]
    only: String,
    /// Only the entrants whose names contain one of these, beside the six
    #[arg(long, value_delimiter = ',', global = true)]
    entrants: Vec<String>,
    /// Cap on the input bytes of a job, in tables, for everybody [default: none]
    #[arg(long, global = true)]
    job_tables: Option<u64>,
    /// One JSON object a line
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// 36 workloads that do not change
    Stationary,
    /// 17 workloads that change
    Moving,
    /// Random ones, half of them stationary
    Random {
        /// How many
        #[arg(long, default_value_t = 200)]
        count: u64,
    },
}

fn main() -> ExitCode {
    let args = Args::parse();
    let start = Instant::now();
    let result = run(&args);
    eprintln!("{:.1} s", start.elapsed().as_secs_f64());
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<(), String> {
    match args.what {
        What::Stationary => compare(args, stationary::cases(args.set)),
        What::Moving => compare(args, moving::cases(args.set)),
        What::Random { count } => compare(args, random::cases(args.set, count)),
    }
}

fn compare(args: &Args, mut cases: Vec<Case>) -> Result<(), String> {
    cases.retain(|case| case.name.contains(&args.only));
    let cap = args.job_tables.map_or(u64::MAX, |tables| tables.saturating_mul(MEMTABLE_BYTES));
    let mut entrants = six(cap);
    let count = entrants.len();
    entrants.push(bandit("bandit", BanditSettings::default(), cap));
    let rows = race(&cases, &entrants, args.jobs, &progress(cases.len() * entrants.len()))?;
    print(args, &Field { entrants: &entrants, six: count }, &rows);
    Ok(())
}

fn print(args: &Args, field: &Field<'_>, rows: &[lsm_tests::adaptive::race::Row]) {
    if args.json {
        for object in field.json(rows) {
            println!("{object}");
        }
    } else {
        println!("set: {}\n\n{}", args.set.name(), field.text(rows));
    }
}

/// Says on standard error how far it is.
fn progress(of: usize) -> impl Fn() + Sync {
    let done = AtomicUsize::new(0);
    move || {
        let done = done.fetch_add(1, Ordering::Relaxed) + 1;
        if done.is_multiple_of(50) {
            eprintln!("{done} of {of}");
        }
    }
}
