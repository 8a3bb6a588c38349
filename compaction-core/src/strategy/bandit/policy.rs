//! The strategy itself: what it decides, and what it learns from events.

use core::marker::PhantomData;

use super::board::Board;
use super::heat::{self, Heat};
use super::reward::{Reward, Scale};
use super::scheduler::Scheduler;
use super::settings::BanditSettings;
use super::slot::Slot;
use super::stack::Stack;
use super::{guards, l0, purge, wish};
use crate::config::ConfigError;
use crate::decision::{Decision, Rule};
use crate::storage::Storage;
use crate::strategy::expire::expired;
use crate::strategy::{CompactionStrategy, Event, Outcome, ReadSample, Search, clamp};
use crate::version::{Table, Version};

/// Adaptive tiered-leveled compaction; its slots live in the caller's storage `S`. What it does is told in the
/// [settings](BanditSettings), what it learns comes from events alone.
///
/// Without any event it takes the whole key range for one slot.
///
/// ```
/// use compaction_core::{Bandit, BanditSettings, CompactionStrategy, Event, Lent, Moment, ReadSample, Run, Slot, Table, Version};
/// // Two runs below level 0, over the same keys.
/// let mut tables = [1u64, 2].map(|id| Table::new(id, 4_096, 0u32, 9));
/// let mut runs = [Run::EMPTY; 2];
/// for (at, table) in tables.iter_mut().enumerate() {
///     runs[at] = Run::seal(1, at, core::slice::from_mut(table))?;
/// }
/// let version = Version::new(&runs, &tables)?;
///
/// let mut slots = [const { Slot::EMPTY }; 16];
/// let mut bandit = Bandit::new(BanditSettings::default(), Lent::new(&mut slots, 0)).expect("sound settings");
/// bandit.observe(&Event::Flushed { version, now_ms: 0, bytes: 0 });
/// assert!(bandit.choose(&version, &Moment::default()).choice.job().is_none(), "two runs are few");
///
/// // Reads that have to look into both of them pay for the merge in the end.
/// bandit.observe(&Event::Reads(ReadSample { key: &5, gets: 1_000, scans: 0, now_ms: 1 }));
/// assert!(bandit.choose(&version, &Moment::default()).choice.job().is_some());
/// # Ok::<(), compaction_core::TreeError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Bandit<K, S> {
    pub(super) settings: BanditSettings,
    pub(super) slots: S,
    pub(super) scheduler: Scheduler,
    pub(super) heat: Heat,
    pub(super) scale: Scale,
    pub(super) board: Board,
    pub(super) next_id: u32,
    /// Edit number of the version that the slots were last held against; `None` when they never were.
    edit: Option<u64>,
    /// Runs below level 0 in that version.
    deep: usize,
    last_reward: Option<Reward>,
    key: PhantomData<K>,
}

/// A [`Bandit`] whose slots are kept in a growing vector.
#[cfg(feature = "alloc")]
pub type BanditVec<K> = Bandit<K, alloc::vec::Vec<Slot<K>>>;

impl<K, S> Bandit<K, S> {
    /// The stored name.
    pub const NAME: &'static str = "BanditCompaction";
}

impl<K: Ord + Clone, S: Storage<Slot<K>>> Bandit<K, S> {
    /// Checks the settings. `slots` is emptied; it may hold fewer than the settings allow.
    ///
    /// # Errors
    /// The setting that makes no sense.
    pub fn new(settings: BanditSettings, mut slots: S) -> Result<Self, ConfigError> {
        settings.check()?;
        slots.truncate(0);
        Ok(Self {
            settings,
            slots,
            scheduler: Scheduler::new(&settings),
            heat: Heat::default(),
            scale: Scale::default(),
            board: Board::default(),
            next_id: 1,
            edit: None,
            deep: 0,
            last_reward: None,
            key: PhantomData,
        })
    }

    /// The settings.
    #[must_use]
    pub fn settings(&self) -> BanditSettings {
        self.settings
    }

    /// The slots, in the order of their keys; none before the first event.
    #[must_use]
    pub fn slots(&self) -> &[Slot<K>] {
        self.slots.as_slice()
    }

    /// The heat of a slot against the mean slot, 1 when all are alike.
    #[must_use]
    pub fn relative_heat(&self, slot: &Slot<K>) -> f64 {
        self.heat.relative(slot.heat, self.slots.as_slice().len())
    }

    /// The reward of the last merge of a slot that was done.
    #[must_use]
    pub fn last_reward(&self) -> Option<Reward> {
        self.last_reward
    }

    /// Whether a table lies within one slot.
    fn is_inside(&self, table: &Table<K>) -> bool {
        let slots = self.slots.as_slice();
        guards::slot_of(slots, &table.min) == guards::slot_of(slots, &table.max)
    }

    /// Whether the slots say nothing of the tree: then the whole key range counts as one slot.
    pub(super) fn is_blind(&self) -> bool {
        self.edit.is_none() || self.slots.as_slice().is_empty()
    }

    /// How many slots there may be.
    pub(super) fn slots_max(&self) -> usize {
        guards::slots_max(&self.slots, &self.settings)
    }

    /// The slots are new: they say nothing of the tree yet.
    pub(super) fn forget_tree(&mut self) {
        (self.edit, self.board) = (None, Board::default());
    }

    /// Looks at the tree anew after edits that may have touched any slot, and cuts the slots anew.
    fn look(&mut self, version: &Version<'_, K>) {
        if !self.slots.as_slice().is_empty() || self.slots.push(Slot::EMPTY).is_ok() {
            guards::recut(&mut self.slots, &mut self.next_id, version, &self.settings);
        }
        self.refresh();
    }

    /// Whether `version` is the next one after that last looked at, with as many runs below level 0, so that what is known of
    /// slots that the edit did not touch still holds. Notes it as looked at.
    fn follows(&mut self, version: &Version<'_, K>) -> bool {
        let deep = version.level_runs(0).start;
        let follows = self.edit.is_some_and(|edit| version.edit() == edit.wrapping_add(1)) && self.deep == deep;
        (self.edit, self.deep) = (Some(version.edit()), deep);
        follows
    }

    /// Scores all slots and lists those that want a merge. O(slots).
    fn refresh(&mut self) {
        for slot in self.slots.as_mut_slice() {
            slot.score = self.scheduler.score(&slot.arm);
        }
        self.board = Board::of(self.slots.as_mut_slice());
    }

    fn flushed(&mut self, version: &Version<'_, K>) {
        let loaded = self.edit.is_none() && !self.slots.as_slice().is_empty();
        // A flush changes level 0 alone.
        if self.follows(version) {
            return;
        }
        if loaded {
            // As the slots were when they were saved, so that the same decisions follow.
            guards::survey_all(self.slots.as_mut_slice(), version, &self.settings);
            self.refresh();
        } else {
            self.look(version);
        }
    }

    fn done(&mut self, version: &Version<'_, K>, outcome: &Outcome) {
        let follows = self.follows(version);
        let is_cut = |slot: &Slot<K>| !slot.shape.crossed;
        let is_packing = matches!(outcome.reason.rule, Rule::LevelRuns { .. });
        if follows && is_packing && self.slots.as_slice().iter().all(is_cut) {
            return self.packed(version);
        }
        let slots = self.slots.as_mut_slice();
        let slot = match outcome.reason.rule {
            Rule::Slot { slot, .. } => slots.iter().position(|known| known.id == slot),
            _ => None,
        };
        let Some((at, shape)) = slot.and_then(|at| Some((at, slots.get(at)?.shape))) else {
            return self.look(version);
        };
        if follows && !shape.crossed {
            guards::survey(slots, at, version, &self.settings);
        } else {
            guards::survey_all(slots, version, &self.settings);
        }
        self.reward(at, shape.runs, outcome);
        self.refresh();
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
        if self.scheduler.reward(&mut slot.arm, reward) {
            self.scheduler.rescale(self.slots.as_mut_slice().iter_mut().map(|slot| &mut slot.arm));
        }
    }

    /// Charges reads to the slot that they met. O(log slots), and O(slots) when they make it want a merge.
    fn read(&mut self, sample: &ReadSample<'_, K>) {
        let at = guards::slot_of(self.slots.as_slice(), sample.key);
        let Some(slot) = self.slots.as_mut_slice().get_mut(at) else { return };
        let was_due = slot.is_due();
        let cost = heat::read_cost(sample.gets, sample.scans);
        slot.charge(cost);
        let is_new = slot.is_due() && !was_due;
        if self.heat.add(&mut slot.heat, cost, sample.now_ms) {
            self.heat.rescale(self.slots.as_mut_slice().iter_mut().map(|slot| &mut slot.heat));
        }
        if is_new {
            self.board = Board::of(self.slots.as_mut_slice());
        }
    }
}

impl<K: Ord + Clone, S: Storage<Slot<K>>> CompactionStrategy<K> for Bandit<K, S> {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn decide(&self, search: &mut Search<'_, '_, K>) -> Decision {
        if expired(search, self.settings.ttl_ms) {
            return search.conclude();
        }
        l0::offer(&self.settings, search, |table| self.is_inside(table))
            .or_else(|| self.pack(search))
            .or_else(|| self.pick(search))
            .or_else(|| purge::offer(&self.settings, search))
            .unwrap_or_else(|| search.wait())
    }

    fn guard_above(&self, key: &K) -> Option<&K> {
        let next = guards::slot_of(self.slots.as_slice(), key).saturating_add(1);
        self.slots.as_slice().get(next)?.guard.as_ref()
    }

    fn observe(&mut self, event: &Event<'_, K>) {
        match event {
            Event::Flushed { version, .. } => self.flushed(version),
            Event::Done { version, outcome } => self.done(version, outcome),
            Event::Aborted { .. } => {}
            Event::Reads(sample) => self.read(sample),
        }
    }

    fn debt_bytes(&self, version: &Version<'_, K>) -> u64 {
        let level = version.level_runs(0);
        let full = u64::try_from(level.len()).is_ok_and(|runs| runs > self.settings.l0_runs_max);
        let above = if full { version.runs_bytes(level) } else { 0 };
        let below = if self.is_blind() {
            let want = wish::want(&Stack::of(version, None, None), &self.settings);
            if want.threshold == 0 { u128::from(want.bytes) } else { 0 }
        } else {
            self.board.debt
        };
        clamp(above.saturating_add(below))
    }
}
