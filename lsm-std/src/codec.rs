//! How numbers and byte strings are written: little-endian, variable-length where small values are common.

use std::path::Path;

use byteorder::{ByteOrder, LE};

use crate::error::Error;

/// Longest variable-length number in bytes.
pub const VARINT_BYTES_MAX: usize = 10;

/// Appends `n` in 1 to 10 bytes, 7 bits in each, low bits first.
pub fn put_varint(out: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

/// Bytes that [`put_varint`] appends for `n`.
pub const fn varint_len(n: u64) -> usize {
    (63 - (n | 1).leading_zeros() as usize) / 7 + 1
}

/// Appends `n` in four bytes.
pub fn put_u32(out: &mut Vec<u8>, n: u32) {
    out.extend_from_slice(&n.to_le_bytes());
}

/// Appends `n` in eight bytes.
pub fn put_u64(out: &mut Vec<u8>, n: u64) {
    out.extend_from_slice(&n.to_le_bytes());
}

/// Appends the length of `bytes` as a varint, then `bytes`.
pub fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Bytes that do not decode, although their checksum may be right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// Where, in bytes from the start of what is decoded.
    pub at: usize,
    /// What was expected there.
    pub what: &'static str,
}

impl Malformed {
    /// The same as an [`Error::Corrupt`], for bytes that start at `offset` of the file `path`.
    pub fn in_file(self, path: &Path, offset: u64) -> Error {
        Error::corrupt(path, offset, format!("{} at byte {} of it", self.what, self.at))
    }
}

/// Decodes from the front of a byte slice. No method panics or reads past the end.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// Starts at the first of `bytes`.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Starts at byte `at` of `bytes`; past the end, nothing is left.
    pub fn starting_at(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at: at.min(bytes.len()) }
    }

    /// How many bytes have been taken, or skipped at the start.
    pub const fn at(&self) -> usize {
        self.at
    }

    /// True if nothing is left.
    pub const fn is_empty(&self) -> bool {
        self.at == self.bytes.len()
    }

    /// A [`Malformed`] at this place.
    pub const fn malformed(&self, what: &'static str) -> Malformed {
        Malformed { at: self.at, what }
    }

    /// The next `len` bytes.
    #[inline]
    pub fn take(&mut self, len: usize) -> Result<&'a [u8], Malformed> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let taken = rest.get(..len).ok_or(self.malformed("too few bytes"))?;
        self.at += len;
        Ok(taken)
    }

    /// The next byte.
    pub fn u8(&mut self) -> Result<u8, Malformed> {
        Ok(self.take(1)?[0])
    }

    /// Four bytes.
    pub fn u32(&mut self) -> Result<u32, Malformed> {
        Ok(LE::read_u32(self.take(4)?))
    }

    /// Eight bytes.
    pub fn u64(&mut self) -> Result<u64, Malformed> {
        Ok(LE::read_u64(self.take(8)?))
    }

    /// What [`put_varint`] wrote.
    #[inline]
    pub fn varint(&mut self) -> Result<u64, Malformed> {
        let low = |byte: &u8| u64::from(byte & 0x7f);
        let (n, len) = match self.bytes.get(self.at..).unwrap_or_default() {
            [first, ..] if *first < 0x80 => (low(first), 1),
            [first, second, ..] if *second < 0x80 => (low(first) | low(second) << 7, 2),
            [first, second, third, ..] if *third < 0x80 => (low(first) | low(second) << 7 | low(third) << 14, 3),
            _ => return self.long_varint(),
        };
        self.at += len;
        Ok(n)
    }

    fn long_varint(&mut self) -> Result<u64, Malformed> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let mut n = 0;
        for (i, &byte) in rest.iter().take(VARINT_BYTES_MAX).enumerate() {
            if i == VARINT_BYTES_MAX - 1 && byte > 1 {
                break;
            }
            n |= u64::from(byte & 0x7f) << (7 * i);
            if byte < 0x80 {
                self.at += i + 1;
                return Ok(n);
            }
        }
        Err(self.malformed("no whole number"))
    }

    /// What [`put_varint`] wrote, where it is a length or a count in memory.
    #[inline]
    pub fn size(&mut self) -> Result<usize, Malformed> {
        let before = self.malformed("a number too large");
        usize::try_from(self.varint()?).map_err(|_| before)
    }

    /// What [`put_bytes`] wrote.
    pub fn bytes(&mut self) -> Result<&'a [u8], Malformed> {
        let len = self.size()?;
        self.take(len)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn everything_reads_back(n: u64, shift in 0u32..64, bytes: Vec<u8>, small: u32) {
            let n = n >> shift;
            let mut out = Vec::new();
            put_varint(&mut out, n);
            prop_assert_eq!(out.len(), varint_len(n));
            put_bytes(&mut out, &bytes);
            put_u32(&mut out, small);
            put_u64(&mut out, n);
            let mut reader = Reader::new(&out);
            prop_assert_eq!(reader.varint(), Ok(n));
            prop_assert_eq!(reader.bytes(), Ok(bytes.as_slice()));
            prop_assert_eq!(reader.u32(), Ok(small));
            prop_assert_eq!(reader.u64(), Ok(n));
            prop_assert!(reader.is_empty());
            prop_assert!(reader.u8().is_err());
        }

        #[test]
        fn cut_numbers_are_errors(n: u64) {
            let mut out = Vec::new();
            put_varint(&mut out, n);
            for len in 0..out.len() {
                prop_assert!(Reader::new(&out[..len]).varint().is_err());
            }
        }
    }

    #[test]
    fn numbers_beyond_64_bits_are_errors() {
        let mut eleven = vec![0xff; 10];
        eleven.push(0);
        assert!(Reader::new(&eleven).varint().is_err());
        let mut over = vec![0xff; 9];
        over.push(2);
        assert!(Reader::new(&over).varint().is_err());
        assert_eq!(Reader::new(&[0xff; 40]).bytes(), Err(Malformed { at: 0, what: "no whole number" }));
    }
}
