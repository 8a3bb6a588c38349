//! redb, a transaction for each call.

use std::path::Path;

use redb::{Database, Durability, ReadableDatabase, TableDefinition};

use super::{Budget, Each, Engine, Result, Session};

const PAIRS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("pairs");

/// A database with one table.
pub struct Redb {
    db: Database,
    is_synced: bool,
}

impl Redb {
    /// A new database in `dir`.
    ///
    /// # Errors
    /// The database's.
    pub fn open(dir: &Path, budget: &Budget) -> Result<Self> {
        let cache_bytes = usize::try_from(budget.cache_bytes)?;
        let db = Database::builder().set_cache_size(cache_bytes).create(dir.join("redb"))?;
        let create = db.begin_write()?;
        create.open_table(PAIRS)?;
        create.commit()?;
        Ok(Self { db, is_synced: budget.is_synced })
    }

    fn commit<'a>(&self, durable: bool, pairs: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> Result<()> {
        let mut write = self.db.begin_write()?;
        write.set_durability(if durable { Durability::Immediate } else { Durability::None })?;
        {
            let mut table = write.open_table(PAIRS)?;
            for (key, value) in pairs {
                table.insert(key, value)?;
            }
        }
        Ok(write.commit()?)
    }
}

impl Engine for Redb {
    fn session(&self) -> Result<Box<dyn Session + '_>> {
        Ok(Box::new(self))
    }

    fn settle(&self) -> Result<()> {
        self.commit(true, std::iter::empty())
    }
}

impl Session for &Redb {
    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        self.commit(self.is_synced, std::iter::once((key, value)))
    }

    fn write(&mut self, pairs: &[([u8; 16], Vec<u8>)]) -> Result<()> {
        self.commit(self.is_synced, pairs.iter().map(|(key, value)| (key.as_slice(), value.as_slice())))
    }

    fn get(&mut self, key: &[u8], value: &mut dyn FnMut(Option<&[u8]>)) -> Result<()> {
        let table = self.db.begin_read()?.open_table(PAIRS)?;
        value(table.get(key)?.as_ref().map(|found| found.value()));
        Ok(())
    }

    fn scan(&mut self, from: &[u8], count: usize, each: Each<'_>) -> Result<()> {
        let table = self.db.begin_read()?.open_table(PAIRS)?;
        for pair in table.range(from..)?.take(count) {
            let (key, value) = pair?;
            each(key.value(), value.value());
        }
        Ok(())
    }
}
