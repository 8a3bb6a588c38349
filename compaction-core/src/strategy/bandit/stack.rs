//! The runs of one slot, found in a version.

use crate::version::{Run, Span, Table, Totals, Version};

/// The most pieces of a slot that are told apart; of more runs the smallest neighbours count as one piece.
pub(crate) const PIECES_MAX: usize = 32;

/// What one run holds of a slot, or several neighbours together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Piece {
    /// Position of the run; of several the newest.
    pub(crate) run: usize,
    /// Position of the first table of that run.
    pub(crate) first: usize,
    /// Position of the last one.
    pub(crate) last: usize,
    /// Position of the oldest run.
    pub(crate) oldest: usize,
    /// How many runs have tables in it.
    pub(crate) runs: usize,
    /// How many tables it has.
    pub(crate) tables: usize,
    /// Position of the table with its least key.
    pub(crate) least: usize,
    /// Position of the table with its greatest key.
    pub(crate) greatest: usize,
    /// Bytes of its tables, whole; saturates.
    pub(crate) bytes: u64,
    /// Whether its tables meet nothing of the next older piece.
    pub(crate) clear: bool,
}

/// The pieces of a slot, newest first.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stack {
    pieces: [Piece; PIECES_MAX],
    len: usize,
    /// How many runs have tables in the slot.
    pub(crate) runs: usize,
    /// Bytes of all of them.
    pub(crate) bytes: u128,
    /// What the oldest of them holds.
    oldest: Totals,
    /// Tombstones of the others.
    tombstones: u64,
    /// Whether a table reaches over a border of the slot, so that merges here touch neighbours.
    pub(crate) crossed: bool,
}

impl Stack {
    /// The stack, in the runs before `until`, of the slot from key `low` up to, not with, key `high`. `place` says which of how
    /// many slots it is: tables are looked for near there. O(runs x log tables).
    pub(crate) fn of<K: Ord>(
        version: &Version<'_, K>,
        until: usize,
        (low, high): (Option<&K>, Option<&K>),
        place: (usize, usize),
    ) -> Self {
        let mut stack = Self {
            pieces: [Piece::default(); PIECES_MAX],
            len: 0,
            runs: 0,
            bytes: 0,
            oldest: Totals::default(),
            tombstones: 0,
            crossed: false,
        };
        for run in (0..until).rev() {
            stack.push(version, run, (low, high), place);
        }
        stack
    }

    fn push<K: Ord>(
        &mut self,
        version: &Version<'_, K>,
        run: usize,
        (low, high): (Option<&K>, Option<&K>),
        place: (usize, usize),
    ) {
        let tables = version.run_tables(run);
        // As if all slots had as many tables.
        let near = tables.len().saturating_mul(place.0).checked_div(place.1).unwrap_or(0);
        let many = tables.len().checked_div(place.1).unwrap_or(0);
        let start = low.map_or(0, |low| first_from(tables, low, near, many / 8));
        let end = high.map_or(tables.len(), |high| start.saturating_add(count_below(tables.get(start..), high, many)));
        let (Some(first), Some(last)) = (tables.get(start), end.checked_sub(1).and_then(|last| tables.get(last)))
        else {
            return;
        };
        if end <= start {
            return;
        }
        let base = version.runs().get(run).map_or(0, Run::first);
        let span = Span { run, first: base.saturating_add(start), end: base.saturating_add(end) };
        let totals = version.span_totals(&span);
        let bytes = totals.bytes;
        self.tombstones = self.tombstones.saturating_add(self.oldest.tombstones);
        self.oldest = totals;
        self.runs = self.runs.saturating_add(1);
        self.bytes = self.bytes.saturating_add(u128::from(bytes));
        self.crossed |= low.is_some_and(|low| first.min < *low) || high.is_some_and(|high| last.max >= *high);
        if let Some(newer) = self.len.checked_sub(1).and_then(|at| self.pieces.get_mut(at))
            && let Some((least, most)) = version.tables().get(newer.first).zip(version.tables().get(newer.last))
        {
            let inside = low.is_none_or(|low| *low <= least.min) && high.is_none_or(|high| most.max < *high);
            newer.clear = inside && !meets(tables.get(start..end).unwrap_or(&[]), &least.min, &most.max);
        }
        if self.len == PIECES_MAX {
            self.join(version);
        }
        if let Some(place) = self.pieces.get_mut(self.len) {
            let (first, last) = (span.first, span.end.saturating_sub(1));
            let tables = end.saturating_sub(start);
            *place = Piece {
                run,
                first,
                last,
                oldest: run,
                runs: 1,
                tables,
                least: first,
                greatest: last,
                bytes,
                clear: false,
            };
            self.len = self.len.saturating_add(1);
        }
    }

    /// Makes one piece of the two neighbours with the fewest bytes. The newest stays alone, and the one that comes next too: so
    /// the newest and the oldest run are always known by themselves.
    fn join<K: Ord>(&mut self, version: &Version<'_, K>) {
        let pairs = self.pieces.get(1..self.len).unwrap_or(&[]).windows(2).enumerate();
        let bytes = |pair: &[Piece]| pair.iter().map(|piece| piece.bytes).fold(0, u64::saturating_add);
        let Some((at, _)) = pairs.min_by_key(|(_, pair)| bytes(pair)) else { return };
        let Some([newer, older]) =
            self.pieces.get_mut(at.saturating_add(1)..).and_then(|tail| tail.first_chunk_mut::<2>())
        else {
            return;
        };
        let table = |at: usize| version.tables().get(at);
        if table(older.least).zip(table(newer.least)).is_some_and(|(one, other)| one.min < other.min) {
            newer.least = older.least;
        }
        if table(older.greatest).zip(table(newer.greatest)).is_some_and(|(one, other)| one.max > other.max) {
            newer.greatest = older.greatest;
        }
        newer.oldest = older.oldest;
        newer.runs = newer.runs.saturating_add(older.runs);
        newer.tables = newer.tables.saturating_add(older.tables);
        newer.bytes = newer.bytes.saturating_add(older.bytes);
        newer.clear = false;
        if let Some(tail) = self.pieces.get_mut(at.saturating_add(2)..self.len) {
            tail.rotate_left(1);
            self.len = self.len.saturating_sub(1);
        }
    }

    /// Lets a piece meet nothing of the next older one.
    #[cfg(test)]
    pub(crate) fn set_clear(&mut self, at: usize) {
        self.pieces[at].clear = true;
    }

    /// The pieces, newest first.
    pub(crate) fn pieces(&self) -> &[Piece] {
        self.pieces.get(..self.len).unwrap_or(&[])
    }

    /// Whether every run is a piece of its own.
    pub(crate) fn is_whole(&self) -> bool {
        self.len == self.runs
    }

    /// Bytes of all runs but the oldest.
    pub(crate) fn newer(&self) -> u128 {
        self.bytes.saturating_sub(self.pieces().last().map_or(0, |oldest| oldest.bytes.into()))
    }

    /// Bytes that may be dead: all runs but the oldest, and of that one as many entries as there are tombstones above it.
    pub(crate) fn dead(&self) -> u128 {
        let Totals { bytes, entries, .. } = self.oldest;
        let deleted = u128::from(bytes).saturating_mul(self.tombstones.min(entries).into());
        let deleted = deleted.checked_div(entries.into()).unwrap_or(0);
        self.newer().saturating_add(deleted).min(self.bytes)
    }

    /// The oldest piece that has a run below it in which the slot has nothing, and the oldest such run. Unknown, and taken for
    /// none, while runs count together.
    pub(crate) fn lowest_gap(&self) -> Option<(&Piece, usize)> {
        let pieces = self.pieces().iter().rev().enumerate();
        pieces.filter(|_| self.is_whole()).find(|(rank, piece)| piece.run > *rank).map(|(rank, piece)| (piece, rank))
    }

    /// The largest piece that is one run.
    pub(crate) fn largest(&self) -> Option<&Piece> {
        self.pieces().iter().filter(|piece| piece.runs == 1).max_by_key(|piece| piece.bytes)
    }
}

/// Whether a key from `min` to `max` may lie in one of `tables`, which are sorted and disjoint. Mostly it may in that in the middle.
fn meets<K: Ord>(tables: &[Table<K>], min: &K, max: &K) -> bool {
    if tables.get(tables.len() / 2).is_some_and(|table| table.min <= *max && *min <= table.max) {
        return true;
    }
    let first = tables.partition_point(|table| table.max < *min);
    tables.get(first).is_some_and(|table| table.min <= *max)
}

/// The first table that does not end below `low`, looked for from the position `near` on in steps that double from `least` on.
fn first_from<K: Ord>(tables: &[Table<K>], low: &K, near: usize, least: usize) -> usize {
    let is_below = |at: usize| tables.get(at).is_some_and(|table| table.max < *low);
    let (mut from, mut until, mut step) = (near.min(tables.len()), near.min(tables.len()), least.max(1));
    while is_below(until) {
        from = until.saturating_add(1);
        until = until.saturating_add(step);
        step = step.saturating_mul(2);
    }
    step = least.max(1);
    while from > 0 && from == until && !is_below(from.saturating_sub(1)) {
        until = from.saturating_sub(1);
        from = from.saturating_sub(step);
        step = step.saturating_mul(2);
        if is_below(from) {
            break;
        }
        if from > 0 {
            until = from;
        }
    }
    let until = until.min(tables.len());
    let from = from.min(until);
    from.saturating_add(tables.get(from..until).unwrap_or(&[]).partition_point(|table| table.max < *low))
}

/// How many of the first tables start below `high`. They are about `many`: looks ahead in steps that double from there on. O(log of
/// their number).
fn count_below<K: Ord>(tables: Option<&[Table<K>]>, high: &K, many: usize) -> usize {
    let tables = tables.unwrap_or(&[]);
    let (mut from, mut step) = (0usize, many.max(1));
    while tables.get(from.saturating_add(step)).is_some_and(|table| table.min < *high) {
        from = from.saturating_add(step);
        step = step.saturating_mul(2);
    }
    let until = from.saturating_add(step).min(tables.len());
    let rest = tables.get(from..until).unwrap_or(&[]);
    from.saturating_add(rest.partition_point(|table| table.min < *high))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    /// The stack of a slot that holds all keys, one table a run: (bytes, first key, last key), newest first.
    fn stack(tables: &[(u64, u32, u32)]) -> Stack {
        let mut tables: Vec<_> =
            (0..).zip(tables.iter().rev()).map(|(id, (bytes, min, max))| Table::new(id, *bytes, *min, *max)).collect();
        let seal = |(at, table)| Run::seal(1, at, core::slice::from_mut(table)).unwrap();
        let runs: Vec<_> = tables.iter_mut().enumerate().map(seal).collect();
        Stack::of(&Version::new(&runs, &tables).unwrap(), runs.len(), (None, None), (0, 1))
    }

    #[test]
    fn a_key_at_the_end_of_a_table_lies_in_it() {
        let tables = [(0, 5), (10, 15), (20, 25)].map(|(min, max)| Table::new(1, 1, min, max));
        for (min, max, met) in [
            (5, 9, true),
            (6, 9, false),
            (6, 10, true),
            (15, 19, true),
            (16, 19, false),
            (16, 20, true),
            (25, 30, true),
            (26, 30, false),
        ] {
            assert_eq!(meets(&tables, &min, &max), met, "{min}..={max}");
        }
    }

    #[test]
    fn a_table_that_ends_at_the_next_guard_reaches_over_it() {
        for (last, crossed) in [(39, false), (40, true)] {
            let mut tables = [Table::new(1, 10, 20u32, last)];
            let runs = [Run::seal(1, 0, &mut tables).unwrap()];
            let version = Version::new(&runs, &tables).unwrap();
            let stack = |low, high| Stack::of(&version, 1, (low, high), (0, 1));
            assert_eq!(stack(Some(&20), Some(&40)).crossed, crossed);
            assert!(!stack(None, None).crossed && stack(Some(&21), None).crossed);
        }
    }

    #[test]
    fn only_what_lies_within_the_slot_and_meets_nothing_older_may_sink() {
        let all = [(22, 39, true), (22, 40, false), (19, 20, false), (20, 20, true), (20, 21, false), (30, 30, true)];
        for (min, max, clear) in all {
            let mut tables = [Table::new(1, 10, 21u32, 21), Table::new(2, 10, min, max)];
            let seal = |(at, table)| Run::seal(1, at, core::slice::from_mut(table)).unwrap();
            let runs: Vec<_> = tables.iter_mut().enumerate().map(seal).collect();
            let stack = Stack::of(&Version::new(&runs, &tables).unwrap(), 2, (Some(&20), Some(&40)), (0, 1));
            assert_eq!(stack.pieces()[0].clear, clear, "{min}..={max}");
        }
    }

    #[test]
    fn what_tombstones_may_have_deleted_of_the_oldest_run_may_be_dead() {
        let dead = |oldest: u64, tombstones: [u64; 2]| {
            let table = |id, bytes, entries| Table::new(id, bytes, 0u32, 9).entries(entries);
            let mut tables = [
                table(1, 1_000, oldest).tombstones(3),
                table(2, 100, 9).tombstones(tombstones[0]),
                table(3, 50, 9).tombstones(tombstones[1]),
            ];
            let runs: Vec<_> = (0..3).map(|at| Run::seal(9 - at as u8, at, &mut tables[at..=at]).unwrap()).collect();
            let version = Version::new(&runs, &tables).unwrap();
            Stack::of(&version, 3, (None, None), (0, 1)).dead()
        };
        assert_eq!(dead(20, [0, 0]), 150, "the newer runs");
        assert_eq!(dead(20, [4, 1]), 150 + 250, "five of 20 entries, those of its own do not count");
        assert_eq!(dead(4, [4, 1]), 1_150, "no more than there is");
        assert_eq!(dead(0, [4, 1]), 150, "nothing is known of its entries");
    }

    #[test]
    fn of_many_runs_the_small_neighbours_count_as_one_piece_and_nothing_is_lost() {
        let mut sizes: Vec<(u64, u32, u32)> = (0..100).map(|at| (10 + u64::from(at % 3), 100 - at, 200 + at)).collect();
        sizes.push((5_000, 50, 60));
        sizes.extend([(30, 120, 130); 5]);
        sizes.push((9_000, 0, 400));
        let stack = stack(&sizes);
        let pieces = stack.pieces();
        assert_eq!((stack.runs, pieces.len(), stack.is_whole()), (107, PIECES_MAX, false));
        assert_eq!(stack.newer(), sizes[..106].iter().map(|(bytes, ..)| u128::from(*bytes)).sum());
        assert_eq!(pieces.iter().map(|piece| u128::from(piece.bytes)).sum::<u128>(), stack.bytes);
        assert_eq!(pieces.iter().map(|piece| piece.runs).sum::<usize>(), 107);
        assert_eq!(pieces.iter().map(|piece| piece.tables).sum::<usize>(), 107);
        assert_eq!((pieces[0].run, pieces[0].runs, pieces[31].run, pieces[31].runs), (106, 1, 0, 1));
        for (newer, older) in pieces.iter().zip(&pieces[1..]) {
            assert_eq!(older.run + 1, newer.oldest, "the runs between the newest and the oldest follow each other");
        }
        // The large run is told apart; run `at` of the first hundred starts at key `at - 6` and ends at key `306 - at`.
        assert!(pieces.iter().any(|piece| (piece.bytes, piece.runs) == (5_000, 1)));
        for piece in pieces.iter().filter(|piece| piece.oldest > 6) {
            assert_eq!((piece.least, piece.greatest), (piece.oldest, piece.oldest), "{piece:?}");
        }
        assert_eq!(stack.largest().map(|piece| piece.bytes), Some(9_000));
        assert_eq!(stack.lowest_gap(), None);
    }

    #[test]
    fn pieces_of_several_runs_know_the_tables_with_the_least_and_the_greatest_key() {
        for wider_is_newer in [false, true] {
            let end = |at: u32| if wider_is_newer { 100 - at } else { at };
            let stack_of: Vec<_> = (0..100).map(|at| (10, 200 - end(at), 300 + end(at))).collect();
            let stack = stack(&stack_of);
            for piece in stack.pieces().iter().skip(1) {
                let widest = if wider_is_newer { piece.run } else { piece.oldest };
                assert_eq!((piece.least, piece.greatest), (widest, widest), "{piece:?}");
            }
            assert!(stack.pieces().iter().any(|piece| piece.runs > 2));
        }
    }

    #[test]
    fn looking_near_a_place_finds_what_a_full_search_finds() {
        let tables: Vec<_> = (0..40u32).map(|at| Table::new(u64::from(at), 1, at * 3, at * 3 + 1)).collect();
        for len in [0, 1, 2, 7, 40] {
            for low in 0..125 {
                let expected = tables[..len].partition_point(|table| table.max < low);
                for (near, least) in (0..45).flat_map(|near| [(near, 0), (near, 2), (near, 7), (near, 50)]) {
                    let found = first_from(&tables[..len], &low, near, least);
                    assert_eq!(found, expected, "{len} tables, {low} near {near} by {least}");
                }
            }
        }
    }

    #[test]
    fn looking_ahead_finds_what_a_full_search_finds() {
        let tables: Vec<_> = (0..50u32).map(|at| Table::new(u64::from(at), 1, at * 2, at * 2 + 1)).collect();
        for len in 0..tables.len() {
            for high in 0..110 {
                let expected = tables[..len].partition_point(|table| table.min < high);
                for many in [0, 1, 3, 20, 80] {
                    let found = count_below(tables.get(..len), &high, many);
                    assert_eq!(found, expected, "{len} tables, {high} after {many}");
                }
            }
        }
    }
}
