//! This project's engine.

use std::path::Path;

use lsm_std::compaction_core::AnySettings;
use lsm_std::fs::Purpose;
use lsm_std::{Batch, Db, Options, SyncPolicy};
use lsm_tool::strategies::{Sizes, Strategy, scaled};

use super::{Budget, Each, Engine, Name, Result, Session, Setting};

/// A store.
pub struct Ours {
    db: Db,
}

impl Ours {
    /// A new store in `dir`.
    ///
    /// # Errors
    /// The store's; an option that is not known.
    pub fn open(name: Name, dir: &Path, budget: &Budget, further: &[Setting]) -> Result<Self> {
        let strategy = match name {
            Name::Leveled => Strategy::Leveled,
            Name::Bandit => Strategy::Bandit,
            _ => Strategy::Tiered,
        };
        let sizes = Sizes { memtable_bytes: budget.memtable_bytes, ..Sizes::default() };
        let mut settings = scaled(strategy, &sizes);
        let mut options = Options::new()
            .memtable_bytes(budget.memtable_bytes)
            .cache_bytes(budget.cache_bytes)
            .lz4(false)
            .sync(if budget.is_synced { SyncPolicy::Always } else { SyncPolicy::Never });
        for (name, value) in further {
            match (name.as_str(), &mut settings) {
                ("max_space_amp_pct", AnySettings::Tiered(tiered)) => tiered.max_space_amp_pct = *value,
                ("max_space_amp_pct", AnySettings::Bandit(bandit)) => bandit.max_space_amp_pct = *value,
                _ => options = set(options, name, *value)?,
            }
        }
        Ok(Self { db: options.strategy(settings).open(dir)? })
    }
}

fn set(options: Options, name: &str, value: u64) -> Result<Options> {
    Ok(match name {
        "block_bytes" => options.block_bytes(usize::try_from(value)?),
        "cache_bytes" => options.cache_bytes(value),
        "direct_reads" => options.direct_reads(value != 0),
        "filter_bits" => options.filter_bits(u8::try_from(value)?),
        "frozen_memtables_max" => options.frozen_memtables_max(usize::try_from(value)?),
        "log_segment_bytes" => options.log_segment_bytes(value),
        "lz4" => options.lz4(value != 0),
        "mapped_log" => options.mapped_log(value != 0),
        "mapped_reads" => options.mapped_reads(value != 0),
        "memtable_bytes" => options.memtable_bytes(value),
        "open_files_max" => options.open_files_max(usize::try_from(value)?),
        "table_bytes" => options.table_bytes(value),
        "workers" => options.workers(usize::try_from(value)?),
        _ => return Err(format!("no option is called {name:?} here").into()),
    })
}

impl Engine for Ours {
    fn session(&self) -> Result<Box<dyn Session + '_>> {
        Ok(Box::new(&self.db))
    }

    fn settle(&self) -> Result<()> {
        self.db.flush()?;
        Ok(self.db.wait_idle()?)
    }

    /// Where it is not synced, most of the log goes through mapped memory.
    fn written_bytes(&self) -> Option<u64> {
        Some(self.db.stats().io.iter().map(|(_, io)| io.written_bytes).sum())
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
