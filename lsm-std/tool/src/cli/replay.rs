//! `lsm replay`.

use std::path::PathBuf;

use clap::value_parser;
use lsm_std::Options;

use super::options::{Sync, at_least_1, memtable_bytes, progress, table_bytes};
use super::{print, print_json};
use crate::Failure;
use crate::replay::replay;
use crate::strategies::{Sizes, Strategy, scaled};

const TRACE: &str = "\
A trace is lines of fields between tabs:
  B  unix seconds               starts a batch, one atomic write
  P  path  blob id  bytes       puts: the id, 40 hex digits, names and seeds the value
  D  path                       deletes
  E  keys alive  sha256         the last line, the answer: SHA-256 over `path<TAB>blob id<LF>` of
                                all live keys in byte order";

/// Replay a trace into a store, one atomic batch each, and read everything back.
///
/// A replay that was killed is resumed by the same command. Exits with 0 only if the keys alive and their SHA-256 are those
/// of the trace's last line.
#[derive(Debug, clap::Args)]
#[command(after_long_help = TRACE)]
pub struct Args {
    /// The trace
    trace: PathBuf,
    /// Directory of the store; made if there is none
    #[arg(long)]
    dir: PathBuf,
    /// The strategy; without it the store keeps its own, a new one takes tiered
    #[arg(long, value_enum)]
    strategy: Option<Strategy>,
    /// Bytes after which a memtable is flushed
    #[arg(long, value_name = "N", default_value_t = 1 << 20, value_parser = memtable_bytes())]
    memtable_bytes: u64,
    /// Target of the first level below level 0 in bytes; default 4 memtables
    #[arg(long, value_name = "N", value_parser = at_least_1())]
    base_bytes: Option<u64>,
    /// Tables are cut at this many bytes; default 1 memtable
    #[arg(long, value_name = "N", value_parser = table_bytes())]
    table_bytes: Option<u64>,
    /// When the log is synced
    #[arg(long, value_enum, default_value_t = Sync::Interval)]
    sync: Sync,
    /// Point reads of live keys after each batch, each of which must find what it should
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = value_parser!(u64).range(..=1_000_000))]
    reads: u64,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args) -> Result<(), Failure> {
    let sizes = Sizes {
        memtable_bytes: args.memtable_bytes,
        base_bytes: args.base_bytes,
        table_bytes: args.table_bytes,
        ttl_ms: None,
    };
    let mut options = Options::new()
        .memtable_bytes(args.memtable_bytes)
        .table_bytes(args.table_bytes.unwrap_or(args.memtable_bytes))
        .sync(args.sync.policy());
    let is_new = !args.dir.join("CURRENT").exists();
    if args.strategy.is_some() || is_new {
        options = options.strategy(scaled(args.strategy.unwrap_or(Strategy::Tiered), &sizes));
    }
    let bar = progress("replay");
    let outcome = replay(&args.trace, &args.dir, options, args.reads, &bar);
    bar.finish_and_clear();
    let outcome = outcome?;
    if args.json {
        print_json(&outcome)?
    } else {
        print(|out| writeln!(out, "{}", outcome.text()))?
    }
    if outcome.right { Ok(()) } else { Err(Failure::Wrong(outcome.problems.join("; "))) }
}
