//! Several writes that happen together or not at all.
//!
//! A batch is encoded while it is filled, once: the same bytes go to the log and back out of it at recovery.
//!
//! ```text
//! batch := count u32 LE, op*
//! op    := kind u8 (0 delete, 1 put), key length varint, key, [put only: value length varint, value]
//! ```

use crate::codec::{Malformed, Reader, VARINT_BYTES_MAX, put_bytes};
use crate::error::{Error, Result};
use crate::types::{KEY_BYTES_MAX, Kind, VALUE_BYTES_MAX};
use byteorder::{ByteOrder, LE};

/// Largest batch in bytes as encoded: about keys + values + 8 bytes per write.
pub const BATCH_BYTES_MAX: u64 = 1 << 30;

const HEADER: usize = 4;

/// Room that a batch begins with, in bytes: enough for most single writes.
const FIRST_BYTES: usize = 256;

/// Writes that happen together or not at all. Later writes of a key win over earlier ones.
///
/// ```
/// let mut batch = lsm_std::Batch::new();
/// batch.put(b"left", b"1");
/// batch.delete(b"right");
/// assert_eq!(batch.len(), 2);
/// ```
#[derive(Clone, Debug)]
pub struct Batch {
    bytes: Vec<u8>,
    count: u32,
    problem: Option<Error>,
}

impl Default for Batch {
    fn default() -> Self {
        Self::new()
    }
}

impl Batch {
    /// An empty batch.
    pub fn new() -> Self {
        let mut bytes = Vec::with_capacity(FIRST_BYTES);
        bytes.extend_from_slice(&[0; HEADER]);
        Self { bytes, count: 0, problem: None }
    }

    /// Sets `key` to `value`. A key or value that is too long makes [`Db::write`](crate::Db::write) refuse the batch.
    pub fn put(&mut self, key: &[u8], value: &[u8]) {
        if value.len() > VALUE_BYTES_MAX {
            self.refuse(Error::ValueTooLong { len: value.len(), max: VALUE_BYTES_MAX });
        } else if self.start(Kind::Put, key, value.len()) {
            put_bytes(&mut self.bytes, value);
        }
    }

    /// Removes `key`, whether it is there or not.
    pub fn delete(&mut self, key: &[u8]) {
        self.start(Kind::Delete, key, 0);
    }

    /// Number of writes in it.
    pub fn len(&self) -> usize {
        self.count as usize
    }

    /// True if it holds no write.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Its encoded size in bytes.
    pub fn bytes(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// Ends it: from now on [`encoded`](Self::encoded) is whole.
    ///
    /// # Errors
    /// The first write that broke a limit.
    pub(crate) fn end(mut self) -> Result<Self> {
        if let Some(problem) = self.problem {
            return Err(problem);
        }
        LE::write_u32(&mut self.bytes[..HEADER], self.count);
        Ok(self)
    }

    /// The encoded batch, once it is [ended](Self::end).
    pub(crate) fn encoded(&self) -> &[u8] {
        &self.bytes
    }

    fn start(&mut self, kind: Kind, key: &[u8], value_len: usize) -> bool {
        if key.len() > KEY_BYTES_MAX {
            self.refuse(Error::KeyTooLong { len: key.len(), max: KEY_BYTES_MAX });
            return false;
        }
        let len = self.bytes.len() as u64 + key.len() as u64 + value_len as u64 + 2 * VARINT_BYTES_MAX as u64;
        if len > BATCH_BYTES_MAX || self.count == u32::MAX {
            self.refuse(Error::BatchTooLarge { len, max: BATCH_BYTES_MAX });
            return false;
        }
        self.bytes.push(kind as u8);
        put_bytes(&mut self.bytes, key);
        self.count += 1;
        true
    }

    fn refuse(&mut self, problem: Error) {
        self.problem.get_or_insert(problem);
    }
}

/// One write of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Op<'a> {
    pub(crate) kind: Kind,
    pub(crate) key: &'a [u8],
    pub(crate) value: &'a [u8],
}

/// The writes of an encoded batch, in order.
///
/// Bytes that are no batch give one error, which says what is wrong, and then nothing.
pub(crate) struct Ops<'a> {
    reader: Reader<'a>,
    left: u32,
}

impl<'a> Ops<'a> {
    /// # Errors
    /// What is wrong with `batch`, if it is too short for its header.
    pub(crate) fn new(batch: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(batch);
        let left = reader.u32()?;
        Ok(Self { reader, left })
    }

    /// How many writes are still to come.
    pub(crate) fn left(&self) -> u32 {
        self.left
    }

    fn read(&mut self) -> Result<Op<'a>, Malformed> {
        let reader = &mut self.reader;
        let unknown = reader.malformed("no known kind of write");
        let kind = Kind::from_byte(reader.u8()?).ok_or(unknown)?;
        let key = field(reader, KEY_BYTES_MAX)?;
        let value = match kind {
            Kind::Put => field(reader, VALUE_BYTES_MAX)?,
            Kind::Delete => &[],
        };
        if self.left == 0 && !reader.is_empty() {
            return Err(reader.malformed("bytes behind the last write"));
        }
        Ok(Op { kind, key, value })
    }
}

/// The next byte string, of at most `len_max` bytes.
fn field<'a>(reader: &mut Reader<'a>, len_max: usize) -> Result<&'a [u8], Malformed> {
    let too_long = reader.malformed("a key or value beyond its limit");
    let len = usize::try_from(reader.varint()?).ok().filter(|len| *len <= len_max).ok_or(too_long)?;
    reader.take(len)
}

impl<'a> Iterator for Ops<'a> {
    type Item = Result<Op<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let op = self.read();
        if op.is_err() {
            self.left = 0;
        }
        Some(op)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ops(bytes: &[u8]) -> Result<Vec<Op<'_>>, Malformed> {
        Ops::new(bytes)?.collect()
    }

    #[test]
    fn a_batch_beyond_a_limit_is_refused_as_a_whole() {
        let mut batch = Batch::new();
        batch.put(b"a", b"1");
        batch.delete(&vec![0; KEY_BYTES_MAX + 1]);
        assert!(matches!(batch.end(), Err(Error::KeyTooLong { len, .. }) if len == KEY_BYTES_MAX + 1));
        let mut batch = Batch::new();
        batch.put(b"a", &vec![0; VALUE_BYTES_MAX + 1]);
        assert!(matches!(batch.end(), Err(Error::ValueTooLong { .. })));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(writes in proptest::collection::vec(
            (any::<bool>(), proptest::collection::vec(any::<u8>(), 0..300), proptest::collection::vec(any::<u8>(), 0..300)), 0..20)) {
            let mut batch = Batch::new();
            for (put, key, value) in &writes {
                if *put { batch.put(key, value) } else { batch.delete(key) }
            }
            let batch = batch.end().unwrap();
            let read = ops(batch.encoded()).unwrap();
            prop_assert_eq!(read.len(), writes.len());
            for (op, (put, key, value)) in read.iter().zip(&writes) {
                prop_assert_eq!(op.key, &key[..]);
                prop_assert_eq!(op.kind == Kind::Put, *put);
                let expected: &[u8] = if *put { value } else { &[] };
                prop_assert_eq!(op.value, expected);
            }
        }

        #[test]
        fn damaged_bytes_are_an_error_or_another_batch_but_never_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = ops(&bytes);
        }

        #[test]
        fn a_shortened_batch_is_an_error(key in proptest::collection::vec(any::<u8>(), 0..40), cut in 0usize..40) {
            let mut batch = Batch::new();
            batch.put(&key, b"value");
            batch.delete(&key);
            let batch = batch.end().unwrap();
            let cut = cut.min(batch.encoded().len() - 1);
            prop_assert!(ops(&batch.encoded()[..cut]).is_err());
        }
    }
}
