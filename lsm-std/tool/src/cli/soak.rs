//! `lsm soak`.

use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use indicatif::ProgressBar;
use serde_json::json;

use super::options::memtable_bytes;
use super::{print, print_json};
use crate::Failure;
use crate::human::grouped;
use crate::soak::{Length, Setup, WRITERS, soak, write_on};
use crate::strategies::Strategy;

/// Kill a process that writes, again and again, and check that nothing acknowledged is lost.
///
/// A process of this program writes batches from three threads under `always`, under any strategy and with small memtables, and
/// says what was acknowledged. It is killed with SIGKILL at random moments and started again; every third time the store is
/// compared, key by key. Exits with 0 if every batch that was acknowledged is there, and none in part.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// For so many minutes
    #[arg(long, value_name = "N", default_value_t = 1, conflicts_with = "rounds")]
    minutes: u64,
    /// So many kills instead
    #[arg(long, value_name = "N")]
    rounds: Option<u64>,
    /// Strategies, memtables, moments and what is written follow from it; without it the clock is asked
    #[arg(long)]
    seed: Option<u64>,
    /// Directory of the store, kept at the end; without it a temporary one
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// Be the process that is killed
    #[arg(long, hide = true, requires = "dir", requires = "seed")]
    child: bool,
    #[arg(long, hide = true, value_enum, default_value_t = Strategy::Tiered)]
    strategy: Strategy,
    #[arg(long, hide = true, default_value_t = 1 << 16, value_parser = memtable_bytes())]
    memtable_bytes: u64,
}

pub fn run(args: &Args) -> Result<(), Failure> {
    let from_clock = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |since| since.as_micros() as u64);
    let seed = args.seed.unwrap_or_else(from_clock);
    if let (true, Some(dir)) = (args.child, &args.dir) {
        let setup = Setup { strategy: args.strategy, memtable_bytes: args.memtable_bytes };
        return write_on(dir, seed, &setup);
    }
    let temporary = tempfile::tempdir().map_err(Failure::io("a temporary directory"))?;
    let dir = args.dir.clone().unwrap_or_else(|| temporary.path().join("store"));
    if dir.join("CURRENT").exists() {
        return Err(Failure::Usage(format!("{} holds a store already", dir.display())));
    }
    let length = match args.rounds {
        Some(rounds) => Length::Rounds(rounds),
        None => Length::Time(Duration::from_secs(args.minutes.saturating_mul(60))),
    };
    eprintln!("lsm: seed {seed}");
    let bar = args.rounds.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
    let soaked = soak(&dir, seed, length, &mut |rounds| bar.set_position(rounds));
    bar.finish_and_clear();
    if soaked.is_err() {
        // The store is needed to find out why.
        let _ = temporary.keep();
    }
    let outcome = soaked?;
    if args.json {
        return print_json(&json!({"seed": seed, "rounds": outcome.rounds, "batches": outcome.batches}));
    }
    print(|out| {
        let (rounds, batches) = (grouped(outcome.rounds), grouped(outcome.batches));
        writeln!(
            out,
            "{rounds} kills; all of {batches} batches that {WRITERS} writers were told of are there, none in part"
        )
    })
}
