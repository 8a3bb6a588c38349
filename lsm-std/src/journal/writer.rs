//! Appends records.

use std::path::{Path, PathBuf};

use super::{HAS_ROOM, HEADER_BYTES, JournalKind, RECORD_HEADER_BYTES, RecordHeader, Room, Unsynced, header};
use crate::error::{Error, Result};
use crate::fs::{Fs, SECTOR_BYTES, WriteFile};
use crate::types::FileId;

/// The buffer of a group is kept for the next one up to this many bytes.
const KEPT_BYTES_MAX: usize = 1 << 20;

/// A longer group is never handed over through memory, so memory made for it would be made for nothing.
const MAPPED_BYTES_MAX: u64 = 2 * SECTOR_BYTES;

/// Appends records to a journal.
#[derive(Debug)]
pub struct JournalWriter {
    file: Box<dyn WriteFile>,
    path: PathBuf,
    id: FileId,
    synced: u64,
    group: Vec<u8>,
    room: Room,
    /// The file was made so long.
    room_end: u64,
}

impl JournalWriter {
    /// A new journal. Its header is written, not synced; nor is the directory. Room is made if the file layer can.
    pub fn create(fs: &dyn Fs, path: &Path, id: FileId, kind: &JournalKind, room: Room) -> Result<Self> {
        let mut file = fs.create(path, kind.purpose)?;
        file.append(&header(kind, id, if room == Room::None { 0 } else { HAS_ROOM }))?;
        let mut journal = Self::new(file, path, id, 0);
        journal.room = room;
        journal.make_room(0);
        Ok(journal)
    }

    pub(super) fn new(file: Box<dyn WriteFile>, path: &Path, id: FileId, synced: u64) -> Self {
        Self { file, path: path.into(), id, synced, group: Vec::new(), room: Room::None, room_end: 0 }
    }

    /// Makes room for so many bytes and those to come, unless there is some, or they are many.
    fn make_room(&mut self, bytes: usize) {
        let (Room::Zeros(step) | Room::Mapped(step)) = self.room else { return };
        let end = self.file.len() + bytes as u64;
        let is_for_calls = matches!(self.room, Room::Mapped(_)) && bytes as u64 > MAPPED_BYTES_MAX;
        if end <= self.room_end || bytes as u64 > step || is_for_calls {
            return;
        }
        self.room_end = end + step;
        let made = match self.room {
            Room::Mapped(_) => self.file.reserve_mapped(self.room_end),
            _ => self.file.reserve(self.room_end),
        };
        if let Err(error) = made {
            // Nothing is lost: the file grows as it is written.
            tracing::debug!(path = %self.path.display(), %error, "no room made ahead");
            self.room = Room::None;
        }
    }

    /// Goes on with an existing journal at `len`, where its last whole record ends. What lies behind is cut off, and what
    /// is left synced.
    ///
    /// A journal that has lost its own header gets it again, not synced.
    pub fn resume(fs: &dyn Fs, path: &Path, id: FileId, kind: &JournalKind, len: u64) -> Result<Self> {
        let len = if len < HEADER_BYTES as u64 { 0 } else { len };
        let mut file = fs.append(path, len, kind.purpose)?;
        if len == 0 {
            file.append(&header(kind, id, 0))?;
        }
        Ok(Self::new(file, path, id, len))
    }

    /// Goes on with an existing journal where what was `read` of it ends. What lies behind is cut off; what is left is durable on
    /// return, also if a failed sync of an earlier process has lost some of it and the system shows it all the same.
    ///
    /// A journal that has lost its own header gets it again, not synced.
    pub fn mend(fs: &dyn Fs, path: &Path, id: FileId, kind: &JournalKind, read: &Unsynced) -> Result<Self> {
        if read.end() < HEADER_BYTES as u64 {
            return Self::resume(fs, path, id, kind, 0);
        }
        let file = fs.rewrite(path, read.offset, &read.bytes, kind.purpose)?;
        Ok(Self::new(file, path, id, read.end()))
    }

    /// Appends records, each a tag and a payload, with one write for all. Returns the bytes written.
    ///
    /// [`Error::BatchTooLarge`] before anything is written if a payload does not fit 32 bits of length. Costs one copy of
    /// the payloads.
    pub fn append_group<'a>(&mut self, records: impl IntoIterator<Item = (u64, &'a [u8])>) -> Result<u64> {
        let last = self.encode(records)?;
        self.file.append_headed(&self.group, last + RECORD_HEADER_BYTES)?;
        let written = self.group.len() as u64;
        if self.group.capacity() > KEPT_BYTES_MAX {
            self.group = Vec::new();
        }
        Ok(written)
    }

    /// Makes a group of records, and room for it. Returns where in the group the last one starts.
    fn encode<'a>(&mut self, records: impl IntoIterator<Item = (u64, &'a [u8])>) -> Result<usize> {
        self.group.clear();
        let mut last = 0;
        for (tag, payload) in records {
            last = self.group.len();
            let too_large = |_| Error::BatchTooLarge { len: payload.len() as u64, max: u32::MAX.into() };
            let len = u32::try_from(payload.len()).map_err(too_large)?;
            let payload_crc = crc32fast::hash(payload);
            let record = RecordHeader { len, tag, synced: self.synced, payload_crc };
            let offset = self.file.len() + self.group.len() as u64;
            self.group.reserve(RECORD_HEADER_BYTES + payload.len());
            self.group.extend_from_slice(&record.encode(self.id, offset));
            self.group.extend_from_slice(payload);
        }
        self.make_room(self.group.len());
        Ok(last)
    }

    /// Cuts off what a failed [`append_group`](Self::append_group) has left behind `len`, the length before it, and goes on there.
    pub fn take_back(&mut self, fs: &dyn Fs, kind: &JournalKind, len: u64) -> Result<()> {
        self.file = fs.append(&self.path, len, kind.purpose)?;
        self.room = Room::None;
        Ok(())
    }

    /// Appends the last record and cuts off the room behind it.
    pub fn end(&mut self, tag: u64, payload: &[u8]) -> Result<()> {
        self.encode([(tag, payload)])?;
        // Nothing will stand behind it to say that all of it was written.
        self.file.append(&self.group)?;
        self.file.end()
    }

    /// Makes all records survive a power cut.
    pub fn sync(&mut self) -> Result<()> {
        self.file.sync()?;
        self.synced = self.file.len();
        Ok(())
    }

    /// Bytes in the file, room that is not filled left out.
    pub fn len(&self) -> u64 {
        self.file.len()
    }

    /// True if there is no record.
    pub fn is_empty(&self) -> bool {
        self.len() <= HEADER_BYTES as u64
    }

    /// Bytes that are known to survive a power cut.
    pub fn synced(&self) -> u64 {
        self.synced
    }

    /// Number of the file.
    pub fn id(&self) -> FileId {
        self.id
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }
}
