//! The runs of one slot, found in a version.

use crate::version::{Span, Version};

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
}

/// The pieces of a slot, newest first, from level 1 down.
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
    /// The stack of the slot from key `low` up to, not with, key `high`. O(runs x log tables).
    pub(crate) fn of<K: Ord>(version: &Version<'_, K>, low: Option<&K>, high: Option<&K>) -> Self {
        let mut stack = Self { pieces: [Piece::default(); PIECES_MAX], len: 0, runs: 0, bytes: 0, crossed: false };
        for run in (0..version.level_runs(0).start).rev() {
            stack.push(version, run, low, high);
        }
        stack
    }

    fn push<K: Ord>(&mut self, version: &Version<'_, K>, run: usize, low: Option<&K>, high: Option<&K>) {
        let tables = version.run_tables(run);
        let start = low.map_or(0, |low| tables.partition_point(|table| table.max < *low));
        let end = high.map_or(tables.len(), |high| tables.partition_point(|table| table.min < *high));
        let (Some(first), Some(last)) = (tables.get(start), end.checked_sub(1).and_then(|last| tables.get(last)))
        else {
            return;
        };
        if end <= start {
            return;
        }
        let base = version.runs().get(run).map_or(0, crate::version::Run::first);
        let span = Span { run, first: base.saturating_add(start), end: base.saturating_add(end) };
        let bytes = version.span_totals(&span).bytes;
        self.runs = self.runs.saturating_add(1);
        self.bytes = self.bytes.saturating_add(u128::from(bytes));
        self.crossed |= low.is_some_and(|low| first.min < *low) || high.is_some_and(|high| last.max >= *high);
        if let Some(place) = self.pieces.get_mut(self.len) {
            *place = Piece { run, first: span.first, last: span.end.saturating_sub(1), bytes };
            self.len = self.len.saturating_add(1);
        }
    }

    /// The pieces that are looked at, newest first.
    pub(crate) fn pieces(&self) -> &[Piece] {
        self.pieces.get(..self.len).unwrap_or(&[])
    }

    /// Whether every run of the slot is among the pieces.
    pub(crate) fn is_whole(&self) -> bool {
        self.len == self.runs
    }

    /// The largest piece.
    pub(crate) fn largest(&self) -> Option<&Piece> {
        self.pieces().iter().max_by_key(|piece| piece.bytes)
    }
}
