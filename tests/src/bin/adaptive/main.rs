//! Measures the adaptive strategy against static ones. See `--help`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use clap::Parser;
use compaction_core::{AnySettings, BanditSettings};
use lsm_tests::adaptive::case::{Case, Set};
use lsm_tests::adaptive::field::{Entrant, MEMTABLE_BYTES, arms, bandit, six};
use lsm_tests::adaptive::known::Known;
use lsm_tests::adaptive::race::{Paid, Row, each, race};
use lsm_tests::adaptive::show::Field;
use lsm_tests::adaptive::{ablation, hot, moving, random, real, stationary, wild};
use serde_json::{Value, json};

/// Measure the adaptive strategy against tiered 4 and 8, leveled 4 and 10, lazy 4 and 10.
///
/// Cost per operation: bytes that merges read and write, 4 096 a data block that a point read fetches, 512 a filter that it
/// asks, 4 096 a run that a scan opens. Everything counts, from an empty store on, the load too; at the end everything
/// comes to rest, and what a strategy still owes then is charged as read and written. Ratios are to the best of the six in
/// hindsight.
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
    /// Run each of the layouts that the bandit chooses from as well, the same in all slots for good, and show what the best of
    /// all that is fixed costs
    #[arg(long, global = true)]
    beside: bool,
    /// Cap on the input bytes of a job, in tables, for everybody [default: none]
    #[arg(long, global = true)]
    job_tables: Option<u64>,
    /// Output of an earlier run with --json: static strategies are not run again where workload and settings are the same
    #[arg(long, value_name = "FILE", global = true)]
    known: Option<PathBuf>,
    /// Directory in which stores are made [default: that of the system]
    #[arg(long, value_name = "DIR", global = true)]
    tmp: Option<PathBuf>,
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
    /// Random ones of any kind: deletes, appends, keys in order, values of other sizes
    Wild {
        /// How many
        #[arg(long, default_value_t = 200)]
        count: u64,
    },
    /// Where the bandit works when 4 of 16 slots are hot, and when they move
    Hot,
    /// Variants of the bandit beside each other
    Ablation,
    /// A third of the stationary workloads in the engine, beside the simulator's figures
    Engine,
    /// Latencies and write amplification in the engine, merges in threads beside
    Service {
        /// Operations after the load
        #[arg(long, default_value_t = 2_000_000)]
        ops: u64,
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
    let adaptive = |cap| vec![bandit("bandit", BanditSettings::default(), cap)];
    if let Some(dir) = args.tmp.as_ref().filter(|dir| !dir.is_dir()) {
        return Err(format!("--tmp {}: no such directory", dir.display()));
    }
    match args.what {
        What::Stationary => compare(args, stationary::cases(args.set), adaptive),
        What::Moving => compare(args, moving::cases(args.set), adaptive),
        What::Random { count } => compare(args, random::cases(args.set, count), adaptive),
        What::Wild { count } => compare(args, wild::cases(args.set, count), adaptive),
        What::Ablation => compare(args, ablation::cases(args.set), ablation::entrants),
        What::Hot => {
            let picks = hot::run(args.set, BanditSettings::default())?;
            say(args, picks.json(), picks.text());
            Ok(())
        }
        What::Engine => in_engine(args),
        What::Service { ops } => {
            let service =
                real::service(&bandit("bandit", BanditSettings::default(), args.cap()), ops, args.tmp.as_deref())?;
            say(args, service.json(), service.text());
            if service.is_met() { Ok(()) } else { Err("a service goal is not met".to_owned()) }
        }
    }
}

impl Args {
    /// The cap on a job, in bytes.
    fn cap(&self) -> u64 {
        self.job_tables.map_or(u64::MAX, |tables| tables.saturating_mul(MEMTABLE_BYTES))
    }

    /// Drops the cases that are not asked for.
    fn keep_wanted(&self, cases: &mut Vec<Case>) -> Result<(), String> {
        let names: Vec<String> = cases.iter().map(|case| case.name.clone()).collect();
        cases.retain(|case| case.name.contains(&self.only));
        if cases.is_empty() {
            return Err(format!("--only {:?}: no such case; there are {}", self.only, names.join("; ")));
        }
        Ok(())
    }

    /// The six, the fixed layouts if they are asked for, and of the others those that are; how many are the six, and how
    /// many static.
    fn field(&self, others: Vec<Entrant>) -> (Vec<Entrant>, usize, usize) {
        let mut all = six(self.cap());
        let count = all.len();
        if self.beside {
            all.extend(arms(self.cap()));
        }
        let statics = all.len();
        let wanted = |entrant: &Entrant| {
            self.entrants.is_empty() || self.entrants.iter().any(|part| entrant.name.contains(part))
        };
        all.extend(others.into_iter().filter(wanted));
        (all, count, statics)
    }
}

fn say(args: &Args, json: Value, text: String) {
    if args.json {
        println!("{json}");
    } else {
        println!("set: {}\n\n{text}", args.set.name());
    }
}

fn compare(args: &Args, mut cases: Vec<Case>, others: impl Fn(u64) -> Vec<Entrant>) -> Result<(), String> {
    args.keep_wanted(&mut cases)?;
    let (mut entrants, six, statics) = args.field(others(args.cap()));
    let known = args.known.as_deref().map_or_else(|| Ok(Known::default()), Known::read)?;
    let mut rows = race(&cases, &entrants, &known, args.jobs, &progress(cases.len() * entrants.len()))?;
    if args.beside {
        entrants.push(Entrant::new("best static", AnySettings::Idle));
        for row in &mut rows {
            let (_, cost) = row.best(statics);
            row.paid.push(Paid { cost, ..Paid::default() });
        }
    }
    print(args, &Field { entrants: &entrants, six }, &rows);
    Ok(())
}

/// The third of the stationary workloads, in the engine and in the simulator: a table for each, and how far they are apart.
fn in_engine(args: &Args) -> Result<(), String> {
    let mut cases = real::cases(args.set);
    args.keep_wanted(&mut cases)?;
    let (entrants, six, _) = args.field(vec![bandit("bandit", BanditSettings::default(), args.cap())]);
    let pairs = cases.len() * entrants.len();
    let (costs, done) = (Mutex::new(vec![Ok((0.0, 0.0)); pairs]), progress(pairs));
    each(pairs, args.jobs, &|at| {
        let (case, entrant) = (&cases[at / entrants.len()], &entrants[at % entrants.len()]);
        let both = real::both(case, entrant, args.tmp.as_deref());
        if let Ok(mut costs) = costs.lock() {
            costs[at] = both;
        }
        done();
    });
    let costs = costs.into_inner().map_err(|_| "a thread panicked".to_owned())?;
    let costs: Vec<(f64, f64)> = costs.into_iter().collect::<Result<_, _>>()?;
    for (name, of) in [("engine", (|pair| pair.1) as fn(&(f64, f64)) -> f64), ("simulator", |pair| pair.0)] {
        let paid = |pair: &(f64, f64)| Paid { cost: of(pair), ..Paid::default() };
        let row = |(case, costs): (&Case, &[(f64, f64)])| Row {
            name: case.name.clone(),
            group: name,
            paid: costs.iter().map(paid).collect(),
            runs: Vec::new(),
        };
        let rows: Vec<Row> = cases.iter().zip(costs.chunks(entrants.len())).map(row).collect();
        if !args.json {
            println!("{name}");
        }
        print(args, &Field { entrants: &entrants, six }, &rows);
    }
    let off = costs.iter().map(|(simulated, counted)| (simulated / counted - 1.0).abs()).fold(0.0, f64::max);
    say(args, json!({ "off_most": off }), format!("The simulator's cost is at most {:.1} % off.", 100.0 * off));
    Ok(())
}

fn print(args: &Args, field: &Field<'_>, rows: &[Row]) {
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
