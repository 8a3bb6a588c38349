//! One thin face before every engine.

mod fjall;
mod lmdb;
mod ours;
mod redb;
#[cfg(feature = "rocksdb")]
mod rocks;
mod sqlite;

use std::error::Error;
use std::path::Path;

use clap::ValueEnum;

/// What an engine may answer when it fails.
pub type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// Told each pair that a scan meets.
pub type Each<'a> = &'a mut dyn FnMut(&[u8], &[u8]);

/// The engines, in the order of the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Name {
    /// This project's, tiered.
    Tiered,
    /// This project's, leveled.
    Leveled,
    /// This project's, adaptive.
    Bandit,
    /// RocksDB, leveled.
    Rocksdb,
    /// RocksDB, universal.
    RocksdbUniversal,
    /// fjall.
    Fjall,
    /// redb.
    Redb,
    /// SQLite, without row ids, in its write-ahead mode.
    Sqlite,
    /// LMDB.
    Lmdb,
}

/// What all engines are given alike.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    /// Bytes of the cache.
    pub cache_bytes: u64,
    /// Bytes of a memtable, or of the log before it is folded in.
    pub memtable_bytes: u64,
    /// Whether a write that has returned survives a power cut. If not, it survives the death of the process, where the engine can
    /// do that: redb holds back what it is not told to make durable.
    pub is_synced: bool,
}

/// An option by its name, and what it is set to; 0 and 1 for no and yes.
pub type Setting = (String, u64);

/// An open engine.
pub trait Engine: Sync {
    /// What one thread works with.
    ///
    /// # Errors
    /// The engine's.
    fn session(&self) -> Result<Box<dyn Session + '_>>;

    /// Waits until nothing is left to be flushed or merged.
    ///
    /// # Errors
    /// The engine's.
    fn settle(&self) -> Result<()>;

    /// Bytes that merges have written to tables since it was opened; `None` where it does not say, or merges nothing.
    ///
    /// # Errors
    /// The engine's.
    fn merged_bytes(&self) -> Result<Option<u64>> {
        Ok(None)
    }

    /// Bytes that it wrote since it was opened, by its own count, if not all of them go by calls that can be counted.
    fn written_bytes(&self) -> Option<u64> {
        None
    }
}

/// What one thread does to an engine.
pub trait Session {
    /// Writes one pair.
    ///
    /// # Errors
    /// The engine's.
    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<()>;

    /// Writes all pairs or none.
    ///
    /// # Errors
    /// The engine's.
    fn write(&mut self, pairs: &[([u8; 16], Vec<u8>)]) -> Result<()>;

    /// Shows the value of `key`.
    ///
    /// # Errors
    /// The engine's.
    fn get(&mut self, key: &[u8], value: &mut dyn FnMut(Option<&[u8]>)) -> Result<()>;

    /// Shows up to `count` pairs from `from` on.
    ///
    /// # Errors
    /// The engine's.
    fn scan(&mut self, from: &[u8], count: usize, each: Each<'_>) -> Result<()>;
}

/// Opens an engine in the empty directory `dir`.
///
/// # Errors
/// The engine's.
pub fn open(name: Name, dir: &Path, budget: &Budget, further: &[Setting]) -> Result<Box<dyn Engine>> {
    Ok(match name {
        Name::Tiered | Name::Leveled | Name::Bandit => Box::new(ours::Ours::open(name, dir, budget, further)?),
        _ if !further.is_empty() => return Err(format!("{name:?} takes no further options").into()),
        #[cfg(feature = "rocksdb")]
        Name::Rocksdb | Name::RocksdbUniversal => {
            Box::new(rocks::Rocks::open(name == Name::RocksdbUniversal, dir, budget)?)
        }
        #[cfg(not(feature = "rocksdb"))]
        Name::Rocksdb | Name::RocksdbUniversal => return Err("built without the feature rocksdb".into()),
        Name::Fjall => Box::new(fjall::Fjall::open(dir, budget)?),
        Name::Redb => Box::new(redb::Redb::open(dir, budget)?),
        Name::Sqlite => Box::new(sqlite::Sqlite::open(dir, budget)?),
        Name::Lmdb => Box::new(lmdb::Lmdb::open(dir, budget)?),
    })
}
