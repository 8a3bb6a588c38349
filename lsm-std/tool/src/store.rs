//! What the commands for one store share: opening, ways of writing keys, and how its figures are shown.

use std::io::{self, ErrorKind, Write};
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use lsm_std::fs::{Overlay, RealFs};
use lsm_std::{Db, Error, Options, Repaired, Stats, SystemClock, TableMeta, Verified};
use serde_json::{Map, Value as Json, json};

use crate::Failure;
use crate::human::{bytes, grouped};
use crate::strategies::short_name;
use crate::trace::hex;

/// Opens the store in `dir`, which must be one: none is made by looking at it.
///
/// # Errors
/// No store there, or one that cannot be opened.
pub fn open_existing(dir: &Path) -> Result<Db, Failure> {
    must_exist(dir)?;
    open(Options::new(), dir)
}

/// Opens the store in `dir` to look at it: no thread works for it, so nothing is merged. Closing it flushes what a crash has left
/// in its log, as always. A store that cannot be written is read as it lies there, and what that would write stays in memory.
///
/// # Errors
/// As [`open_existing`].
pub fn look(dir: &Path) -> Result<Db, Failure> {
    must_exist(dir)?;
    let options = Options::new().deterministic(0).clock(Arc::new(SystemClock));
    match open(options.clone(), dir) {
        Err(Failure::Store(error)) if is_denied(&error) => {
            open(options.fs(Arc::new(Overlay::new(Arc::new(RealFs)))), dir)
        }
        opened => opened,
    }
}

/// Closes a store that was only looked at. What its log holds stays there if a full disk has no room for its tables, and that is said
/// on standard error: what was asked for has been answered.
///
/// # Errors
/// Those of [`Db::close`], but for a full disk.
pub fn leave(db: Db) -> Result<(), Failure> {
    match db.close() {
        Err(error) if error.is_no_space() => {
            eprintln!("lsm: {error}; what the log holds stays there");
            Ok(())
        }
        closed => Ok(closed?),
    }
}

/// True if the system lets nobody, or not this user, write there.
fn is_denied(error: &Error) -> bool {
    matches!(error.io_kind(), Some(ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem))
}

fn must_exist(dir: &Path) -> Result<(), Failure> {
    if dir.join("CURRENT").exists() {
        return Ok(());
    }
    let names = dir.read_dir().into_iter().flatten().flatten().map(|entry| entry.file_name());
    let is_part = |name: &&str| name.starts_with("MANIFEST-") || name.ends_with(".sst") || name.ends_with(".log");
    let part = names.filter_map(|name| name.into_string().ok()).find(|name| is_part(&name.as_str()));
    let dir = dir.display();
    Err(Failure::Wrong(match part {
        Some(part) => format!("{dir}: CURRENT is missing, but not {part}: `lsm repair` saves what is whole"),
        None => format!("{dir} holds no store"),
    }))
}

/// How long to wait for a lock. A process that was killed may hold it while the system takes its memory back.
const LOCK_WAIT: Duration = Duration::from_secs(3);

/// Opens the store in `dir`, or makes it, and says on standard error what had to be cut off its files. Waits up to three
/// seconds for another process to let go of it.
///
/// # Errors
/// A store that cannot be opened.
pub fn open(options: Options, dir: &Path) -> Result<Db, Failure> {
    let db = unlocked(|| options.clone().open(dir))?;
    for cut in &db.recovery().cuts {
        let (path, bytes, offset) = (cut.path.display(), cut.bytes, cut.offset);
        eprintln!(
            "lsm: {path}: cut off at byte {offset}: {bytes} bytes behind it were torn ({} whole records)",
            cut.records
        );
    }
    Ok(db)
}

/// What `attempt` comes to once the store is no longer locked, or when it has been for too long.
fn unlocked<T>(attempt: impl Fn() -> lsm_std::Result<T>) -> lsm_std::Result<T> {
    let start = Instant::now();
    loop {
        match attempt() {
            Err(Error::Locked { .. }) if start.elapsed() < LOCK_WAIT => thread::sleep(Duration::from_millis(20)),
            done => return done,
        }
    }
}

/// Checks every byte of the store in `dir` without opening it: nothing changes.
///
/// # Errors
/// The first damage, with file and offset; a store that is in use, or none.
pub fn verify(dir: &Path) -> Result<Verified, Failure> {
    must_exist(dir)?;
    Ok(unlocked(|| Options::new().verify(dir))?)
}

/// Saves what is whole of the store in `dir` into a new one in `target`.
///
/// # Errors
/// No file of a store there, one that is in use, or a new one that cannot be made.
pub fn repair(dir: &Path, target: &Path) -> Result<Repaired, Failure> {
    Ok(unlocked(|| Options::new().repair(dir, target))?)
}

/// How keys and values are written on the command line and in the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notation {
    /// As text; in output, bytes that are not printable are escaped as in Rust.
    Text,
    /// As pairs of hex digits.
    Hex,
}

impl Notation {
    /// The bytes that `text` stands for.
    ///
    /// # Errors
    /// Text that is not hex where hex is due.
    pub fn parse(self, text: &str) -> Result<Vec<u8>, Failure> {
        if self == Self::Text {
            return Ok(text.as_bytes().to_vec());
        }
        let digit = |byte: u8| char::from(byte).to_digit(16);
        let pairs = text.as_bytes().chunks(2).map(|pair| match pair {
            [high, low] => Some((digit(*high)? * 16 + digit(*low)?) as u8),
            _ => None,
        });
        pairs.collect::<Option<_>>().ok_or_else(|| Failure::Usage(format!("{text:?} is not pairs of hex digits")))
    }

    /// `bytes` on one line.
    pub fn show(self, bytes: &[u8]) -> String {
        match self {
            Self::Hex => hex(bytes),
            Self::Text => match std::str::from_utf8(bytes) {
                Ok(text) if !text.contains(|c: char| c.is_control() || c == '\\') => text.to_owned(),
                _ => bytes.escape_ascii().to_string(),
            },
        }
    }

    /// As [`show`](Self::show), for prose: an empty key is seen.
    pub fn name(self, key: &[u8]) -> String {
        if key.is_empty() { "the empty key".to_owned() } else { self.show(key) }
    }

    /// `bytes` as a JSON field: `name` as text or hex, or `name_hex` for what is not UTF-8.
    pub fn field(self, name: &str, bytes: &[u8], into: &mut Map<String, Json>) {
        match (self, std::str::from_utf8(bytes)) {
            (Self::Text, Ok(text)) => into.insert(name.to_owned(), text.into()),
            (Self::Text, Err(_)) => into.insert(format!("{name}_hex"), hex(bytes).into()),
            (Self::Hex, _) => into.insert(name.to_owned(), hex(bytes).into()),
        };
    }
}

/// A key and its value, if that is wanted, as a JSON object.
pub fn pair_json(notation: Notation, key: &[u8], value: Option<&[u8]>) -> Json {
    let mut object = Map::new();
    notation.field("key", key, &mut object);
    if let Some(value) = value {
        notation.field("value", value, &mut object);
    }
    object.into()
}

/// A store's figures as JSON; what an open store counts since it was opened is left out.
pub fn stats_json(stats: &Stats) -> Json {
    let levels: Vec<Json> = stats
        .levels
        .iter()
        .map(|level| {
            json!({
                "level": level.level, "runs": level.runs, "tables": level.tables, "bytes": level.bytes,
                "entries": level.entries, "tombstones": level.tombstones,
            })
        })
        .collect();
    json!({
        "strategy": short_name(stats.strategy), "levels": levels, "table_bytes": stats.table_bytes(),
        "memtable_bytes": stats.memtable_bytes, "frozen_memtables": stats.frozen_memtables,
        "last_seqno": stats.last_seqno, "debt_bytes": stats.debt_bytes, "background_error": stats.background_error,
    })
}

/// A store's figures for people.
///
/// # Errors
/// Those of `out`.
pub fn stats_text(stats: &Stats, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "strategy      {}", short_name(stats.strategy))?;
    writeln!(out, "tables        {}", bytes(stats.table_bytes()))?;
    writeln!(out, "memtables     {} ({} frozen)", bytes(stats.memtable_bytes), stats.frozen_memtables)?;
    writeln!(out, "last write    number {}", grouped(stats.last_seqno))?;
    writeln!(out, "merge debt    {}", bytes(stats.debt_bytes))?;
    if let Some(error) = &stats.background_error {
        writeln!(out, "background    {error}")?;
    }
    if stats.levels.is_empty() {
        return Ok(());
    }
    writeln!(out, "\nlevel   runs  tables       bytes      entries   tombstones")?;
    for level in &stats.levels {
        writeln!(
            out,
            "{:5} {:6} {:7} {:>11} {:>12} {:>12}",
            level.level,
            level.runs,
            level.tables,
            bytes(level.bytes),
            grouped(level.entries),
            grouped(level.tombstones)
        )?;
    }
    Ok(())
}

/// A table as JSON; `run` counts from the oldest.
pub fn table_json(notation: Notation, level: u8, run: usize, table: &TableMeta) -> Json {
    let mut object = Map::new();
    for (name, number) in [("level", u64::from(level)), ("run", run as u64), ("id", table.id), ("bytes", table.bytes)] {
        object.insert(name.to_owned(), number.into());
    }
    notation.field("min", &table.min, &mut object);
    notation.field("max", &table.max, &mut object);
    let rest = [
        ("entries", table.entries),
        ("tombstones", table.tombstones),
        ("newest_ms", table.newest_ms),
        ("oldest_seqno", table.oldest_seqno),
        ("newest_seqno", table.newest_seqno),
    ];
    object.extend(rest.map(|(name, number)| (name.to_owned(), number.into())));
    object.insert("oldest_tombstone_ms".to_owned(), table.oldest_tombstone_ms.into());
    object.into()
}

/// A table on one line.
pub fn table_text(notation: Notation, table: &TableMeta) -> String {
    format!(
        "{:06}.sst {:>10}  {} entries, {} tombstones, writes {} to {}, keys {} to {}",
        table.id,
        bytes(table.bytes),
        grouped(table.entries),
        grouped(table.tombstones),
        grouped(table.oldest_seqno),
        grouped(table.newest_seqno),
        notation.name(&table.min),
        notation.name(&table.max)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_back_as_they_were_given_in_either_notation() {
        assert_eq!(Notation::Hex.parse("00ff7A").expect("hex"), [0, 255, 0x7a]);
        assert!(Notation::Hex.parse("0").is_err() && Notation::Hex.parse("0g").is_err());
        assert_eq!(Notation::Hex.show(&[0, 255]), "00ff");
        assert_eq!(Notation::Text.parse("é").expect("text"), "é".as_bytes());
        assert_eq!(Notation::Text.show("é".as_bytes()), "é");
        assert_eq!(Notation::Text.show(b"a\tb\\"), "a\\tb\\\\");
        assert_eq!(Notation::Text.show(&[b'a', 0xff]), "a\\xff");
        assert_eq!((Notation::Hex.name(b""), Notation::Hex.name(b"a")), ("the empty key".to_owned(), "61".to_owned()));
    }

    #[test]
    fn a_json_pair_says_when_it_had_to_fall_back_to_hex() {
        let pair = pair_json(Notation::Text, b"k", Some(&[0xff]));
        assert_eq!(pair, json!({"key": "k", "value_hex": "ff"}));
        assert_eq!(pair_json(Notation::Hex, b"k", None), json!({"key": "6b"}));
    }
}
