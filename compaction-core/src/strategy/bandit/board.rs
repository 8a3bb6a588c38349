//! Which slots want a merge, best first: kept up to date as things happen, so that a choice need not look at all slots.

use super::slot::Slot;

/// So many of the best are kept in order; a choice that is refused all of these walks the others in any order.
const BEST_MAX: usize = 16;

/// The slots that want a merge. They are listed in the slots themselves, in `nth_due`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Board {
    best: [u32; BEST_MAX],
    len: usize,
    due: usize,
    /// Runs of the slot that has most.
    pub(crate) deepest: u32,
    /// Bytes of the merges wanted.
    pub(crate) debt: u128,
}

impl Board {
    /// Lists the slots that want a merge. O(slots).
    pub(crate) fn of<K>(slots: &mut [Slot<K>]) -> Self {
        let mut board = Self::default();
        for at in 0..slots.len() {
            let Some(slot) = slots.get(at) else { break };
            board.deepest = board.deepest.max(slot.shape.runs);
            if slot.is_due() {
                board.add(slots, at);
            }
        }
        board
    }

    fn add<K>(&mut self, slots: &mut [Slot<K>], at: usize) {
        let Ok(name) = u32::try_from(at) else { return };
        if let Some(nth) = slots.get_mut(self.due) {
            nth.nth_due = name;
            self.due = self.due.saturating_add(1);
        }
        let Some(slot) = slots.get(at) else { return };
        self.debt = self.debt.saturating_add(u128::from(slot.shape.want.bytes));
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
        let board = Board::of(&mut slots);
        assert_eq!(board.best(), [2, 0, 4, 3]);
        assert_eq!((board.due(), board.debt), (4, 40));
        let listed: Vec<_> = (0..5).map(|nth| board.nth(&slots, nth)).collect();
        assert_eq!(listed, [Some(0), Some(2), Some(3), Some(4), None]);
    }

    #[test]
    fn of_many_slots_the_sixteen_best_are_kept() {
        let scores: Vec<f64> = (0..1_000u32).map(|at| f64::from(at * 7_919 % 1_000)).collect();
        let board = Board::of(&mut slots(&scores));
        let mut order: Vec<u32> = (0..1_000).collect();
        order.sort_by(|a, b| scores[*b as usize].total_cmp(&scores[*a as usize]));
        assert_eq!((board.best(), board.due()), (&order[..16], 1_000));
    }
}
