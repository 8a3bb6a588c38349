//! Reads records back, and tells a torn tail from damage.

use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::{HEADER_BYTES, JournalKind, MARK, RECORD_HEADER_BYTES, RecordHeader, filled, has_room, header_is_whole};
use crate::error::{Error, Result};
use crate::fs::{self, Fs, ReadFile};
use crate::types::FileId;

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
    /// Bytes behind it, to be cut off.
    pub bytes_lost: u64,
    /// Whole records among those bytes.
    pub records_lost: u64,
    /// Whether it looks like the work of a power cut: the file ends too early, or a sector reads as zeros.
    pub is_cut: bool,
}

/// What was read of a journal, but is not known to be durable: no record of it says so.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unsynced {
    /// Where it starts in the file.
    pub offset: u64,
    /// Its bytes, a slice of the file's.
    pub bytes: Bytes,
}

impl Unsynced {
    /// Where the last record that was read ends.
    pub fn end(&self) -> u64 {
        self.offset + self.bytes.len() as u64
    }
}

/// The records of a journal, in order. Ends after the last whole one, or after the first error.
///
/// Holds the file in memory: one read, and payloads are slices of it.
#[derive(Debug)]
pub struct JournalReader {
    path: PathBuf,
    id: FileId,
    pub(super) bytes: Bytes,
    /// Where what was written ends at the latest.
    pub(super) filled: usize,
    at: usize,
    /// Up to here the records read so far say that the file was synced.
    synced: usize,
    done: bool,
    torn: Option<Torn>,
    cuts_damage: bool,
}

impl JournalReader {
    /// Reads the file. [`Error::Corrupt`] if its header is damaged though records follow.
    pub fn open(fs: &dyn Fs, path: &Path, id: FileId, kind: &JournalKind) -> Result<Self> {
        let mut reader = Self::load(fs, path, id, kind, read_all)?;
        if header_is_whole(kind, path, id, &reader.bytes)? {
            reader.at = HEADER_BYTES;
        } else {
            reader.done = true;
            if !reader.bytes.is_empty() {
                reader.torn = Some(reader.tail("the header is damaged")?);
            }
        }
        Ok(reader)
    }

    /// How many whole records there are, damage or not; up to where the last of them knew the file to be synced; and its
    /// [length](Self::len).
    pub fn survey(fs: &dyn Fs, path: &Path, id: FileId, kind: &JournalKind) -> Result<(u64, u64, u64)> {
        let reader = Self::load(fs, path, id, kind, read_all)?;
        let behind = reader.behind(0);
        Ok((behind.records, behind.synced, reader.bytes_filled()))
    }

    pub(super) fn load(
        fs: &dyn Fs,
        path: &Path,
        id: FileId,
        kind: &JournalKind,
        read: impl FnOnce(&dyn ReadFile, &mut [u8]) -> Result<()>,
    ) -> Result<Self> {
        let file = fs.open(path, kind.purpose)?;
        let len = usize::try_from(file.len()).unwrap_or(usize::MAX);
        let mut bytes = Vec::new();
        let room = bytes.try_reserve_exact(len);
        room.map_err(|e| Error::io("read", path, std::io::Error::other(e)))?;
        bytes.resize(len, 0);
        read(&*file, &mut bytes)?;
        let (path, filled, bytes) = (path.into(), filled(&bytes), Bytes::from(bytes));
        Ok(Self { path, id, bytes, filled, at: 0, synced: 0, done: false, torn: None, cuts_damage: kind.cuts_damage })
    }

    /// What was lost at the end, if the end is torn. Known once the iterator has ended.
    pub fn torn(&self) -> Option<Torn> {
        self.torn
    }

    /// Bytes in the file, without the zeros at the end of one that was given room.
    pub fn bytes_filled(&self) -> u64 {
        self.filled.max(self.at) as u64
    }

    /// Where the records read so far end.
    pub fn end(&self) -> u64 {
        self.at as u64
    }

    /// What of the records read so far is not known to be durable.
    pub fn unsynced(&self) -> Unsynced {
        let start = self.synced.min(self.at);
        // Copied: it is mostly short, and the whole file need not stay in memory for it.
        Unsynced { offset: start as u64, bytes: Bytes::copy_from_slice(&self.bytes[start..self.at]) }
    }

    /// The header at `at`, if it is whole.
    pub(super) fn head(&self, at: usize) -> Option<RecordHeader> {
        RecordHeader::decode(self.id, at as u64, &self.bytes[at..])
    }

    /// The record at `at`, if it is whole.
    pub(super) fn record(&self, at: usize) -> Option<(RecordHeader, Bytes)> {
        let rest = &self.bytes[at..];
        let head = self.head(at)?;
        let end = RECORD_HEADER_BYTES.checked_add(usize::try_from(head.len).ok()?)?;
        let payload = rest.get(RECORD_HEADER_BYTES..end)?;
        (crc32fast::hash(payload) == head.payload_crc).then(|| (head, self.bytes.slice_ref(payload)))
    }

    /// What follows at `from` or later: every header that is whole, with or without its payload.
    ///
    /// O(length): payloads that were written do not overlap, so no more is hashed than the file has.
    fn behind(&self, mut from: usize) -> Behind {
        let mut behind = Behind::default();
        let mut unhashed = self.bytes.len();
        while let Some(rest) = self.bytes.get(from..) {
            let Some(skip) = rest.windows(MARK.len()).position(|four| four == MARK) else { break };
            from += skip;
            let Some(head) = RecordHeader::decode(self.id, from as u64, &self.bytes[from..]) else {
                from += 1;
                continue;
            };
            behind.synced = behind.synced.max(head.synced);
            let fits = self.bytes.len() - from - RECORD_HEADER_BYTES >= head.len as usize;
            let Some(left) = unhashed.checked_sub(if fits { head.len as usize } else { 0 }) else {
                behind.overlaps = true;
                break;
            };
            unhashed = left;
            if let Some((_, payload)) = self.record(from) {
                behind.first.get_or_insert(from);
                behind.records += 1;
                from += RECORD_HEADER_BYTES + payload.len();
            } else {
                from += 1;
            }
        }
        behind
    }

    /// Judges the bytes at `self.at`, which are no record.
    ///
    /// A power cut explains them if the file ends before they do, or if a sector of them reads as zeros: devices write in
    /// any order. So it does if they lie where there was room and start with a zero: the first byte of a record comes last.
    fn tail(&self, what: &'static str) -> Result<Torn> {
        let (at, len) = (self.at, self.filled);
        let behind = self.behind(at + 1);
        let is_cut = self.is_unfinished()
            || match behind.first {
                None => self.is_cut_short(),
                Some(start) => self.has_lost_sector(start),
            };
        let is_known = behind.synced > at as u64;
        if !is_known && !behind.overlaps && (is_cut || (self.cuts_damage && behind.first.is_none())) {
            let bytes_lost = (len - at) as u64;
            return Ok(Torn { offset: at as u64, bytes_lost, records_lost: behind.records, is_cut });
        }
        let follows = match behind.first {
            _ if behind.overlaps => "the records that follow overlap".into(),
            None if is_known => "it is known to have been synced".into(),
            None => "no record follows".into(),
            Some(start) => format!("a whole record follows at byte {start}"),
        };
        Err(Error::corrupt(&self.path, at as u64, format!("{what}, {follows}")))
    }

    /// True if the file ends within the header of the file or the record at `self.at`, or within its payload, or if only zeros
    /// follow from there on; or if a sector of them is lost, or of what lies behind in a file that was given no room.
    fn is_cut_short(&self) -> bool {
        let len = self.bytes.len();
        let rest = &self.bytes[self.at..];
        let head_bytes = if self.at == 0 { HEADER_BYTES } else { RECORD_HEADER_BYTES };
        let payload_bytes = RecordHeader::decode(self.id, self.at as u64, rest).map_or(0, |head| head.len as usize);
        let end = self.at + head_bytes + payload_bytes;
        // A journal that ends with a record was cut there; what is missing of that is missing in sectors.
        end > len
            || end < len && self.filled < end
            || self.has_lost_sector(if has_room(&self.bytes) { end } else { len })
    }

    /// True if the record at `self.at` was not finished when the device took it: its first byte comes last, and what of it lies in
    /// a second sector before all that follows.
    fn is_unfinished(&self) -> bool {
        let is_zero = |at: u64| usize::try_from(at).is_ok_and(|at| self.bytes.get(at) == Some(&0));
        let (at, head_bytes) = (self.at as u64, RECORD_HEADER_BYTES as u64);
        let is_half = |head: RecordHeader| {
            let end = at + head_bytes + u64::from(head.len);
            is_zero(end) && fs::reaches_next_sector(at, head_bytes, end)
        };
        self.at >= HEADER_BYTES && has_room(&self.bytes) && (is_zero(at) || self.head(self.at).is_some_and(is_half))
    }

    /// True if what lies of some sector between `self.at` and `end` is all zeros. A record never starts with a zero.
    fn has_lost_sector(&self, end: usize) -> bool {
        let sector = fs::SECTOR_BYTES as usize;
        let split = self.at.next_multiple_of(sector).min(end);
        let first = &self.bytes[self.at..split];
        let pieces = self.bytes[split..end].chunks(sector).chain([first]);
        pieces.into_iter().any(|piece| !piece.is_empty() && piece.iter().all(|&byte| byte == 0))
    }
}

fn read_all(file: &dyn ReadFile, bytes: &mut [u8]) -> Result<()> {
    file.read_at(bytes, 0)
}

/// What lies behind damage.
#[derive(Debug, Default)]
struct Behind {
    /// Where the first whole record starts.
    first: Option<usize>,
    /// Whole records.
    records: u64,
    /// The most that any header says was synced.
    synced: u64,
    /// There are headers whose payloads cannot all have been written.
    overlaps: bool,
}

impl Iterator for JournalReader {
    type Item = Result<JournalRecord>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done || self.at >= self.filled {
            return None;
        }
        if let Some((head, payload)) = self.record(self.at) {
            let record = JournalRecord { offset: self.at as u64, tag: head.tag, payload };
            self.synced = self.synced.max(usize::try_from(head.synced).unwrap_or(usize::MAX));
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
