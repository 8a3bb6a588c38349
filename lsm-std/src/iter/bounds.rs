//! Ranges of keys.

use std::ops::{Bound, RangeBounds};

use bytes::Bytes;

/// Which way an iterator goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Keys ascending.
    Forward,
    /// Keys descending.
    Backward,
}

/// A range of user keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bounds {
    pub(crate) low: Bound<Bytes>,
    pub(crate) high: Bound<Bytes>,
}

impl Bounds {
    /// Every key.
    pub(crate) fn all() -> Self {
        Self { low: Bound::Unbounded, high: Bound::Unbounded }
    }

    /// The keys of a range as users write it.
    pub(crate) fn of<K: AsRef<[u8]>>(range: &impl RangeBounds<K>) -> Self {
        let copy = |bound: Bound<&K>| bound.map(|key| Bytes::copy_from_slice(key.as_ref()));
        Self { low: copy(range.start_bound()), high: copy(range.end_bound()) }
    }

    /// The keys that start with `prefix`.
    pub(crate) fn prefix(prefix: &[u8]) -> Self {
        let low = Bound::Included(Bytes::copy_from_slice(prefix));
        let mut end = prefix.to_vec();
        while end.last() == Some(&u8::MAX) {
            end.pop();
        }
        let high = match end.last_mut() {
            Some(last) => {
                *last += 1;
                Bound::Excluded(Bytes::from(end))
            }
            None => Bound::Unbounded,
        };
        Self { low, high }
    }

    /// True if no key lies in it.
    pub(crate) fn is_empty(&self) -> bool {
        match (&self.low, &self.high) {
            (Bound::Included(low), Bound::Included(high)) => low > high,
            (Bound::Included(low) | Bound::Excluded(low), Bound::Included(high) | Bound::Excluded(high)) => low >= high,
            _ => false,
        }
    }

    /// True if all keys of the range lie above `key`.
    pub(crate) fn is_above(&self, key: &[u8]) -> bool {
        match &self.low {
            Bound::Unbounded => false,
            Bound::Included(low) => key < &low[..],
            Bound::Excluded(low) => key <= &low[..],
        }
    }

    /// True if all keys of the range lie below `key`.
    pub(crate) fn is_below(&self, key: &[u8]) -> bool {
        match &self.high {
            Bound::Unbounded => false,
            Bound::Included(high) => key > &high[..],
            Bound::Excluded(high) => key >= &high[..],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_ends_before_the_next_key_that_lacks_it() {
        let high = |prefix: &[u8]| Bounds::prefix(prefix).high;
        assert_eq!(high(b"ab"), Bound::Excluded(Bytes::from_static(b"ac")));
        assert_eq!(high(b"a\xff\xff"), Bound::Excluded(Bytes::from_static(b"b")));
        assert_eq!(high(b"\xff"), Bound::Unbounded);
        assert_eq!(high(b""), Bound::Unbounded);
    }

    #[test]
    fn a_range_knows_what_lies_outside() {
        let bounds = Bounds::of(&(b"b".as_slice()..b"d".as_slice()));
        assert!(bounds.is_above(b"a") && !bounds.is_above(b"b"));
        assert!(bounds.is_below(b"d") && !bounds.is_below(b"c"));
        assert!(Bounds::of(&(b"b".as_slice()..b"b".as_slice())).is_empty());
        assert!(!Bounds::of(&(b"b".as_slice()..=b"b".as_slice())).is_empty());
        assert!(!Bounds::all().is_empty());
    }
}
