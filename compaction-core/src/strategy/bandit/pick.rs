//! Which slot to work on, and how much of it.

use core::ops::Range;

use super::policy::Bandit;
use super::slot::Slot;
use super::stack::{Piece, Stack};
use super::{guards, wish};
use crate::decision::{Cut, Decision, Place, Rule, Verdict, Work};
use crate::storage::Storage;
use crate::strategy::Search;
use crate::version::{Plan, Planned, Version};

impl<K: Ord + Clone, S: Storage<Slot<K>>> Bandit<K, S> {
    /// Offers the slots that want a merge: perhaps any one first, then the best.
    pub(super) fn pick(&self, search: &mut Search<'_, '_, K>) -> Option<Decision> {
        let slots = self.slots.as_slice();
        if self.is_blind() {
            let stack = Stack::of(&search.version(), None, None);
            return self.offer(search, &Slot::EMPTY, &stack, false);
        }
        let any = self.scheduler.explore(search.moment().entropy, self.board.due());
        let any = any.and_then(|nth| self.board.nth(slots, nth));
        let best = self.board.best().iter().map(|at| *at as usize);
        let others = self.board.due() > self.board.best().len();
        let others = (0..if others { self.board.due() } else { 0 }).filter_map(|nth| self.board.nth(slots, nth));
        let others = others.filter(|at| !self.board.best().iter().any(|best| *best as usize == *at));
        for at in any.into_iter().chain(best.chain(others).filter(|at| Some(*at) != any)) {
            let Some(slot) = slots.get(at) else { continue };
            let stack = guards::stack(slots, at, &search.version());
            let decision = self.offer(search, slot, &stack, Some(at) == any);
            if decision.is_some() {
                return decision;
            }
        }
        None
    }

    /// Offers what a slot wants; when the cap or the room forbids it, two of its runs, in the end one table of the newer.
    fn offer(&self, search: &mut Search<'_, '_, K>, slot: &Slot<K>, stack: &Stack, explored: bool) -> Option<Decision> {
        let version = search.version();
        let pieces = stack.pieces();
        let wanted = wish::wish(stack, slot.owed, &self.settings)?;
        let milli = |value: f64| (value * 1_000.0) as u64;
        let rule = Rule::Slot {
            slot: slot.id,
            runs: stack.runs,
            explored,
            score_milli: milli(self.scheduler.score(&slot.arm)),
            mean_milli: milli(slot.arm.mean),
            picks: slot.arm.picks,
        };
        let smallest = Step::smallest(pieces, wanted.clone())?;
        let steps = [Step::of(pieces, wanted)?, Step::of(pieces, smallest.group.clone())?, smallest.clone()];
        let mut before = None;
        for step in steps {
            if before.as_ref() == Some(&step) {
                continue;
            }
            let Some(planned) = self.plan(&version, pieces, &step) else { continue };
            let decision = search.offer(&planned, rule, self.settings.job_bytes_max, step == smallest);
            if decision.is_some() || search.judge(&planned, u64::MAX) == Verdict::Busy {
                return decision;
            }
            before = Some(step);
        }
        None
    }

    /// The job of one step. Where the tables meet nothing older of the slot they are moved instead, which writes nothing.
    fn plan(&self, version: &Version<'_, K>, pieces: &[Piece], step: &Step) -> Option<Planned> {
        let newest = pieces.get(step.group.start)?;
        let oldest = pieces.get(step.group.end.checked_sub(1)?)?;
        let plan = Plan {
            runs: oldest.run..=newest.run,
            cut: Cut::Tables { first: u32::try_from(step.first).ok()?, last: u32::try_from(step.last).ok()? },
            work: Work::Merge,
            place: Place::Join,
            table_bytes_max: self.settings.table_bytes_max,
        };
        version.plan_cheapest(&plan)
    }
}

/// One way to work on a slot: some neighbours of its stack, and the tables of the newest of them that start the job.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Step {
    group: Range<usize>,
    first: usize,
    last: usize,
}

impl Step {
    /// All tables of the slot.
    fn of(pieces: &[Piece], group: Range<usize>) -> Option<Self> {
        let newest = pieces.get(group.start)?;
        Some(Self { group, first: newest.first, last: newest.last })
    }

    /// One table of the newer of the two cheapest neighbours.
    fn smallest(pieces: &[Piece], group: Range<usize>) -> Option<Self> {
        let pair = Self::of(pieces, wish::cheapest(pieces, group, 2)?)?;
        Some(Self { last: pair.first, ..pair })
    }
}
