//! What a slot wants merged: neighbours in age of its stack, and why.
//!
//! 1. Sink: the newest tables meet nothing of the piece before them: they join it, and nothing is written. Not in a slot with too
//!    many runs: there a merge takes away many at once.
//! 2. Space: what may be dead in all slots, by newer runs and their tombstones, outweighs the rest by more than is allowed, and
//!    here most: everything.
//! 3. Layout: what the slot's [layout](super::layout) merges.
//! 4. Ski rental: reads had to look into more than one run, and what that has cost them beyond what the layout was chosen for,
//!    the slot's `owed`, has reached a share of what a merge would cost: read and written, twice its bytes. Each group of
//!    neighbours is charged its share of what is owed; the one with the largest gain is merged. What the layout was chosen for is
//!    granted with each flush, in advance: charged first and forgiven later it would have paid for merges meanwhile.
//! 5. Count: more runs than any slot may have: the cheapest neighbours, and older ones that are no larger than all of
//!    these together; of a pile all that is newer than what such a merge has made before.
//!
//! Source of 4: merging when reads beyond the usual pay for it is never much worse than the best choice in hindsight, without
//! any forecast.

use core::ops::Range;

use super::layout::{BUNCHES, Layout};
use super::settings::BanditSettings;
use super::stack::{PIECES_MAX, Piece, Stack};
use crate::decision::SlotTrigger;
use crate::strategy::{PPM, clamp};

/// Bytes moved by a merge, for each byte of its inputs: one read, one written.
const MERGE_COST: u128 = 2;

/// How a slot's runs are to be laid out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Target {
    pub(crate) layout: Layout,
    /// Bytes of a piece as flushes bring it; 0 if not known: then the newest piece counts as one.
    pub(crate) base: f64,
    /// So many times what is surely live the rest may weigh at present.
    pub(crate) bloat_max: f64,
}

/// What a slot wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wish {
    /// The pieces, as positions in its stack.
    pub(crate) group: Range<usize>,
    /// What for.
    pub(crate) trigger: SlotTrigger,
}

/// What a slot wants; `None` when it wants nothing.
pub(crate) fn wish(stack: &Stack, owed: u64, target: &Target, settings: &BanditSettings) -> Option<Wish> {
    let few = stack.runs <= settings.cold_runs_max as usize;
    match stack.pieces().iter().position(|piece| piece.clear).filter(|_| few) {
        Some(at) => Some(Wish { group: at..at.saturating_add(2), trigger: SlotTrigger::Sink }),
        None => merge_wish(stack, owed, target, settings),
    }
}

/// As `wish`, but for what could sink.
pub(crate) fn merge_wish(stack: &Stack, owed: u64, target: &Target, settings: &BanditSettings) -> Option<Wish> {
    let wish = |trigger, group| Some(Wish { group, trigger });
    if stack.runs < 2 {
        return None;
    }
    if is_bloated(stack, target.bloat_max) {
        return wish(SlotTrigger::Space, 0..stack.pieces().len());
    }
    let newest = laid_out(stack, target);
    if newest > 1 {
        return wish(SlotTrigger::Layout, 0..newest);
    }
    if let Some(group) = paid(stack, owed, settings) {
        return wish(SlotTrigger::Reads, group);
    }
    surplus(stack, target.layout, settings).and_then(|group| wish(SlotTrigger::Runs, group))
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
pub(crate) fn want(stack: &Stack, target: &Target, settings: &BanditSettings) -> Want {
    if let Some(Wish { group, trigger }) = wish(stack, 0, target, settings) {
        if trigger == SlotTrigger::Sink {
            return Want { threshold: 0, bytes: 0 };
        }
        let bytes = stack.pieces().get(group).unwrap_or(&[]).iter().map(|piece| piece.bytes);
        return Want { threshold: 0, bytes: bytes.fold(0, u64::saturating_add) };
    }
    let mut least = (u128::MAX, 0);
    groups(stack, |_, extra, bytes| {
        let price = price(stack, bytes, settings);
        // Most groups are dearer than the least one: that is seen without a division.
        if price <= extra.saturating_mul(least.0) {
            least = least.min((price.div_ceil(extra.max(1)), bytes));
        }
    });
    Want { threshold: u64::try_from(least.0).unwrap_or(u64::MAX), bytes: clamp(least.1) }
}

/// How many of the newest pieces the layout merges.
fn laid_out(stack: &Stack, target: &Target) -> usize {
    let pieces = stack.pieces();
    let newest = pieces.first().map_or(1.0, |piece| piece.bytes as f64);
    let base = if target.base > 0.0 { target.base } else { newest }.max(1.0);
    let mut sizes = [0.0; PIECES_MAX];
    for (size, piece) in sizes.iter_mut().zip(pieces) {
        *size = piece.bytes as f64 / base;
    }
    target.layout.newest(sizes.get(..pieces.len()).unwrap_or(&[]))
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

/// Whether what may be dead outweighs the rest by too much.
fn is_bloated(stack: &Stack, bloat_max: f64) -> bool {
    let dead = stack.dead();
    dead as f64 > bloat_max * stack.bytes.saturating_sub(dead).max(1) as f64
}

/// What must be owed for a group of `bytes` to be paid for, times the extra runs in it.
fn price(stack: &Stack, bytes: u128, settings: &BanditSettings) -> u128 {
    if settings.rent_ppm == u64::MAX {
        return u128::MAX;
    }
    let extra = u128::try_from(stack.runs.saturating_sub(1)).unwrap_or(u128::MAX);
    let moved = bytes.saturating_mul(MERGE_COST).saturating_mul(settings.rent_ppm.into());
    // Divisions of 128 bits are dear, and every group of neighbours has one.
    let share = match u64::try_from(moved) {
        Ok(moved) => u128::from(moved / PPM),
        Err(_) => moved.checked_div(PPM.into()).unwrap_or(u128::MAX),
    };
    share.saturating_mul(extra)
}

/// The group of neighbours whose share of what is owed exceeds its cost by most. Shares and costs are compared times the
/// number of extra runs of the slot, so that nothing is rounded.
fn paid(stack: &Stack, owed: u64, settings: &BanditSettings) -> Option<Range<usize>> {
    let mut best: Option<(u128, Range<usize>)> = None;
    groups(stack, |group, extra, bytes| {
        let share = u128::from(owed).saturating_mul(extra);
        if let Some(gain) = share.checked_sub(price(stack, bytes, settings))
            && best.as_ref().is_none_or(|(most, _)| gain > *most)
        {
            best = Some((gain, group));
        }
    });
    best.map(|(_, group)| group)
}

/// Calls `visit` with every group of at least two neighbours, how many runs a merge of it takes away, and its bytes.
fn groups(stack: &Stack, mut visit: impl FnMut(Range<usize>, u128, u128)) {
    for (newest, first) in stack.pieces().iter().enumerate() {
        let (mut runs, mut bytes) = (first.runs, u128::from(first.bytes));
        for (oldest, piece) in stack.pieces().iter().enumerate().skip(newest.saturating_add(1)) {
            runs = runs.saturating_add(piece.runs);
            bytes = bytes.saturating_add(u128::from(piece.bytes));
            let extra = u128::try_from(runs.saturating_sub(1)).unwrap_or(1);
            visit(newest..oldest.saturating_add(1), extra, bytes);
        }
    }
}

/// The cheapest neighbours whose merge brings the slot down to the allowed number of runs, and older ones, as long as they are
/// no larger than these together. Of a pile the newest, up to the first that is large beside all but the oldest.
fn surplus(stack: &Stack, layout: Layout, settings: &BanditSettings) -> Option<Range<usize>> {
    let over = stack.runs.checked_sub(settings.cold_runs_max as usize).filter(|over| *over > 0)?;
    let pieces = stack.pieces();
    let large = stack.newer() as f64 / BUNCHES;
    let newest = pieces.iter().position(|piece| piece.runs == 1 && piece.bytes as f64 > large).unwrap_or(pieces.len());
    let runs = pieces.iter().take(newest).map(|piece| piece.runs).fold(0, usize::saturating_add);
    if layout == Layout::Pile && runs > over {
        return Some(0..newest);
    }
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
        Stack::of(&Version::new(&runs, &tables).unwrap(), runs.len(), (None, None), (0, 1))
    }

    fn settings(cold_runs_max: u32, max_space_amp_pct: u64) -> BanditSettings {
        BanditSettings { cold_runs_max, max_space_amp_pct, rent_ppm: PPM, ..BanditSettings::default() }
    }

    /// What a slot of eight-way tiering wants merged.
    fn group(stack: &Stack, owed: u64, settings: &BanditSettings) -> Option<Range<usize>> {
        wish(stack, owed, &tiered(settings), settings).map(|wish| wish.group)
    }

    /// Of a slot that is alone.
    fn tiered(settings: &BanditSettings) -> Target {
        let pct = settings.max_space_amp_pct;
        let bloat_max = if pct == u64::MAX { f64::INFINITY } else { pct as f64 / 100.0 };
        Target { layout: Layout::Tiered(8), base: 0.0, bloat_max }
    }

    #[test]
    fn newer_runs_that_outweigh_the_oldest_want_everything_merged() {
        let settings = settings(8, 50);
        assert_eq!(group(&stack(&[25, 25, 100]), 0, &settings), None);
        assert_eq!(group(&stack(&[25, 26, 100]), 0, &settings), Some(0..3));
        assert_eq!(group(&stack(&[1, 0]), 0, &settings), Some(0..2), "the oldest is empty");
        assert_eq!(group(&stack(&[99, 100]), 0, &self::settings(8, u64::MAX)), None, "no limit");
    }

    #[test]
    fn too_many_runs_merge_the_cheapest_and_older_ones_no_larger_than_these() {
        let settings = settings(3, u64::MAX);
        assert_eq!(group(&stack(&[9, 9, 900]), 0, &settings), None);
        assert_eq!(group(&stack(&[50, 90, 9, 900]), 0, &settings), Some(1..3), "99 B before 140 B");
        assert_eq!(group(&stack(&[5, 90, 200, 900]), 0, &settings), Some(0..2), "200 B are more than both");
        assert_eq!(group(&stack(&[9, 9, 18, 36, 900]), 0, &settings), Some(0..4));
        assert_eq!(group(&stack(&[9, 9, 30, 36, 900]), 0, &settings), Some(0..4), "two over: three and 36 B more");
    }

    #[test]
    fn while_no_flush_has_told_the_size_of_a_piece_the_newest_counts_as_one() {
        let settings = settings(100, u64::MAX);
        let seven = |piece: u64| stack(&[[10].as_slice(), &[piece; 7], &[100_000]].concat());
        assert_eq!(group(&seven(100), 0, &settings), None, "seven of the second class, one of the first");
        assert_eq!(group(&seven(25), 0, &settings), Some(0..8), "eight of the first");
    }

    #[test]
    fn reads_merge_nothing_where_they_never_pay() {
        let settings = BanditSettings { rent_ppm: u64::MAX, ..settings(100, u64::MAX) };
        let stack = stack(&[10, 10, 1_000]);
        assert_eq!(group(&stack, u64::MAX, &settings), None);
        assert_eq!(want(&stack, &tiered(&settings), &settings).threshold, u64::MAX);
    }

    #[test]
    fn a_group_is_merged_once_its_share_of_what_reads_paid_covers_it() {
        let settings = settings(8, u64::MAX);
        let stack = stack(&[10, 10, 1_000]);
        // Two extra runs: the pair has one of them, so half of what is owed must cover twice 20 B.
        assert_eq!(want(&stack, &tiered(&settings), &settings), Want { threshold: 80, bytes: 20 });
        assert_eq!(group(&stack, 79, &settings), None);
        assert_eq!(group(&stack, 80, &settings), Some(0..2));
        // All three cost twice 1 020 B.
        assert_eq!(group(&stack, 2 * 1_020, &settings), Some(0..2), "which gains 980, all of them nothing");
        assert_eq!(group(&stack, 4_001, &settings), Some(0..3), "all gain more than the pair");
    }

    #[test]
    fn what_is_wanted_is_wished_exactly_from_the_threshold_on() {
        for sizes in [&[3, 1, 4, 1, 5][..], &[9, 2, 6], &[0, 0], &[u64::MAX / 4, 7, u64::MAX / 4]] {
            for settings in [settings(8, u64::MAX), settings(2, u64::MAX), settings(8, 100)] {
                let stack = stack(sizes);
                let threshold = want(&stack, &tiered(&settings), &settings).threshold;
                assert!(threshold == 0 || group(&stack, threshold - 1, &settings).is_none(), "{sizes:?}");
                assert!(threshold == u64::MAX || group(&stack, threshold, &settings).is_some(), "{sizes:?}");
            }
        }
    }

    #[test]
    fn the_reason_tells_what_for_and_what_meets_nothing_older_sinks_first() {
        let trigger = |stack: &Stack, owed, layout: Layout, settings: &BanditSettings| {
            let target = Target { layout, base: 10.0, ..tiered(settings) };
            wish(stack, owed, &target, settings).map(|wish| wish.trigger)
        };
        let (eight, none) = (settings(8, u64::MAX), settings(8, 0));
        let mut stack = stack(&[10, 10, 1_000]);
        let (one, many) = (Layout::One, Layout::Tiered(8));
        assert_eq!(trigger(&stack, 0, many, &none), Some(SlotTrigger::Space));
        assert_eq!(trigger(&stack, 0, one, &eight), Some(SlotTrigger::Layout));
        assert_eq!(trigger(&stack, 80, many, &eight), Some(SlotTrigger::Reads));
        assert_eq!(trigger(&stack, 80, many, &BanditSettings { rent_ppm: u64::MAX, ..eight }), None);
        assert_eq!(trigger(&stack, 0, many, &settings(2, u64::MAX)), Some(SlotTrigger::Runs));
        stack.set_clear(1);
        let one = Target { layout: one, ..tiered(&none) };
        assert_eq!(wish(&stack, 0, &one, &none), Some(Wish { group: 1..3, trigger: SlotTrigger::Sink }));
        assert_eq!(want(&stack, &one, &none), Want { threshold: 0, bytes: 0 });
    }
}
