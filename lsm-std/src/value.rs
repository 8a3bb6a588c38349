//! Bytes that the store hands out.

use std::fmt;
use std::ops::Deref;

use bytes::Bytes;

/// A key or a value read from a store. Dereferences to `[u8]`; cloning copies no bytes.
///
/// It refers to the block of a table or the piece of a memtable, of 64 KiB, that it came from, and keeps that in memory: copy what
/// is kept for long.
#[derive(Clone, Default, Eq, PartialOrd, Ord, Hash)]
pub struct Value(Bytes);

impl Value {
    pub(crate) fn new(bytes: Bytes) -> Self {
        Self(bytes)
    }

    /// The same bytes as [`Bytes`]. Copies nothing.
    pub fn into_bytes(self) -> Bytes {
        self.0
    }
}

impl Deref for Value {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl AsRef<[u8]> for Value {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl<B: AsRef<[u8]> + ?Sized> PartialEq<B> for Value {
    fn eq(&self, other: &B) -> bool {
        self.0 == other.as_ref()
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
