//! What the strategy learns from events.

use core::ops::Range;

use super::board::Board;
use super::context::{self, Pressure};
use super::layout::Layout;
use super::policy::Bandit;
use super::reward::Reward;
use super::slot::Slot;
use super::stack::Stack;
use super::traffic::Traffic;
use super::{guards, heat, sums};
use crate::decision::Rule;
use crate::storage::Storage;
use crate::strategy::{Outcome, ReadSample};
use crate::version::Version;

/// Of no more slots than these all are looked at whatever happens: so every score is that of now.
pub(super) const FEW: usize = 64;

impl<K: Ord + Clone, S: Storage<Slot<K>>> Bandit<K, S> {
    /// A memtable became the newest run: its pieces are what comes to the slots. O(slots x runs x log tables).
    pub(super) fn flushed(&mut self, version: &Version<'_, K>) {
        let loaded = self.edit.is_none() && !self.slots.as_slice().is_empty();
        let (follows, own) = (self.follows(version), self.own);
        self.is_cut_as_before(version);
        if loaded {
            return self.resume(version);
        }
        if self.slots.as_slice().is_empty() && self.slots.push(Slot::EMPTY).is_err() {
            return;
        }
        if follows && own == self.own && self.slots.as_slice().len() > FEW {
            // It came behind what is the slots' own: nothing of them has changed.
            if self.cut_anew(version) {
                self.refresh();
            }
            return;
        }
        let newest = version.runs().len().saturating_sub(1);
        if !(follows && self.came(version, newest)) {
            guards::survey_all(self.slots.as_mut_slice(), version, &self.settings);
        }
        self.recut(version);
    }

    /// Run `newest` came to the slots: each is looked at, and may change its layout for it. False if the run is not cut at the
    /// guards.
    fn came(&mut self, version: &Version<'_, K>, newest: usize) -> bool {
        let until = guards::own_runs(self.slots.as_slice(), version);
        if newest >= until {
            return false;
        }
        self.fade();
        for at in 0..self.slots.as_slice().len() {
            let stack = guards::stack(self.slots.as_slice(), at, version, until);
            let piece = stack.pieces().first().filter(|piece| piece.run == newest);
            let Some(slot) = self.slots.as_mut_slice().get_mut(at) else { break };
            if piece.is_some() && self.settings.layout.is_none() {
                slot.forgive(slot.traffic.usual(&self.mean));
            }
            slot.traffic.bring(piece.map_or(0, |piece| piece.bytes));
            let layout = match (piece, self.settings.layout) {
                (Some(_), None) => self.best_layout(at, &stack),
                (_, Some(layout)) => layout,
                (None, None) => slot.layout,
            };
            if let Some(slot) = self.slots.as_mut_slice().get_mut(at) {
                slot.layout = layout;
                guards::note(slot, &stack, &self.settings);
                if piece.is_some() && self.settings.layout.is_none() {
                    slot.grant(slot.traffic.usual(&self.mean));
                }
            }
        }
        true
    }

    /// What reads paid counts less with each flush. O(slots).
    fn fade(&mut self) {
        let share = 1.0 / self.slots.as_slice().len().max(1) as f64;
        let samples: f64 = self.slots.as_slice().iter().map(|slot| slot.traffic.fresh_samples).sum();
        let kept = Traffic::kept(samples * share);
        let mut sum = Traffic::NONE;
        for slot in self.slots.as_mut_slice() {
            slot.traffic.fade(kept);
            sum = sum.joined(slot.traffic);
        }
        self.mean = sum.scaled(share);
    }

    /// The layout that costs a slot least, or the present one if no other is clearly cheaper.
    fn best_layout(&self, at: usize, stack: &Stack) -> Layout {
        let Some(slot) = self.slots.as_slice().get(at) else { return Layout::One };
        let run_price = slot.traffic.run_price(&self.mean);
        let size = stack.bytes as f64 / slot.traffic.base.max(1.0);
        // Where a slot is larger than a job may be, it cannot be rewritten for each piece that comes.
        let is_large = stack.bytes > u128::from(self.settings.job_bytes_max);
        let cost = |layout: Layout| {
            let (moved, runs) = layout.price(size, self.board.bloat, f64::from(self.settings.cold_runs_max));
            moved + run_price * runs
        };
        let mut best = (slot.layout, cost(slot.layout) * self.switch);
        if is_large && slot.layout == Layout::One {
            best.1 = f64::INFINITY;
        }
        for layout in Layout::ALL.into_iter().skip(usize::from(is_large)) {
            if cost(layout) < best.1 {
                best = (layout, cost(layout));
            }
        }
        best.0
    }

    pub(super) fn done(&mut self, version: &Version<'_, K>, outcome: &Outcome) {
        let (follows, is_as_before) = (self.follows(version), self.is_cut_as_before(version));
        let all = sums::of(self.slots.as_slice(), &(0..self.slots.as_slice().len()));
        let is_packing = matches!(outcome.reason.rule, Rule::LevelRuns { .. });
        if follows && is_as_before && is_packing && !all.crossed {
            return self.packed(version, &outcome.job);
        }
        let slots = self.slots.as_mut_slice();
        let slot = match outcome.reason.rule {
            Rule::Slot { slot, .. } => {
                let is_it = |at: &usize| slots.get(*at).is_some_and(|known| known.id == slot);
                let mut best = self.board.best().iter().map(|at| *at as usize);
                best.find(is_it).or_else(|| slots.iter().position(|known| known.id == slot))
            }
            _ => None,
        };
        let Some((at, shape)) = slot.and_then(|at| Some((at, slots.get(at)?.shape))) else {
            if let (true, Rule::L0Runs { .. }) = (follows, outcome.reason.rule)
                && self.own <= version.level_runs(0).start
                && let Some(newest) = version.level_runs(0).start.checked_sub(1)
                && self.came(version, newest)
            {
                return self.recut(version);
            }
            return self.look(version);
        };
        let is_alone = follows && is_as_before && !shape.crossed;
        if is_alone {
            guards::survey(slots, at, version, self.own, &self.settings);
        } else {
            guards::survey_all(slots, version, &self.settings);
        }
        self.reward(at, shape.runs, outcome);
        if is_alone { self.renew(at) } else { self.refresh() }
    }

    /// Rewards the merge of a slot that had `before` runs.
    fn reward(&mut self, at: usize, before: u32, outcome: &Outcome) {
        let slots = self.slots.as_slice().len();
        let Some(slot) = self.slots.as_mut_slice().get_mut(at) else { return };
        let after = slot.shape.runs;
        slot.settle(before, after);
        let saved = u64::from(before.saturating_sub(after).max(1));
        let heat = self.heat.relative(slot.heat, slots);
        let reward = self.scale.reward(saved, outcome.bytes_written, heat);
        self.last_reward = Some(Reward { slot: slot.id, reward, bytes: outcome.bytes_written, heat });
        let context = slot.context;
        if self.scheduler.reward(&mut slot.arm, reward, &context) {
            self.scheduler.rescale(self.slots.as_mut_slice().iter_mut().map(|slot| &mut slot.arm));
        }
    }

    /// Charges reads to the slot that they met. O(log slots).
    pub(super) fn read(&mut self, sample: &ReadSample<'_, K>) {
        let at = guards::slot_of(self.slots.as_slice(), sample.key);
        let Some(slot) = self.slots.as_mut_slice().get_mut(at) else { return };
        let was_due = slot.is_due(self.board.bloat_max);
        let cost = heat::read_cost(sample.gets, sample.scans);
        let extra = sample.runs.min(slot.shape.runs).saturating_sub(1);
        slot.charge(cost.saturating_mul(extra.into()));
        slot.traffic.read(self.met.cost(sample, slot.shape.runs));
        let is_new = slot.is_due(self.board.bloat_max) && !was_due;
        if self.heat.add(&mut slot.heat, cost, sample.now_ms) {
            let unit = self.heat.unit;
            self.slots.as_mut_slice().iter_mut().for_each(|slot| slot.rank.heat /= unit);
            self.heat.rescale(self.slots.as_mut_slice().iter_mut().map(|slot| &mut slot.heat));
        }
        if is_new {
            self.renew(at);
        }
    }

    /// What presses on all slots alike.
    fn pressure(&self) -> Pressure {
        Pressure { debt_bytes: self.board.debt, job_bytes_max: self.settings.job_bytes_max, runs: self.board.deepest }
    }

    /// Lists the slots that want a merge, and scores these. O(slots).
    pub(super) fn refresh(&mut self) {
        let score = self.score();
        self.board = Board::of(self.slots.as_mut_slice(), self.settings.max_space_amp_pct, score);
        self.renewed = 0;
    }

    /// Lists the slots that want a merge. In the tree that they were saved in they stand as they did then, so that the same
    /// decisions follow. O(slots x runs x log tables).
    fn resume(&mut self, version: &Version<'_, K>) {
        for at in 0..self.slots.as_slice().len() {
            let loose = self.slots.as_slice().get(at).is_some_and(|slot| slot.shape.loose);
            guards::survey(self.slots.as_mut_slice(), at, version, self.own, &self.settings);
            self.slots.as_mut_slice().iter_mut().skip(at).take(1).for_each(|slot| slot.shape.loose = loose);
        }
        let all = 0..self.slots.as_slice().len();
        if self.saved_in == Some(sums::held(self.slots.as_slice())) {
            return self.judge_again(all);
        }
        guards::survey_all(self.slots.as_mut_slice(), version, &self.settings);
        self.refresh();
    }

    /// As [`refresh`](Self::refresh), after slots at the positions `changed` were looked at and nothing else has happened to
    /// them: scores stay.
    pub(super) fn judge_again(&mut self, changed: Range<usize>) {
        let (score, pct) = (self.score(), self.settings.max_space_amp_pct);
        match self.board.renewed(self.slots.as_mut_slice(), (changed, true), pct, score) {
            Some(board) => self.board = board,
            None => self.refresh(),
        }
    }

    /// As [`refresh`](Self::refresh), after something happened to the slot at position `at` alone. Where slots are many the others
    /// keep the scores they had, until there have been an eighth as many picks as are known. O(log slots) mostly.
    pub(super) fn renew(&mut self, at: usize) {
        self.renewed = self.renewed.saturating_add(1);
        let known = self.scheduler.total / self.scheduler.unit;
        let pct = self.settings.max_space_amp_pct;
        let is_near = self.slots.as_slice().len() > FEW && f64::from(self.renewed) * 8.0 < known;
        let score = self.score();
        let changed = (at..at.saturating_add(1), false);
        match is_near.then(|| self.board.renewed(self.slots.as_mut_slice(), changed, pct, score)).flatten() {
            Some(board) => self.board = board,
            None => self.refresh(),
        }
    }

    /// Gives a slot its present score.
    fn score(&self) -> impl Fn(&mut Slot<K>) + use<K, S> {
        let (pressure, heat, scheduler) = (self.pressure(), self.heat, self.scheduler);
        let count = self.slots.as_slice().len();
        move |slot| {
            slot.context = context::of(slot, heat.relative(slot.heat, count), &pressure);
            slot.rank.score = scheduler.score(&slot.arm, &slot.context);
        }
    }
}

#[cfg(all(test, feature = "alloc"))]
mod tests {
    use super::*;
    use crate::strategy::bandit::policy::BanditVec;
    use crate::strategy::bandit::settings::BanditSettings;
    use crate::version::{Run, Table};
    use std::vec;

    #[test]
    fn what_is_larger_than_a_job_may_be_is_not_kept_as_one_run() {
        let mut tables = [Table::new(1, 10_000, 0u32, 9)];
        let runs = [Run::seal(1, 0, &mut tables).unwrap()];
        let version = Version::new(&runs, &tables).unwrap();
        let chosen = |job_bytes_max| {
            let settings = BanditSettings { job_bytes_max, ..BanditSettings::default() };
            let mut bandit = BanditVec::<u32>::new(settings, vec![]).unwrap();
            // Reads pay far more for a run than writes bring.
            let traffic = Traffic { base: 100.0, came: 100.0, paid: 1e9, seen: 1e9, samples: 100.0, ..Traffic::NONE };
            bandit.slots.push(Slot { layout: Layout::One, traffic, ..Slot::EMPTY });
            bandit.mean = traffic;
            bandit.best_layout(0, &guards::stack(&bandit.slots, 0, &version, 1))
        };
        assert_eq!(chosen(10_000), Layout::One);
        assert_eq!(chosen(9_999), Layout::Leveled(1), "the one with fewest runs but for that");
    }
}
