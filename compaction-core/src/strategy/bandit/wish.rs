//! What a slot wants merged: neighbours in age of its stack, and why.
//!
//! 1. Space: the newer runs together outweigh the oldest by more than is allowed: all of them.
//! 2. Ski rental: reads had to look into more than one run, and what that has cost them so far, the slot's `owed`, has
//!    reached what a merge would cost: read and written, twice its bytes. Each group of neighbours is charged its share of
//!    what is owed; the one with the largest gain is merged.
//! 3. Count: more runs than a cold slot may have: the cheapest neighbours, and older ones that are no larger than all of
//!    these together.
//!
//! Source of 2: merging when reads pay for it is never much worse than the best choice in hindsight, without any forecast.

use core::ops::Range;

use super::settings::BanditSettings;
use super::stack::{Piece, Stack};
use crate::strategy::clamp;

/// Bytes moved by a merge, for each byte of its inputs: one read, one written.
const MERGE_COST: u128 = 2;

/// The pieces that a slot wants merged, as positions in its stack; `None` when it wants nothing.
pub(crate) fn wish(stack: &Stack, owed: u64, settings: &BanditSettings) -> Option<Range<usize>> {
    if stack.runs < 2 {
        return None;
    }
    if is_bloated(stack, settings) {
        return Some(0..stack.pieces().len());
    }
    paid(stack, owed).or_else(|| surplus(stack, settings))
}

/// When a slot wants a merge, and how large a one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Want {
    /// How much must be owed: 0 when the slot wants a merge anyway, `u64::MAX` when it never will.
    pub(crate) threshold: u64,
    /// Bytes of that merge; saturates.
    pub(crate) bytes: u64,
}

impl Want {
    /// Of a slot that never wants one.
    pub(crate) const NEVER: Self = Self { threshold: u64::MAX, bytes: 0 };
}

/// When the slot will want a merge: as soon as `wish` is not `None`.
pub(crate) fn want(stack: &Stack, settings: &BanditSettings) -> Want {
    if let Some(group) = wish(stack, 0, settings) {
        let bytes = stack.pieces().get(group).unwrap_or(&[]).iter().map(|piece| piece.bytes);
        return Want { threshold: 0, bytes: bytes.fold(0, u64::saturating_add) };
    }
    let mut least = (u128::MAX, 0);
    groups(stack, |group, bytes| {
        let extra = u128::try_from(group.len().saturating_sub(1)).unwrap_or(1).max(1);
        least = least.min((price(stack, bytes).div_ceil(extra), bytes));
    });
    Want { threshold: u64::try_from(least.0).unwrap_or(u64::MAX), bytes: clamp(least.1) }
}

/// The `width` neighbours in `range` with the fewest bytes; the newer ones among equals.
pub(crate) fn cheapest(pieces: &[Piece], range: Range<usize>, width: usize) -> Option<Range<usize>> {
    let stretch = pieces.get(range.clone())?;
    let cost = |window: &[Piece]| window.iter().map(|piece| u128::from(piece.bytes)).fold(0, u128::saturating_add);
    let windows = stretch.windows(width.max(1)).map(cost).enumerate();
    let (at, _) = windows.min_by_key(|(_, bytes)| *bytes)?;
    let start = range.start.saturating_add(at);
    Some(start..start.saturating_add(width))
}

/// Whether the newer pieces outweigh the oldest by too much. Unknown, and taken for no, while not all runs are looked at.
fn is_bloated(stack: &Stack, settings: &BanditSettings) -> bool {
    let Some((oldest, _)) = stack.pieces().split_last().filter(|_| stack.is_whole() && stack.runs > 1) else {
        return false;
    };
    let newer = stack.bytes.saturating_sub(u128::from(oldest.bytes));
    let allowed = u128::from(oldest.bytes).saturating_mul(u128::from(settings.max_space_amp_pct));
    settings.max_space_amp_pct != u64::MAX && newer.saturating_mul(100) > allowed
}

/// What must be owed for a group of `bytes` to be paid for, times the extra runs in it.
fn price(stack: &Stack, bytes: u128) -> u128 {
    let extra = u128::try_from(stack.runs.saturating_sub(1)).unwrap_or(u128::MAX);
    bytes.saturating_mul(MERGE_COST).saturating_mul(extra)
}

/// The group of neighbours whose share of what is owed exceeds its cost by most. Shares and costs are compared times the
/// number of extra runs of the slot, so that nothing is rounded.
fn paid(stack: &Stack, owed: u64) -> Option<Range<usize>> {
    let mut best: Option<(u128, Range<usize>)> = None;
    groups(stack, |group, bytes| {
        let extra = u128::try_from(group.len().saturating_sub(1)).unwrap_or(0);
        let share = u128::from(owed).saturating_mul(extra);
        if let Some(gain) = share.checked_sub(price(stack, bytes))
            && best.as_ref().is_none_or(|(most, _)| gain > *most)
        {
            best = Some((gain, group));
        }
    });
    best.map(|(_, group)| group)
}

/// Calls `visit` with every group of at least two neighbours and its bytes.
fn groups(stack: &Stack, mut visit: impl FnMut(Range<usize>, u128)) {
    for (newest, first) in stack.pieces().iter().enumerate() {
        let mut bytes = u128::from(first.bytes);
        for (oldest, piece) in stack.pieces().iter().enumerate().skip(newest.saturating_add(1)) {
            bytes = bytes.saturating_add(u128::from(piece.bytes));
            visit(newest..oldest.saturating_add(1), bytes);
        }
    }
}

/// The cheapest neighbours whose merge brings the slot down to the allowed number of runs.
fn surplus(stack: &Stack, settings: &BanditSettings) -> Option<Range<usize>> {
    let over = stack.runs.checked_sub(settings.cold_runs_max as usize).filter(|over| *over > 0)?;
    let pieces = stack.pieces();
    let width = over.saturating_add(1).min(pieces.len());
    let mut found = cheapest(pieces, 0..pieces.len(), width)?;
    let taken = pieces.get(found.clone()).unwrap_or(&[]);
    let mut bytes = taken.iter().map(|piece| u128::from(piece.bytes)).fold(0, u128::saturating_add);
    for piece in pieces.iter().skip(found.end) {
        if u128::from(piece.bytes) > bytes {
            break;
        }
        bytes = bytes.saturating_add(u128::from(piece.bytes));
        found.end = found.end.saturating_add(1);
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::version::{Run, Table, Version};
    use std::vec::Vec;

    /// The stack of runs of these sizes, newest first, all over the same keys.
    fn stack(sizes: &[u64]) -> Stack {
        let mut tables: Vec<_> =
            (0..).zip(sizes.iter().rev()).map(|(id, bytes)| Table::new(id, *bytes, 0, 9)).collect();
        let seal = |(at, table)| Run::seal(1, at, core::slice::from_mut(table)).unwrap();
        let runs: Vec<_> = tables.iter_mut().enumerate().map(seal).collect();
        Stack::of(&Version::new(&runs, &tables).unwrap(), None, None)
    }

    fn settings(cold_runs_max: u32, max_space_amp_pct: u64) -> BanditSettings {
        BanditSettings { cold_runs_max, max_space_amp_pct, ..BanditSettings::default() }
    }

    #[test]
    fn newer_runs_that_outweigh_the_oldest_want_everything_merged() {
        let settings = settings(8, 50);
        assert_eq!(wish(&stack(&[25, 25, 100]), 0, &settings), None);
        assert_eq!(wish(&stack(&[25, 26, 100]), 0, &settings), Some(0..3));
        assert_eq!(wish(&stack(&[1, 0]), 0, &settings), Some(0..2), "the oldest is empty");
        assert_eq!(wish(&stack(&[u64::MAX, 1]), 0, &self::settings(8, u64::MAX)), None, "no limit");
    }

    #[test]
    fn too_many_runs_merge_the_cheapest_and_older_ones_no_larger_than_these() {
        let settings = settings(3, u64::MAX);
        assert_eq!(wish(&stack(&[9, 9, 900]), 0, &settings), None);
        assert_eq!(wish(&stack(&[50, 90, 9, 900]), 0, &settings), Some(1..3), "99 B before 140 B");
        assert_eq!(wish(&stack(&[5, 90, 200, 900]), 0, &settings), Some(0..2), "200 B are more than both");
        assert_eq!(wish(&stack(&[9, 9, 18, 36, 900]), 0, &settings), Some(0..4));
        assert_eq!(wish(&stack(&[9, 9, 30, 36, 900]), 0, &settings), Some(0..4), "two over: three and 36 B more");
    }

    #[test]
    fn a_group_is_merged_once_its_share_of_what_reads_paid_covers_it() {
        let settings = settings(8, u64::MAX);
        let stack = stack(&[10, 10, 1_000]);
        // Two extra runs: the pair has one of them, so half of what is owed must cover twice 20 B.
        assert_eq!(want(&stack, &settings), Want { threshold: 80, bytes: 20 });
        assert_eq!(wish(&stack, 79, &settings), None);
        assert_eq!(wish(&stack, 80, &settings), Some(0..2));
        // All three cost twice 1 020 B.
        assert_eq!(wish(&stack, 2 * 1_020, &settings), Some(0..2), "which gains 980, all of them nothing");
        assert_eq!(wish(&stack, 4_001, &settings), Some(0..3), "all gain more than the pair");
    }

    #[test]
    fn what_is_wanted_is_wished_exactly_from_the_threshold_on() {
        for sizes in [&[3, 1, 4, 1, 5][..], &[9, 2, 6], &[0, 0], &[u64::MAX / 4, 7, u64::MAX / 4]] {
            for settings in [settings(8, u64::MAX), settings(2, u64::MAX), settings(8, 100)] {
                let stack = stack(sizes);
                let threshold = want(&stack, &settings).threshold;
                assert!(threshold == 0 || wish(&stack, threshold - 1, &settings).is_none(), "{sizes:?}");
                assert!(threshold == u64::MAX || wish(&stack, threshold, &settings).is_some(), "{sizes:?}");
            }
        }
    }
}
