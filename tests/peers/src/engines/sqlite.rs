//! SQLite: a connection for each thread, cached statements, the write-ahead mode.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, params};

use super::{Budget, Each, Engine, Result, Session};

const PUT: &str = "INSERT OR REPLACE INTO pairs (key, value) VALUES (?1, ?2)";

/// A database file; each session opens it anew.
pub struct Sqlite {
    path: PathBuf,
    budget: Budget,
}

impl Sqlite {
    /// A new database in `dir`.
    ///
    /// # Errors
    /// The database's.
    pub fn open(dir: &Path, budget: &Budget) -> Result<Self> {
        let sqlite = Self { path: dir.join("sqlite"), budget: *budget };
        let create = "CREATE TABLE pairs (key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID";
        sqlite.connect()?.execute_batch(create)?;
        Ok(sqlite)
    }

    fn connect(&self) -> Result<Connection> {
        let connection = Connection::open(&self.path)?;
        connection.busy_timeout(Duration::from_secs(60))?;
        connection.pragma_update(None, "journal_mode", "wal")?;
        connection.pragma_update(None, "synchronous", if self.budget.is_synced { "FULL" } else { "OFF" })?;
        connection.pragma_update(None, "cache_size", -i64::try_from(self.budget.cache_bytes >> 10)?)?;
        connection.pragma_update(None, "wal_autocheckpoint", i64::try_from(self.budget.memtable_bytes >> 12)?)?;
        Ok(connection)
    }
}

impl Engine for Sqlite {
    fn session(&self) -> Result<Box<dyn Session + '_>> {
        Ok(Box::new(self.connect()?))
    }

    fn settle(&self) -> Result<()> {
        Ok(self.connect()?.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?)
    }
}

impl Session for Connection {
    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        self.prepare_cached(PUT)?.execute(params![key, value])?;
        Ok(())
    }

    fn write(&mut self, pairs: &[([u8; 16], Vec<u8>)]) -> Result<()> {
        let transaction = self.transaction()?;
        {
            let mut put = transaction.prepare_cached(PUT)?;
            for (key, value) in pairs {
                put.execute(params![key.as_slice(), value])?;
            }
        }
        Ok(transaction.commit()?)
    }

    fn get(&mut self, key: &[u8], value: &mut dyn FnMut(Option<&[u8]>)) -> Result<()> {
        let mut get = self.prepare_cached("SELECT value FROM pairs WHERE key = ?1")?;
        let shown = get.query_row([key], |row| {
            value(Some(row.get_ref(0)?.as_blob()?));
            Ok(())
        });
        if shown.optional()?.is_none() {
            value(None);
        }
        Ok(())
    }

    fn scan(&mut self, from: &[u8], count: usize, each: Each<'_>) -> Result<()> {
        let mut scan = self.prepare_cached("SELECT key, value FROM pairs WHERE key >= ?1 ORDER BY key LIMIT ?2")?;
        let mut rows = scan.query(params![from, i64::try_from(count).unwrap_or(i64::MAX)])?;
        while let Some(row) = rows.next()? {
            each(row.get_ref(0)?.as_blob()?, row.get_ref(1)?.as_blob()?);
        }
        Ok(())
    }
}
