//! A thin LSM storage engine around `compaction-core`.
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
mod options;
mod recovery;
mod report;
mod snapshot;
mod sst;
mod stats;
mod strategy;
mod sync;
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
pub use report::{Chosen, LevelShape, Report, What};
pub use stats::{JobStats, Stats};
pub use types::{Entry, FileId, Found, KEY_BYTES_MAX, Kind, SeqNo, TableMeta, VALUE_BYTES_MAX, order};
pub use value::Value;
