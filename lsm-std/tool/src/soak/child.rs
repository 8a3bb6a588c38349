//! The process that is killed.

use std::io::{self, Write};
use std::path::Path;
use std::sync::Mutex;

use lsm_std::{Db, Options, SyncPolicy};

use super::work::{batch, counter, encoded};
use crate::Failure;
use crate::store::open;
use crate::strategies::{Sizes, Strategy, scaled};

/// Threads that write.
pub const WRITERS: usize = 3;

/// The first writer flushes, and merges everything, every so many batches.
const FLUSH_BATCHES: u64 = 61;
const COMPACT_BATCHES: u64 = 331;

/// How the store is opened in one round.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    /// The strategy.
    pub strategy: Strategy,
    /// Bytes of a memtable.
    pub memtable_bytes: u64,
}

impl Setup {
    /// The store's options.
    pub fn options(&self) -> Options {
        let sizes = Sizes { memtable_bytes: self.memtable_bytes, ..Sizes::default() };
        let options = Options::new().strategy(scaled(self.strategy, &sizes)).memtable_bytes(self.memtable_bytes);
        options
            .log_segment_bytes(self.memtable_bytes)
            .unsettled_bytes_max(8 * self.memtable_bytes)
            .sync(SyncPolicy::Always)
    }
}

/// How many batches of `writer` the store holds.
///
/// # Errors
/// Those of the store; a counter that is none.
pub fn batches_of(db: &Db, writer: usize) -> Result<u64, Failure> {
    let Some(value) = db.get(&counter(writer))? else { return Ok(0) };
    let bytes =
        <[u8; 8]>::try_from(&value[..]).map_err(|_| Failure::Wrong(format!("a counter of {} bytes", value.len())))?;
    Ok(u64::from_le_bytes(bytes))
}

/// Writes until it is killed. On standard output a line for each writer and for each batch that the store has acknowledged:
/// the writer, and how many of its batches are there.
///
/// # Errors
/// Whatever keeps it from writing on.
pub fn write_on(dir: &Path, seed: u64, setup: &Setup) -> Result<(), Failure> {
    let db = open(setup.options(), dir)?;
    let out = Mutex::new(io::stdout());
    let say = |writer: usize, batches: u64| -> Result<(), Failure> {
        let mut out = out.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let line = format!("{writer} {batches}\n");
        out.write_all(line.as_bytes()).and_then(|()| out.flush()).map_err(Failure::io("standard output"))
    };
    let write = |writer: usize| -> Result<(), Failure> {
        let mut index = batches_of(&db, writer)?;
        say(writer, index)?;
        loop {
            db.write(encoded(&batch(seed, writer, index)))?;
            index += 1;
            say(writer, index)?;
            if writer == 0 && index.is_multiple_of(FLUSH_BATCHES) {
                db.flush()?;
            }
            if writer == 0 && index.is_multiple_of(COMPACT_BATCHES) {
                db.compact_all()?;
            }
        }
    };
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS).map(|writer| scope.spawn(move || write(writer))).collect();
        let ended = writers.into_iter().map(|writer| writer.join());
        let ended: Result<Vec<()>, Failure> =
            ended.map(|ended| ended.unwrap_or_else(|_| Err(Failure::Wrong("a writer panicked".into())))).collect();
        ended.map(drop)
    })
}
