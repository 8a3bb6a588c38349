//! The write-ahead log: what has been written since the last flush.
//!
//! A chain of segments, `000012.log`, each a journal (see [`crate::journal`]) with one record for each atomic batch. When a
//! segment is full, the next one is made, then its name is made durable, then the full one is sealed: its last record names
//! the next. The manifest names the first segment, or says that there is no log: so it is in a new store and in one that
//! was closed. Hence every segment is named by something on disk before it takes a batch, under every sync policy, and **a
//! segment that is missing is an error**, the last one included.
//!
//! What a power cut may take is the end of what was not synced: bytes of the segment in use and, unless every write is
//! synced, of full ones that wait for their sync. Segments are synced in order, and those of an earlier opening before the
//! first write of this one: what is not known to have been synced is written again, for a sync that failed may have lost it
//! though it is read. So a record that says that some of its own segment was synced also says that all segments
//! before are whole.
//!
//! A log breaks off where a record is damaged, or where a segment ends without a seal. Whole batches behind that place, in
//! this segment or in later ones, make it an error that names file and offset, but for one case: the place looks like the
//! work of a power cut (the file ends too early, or a sector reads as zeros), and nothing behind it says that it was
//! synced. Then, and if nothing whole lies behind, the log is cut there and the cut is reported: what is left is a prefix
//! of the batches, whole ones only.

use std::path::{Path, PathBuf};

use bytes::Bytes;

use crate::codec::{Reader, put_u64};
use crate::error::{Error, Result};
use crate::fs::{FileName, Fs, Purpose};
use crate::journal::{JournalKind, JournalReader, JournalRecord, JournalWriter};
use crate::types::{FileId, SeqNo};

pub use crate::journal::{Gap, Room, Torn, Unsynced};

const KIND: JournalKind = JournalKind { magic: *b"lsm-log\n", version: 1, purpose: Purpose::Log, cuts_damage: true };

/// The tag of a seal; batches have those of their first sequence number, from 1 on.
const SEAL: u64 = 0;

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

/// Appends to one segment. After an error of any method nothing more may be appended, what the disk holds is not known; but
/// what a failed append has left can be [taken back](Self::take_back).
#[derive(Debug)]
pub struct WalWriter {
    journal: JournalWriter,
}

impl WalWriter {
    /// A new segment. Its name is durable after a sync of `dir`, its records after [`Self::sync`].
    pub fn create(fs: &dyn Fs, dir: &Path, id: FileId, room: Room) -> Result<Self> {
        Ok(Self { journal: JournalWriter::create(fs, &segment_path(dir, id), id, &KIND, room)? })
    }

    /// Goes on with a segment where what was `read` of it ends. What lies behind is cut off; what is left is durable on return.
    pub fn mend(fs: &dyn Fs, dir: &Path, id: FileId, read: &Unsynced) -> Result<Self> {
        Ok(Self { journal: JournalWriter::mend(fs, &segment_path(dir, id), id, &KIND, read)? })
    }

    /// Ends the segment: `next`, whose name is durable, goes on where it ends.
    pub fn seal(&mut self, next: FileId) -> Result<()> {
        let mut payload = Vec::new();
        put_u64(&mut payload, next);
        self.journal.end(SEAL, &payload)
    }

    /// Hands a group of batches to the operating system, each as its first sequence number, from 1 on, and its bytes, with
    /// one write.
    ///
    /// Returns the bytes written. [`BatchTooLarge`](crate::Error::BatchTooLarge) before anything is written if one has 4
    /// GiB or more.
    pub fn append_group<'a>(&mut self, batches: impl IntoIterator<Item = (SeqNo, &'a [u8])>) -> Result<u64> {
        self.journal.append_group(batches)
    }

    /// Cuts off what a failed append has left behind `len`, the length before it, and goes on there.
    pub fn take_back(&mut self, fs: &dyn Fs, len: u64) -> Result<()> {
        self.journal.take_back(fs, &KIND, len)
    }

    /// Makes all batches survive a power cut.
    pub fn sync(&mut self) -> Result<()> {
        self.journal.sync()
    }

    /// Bytes in the segment, its header included and room that is not filled left out.
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
    path: PathBuf,
    next: Option<FileId>,
    done: bool,
}

impl WalReader {
    /// Reads a segment. A segment of 0 bytes has no batches and is not torn.
    pub fn open(fs: &dyn Fs, dir: &Path, id: FileId) -> Result<Self> {
        let path = segment_path(dir, id);
        Ok(Self { journal: JournalReader::open(fs, &path, id, &KIND)?, path, next: None, done: false })
    }

    /// What is to be cut off at the end, if the end is torn. Known once the iterator has ended.
    pub fn torn(&self) -> Option<Torn> {
        self.journal.torn()
    }

    /// The segment that goes on where this one ends, if this one is sealed. Known once the iterator has ended.
    pub fn next_segment(&self) -> Option<FileId> {
        self.next
    }

    /// Where the batches read so far end, in bytes.
    pub fn end(&self) -> u64 {
        self.journal.end()
    }

    /// What of the batches read so far is not known to be durable.
    pub fn unsynced(&self) -> Unsynced {
        self.journal.unsynced()
    }

    /// The whole records of a segment, damage between them or not, and whether one says that some of the segment was synced.
    pub fn survey(fs: &dyn Fs, dir: &Path, id: FileId) -> Result<Survey> {
        let (records, synced, bytes) = JournalReader::survey(fs, &segment_path(dir, id), id, &KIND)?;
        Ok(Survey { records, bytes, is_synced: synced > 0 })
    }

    fn seal(&self, seal: &JournalRecord) -> Result<FileId> {
        let mut reader = Reader::new(&seal.payload);
        let next = reader.u64().map_err(|error| error.in_file(&self.path, seal.offset))?;
        if self.journal.end() < self.journal.bytes_filled() {
            return Err(Error::corrupt(&self.path, self.journal.end(), "bytes behind the seal of a log segment"));
        }
        Ok(next)
    }
}

/// What lies in a segment that the log does not reach.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// Whole records.
    pub records: u64,
    /// Bytes of the file, without room that was not filled.
    pub bytes: u64,
    /// Whether a record says that some of the segment was synced.
    pub is_synced: bool,
}

impl Iterator for WalReader {
    type Item = Result<WalRecord>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        match self.journal.next()? {
            Ok(record) if record.tag == SEAL => {
                self.done = true;
                match self.seal(&record) {
                    Ok(next) => {
                        self.next = Some(next);
                        None
                    }
                    Err(error) => Some(Err(error)),
                }
            }
            record => Some(record.map(|r| WalRecord { offset: r.offset, first_seqno: r.tag, payload: r.payload })),
        }
    }
}

/// What is left of a damaged segment.
#[derive(Debug, Default)]
pub struct SalvagedSegment {
    /// Its whole batches, in the order of the file.
    pub batches: Vec<WalRecord>,
    /// What lies between them.
    pub gaps: Vec<Gap>,
    /// The segment that goes on where this one ends, if that is known.
    pub next: Option<FileId>,
}

/// Every whole batch of a segment, damage between them or not.
///
/// [`Error::Corrupt`] for a file that is no log segment of this number, [`Error::NewerFormat`].
pub fn salvage(fs: &dyn Fs, dir: &Path, id: FileId) -> Result<SalvagedSegment> {
    let journal = JournalReader::salvage(fs, &segment_path(dir, id), id, &KIND)?;
    let mut segment = SalvagedSegment { gaps: journal.gaps, ..SalvagedSegment::default() };
    for JournalRecord { offset, tag, payload } in journal.records {
        if tag == SEAL {
            segment.next = Reader::new(&payload).u64().ok();
        } else {
            segment.batches.push(WalRecord { offset, first_seqno: tag, payload });
        }
    }
    Ok(segment)
}

/// Where segment `id` of `dir` lies.
pub fn segment_path(dir: &Path, id: FileId) -> PathBuf {
    dir.join(FileName::Log(id).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::MemFs;

    #[test]
    fn batches_come_back_in_order_after_a_tear_was_cut() {
        let (fs, dir) = (MemFs::new(), Path::new(""));
        let mut wal = WalWriter::create(&fs, dir, 12, Room::None).unwrap();
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
        assert_eq!(
            read(),
            (batches.clone(), Some(Torn { offset: whole, bytes_lost: 7, records_lost: 0, is_cut: true }))
        );
        let mut reader = WalReader::open(&fs, dir, 12).unwrap();
        while reader.next().transpose().unwrap().is_some() {}
        let mended = WalWriter::mend(&fs, dir, 12, &reader.unsynced()).unwrap();
        assert_eq!((mended.len(), mended.needs_sync()), (whole, false));
        assert_eq!(read(), (batches, None));
    }

    #[test]
    fn a_seal_names_the_next_segment_and_nothing_may_follow_it() {
        let (fs, dir) = (MemFs::new(), Path::new(""));
        let is_synced = || WalReader::survey(&fs, dir, 12).unwrap().is_synced;
        let mut wal = WalWriter::create(&fs, dir, 12, Room::None).unwrap();
        wal.append_group([(1, b"one".as_slice())]).unwrap();
        wal.sync().unwrap();
        assert!(!is_synced(), "no record says so yet");
        wal.append_group([(2, b"two".as_slice())]).unwrap();
        assert!(is_synced());
        wal.seal(13).unwrap();
        let mut reader = WalReader::open(&fs, dir, 12).unwrap();
        assert_eq!(reader.by_ref().map(|batch| batch.unwrap().first_seqno).collect::<Vec<_>>(), [1, 2]);
        assert_eq!((reader.next_segment(), reader.torn()), (Some(13), None));
        let salvaged = salvage(&fs, dir, 12).unwrap();
        assert_eq!((salvaged.batches.len(), salvaged.gaps.len(), salvaged.next), (2, 0, Some(13)));
        let expected = Survey { records: 3, bytes: wal.len(), is_synced: true };
        assert_eq!(WalReader::survey(&fs, dir, 12).unwrap(), expected);
        wal.append_group([(3, b"behind".as_slice())]).unwrap();
        let mut reader = WalReader::open(&fs, dir, 12).unwrap();
        let read: Result<Vec<_>> = reader.by_ref().collect();
        assert!(matches!(read, Err(Error::Corrupt { .. })), "{read:?}");
        assert!(reader.next().is_none(), "it ends with the first error");
    }

    #[test]
    fn a_value_of_64_mib_comes_back() {
        let (fs, dir) = (MemFs::new(), Path::new(""));
        let mut wal = WalWriter::create(&fs, dir, 1, Room::None).unwrap();
        let value: Vec<u8> = (0..64u32 << 20).map(|i| i.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect();
        wal.append_group([(1, value.as_slice())]).unwrap();
        let batch = WalReader::open(&fs, dir, 1).unwrap().next().unwrap().unwrap();
        assert!(batch.payload == value);
    }
}
