//! From the JSON shape to a version of the core, every law checked.

use std::collections::HashSet;

use compaction_core::{Run, Running, Table, TableIndex, TreeError, Version};

use super::Refusal;
use super::input::{Busy, Level, Object, TableIn};

/// The arrays that a version borrows.
pub struct Tree {
    runs: Vec<Run>,
    tables: Vec<Table<String>>,
    running: Vec<Running>,
}

impl Tree {
    /// Lays `levels` out oldest first, and lets the `busy` jobs run in them.
    ///
    /// # Errors
    /// The law that the tree breaks, or a busy id that is not in it.
    pub fn build(levels: Vec<Object<Level>>, busy: &[Busy]) -> Result<Self, Refusal> {
        let mut tree = Self { runs: Vec::new(), tables: Vec::new(), running: Vec::new() };
        let mut deeper: Option<u64> = None;
        for Object(level) in levels.into_iter().rev() {
            let number = u8::try_from(level.level)
                .map_err(|_| Refusal::new("level-range", [], format!("level {} is above 255", level.level)))?;
            if let Some(deeper) = deeper.filter(|&deeper| deeper <= level.level) {
                let text = format!("level {deeper} stands behind level {}: levels go from 0 down", level.level);
                return Err(Refusal::new("level-order", [], text));
            }
            deeper = Some(level.level);
            for run in level.runs.into_iter().rev() {
                tree.push_run(number, run)?;
            }
        }
        if !busy.is_empty() {
            tree.set_running(busy)?;
        }
        Ok(tree)
    }

    /// The version.
    ///
    /// # Errors
    /// The law that the tree breaks.
    pub fn version(&self) -> Result<Version<'_, String>, Refusal> {
        let version = Version::new(&self.runs, &self.tables)?;
        TableIndex::new(&version)?;
        Ok(version.with_running(&self.running))
    }

    fn push_run(&mut self, level: u8, tables: Vec<Object<TableIn>>) -> Result<(), Refusal> {
        let first = self.tables.len();
        self.tables.extend(tables.into_iter().map(|Object(table)| table.into_table()));
        let run = Run::seal(level, first, self.tables.get_mut(first..).unwrap_or_default())?;
        self.runs.push(run);
        Ok(())
    }

    fn set_running(&mut self, busy: &[Busy]) -> Result<(), Refusal> {
        let version = Version::new(&self.runs, &self.tables)?;
        let index = TableIndex::new(&version)?;
        let (mut running, mut seen) = (Vec::new(), HashSet::new());
        for (ticket, job) in (0u64..).zip(busy) {
            let level = match job.level.map(u8::try_from) {
                Some(Err(_)) => return Err(Refusal::new("level-range", [], "a busy job's level is above 255")),
                Some(Ok(level)) => Some(level),
                None => None,
            };
            let mut positions = Vec::with_capacity(job.inputs.len());
            for &id in &job.inputs {
                let refuse = |law, what: String| Refusal::new(law, [id], format!("busy table {id} {what}"));
                let Some((_, table)) = index.get(id) else {
                    return Err(refuse("busy-in-tree", "is not in the tree".into()));
                };
                if !seen.insert(id) {
                    return Err(refuse("busy-once", "is named twice".into()));
                }
                positions.push(table);
            }
            running.extend(version.barrier(ticket, positions, level));
        }
        self.running = running;
        Ok(())
    }
}

impl TableIn {
    fn into_table(self) -> Table<String> {
        Table::new(self.id, self.bytes, self.min, self.max)
            .entries(self.entries)
            .tombstones(self.tombstones)
            .newest_ms(self.newest_ms)
            .oldest_tombstone_ms(self.oldest_tombstone_ms)
            .newest_seqno(self.newest_seqno)
    }
}

impl From<TreeError> for Refusal {
    fn from(error: TreeError) -> Self {
        let tables = match error {
            TreeError::Reversed { table }
            | TreeError::Overflow { table }
            | TreeError::Unsealed { table }
            | TreeError::Duplicate { table } => vec![table],
            TreeError::Overlap { left, right } => vec![left, right],
            _ => Vec::new(),
        };
        Self::new(error.law(), tables, error.to_string())
    }
}
