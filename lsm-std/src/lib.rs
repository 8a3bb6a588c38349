//! A thin LSM storage engine around `compaction-core`.
#![deny(unsafe_code)]

mod cache;
mod codec;
mod error;
pub mod fs;
mod journal;
mod manifest;
mod sst;
mod types;
mod wal;

pub use error::{Error, Result};
pub use types::{Entry, FileId, Found, KEY_BYTES_MAX, Kind, SeqNo, TableMeta, VALUE_BYTES_MAX, order};

/// The formats under the engine, for fuzzing and tests only. Not covered by any promise of stability.
#[doc(hidden)]
pub mod fuzzing {
    pub use crate::cache::*;
    pub use crate::codec::*;
    pub use crate::journal::*;
    pub use crate::manifest::*;
    pub use crate::sst::*;
    pub use crate::wal::{WalReader, WalRecord, WalWriter, cut};
}
