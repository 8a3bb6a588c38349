//! The formats under the engine, for fuzzing and tests only. Not covered by any promise of stability.
//!
//! A fuzzer does not guess checksums, so for each file that is read from bytes there is a way to make one around bytes of its own.

use std::path::Path;
use std::sync::Arc;

pub use crate::cache::{Cache, CacheStats};
pub use crate::codec::*;
use crate::error::Result;
use crate::fs::{FileName, MemFs, Purpose, replace_small};
pub use crate::journal::*;
pub use crate::manifest::*;
pub use crate::sst::*;
use crate::types::{FileId, SeqNo};
pub use crate::wal::{WalReader, WalRecord, WalWriter, cut};

/// Where all these files lie: the root of a [`MemFs`].
const DIR: &str = "";

/// The number of all these files.
const ID: FileId = 7;

/// Recovers a log segment of these bytes.
pub fn read_log(bytes: &[u8]) -> Result<(Vec<WalRecord>, Option<Torn>)> {
    let fs = MemFs::new();
    fs.set_bytes(FileName::Log(ID).to_string(), bytes.to_vec());
    let mut reader = WalReader::open(&fs, Path::new(DIR), ID)?;
    let records = reader.by_ref().collect::<Result<_>>()?;
    Ok((records, reader.torn()))
}

/// A log segment of these batches, each its own write, synced after every one if `sync`.
pub fn write_log<'a>(batches: impl IntoIterator<Item = (SeqNo, &'a [u8])>, sync: bool) -> Result<Vec<u8>> {
    let fs = MemFs::new();
    let mut writer = WalWriter::create(&fs, Path::new(DIR), ID)?;
    for batch in batches {
        writer.append_group([batch])?;
        if sync {
            writer.sync()?;
        }
    }
    Ok(fs.bytes(FileName::Log(ID).to_string()).unwrap_or_default())
}

/// Reads a manifest of these bytes.
pub fn read_manifest(bytes: &[u8]) -> Result<Option<ManifestContent>> {
    let fs = MemFs::new();
    let name = FileName::Manifest(ID);
    fs.set_bytes(name.to_string(), bytes.to_vec());
    replace_small(&fs, Path::new(DIR), FileName::Current, name.to_string().as_bytes(), Purpose::Manifest)?;
    Manifest::read(&fs, Path::new(DIR))
}

/// A manifest of these records, whatever they hold.
pub fn write_manifest<'a>(records: impl IntoIterator<Item = &'a [u8]>) -> Result<Vec<u8>> {
    let fs = MemFs::new();
    let name = FileName::Manifest(ID).to_string();
    let mut writer = JournalWriter::create(&fs, Path::new(&name), ID, &KIND)?;
    writer.append_group((0..).zip(records))?;
    Ok(fs.bytes(name).unwrap_or_default())
}

/// Opens a table of these bytes.
pub fn read_table(bytes: &[u8]) -> Result<Arc<TableReader>> {
    let fs = MemFs::new();
    fs.set_bytes(FileName::Table(ID).to_string(), bytes.to_vec());
    TableReader::open(Arc::new(fs), Path::new(DIR), ID, Cache::new(1 << 20, 1))
}

/// A table of one data block and these other parts, whatever they hold; `None` for an index or properties that fit the block.
pub fn write_table(block: &[u8], filter: &[u8], index: Option<&[u8]>, properties: Option<&[u8]>) -> Vec<u8> {
    table_of_parts(ID, block, filter, index, properties)
}

/// A table of these entries, which must be in order.
pub fn write_entries(options: &TableOptions, entries: &[crate::Entry]) -> Result<Vec<u8>> {
    let fs = MemFs::new();
    let mut writer = TableWriter::new(&fs, Path::new(DIR), ID, options, Purpose::Other)?;
    for entry in entries {
        writer.add(&entry.key, entry.seqno, entry.kind, &entry.value)?;
    }
    writer.finish(0, 0)?;
    Ok(fs.bytes(FileName::Table(ID).to_string()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::ops::Bound;

    use super::*;
    use crate::{Entry, Kind};

    #[test]
    fn what_is_written_reads_back() {
        let (records, torn) = read_log(&write_log([(1, b"a".as_slice()), (2, b"b")], true).unwrap()).unwrap();
        assert_eq!((records.len(), torn), (2, None));
        assert!(read_manifest(&write_manifest([]).unwrap()).is_err());
        let empty = [0, 0, 0, 0, 0, 0];
        assert_eq!(
            read_manifest(&write_manifest([empty.as_slice()]).unwrap()).unwrap().unwrap().state,
            State::default()
        );
        let entry = Entry { key: "k".into(), seqno: 3, kind: Kind::Put, value: "v".into() };
        let table =
            read_table(&write_entries(&TableOptions::default(), std::slice::from_ref(&entry)).unwrap()).unwrap();
        assert_eq!(table.meta().entries, 1);
        let cells_keys_restart_end = [3, b'v', 0, 1, 5, b'k', 2, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0];
        let table = read_table(&write_table(&cells_keys_restart_end, &[], None, None)).unwrap();
        let all: Result<Vec<_>> = table.range(Bound::Unbounded, Bound::Unbounded, Access::Read).collect();
        assert_eq!(all.unwrap(), [entry]);
        assert!(table.get(b"k", key_hash(b"k"), 9).unwrap().is_some());
        assert!(read_table(&write_table(&cells_keys_restart_end, b"?", None, None)).is_err());
    }
}
