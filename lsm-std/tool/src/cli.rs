//! The command line: what may be said, and which part of the tool does it.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::{plan, strategies};

/// Why a command did not end well. It is said on standard error, and the exit status is 1.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// A file could not be read or written.
    #[error("{path}: {source}")]
    Io {
        /// Which.
        path: String,
        /// What the operating system said.
        source: io::Error,
    },
    /// Something was wrong, in words.
    #[error("{0}")]
    Wrong(String),
}

impl Failure {
    /// Wraps an error about `path`, to be given to `map_err`.
    pub fn io(path: impl ToString) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { path: path.to_string(), source }
    }

    /// Whether the reader of our output has gone away, which is its own business.
    fn is_broken_pipe(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == io::ErrorKind::BrokenPipe)
    }
}

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
    /// Decide what to merge next in the trees of a JSON-lines file
    #[command(after_long_help = strategies::HELP)]
    Plan(PlanArgs),
}

/// Reads one JSON tree per non-empty line and writes one JSON object per such line, in order.
#[derive(Debug, Args)]
struct PlanArgs {
    /// The file of trees; standard input without one or with `-`
    file: Option<PathBuf>,
    /// Add every candidate that was considered, and prose
    #[arg(long)]
    explain: bool,
}

/// Parses the arguments of this process and runs the command. The answer is the exit status.
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    let done = match cli.command {
        Command::Plan(args) => run_plan(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) if failure.is_broken_pipe() => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("lsm: {failure}");
            ExitCode::from(1)
        }
    }
}

fn run_plan(args: &PlanArgs) -> Result<(), Failure> {
    let file = args.file.as_ref().filter(|path| path.as_os_str() != "-");
    let name = file.map_or("standard input".to_owned(), |path| path.display().to_string());
    let input: Box<dyn Read> = match file {
        Some(path) => Box::new(File::open(path).map_err(Failure::io(&name))?),
        None => Box::new(io::stdin().lock()),
    };
    let mut output = BufWriter::new(io::stdout().lock());
    let all_good = plan::run(&mut BufReader::with_capacity(1 << 16, input), &mut output, args.explain)
        .and_then(|good| output.flush().map(|()| good))
        .map_err(Failure::io(&name))?;
    if all_good { Ok(()) } else { Err(Failure::Wrong("some lines were refused; see their errors".into())) }
}
