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

/// The runs before this position are the slots' own: those below level 0, and those of level 0 that are cut at the guards. A
/// flush that is not cut reaches over whole slots; it and what is newer goes down first. O(runs of level 0 x log slots).
pub(crate) fn own_runs<K: Ord>(slots: &[Slot<K>], version: &Version<'_, K>) -> usize {
    let level = version.level_runs(0);
    level.clone().find(|run| is_raw(slots, version, *run)).unwrap_or(level.end)
}

/// The position behind the newest run of level 0 that reaches over whole slots. O(runs of level 0 x log slots).
pub(crate) fn raw_end<K: Ord>(slots: &[Slot<K>], version: &Version<'_, K>) -> usize {
    let level = version.level_runs(0);
    level.clone().rev().find(|run| is_raw(slots, version, *run)).map_or(level.end, |run| run.saturating_add(1))
}

/// Whether a run reaches over whole slots.
fn is_raw<K: Ord>(slots: &[Slot<K>], version: &Version<'_, K>, run: usize) -> bool {
    version.run_tables(run).first().is_some_and(|table| {
        let behind = slots.get(slot_of(slots, &table.min).saturating_add(2)).and_then(|slot| slot.guard.as_ref());
        behind.is_some_and(|guard| *guard <= table.max)
    })
}

/// The stack of the slot at position `at`, in the runs before `until`.
pub(crate) fn stack<K: Ord>(slots: &[Slot<K>], at: usize, version: &Version<'_, K>, until: usize) -> Stack {
    let guard = |at: usize| slots.get(at).and_then(|slot| slot.guard.as_ref());
    Stack::of(version, until, (guard(at), guard(at.saturating_add(1))), (at, slots.len()))
}

/// Looks at the slot at position `at` anew. O(runs x log tables).
pub(crate) fn survey<K: Ord>(
    slots: &mut [Slot<K>],
    at: usize,
    version: &Version<'_, K>,
    until: usize,
    settings: &BanditSettings,
) {
    let stack = stack(slots, at, version, until);
    if let Some(slot) = slots.get_mut(at) {
        note(slot, &stack, settings);
    }
}

/// Notes what a slot holds.
pub(crate) fn note<K>(slot: &mut Slot<K>, stack: &Stack, settings: &BanditSettings) {
    slot.shape = Shape {
        runs: u32::try_from(stack.runs).unwrap_or(u32::MAX),
        bytes: clamp(stack.bytes),
        dead: clamp(stack.dead()),
        crossed: stack.crossed,
        loose: stack.lowest_gap().is_some(),
        want: wish::want(stack, &slot.plan(f64::INFINITY), settings),
    };
    if stack.runs < 2 {
        (slot.owed, slot.granted) = (0, 0);
    }
}

/// Looks at all slots anew. O(slots x runs x log tables).
pub(crate) fn survey_all<K: Ord>(slots: &mut [Slot<K>], version: &Version<'_, K>, settings: &BanditSettings) {
    let until = own_runs(slots, version);
    for at in 0..slots.len() {
        survey(slots, at, version, until, settings);
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

/// Cuts and joins slots as the data in the runs before `until` asks, all having been looked at. O(slots) when nothing is to be done.
pub(crate) fn recut<K, S>(
    slots: &mut S,
    next_id: &mut u32,
    version: &Version<'_, K>,
    until: usize,
    settings: &BanditSettings,
) where
    K: Ord + Clone,
    S: Storage<Slot<K>>,
{
    let max = slots_max(slots, settings);
    let total = version.runs_bytes(0..until);
    let least = u128::from(settings.table_bytes_max).saturating_mul(2);
    let share = least.max(total.checked_div(u128::try_from(max).unwrap_or(u128::MAX)).unwrap_or(0));
    join_light(slots, share, version, until, settings);
    let mut at = 0;
    while at < slots.as_slice().len() {
        let heavy = slots.as_slice().get(at).is_some_and(|slot| u128::from(slot.shape.bytes) / 2 > share);
        if heavy && slots.as_slice().len() < max && split(slots, at, next_id, version, until) {
            survey(slots.as_mut_slice(), at, version, until, settings);
            survey(slots.as_mut_slice(), at.saturating_add(1), version, until, settings);
        } else {
            at = at.saturating_add(1);
        }
    }
}

/// Cuts a slot in the middle of its largest run; false when that is a single table.
fn split<K, S>(slots: &mut S, at: usize, next_id: &mut u32, version: &Version<'_, K>, until: usize) -> bool
where
    K: Ord + Clone,
    S: Storage<Slot<K>>,
{
    let stack = stack(slots.as_slice(), at, version, until);
    let Some(piece) = stack.largest() else { return false };
    let tables = version.tables().get(piece.first..piece.last).unwrap_or(&[]);
    let before =
        |upto: u64| upto.saturating_sub(tables.first().map_or(0, |first| first.upto.bytes.saturating_sub(first.bytes)));
    // A border counts as the middle from a quarter of a mean table before it on: else a byte would tell where tables of one
    // length are cut, and the trees of two stores that differ by no more would part.
    let count = u64::try_from(tables.len()).unwrap_or(u64::MAX).saturating_add(1);
    let half = (piece.bytes / 2).saturating_sub((piece.bytes / 4).checked_div(count).unwrap_or(0));
    let middle = tables.partition_point(|table| before(table.upto.bytes) < half);
    // The first table stays on the left, the last on the right.
    let cut = piece.first.saturating_add(middle).saturating_add(1).min(piece.last);
    let Some(guard) = version.tables().get(cut).filter(|_| piece.first < piece.last) else { return false };
    let Some(left) = slots.as_mut_slice().get_mut(at) else { return false };
    (left.arm, left.heat) = (left.arm.halved(), left.heat / 2.0);
    (left.owed, left.granted) = (left.owed / 2, left.granted / 2);
    left.traffic = left.traffic.scaled(0.5);
    let right = Slot { guard: Some(guard.min.clone()), id: *next_id, ..left.clone() };
    *next_id = next_id.wrapping_add(1);
    storage::insert(slots, at.saturating_add(1), core::iter::once(right)) == 1
}

/// Joins neighbours that hold less than half of `share` together.
fn join_light<K, S>(slots: &mut S, share: u128, version: &Version<'_, K>, until: usize, settings: &BanditSettings)
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
        survey(slots.as_mut_slice(), at, version, until, settings);
    }
}

#[cfg(all(test, feature = "alloc"))]
mod tests {
    use super::*;
    use crate::version::{Run, Table};
    use std::vec;
    use std::vec::Vec;

    /// Calls `then` with a tree of runs of tables of these bytes, table `n` of each holding the keys from `10 n` to `10 n + 9`.
    fn with_tree(runs: &[Vec<u64>], then: impl FnOnce(&Version<'_, u32>)) {
        let (mut tables, mut sealed) = (vec![], vec![]);
        for run in runs {
            let first = tables.len();
            tables.extend((0..).zip(run).map(|(at, bytes)| Table::new(0, *bytes, at * 10, at * 10 + 9)));
            (first..).zip(&mut tables[first..]).for_each(|(id, table)| table.id = id as u64);
            sealed.push(Run::seal(1, first, &mut tables[first..]).unwrap());
        }
        then(&Version::new(&sealed, &tables).unwrap());
    }

    /// Cuts slots for runs of tables of these bytes.
    fn cut_runs(slots: &mut Vec<Slot<u32>>, runs: &[Vec<u64>]) {
        let settings = BanditSettings { table_bytes_max: 100, slots_max: 8, ..BanditSettings::default() };
        with_tree(runs, |version| {
            survey_all(slots, version, &settings);
            recut(slots, &mut 100, version, runs.len(), &settings);
        });
    }

    /// Cuts slots for one run of tables of these bytes.
    fn cut(slots: &mut Vec<Slot<u32>>, bytes: impl Iterator<Item = u64>) {
        cut_runs(slots, &[bytes.collect()]);
    }

    fn bytes(slots: &[Slot<u32>]) -> Vec<u64> {
        slots.iter().map(|slot| slot.shape.bytes).collect()
    }

    #[test]
    fn slots_are_cut_between_tables_into_even_shares() {
        let mut slots = vec![Slot::EMPTY];
        cut(&mut slots, core::iter::repeat_n(100, 16));
        assert_eq!(bytes(&slots), [400; 4]);
        let guards: Vec<_> = slots.iter().map(|slot| slot.guard).collect();
        assert_eq!(guards, [None, Some(40), Some(80), Some(120)]);
        cut(&mut slots, core::iter::repeat_n(100, 160));
        assert!(slots.len() <= 8 && bytes(&slots).iter().all(|bytes| *bytes <= 2 * 16_000 / 8), "{:?}", bytes(&slots));
    }

    #[test]
    fn where_a_slot_is_cut_does_not_hang_on_a_byte() {
        let guards = |longer: usize| {
            let mut slots = vec![Slot::EMPTY];
            cut(&mut slots, (0..16).map(|at| if at == longer { 101 } else { 100 }));
            slots.iter().map(|slot| slot.guard).collect::<Vec<_>>()
        };
        for longer in 0..16 {
            assert_eq!(guards(longer), [None, Some(40), Some(80), Some(120)], "table {longer}");
        }
    }

    #[test]
    fn a_slot_whose_runs_are_single_tables_stays_whole() {
        let mut slots = vec![Slot::EMPTY];
        cut(&mut slots, core::iter::once(1_000_000));
        assert_eq!(slots.len(), 1);
    }

    #[test]
    fn slots_whose_data_has_gone_become_one_and_keep_what_was_learned() {
        let mut slots = vec![Slot { heat: 8.0, ..Slot::EMPTY }];
        cut(&mut slots, core::iter::repeat_n(100, 32));
        assert_eq!((slots.len(), slots[3].heat), (4, 2.0));
        slots[3].arm.picks = 5;
        cut(&mut slots, core::iter::once(20));
        assert_eq!((slots.len(), slots[0].heat, slots[0].arm.picks), (1, 8.0, 5));
    }

    #[test]
    fn a_slot_left_with_one_run_owes_nothing() {
        let mut slots = vec![Slot { owed: 70, ..Slot::EMPTY }];
        cut(&mut slots, core::iter::repeat_n(100, 2));
        assert_eq!(slots[0].owed, 0);
    }

    #[test]
    fn what_a_slot_owes_and_was_granted_is_halved_each_time_it_is_cut() {
        let mut slots = vec![Slot { owed: 80, granted: 40, ..Slot::EMPTY }];
        cut_runs(&mut slots, &[vec![100; 8], vec![1; 8]]);
        let left: Vec<_> = slots.iter().map(|slot| (slot.owed, slot.granted)).collect();
        assert_eq!(left, [(20, 10); 4]);
    }

    #[test]
    fn neighbours_become_one_only_while_they_hold_less_than_half_a_share_together() {
        let mut slots = vec![Slot::EMPTY];
        let each = |sizes: [u64; 4]| sizes.into_iter().flat_map(|bytes| [bytes; 4]);
        cut(&mut slots, each([100; 4]));
        cut(&mut slots, each([10, 15, 10, 15]));
        assert_eq!(bytes(&slots), [40, 60, 40, 60], "100 of 200 are half a share");
        cut(&mut slots, each([10, 14, 10, 15]));
        assert_eq!(bytes(&slots), [96, 40, 60], "96 and 40 are more than half");
        cut(&mut slots, each([5; 4]));
        assert_eq!(bytes(&slots), [80], "looked at anew as they join");
    }

    #[test]
    fn a_run_that_reaches_into_a_third_slot_is_not_cut_at_the_guards() {
        let mut slots = vec![Slot::EMPTY];
        cut(&mut slots, core::iter::repeat_n(100, 16));
        for (min, max, expected) in [(39, 79, false), (39, 80, true), (40, 119, false), (80, 159, false)] {
            let mut tables = [Table::new(1, 1, min, max)];
            let runs = [Run::seal(0, 0, &mut tables).unwrap()];
            assert_eq!(is_raw(&slots, &Version::new(&runs, &tables).unwrap(), 0), expected, "{min} to {max}");
        }
    }

    #[test]
    fn a_key_belongs_to_the_last_slot_that_begins_at_or_before_it() {
        let mut slots = vec![Slot::EMPTY];
        cut(&mut slots, core::iter::repeat_n(100, 16));
        for (key, slot) in [(0, 0), (39, 0), (40, 1), (79, 1), (80, 2), (u32::MAX, 3)] {
            assert_eq!(slot_of(&slots, &key), slot, "key {key}");
        }
    }
}
