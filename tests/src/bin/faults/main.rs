//! Random lives of a store on a simulated disk, many of them. See `--help`.

use std::num::NonZero;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use clap::Parser;
use lsm_tests::faults::{Kind, Tally, run};

/// Power cuts and failing calls at random moments of random lives of a store, on a simulated disk, against a map.
///
/// Stops at the first promise that is broken, and prints how to replay the run: the seed is all it takes.
#[derive(Debug, Parser)]
struct Args {
    /// So many power cuts
    #[arg(long, default_value_t = 2000)]
    cuts: u64,
    /// So many runs in which calls to the disk fail
    #[arg(long, default_value_t = 500)]
    faults: u64,
    /// Seed of the first run
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Threads [default: one for each core]
    #[arg(long)]
    jobs: Option<NonZero<usize>>,
    /// Only this run, as cuts:7
    #[arg(long, value_parser = replayed)]
    replay: Option<(Kind, u64)>,
}

fn replayed(text: &str) -> Result<(Kind, u64), String> {
    let parsed = text.split_once(':').and_then(|(kind, seed)| Some((Kind::parse(kind)?, seed.parse().ok()?)));
    parsed.ok_or_else(|| "not like cuts:7 or faults:7".to_owned())
}

/// Runs of one kind from a seed on, until `count` of the tally has come to `enough`. False if one has failed.
fn soak(kind: Kind, args: &Args, enough: u64, count: fn(&Tally) -> u64) -> bool {
    let (next, failed) = (AtomicU64::new(args.seed), AtomicBool::new(false));
    let total = Mutex::new(Tally::default());
    let begun = Instant::now();
    let held = || total.lock().unwrap_or_else(PoisonError::into_inner);
    let jobs = args.jobs.or_else(|| std::thread::available_parallelism().ok()).map_or(1, NonZero::get);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..jobs)
            .map(|_| {
                scope.spawn(|| {
                    while !failed.load(Ordering::Relaxed) && count(&held()) < enough {
                        let tally = run(kind, next.fetch_add(1, Ordering::Relaxed));
                        *held() += tally;
                    }
                })
            })
            .collect();
        for worker in workers {
            failed.fetch_or(worker.join().is_err(), Ordering::Relaxed);
        }
    });
    let tally = *held();
    let Tally { runs, cuts, faulty, failed_calls, kills, batches, lost, checkpoints, .. } = tally;
    println!("{}: {runs} runs from seed {} on, {:.0} s", kind.name(), args.seed, begun.elapsed().as_secs_f64());
    println!("  {cuts} power cuts, {kills} kills, {faulty} runs with failing calls, {failed_calls} calls failed");
    println!("  {batches} batches acknowledged, {lost} lost that were not durable, {checkpoints} checkpoints");
    let Tally { calls, reused, manifests, flips, .. } = tally;
    println!(
        "  {calls} changing calls, {reused} tables written over, {manifests} manifests anew, {flips} bits flipped"
    );
    !failed.load(Ordering::Relaxed)
}

fn main() -> ExitCode {
    let args = Args::parse();
    if let Some((kind, seed)) = args.replay {
        println!("{:?}", run(kind, seed));
        return ExitCode::SUCCESS;
    }
    let good = soak(Kind::Cuts, &args, args.cuts, |tally| tally.cuts)
        && soak(Kind::Faults, &args, args.faults, |tally| tally.faulty);
    if good {
        println!("nothing lost, nothing wrong");
    }
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
