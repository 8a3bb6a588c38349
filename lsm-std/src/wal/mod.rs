//! The write-ahead log: what has been written since the last flush.
//!
//! One segment for each memtable, `000012.log`; one record for each atomic batch; the format is that of [`crate::journal`]. A segment must be
//! synced before the next one is made, under every sync policy: then only the last one can be torn, and what survives a power cut is always a
//! prefix of what was written.

use std::path::{Path, PathBuf};

use bytes::Bytes;

use crate::error::Result;
use crate::fs::{FileName, Fs, Purpose};
use crate::journal::{JournalKind, JournalReader, JournalWriter};
use crate::types::{FileId, SeqNo};

pub use crate::journal::Torn;

const KIND: JournalKind = JournalKind { magic: *b"lsm-log\n", version: 1, purpose: Purpose::Log };

/// One atomic batch of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WalRecord {
    /// Where it starts in the segment.
    pub offset: u64,
    /// Sequence number of its first operation.
    pub first_seqno: SeqNo,
    /// The encoded batch.
    pub payload: Bytes,
}

/// Appends to one segment. After an error of any method nothing more may be appended: what the disk holds is not known.
#[derive(Debug)]
pub struct WalWriter {
    journal: JournalWriter,
}

impl WalWriter {
    /// A new segment. Its name is durable after a sync of `dir`, its records after [`Self::sync`].
    pub fn create(fs: &dyn Fs, dir: &Path, id: FileId) -> Result<Self> {
        Ok(Self { journal: JournalWriter::create(fs, &segment_path(dir, id), id, &KIND)? })
    }

    /// Hands a group of batches to the operating system, each as its first sequence number and its bytes, with one write.
    ///
    /// Returns the bytes written. [`BatchTooLarge`](crate::Error::BatchTooLarge) before anything is written if one has 4 GiB or more.
    pub fn append_group<'a>(&mut self, batches: impl IntoIterator<Item = (SeqNo, &'a [u8])>) -> Result<u64> {
        self.journal.append_group(batches)
    }

    /// Makes all batches survive a power cut.
    pub fn sync(&mut self) -> Result<()> {
        self.journal.sync()
    }

    /// Bytes in the segment, its header included.
    pub fn len(&self) -> u64 {
        self.journal.len()
    }

    /// True if the segment has no batch.
    pub fn is_empty(&self) -> bool {
        self.journal.is_empty()
    }

    /// True if some batch might not survive a power cut.
    pub fn needs_sync(&self) -> bool {
        self.journal.synced() < self.journal.len()
    }

    /// Number of the segment.
    pub fn id(&self) -> FileId {
        self.journal.id()
    }
}

/// The batches of one segment, in order. Ends after the last whole one, or after the first error.
///
/// Holds the segment in memory: one read, and payloads are slices of it.
#[derive(Debug)]
pub struct WalReader {
    journal: JournalReader,
}

impl WalReader {
    /// Reads a segment. A segment of 0 bytes has no batches and is not torn.
    pub fn open(fs: &dyn Fs, dir: &Path, id: FileId) -> Result<Self> {
        Ok(Self { journal: JournalReader::open(fs, &segment_path(dir, id), id, &KIND)? })
    }

    /// What was lost at the end, if the end is torn. Known once the iterator has ended.
    pub fn torn(&self) -> Option<Torn> {
        self.journal.torn()
    }
}

impl Iterator for WalReader {
    type Item = Result<WalRecord>;

    fn next(&mut self) -> Option<Self::Item> {
        let record = self.journal.next()?;
        Some(record.map(|r| WalRecord { offset: r.offset, first_seqno: r.tag, payload: r.payload }))
    }
}

/// Cuts a torn segment at [`Torn::offset`], and syncs the cut.
pub fn cut(fs: &dyn Fs, dir: &Path, id: FileId, offset: u64) -> Result<()> {
    fs.append(&segment_path(dir, id), offset, KIND.purpose).map(drop)
}

fn segment_path(dir: &Path, id: FileId) -> PathBuf {
    dir.join(FileName::Log(id).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::MemFs;

    #[test]
    fn batches_come_back_in_order_after_a_tear_was_cut() {
        let (fs, dir) = (MemFs::new(), Path::new(""));
        let mut wal = WalWriter::create(&fs, dir, 12).unwrap();
        assert!(wal.is_empty() && wal.needs_sync());
        let written = wal.append_group([(1, b"one".as_slice()), (4, b"")]).unwrap();
        assert_eq!(written + 24, wal.len());
        wal.sync().unwrap();
        assert!(!wal.is_empty() && !wal.needs_sync());
        let whole = wal.len();
        wal.append_group([(5, b"torn".as_slice())]).unwrap();
        fs.append(Path::new("000012.log"), whole + 7, Purpose::Other).unwrap();

        let read = || {
            let mut reader = WalReader::open(&fs, dir, 12).unwrap();
            let batches: Vec<_> = reader.by_ref().map(|r| r.map(|r| (r.first_seqno, r.payload)).unwrap()).collect();
            (batches, reader.torn())
        };
        let batches = vec![(1, Bytes::from("one")), (4, Bytes::new())];
        assert_eq!(read(), (batches.clone(), Some(Torn { offset: whole, bytes_lost: 7 })));
        cut(&fs, dir, 12, whole).unwrap();
        assert_eq!(read(), (batches, None));
    }

    #[test]
    fn a_value_of_64_mib_comes_back() {
        let (fs, dir) = (MemFs::new(), Path::new(""));
        let mut wal = WalWriter::create(&fs, dir, 1).unwrap();
        let value: Vec<u8> = (0..64u32 << 20).map(|i| i.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect();
        wal.append_group([(1, value.as_slice())]).unwrap();
        let batch = WalReader::open(&fs, dir, 1).unwrap().next().unwrap().unwrap();
        assert!(batch.payload == value);
    }
}
