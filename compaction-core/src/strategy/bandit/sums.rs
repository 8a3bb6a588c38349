//! What stretches of slots come to together: a tree over their positions, so that one slot that has changed is taken in with
//! O(log slots).
//!
//! A stretch is summed up in the slot in its middle; what lies before and behind that slot are stretches of their own.

use core::ops::Range;

use super::slot::Slot;

/// What a stretch of slots comes to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Sum {
    /// Slots that want a merge.
    pub(crate) due: u32,
    /// Position of the best of these; of no meaning if there are none.
    pub(crate) best: u32,
    /// Runs of the slot that has most.
    pub(crate) deepest: u32,
    /// Whether a piece of any could sink.
    pub(crate) loose: bool,
    /// Whether a table of any reaches over a border.
    pub(crate) crossed: bool,
    /// Bytes of the merges wanted.
    pub(crate) debt: u128,
    /// Bytes in the slots.
    pub(crate) bytes: u128,
    /// Bytes in all runs of each slot but the oldest.
    pub(crate) dead: u128,
    /// How many times what is surely live the rest weighs in the slot where that is most.
    pub(crate) bloat: f64,
}

impl Sum {
    /// Of no slots.
    pub(crate) const NONE: Self =
        Self { due: 0, best: 0, deepest: 0, loose: false, crossed: false, debt: 0, bytes: 0, dead: 0, bloat: 0.0 };
}

/// The position in the middle of a stretch.
pub(crate) fn middle(stretch: &Range<usize>) -> usize {
    stretch.start.saturating_add(stretch.len() / 2)
}

/// The stretches before and behind the slot in the middle.
pub(crate) fn parts(stretch: &Range<usize>) -> [Range<usize>; 2] {
    let at = middle(stretch);
    [stretch.start..at, at.saturating_add(1)..stretch.end]
}

/// What a stretch comes to, as it was last added up.
pub(crate) fn of<K>(slots: &[Slot<K>], stretch: &Range<usize>) -> Sum {
    if stretch.is_empty() {
        return Sum::NONE;
    }
    slots.get(middle(stretch)).map_or(Sum::NONE, |slot| slot.sum)
}

/// Bytes in the slots, and in all runs of each but the oldest, as last looked at. O(slots).
pub(crate) fn held<K>(slots: &[Slot<K>]) -> (u128, u128) {
    slots.iter().fold((0, 0), |(bytes, dead): (u128, u128), slot| {
        (bytes.saturating_add(slot.shape.bytes.into()), dead.saturating_add(slot.shape.dead.into()))
    })
}

/// Adds up a stretch and all stretches within. O(slots).
pub(crate) fn build<K>(slots: &mut [Slot<K>], stretch: Range<usize>) {
    let all = stretch.clone();
    renew(slots, stretch, &all);
}

/// Adds up the stretches that hold a slot at one of the positions `changed`, the only ones that have changed. O(log slots) for each.
pub(crate) fn renew<K>(slots: &mut [Slot<K>], stretch: Range<usize>, changed: &Range<usize>) {
    if stretch.start.max(changed.start) < stretch.end.min(changed.end) {
        for part in parts(&stretch) {
            renew(slots, part, changed);
        }
        add_up(slots, &stretch);
    }
}

/// Adds up a stretch from its parts and the slot in between.
fn add_up<K>(slots: &mut [Slot<K>], stretch: &Range<usize>) {
    let at = middle(stretch);
    let [before, behind] = parts(stretch).map(|part| of(slots, &part));
    let (Some(slot), Ok(name)) = (slots.get(at), u32::try_from(at)) else { return };
    let mut best = [(before.due > 0, before.best), (slot.rank.is_due, name), (behind.due > 0, behind.best)]
        .into_iter()
        .filter_map(|(is_due, at)| is_due.then_some(at));
    let first = best.next().unwrap_or(name);
    let sum = Sum {
        due: before.due.saturating_add(behind.due).saturating_add(u32::from(slot.rank.is_due)),
        best: best.fold(first, |best, other| if is_better(slots, other, best) { other } else { best }),
        deepest: before.deepest.max(behind.deepest).max(slot.shape.runs),
        loose: before.loose || behind.loose || slot.shape.loose,
        crossed: before.crossed || behind.crossed || slot.shape.crossed,
        debt: before.debt.saturating_add(behind.debt).saturating_add(slot.rank.debt.into()),
        bytes: before.bytes.saturating_add(behind.bytes).saturating_add(slot.shape.bytes.into()),
        dead: before.dead.saturating_add(behind.dead).saturating_add(slot.shape.dead.into()),
        bloat: before.bloat.max(behind.bloat).max(slot.bloat()),
    };
    if let Some(slot) = slots.get_mut(at) {
        slot.sum = sum;
    }
}

/// Whether the slot at `a` goes before the one at `b`: by score, then by heat, then by position.
pub(crate) fn is_better<K>(slots: &[Slot<K>], a: u32, b: u32) -> bool {
    let rank = |at: u32| slots.get(at as usize).map(|slot| slot.rank);
    let (Some(one), Some(other)) = (rank(a), rank(b)) else { return false };
    let heat = one.heat > other.heat || (one.heat >= other.heat && a < b);
    one.score > other.score || (one.score >= other.score && heat)
}

/// The position of the `nth` slot that wants a merge, in the order of their keys. O(log slots).
pub(crate) fn nth_due<K>(slots: &[Slot<K>], mut nth: usize) -> Option<usize> {
    let mut stretch = 0..slots.len();
    while !stretch.is_empty() {
        let [before, behind] = parts(&stretch);
        let first = of(slots, &before).due as usize;
        if nth < first {
            stretch = before;
            continue;
        }
        nth = nth.saturating_sub(first);
        let at = middle(&stretch);
        if slots.get(at)?.rank.is_due {
            if nth == 0 {
                return Some(at);
            }
            nth = nth.saturating_sub(1);
        }
        stretch = behind;
    }
    None
}

/// The first slot of a stretch, from position `from` on, of which a piece could sink. O(log slots).
pub(crate) fn first_loose<K>(slots: &[Slot<K>], stretch: Range<usize>, from: usize) -> Option<usize> {
    if stretch.end <= from || !of(slots, &stretch).loose {
        return None;
    }
    let (at, [before, behind]) = (middle(&stretch), parts(&stretch));
    first_loose(slots, before, from)
        .or_else(|| (at >= from && slots.get(at)?.shape.loose).then_some(at))
        .or_else(|| first_loose(slots, behind, from))
}
