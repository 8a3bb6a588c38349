//! Appends records.

use std::path::{Path, PathBuf};

use super::{HAS_ROOM, HEADER_BYTES, JournalKind, RECORD_HEADER_BYTES, RecordHeader, Unsynced, header};
use crate::error::{Error, Result};
use crate::fs::{Fs, WriteFile};
use crate::types::FileId;

/// The buffer of a group is kept for the next one up to this many bytes.
const KEPT_BYTES_MAX: usize = 1 << 20;

/// Appends records to a journal.
#[derive(Debug)]
pub struct JournalWriter {
    file: Box<dyn WriteFile>,
    path: PathBuf,
    id: FileId,
    synced: u64,
    group: Vec<u8>,
}

impl JournalWriter {
    /// A new journal. Its header is written, not synced; nor is the directory. With `room_bytes` above 0 it is made as long at once, if
    /// the file layer can.
    pub fn create(fs: &dyn Fs, path: &Path, id: FileId, kind: &JournalKind, room_bytes: u64) -> Result<Self> {
        let mut file = fs.create(path, kind.purpose)?;
        file.append(&header(kind, id, if room_bytes > 0 { HAS_ROOM } else { 0 }))?;
        if room_bytes > file.len()
            && let Err(error) = file.reserve(room_bytes)
        {
            // Nothing is lost: the file grows as it is written.
            tracing::debug!(path = %path.display(), %error, "no room made ahead");
        }
        Ok(Self { file, path: path.into(), id, synced: 0, group: Vec::new() })
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
        Ok(Self { file, path: path.into(), id, synced: len, group: Vec::new() })
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
        Ok(Self { file, path: path.into(), id, synced: read.end(), group: Vec::new() })
    }

    /// Appends records, each a tag and a payload, with one write for all. Returns the bytes written.
    ///
    /// [`Error::BatchTooLarge`] before anything is written if a payload does not fit 32 bits of length. Costs one copy of
    /// the payloads.
    pub fn append_group<'a>(&mut self, records: impl IntoIterator<Item = (u64, &'a [u8])>) -> Result<u64> {
        self.group.clear();
        for (tag, payload) in records {
            let too_large = |_| Error::BatchTooLarge { len: payload.len() as u64, max: u32::MAX.into() };
            let len = u32::try_from(payload.len()).map_err(too_large)?;
            let payload_crc = crc32fast::hash(payload);
            let record = RecordHeader { len, tag, synced: self.synced, payload_crc };
            let offset = self.file.len() + self.group.len() as u64;
            self.group.reserve(RECORD_HEADER_BYTES + payload.len());
            self.group.extend_from_slice(&record.encode(self.id, offset));
            self.group.extend_from_slice(payload);
        }
        let written = self.group.len() as u64;
        self.file.append(&self.group)?;
        if self.group.capacity() > KEPT_BYTES_MAX {
            self.group = Vec::new();
        }
        Ok(written)
    }

    /// Cuts off what a failed [`append_group`](Self::append_group) has left behind `len`, the length before it, and goes on there.
    pub fn take_back(&mut self, fs: &dyn Fs, kind: &JournalKind, len: u64) -> Result<()> {
        self.file = fs.append(&self.path, len, kind.purpose)?;
        Ok(())
    }

    /// Cuts off the room that is not filled.
    pub fn end(&mut self) -> Result<()> {
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
