//! LMDB, a transaction for each call.

use std::ops::Bound;
use std::path::Path;

use heed::types::Bytes;
use heed::{CommitOrAbort, Database, Env, EnvFlags, EnvOpenOptions, WithTls};

use super::{Budget, Each, Engine, Result, Session};

/// Address space for the file; it takes what it needs of it.
const MAP_BYTES: usize = 64 << 30;

/// An environment with one database.
pub struct Lmdb {
    env: Env<WithTls>,
    pairs: Database<'static, Bytes, Bytes>,
}

impl Lmdb {
    /// A new environment in `dir`.
    ///
    /// # Errors
    /// The environment's.
    pub fn open(dir: &Path, budget: &Budget) -> Result<Self> {
        let mut options = EnvOpenOptions::new();
        options.map_size(MAP_BYTES);
        if !budget.is_synced {
            // SAFETY: it may cost durability after a power cut, which is what is asked for.
            unsafe { options.flags(EnvFlags::NO_SYNC) };
        }
        // SAFETY: the directory is this process's own, and nobody else changes its files.
        let env = unsafe { options.open(dir) }?;
        let made = env.create_databases_and_commit(env.write_txn()?, |databases, write| {
            databases.create_database(write, None).map(CommitOrAbort::<_, ()>::Commit)
        })?;
        let pairs = made.unwrap_commit();
        Ok(Self { env, pairs })
    }
}

impl Engine for Lmdb {
    fn session(&self) -> Result<Box<dyn Session + '_>> {
        Ok(Box::new(self))
    }

    fn settle(&self) -> Result<()> {
        Ok(self.env.force_sync()?)
    }
}

impl Session for &Lmdb {
    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        let mut write = self.env.write_txn()?;
        self.pairs.put(&mut write, key, value)?;
        Ok(write.commit()?)
    }

    fn write(&mut self, pairs: &[([u8; 16], Vec<u8>)]) -> Result<()> {
        let mut write = self.env.write_txn()?;
        for (key, value) in pairs {
            self.pairs.put(&mut write, key, value)?;
        }
        Ok(write.commit()?)
    }

    fn get(&mut self, key: &[u8], value: &mut dyn FnMut(Option<&[u8]>)) -> Result<()> {
        let read = self.env.read_txn()?;
        value(self.pairs.get(&read, key)?);
        Ok(())
    }

    fn scan(&mut self, from: &[u8], count: usize, each: Each<'_>) -> Result<()> {
        let read = self.env.read_txn()?;
        for pair in self.pairs.range(&read, &(Bound::Included(from), Bound::Unbounded))?.take(count) {
            let (key, value) = pair?;
            each(key, value);
        }
        Ok(())
    }
}
