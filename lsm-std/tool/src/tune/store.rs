//! What a store tells of its workload and of its amplification.

use std::path::Path;

use bytes::Bytes;
use compaction_core::tune::Chosen;
use compaction_core::{Run, Table, Version, amp};
use lsm_std::TableMeta;
use serde_json::{Value, json};

use crate::Failure;
use crate::sim::number;
use crate::store::{leave, look};
use crate::strategies::short_name;

/// A store as it stands.
#[derive(Clone, Debug)]
pub struct Measured {
    /// Stored name of its strategy.
    pub strategy: &'static str,
    /// Entries that are live, about: those of the tables beneath which nothing lies.
    pub entries: f64,
    /// Mean bytes of key and value, about.
    pub entry_bytes: f64,
    /// Writes that it has seen, from its sequence numbers.
    pub writes: u64,
    /// Runs, which a read of an absent key asks.
    pub runs: usize,
    /// Bytes of tables per byte of those at the bottom.
    pub space_amp: f64,
    /// Table bytes written per byte that the user wrote, about: from the numbers that files have used up.
    pub write_amp: f64,
    /// Bytes per level, level 0 first, empty ones left out.
    pub level_bytes: Vec<u64>,
    /// Ratio of neighbouring levels below level 0, the geometric mean; `None` with fewer than two.
    pub size_ratio: Option<f64>,
}

/// What a table takes for an entry beside key and value, about.
const ENTRY_BYTES: f64 = 9.0;

/// Reads the shape of the store in `dir`.
///
/// # Errors
/// No store there, one that cannot be opened, or an empty one.
pub fn measure(dir: &Path) -> Result<Measured, Failure> {
    let db = look(dir)?;
    let (stats, listed) = (db.stats(), db.runs());
    leave(db)?;
    if listed.is_empty() {
        return Err(Failure::Wrong(format!("{} holds no table", dir.display())));
    }
    let broken = |error: &dyn std::fmt::Display| Failure::Wrong(format!("{}: {error}", dir.display()));
    let (mut tables, mut runs) = (Vec::new(), Vec::new());
    for (level, metas) in &listed {
        let at = tables.len();
        tables.extend(metas.iter().map(table));
        runs.push(Run::seal(*level, at, &mut tables[at..]).map_err(|error| broken(&error))?);
    }
    let version = Version::new(&runs, &tables).map_err(|error| broken(&error))?;
    let bytes: u64 = tables.iter().map(|table| table.bytes).sum();
    let (entries, bottom) = (tables.iter().map(|table| table.entries).sum::<u64>(), amp::bottom_bytes(&version) as f64);
    let level_bytes: Vec<u64> = stats.levels.iter().map(|level| level.bytes).collect();
    let deeper: Vec<u64> =
        stats.levels.iter().filter(|level| level.level > 0).map(|level| level.bytes.max(1)).collect();
    let size_ratio = match deeper.as_slice() {
        [first, .., last] => Some((*last as f64 / *first as f64).powf(1.0 / (deeper.len() - 1) as f64)),
        _ => None,
    };
    let metas = || listed.iter().flat_map(|(_, metas)| metas);
    let key_bytes =
        metas().map(|meta| meta.min.len() + meta.max.len()).sum::<usize>() as f64 / (2 * tables.len()) as f64;
    // Most of a key is left out of a table, since its neighbours start alike.
    let in_table = bytes as f64 / entries.max(1) as f64 - ENTRY_BYTES - key_bytes.min(4.0);
    let entry_bytes = (in_table.max(0.0) + key_bytes).max(1.0);
    let mean_bytes = bytes as f64 / tables.len() as f64;
    let newest: Vec<f64> = runs.iter().filter(|run| run.level() == 0).map(|run| run.bytes() as f64).collect();
    // The last memtable may not have been full.
    let flush_bytes = if newest.len() < 2 { mean_bytes } else { newest.iter().copied().fold(0.0, f64::max) };
    let flushed = stats.last_seqno as f64 * bytes as f64 / entries.max(1) as f64;
    // Each flush used up a number for its table and one for its part of the log; the others are what merges wrote.
    let numbers = metas().map(|meta| meta.id).max().unwrap_or(0) as f64;
    let merged = (numbers - 2.0 * flushed / flush_bytes.max(1.0)).max(0.0) * mean_bytes;
    Ok(Measured {
        write_amp: (flushed + merged) / (stats.last_seqno.max(1) as f64 * entry_bytes),
        strategy: short_name(stats.strategy),
        entries: (entries as f64 * bottom / bytes.max(1) as f64).max(1.0),
        entry_bytes,
        writes: stats.last_seqno,
        runs: runs.len(),
        space_amp: number(amp::space(&version)),
        level_bytes,
        size_ratio,
    })
}

fn table(meta: &TableMeta) -> Table<Bytes> {
    let mut table = Table::new(meta.id, meta.bytes, meta.min.clone(), meta.max.clone());
    (table.entries, table.tombstones) = (meta.entries, meta.tombstones);
    table
}

impl Measured {
    /// The strategy's name on the command line, if it is one that is tuned.
    pub(super) fn kind(&self) -> Option<&'static str> {
        Some(self.strategy).filter(|name| ["tiered", "leveled", "lazy"].contains(name))
    }

    pub(super) fn json(&self) -> Value {
        json!({
            "strategy": self.strategy, "entries": self.entries, "entry_bytes": self.entry_bytes, "writes": self.writes,
            "runs": self.runs, "read_amp_max": self.runs, "space_amp": self.space_amp, "write_amp": self.write_amp,
            "size_ratio": self.size_ratio,
            "level_bytes": self.level_bytes,
        })
    }

    pub(super) fn words(&self) -> String {
        let ratio = self.size_ratio.map_or_else(String::new, |ratio| format!(", size ratio {ratio:.2}"));
        format!(
            "{}: {:.0} entries of {:.0} B, {} runs, space amplification {:.2}, write amplification about {:.1}{ratio}",
            self.strategy, self.entries, self.entry_bytes, self.runs, self.space_amp, self.write_amp
        )
    }

    pub(super) fn why(&self, proposed: Option<&Chosen>, best: &Chosen) -> String {
        let mut text = format!("The store runs {}.", self.words());
        if let Some(proposed) = proposed {
            let (ratio, expected) = (proposed.layout.ratio(), &proposed.expected);
            text += &format!(
                " Within its strategy a size ratio of {ratio} is best for these shares: space amplification {:.2}, \
                 write amplification {:.1}, {:.1} runs, {:.0} B an operation, {:.0} % more than the best of all.",
                expected.space_amp,
                expected.write_amp,
                expected.runs,
                expected.cost,
                (expected.cost / best.expected.cost - 1.0) * 100.0
            );
        }
        text
    }
}
