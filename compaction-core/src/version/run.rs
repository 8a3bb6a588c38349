//! What the core knows of one run of tables.

use super::table::is_below;
use super::{Table, Totals, TreeError};

/// A run: tables that stand together, sorted by key and disjoint, so that a key lies in at most one of them.
///
/// Beside the place of its tables it keeps what strategies ask for at every decision, so that no decision scans a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    pub(crate) level: u8,
    pub(crate) first: u32,
    pub(crate) len: u32,
    pub(crate) totals: Totals,
    pub(crate) newest_ms: u64,
    pub(crate) newest_seqno: u64,
    pub(crate) densest: u32,
    pub(crate) stalest: u32,
    pub(crate) oldest_tombstone: u32,
}

impl Run {
    /// A filler for storage that must be initialised, such as a lent array.
    pub const EMPTY: Self = Self {
        level: 0,
        first: 0,
        len: 0,
        totals: Totals { bytes: 0, entries: 0, tombstones: 0 },
        newest_ms: 0,
        newest_seqno: 0,
        densest: 0,
        stalest: 0,
        oldest_tombstone: 0,
    };

    /// Makes a run of `tables`, which stand from position `first` on in the array of all tables, and writes the running
    /// totals into them. O(tables).
    ///
    /// # Errors
    /// The law that the tables break: none at all, out of order, overlapping, or sums that do not fit `u64`.
    pub fn seal<K: Ord>(level: u8, first: usize, tables: &mut [Table<K>]) -> Result<Self, TreeError> {
        let mut upto = Totals::default();
        for table in tables.iter_mut() {
            if !upto.add(&table.totals()) {
                return Err(TreeError::Overflow { table: table.id });
            }
            table.upto = upto;
        }
        Self::of(level, first, tables)
    }

    /// The run that `tables` make, their running totals being in place. O(tables).
    pub(crate) fn of<K: Ord>(level: u8, first: usize, tables: &[Table<K>]) -> Result<Self, TreeError> {
        let (Ok(start), Ok(len)) = (u32::try_from(first), u32::try_from(tables.len())) else {
            return Err(TreeError::TooMany);
        };
        let mut run = Self { level, first: start, len, ..Self::EMPTY };
        let (mut before, mut extremes): (Option<&Table<K>>, _) = (None, Extremes::NONE);
        for (at, table) in (0u32..).zip(tables) {
            check_table(table, before)?;
            run.take(at, table, &mut extremes);
            before = Some(table);
        }
        before.map(|_| run).ok_or(TreeError::EmptyRun { level })
    }

    /// The run anew after tables came or went, which an edit has found to be lawful: writes the running totals. O(tables).
    pub(crate) fn settled<K>(&self, tables: &mut [Table<K>]) -> Self {
        let mut run = Self { level: self.level, first: self.first, len: self.len, ..Self::EMPTY };
        let mut extremes = Extremes::NONE;
        for (at, table) in (0u32..).zip(tables) {
            // It fits: the edit has added it up.
            let _ = run.totals.add(&table.totals());
            table.upto = run.totals;
            run.take(at, table, &mut extremes);
        }
        run
    }

    /// Takes in the table at `at` of the run.
    fn take<K>(&mut self, at: u32, table: &Table<K>, extremes: &mut Extremes) {
        self.totals = table.upto;
        self.newest_ms = self.newest_ms.max(table.newest_ms);
        self.newest_seqno = self.newest_seqno.max(table.newest_seqno);
        if at == 0 || table.totals().denser(extremes.densest) {
            (self.densest, extremes.densest) = (at, table.totals());
        }
        if at == 0 || table.newest_ms < extremes.stalest {
            (self.stalest, extremes.stalest) = (at, table.newest_ms);
        }
        let tombstone_ms = table.oldest_tombstone_ms.unwrap_or(u64::MAX);
        if at == 0 || tombstone_ms < extremes.oldest_tombstone {
            (self.oldest_tombstone, extremes.oldest_tombstone) = (at, tombstone_ms);
        }
    }

    /// The level it belongs to; 0 takes the flushes.
    #[must_use]
    pub fn level(&self) -> u8 {
        self.level
    }

    /// Number of tables.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len as usize
    }

    /// Whether it has no table, which only a filler has.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Sums over its tables.
    #[must_use]
    pub fn totals(&self) -> Totals {
        self.totals
    }

    /// File bytes of its tables.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.totals.bytes
    }

    /// When its newest entry was written, in milliseconds.
    #[must_use]
    pub fn newest_ms(&self) -> u64 {
        self.newest_ms
    }

    /// Whether every entry is older than all snapshots at or above `floor`.
    #[must_use]
    pub fn is_below(&self, floor: u64) -> bool {
        is_below(self.newest_seqno, floor)
    }

    /// Position of the table `offset` tables behind its first one. Never wraps: the tables of a run stand in one array.
    fn at(&self, offset: u32) -> usize {
        self.first().wrapping_add(offset as usize)
    }

    /// Position of the table with the most tombstones per entry, the first of several.
    pub(crate) fn densest(&self) -> usize {
        self.at(self.densest)
    }

    /// Position of the table whose newest entry is the oldest, the first of several.
    pub(crate) fn stalest(&self) -> usize {
        self.at(self.stalest)
    }

    /// Position of the table with the oldest tombstone, the first of several; any table when there is none.
    pub(crate) fn oldest_tombstone(&self) -> usize {
        self.at(self.oldest_tombstone)
    }

    /// Position of its first table in the array of all tables.
    #[must_use]
    pub fn first(&self) -> usize {
        self.first as usize
    }

    /// Position behind its last table.
    #[must_use]
    pub fn end(&self) -> usize {
        self.at(self.len)
    }
}

/// What the tables have that a run names, as far as they are taken in.
struct Extremes {
    densest: Totals,
    stalest: u64,
    oldest_tombstone: u64,
}

impl Extremes {
    const NONE: Self =
        Self { densest: Totals { bytes: 0, entries: 0, tombstones: 0 }, stalest: u64::MAX, oldest_tombstone: u64::MAX };
}

/// The laws of one table and of its place behind `before` in a run.
fn check_table<K: Ord>(table: &Table<K>, before: Option<&Table<K>>) -> Result<(), TreeError> {
    if table.min > table.max {
        return Err(TreeError::Reversed { table: table.id });
    }
    let mut upto = match before {
        Some(left) if left.max >= table.min => return Err(TreeError::Overlap { left: left.id, right: table.id }),
        Some(left) => left.upto,
        None => Totals::default(),
    };
    if !upto.add(&table.totals()) {
        return Err(TreeError::Overflow { table: table.id });
    }
    if upto == table.upto { Ok(()) } else { Err(TreeError::Unsealed { table: table.id }) }
}

#[cfg(test)]
mod tests {
    use super::{Run, Table};

    fn densest(tables: [(u64, u64); 3]) -> u32 {
        let mut at = 0;
        let mut tables = tables.map(|(tombstones, entries)| {
            at += 1;
            Table::new(at, 1, at, at).tombstones(tombstones).entries(entries)
        });
        Run::seal(0, 0, &mut tables).unwrap().densest
    }

    #[test]
    fn the_densest_table_of_a_run_is_found_behind_an_empty_one() {
        assert_eq!(densest([(0, 0), (1, 9), (1, 10)]), 1);
        assert_eq!(densest([(1, 10), (0, 0), (1, 9)]), 2);
        assert_eq!(densest([(1, 10), (1, 10), (0, 5)]), 0, "the first of several");
        assert_eq!(densest([(u64::MAX - 3, u64::MAX), (1, 0), (2, 0)]), 2, "entries unknown count as one");
    }

    #[test]
    fn the_oldest_tombstone_and_the_stalest_table_of_a_run_are_found_the_first_of_several() {
        let sealed = |times: [Option<u64>; 4]| {
            let mut at = 0;
            let mut tables = times.map(|time| {
                at += 1;
                Table::new(at, 1, at, at).oldest_tombstone_ms(time).newest_ms(time.unwrap_or(u64::MAX))
            });
            let run = Run::seal(0, 0, &mut tables).unwrap();
            (run.oldest_tombstone, run.stalest)
        };
        assert_eq!(sealed([Some(9), Some(5), Some(7), Some(5)]), (1, 1));
        assert_eq!(sealed([None, Some(8), None, Some(3)]), (3, 3), "no tombstone is older than none");
        assert_eq!(sealed([Some(2), None, Some(4), Some(2)]), (0, 0));
        assert_eq!(sealed([None; 4]), (0, 0));
    }
}
