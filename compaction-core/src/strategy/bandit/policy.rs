//! The strategy itself: what it decides, and what it learns from events.

use core::marker::PhantomData;

use super::board::Board;
use super::estimator::ratio;
use super::heat::{Heat, Met};
use super::learn::FEW;
use super::pick::Ready;
use super::reward::{Reward, Scale};
use super::scheduler::Scheduler;
use super::settings::BanditSettings;
use super::slot::Slot;
use super::stack::Stack;
use super::traffic::Traffic;
use super::wish::Target;
use super::{guards, l0, purge, wish};
use crate::config::ConfigError;
use crate::decision::Decision;
use crate::storage::Storage;
use crate::strategy::expire::expired;
use crate::strategy::{CompactionStrategy, Event, Search, clamp};
use crate::version::{Table, Version};

/// Flushes are cut at the guards of no more slots than these: each of them gets a table of its own.
const FLUSH_CUTS_MAX: usize = 64;

/// Adaptive tiered-leveled compaction; its slots live in the caller's storage `S`. What it does is told in the
/// [settings](BanditSettings), what it learns comes from events alone.
///
/// Without any event it takes the whole key range for one slot.
///
/// ```
/// use compaction_core::{Bandit, BanditSettings, CompactionStrategy, Event, Lent, Moment, ReadSample, Run, Slot, Table, Version};
/// // Two runs below level 0, over the same keys.
/// let mut tables = [(1, 16_384), (2, 4_096)].map(|(id, bytes)| Table::new(id, bytes, 0u32, 9));
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
/// bandit.observe(&Event::Reads(ReadSample { key: &5, gets: 1_000, scans: 0, runs: 2, now_ms: 1 }));
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
    pub(super) edit: Option<u64>,
    /// Runs of level 0 that reached over whole slots then.
    uncut: usize,
    /// The runs before this position were the slots' own then.
    pub(super) own: usize,
    /// Position of the best slot then and what it would do, so that a choice finds it ready.
    pub(super) ready: Option<(usize, Ready)>,
    /// How often one slot alone was judged since all were.
    pub(super) renewed: u32,
    /// What the slots held when what is loaded was saved, if they can be taken for as they stood then.
    pub(super) saved_in: Option<(u128, u128)>,
    /// The traffic of the mean slot.
    pub(super) mean: Traffic,
    /// Of the runs there are, how many reads look into.
    pub(super) met: Met,
    /// The share of its cost at which a slot changes its layout.
    pub(super) switch: f64,
    pub(super) last_reward: Option<Reward>,
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
            uncut: 0,
            own: 0,
            ready: None,
            renewed: 0,
            saved_in: None,
            mean: Traffic::NONE,
            met: Met::default(),
            switch: ratio(settings.switch_ppm),
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
    pub(super) fn look(&mut self, version: &Version<'_, K>) {
        if !self.slots.as_slice().is_empty() || self.slots.push(Slot::EMPTY).is_ok() {
            guards::survey_all(self.slots.as_mut_slice(), version, &self.settings);
            self.recut(version);
        }
    }

    /// Cuts the slots anew, all having been looked at, and lists those that want a merge.
    pub(super) fn recut(&mut self, version: &Version<'_, K>) {
        self.cut_anew(version);
        self.refresh();
    }

    /// Cuts the slots anew, all having been looked at; whether there are others now.
    pub(super) fn cut_anew(&mut self, version: &Version<'_, K>) -> bool {
        let (before, count) = (self.next_id, self.slots.as_slice().len());
        guards::recut(&mut self.slots, &mut self.next_id, version, self.own, &self.settings);
        let is_other = (before, count) != (self.next_id, self.slots.as_slice().len());
        // Other runs of level 0 may reach over whole slots now.
        if is_other && !self.is_cut_as_before(version) {
            guards::survey_all(self.slots.as_mut_slice(), version, &self.settings);
        }
        is_other
    }

    /// Whether as many runs of level 0 reach over whole slots as when this was last asked. If not, every slot has other runs, and
    /// not only those that an edit touched.
    pub(super) fn is_cut_as_before(&mut self, version: &Version<'_, K>) -> bool {
        self.own = guards::own_runs(self.slots.as_slice(), version);
        let uncut = version.runs().len().saturating_sub(self.own);
        core::mem::replace(&mut self.uncut, uncut) == uncut
    }

    /// Whether what is kept of the version last looked at holds for this one. Arrays that an engine lends are of no edit, so of
    /// these nothing is known to be the same.
    fn is_last(&self, version: &Version<'_, K>) -> bool {
        version.edit() > 0 && self.edit == Some(version.edit())
    }

    /// The runs before this position are the slots' own. O(1) for the version that was last looked at.
    pub(super) fn own_runs(&self, version: &Version<'_, K>) -> usize {
        if self.is_last(version) { self.own } else { guards::own_runs(self.slots.as_slice(), version) }
    }

    /// Whether `version` is the next one after that last looked at, so that what is known of slots that the edit did not touch
    /// still holds. Notes it as looked at.
    pub(super) fn follows(&mut self, version: &Version<'_, K>) -> bool {
        let follows = self.edit.is_some_and(|edit| version.edit() == edit.wrapping_add(1));
        self.edit = Some(version.edit());
        follows
    }

    /// Plans the merge of the best slot for the choice to come, where an edit moves so much through the cache that this counts. O(runs
    /// x log tables).
    fn make_ready(&mut self, version: &Version<'_, K>) {
        let slots = self.slots.as_slice();
        let best = self.board.best().first().filter(|_| slots.len() > FEW).map(|at| *at as usize);
        self.ready = best.and_then(|at| {
            let stack = guards::stack(slots, at, version, self.own);
            Some((at, self.ready(slots.get(at)?, stack, None, version)))
        });
    }

    /// The slot at position `at`, with the runs before `until`, if it was made ready in this version.
    pub(super) fn made_ready(&self, at: usize, version: &Version<'_, K>, until: usize) -> Option<&Ready> {
        let (best, ready) = self.ready.as_ref()?;
        (*best == at && self.is_last(version) && until == self.own).then_some(ready)
    }

    /// How the runs of a slot are to be laid out.
    pub(super) fn target(&self, slot: &Slot<K>) -> Target {
        let pct = self.settings.max_space_amp_pct;
        let alone = if pct == u64::MAX { f64::INFINITY } else { pct as f64 / 100.0 };
        slot.plan(if self.is_blind() { alone } else { self.board.bloat_max })
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
        let own = if self.is_blind() { 0 } else { self.own_runs(&search.version()) };
        let raw_end = |version: &Version<'_, K>| {
            if self.is_blind() { version.runs().len() } else { guards::raw_end(self.slots.as_slice(), version) }
        };
        l0::offer(&self.settings, search, (own, raw_end), |table| self.is_inside(table))
            .or_else(|| self.pick(search, own))
            .or_else(|| self.pack(search, own))
            .or_else(|| purge::offer(&self.settings, search))
            .unwrap_or_else(|| search.wait())
    }

    fn guard_above(&self, key: &K) -> Option<&K> {
        let next = guards::slot_of(self.slots.as_slice(), key).saturating_add(1);
        self.slots.as_slice().get(next)?.guard.as_ref()
    }

    fn cuts_flushes(&self) -> bool {
        self.slots.as_slice().len() <= FLUSH_CUTS_MAX
    }

    fn observe(&mut self, event: &Event<'_, K>) {
        match event {
            Event::Flushed { version, .. } => {
                self.flushed(version);
                self.make_ready(version);
            }
            Event::Done { version, outcome } => {
                self.done(version, outcome);
                self.make_ready(version);
            }
            Event::Aborted { .. } => {}
            Event::Reads(sample) => self.read(sample),
        }
    }

    fn debt_bytes(&self, version: &Version<'_, K>) -> u64 {
        let level = version.level_runs(0);
        let own = if self.is_blind() { level.start } else { self.own_runs(version) };
        let full = u64::try_from(level.end.saturating_sub(own)).is_ok_and(|runs| runs > self.settings.l0_runs_max);
        let above = if full { version.runs_bytes(level.clone()) } else { 0 };
        let below = if self.is_blind() {
            let slot = Slot::<K>::EMPTY;
            let want =
                wish::want(&Stack::of(version, level.start, (None, None), (0, 1)), &self.target(&slot), &self.settings);
            if want.threshold == 0 { u128::from(want.bytes) } else { 0 }
        } else {
            self.board.debt
        };
        clamp(above.saturating_add(below))
    }
}
