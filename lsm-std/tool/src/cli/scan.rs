//! `lsm scan`.

use std::path::PathBuf;

use clap::Args;
use lsm_std::Value;

use super::keys::{RangeArgs, one_of};
use super::print;
use super::store::At;
use crate::Failure;
use crate::store::{Notation, leave, look, pair_json};

/// What to list.
#[derive(Debug, Args)]
pub struct ScanArgs {
    #[command(flatten)]
    at: At,
    #[command(flatten)]
    range: RangeArgs,
    /// Only keys that start with this
    #[arg(long, value_name = "KEY", conflicts_with_all = ["RangeArgs", "prefix_file"])]
    prefix: Option<String>,
    /// File that holds the prefix as it is; `-` is standard input
    #[arg(long, value_name = "FILE", conflicts_with = "RangeArgs")]
    prefix_file: Option<PathBuf>,
    /// Last key first
    #[arg(long)]
    reverse: bool,
    /// At most so many
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Keys only
    #[arg(long)]
    keys: bool,
}

pub fn scan(args: &ScanArgs) -> Result<(), Failure> {
    let notation = args.at.notation();
    let prefix = one_of(notation, args.prefix.as_deref(), args.prefix_file.as_deref())?;
    let bounds = args.range.read(notation)?;
    let db = look(&args.at.dir)?;
    let range = match prefix {
        Some(prefix) => db.prefix(&prefix),
        None => db.range(bounds),
    };
    let limit = args.limit.unwrap_or(usize::MAX);
    if args.reverse {
        list(args, notation, range.rev().take(limit))?
    } else {
        list(args, notation, range.take(limit))?
    }
    leave(db)
}

fn list(
    args: &ScanArgs,
    notation: Notation,
    pairs: impl Iterator<Item = lsm_std::Result<(Value, Value)>>,
) -> Result<(), Failure> {
    let mut failed = None;
    print(|out| {
        for pair in pairs {
            let (key, value) = match pair {
                Ok(pair) => pair,
                Err(error) => {
                    failed = Some(error);
                    break;
                }
            };
            let value = (!args.keys).then_some(value);
            if args.at.json {
                serde_json::to_writer(&mut *out, &pair_json(notation, &key, value.as_deref()))?;
            } else {
                out.write_all(notation.show(&key).as_bytes())?;
                if let Some(value) = value {
                    write!(out, "\t{}", notation.show(&value))?;
                }
            }
            out.write_all(b"\n")?;
        }
        Ok(())
    })?;
    failed.map_or(Ok(()), |error| Err(error.into()))
}
