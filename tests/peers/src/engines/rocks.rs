//! RocksDB, leveled and universal.

use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use rocksdb::{
    BlockBasedOptions, Cache, DB, DBCompactionStyle, DBCompressionType, Direction, FlushOptions, IteratorMode, Options,
    WriteBatch, WriteOptions,
};

use super::{Budget, Each, Engine, Result, Session};

/// A database, and how it is written to.
pub struct Rocks {
    db: DB,
    is_synced: bool,
}

impl Rocks {
    /// A new database in `dir`.
    ///
    /// # Errors
    /// The database's.
    pub fn open(is_universal: bool, dir: &Path, budget: &Budget) -> Result<Self> {
        let mut blocks = BlockBasedOptions::default();
        blocks.set_block_cache(&Cache::new_lru_cache(usize::try_from(budget.cache_bytes)?));
        blocks.set_bloom_filter(10.0, false);
        blocks.set_block_size(4 << 10);
        let mut options = Options::default();
        options.create_if_missing(true);
        options.set_compression_type(DBCompressionType::None);
        options.set_write_buffer_size(usize::try_from(budget.memtable_bytes)?);
        options.set_block_based_table_factory(&blocks);
        options.set_max_background_jobs(2);
        if is_universal {
            options.set_compaction_style(DBCompactionStyle::Universal);
        }
        Ok(Self { db: DB::open(&options, dir)?, is_synced: budget.is_synced })
    }
}

impl Engine for Rocks {
    fn session(&self) -> Result<Box<dyn Session + '_>> {
        let mut write = WriteOptions::default();
        write.set_sync(self.is_synced);
        Ok(Box::new(RocksSession { db: &self.db, write }))
    }

    fn settle(&self) -> Result<()> {
        let mut flush = FlushOptions::default();
        flush.set_wait(true);
        self.db.flush_opt(&flush)?;
        // Idle for three looks in a row. Its call to wait for compactions is missing from older libraries.
        let mut quiet = 0;
        while quiet < 3 {
            sleep(Duration::from_millis(50));
            let mut is_idle = true;
            for property in ["num-running-flushes", "num-running-compactions", "compaction-pending"] {
                is_idle &= self.db.property_int_value(&format!("rocksdb.{property}"))? == Some(0);
            }
            quiet = if is_idle { quiet + 1 } else { 0 };
        }
        Ok(())
    }

    /// To 10 MiB: that is how it says so.
    fn merged_bytes(&self) -> Result<Option<u64>> {
        let Some(stats) = self.db.property_value("rocksdb.cfstats-no-file-histogram")? else { return Ok(None) };
        let gib = |before: &str| {
            let number = stats.split(before).nth(1)?.split([' ', ',']).find(|word| !word.is_empty())?;
            number.parse::<f64>().ok()
        };
        let all = gib("Cumulative compaction:").zip(gib("Flush(GB): cumulative"));
        Ok(all.map(|(written, flushed)| ((written - flushed) * (1_u64 << 30) as f64) as u64))
    }
}

struct RocksSession<'a> {
    db: &'a DB,
    write: WriteOptions,
}

impl Session for RocksSession<'_> {
    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        Ok(self.db.put_opt(key, value, &self.write)?)
    }

    fn write(&mut self, pairs: &[([u8; 16], Vec<u8>)]) -> Result<()> {
        let mut batch = WriteBatch::default();
        for (key, value) in pairs {
            batch.put(key, value);
        }
        Ok(self.db.write_opt(batch, &self.write)?)
    }

    fn get(&mut self, key: &[u8], value: &mut dyn FnMut(Option<&[u8]>)) -> Result<()> {
        value(self.db.get_pinned(key)?.as_deref());
        Ok(())
    }

    fn scan(&mut self, from: &[u8], count: usize, each: Each<'_>) -> Result<()> {
        for pair in self.db.iterator(IteratorMode::From(from, Direction::Forward)).take(count) {
            let (key, value) = pair?;
            each(&key, &value);
        }
        Ok(())
    }
}
