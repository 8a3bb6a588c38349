//! The commands that look after one store.

use std::io::{self, Read};
use std::path::PathBuf;

use clap::{Args, Subcommand};
use lsm_std::{Db, Options};
use serde_json::{Value as Json, json};

use super::repair::repair;
use super::scan::{ScanArgs, bounds, scan};
use super::{print, print_json};
use crate::Failure;
use crate::human::{bytes, count};
use crate::store::{
    Notation, open, open_existing, pair_json, stats_json, stats_text, table_json, table_text, verify as check,
};

/// What can be done with a store.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Write the value of a key to standard output, as it is; exit with 1 if it has none
    Get {
        #[command(flatten)]
        at: At,
        /// The key
        #[arg(allow_hyphen_values = true)]
        key: String,
    },
    /// Set a key; makes the store if there is none
    Put {
        #[command(flatten)]
        at: At,
        /// The key
        #[arg(allow_hyphen_values = true)]
        key: String,
        /// The value as text (with --hex in hex); `-` reads it from standard input, as it is
        #[arg(allow_hyphen_values = true)]
        value: String,
    },
    /// Remove a key, whether it is there or not
    Delete {
        #[command(flatten)]
        at: At,
        /// The key
        #[arg(allow_hyphen_values = true)]
        key: String,
    },
    /// List keys and values in order
    Scan(ScanArgs),
    /// Show the tree's shape
    Stats {
        #[command(flatten)]
        at: At,
    },
    /// Check every byte of the store without changing it; exit with 1 and name file and offset if one is wrong. What a crash
    /// has left torn at the end of the log is wrong until the store was opened again
    Verify {
        #[command(flatten)]
        at: At,
    },
    /// Save what is whole of a damaged store into a new one and say what is lost: every whole block of every table, every whole
    /// batch of the log. Nothing in the damaged one changes. Exit with 0 if there is a new store, whatever was lost
    Repair {
        #[command(flatten)]
        at: At,
        /// Directory of the new store; made if there is none, must be empty; without it the store's name and `.repaired`
        target: Option<PathBuf>,
    },
    /// List every table, newest run first: where it lies, what it holds
    Dump {
        #[command(flatten)]
        at: At,
    },
    /// Merge everything into the bottom of the tree
    Compact {
        #[command(flatten)]
        at: At,
        /// First key, inclusive
        #[arg(long)]
        from: Option<String>,
        /// Last key, exclusive
        #[arg(long)]
        to: Option<String>,
    },
    /// Make a copy of the store that can be opened; tables are linked, not copied, where the disk allows
    Checkpoint {
        #[command(flatten)]
        at: At,
        /// Directory of the copy; made if there is none, must be empty
        target: PathBuf,
    },
}

/// Which store, and how keys are written.
#[derive(Debug, Args)]
pub struct At {
    /// Directory of the store
    #[arg(long)]
    pub dir: PathBuf,
    /// Keys and values are in hex, on the command line and in the output; what `get` writes is the value as it is
    #[arg(long)]
    pub hex: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

impl At {
    /// How keys and values are written.
    pub fn notation(&self) -> Notation {
        if self.hex { Notation::Hex } else { Notation::Text }
    }
}

pub fn run(command: &Command) -> Result<(), Failure> {
    match command {
        Command::Get { at, key } => get(at, key),
        Command::Put { at, key, value } => put(at, key, value),
        Command::Delete { at, key } => {
            let bytes = at.notation().parse(key)?;
            let db = open_existing(&at.dir)?;
            db.delete(&bytes)?;
            close(db, at, &json!({"deleted": key}))
        }
        Command::Scan(args) => scan(args),
        Command::Stats { at } => {
            let db = open_existing(&at.dir)?;
            let stats = db.stats();
            if at.json {
                print_json(&stats_json(&stats))?
            } else {
                print(|out| stats_text(&stats, out))?
            }
            Ok(db.close()?)
        }
        Command::Verify { at } => verify(at),
        Command::Repair { at, target } => repair(at, target.as_deref()),
        Command::Dump { at } => dump(at),
        Command::Compact { at, from, to } => compact(at, from.as_deref(), to.as_deref()),
        Command::Checkpoint { at, target } => {
            let db = open_existing(&at.dir)?;
            db.checkpoint(target)?;
            close(db, at, &json!({"checkpoint": target.display().to_string()}))
        }
    }
}

fn get(at: &At, key: &str) -> Result<(), Failure> {
    let bytes = at.notation().parse(key)?;
    let db = open_existing(&at.dir)?;
    let value = db.get(&bytes)?;
    match (&value, at.json) {
        (Some(value), false) => print(|out| out.write_all(value))?,
        (None, false) => {}
        (value, true) => {
            let mut pair = pair_json(at.notation(), &bytes, value.as_deref());
            if value.is_none() {
                pair["value"] = Json::Null;
            }
            print_json(&pair)?;
        }
    }
    db.close()?;
    if value.is_some() { Ok(()) } else { Err(Failure::Wrong(format!("{key} has no value"))) }
}

fn put(at: &At, key: &str, value: &str) -> Result<(), Failure> {
    let mut input = Vec::new();
    let value = if value == "-" {
        io::stdin().lock().read_to_end(&mut input).map_err(Failure::io("standard input"))?;
        input
    } else {
        at.notation().parse(value)?
    };
    let bytes = at.notation().parse(key)?;
    let db = open(Options::new(), &at.dir)?;
    db.put(&bytes, &value)?;
    close(db, at, &json!({"put": key, "bytes": value.len()}))
}

fn close(db: Db, at: &At, done: &Json) -> Result<(), Failure> {
    db.close()?;
    if at.json { print_json(done) } else { Ok(()) }
}

fn verify(at: &At) -> Result<(), Failure> {
    match check(&at.dir) {
        Ok(found) => {
            if at.json {
                return print_json(&json!({
                    "ok": true, "tables": found.tables, "table_bytes": found.table_bytes,
                    "log_segments": found.log_segments, "log_batches": found.log_batches,
                }));
            }
            let tables = format!("{}, {}", count(found.tables as u64, "table"), bytes(found.table_bytes));
            let log = format!("{} in the log", count(found.log_batches, "batch"));
            print(|out| writeln!(out, "every byte checks out: {tables}; {log}"))
        }
        Err(failure) => {
            if at.json {
                print_json(&json!({"ok": false, "error": failure.to_string()}))?;
            }
            Err(failure)
        }
    }
}

fn dump(at: &At) -> Result<(), Failure> {
    let db = open_existing(&at.dir)?;
    let runs = db.runs();
    db.close()?;
    print(|out| {
        // Newest first: that is the order in which a read looks at them.
        for (run, (level, tables)) in runs.iter().enumerate().rev() {
            if !at.json {
                let total = tables.iter().map(|table| table.bytes).sum();
                writeln!(out, "level {level}, run {run}: {}, {}", count(tables.len() as u64, "table"), bytes(total))?;
            }
            for table in tables {
                if at.json {
                    serde_json::to_writer(&mut *out, &table_json(at.notation(), *level, run, table))?;
                    out.write_all(b"\n")?;
                } else {
                    writeln!(out, "  {}", table_text(at.notation(), table))?;
                }
            }
        }
        Ok(())
    })
}

fn compact(at: &At, from: Option<&str>, to: Option<&str>) -> Result<(), Failure> {
    let range = bounds(at.notation(), from, to)?;
    let db = open_existing(&at.dir)?;
    let before = db.stats();
    db.compact_range(range)?;
    let after = db.stats();
    db.close()?;
    let shape = |stats: &lsm_std::Stats| {
        let runs: usize = stats.levels.iter().map(|level| level.runs).sum();
        (runs, stats.table_bytes())
    };
    let ((runs_before, bytes_before), (runs, table_bytes)) = (shape(&before), shape(&after));
    if at.json {
        return print_json(&json!({
            "runs_before": runs_before, "table_bytes_before": bytes_before, "runs": runs, "table_bytes": table_bytes
        }));
    }
    print(|out| {
        let (was, is) = (count(runs_before as u64, "run"), count(runs as u64, "run"));
        writeln!(out, "{was} of {} became {is} of {}", bytes(bytes_before), bytes(table_bytes))
    })
}
