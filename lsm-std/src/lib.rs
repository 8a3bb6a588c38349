//! A thin LSM storage engine around `compaction-core`.
#![deny(unsafe_code)]

mod error;
pub mod fs;
mod types;

pub use error::{Error, Result};
pub use types::{
    Entry, FileId, Found, KEY_BYTES_MAX, Kind, SeqNo, TableMeta, VALUE_BYTES_MAX, order,
};
