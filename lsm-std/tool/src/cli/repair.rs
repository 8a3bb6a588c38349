//! `lsm repair`.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use lsm_std::{Lost, Repaired};
use serde_json::{Map, Value as Json, json};

use super::store::At;
use super::{print, print_json};
use crate::Failure;
use crate::human::{bytes, count};
use crate::store::{Notation, repair as save};

/// Saves what is whole of the store into `target`, or a directory beside it, and says what is lost.
pub fn repair(at: &At, target: Option<&Path>) -> Result<(), Failure> {
    let target = target.map_or_else(|| beside(&at.dir), Path::to_path_buf);
    let repaired = save(&at.dir, &target)?;
    if at.json { print_json(&as_json(at, &target, &repaired)) } else { print(|out| tell(at, &target, &repaired, out)) }
}

/// The store's name with `.repaired` behind it.
fn beside(dir: &Path) -> PathBuf {
    let whole = if dir.file_name().is_none() { dir.canonicalize().ok() } else { None };
    let dir: PathBuf = whole.as_deref().unwrap_or(dir).components().collect();
    let mut name = dir.into_os_string();
    name.push(".repaired");
    name.into()
}

fn as_json(at: &At, target: &Path, repaired: &Repaired) -> Json {
    let lost: Vec<Json> = repaired.lost.iter().map(|lost| lost_json(at.notation(), lost)).collect();
    json!({
        "into": target.display().to_string(), "manifest_whole": repaired.is_manifest_whole, "keys": repaired.keys,
        "table_bytes": repaired.table_bytes, "tables": repaired.tables, "tables_obsolete": repaired.tables_obsolete,
        "log_batches": repaired.log_batches, "lost": lost,
    })
}

fn lost_json(notation: Notation, lost: &Lost) -> Json {
    let mut object = Map::new();
    object.insert("file".to_owned(), lost.path.display().to_string().into());
    object.insert("offset".to_owned(), lost.offset.into());
    object.insert("bytes".to_owned(), lost.bytes.into());
    object.insert("entries".to_owned(), lost.entries.into());
    if let Some((min, max)) = &lost.keys {
        notation.field("min", min, &mut object);
        notation.field("max", max, &mut object);
    }
    object.insert("what".to_owned(), lost.what.clone().into());
    object.into()
}

fn tell(at: &At, target: &Path, repaired: &Repaired, out: &mut dyn Write) -> io::Result<()> {
    let (keys, tables) = (count(repaired.keys, "key"), count(repaired.tables, "table"));
    let batches = count(repaired.log_batches, "batch");
    writeln!(
        out,
        "{}: {keys}, {}, from {tables} and {batches} of the log",
        target.display(),
        bytes(repaired.table_bytes)
    )?;
    if repaired.tables_obsolete > 0 {
        writeln!(out, "left out as obsolete: {}", count(repaired.tables_obsolete, "table"))?;
    }
    if !repaired.is_manifest_whole {
        writeln!(
            out,
            "the manifest was not whole: every table counted that no edit calls obsolete; deleted keys may be back"
        )?;
    }
    if repaired.lost.is_empty() {
        return writeln!(out, "nothing is lost");
    }
    for lost in &repaired.lost {
        write!(out, "lost: {} at byte {}, {}", lost.path.display(), lost.offset, bytes(lost.bytes))?;
        match lost.entries {
            Some(0) => write!(out, ", no write")?,
            Some(entries) => write!(out, ", {}", count(entries, "write"))?,
            None => {}
        }
        if let Some((min, max)) = &lost.keys {
            write!(out, ", keys {} to {}", at.notation().name(min), at.notation().name(max))?;
        }
        writeln!(out, ": {}", lost.what)?;
    }
    Ok(())
}
