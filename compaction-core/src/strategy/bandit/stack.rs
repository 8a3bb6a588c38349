//! The runs of one slot, found in a version.

use crate::version::{Run, Span, Table, Version};

/// The most runs of a slot that are looked at; further, older ones wait until there are fewer.
pub(crate) const PIECES_MAX: usize = 32;

/// What one run holds of a slot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Piece {
    /// Position of the run.
    pub(crate) run: usize,
    /// Position of the first table.
    pub(crate) first: usize,
    /// Position of the last table.
    pub(crate) last: usize,
    /// Bytes of its tables, whole.
    pub(crate) bytes: u64,
    /// Whether its tables meet nothing of the next older piece.
    pub(crate) clear: bool,
}

/// The pieces of a slot, newest first.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stack {
    pieces: [Piece; PIECES_MAX],
    len: usize,
    /// How many runs have tables in the slot, those not looked at among them.
    pub(crate) runs: usize,
    /// Bytes of all of them.
    pub(crate) bytes: u128,
    /// Whether a table reaches over a border of the slot, so that merges here touch neighbours.
    pub(crate) crossed: bool,
}

impl Stack {
    /// The stack, in the runs before `until`, of the slot from key `low` up to, not with, key `high`. O(runs x log tables).
    pub(crate) fn of<K: Ord>(version: &Version<'_, K>, until: usize, low: Option<&K>, high: Option<&K>) -> Self {
        let mut stack = Self { pieces: [Piece::default(); PIECES_MAX], len: 0, runs: 0, bytes: 0, crossed: false };
        for run in (0..until).rev() {
            stack.push(version, run, low, high);
        }
        stack
    }

    fn push<K: Ord>(&mut self, version: &Version<'_, K>, run: usize, low: Option<&K>, high: Option<&K>) {
        let tables = version.run_tables(run);
        let start = low.map_or(0, |low| tables.partition_point(|table| table.max < *low));
        let end = high.map_or(tables.len(), |high| start.saturating_add(count_below(tables.get(start..), high)));
        let (Some(first), Some(last)) = (tables.get(start), end.checked_sub(1).and_then(|last| tables.get(last)))
        else {
            return;
        };
        if end <= start {
            return;
        }
        let base = version.runs().get(run).map_or(0, Run::first);
        let span = Span { run, first: base.saturating_add(start), end: base.saturating_add(end) };
        let bytes = version.span_totals(&span).bytes;
        self.runs = self.runs.saturating_add(1);
        self.bytes = self.bytes.saturating_add(u128::from(bytes));
        self.crossed |= low.is_some_and(|low| first.min < *low) || high.is_some_and(|high| last.max >= *high);
        if let Some(newer) = self.len.checked_sub(1).and_then(|at| self.pieces.get_mut(at))
            && let Some((least, most)) = version.tables().get(newer.first).zip(version.tables().get(newer.last))
        {
            newer.clear = version.overlap(run, &least.min, &most.max).is_empty();
        }
        if let Some(place) = self.pieces.get_mut(self.len) {
            *place = Piece { run, first: span.first, last: span.end.saturating_sub(1), bytes, clear: false };
            self.len = self.len.saturating_add(1);
        }
    }

    /// Lets a piece meet nothing of the next older one.
    #[cfg(test)]
    pub(crate) fn set_clear(&mut self, at: usize) {
        self.pieces[at].clear = true;
    }

    /// The pieces that are looked at, newest first.
    pub(crate) fn pieces(&self) -> &[Piece] {
        self.pieces.get(..self.len).unwrap_or(&[])
    }

    /// Whether every run of the slot is among the pieces.
    pub(crate) fn is_whole(&self) -> bool {
        self.len == self.runs
    }

    /// The oldest piece that has a run below it in which the slot has nothing, and the oldest such run. Unknown, and taken for
    /// none, while not all runs are looked at.
    pub(crate) fn lowest_gap(&self) -> Option<(&Piece, usize)> {
        let pieces = self.pieces().iter().rev().enumerate();
        pieces.filter(|_| self.is_whole()).find(|(rank, piece)| piece.run > *rank).map(|(rank, piece)| (piece, rank))
    }

    /// The largest piece.
    pub(crate) fn largest(&self) -> Option<&Piece> {
        self.pieces().iter().max_by_key(|piece| piece.bytes)
    }
}

/// How many of the first tables start below `high`. They are few: looks ahead in steps that double. O(log of their number).
fn count_below<K: Ord>(tables: Option<&[Table<K>]>, high: &K) -> usize {
    let tables = tables.unwrap_or(&[]);
    let (mut from, mut step) = (0usize, 1usize);
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

    #[test]
    fn looking_ahead_finds_what_a_full_search_finds() {
        let tables: Vec<_> = (0..50u32).map(|at| Table::new(u64::from(at), 1, at * 2, at * 2 + 1)).collect();
        for len in 0..tables.len() {
            for high in 0..110 {
                let expected = tables[..len].partition_point(|table| table.min < high);
                assert_eq!(count_below(tables.get(..len), &high), expected, "{len} tables, {high}");
            }
        }
    }
}
