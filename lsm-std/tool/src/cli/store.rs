//! The commands that look after one store.

use std::io::{self, Read};
use std::path::PathBuf;

use clap::{Args, Subcommand};
use lsm_std::{Db, Options, VALUE_BYTES_MAX};
use serde_json::{Map, Value as Json, json};

use super::keys::{KeyArgs, RangeArgs, twice};
use super::repair::repair;
use super::scan::{ScanArgs, scan};
use super::{print, print_json};
use crate::Failure;
use crate::human::{bytes, count};
use crate::store::{
    Notation, leave, look, open, open_existing, pair_json, stats_json, stats_text, table_json, table_text,
    verify as check,
};

/// What can be done with a store.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Write the value of a key to standard output, as it is; exit with 1 if it has none
    ///
    /// The store is opened for it. Nothing is merged, but what a crash has left in the log goes into tables, and a torn end of the
    /// log is cut off and reported. A store that cannot be written is read as it is, and stays so.
    Get {
        #[command(flatten)]
        at: At,
        #[command(flatten)]
        key: KeyArgs,
    },
    /// Set a key; makes the store if there is none
    #[command(allow_missing_positional = true)]
    Put {
        #[command(flatten)]
        at: At,
        #[command(flatten)]
        key: KeyArgs,
        /// The value as text (with --hex in hex); `-` reads it from standard input, as it is
        #[arg(allow_hyphen_values = true)]
        value: String,
    },
    /// Remove a key, whether it is there or not
    Delete {
        #[command(flatten)]
        at: At,
        #[command(flatten)]
        key: KeyArgs,
    },
    /// List keys and values in order
    ///
    /// Merges nothing; what a crash has left in the log is taken care of as by `lsm get`.
    Scan(ScanArgs),
    /// Show the tree's shape
    ///
    /// Merges nothing; what a crash has left in the log is taken care of as by `lsm get`.
    Stats {
        #[command(flatten)]
        at: At,
    },
    /// Check every byte of the store without changing it; exit with 1 and name file and offset if one is wrong
    ///
    /// What a crash has left torn at the end of the log is wrong until the store was opened again.
    Verify {
        #[command(flatten)]
        at: At,
    },
    /// Save what is whole of a damaged store into a new one and say what is lost
    ///
    /// Saved is every whole block of every table and every whole batch of the log. Nothing in the damaged store changes. Exits
    /// with 0 if there is a new store, whatever was lost.
    Repair {
        #[command(flatten)]
        at: At,
        /// Directory of the new store; made if there is none, must be empty; without it the store's name and `.repaired`
        target: Option<PathBuf>,
    },
    /// List every table, newest run first: where it lies, what it holds
    ///
    /// Merges nothing; what a crash has left in the log is taken care of as by `lsm get`.
    Dump {
        #[command(flatten)]
        at: At,
    },
    /// Merge everything into the bottom of the tree
    Compact {
        #[command(flatten)]
        at: At,
        #[command(flatten)]
        range: RangeArgs,
    },
    /// Make a copy of the store that can be opened
    ///
    /// Tables are linked, not copied, where the disk allows.
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
            let key = key.read(at.notation())?;
            let db = open_existing(&at.dir)?;
            db.delete(&key)?;
            close(db, at, &key_json(at, "deleted", &key).into())
        }
        Command::Scan(args) => scan(args),
        Command::Stats { at } => {
            let db = look(&at.dir)?;
            let stats = db.stats();
            if at.json {
                print_json(&stats_json(&stats))?
            } else {
                print(|out| stats_text(&stats, out))?
            }
            leave(db)
        }
        Command::Verify { at } => verify(at),
        Command::Repair { at, target } => repair(at, target.as_deref()),
        Command::Dump { at } => dump(at),
        Command::Compact { at, range } => compact(at, range),
        Command::Checkpoint { at, target } => {
            let db = open_existing(&at.dir)?;
            db.checkpoint(target)?;
            close(db, at, &json!({"checkpoint": target.display().to_string()}))
        }
    }
}

fn get(at: &At, key: &KeyArgs) -> Result<(), Failure> {
    let key = key.read(at.notation())?;
    let db = look(&at.dir)?;
    let value = db.get(&key)?;
    match (&value, at.json) {
        (Some(value), false) => print(|out| out.write_all(value))?,
        (None, false) => {}
        (value, true) => {
            let mut pair = pair_json(at.notation(), &key, value.as_deref());
            if value.is_none() {
                pair["value"] = Json::Null;
            }
            print_json(&pair)?;
        }
    }
    leave(db)?;
    if value.is_some() { Ok(()) } else { Err(Failure::Wrong(format!("{} has no value", at.notation().name(&key)))) }
}

fn put(at: &At, key: &KeyArgs, value: &str) -> Result<(), Failure> {
    let mut input = Vec::new();
    if value == "-" && key.is_stdin() {
        return Err(twice());
    }
    let key = key.read(at.notation())?;
    let value = if value == "-" {
        // One byte more is enough to be refused.
        let most = VALUE_BYTES_MAX as u64 + 1;
        io::stdin().lock().take(most).read_to_end(&mut input).map_err(Failure::io("standard input"))?;
        input
    } else {
        at.notation().parse(value)?
    };
    let db = open(Options::new(), &at.dir)?;
    db.put(&key, &value)?;
    let mut done = key_json(at, "put", &key);
    done.insert("bytes".to_owned(), value.len().into());
    close(db, at, &done.into())
}

/// An object with the key as what was `done` to it.
fn key_json(at: &At, done: &str, key: &[u8]) -> Map<String, Json> {
    let mut object = Map::new();
    at.notation().field(done, key, &mut object);
    object
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
    let db = look(&at.dir)?;
    let runs = db.runs();
    leave(db)?;
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

fn compact(at: &At, range: &RangeArgs) -> Result<(), Failure> {
    let range = range.read(at.notation())?;
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
