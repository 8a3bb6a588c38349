//! Which slots want a merge, best first: kept up to date as things happen, so that a choice need not look at all slots.

use super::slot::Slot;

/// So many of the best are kept in order; a choice that is refused all of these walks the others in any order.
const BEST_MAX: usize = 16;

/// Once there is too much of newer runs in all, the slots with the most of them are merged: those within this share of the worst.
const WORST: f64 = 0.8;

/// So many slots of which a piece could sink are listed.
pub(crate) const LOOSE_MAX: usize = 8;

/// The slots that want a merge. They are listed in the slots themselves, in `nth_due`.
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
    /// So many times its oldest run a slot's newer ones may weigh at present: without limit while all slots together keep
    /// within theirs.
    pub(crate) bloat_max: f64,
    /// How many times its oldest run the newer ones weigh in the slot where that is most.
    pub(crate) bloat: f64,
}

/// See [`Board::bloat_max`]; `pct` is by how many percent the newer runs of all slots may outweigh the oldest, and `worst` how
/// many times they do in the slot where that is most.
fn bloat_max<K>(slots: &[Slot<K>], pct: u64, worst: f64) -> f64 {
    let sum = |of: fn(&Slot<K>) -> u64| slots.iter().map(|slot| u128::from(of(slot))).fold(0, u128::saturating_add);
    let (all, newer) = (sum(|slot| slot.shape.bytes), sum(|slot| slot.shape.newer));
    let allowed = all.saturating_sub(newer).saturating_mul(pct.into());
    if pct == u64::MAX || newer.saturating_mul(100) <= allowed {
        return f64::INFINITY;
    }
    WORST * worst
}

impl Board {
    /// Lists the slots that want a merge; the newer runs of all of them may outweigh the oldest by `bloat_pct` percent. Only of
    /// these the score counts, so only these are given to `score`. O(slots).
    pub(crate) fn of<K>(slots: &mut [Slot<K>], bloat_pct: u64, score: impl Fn(&mut Slot<K>)) -> Self {
        let bloat = slots.iter().map(Slot::bloat).fold(0.0, f64::max);
        let mut board = Self { bloat_max: bloat_max(slots, bloat_pct, bloat), bloat, ..Self::default() };
        for at in 0..slots.len() {
            let Some(slot) = slots.get_mut(at) else { break };
            board.deepest = board.deepest.max(slot.shape.runs);
            if slot.is_due(board.bloat_max) {
                score(slot);
                board.add(slots, at);
            }
        }
        board.list_loose(slots);
        board
    }

    /// Lists the first slots of which a piece could sink. O(slots) where there are few.
    pub(crate) fn list_loose<K>(&mut self, slots: &[Slot<K>]) {
        self.loose_len = 0;
        let loose = (0u32..).zip(slots).filter(|(_, slot)| slot.shape.loose);
        for (place, (at, _)) in self.loose.iter_mut().zip(loose) {
            *place = at;
            self.loose_len = self.loose_len.saturating_add(1);
        }
    }

    /// Positions of the first slots of which a piece could sink, in the order of their keys.
    pub(crate) fn loose(&self) -> &[u32] {
        self.loose.get(..self.loose_len).unwrap_or(&[])
    }

    fn add<K>(&mut self, slots: &mut [Slot<K>], at: usize) {
        let Ok(name) = u32::try_from(at) else { return };
        if let Some(nth) = slots.get_mut(self.due) {
            nth.nth_due = name;
            self.due = self.due.saturating_add(1);
        }
        let Some(slot) = slots.get(at) else { return };
        let bytes = if slot.bloat() > self.bloat_max { slot.shape.bytes } else { slot.shape.want.bytes };
        self.debt = self.debt.saturating_add(bytes.into());
        let stays = |other: &u32| slots.get(*other as usize).is_some_and(|other| !is_better(slot, other));
        let place = self.best().partition_point(stays);
        if let Some(tail) = self.best.get_mut(place..)
            && !tail.is_empty()
        {
            tail.rotate_right(1);
            tail.iter_mut().take(1).for_each(|first| *first = name);
            self.len = self.len.saturating_add(1).min(BEST_MAX);
        }
    }

    /// Positions of the best slots that want a merge, best first.
    pub(crate) fn best(&self) -> &[u32] {
        self.best.get(..self.len).unwrap_or(&[])
    }

    /// How many slots want a merge.
    pub(crate) fn due(&self) -> usize {
        self.due
    }

    /// The position of the `nth` slot that wants a merge, in no particular order.
    pub(crate) fn nth<K>(&self, slots: &[Slot<K>], nth: usize) -> Option<usize> {
        slots.get(..self.due)?.get(nth).map(|slot| slot.nth_due as usize)
    }
}

/// By score, then by heat.
fn is_better<K>(a: &Slot<K>, b: &Slot<K>) -> bool {
    a.score > b.score || (a.score >= b.score && a.heat > b.heat)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::strategy::bandit::wish::Want;
    use std::vec;
    use std::vec::Vec;

    fn slots(scores: &[f64]) -> Vec<Slot<u32>> {
        let slot = |score: &f64| {
            let mut slot = Slot { score: *score, ..Slot::EMPTY };
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
        let listed: Vec<_> = (0..5).map(|nth| board.nth(&slots, nth)).collect();
        assert_eq!(listed, [Some(0), Some(2), Some(3), Some(4), None]);
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
        let board = Board::of(&mut slots, u64::MAX, |slot| slot.score = 0.75);
        let scored: Vec<_> = (0..20).filter(|at| slots[*at].score > 0.0).collect();
        assert_eq!((scored, board.loose()), (vec![3], &[2, 5, 6, 7, 8, 9, 11, 13][..]));
    }

    /// Slots with so many bytes in their newer runs and in the oldest.
    fn laden(bytes: &[(u64, u64)]) -> Vec<Slot<u32>> {
        let slot = |(newer, oldest): &(u64, u64)| {
            let mut slot = Slot::EMPTY;
            (slot.shape.newer, slot.shape.bytes) = (*newer, newer + oldest);
            slot
        };
        bytes.iter().map(slot).collect()
    }

    #[test]
    fn room_is_shared_and_when_it_is_short_the_slots_with_most_to_win_are_due() {
        let due = |bytes: &[(u64, u64)], pct| {
            let mut slots = laden(bytes);
            let board = Board::of(&mut slots, pct, |_| {});
            (0..board.due()).filter_map(|nth| board.nth(&slots, nth)).collect::<Vec<_>>()
        };
        assert_eq!(due(&[(300, 100), (0, 200)], 100), [], "300 against 300");
        assert_eq!(due(&[(301, 100), (0, 200)], 100), [0]);
        assert_eq!(due(&[(301, 100), (250, 100), (200, 100)], 100), [0, 1], "those near the worst");
        assert_eq!(due(&[(301, 100), (0, 200)], u64::MAX), [], "no limit");
        assert_eq!(due(&[(7, 0), (0, 0)], 0), [0]);
    }
}
