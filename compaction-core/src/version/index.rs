//! Tables by id, for callers that name tables so.

use super::{TreeError, Version};
use hashbrown::HashMap;

/// Where each table of a version stands, by id. Built once a version, O(tables).
#[derive(Debug, Default)]
pub struct TableIndex {
    by_id: HashMap<u64, Place>,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    run: usize,
    table: usize,
}

impl TableIndex {
    /// Indexes the tables of `version`.
    ///
    /// # Errors
    /// [`TreeError::Duplicate`] when an id stands twice.
    pub fn new<K>(version: &Version<'_, K>) -> Result<Self, TreeError> {
        let mut by_id = HashMap::with_capacity(version.tables.len());
        for run in 0..version.runs.len() {
            let first = version.runs.get(run).map_or(0, super::Run::first);
            for (at, table) in version.run_tables(run).iter().enumerate() {
                let place = Place { run, table: first.saturating_add(at) };
                if by_id.insert(table.id, place).is_some() {
                    return Err(TreeError::Duplicate { table: table.id });
                }
            }
        }
        Ok(Self { by_id })
    }

    /// The positions of the run and of the table with this id.
    #[must_use]
    pub fn get(&self, id: u64) -> Option<(usize, usize)> {
        self.by_id.get(&id).map(|place| (place.run, place.table))
    }
}
