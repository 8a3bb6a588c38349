//! This project's engine.

use std::path::Path;

use lsm_std::fs::Purpose;
use lsm_std::{Batch, Db, Options, SyncPolicy};
use lsm_tool::strategies::{Sizes, Strategy, scaled};

use super::{Budget, Each, Engine, Name, Result, Session};

/// A store.
pub struct Ours {
    db: Db,
    is_synced: bool,
}

impl Ours {
    /// A new store in `dir`.
    ///
    /// # Errors
    /// The store's.
    pub fn open(name: Name, dir: &Path, budget: &Budget) -> Result<Self> {
        let strategy = match name {
            Name::Leveled => Strategy::Leveled,
            Name::Bandit => Strategy::Bandit,
            _ => Strategy::Tiered,
        };
        let sizes = Sizes { memtable_bytes: budget.memtable_bytes, ..Sizes::default() };
        let options = Options::new()
            .strategy(scaled(strategy, &sizes))
            .memtable_bytes(budget.memtable_bytes)
            .cache_bytes(budget.cache_bytes)
            .lz4(false)
            .sync(if budget.is_synced { SyncPolicy::Always } else { SyncPolicy::Never });
        Ok(Self { db: options.open(dir)?, is_synced: budget.is_synced })
    }
}

impl Engine for Ours {
    fn session(&self) -> Result<Box<dyn Session + '_>> {
        Ok(Box::new(&self.db))
    }

    fn settle(&self) -> Result<()> {
        self.db.flush()?;
        Ok(self.db.wait_idle()?)
    }

    /// Those of the log, but for what did not fit a map: nothing here.
    fn mapped_bytes(&self) -> u64 {
        if self.is_synced { 0 } else { self.db.stats().io(Purpose::Log).written_bytes }
    }

    fn merged_bytes(&self) -> Result<Option<u64>> {
        Ok(Some(self.db.stats().io(Purpose::Merge).written_bytes))
    }
}

impl Session for &Db {
    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        Ok(Db::put(self, key, value)?)
    }

    fn write(&mut self, pairs: &[([u8; 16], Vec<u8>)]) -> Result<()> {
        let mut batch = Batch::new();
        for (key, value) in pairs {
            batch.put(key, value);
        }
        Ok(Db::write(self, batch)?)
    }

    fn get(&mut self, key: &[u8], value: &mut dyn FnMut(Option<&[u8]>)) -> Result<()> {
        value(Db::get(self, key)?.as_deref());
        Ok(())
    }

    fn scan(&mut self, from: &[u8], count: usize, each: Each<'_>) -> Result<()> {
        for pair in self.range(from..).take(count) {
            let (key, value) = pair?;
            each(&key, &value);
        }
        Ok(())
    }
}
