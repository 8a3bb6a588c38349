//! What keys look like, where a caller knows it.

use alloc::vec::Vec;

use super::TableFormat;

/// A key as the next one by order sees it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeyName {
    /// Its length.
    pub bytes: u32,
    /// How many bytes it has in common with the key of the number before.
    pub shared: u32,
}

/// The names of the keys by number; of those beyond nothing is known.
#[derive(Debug, Default)]
pub(super) struct Names(pub(super) Vec<KeyName>);

/// A key beside the one that a table writer added before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Beside {
    /// Its length.
    pub(crate) bytes: u64,
    /// Bytes that it has in common with the one before.
    pub(crate) shared: u64,
}

impl Names {
    /// Length of `key`.
    pub(super) fn bytes(&self, key: u32, format: &TableFormat) -> u64 {
        self.0.get(key as usize).map_or(format.key_bytes, |name| name.bytes.into())
    }

    /// `key` beside the key `last` before it; `None` where its name is not known. O(the numbers between them).
    pub(super) fn beside(&self, last: Option<u32>, key: u32) -> Option<Beside> {
        let at = key as usize;
        let bytes = self.0.get(at)?.bytes.into();
        let from = last.map_or(at, |last| (last as usize).saturating_add(1));
        let between = self.0.get(from..=at).unwrap_or(&[]).iter().map(|name| name.shared);
        let shared = last.and_then(|_| between.min()).unwrap_or(0);
        Some(Beside { bytes, shared: shared.into() })
    }
}

/// A reference to what came before takes so many bytes when packed, and is made to no less than so many.
const REFERENCE_BYTES: u64 = 3;
const REFERENCE_LEAST: u64 = 4;

/// What a table with named keys has come to, beside the bytes in its blocks.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Named {
    /// Lengths of the first and the last key; 0 where keys have no names.
    pub(super) first: u64,
    pub(super) last: u64,
    /// Length of the last separator in the index.
    separator: u64,
    /// What all keys since then have in common with each other.
    shared: u64,
}

impl Named {
    /// The next key comes; how long a separator before it would be.
    pub(super) fn come(&mut self, name: Beside) -> u64 {
        if self.first == 0 {
            self.first = name.bytes;
        } else {
            self.shared = self.shared.min(name.shared);
        }
        let short = name.shared.saturating_add(1);
        if name.shared < self.last && short < name.bytes { short } else { self.last }
    }

    /// What a separator takes in the packed index, where an entry has `entry_bytes` beside it: what it has in common with the one
    /// before, and the length of both if that is the same, is a reference if it is long enough for one.
    pub(super) fn pack(&mut self, separator: u64, entry_bytes: u64) -> u64 {
        let common = self.shared.min(self.separator).min(separator);
        let alike = common.saturating_add(u64::from(self.separator == separator));
        let saved = if alike >= REFERENCE_LEAST { alike.saturating_sub(REFERENCE_BYTES) } else { 0 };
        (self.separator, self.shared) = (separator, u64::MAX);
        separator.saturating_add(entry_bytes).saturating_sub(saved)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec;

    #[test]
    fn keys_have_in_common_what_all_between_them_have() {
        // a, abc, abcd, abd, b
        let names = [(1, 0), (3, 1), (4, 3), (3, 2), (1, 0)].map(|(bytes, shared)| KeyName { bytes, shared });
        let names = Names(vec![names[0], names[1], names[2], names[3], names[4]]);
        let shared = |last, key| names.beside(last, key).map(|beside| (beside.bytes, beside.shared));
        assert_eq!(shared(None, 2), Some((4, 0)));
        assert_eq!(shared(Some(1), 2), Some((4, 3)));
        assert_eq!(shared(Some(1), 3), Some((3, 2)));
        assert_eq!(shared(Some(0), 3), Some((3, 1)));
        assert_eq!(shared(Some(0), 4), Some((1, 0)));
        assert_eq!(shared(Some(0), 5), None);
        let format = TableFormat { key_bytes: 9, ..TableFormat::default() };
        assert_eq!((names.bytes(2, &format), names.bytes(7, &format)), (4, 9));
    }

    #[test]
    fn a_separator_is_short_where_that_tells_two_keys_apart_and_packs_by_what_is_alike() {
        let mut named = Named { last: 4, shared: u64::MAX, ..Named::default() };
        let mut come = |bytes, shared| (named.come(Beside { bytes, shared }), named.first, named.shared);
        assert_eq!(come(5, 9), (4, 5, u64::MAX), "the first has none before it");
        assert_eq!(come(6, 2), (3, 5, 2));
        assert_eq!(come(3, 2), (4, 5, 2), "three bytes are the whole key");
        assert_eq!(come(9, 4), (4, 5, 2), "the last key is the start of this one");
        let mut named = Named { separator: 8, shared: 7, ..Named::default() };
        assert_eq!((named.pack(10, 3), named.separator, named.shared), (13 - 4, 10, u64::MAX));
        let mut pack = |shared, separator| {
            named.shared = shared;
            named.pack(separator, 3)
        };
        assert_eq!([pack(3, 10), pack(3, 11), pack(u64::MAX, 6), pack(9, 9)], [13 - 1, 14, 9 - 3, 12 - 3]);
    }
}
