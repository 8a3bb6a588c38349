//! Bytes that the store hands out.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;

use bytes::Bytes;

/// So many bytes need no memory of their own: the handle is no larger for them.
const SHORT_MAX: usize = 23;

/// A key or a value read from a store. Dereferences to `[u8]`; cloning copies no more than 23 bytes.
///
/// If it is longer it may refer to the block of a table, or to what was read with it, and keeps that in memory: copy what is kept
/// for long.
#[derive(Clone)]
pub struct Value(Repr);

#[derive(Clone)]
enum Repr {
    Short { len: u8, bytes: [u8; SHORT_MAX] },
    Long(Bytes),
}

impl Value {
    pub(crate) fn new(bytes: Bytes) -> Self {
        Self(Repr::Long(bytes))
    }

    /// A copy of `bytes`.
    #[inline]
    pub(crate) fn copied(bytes: &[u8]) -> Self {
        let mut short = [0; SHORT_MAX];
        match short.get_mut(..bytes.len()) {
            Some(place) => {
                place.copy_from_slice(bytes);
                Self(Repr::Short { len: bytes.len() as u8, bytes: short })
            }
            None => Self(Repr::Long(Bytes::copy_from_slice(bytes))),
        }
    }

    /// The same bytes as [`Bytes`]. Copies no more than 23 bytes.
    pub fn into_bytes(self) -> Bytes {
        match self.0 {
            Repr::Short { .. } => Bytes::copy_from_slice(&self),
            Repr::Long(bytes) => bytes,
        }
    }
}

impl Default for Value {
    fn default() -> Self {
        Self::copied(&[])
    }
}

impl Deref for Value {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        match &self.0 {
            Repr::Short { len, bytes } => bytes.get(..usize::from(*len)).unwrap_or_default(),
            Repr::Long(bytes) => bytes,
        }
    }
}

impl AsRef<[u8]> for Value {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl<B: AsRef<[u8]> + ?Sized> PartialEq<B> for Value {
    fn eq(&self, other: &B) -> bool {
        **self == *other.as_ref()
    }
}

impl Eq for Value {}

impl PartialOrd for Value {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Value {
    fn cmp(&self, other: &Self) -> Ordering {
        (**self).cmp(&**other)
    }
}

impl Hash for Value {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (**self).hash(state);
    }
}

/// As [`Bytes`].
impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Repr::Short { .. } => Bytes::copy_from_slice(self).fmt(f),
            Repr::Long(bytes) => bytes.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_and_long_values_are_what_was_copied() {
        assert_eq!(size_of::<Value>(), size_of::<Bytes>());
        let all: Vec<u8> = (0..40).collect();
        for len in 0..all.len() {
            let (bytes, value) = (&all[..len], Value::copied(&all[..len]));
            assert_eq!(value, bytes);
            assert_eq!(value, Value::new(Bytes::copy_from_slice(bytes)));
            assert_eq!(matches!(value.0, Repr::Short { .. }), len <= SHORT_MAX);
            assert_eq!(format!("{value:?}"), format!("{:?}", Bytes::copy_from_slice(bytes)));
            assert!(value < Value::copied(&all[..=len]) && value.clone().into_bytes() == bytes);
        }
    }
}
