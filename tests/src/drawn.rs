//! Trees drawn in text.
//!
//! ```text
//! L0    [3---]     [4--]   | *=100 4=50,tomb=5/10
//! L1  [1------][2----]     | *=400
//! ```
//! One line a run, newest first. The columns behind the level are the keys `A` to `Z`, then `a` to `z`; a table spans the
//! columns of its brackets and has its id behind the left one, a table of one column is `*` and cannot be drawn. Behind the
//! bar stand sizes in bytes by id (`*`: all tables of the line) and, comma by comma, `tomb=tombstones/entries`, `at=` the
//! time of the newest entry, `tombat=` that of the oldest tombstone, and `seq=` the largest sequence number. `max` is the
//! largest number there is, a table without a size has 10 bytes.

use compaction_core::{Table, Version, VersionVec};

/// The column at which key `A` stands.
const KEYS_AT: usize = 4;

/// Reads a drawing.
///
/// # Errors
/// The line that is not a run, or the law that the tree breaks.
pub fn tree<'a>(lines: impl DoubleEndedIterator<Item = &'a str>) -> Result<VersionVec<char>, String> {
    let mut buf = VersionVec::default();
    for line in lines.rev() {
        let (level, tables) = run(line).ok_or_else(|| format!("not a run: {line}"))?;
        buf.push_run(level, tables).map_err(|error| format!("{line}: {error}"))?;
    }
    Ok(buf)
}

fn run(line: &str) -> Option<(u8, Vec<Table<char>>)> {
    let (drawing, sizes) = line.split_once('|').unwrap_or((line, ""));
    let level = drawing.get(..KEYS_AT)?.trim().strip_prefix('L')?.parse().ok()?;
    let mut tables = vec![];
    let mut rest = drawing;
    let mut at = 0;
    while let Some(left) = rest.find('[') {
        let right = rest.find(']')?;
        let id = rest.get(left + 1..right)?.trim_matches('-').parse().ok()?;
        tables.push(Table::new(id, 10, key(at + left)?, key(at + right)?));
        rest = rest.get(right + 1..)?;
        at += right + 1;
    }
    for figures in sizes.split_whitespace() {
        let (id, figures) = figures.split_once('=')?;
        let named = |table: &&mut Table<char>| id == "*" || table.id.to_string() == id;
        for table in tables.iter_mut().filter(named) {
            describe(table, figures)?;
        }
    }
    Some((level, tables))
}

fn key(column: usize) -> Option<char> {
    let at = u8::try_from(column.checked_sub(KEYS_AT)?).ok()?;
    let key = char::from(if at < 26 { b'A' + at } else { b'a'.saturating_add(at - 26) });
    key.is_ascii_alphabetic().then_some(key)
}

fn describe(table: &mut Table<char>, figures: &str) -> Option<()> {
    let mut figures = figures.split(',');
    table.bytes = number(figures.next()?)?;
    for figure in figures {
        let (name, value) = figure.split_once('=')?;
        match name {
            "tomb" => {
                let (tombstones, entries) = value.split_once('/')?;
                (table.tombstones, table.entries) = (number(tombstones)?, number(entries)?);
            }
            "at" => table.newest_ms = number(value)?,
            "tombat" => table.oldest_tombstone_ms = Some(number(value)?),
            "seq" => table.newest_seqno = number(value)?,
            _ => return None,
        }
    }
    Some(())
}

/// A number, or `max`.
#[must_use]
pub fn number(text: &str) -> Option<u64> {
    if text == "max" { Some(u64::MAX) } else { text.replace('_', "").parse().ok() }
}

/// A tree as a list, one line a run, newest first.
#[must_use]
pub fn list(version: &Version<'_, char>) -> String {
    let mut text = String::new();
    for (at, run) in version.runs().iter().enumerate().rev() {
        text += &format!("  L{}:", run.level());
        for table in version.run_tables(at) {
            text += &format!(" {}[{}..{}]={}", table.id, table.min, table.max, table.bytes);
        }
        text.push('\n');
    }
    text
}
