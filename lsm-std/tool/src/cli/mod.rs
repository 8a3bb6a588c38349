//! The command line: what may be said, and which part of the tool does it.

mod asked;
mod compare;
mod keys;
mod options;
mod plan;
mod repair;
mod replay;
mod scan;
mod sim;
mod soak;
mod store;
mod tune;

use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use serde::Serialize;

use crate::Failure;

/// Compaction strategies for LSM-trees: decide, replay, compare, and look after a store.
///
/// Exit status: 0 done and right, 1 something was wrong (said on standard error), 2 bad usage.
#[derive(Debug, Parser)]
#[command(name = "lsm", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Plan(plan::Args),
    Replay(replay::Args),
    Compare(compare::Args),
    Sim(sim::Args),
    Tune(tune::Args),
    Soak(soak::Args),
    #[command(flatten)]
    Store(store::Command),
}

/// Parses the arguments of this process and runs the command. The answer is the exit status.
pub fn run() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Plan(args) => plan::run(&args),
        Command::Replay(args) => replay::run(&args),
        Command::Compare(args) => compare::run(&args),
        Command::Sim(args) => sim::run(&args),
        Command::Tune(args) => tune::run(&args),
        Command::Soak(args) => soak::run(&args),
        Command::Store(command) => store::run(&command),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) if failure.is_broken_pipe() => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("lsm: {failure}");
            ExitCode::from(failure.status())
        }
    }
}

/// Writes to standard output through `write`, buffered.
fn print(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), Failure> {
    let mut out = BufWriter::new(io::stdout().lock());
    write(&mut out).and_then(|()| out.flush()).map_err(Failure::io("standard output"))
}

/// Writes `value` as one line of JSON on standard output.
fn print_json(value: &impl Serialize) -> Result<(), Failure> {
    print(|out| {
        serde_json::to_writer(&mut *out, value)?;
        out.write_all(b"\n")
    })
}
