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
    /// The stack, in the runs before `until`, of the slot from key `low` up to, not with, key `high`. `place` says which of how
    /// many slots it is: tables are looked for near there. O(runs x log tables).
    pub(crate) fn of<K: Ord>(
        version: &Version<'_, K>,
        until: usize,
        (low, high): (Option<&K>, Option<&K>),
        place: (usize, usize),
    ) -> Self {
        let mut stack = Self { pieces: [Piece::default(); PIECES_MAX], len: 0, runs: 0, bytes: 0, crossed: false };
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
        let bytes = version.span_totals(&span).bytes;
        self.runs = self.runs.saturating_add(1);
        self.bytes = self.bytes.saturating_add(u128::from(bytes));
        self.crossed |= low.is_some_and(|low| first.min < *low) || high.is_some_and(|high| last.max >= *high);
        if let Some(newer) = self.len.checked_sub(1).and_then(|at| self.pieces.get_mut(at))
            && let Some((least, most)) = version.tables().get(newer.first).zip(version.tables().get(newer.last))
        {
            let inside = low.is_none_or(|low| *low <= least.min) && high.is_none_or(|high| most.max < *high);
            newer.clear = inside && !meets(tables.get(start..end).unwrap_or(&[]), &least.min, &most.max);
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

    /// Bytes of all pieces but the oldest; `None` while not all runs are looked at.
    pub(crate) fn newer(&self) -> Option<u128> {
        let oldest = self.pieces().last().filter(|_| self.is_whole())?;
        Some(self.bytes.saturating_sub(u128::from(oldest.bytes)))
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
