//! A thin LSM storage engine around `compaction-core`: an embedded store of sorted keys, made of files in one directory.
//!
//! Start at [`Db`]; [`Options`] says how a store is opened, [`Batch`] writes several keys at once, [`Snapshot`] reads a
//! state that stays. What is merged when is the [strategy](compaction_core)'s choice, and any strategy may follow any
//! other. [`Stats`] and [`Options::on_report`] tell what it does and why. Everything on disk is under a checksum; errors
//! name file and offset.
//!
//! ```
//! use lsm_std::{Batch, Options, SyncPolicy};
//!
//! # fn main() -> Result<(), lsm_std::Error> {
//! # let dir = tempfile::tempdir().unwrap();
//! let db = Options::new().sync(SyncPolicy::Always).open(dir.path().join("store"))?;
//! let mut batch = Batch::new();
//! batch.put(b"user:7", b"Ada");
//! batch.put(b"user:8", b"Grace");
//! db.write(batch)?;
//! let before = db.snapshot();
//! db.delete(b"user:7")?;
//! assert_eq!(db.prefix(b"user:").count(), 1);
//! assert_eq!(before.get(b"user:7")?.as_deref(), Some(&b"Ada"[..]));
//! # Ok(()) }
//! ```
//!
//! # What it tells
//! Through `metrics`, when the program installs a recorder: the counters `lsm_flushes_total`, `lsm_flush_bytes_total`,
//! `lsm_jobs_total` (labels `choice`, `rule`), `lsm_job_bytes_read_total` and `lsm_job_bytes_written_total` (`rule`),
//! `lsm_jobs_aborted_total`, `lsm_write_stops_total`; the histogram `lsm_job_micros` (`rule`); the gauges `lsm_debt_bytes` and `lsm_runs`.
//!
//! Through `tracing`: the spans `flush` and `merge`; at debug level each `decision` with its reason, each job that is `done`, and
//! each `reward` of the bandit; what is cut off, dropped or tried again as warnings; and what makes a store read-only as an error.
#![deny(unsafe_code)]

mod batch;
mod cache;
mod clock;
mod codec;
mod commit;
mod db;
mod engine;
mod error;
pub mod fs;
#[doc(hidden)]
pub mod fuzzing;
mod heat;
mod iter;
mod journal;
mod manifest;
mod memtable;
#[cfg(all(test, loom))]
mod models;
mod options;
mod recovery;
mod repaired;
mod report;
mod snapshot;
mod sst;
mod stats;
mod strategy;
mod sync;
#[cfg(feature = "timing")]
pub mod timing;
#[cfg(not(feature = "timing"))]
mod timing;
mod types;
mod value;
mod view;
mod wal;

pub use batch::{BATCH_BYTES_MAX, Batch};
pub use cache::CacheStats;
pub use clock::{Clock, LogicalClock, SystemClock};
pub use compaction_core;
pub use db::{Db, Range, Snapshot, Verified};
pub use error::{Error, Result};
pub use options::{Options, SyncPolicy};
pub use recovery::{Cut, Recovery};
pub use repaired::{Lost, Repaired};
pub use report::{Chosen, LevelShape, Report, What};
pub use stats::{JobStats, Stats};
pub use types::{FileId, KEY_BYTES_MAX, SeqNo, TableMeta, VALUE_BYTES_MAX};
pub use value::Value;
