//! Mutation testing of `compaction-core` or `lsm-std`: small changes to its text, one at a time, and whether a test sees each.
//!
//! All changes are compiled into one copy of the crate, each behind its number, and picked by a variable: to build the tests for
//! each anew would take days. What is no expression of a running function (constants, types, patterns) is not changed.
//!
//! `cargo run --release -- --out DIR strategy/bandit sim`

mod copy;
mod run;
mod sites;

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{Error, Result, Write};
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use clap::Parser;
use serde_json::{Value, json};

use crate::copy::{Copy, Mutant};
use crate::run::{Known, Wanted};

/// What is built for a crate: its tests. For the core also those of the bandit's workloads, those whose decisions are known by a
/// sum, and those that hold the simulator against the engine; for the engine those on a simulated disk and with files of before.
fn tests(name: &str) -> &'static [&'static [&'static str]] {
    match name {
        "compaction-core" => &[
            &["-p", "compaction-core", "--all-features"],
            &["-p", "lsm-tests", "--lib", "--test", "determinism"],
            &["-p", "lsm-tool", "--test", "cli"],
        ],
        _ => &[
            &["-p", "lsm-std"],
            &["-p", "lsm-tests", "--test", "faults", "--test", "golden", "--test", "golden_store", "--test", "hostile"],
        ],
    }
}

/// Changes a crate, and tells which changes no test sees.
#[derive(Debug, Parser)]
struct Args {
    /// Files: what their paths below the crate's src begin with
    #[arg(required = true)]
    parts: Vec<String>,
    /// The crate: compaction-core or lsm-std
    #[arg(long = "crate", default_value = "compaction-core")]
    name: String,
    /// Where the copy is made and results are kept: what is known already is not run again
    #[arg(long)]
    out: PathBuf,
    /// The repository
    #[arg(long, default_value = "../..")]
    root: PathBuf,
    /// Threads
    #[arg(long, default_value_t = 2)]
    jobs: usize,
    /// Only every so manieth change
    #[arg(long, default_value_t = 1)]
    every: usize,
    /// Tests that take longer are not run, in seconds
    #[arg(long, default_value_t = 600)]
    longest: u64,
    /// Only these tests are run: what their names contain
    #[arg(long)]
    only: Vec<String>,
    /// Tests that are not run: what their names contain
    #[arg(long)]
    skip: Vec<String>,
}

impl Args {
    fn wanted(&self) -> Wanted<'_> {
        Wanted { only: &self.only, skip: &self.skip, longest: Duration::from_secs(self.longest) }
    }
}

fn main() -> Result<()> {
    let args = Args::parse();
    fs::create_dir_all(&args.out)?;
    let results = args.out.join("results.jsonl");
    let known = known(&fs::read_to_string(&results).unwrap_or_default());
    let mut copy = Copy::new(&args.root, &args.out.join("copy"), &args.name, &args.parts)?;
    let programs = copy.build(tests(&args.name))?;
    let left_out = copy.mutants.iter().filter(|mutant| !mutant.compiles).count();
    println!("{} changes, {left_out} of which do not compile", copy.mutants.len());
    let tests = run::learn(&programs, &args.wanted(), &args.out.join("reached"))?;
    let tried = copy.mutants.iter().step_by(args.every).filter(|mutant| mutant.compiles);
    let open: Vec<&Mutant> = tried.clone().filter(|mutant| !known.contains_key(&key(mutant))).collect();
    println!("{} to be tried, {} known", open.len(), tried.clone().count() - open.len());
    let file = Mutex::new(OpenOptions::new().append(true).create(true).open(&results)?);
    try_all(&open, &tests, &args, &|mutant, fate| {
        let line = json!({ "change": key(mutant), "fate": fate });
        let mut file = file.lock().map_err(|_| Error::other("a thread panicked"))?;
        writeln!(file, "{line}")
    })?;
    let known = self::known(&fs::read_to_string(&results)?);
    tell(tried.filter_map(|mutant| Some((mutant, known.get(&key(mutant))?.as_str()))));
    Ok(())
}

/// What a change is known by.
fn key(mutant: &Mutant) -> String {
    let (line, column) = mutant.place;
    format!("{}:{line}:{column}: {} => {}", mutant.file.display(), mutant.was, mutant.is)
}

/// The fates in a file of results.
fn known(results: &str) -> BTreeMap<String, String> {
    let lines = results.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter_map(|line| Some((line["change"].as_str()?.to_owned(), line["fate"].as_str()?.to_owned()))).collect()
}

/// Tries all changes on several threads; `done` is told the fate of each.
fn try_all(
    open: &[&Mutant],
    tests: &[Known],
    args: &Args,
    done: &(dyn Fn(&Mutant, &str) -> Result<()> + Sync),
) -> Result<()> {
    let next = AtomicUsize::new(0);
    let work = || {
        while let Some(mutant) = open.get(next.fetch_add(1, Ordering::Relaxed)) {
            done(mutant, &run::fate(mutant.number, tests)?.words())?;
        }
        Ok(())
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..args.jobs.max(1)).map(|_| scope.spawn(work)).collect();
        threads.into_iter().try_for_each(|thread| thread.join().map_err(|_| Error::other("a thread panicked"))?)
    })
}

/// Prints what is left, and how many of each file.
fn tell<'a>(all: impl Iterator<Item = (&'a Mutant, &'a str)>) {
    let mut files: BTreeMap<String, [usize; 3]> = BTreeMap::new();
    for (mutant, fate) in all {
        let counts = files.entry(mutant.file.display().to_string()).or_default();
        counts[0] += 1;
        match fate {
            "left" | "unreached" => println!("{fate}: {}", key(mutant).replace('\n', " ")),
            _ => counts[1] += 1,
        }
        counts[2] += usize::from(fate == "unreached");
    }
    println!("\n| file | tried | killed | left | of these unreached |\n|---|---|---|---|---|");
    for (file, [tried, killed, unreached]) in files {
        println!("| `{file}` | {tried} | {killed} | {} | {unreached} |", tried - killed);
    }
}
