//! Which slot to work on, and how much of it.

use core::ops::Range;

use super::policy::Bandit;
use super::slot::Slot;
use super::stack::{Piece, Stack};
use super::wish::{Target, Wish};
use super::{guards, sums, wish};
use crate::decision::{Cut, Decision, Place, Rule, SlotTrigger, Verdict, Work};
use crate::storage::Storage;
use crate::strategy::{Search, clamp};
use crate::version::{Plan, Planned, Version};

/// A slot made ready to be offered.
#[derive(Clone, Debug)]
pub(super) struct Ready {
    stack: Stack,
    /// What it owed, and how it was to be laid out.
    known: (u64, Target),
    first: Option<First>,
}

/// What a slot wants, and the job for that; `None` if no job does it.
type First = (Wish, Option<Planned>);

impl<K: Ord + Clone, S: Storage<Slot<K>>> Bandit<K, S> {
    /// Offers the slots that want a merge: perhaps any one first, then the best.
    pub(super) fn pick(&self, search: &mut Search<'_, '_, K>, until: usize) -> Option<Decision> {
        let slots = self.slots.as_slice();
        let version = search.version();
        if self.is_blind() {
            let stack = Stack::of(&version, version.level_runs(0).start, (None, None), (0, 1));
            return self.offer(search, &Slot::EMPTY, &self.ready(&Slot::EMPTY, stack, None, &version), false);
        }
        let any = self.scheduler.explore(search.moment().entropy, self.board.due());
        let any = any.and_then(|nth| sums::nth_due(slots, nth));
        let lucky = self.luckiest(search.moment().entropy);
        let best = lucky
            .into_iter()
            .chain(self.board.best().iter().map(|at| *at as usize).filter(move |at| Some(*at) != lucky));
        let others = self.board.due() > self.board.best().len();
        let others = (0..if others { self.board.due() } else { 0 }).filter_map(|nth| sums::nth_due(slots, nth));
        let others = others.filter(|at| !self.board.best().iter().any(|best| *best as usize == *at));
        for at in any.into_iter().chain(best.chain(others).filter(|at| Some(*at) != any)) {
            let Some(slot) = slots.get(at) else { continue };
            let fresh;
            let ready = match self.made_ready(at, &version, until) {
                Some(ready) if ready.known == (slot.owed, self.target(slot)) => ready,
                made => {
                    let stack = made.map_or_else(|| guards::stack(slots, at, &version, until), |made| made.stack);
                    // Reads may have come since.
                    fresh = self.ready(slot, stack, made.and_then(|made| made.first.as_ref()), &version);
                    &fresh
                }
            };
            let decision = self.offer(search, slot, ready, Some(at) == any);
            if decision.is_some() {
                return decision;
            }
        }
        None
    }

    /// Of the best slots the one with the best draw, for an estimator that goes by luck.
    fn luckiest(&self, entropy: u64) -> Option<usize> {
        let mut best: Option<(f64, usize)> = None;
        for at in self.board.best() {
            let slot = self.slots.as_slice().get(*at as usize)?;
            let draw = self.scheduler.draw(&slot.arm, &slot.context, entropy, slot.id)?;
            if best.is_none_or(|(most, _)| draw > most) {
                best = Some((draw, *at as usize));
            }
        }
        best.map(|(_, at)| at)
    }

    /// Makes a slot ready. What it wanted `before` in the same version, with the job for that, need not be planned again.
    pub(super) fn ready(
        &self,
        slot: &Slot<K>,
        stack: Stack,
        before: Option<&First>,
        version: &Version<'_, K>,
    ) -> Ready {
        let known = (slot.owed, self.target(slot));
        let wanted = wish::wish(&stack, known.0, &known.1, &self.settings);
        let first = wanted.map(|wanted| match before {
            Some((before, planned)) if *before == wanted => (wanted, *planned),
            _ => {
                let planned = self.first(version, stack.pieces(), &wanted);
                (wanted, planned)
            }
        });
        Ready { stack, known, first }
    }

    /// The job that does all of what a slot wants.
    fn first(&self, version: &Version<'_, K>, pieces: &[Piece], wanted: &Wish) -> Option<Planned> {
        match wanted.trigger {
            SlotTrigger::Sink => self.sink(version, pieces, wanted.group.start),
            _ => self.plan(version, pieces, &Step::of(pieces, wanted.group.clone())?),
        }
    }

    /// Offers what a slot wants; when the cap or the room forbids it, as much of it as a window of keys brings under them, then
    /// as many of its newest runs as they let pass, then two of its runs, in the end one table of the newer.
    fn offer(&self, search: &mut Search<'_, '_, K>, slot: &Slot<K>, ready: &Ready, explored: bool) -> Option<Decision> {
        let (stack, pieces, version) = (&ready.stack, ready.stack.pieces(), search.version());
        let (mut wanted, mut first) = ready.first.clone()?;
        if wanted.trigger == SlotTrigger::Sink {
            if let Some(planned) = first {
                let rule = self.rule(slot, stack, SlotTrigger::Sink, explored);
                return search.offer(&planned, rule, self.settings.job_bytes_max, true);
            }
            wanted = wish::merge_wish(stack, slot.owed, &ready.known.1, &self.settings)?;
            first = self.first(&version, pieces, &wanted);
        }
        let rule = self.rule(slot, stack, wanted.trigger, explored);
        let whole = Step::of(pieces, wanted.group.clone())?;
        let pair = Step::of(pieces, wish::cheapest(pieces, wanted.group.clone(), 2)?)?;
        let table = Step { last: pair.first, ..pair.clone() };
        let fits = search.moment().free_bytes.saturating_sub(search.moment().free_bytes / 16);
        let most = self.settings.job_bytes_max.min(fits);
        let steps: [&dyn Fn() -> Option<Step>; 5] = [
            &|| Some(whole.clone()),
            &|| self.oldest_part(&version, pieces, &whole, most),
            &|| bunch(pieces, &wanted.group, most),
            &|| self.part(&version, pieces, &pair, most),
            &|| Some(table.clone()),
        ];
        let mut before = None;
        for step in steps.iter().filter_map(|step| step()) {
            if before.as_ref() == Some(&step) {
                continue;
            }
            let planned = if step == whole { first } else { self.plan(&version, pieces, &step) };
            let Some(planned) = planned else { continue };
            let decision = search.offer(&planned, rule, self.settings.job_bytes_max, step == table);
            if decision.is_some() || search.judge(&planned, u64::MAX) == Verdict::Busy {
                return decision;
            }
            before = Some(step);
        }
        None
    }

    fn rule(&self, slot: &Slot<K>, stack: &Stack, trigger: SlotTrigger, explored: bool) -> Rule {
        let milli = |value: f64| (value * 1_000.0) as u64;
        Rule::Slot {
            slot: slot.id,
            runs: stack.runs,
            trigger,
            layout: slot.layout,
            explored,
            score_milli: milli(self.scheduler.score(&slot.arm, &slot.context)),
            mean_milli: milli(slot.arm.mean),
            picks: slot.arm.picks,
        }
    }

    /// As `part`, of the older pieces of a step alone where the newest of all has too few tables for it: nothing of the slot
    /// stands in the way of that, and what is left out is merged with less another time.
    fn oldest_part(&self, version: &Version<'_, K>, pieces: &[Piece], step: &Step, most: u64) -> Option<Step> {
        (step.group.start..step.group.end.saturating_sub(1)).find_map(|start| {
            let older = Step::of(pieces, start..step.group.end)?;
            let part = self.part(version, pieces, &older, most)?;
            self.plan(version, pieces, &part).filter(|planned| planned.bytes <= most).map(|_| part)
        })
    }

    /// The first tables of a step's newest piece, as many as may be merged with what they meet within `most` bytes, about.
    fn part(&self, version: &Version<'_, K>, pieces: &[Piece], step: &Step, most: u64) -> Option<Step> {
        let count = step.last.saturating_sub(step.first).saturating_add(1);
        let all = self.plan(version, pieces, step)?.bytes;
        if all <= most {
            return Some(step.clone());
        }
        let share = u128::try_from(count).ok()?.saturating_mul(most.into()).checked_div(all.into())?;
        let mut take = usize::try_from(share).ok()?.min(count).max(1);
        loop {
            let part = Step { last: step.first.saturating_add(take).saturating_sub(1), ..step.clone() };
            if take == 1 || self.plan(version, pieces, &part).is_some_and(|planned| planned.bytes <= most) {
                return Some(part);
            }
            take /= 2;
        }
    }

    /// A piece moved into the run of the next older one, none of whose tables it meets.
    fn sink(&self, version: &Version<'_, K>, pieces: &[Piece], at: usize) -> Option<Planned> {
        let (piece, older) = (pieces.get(at)?, pieces.get(at.saturating_add(1))?);
        version.plan_landed(&Plan {
            runs: older.run..=piece.run,
            cut: Cut::Tables { first: u32::try_from(piece.first).ok()?, last: u32::try_from(piece.last).ok()? },
            work: Work::Move,
            place: Place::Join,
            table_bytes_max: self.settings.table_bytes_max,
        })
    }

    /// The job of one step. Where the tables meet nothing older of the slot they are moved instead, which writes nothing. What
    /// was in level 0 leaves it, if nothing older of the slot stays there.
    fn plan(&self, version: &Version<'_, K>, pieces: &[Piece], step: &Step) -> Option<Planned> {
        let newest = pieces.get(step.group.start)?;
        let oldest = pieces.get(step.group.end.checked_sub(1)?)?;
        let plan = Plan {
            runs: oldest.oldest..=newest.run,
            cut: Cut::Tables { first: u32::try_from(step.first).ok()?, last: u32::try_from(step.last).ok()? },
            work: Work::Merge,
            place: Place::Join,
            table_bytes_max: self.table_bytes(pieces, step),
        };
        let start = version.level_runs(0).start;
        if oldest.oldest < start || pieces.get(step.group.end).is_some_and(|older| older.run >= start) {
            return version.plan_landed(&plan);
        }
        let group = pieces.get(step.group.clone())?;
        let min = group.iter().filter_map(|piece| version.tables().get(piece.least)).map(|table| &table.min).min()?;
        let max =
            group.iter().filter_map(|piece| version.tables().get(piece.greatest)).map(|table| &table.max).max()?;
        let (dest, place) = version.landing(oldest.oldest, 1, min, max);
        let most = group.iter().map(|piece| piece.tables).fold(0, usize::saturating_add);
        let down = version.plan_landed(&Plan { runs: dest..=newest.run, place, ..plan.clone() });
        // More than the slot's own: something of a neighbour lies in between.
        down.filter(|down| down.tables <= most).or_else(|| version.plan_landed(&plan))
    }

    /// Bytes at which the output tables of a step are cut. Those above the bottom are cut so small that one of them, with what
    /// it meets there, keeps well below the cap on a job.
    fn table_bytes(&self, pieces: &[Piece], step: &Step) -> u64 {
        let most = self.settings.table_bytes_max;
        let older = pieces.get(step.group.end..).unwrap_or(&[]).iter().map(|piece| u128::from(piece.bytes));
        let older = older.fold(0, u128::saturating_add);
        let own = pieces.get(step.group.clone()).unwrap_or(&[]).iter().map(|piece| u128::from(piece.bytes));
        let own = own.fold(0, u128::saturating_add);
        let share = own.saturating_mul((self.settings.job_bytes_max / 4).into()).checked_div(older.max(1));
        clamp(share.unwrap_or(u128::MAX)).min(most).max((most / 64).max(1))
    }
}

/// As many of the newest of `group` as have `most` bytes together, about; none if these are not at least three.
fn bunch(pieces: &[Piece], group: &Range<usize>, most: u64) -> Option<Step> {
    let (mut end, mut bytes) = (group.start, 0u64);
    for piece in pieces.get(group.clone())? {
        bytes = bytes.saturating_add(piece.bytes);
        if bytes > most {
            break;
        }
        end = end.saturating_add(1);
    }
    Step::of(pieces, group.start..end).filter(|step| step.group.len() > 2)
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
}

#[cfg(all(test, feature = "alloc"))]
mod tests {
    use super::*;
    use crate::strategy::bandit::policy::BanditVec;
    use crate::strategy::bandit::settings::{BanditSettings, EstimatorKind};
    use crate::version::{Run, Table};
    use std::vec;
    use std::vec::Vec;

    /// The stack of runs of these sizes, newest first, all over the same keys.
    fn stack(sizes: &[u64]) -> Stack {
        let mut tables: Vec<_> =
            (0..).zip(sizes.iter().rev()).map(|(id, bytes)| Table::new(id, *bytes, 0u32, 9)).collect();
        let seal = |(at, table)| Run::seal(1, at, core::slice::from_mut(table)).unwrap();
        let runs: Vec<_> = tables.iter_mut().enumerate().map(seal).collect();
        Stack::of(&Version::new(&runs, &tables).unwrap(), runs.len(), (None, None), (0, 1))
    }

    #[test]
    fn of_the_best_slots_the_one_with_the_best_draw_goes_first() {
        let settings = BanditSettings { estimator: EstimatorKind::Thompson, ..BanditSettings::default() };
        let mut bandit = BanditVec::<u32>::new(settings, vec![]).unwrap();
        for at in 0..40 {
            let mut slot = Slot { guard: (at > 0).then_some(at), id: at, ..Slot::EMPTY };
            slot.shape.want = wish::Want { threshold: 0, bytes: 1 };
            (slot.arm.mean, slot.arm.variance, slot.arm.picks, slot.arm.weight) = (0.5, 0.04, 3, 3.0);
            bandit.slots.push(slot);
        }
        bandit.refresh();
        let mut seen = std::collections::BTreeSet::new();
        for entropy in 0..200u64 {
            let draw = |at: &u32| {
                let slot = &bandit.slots[*at as usize];
                bandit.scheduler.draw(&slot.arm, &slot.context, entropy, slot.id).unwrap()
            };
            let best = bandit.board.best().iter().max_by(|a, b| draw(a).total_cmp(&draw(b))).unwrap();
            assert_eq!(bandit.luckiest(entropy), Some(*best as usize));
            seen.insert(*best);
        }
        assert!(seen.len() > 10, "{seen:?}");
    }

    #[test]
    fn a_bunch_is_at_least_three_of_the_newest_and_no_larger_than_allowed() {
        let stack = stack(&[10, 10, 10, 10, 100]);
        let bunch = |most| bunch(stack.pieces(), &(0..5), most).map(|step| step.group);
        assert_eq!(
            [29, 30, 39, 40, 139, 140].map(bunch),
            [None, Some(0..3), Some(0..3), Some(0..4), Some(0..4), Some(0..5)]
        );
    }

    #[test]
    fn tables_above_the_bottom_are_cut_for_what_they_meet_there_but_no_smaller_than_a_64th() {
        let settings = BanditSettings { job_bytes_max: 400, table_bytes_max: 6_400, ..BanditSettings::default() };
        let bandit = BanditVec::<u32>::new(settings, vec![]).unwrap();
        let bytes = |sizes: &[u64], group| {
            let stack = stack(sizes);
            bandit.table_bytes(stack.pieces(), &Step::of(stack.pieces(), group).unwrap())
        };
        assert_eq!(bytes(&[10, 10, 10], 0..2), 200, "a quarter of a job for 20 B above 10 B");
        assert_eq!(bytes(&[10, 10, 1_000_000], 0..2), 100);
        assert_eq!(bytes(&[10_000, 10, 1_000], 0..2), 1_001);
        assert_eq!(bytes(&[100, 10, 10], 0..3), 6_400, "the bottom itself");
    }
}
