//! Records on their way to and from bytes: a header, fields in little-endian order, a checksum over all of it.
//!
//! ```text
//! magic [4] | format version u16 | length of the whole record u32 | fields .. | CRC-32 u32
//! ```
//! Header and checksum are the same in every version, so that a newer record is told from a damaged one.

use byteorder::{ByteOrder, LittleEndian};

use super::checksum::crc32;
use super::{DecodeError, EncodeError};

const HEADER_LEN: usize = 10;
const CHECKSUM_LEN: usize = 4;
/// Bytes of a record beside its fields.
pub(crate) const FRAME_LEN: usize = HEADER_LEN + CHECKSUM_LEN;

/// Writes one record. Fields behind the end of the lent bytes are counted, not written, so that `finish` can say how much is
/// needed.
pub(crate) struct Writer<'a> {
    out: &'a mut [u8],
    at: usize,
}

impl<'a> Writer<'a> {
    pub(crate) fn new(out: &'a mut [u8], magic: [u8; 4], version: u16) -> Self {
        let mut writer = Self { out, at: 0 };
        writer.put(&magic);
        writer.u16(version);
        writer.u32(0);
        writer
    }

    /// Appends bytes as they are.
    pub(crate) fn put(&mut self, bytes: &[u8]) {
        let end = self.at.saturating_add(bytes.len());
        if let Some(place) = self.out.get_mut(self.at..end) {
            place.copy_from_slice(bytes);
        }
        self.at = end;
    }

    pub(crate) fn u8(&mut self, value: u8) {
        self.put(&[value]);
    }

    pub(crate) fn u16(&mut self, value: u16) {
        let mut bytes = [0; 2];
        LittleEndian::write_u16(&mut bytes, value);
        self.put(&bytes);
    }

    pub(crate) fn u32(&mut self, value: u32) {
        let mut bytes = [0; 4];
        LittleEndian::write_u32(&mut bytes, value);
        self.put(&bytes);
    }

    pub(crate) fn u64(&mut self, value: u64) {
        let mut bytes = [0; 8];
        LittleEndian::write_u64(&mut bytes, value);
        self.put(&bytes);
    }

    /// Writes length and checksum; the record's length.
    pub(crate) fn finish(mut self) -> Result<usize, EncodeError> {
        let end = self.at;
        let needed = end.saturating_add(CHECKSUM_LEN);
        let short = EncodeError { needed, len: self.out.len() };
        let len = u32::try_from(needed).map_err(|_| short)?;
        self.at = HEADER_LEN.saturating_sub(4);
        self.u32(len);
        self.at = end;
        let crc = crc32(self.out.get(..end).ok_or(short)?);
        self.u32(crc);
        if self.out.len() < needed { Err(short) } else { Ok(needed) }
    }
}

/// Reads the fields of one record. Each is asked for by name, which the error carries when the record ends before it.
#[derive(Clone, Debug)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
    version: u16,
}

impl<'a> Reader<'a> {
    /// Checks the frame of a record: its magic, length, checksum and version, in this order.
    pub(crate) fn open(bytes: &'a [u8], magic: [u8; 4], known: u16) -> Result<Self, DecodeError> {
        let truncated = |needed| DecodeError::Truncated { needed, len: bytes.len() };
        if bytes.len() < FRAME_LEN {
            return Err(truncated(FRAME_LEN));
        }
        let mut header = Self { rest: bytes, version: 0 };
        if header.take("magic", magic.len())? != magic {
            return Err(DecodeError::Foreign);
        }
        let found = header.u16("version")?;
        let needed = usize::try_from(header.u32("length")?).unwrap_or(usize::MAX);
        if bytes.len() < needed {
            return Err(truncated(needed));
        }
        let extra = bytes.len().saturating_sub(needed.max(FRAME_LEN));
        if extra > 0 {
            return Err(DecodeError::Trailing { extra });
        }
        let (body, tail) = bytes.split_at_checked(bytes.len().saturating_sub(CHECKSUM_LEN)).ok_or(truncated(needed))?;
        let (stored, computed) = (Self { rest: tail, version: 0 }.u32("checksum")?, crc32(body));
        if stored != computed {
            return Err(DecodeError::Checksum { stored, computed });
        }
        if found == 0 || found > known {
            return Err(DecodeError::Version { found, known });
        }
        let mut fields = Self { rest: body, version: found };
        fields.take("header", HEADER_LEN)?;
        Ok(fields)
    }

    /// The format version of the record.
    pub(crate) fn version(&self) -> u16 {
        self.version
    }

    /// The next `len` bytes, of field `name`.
    pub(crate) fn take(&mut self, name: &'static str, len: usize) -> Result<&'a [u8], DecodeError> {
        let (head, rest) = self.rest.split_at_checked(len).ok_or(DecodeError::Missing { field: name })?;
        self.rest = rest;
        Ok(head)
    }

    pub(crate) fn u8(&mut self, name: &'static str) -> Result<u8, DecodeError> {
        self.take(name, 1).map(|bytes| bytes.first().copied().unwrap_or_default())
    }

    pub(crate) fn u16(&mut self, name: &'static str) -> Result<u16, DecodeError> {
        self.take(name, 2).map(LittleEndian::read_u16)
    }

    pub(crate) fn u32(&mut self, name: &'static str) -> Result<u32, DecodeError> {
        self.take(name, 4).map(LittleEndian::read_u32)
    }

    pub(crate) fn u64(&mut self, name: &'static str) -> Result<u64, DecodeError> {
        self.take(name, 8).map(LittleEndian::read_u64)
    }

    /// Refuses fields that nobody asked for.
    pub(crate) fn end(&self) -> Result<(), DecodeError> {
        if self.rest.is_empty() { Ok(()) } else { Err(DecodeError::Trailing { extra: self.rest.len() }) }
    }
}
