//! One slot of the key range.

use super::arm::Arm;
use super::estimator::FEATURES;
use super::layout::Layout;
use super::sums::Sum;
use super::traffic::Traffic;
use super::wish::{Target, Want};

/// A stretch of the key range with what was learned of it; the strategy keeps them in the caller's storage.
#[derive(Clone, Debug, PartialEq)]
pub struct Slot<K> {
    /// Its first key; `None` for the first slot, which has no lower border.
    pub(crate) guard: Option<K>,
    /// Its name, kept while slots before it are split or joined.
    pub(crate) id: u32,
    pub(crate) arm: Arm,
    /// Heat in the unit of `Heat`.
    pub(crate) heat: f64,
    /// What its extra runs have cost reads beyond what they were granted, in bytes read.
    pub(crate) owed: u64,
    /// What they may yet cost before the next flush comes: its layout was chosen for that.
    pub(crate) granted: u64,
    pub(crate) traffic: Traffic,
    /// How its runs are laid out at present.
    pub(crate) layout: Layout,
    /// What was found in the tree when last looked at.
    pub(crate) shape: Shape,
    /// What an estimator may go by, as of the last refresh.
    pub(crate) context: [f64; FEATURES],
    /// How it stood among the others when last judged.
    pub(crate) rank: Rank,
    /// What the stretch of slots comes to of which this is the middle.
    pub(crate) sum: Sum,
}

/// How a slot stands among the others.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Rank {
    /// Whether it wants a merge.
    pub(crate) is_due: bool,
    /// Bytes of that merge.
    pub(crate) debt: u64,
    pub(crate) score: f64,
    pub(crate) heat: f64,
}

/// What a slot holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) runs: u32,
    /// Saturates.
    pub(crate) bytes: u64,
    /// Bytes that may be dead, as [`Stack::dead`](super::stack::Stack::dead) counts them.
    pub(crate) dead: u64,
    /// Whether a table reaches over a border.
    pub(crate) crossed: bool,
    /// Whether a piece could sink.
    pub(crate) loose: bool,
    pub(crate) want: Want,
}

impl<K> Slot<K> {
    /// A filler for storage that must be initialised, such as a lent array; also the one slot of a tree not yet looked at.
    pub const EMPTY: Self = Self {
        guard: None,
        id: 0,
        arm: Arm::NEW,
        heat: 0.0,
        owed: 0,
        granted: 0,
        traffic: Traffic::NONE,
        layout: Layout::Tiered(8),
        shape: Shape { runs: 0, bytes: 0, dead: 0, crossed: false, loose: false, want: Want::NEVER },
        context: [0.0; FEATURES],
        rank: Rank { is_due: false, debt: 0, score: f64::INFINITY, heat: 0.0 },
        sum: Sum::NONE,
    };

    /// The name under which reasons and rewards speak of it.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Its first key; `None` for the first slot, which has no lower border.
    #[must_use]
    pub fn guard(&self) -> Option<&K> {
        self.guard.as_ref()
    }

    /// Runs that had tables in it when last looked at.
    #[must_use]
    pub fn runs(&self) -> u32 {
        self.shape.runs
    }

    /// Bytes in it when last looked at, tables that reach over a border counted whole. Saturates.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.shape.bytes
    }

    /// How its runs are laid out at present.
    #[must_use]
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// How often it was worked on.
    #[must_use]
    pub fn picks(&self) -> u64 {
        self.arm.picks
    }

    /// The mean reward of that, 0 to 1.
    #[must_use]
    pub fn mean_reward(&self) -> f64 {
        self.arm.mean
    }

    /// Whether it wants a merge, what may be dead being allowed to weigh `bloat_max` times the rest.
    pub(crate) fn is_due(&self, bloat_max: f64) -> bool {
        self.owed >= self.shape.want.threshold && self.shape.want.threshold != u64::MAX || self.bloat() > bloat_max
    }

    /// How many times what is surely live the rest weighs.
    pub(crate) fn bloat(&self) -> f64 {
        self.shape.dead as f64 / (self.shape.bytes.saturating_sub(self.shape.dead)).max(1) as f64
    }

    /// How its runs are to be laid out, what may be dead being allowed to weigh `bloat_max` times the rest.
    pub(crate) fn plan(&self, bloat_max: f64) -> Target {
        Target { layout: self.layout, base: self.traffic.base, bloat_max }
    }

    /// Takes in the slot that begins where this one ends.
    pub(crate) fn join(&mut self, right: &Self) {
        self.arm = self.arm.joined(right.arm);
        self.heat += right.heat;
        self.owed = self.owed.saturating_add(right.owed);
        self.granted = self.granted.saturating_add(right.granted);
        self.traffic = self.traffic.joined(right.traffic);
    }

    /// Charges reads that paid `cost` for runs beyond the first: what was granted for them first.
    pub(crate) fn charge(&mut self, cost: u64) {
        let left = self.granted.saturating_sub(cost);
        self.owed = self.owed.saturating_add(cost.saturating_sub(self.granted));
        self.granted = left;
    }

    /// A flush came, and a layout is chosen for what reads are now seen to pay, `usual` for a run: so much of what they were not
    /// granted is owed no longer.
    pub(crate) fn forgive(&mut self, usual: f64) {
        self.owed = self.owed.saturating_sub(self.extra(usual));
    }

    /// Until the next flush reads may pay what is `usual` for each run that the slot has, and nothing is owed to them: a merge before
    /// would be what its layout was chosen not to do.
    pub(crate) fn grant(&mut self, usual: f64) {
        self.granted = self.extra(usual);
    }

    /// What runs beyond the first cost at so much for each.
    fn extra(&self, cost: f64) -> u64 {
        (cost * f64::from(self.shape.runs.saturating_sub(1))) as u64
    }

    /// What is still owed and granted after a merge left `after` of `before` runs: the share of the extra runs that are left.
    pub(crate) fn settle(&mut self, before: u32, after: u32) {
        let (before, after) = (u128::from(before.saturating_sub(1)), u128::from(after.saturating_sub(1)));
        let left = |sum: u64| {
            let left = u128::from(sum).saturating_mul(after.min(before)).checked_div(before).unwrap_or(0);
            u64::try_from(left).unwrap_or(u64::MAX)
        };
        (self.owed, self.granted) = (left(self.owed), left(self.granted));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merges_pay_their_share_of_what_is_owed() {
        let mut slot = Slot::<u32>::EMPTY;
        slot.charge(400);
        slot.settle(5, 4);
        assert_eq!(slot.owed, 300, "three of four extra runs are left");
        slot.settle(4, 1);
        assert_eq!(slot.owed, 0);
        slot.charge(u64::MAX);
        slot.settle(1, 7);
        assert_eq!(slot.owed, 0, "runs that came meanwhile owe nothing");
    }

    #[test]
    fn what_is_granted_is_owed_by_nobody() {
        let mut slot = Slot::<u32>::EMPTY;
        slot.shape.runs = 3;
        slot.grant(50.0);
        slot.charge(60);
        assert_eq!((slot.owed, slot.granted), (0, 40), "100 for two runs beyond the first");
        slot.charge(90);
        assert_eq!((slot.owed, slot.granted), (50, 0));
        slot.forgive(20.0);
        slot.grant(20.0);
        assert_eq!((slot.owed, slot.granted), (10, 40));
        slot.settle(3, 2);
        assert_eq!((slot.owed, slot.granted), (5, 20), "one of two extra runs is left");
        slot.settle(2, 1);
        assert_eq!((slot.owed, slot.granted), (0, 0));
    }

    #[test]
    fn slots_that_become_one_owe_and_were_granted_what_both_did() {
        let mut slot = Slot::<u32> { owed: 70, granted: 5, ..Slot::EMPTY };
        slot.join(&Slot { owed: 40, granted: 20, ..Slot::EMPTY });
        assert_eq!((slot.owed, slot.granted), (110, 25));
    }

    #[test]
    fn a_slot_wants_a_merge_once_enough_is_owed() {
        let mut slot = Slot::<u32> { owed: 79, ..Slot::EMPTY };
        assert!(!slot.is_due(f64::INFINITY));
        slot.shape.want = Want { threshold: 80, bytes: 20 };
        assert!(!slot.is_due(f64::INFINITY));
        slot.owed = 80;
        assert!(slot.is_due(f64::INFINITY));
    }
}
