//! The end of a table, which says where all else lies.

use std::path::Path;

use byteorder::{ByteOrder, LE};
use bytes::Bytes;

use super::filter::Filter;
use super::index::Index;
use super::seal::{BLOCK_BYTES_MAX, crc, unseal, zeros};
use crate::codec::{Malformed, Reader, put_u32, put_u64};
use crate::error::{Error, Result};
use crate::fs::ReadFile;
use crate::types::{FileId, TableMeta};

/// Last bytes of every table.
const MAGIC: &[u8; 8] = b"lsm-sst\n";

/// The newest format version that this crate knows, and the one it writes.
const VERSION: u32 = 1;

/// Bytes of a footer: three offsets, the table's number, the version, the checksum, the magic.
pub(super) const FOOTER_BYTES: usize = 48;

/// How much is read from the end at first: most small tables need no second read.
const FIRST_READ_BYTES: usize = 8 << 10;

/// Where the parts of a table start. Each ends where the next starts, the properties at the footer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Footer {
    pub(super) filter_at: u64,
    pub(super) index_at: u64,
    pub(super) properties_at: u64,
}

impl Footer {
    pub(super) fn encode(self, id: FileId, out: &mut Vec<u8>) {
        let start = out.len();
        put_u64(out, self.filter_at);
        put_u64(out, self.index_at);
        put_u64(out, self.properties_at);
        put_u64(out, id);
        put_u32(out, VERSION);
        let sum = crc(id, 0, &out[start..]);
        put_u32(out, sum);
        out.extend_from_slice(MAGIC);
    }

    /// The number of the table whose footer `bytes` are, if they are whole.
    pub(super) fn table_of(bytes: &[u8]) -> Option<FileId> {
        let (fields, rest) = bytes.split_at_checked(36)?;
        let id = LE::read_u64(&fields[24..32]);
        (rest.get(4..) == Some(MAGIC) && crc(id, 0, fields) == LE::read_u32(&rest[..4])).then_some(id)
    }

    /// Reads the footer `bytes` of the table `id`, which lies at `at`.
    pub(super) fn decode(path: &Path, id: FileId, bytes: &[u8], at: u64) -> Result<Self> {
        let corrupt = |what: &'static str| Error::corrupt(path, at, what);
        let (fields, rest) = bytes.split_at_checked(36).ok_or(corrupt("a footer too short"))?;
        if rest.get(4..) != Some(MAGIC) {
            return Err(corrupt("no footer of a table"));
        }
        let stored_id = LE::read_u64(&fields[24..32]);
        if crc(stored_id, 0, fields) != LE::read_u32(&rest[..4]) {
            return Err(corrupt("a footer whose checksum does not match"));
        }
        let found = LE::read_u32(&fields[32..36]);
        if found > VERSION {
            return Err(Error::NewerFormat { path: path.into(), found, known: VERSION });
        }
        if stored_id != id {
            return Err(Error::corrupt(path, at, format!("table {stored_id} under the name of {id}")));
        }
        let offset = |i: usize| LE::read_u64(&fields[8 * i..]);
        let footer = Self { filter_at: offset(0), index_at: offset(1), properties_at: offset(2) };
        let ascends = [footer.filter_at, footer.index_at, footer.properties_at, at].is_sorted();
        if ascends { Ok(footer) } else { Err(corrupt("a footer whose parts overlap")) }
    }
}

/// All of a table that stays in memory.
#[derive(Debug)]
pub(super) struct Tail {
    pub(super) meta: TableMeta,
    pub(super) filter: Option<Filter>,
    pub(super) index: Index,
    /// Where the data blocks end.
    pub(super) data_end: u64,
}

impl Tail {
    /// Reads and checks everything but the data blocks. One read for a small table, two for others.
    pub(super) fn read(file: &dyn ReadFile, path: &Path, id: FileId) -> Result<Self> {
        let len = file.len();
        let Some(footer_at) = len.checked_sub(FOOTER_BYTES as u64) else {
            return Err(Error::corrupt(path, 0, format!("{len} bytes are too few for a table")));
        };
        let first_at = len - len.min(FIRST_READ_BYTES as u64);
        let first = read_range(file, path, first_at, len)?;
        let footer = Footer::decode(path, id, &first[(footer_at - first_at) as usize..], footer_at)?;
        let (parts, parts_at) = match footer.filter_at.checked_sub(first_at) {
            Some(_) => (first, first_at),
            None => (read_range(file, path, footer.filter_at, footer_at)?, footer.filter_at),
        };
        let part = |start: u64, end: u64| {
            let stored = parts.slice((start - parts_at) as usize..(end - parts_at) as usize);
            unseal(&stored, id, start, BLOCK_BYTES_MAX).map_err(|e| e.in_file(path, start))
        };
        let filter = match footer.filter_at == footer.index_at {
            true => None,
            false => {
                // A copy of its own: a slice would keep the whole tail in memory.
                let stored = Bytes::copy_from_slice(&part(footer.filter_at, footer.index_at)?);
                Some(Filter::parse(&stored).map_err(|e| e.in_file(path, footer.filter_at))?)
            }
        };
        let index = part(footer.index_at, footer.properties_at)?;
        let index = Index::parse(&index, footer.filter_at).map_err(|e| e.in_file(path, footer.index_at))?;
        let properties = part(footer.properties_at, footer_at)?;
        let meta = decode_meta(&properties, id, len).map_err(|e| e.in_file(path, footer.properties_at))?;
        Ok(Self { meta, filter, index, data_end: footer.filter_at })
    }
}

/// What the properties say of the table `id`, a file of `len` bytes.
pub(super) fn decode_meta(properties: &[u8], id: FileId, len: u64) -> Result<TableMeta, Malformed> {
    let mut reader = Reader::new(properties);
    let meta = TableMeta::decode(&mut reader)?;
    let fits = meta.id == id && meta.bytes == len && reader.is_empty();
    if fits { Ok(meta) } else { Err(reader.malformed("properties of another table")) }
}

/// The bytes of a file from `start` to `end`.
pub(super) fn read_range(file: &dyn ReadFile, path: &Path, start: u64, end: u64) -> Result<Bytes> {
    let too_long = || Error::corrupt(path, start, format!("{} bytes do not fit memory", end - start));
    let len = usize::try_from(end - start).map_err(|_| too_long())?;
    let mut bytes = zeros(len).ok_or_else(too_long)?;
    file.read_at(&mut bytes, start)?;
    Ok(bytes.into())
}
