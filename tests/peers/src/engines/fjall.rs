//! fjall.

use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use fjall::config::{BlockSizePolicy, BloomConstructionPolicy, CompressionPolicy, FilterPolicy, FilterPolicyEntry};
use fjall::{CompressionType, Database, Keyspace, KeyspaceCreateOptions, PersistMode};

use super::{Budget, Each, Engine, Result, Session};

/// A database with one keyspace.
pub struct Fjall {
    db: Database,
    keyspace: Keyspace,
    is_synced: bool,
}

impl Fjall {
    /// A new database in `dir`.
    ///
    /// # Errors
    /// The database's.
    pub fn open(dir: &Path, budget: &Budget) -> Result<Self> {
        let db = Database::builder(dir)
            .cache_size(budget.cache_bytes)
            .journal_compression(CompressionType::None)
            .worker_threads(2)
            .open()?;
        let filter = FilterPolicyEntry::Bloom(BloomConstructionPolicy::BitsPerKey(10.0));
        let options = || {
            KeyspaceCreateOptions::default()
                .max_memtable_size(budget.memtable_bytes)
                .data_block_compression_policy(CompressionPolicy::disabled())
                .index_block_compression_policy(CompressionPolicy::disabled())
                .data_block_size_policy(BlockSizePolicy::all(4 << 10))
                .filter_policy(FilterPolicy::all(filter))
        };
        let keyspace = db.keyspace("pairs", options)?;
        Ok(Self { db, keyspace, is_synced: budget.is_synced })
    }

    fn written(&self) -> Result<()> {
        if self.is_synced { Ok(self.db.persist(PersistMode::SyncData)?) } else { Ok(()) }
    }
}

impl Engine for Fjall {
    fn session(&self) -> Result<Box<dyn Session + '_>> {
        Ok(Box::new(self))
    }

    fn settle(&self) -> Result<()> {
        self.keyspace.rotate_memtable_and_wait()?;
        // It has no call to wait for compactions: idle for three looks in a row.
        let mut quiet = 0;
        while quiet < 3 {
            sleep(Duration::from_millis(50));
            let is_idle = self.db.outstanding_flushes() == 0 && self.db.active_compactions() == 0;
            quiet = if is_idle { quiet + 1 } else { 0 };
        }
        Ok(())
    }
}

impl Session for &Fjall {
    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        self.keyspace.insert(key, value)?;
        self.written()
    }

    fn write(&mut self, pairs: &[([u8; 16], Vec<u8>)]) -> Result<()> {
        let mut batch = self.db.batch();
        for (key, value) in pairs {
            batch.insert(&self.keyspace, key.as_slice(), value.as_slice());
        }
        batch.commit()?;
        self.written()
    }

    fn get(&mut self, key: &[u8], value: &mut dyn FnMut(Option<&[u8]>)) -> Result<()> {
        value(self.keyspace.get(key)?.as_deref());
        Ok(())
    }

    fn scan(&mut self, from: &[u8], count: usize, each: Each<'_>) -> Result<()> {
        for pair in self.keyspace.range(from..).take(count) {
            let (key, value) = pair.into_inner()?;
            each(&key, &value);
        }
        Ok(())
    }
}
