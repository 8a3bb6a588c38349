//! The guard keys: where the key range is cut into slots.
//!
//! A slot that holds more than twice its share of the bytes is cut at the middle of its largest run, between two tables; two
//! neighbours that hold less than half a share together become one. The share is two tables, or more when the number of
//! slots is used up. So guards stand about a table apart at least, and follow the data.

use super::settings::BanditSettings;
use super::slot::{Shape, Slot};
use super::stack::Stack;
use super::wish;
use crate::storage::{self, Storage};
use crate::strategy::clamp;
use crate::version::Version;

/// The stack of the slot at position `at`.
pub(crate) fn stack<K: Ord>(slots: &[Slot<K>], at: usize, version: &Version<'_, K>) -> Stack {
    let guard = |at: usize| slots.get(at).and_then(|slot| slot.guard.as_ref());
    Stack::of(version, guard(at), guard(at.saturating_add(1)))
}

/// Looks at the slot at position `at` anew. O(runs x log tables).
pub(crate) fn survey<K: Ord>(slots: &mut [Slot<K>], at: usize, version: &Version<'_, K>, settings: &BanditSettings) {
    let stack = stack(slots, at, version);
    let Some(slot) = slots.get_mut(at) else { return };
    slot.shape = Shape {
        runs: u32::try_from(stack.runs).unwrap_or(u32::MAX),
        bytes: clamp(stack.bytes),
        crossed: stack.crossed,
        loose: stack.lowest_gap().is_some(),
        want: wish::want(&stack, settings),
    };
    if stack.runs < 2 {
        slot.owed = 0;
    }
}

/// Looks at all slots anew. O(slots x runs x log tables).
pub(crate) fn survey_all<K: Ord>(slots: &mut [Slot<K>], version: &Version<'_, K>, settings: &BanditSettings) {
    for at in 0..slots.len() {
        survey(slots, at, version, settings);
    }
}

/// How many slots there may be.
pub(crate) fn slots_max<K>(slots: &impl Storage<Slot<K>>, settings: &BanditSettings) -> usize {
    (settings.slots_max as usize).min(slots.len_max())
}

/// The slot that `key` belongs to. O(log slots).
pub(crate) fn slot_of<K: Ord>(slots: &[Slot<K>], key: &K) -> usize {
    slots.partition_point(|slot| slot.guard.as_ref().is_none_or(|guard| guard <= key)).saturating_sub(1)
}

/// Looks at all slots anew, and cuts and joins them as the data asks. O(slots x runs x log tables).
pub(crate) fn recut<K, S>(slots: &mut S, next_id: &mut u32, version: &Version<'_, K>, settings: &BanditSettings)
where
    K: Ord + Clone,
    S: Storage<Slot<K>>,
{
    let max = slots_max(slots, settings);
    survey_all(slots.as_mut_slice(), version, settings);
    let total = version.runs_bytes(0..version.level_runs(0).start);
    let least = u128::from(settings.table_bytes_max).saturating_mul(2);
    let share = least.max(total.checked_div(u128::try_from(max).unwrap_or(u128::MAX)).unwrap_or(0));
    join_light(slots, share, version, settings);
    let mut at = 0;
    while at < slots.as_slice().len() {
        let heavy = slots.as_slice().get(at).is_some_and(|slot| u128::from(slot.shape.bytes) / 2 > share);
        if heavy && slots.as_slice().len() < max && split(slots, at, next_id, version) {
            survey(slots.as_mut_slice(), at, version, settings);
            survey(slots.as_mut_slice(), at.saturating_add(1), version, settings);
        } else {
            at = at.saturating_add(1);
        }
    }
}

/// Cuts a slot in the middle of its largest run; false when that is a single table.
fn split<K, S>(slots: &mut S, at: usize, next_id: &mut u32, version: &Version<'_, K>) -> bool
where
    K: Ord + Clone,
    S: Storage<Slot<K>>,
{
    let stack = stack(slots.as_slice(), at, version);
    let Some(piece) = stack.largest() else { return false };
    let tables = version.tables().get(piece.first..piece.last).unwrap_or(&[]);
    let before =
        |upto: u64| upto.saturating_sub(tables.first().map_or(0, |first| first.upto.bytes.saturating_sub(first.bytes)));
    let middle = tables.partition_point(|table| before(table.upto.bytes) < piece.bytes / 2);
    // The first table stays on the left, the last on the right.
    let cut = piece.first.saturating_add(middle).saturating_add(1).min(piece.last);
    let Some(guard) = version.tables().get(cut).filter(|_| piece.first < piece.last) else { return false };
    let Some(left) = slots.as_mut_slice().get_mut(at) else { return false };
    (left.arm, left.heat, left.owed) = (left.arm.halved(), left.heat / 2.0, left.owed / 2);
    let right = Slot { guard: Some(guard.min.clone()), id: *next_id, ..left.clone() };
    *next_id = next_id.wrapping_add(1);
    storage::insert(slots, at.saturating_add(1), core::iter::once(right)) == 1
}

/// Joins neighbours that hold less than half of `share` together.
fn join_light<K, S>(slots: &mut S, share: u128, version: &Version<'_, K>, settings: &BanditSettings)
where
    K: Ord + Clone,
    S: Storage<Slot<K>>,
{
    let mut at = 0;
    while let Some([left, right]) = slots.as_mut_slice().get_mut(at..).and_then(|tail| tail.first_chunk_mut::<2>()) {
        let bytes = u128::from(left.shape.bytes).saturating_add(u128::from(right.shape.bytes));
        if bytes >= share / 2 {
            at = at.saturating_add(1);
            continue;
        }
        left.join(right);
        storage::remove(slots, at.saturating_add(1), 1);
        survey(slots.as_mut_slice(), at, version, settings);
    }
}
