//! Reads records back, and tells a torn tail from damage.

use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::{HEADER_BYTES, JournalKind, MARK, RECORD_HEADER_BYTES, RecordHeader, header_is_whole};
use crate::error::{Error, Result};
use crate::fs::Fs;
use crate::types::FileId;

/// Smallest unit that a device loses, in bytes.
const SECTOR_BYTES: usize = 512;

/// One record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalRecord {
    /// Where it starts in the file.
    pub offset: u64,
    /// The number it was appended with.
    pub tag: u64,
    /// Its bytes, a slice of the file's.
    pub payload: Bytes,
}

/// The end of a journal that was being written when the process or the power went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Torn {
    /// Where the last whole record ends.
    pub offset: u64,
    /// Bytes behind it, which hold no record.
    pub bytes_lost: u64,
}

/// The records of a journal, in order. Ends after the last whole one, or after the first error.
///
/// Holds the file in memory: one read, and payloads are slices of it.
#[derive(Debug)]
pub struct JournalReader {
    path: PathBuf,
    id: FileId,
    bytes: Bytes,
    at: usize,
    done: bool,
    torn: Option<Torn>,
}

impl JournalReader {
    /// Reads the file. [`Error::Corrupt`] if its header is damaged though records follow.
    pub fn open(fs: &dyn Fs, path: &Path, id: FileId, kind: &JournalKind) -> Result<Self> {
        let file = fs.open(path, kind.purpose)?;
        let len = usize::try_from(file.len()).unwrap_or(usize::MAX);
        let mut bytes = Vec::new();
        let room = bytes.try_reserve_exact(len);
        room.map_err(|e| Error::io("read", path, std::io::Error::other(e)))?;
        bytes.resize(len, 0);
        file.read_at(&mut bytes, 0)?;
        let whole = header_is_whole(kind, path, id, &bytes)?;
        let bytes = Bytes::from(bytes);
        let mut reader = Self { path: path.into(), id, bytes, at: 0, done: false, torn: None };
        if whole {
            reader.at = HEADER_BYTES;
        } else {
            reader.done = true;
            if !reader.bytes.is_empty() {
                reader.torn = Some(reader.tail("the header is damaged")?);
            }
        }
        Ok(reader)
    }

    /// What was lost at the end, if the end is torn. Known once the iterator has ended.
    pub fn torn(&self) -> Option<Torn> {
        self.torn
    }

    /// Where the records read so far end.
    pub fn end(&self) -> u64 {
        self.at as u64
    }

    fn record(&self, at: usize) -> Option<(RecordHeader, Bytes)> {
        let rest = &self.bytes[at..];
        let head = RecordHeader::decode(self.id, at as u64, rest)?;
        let end = RECORD_HEADER_BYTES.checked_add(usize::try_from(head.len).ok()?)?;
        let payload = rest.get(RECORD_HEADER_BYTES..end)?;
        (crc32fast::hash(payload) == head.payload_crc).then(|| (head, self.bytes.slice_ref(payload)))
    }

    /// The first valid record at `from` or later: where it starts, where it ends, what it knew to be synced.
    fn next_valid(&self, mut from: usize) -> Option<(usize, usize, u64)> {
        loop {
            let rest = self.bytes.get(from..)?;
            from += rest.windows(MARK.len()).position(|four| four == MARK)?;
            if let Some((head, payload)) = self.record(from) {
                return Some((from, from + RECORD_HEADER_BYTES + payload.len(), head.synced));
            }
            from += 1;
        }
    }

    /// Judges the bytes at `self.at`, which are no record.
    ///
    /// A power cut explains them if the file ends before they do, or if a sector of them reads as zeros that no later record knows to have been
    /// synced: devices write in any order. All else is damage.
    fn tail(&self, what: &'static str) -> Result<Torn> {
        let (at, len) = (self.at, self.bytes.len());
        let next = self.next_valid(at + 1);
        let torn = match next {
            None => self.is_cut_short() || self.has_lost_sector(len),
            Some((start, ..)) => self.has_lost_sector(start) && !self.is_known_synced(next),
        };
        if torn {
            return Ok(Torn { offset: at as u64, bytes_lost: (len - at) as u64 });
        }
        let behind = match next {
            None => "no record follows".into(),
            Some((start, ..)) => format!("a whole record follows at byte {start}"),
        };
        Err(Error::corrupt(&self.path, at as u64, format!("{what}, {behind}")))
    }

    /// True if the file ends within the header of the file or the record at `self.at`, or within its payload.
    fn is_cut_short(&self) -> bool {
        let rest = &self.bytes[self.at..];
        let head_bytes = if self.at == 0 { HEADER_BYTES } else { RECORD_HEADER_BYTES };
        let Some(payload_room) = rest.len().checked_sub(head_bytes) else {
            return true;
        };
        RecordHeader::decode(self.id, self.at as u64, rest).is_some_and(|head| head.len as usize > payload_room)
    }

    /// True if what lies of some sector between `self.at` and `end` is all zeros. A record never starts with a zero.
    fn has_lost_sector(&self, end: usize) -> bool {
        let split = self.at.next_multiple_of(SECTOR_BYTES).min(end);
        let first = &self.bytes[self.at..split];
        let pieces = self.bytes[split..end].chunks(SECTOR_BYTES).chain([first]);
        pieces.into_iter().any(|piece| !piece.is_empty() && piece.iter().all(|&byte| byte == 0))
    }

    /// True if `record`, or a valid one behind it, knew that the bytes at `self.at` had been synced.
    fn is_known_synced(&self, mut record: Option<(usize, usize, u64)>) -> bool {
        while let Some((_, end, synced)) = record {
            if synced > self.at as u64 {
                return true;
            }
            record = self.next_valid(end);
        }
        false
    }
}

impl Iterator for JournalReader {
    type Item = Result<JournalRecord>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done || self.at == self.bytes.len() {
            return None;
        }
        if let Some((head, payload)) = self.record(self.at) {
            let record = JournalRecord { offset: self.at as u64, tag: head.tag, payload };
            self.at += RECORD_HEADER_BYTES + record.payload.len();
            return Some(Ok(record));
        }
        self.done = true;
        match self.tail("a record is damaged") {
            Ok(torn) => {
                self.torn = Some(torn);
                None
            }
            Err(e) => Some(Err(e)),
        }
    }
}
