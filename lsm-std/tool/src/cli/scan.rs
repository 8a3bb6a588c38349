//! `lsm scan`.

use std::ops::Bound;

use clap::Args;
use lsm_std::Value;

use super::print;
use super::store::At;
use crate::Failure;
use crate::store::{Notation, open_existing, pair_json};

/// What to list.
#[derive(Debug, Args)]
pub struct ScanArgs {
    #[command(flatten)]
    at: At,
    /// First key, inclusive
    #[arg(long, conflicts_with = "prefix")]
    from: Option<String>,
    /// Last key, exclusive
    #[arg(long, conflicts_with = "prefix")]
    to: Option<String>,
    /// Only keys that start with this
    #[arg(long)]
    prefix: Option<String>,
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
    let prefix = args.prefix.as_deref().map(|prefix| notation.parse(prefix)).transpose()?;
    let bounds = bounds(notation, args.from.as_deref(), args.to.as_deref())?;
    let db = open_existing(&args.at.dir)?;
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
    Ok(db.close()?)
}

/// A range of keys.
pub type Bounds = (Bound<Vec<u8>>, Bound<Vec<u8>>);

/// From `from`, inclusive, to `to`, exclusive, where they are given.
pub fn bounds(notation: Notation, from: Option<&str>, to: Option<&str>) -> Result<Bounds, Failure> {
    let from = from.map(|key| notation.parse(key)).transpose()?;
    let to = to.map(|key| notation.parse(key)).transpose()?;
    Ok((from.map_or(Bound::Unbounded, Bound::Included), to.map_or(Bound::Unbounded, Bound::Excluded)))
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
