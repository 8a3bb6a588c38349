//! A file of checksummed records that grows at its end: what the write-ahead log and the manifest have in common.
//!
//! ```text
//! file    header record*
//! header  magic (8 bytes)  version u16  flags u16  file id u64  crc u32
//! record  mark u32  len u32  tag u64  synced u64  payload crc u32  header crc u32  payload
//! ```
//! The checksum of a record's header also covers the file's id and the record's offset: a record is valid only where it was
//! written, so old bytes of another file, or a journal stored as a value, never pass for one. `synced` is the length up to
//! which the file was known to be durable when the record was written. It tells damage from loss: what a later record says
//! was synced cannot have been lost to a power cut.
//!
//! A flag says that the file was made longer than it is filled: then zeros up to its end are no damage, and no record. A sync has
//! less to do where the length of the file stays as it is.
//!
//! Damage before a whole record is an error, unless it looks like the work of a power cut and no header behind it says that
//! it was synced. So is damage at the end that some header, be its payload whole or not, says was synced. Other damage at
//! the end is a torn tail, to be cut off; how much it must look like one depends on the kind of the journal.

mod reader;
mod salvage;
mod writer;

use std::path::Path;

use byteorder::{ByteOrder, LE};

pub use reader::{JournalReader, JournalRecord, Torn, Unsynced};
pub use salvage::{Gap, Salvaged};
pub use writer::JournalWriter;

use crate::codec::{put_u32, put_u64};
use crate::error::{Error, Result};
use crate::fs::Purpose;
use crate::types::FileId;

/// What kind of journal a file is.
#[derive(Debug)]
pub struct JournalKind {
    /// The first eight bytes of the file.
    pub magic: [u8; 8],
    /// The newest format version that this crate knows, and the one it writes.
    pub version: u32,
    /// What the file is opened for.
    pub purpose: Purpose,
    /// Whether damage with no whole record behind it counts as a torn tail, whatever it looks like. If not, it must look
    /// like the work of a power cut: a file that ends too early, or a sector of zeros.
    pub cuts_damage: bool,
}

/// Bytes before the first record.
pub const HEADER_BYTES: usize = 24;

/// Bytes of a record before its payload.
pub const RECORD_HEADER_BYTES: usize = 32;

/// How a journal is made longer than it is filled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// It is not.
    None,
    /// By so many bytes at a time, for syncs to have less to do.
    Zeros(u64),
    /// The same, in [memory shared](crate::fs::WriteFile::reserve_mapped) with the system.
    Mapped(u64),
}

/// The flag of a file that is longer than what was written to it.
const HAS_ROOM: u32 = 1 << 16;

/// First bytes of every record.
const MARK: [u8; 4] = [0xd7, b'r', b'e', b'c'];

fn header(kind: &JournalKind, id: FileId, flags: u32) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEADER_BYTES);
    out.extend_from_slice(&kind.magic);
    put_u32(&mut out, kind.version | flags);
    put_u64(&mut out, id);
    let crc = crc32fast::hash(&out);
    put_u32(&mut out, crc);
    out
}

/// True if `bytes` start with a whole header of the journal `id`; false if it is torn or damaged.
fn header_is_whole(kind: &JournalKind, path: &Path, id: FileId, bytes: &[u8]) -> Result<bool> {
    let Some(head) = bytes.get(..HEADER_BYTES) else {
        return Ok(false);
    };
    if crc32fast::hash(&head[..20]) != LE::read_u32(&head[20..]) {
        return Ok(false);
    }
    if head[..8] != kind.magic {
        return Err(Error::corrupt(path, 0, "not a file of this kind"));
    }
    let found = LE::read_u32(&head[8..12]) & !HAS_ROOM;
    if found > kind.version {
        return Err(Error::NewerFormat { path: path.into(), found, known: kind.version });
    }
    let found = LE::read_u64(&head[12..20]);
    if found != id {
        return Err(Error::corrupt(path, 0, format!("the file of id {found} under the name of {id}")));
    }
    Ok(true)
}

/// True if a journal of these bytes was given room.
fn has_room(bytes: &[u8]) -> bool {
    let is_whole = |head: &&[u8]| crc32fast::hash(&head[..20]) == LE::read_u32(&head[20..]);
    let head = bytes.get(..HEADER_BYTES).filter(is_whole);
    head.is_some_and(|head| LE::read_u32(&head[8..12]) & HAS_ROOM != 0)
}

/// Where what was written to a journal of these bytes ends at the latest: before the zeros at its end, if it was given room.
fn filled(bytes: &[u8]) -> usize {
    if !has_room(bytes) {
        return bytes.len();
    }
    bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1)
}

/// A record's header, apart from the checksums.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct RecordHeader {
    len: u32,
    tag: u64,
    synced: u64,
    payload_crc: u32,
}

impl RecordHeader {
    fn encode(self, id: FileId, offset: u64) -> [u8; RECORD_HEADER_BYTES] {
        let mut out = [0; RECORD_HEADER_BYTES];
        out[..4].copy_from_slice(&MARK);
        LE::write_u32(&mut out[4..8], self.len);
        LE::write_u64(&mut out[8..16], self.tag);
        LE::write_u64(&mut out[16..24], self.synced);
        LE::write_u32(&mut out[24..28], self.payload_crc);
        let crc = header_crc(id, offset, &out[..28]);
        LE::write_u32(&mut out[28..], crc);
        out
    }

    /// The header at the start of `bytes`, which lie at `offset` of file `id`, if it is whole.
    fn decode(id: FileId, offset: u64, bytes: &[u8]) -> Option<Self> {
        let head = bytes.get(..RECORD_HEADER_BYTES)?;
        let whole = head.starts_with(&MARK) && header_crc(id, offset, &head[..28]) == LE::read_u32(&head[28..]);
        whole.then(|| Self {
            len: LE::read_u32(&head[4..8]),
            tag: LE::read_u64(&head[8..16]),
            synced: LE::read_u64(&head[16..24]),
            payload_crc: LE::read_u32(&head[24..28]),
        })
    }
}

fn header_crc(id: FileId, offset: u64, head: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&id.to_le_bytes());
    crc.update(&offset.to_le_bytes());
    crc.update(head);
    crc.finalize()
}

#[cfg(test)]
mod room_tests;
#[cfg(test)]
mod tests;
