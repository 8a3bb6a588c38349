//! What repairing a store has saved, and what is lost.

use std::path::PathBuf;

use bytes::Bytes;

/// What [`Options::repair`](crate::Options::repair) has saved, and what is lost.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Repaired {
    /// Whether the old store's manifest was whole and every table that it names was there. If not, every table counted that no
    /// whole edit calls obsolete: deleted keys may have come back.
    pub is_manifest_whole: bool,
    /// Tables that were read, whole or in part.
    pub tables: u64,
    /// Tables that were left out because they are known to be obsolete.
    pub tables_obsolete: u64,
    /// Whole batches that were found in the log.
    pub log_batches: u64,
    /// Keys in the new store.
    pub keys: u64,
    /// Bytes of its tables.
    pub table_bytes: u64,
    /// What could not be saved, file by file. Empty if nothing was damaged.
    pub lost: Vec<Lost>,
}

/// Bytes of the old store that could not be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost {
    /// The file.
    pub path: PathBuf,
    /// Where they start in it; 0 if the file is missing.
    pub offset: u64,
    /// How many; 0 if that is not known.
    pub bytes: u64,
    /// How many puts and deletes they held, as far as that is known. 0 for bytes that only help to find others.
    pub entries: Option<u64>,
    /// Keys between which all those lie, both included, if that is known.
    pub keys: Option<(Bytes, Bytes)>,
    /// What is wrong with them.
    pub what: String,
}
