//! What the core knows of one table.

use core::cmp::Ordering;

use crate::wide::compare_products;

/// Sums over tables of one run. Each fits `u64` by law: a run whose sums do not is refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// File bytes.
    pub bytes: u64,
    /// Entries of every kind, tombstones among them.
    pub entries: u64,
    /// Tombstones.
    pub tombstones: u64,
}

impl Totals {
    /// Adds `other`; false, and nothing added, when a field does not fit `u64`.
    #[inline(never)]
    pub(crate) fn add(&mut self, other: &Self) -> bool {
        let (Some(bytes), Some(entries), Some(tombstones)) = (
            self.bytes.checked_add(other.bytes),
            self.entries.checked_add(other.entries),
            self.tombstones.checked_add(other.tombstones),
        ) else {
            return false;
        };
        *self = Self { bytes, entries, tombstones };
        true
    }

    /// The difference, field by field; 0 where `other` is larger, which no lawful run shows.
    pub(crate) fn minus(self, other: Self) -> Self {
        Self {
            bytes: self.bytes.saturating_sub(other.bytes),
            entries: self.entries.saturating_sub(other.entries),
            tombstones: self.tombstones.saturating_sub(other.tombstones),
        }
    }

    /// Whether `self` has more tombstones per entry than `other`; compared exactly. No entry counts as one.
    pub(super) fn denser(self, other: Self) -> bool {
        let (own, others) = ((self.tombstones, other.entries.max(1)), (other.tombstones, self.entries.max(1)));
        self.tombstones > 0 && compare_products(own, others) == Ordering::Greater
    }
}

/// One immutable sorted file, as a strategy sees it.
///
/// ```
/// use compaction_core::Table;
/// let table = Table::new(7, 4096, b"apple".as_slice(), b"pear".as_slice()).entries(120).tombstones(3).newest_ms(1_000);
/// assert_eq!(table.id, 7);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table<K> {
    /// The engine's name for it; unique in a tree, never reused.
    pub id: u64,
    /// Length of the file in bytes.
    pub bytes: u64,
    /// Entries of every kind.
    pub entries: u64,
    /// How many of the entries are tombstones.
    pub tombstones: u64,
    /// Smallest user key, inclusive.
    pub min: K,
    /// Largest user key, inclusive.
    pub max: K,
    /// When its newest entry was written, in milliseconds of the caller's clock. A time to live counts from here, so it must
    /// be given where one is set; `u64::MAX`, never expired, when unknown.
    pub newest_ms: u64,
    /// When its oldest tombstone was written, in milliseconds; `None` when it has none or the engine does not know.
    pub oldest_tombstone_ms: Option<u64>,
    /// Largest sequence number in it; 0 when the engine has none, `u64::MAX` when unknown: no snapshot floor is above that.
    pub newest_seqno: u64,
    /// Sums over its run, up to and with this table.
    pub(crate) upto: Totals,
}

impl<K> Table<K> {
    /// A table of `bytes` bytes holding keys from `min` to `max`, both inclusive. Everything else is 0 or unknown.
    pub const fn new(id: u64, bytes: u64, min: K, max: K) -> Self {
        Self {
            id,
            bytes,
            entries: 0,
            tombstones: 0,
            min,
            max,
            newest_ms: 0,
            oldest_tombstone_ms: None,
            newest_seqno: 0,
            upto: Totals { bytes: 0, entries: 0, tombstones: 0 },
        }
    }

    /// Sets the number of entries.
    #[must_use]
    pub fn entries(mut self, entries: u64) -> Self {
        self.entries = entries;
        self
    }

    /// Sets the number of tombstones.
    #[must_use]
    pub fn tombstones(mut self, tombstones: u64) -> Self {
        self.tombstones = tombstones;
        self
    }

    /// Sets the time of the newest entry, in milliseconds.
    #[must_use]
    pub fn newest_ms(mut self, newest_ms: u64) -> Self {
        self.newest_ms = newest_ms;
        self
    }

    /// Sets the time of the oldest tombstone, in milliseconds.
    #[must_use]
    pub fn oldest_tombstone_ms(mut self, oldest_ms: Option<u64>) -> Self {
        self.oldest_tombstone_ms = oldest_ms;
        self
    }

    /// Sets the largest sequence number.
    #[must_use]
    pub fn newest_seqno(mut self, newest_seqno: u64) -> Self {
        self.newest_seqno = newest_seqno;
        self
    }

    /// Whether every entry is older than all snapshots at or above `floor`.
    #[must_use]
    pub fn below(&self, floor: u64) -> bool {
        is_below(self.newest_seqno, floor)
    }

    /// Sizes of this table alone.
    #[must_use]
    pub fn totals(&self) -> Totals {
        Totals { bytes: self.bytes, entries: self.entries, tombstones: self.tombstones }
    }
}

/// Whether everything up to `newest_seqno` is older than all snapshots at or above `floor`.
#[inline(never)]
pub(super) fn is_below(newest_seqno: u64, floor: u64) -> bool {
    floor == u64::MAX || newest_seqno < floor
}
