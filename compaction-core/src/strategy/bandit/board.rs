//! Which slots want a merge, best first: kept up to date as things happen, so that a choice need not look at all slots.

use core::ops::Range;

use super::slot::Slot;
use super::sums::{self, Sum};

/// So many of the best are kept in order; a choice that is refused all of these walks the others in any order.
const BEST_MAX: usize = 16;

/// Once too much may be dead in all, the slots where most may be are merged: those within this share of the worst.
const WORST: f64 = 0.8;

/// So many slots of which a piece could sink are listed.
const LOOSE_MAX: usize = 8;

/// The slots that want a merge.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Board {
    best: [u32; BEST_MAX],
    len: usize,
    due: usize,
    loose: [u32; LOOSE_MAX],
    loose_len: usize,
    /// Runs of the slot that has most.
    pub(crate) deepest: u32,
    /// Bytes of the merges wanted.
    pub(crate) debt: u128,
    /// So many times what is surely live in a slot the rest may weigh at present: without limit while all slots together keep
    /// within theirs.
    pub(crate) bloat_max: f64,
    /// How many times what is surely live the rest weighs in the slot where that is most.
    pub(crate) bloat: f64,
}

/// Whether what may be dead in all slots outweighs the rest by more than `pct` percent.
fn is_short(sum: &Sum, pct: u64) -> bool {
    let allowed = sum.bytes.saturating_sub(sum.dead).saturating_mul(pct.into());
    pct != u64::MAX && sum.dead.saturating_mul(100) > allowed
}

/// Notes whether a slot wants a merge, how large a one, and how good it would be.
fn judge<K>(slot: &mut Slot<K>, bloat_max: f64, score: impl Fn(&mut Slot<K>)) {
    let bytes = if slot.bloat() > bloat_max { slot.shape.bytes } else { slot.shape.want.bytes };
    slot.rank.is_due = slot.is_due(bloat_max);
    slot.rank.debt = if slot.rank.is_due { bytes } else { 0 };
    if slot.rank.is_due {
        slot.rank.heat = slot.heat;
        score(slot);
    }
}

impl Board {
    /// Lists the slots that want a merge; what may be dead in all of them may outweigh the rest by `bloat_pct` percent. Only of
    /// these the score counts, so only these are given to `score`. O(slots).
    pub(crate) fn of<K>(slots: &mut [Slot<K>], bloat_pct: u64, score: impl Fn(&mut Slot<K>)) -> Self {
        let add = |sum: Sum, slot: &Slot<K>| Sum {
            bytes: sum.bytes.saturating_add(slot.shape.bytes.into()),
            dead: sum.dead.saturating_add(slot.shape.dead.into()),
            bloat: sum.bloat.max(slot.bloat()),
            ..sum
        };
        let all = slots.iter().fold(Sum::NONE, add);
        let bloat_max = if is_short(&all, bloat_pct) { WORST * all.bloat } else { f64::INFINITY };
        slots.iter_mut().for_each(|slot| judge(slot, bloat_max, &score));
        sums::build(slots, 0..slots.len());
        Self::listed(slots, bloat_max)
    }

    /// As [`of`](Self::of), the slots at the positions `changed` being the only ones that have changed since. The others keep the
    /// scores that they had, with `keep` also those of these that wanted a merge before, and what a slot may weigh stays as long as
    /// one weighs more. `None` where all must be looked at. O(log slots) for each.
    pub(crate) fn renewed<K>(
        &self,
        slots: &mut [Slot<K>],
        (changed, keep): (Range<usize>, bool),
        bloat_pct: u64,
        score: impl Fn(&mut Slot<K>),
    ) -> Option<Self> {
        for slot in slots.get_mut(changed.clone())? {
            let before = slot.rank;
            let keep = keep && before.is_due;
            judge(slot, self.bloat_max, |slot| {
                if !keep {
                    score(slot)
                }
            });
            slot.rank.heat = if keep { before.heat } else { slot.rank.heat };
        }
        sums::renew(slots, 0..slots.len(), &changed);
        let all = sums::of(slots, &(0..slots.len()));
        let stays = if is_short(&all, bloat_pct) { all.bloat > self.bloat_max } else { self.bloat_max.is_infinite() };
        stays.then(|| Self::listed(slots, self.bloat_max))
    }

    /// The board of slots that have been added up.
    fn listed<K>(slots: &[Slot<K>], bloat_max: f64) -> Self {
        let Sum { due, deepest, debt, bloat, .. } = sums::of(slots, &(0..slots.len()));
        let mut board = Self { due: due as usize, deepest, debt, bloat_max, bloat, ..Self::default() };
        board.list_best(slots, 0..slots.len());
        board.list_loose(slots);
        board
    }

    /// Lists the best of a stretch of slots among those listed already.
    fn list_best<K>(&mut self, slots: &[Slot<K>], stretch: Range<usize>) {
        let sum = sums::of(slots, &stretch);
        let last = self.best.last().filter(|_| self.len == BEST_MAX);
        if sum.due == 0 || last.is_some_and(|last| !sums::is_better(slots, sum.best, *last)) {
            return;
        }
        let at = sums::middle(&stretch);
        if slots.get(at).is_some_and(|slot| slot.rank.is_due) {
            self.place(slots, at);
        }
        let mut parts = sums::parts(&stretch);
        let [before, behind] = [&parts[0], &parts[1]].map(|part| sums::of(slots, part));
        if before.due == 0 || behind.due > 0 && sums::is_better(slots, behind.best, before.best) {
            parts.reverse();
        }
        for part in parts {
            self.list_best(slots, part);
        }
    }

    fn place<K>(&mut self, slots: &[Slot<K>], at: usize) {
        let Ok(name) = u32::try_from(at) else { return };
        let place = self.best().partition_point(|other| sums::is_better(slots, *other, name));
        if let Some(tail) = self.best.get_mut(place..)
            && !tail.is_empty()
        {
            tail.rotate_right(1);
            tail.iter_mut().take(1).for_each(|first| *first = name);
            self.len = self.len.saturating_add(1).min(BEST_MAX);
        }
    }

    /// Lists the first slots of which a piece could sink. O(log slots).
    fn list_loose<K>(&mut self, slots: &[Slot<K>]) {
        self.loose_len = 0;
        let mut from = 0;
        for place in &mut self.loose {
            let Some(at) = sums::first_loose(slots, 0..slots.len(), from) else { break };
            let Ok(name) = u32::try_from(at) else { break };
            *place = name;
            self.loose_len = self.loose_len.saturating_add(1);
            from = at.saturating_add(1);
        }
    }

    /// Positions of the first slots of which a piece could sink, in the order of their keys.
    pub(crate) fn loose(&self) -> &[u32] {
        self.loose.get(..self.loose_len).unwrap_or(&[])
    }

    /// Positions of the best slots that want a merge, best first.
    pub(crate) fn best(&self) -> &[u32] {
        self.best.get(..self.len).unwrap_or(&[])
    }

    /// How many slots want a merge.
    pub(crate) fn due(&self) -> usize {
        self.due
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::strategy::bandit::wish::Want;
    use std::vec;
    use std::vec::Vec;

    fn slots(scores: &[f64]) -> Vec<Slot<u32>> {
        let slot = |score: &f64| {
            let mut slot = Slot::EMPTY;
            slot.rank.score = *score;
            slot.shape.want = if *score < 0.0 { Want::NEVER } else { Want { threshold: 0, bytes: 10 } };
            slot
        };
        scores.iter().map(slot).collect()
    }

    #[test]
    fn the_best_stand_in_order_and_slots_at_rest_are_left_out() {
        let mut slots = slots(&[0.5, -1.0, f64::INFINITY, 0.25, 0.5]);
        let board = Board::of(&mut slots, u64::MAX, |_| {});
        assert_eq!(board.best(), [2, 0, 4, 3]);
        assert_eq!((board.due(), board.debt), (4, 40));
        let due = |slots: &[Slot<u32>]| (0..5).map(|nth| sums::nth_due(slots, nth)).collect::<Vec<_>>();
        assert_eq!(due(&slots), [Some(0), Some(2), Some(3), Some(4), None]);
        let mut slots = self::slots(&[0.5, -1.0, -1.0, -1.0, 0.5]);
        Board::of(&mut slots, u64::MAX, |_| {});
        assert_eq!(due(&slots), [Some(0), Some(4), None, None, None]);
    }

    #[test]
    fn of_many_slots_the_sixteen_best_are_kept() {
        let scores: Vec<f64> = (0..1_000u32).map(|at| f64::from(at * 7_919 % 1_000)).collect();
        let board = Board::of(&mut slots(&scores), u64::MAX, |_| {});
        let mut order: Vec<u32> = (0..1_000).collect();
        order.sort_by(|a, b| scores[*b as usize].total_cmp(&scores[*a as usize]));
        assert_eq!((board.best(), board.due()), (&order[..16], 1_000));
    }

    #[test]
    fn only_slots_that_want_a_merge_are_scored_and_the_first_loose_ones_listed() {
        let mut slots = slots(&[-1.0; 20]);
        slots[3].shape.want = Want { threshold: 0, bytes: 10 };
        for at in [2, 5, 6, 7, 8, 9, 11, 13, 17] {
            slots[at].shape.loose = true;
        }
        let board = Board::of(&mut slots, u64::MAX, |slot| slot.rank.score = 0.75);
        let scored: Vec<_> = (0..20).filter(|at| slots[*at].rank.score > 0.0).collect();
        assert_eq!((scored, board.loose()), (vec![3], &[2, 5, 6, 7, 8, 9, 11, 13][..]));
    }

    /// Slots with so many bytes that may be dead and others.
    fn laden(bytes: &[(u64, u64)]) -> Vec<Slot<u32>> {
        let slot = |(dead, live): &(u64, u64)| {
            let mut slot = Slot::EMPTY;
            (slot.shape.dead, slot.shape.bytes) = (*dead, dead + live);
            slot
        };
        bytes.iter().map(slot).collect()
    }

    #[test]
    fn room_is_shared_and_when_it_is_short_the_slots_with_most_to_win_are_due() {
        let due = |bytes: &[(u64, u64)], pct| {
            let mut slots = laden(bytes);
            let board = Board::of(&mut slots, pct, |_| {});
            (0..board.due()).filter_map(|nth| sums::nth_due(&slots, nth)).collect::<Vec<_>>()
        };
        assert!(due(&[(300, 100), (0, 200)], 100).is_empty(), "300 against 300");
        assert_eq!(due(&[(301, 100), (0, 200)], 100), [0]);
        assert_eq!(due(&[(301, 100), (250, 100), (200, 100)], 100), [0, 1], "those near the worst");
        assert!(due(&[(301, 100), (0, 200)], u64::MAX).is_empty(), "no limit");
        assert_eq!(due(&[(7, 0), (0, 0)], 0), [0]);
        assert_eq!(Board::of(&mut laden(&[(301, 100), (0, 200)]), 100, |_| {}).debt, 401, "all of the slot is merged");
    }

    #[test]
    fn one_slot_taken_in_gives_the_board_of_all_looked_at_anew() {
        let mut rng = 1u64;
        let mut random = |below: u64| {
            rng = rng.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (rng >> 33) % below
        };
        let score = |slot: &mut Slot<u32>| slot.rank.score = slot.arm.mean;
        let mut slots = laden(&[(10, 400); 300]);
        let mut board = Board::of(&mut slots, 25, score);
        let (mut taken_in, mut short) = (0, 0);
        for step in 0..20_000 {
            let at = random(300) as usize;
            let slot = &mut slots[at];
            (slot.shape.bytes, slot.shape.dead) = (500, random(125) + random(100) * u64::from(step % 2_000 < 500));
            (slot.shape.runs, slot.shape.loose) = (random(9) as u32, random(30) == 0);
            slot.shape.crossed = random(400) == 0;
            slot.shape.want =
                if random(3) == 0 { Want { threshold: random(4), bytes: random(500) } } else { Want::NEVER };
            (slot.owed, slot.arm.mean, slot.heat) = (random(4), random(40) as f64, random(9) as f64);
            let mut twin = slots.clone();
            match board.renewed(&mut slots, (at..at + 1, false), 25, score) {
                Some(renewed) => (board, taken_in) = (renewed, taken_in + 1),
                None => board = Board::of(&mut slots, 25, score),
            }
            let whole = Board::of(&mut twin, 25, score);
            let [sum, twin_sum] = [&slots, &twin].map(|slots| sums::of(slots, &(0..300)));
            assert_eq!((sum.crossed, sum.bytes, sum.dead), (twin_sum.crossed, twin_sum.bytes, twin_sum.dead));
            assert_eq!(sum.crossed, slots.iter().any(|slot| slot.shape.crossed));
            assert_eq!((sum.bytes, sum.dead), sums::held(&slots));
            assert_eq!(sum.bytes, slots.iter().map(|slot| u128::from(slot.shape.bytes)).sum());
            assert_eq!(sum.dead, slots.iter().map(|slot| u128::from(slot.shape.dead)).sum());
            let is_bounded = whole.bloat_max.is_finite();
            assert_eq!(is_bounded, board.bloat_max.is_finite());
            assert_eq!((whole.bloat, whole.deepest, whole.loose()), (board.bloat, board.deepest, board.loose()));
            if is_bounded {
                // What a slot may weigh stays for a while: slots over it are due all the same.
                assert!(board.bloat > board.bloat_max && board.due() > 0, "{board:?}");
                short += 1;
            } else {
                assert_eq!(whole, board, "step {step}");
            }
        }
        assert!(taken_in > 15_000 && (500..19_000).contains(&short), "{taken_in} {short}");
    }
}
