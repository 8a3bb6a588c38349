//! The store as its users see it.

mod admin;
mod copy;
mod read;

use std::path::Path;
use std::sync::Arc;

use crate::batch::Batch;
use crate::commit::Committer;
use crate::engine::{Engine, LogSink, Workers, recover};
use crate::error::{Error, Result};
use crate::options::Options;
use crate::recovery::Recovery;
use crate::sync::{AtomicBool, Mutex, Ordering, lock};

pub use copy::Verified;
pub use read::{Range, Snapshot};

/// An open store. Share it between threads by reference or in an `Arc`: every method takes `&self`.
///
/// Dropping it closes it, as far as that can be done; [`close`](Self::close) also reports errors. A store that was closed has
/// everything in its tables and its manifest, and no log. Dropped by a panic, it is left as a crash of the process would leave
/// it: nothing that was written is lost, and the log is read when it is opened again.
///
/// ```
/// # fn main() -> Result<(), lsm_std::Error> {
/// # let dir = tempfile::tempdir().unwrap();
/// let db = lsm_std::Db::open(dir.path().join("store"))?;
/// db.put(b"apple", b"red")?;
/// db.put(b"pear", b"green")?;
/// assert_eq!(db.get(b"apple")?.as_deref(), Some(&b"red"[..]));
/// db.delete(b"apple")?;
/// let keys: Vec<_> = db.iter().map(|pair| pair.map(|(key, _)| key)).collect::<Result<_, _>>()?;
/// assert_eq!(keys, [b"pear"]);
/// db.close()?;
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Db {
    // Dropped first: threads stop before anything else goes.
    workers: Mutex<Workers>,
    pub(crate) committer: Arc<Committer<Batch, LogSink>>,
    pub(crate) engine: Arc<Engine>,
    closed: AtomicBool,
}

impl Db {
    /// Opens the store in `dir` with default [`Options`], making it if there is none.
    ///
    /// # Errors
    /// As [`Options::open`].
    pub fn open(dir: impl AsRef<Path>) -> Result<Self> {
        Options::new().open(dir)
    }

    pub(crate) fn open_with(options: Options, dir: &Path) -> Result<Self> {
        let (engine, wal) = recover(options, dir)?;
        let committer = Arc::new(Committer::new(LogSink::new(Arc::clone(&engine), wal)));
        let workers = Mutex::new(Workers::start(&engine, &committer)?);
        Ok(Self { workers, committer, engine, closed: AtomicBool::new(false) })
    }

    /// Sets `key` to `value`.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn put(&self, key: &[u8], value: &[u8]) -> Result<()> {
        let mut batch = Batch::new();
        batch.put(key, value);
        self.write(batch)
    }

    /// Removes `key`, whether it is there or not.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn delete(&self, key: &[u8]) -> Result<()> {
        let mut batch = Batch::new();
        batch.delete(key);
        self.write(batch)
    }

    /// Writes a batch: all of it becomes visible at once, and all of it survives a crash or nothing.
    ///
    /// On return it is in the log, as durable as the [`SyncPolicy`](crate::SyncPolicy) says. Costs one write to the log, shared
    /// with the writers that come meanwhile. Slowed while merges or flushes lag behind, stopped while too many memtables wait.
    ///
    /// # Errors
    /// [`Error::KeyTooLong`], [`Error::ValueTooLong`] or [`Error::BatchTooLarge`]: nothing was written. Nor was anything
    /// if the disk is full: the store goes on as soon as there is room again. [`Error::ReadOnly`] after any other failed write or
    /// sync, now or earlier: whether this batch survives is not known before the store is opened again.
    pub fn write(&self, batch: Batch) -> Result<()> {
        if batch.is_empty() {
            // A refused write leaves its batch empty, or not.
            return batch.end().map(drop);
        }
        let bytes = batch.bytes();
        let batch = batch.end()?;
        if self.engine.stopping.load(Ordering::Acquire) {
            return Err(Error::Closed);
        }
        self.engine.make_room(bytes)?;
        self.committer.commit(batch)?;
        self.engine.counters.wrote(bytes);
        if self.engine.options.seed.is_some() && self.engine.frozen() > 0 {
            // The batch is written; what goes wrong here is told to the next writer.
            let _ = self.engine.work_inline();
        }
        Ok(())
    }

    /// Closes the store: stops its threads, flushes what is in memory, makes all of it durable, saves what the strategy has
    /// learned. Then everything is in tables and manifest, and there is no log. Merges that run are given up.
    ///
    /// Costs as much as a flush; next to nothing if nothing was written since the store was last closed.
    ///
    /// The directory stays locked until the last [`Snapshot`] and [`Range`] are gone too.
    ///
    /// # Errors
    /// What failed; the store is closed all the same.
    pub fn close(self) -> Result<()> {
        self.shut()
    }

    fn shut(&self) -> Result<()> {
        if self.closed.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        lock(&self.workers).stop();
        self.engine.close(&self.committer)
    }

    /// What opening the store has found: how much of it was in the log, and what had to be cut off.
    pub fn recovery(&self) -> &Recovery {
        &self.engine.recovery
    }
}

impl Drop for Db {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        if let Err(error) = self.shut() {
            tracing::warn!(%error, "the store was not closed cleanly");
        }
    }
}
