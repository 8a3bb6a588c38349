//! What opening a store has found.

use std::path::PathBuf;

use crate::journal::Torn;

/// What opening a store has found in its log and what it had to cut off.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Log segments read. None if the store was closed, or is new.
    pub segments: usize,
    /// Batches that were in the log and in no table.
    pub batches: u64,
    /// Their bytes in the log.
    pub bytes: u64,
    /// What was cut off: torn ends, and what lay behind them. Empty but after a power cut or damage.
    pub cuts: Vec<Cut>,
}

/// Bytes that were cut off a file because they hold nothing whole, or lie behind such bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut {
    /// The file.
    pub path: PathBuf,
    /// Where the cut was made, in bytes from the start of the file; 0 if the file was removed.
    pub offset: u64,
    /// Bytes behind it.
    pub bytes: u64,
    /// Whole records among them, which had to go because one before them was lost.
    pub records: u64,
}

impl Cut {
    /// The torn end of the file at `path`.
    pub(crate) fn of(path: PathBuf, torn: Torn) -> Self {
        Self { path, offset: torn.offset, bytes: torn.bytes_lost, records: torn.records_lost }
    }
}
