//! One type for every strategy, for those chosen by settings that come from bytes.

use core::marker::PhantomData;

use super::{CompactionStrategy, Event, Fifo, Full, Idle, Leveled, Search, Tiered};
use crate::config::{AnySettings, ConfigError};
use crate::decision::Decision;
use crate::storage::Storage;
use crate::version::Version;

#[cfg(feature = "bandit")]
use super::{Bandit, Slot};

/// Storage for no slot at all: with it a bandit takes the whole key range for one slot; no other strategy needs any.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NoSlots;

impl<T> Storage<T> for NoSlots {
    fn as_slice(&self) -> &[T] {
        &[]
    }

    fn as_mut_slice(&mut self) -> &mut [T] {
        &mut []
    }

    fn len_max(&self) -> usize {
        0
    }

    fn push(&mut self, item: T) -> Result<(), T> {
        Err(item)
    }

    fn truncate(&mut self, _: usize) {}
}

/// Storage for the bandit's slots: any [`Storage`] of them with the feature `bandit`, anything without it.
#[cfg(feature = "bandit")]
pub trait SlotStorage<K>: Storage<Slot<K>> {}
#[cfg(feature = "bandit")]
impl<K, S: Storage<Slot<K>>> SlotStorage<K> for S {}

/// Storage for the bandit's slots: any `Storage` of them with the feature `bandit`, anything without it.
#[cfg(not(feature = "bandit"))]
pub trait SlotStorage<K> {}
#[cfg(not(feature = "bandit"))]
impl<K, S> SlotStorage<K> for S {}

/// Any strategy. `S` is where the bandit keeps what it knows of its slots.
///
/// ```
/// use compaction_core::{AnySettings, AnyStrategy, CompactionStrategy, LeveledSettings};
/// let stored = AnySettings::from(LeveledSettings::lazy());
/// let strategy = AnyStrategy::<u32>::from_settings(stored)?;
/// assert_eq!(strategy.name(), "LazyLeveledCompaction");
/// # Ok::<(), compaction_core::ConfigError>(())
/// ```
#[derive(Clone, Debug)]
pub struct AnyStrategy<K, S = NoSlots> {
    kind: Kind<K, S>,
}

/// Any strategy, what it learns kept in growing vectors.
#[cfg(all(feature = "alloc", feature = "bandit"))]
pub type AnyStrategyVec<K> = AnyStrategy<K, alloc::vec::Vec<Slot<K>>>;
/// Any strategy, what it learns kept in growing vectors.
#[cfg(all(feature = "alloc", not(feature = "bandit")))]
pub type AnyStrategyVec<K> = AnyStrategy<K>;

#[derive(Clone, Debug)]
#[cfg_attr(
    feature = "bandit",
    expect(clippy::large_enum_variant, reason = "there is one of it, and no allocator to box the bandit with")
)]
enum Kind<K, S> {
    Tiered(Tiered),
    Leveled(Leveled),
    #[cfg(feature = "bandit")]
    Bandit(Bandit<K, S>),
    Fifo(Fifo),
    Idle(Idle, PhantomData<(K, S)>),
    Full(Full),
}

/// The same call, whichever strategy it is.
macro_rules! with {
    ($any:expr, $strategy:ident => $call:expr) => {
        match $any {
            Kind::Tiered($strategy) => $call,
            Kind::Leveled($strategy) => $call,
            #[cfg(feature = "bandit")]
            Kind::Bandit($strategy) => $call,
            Kind::Fifo($strategy) => $call,
            Kind::Idle($strategy, _) => $call,
            Kind::Full($strategy) => $call,
        }
    };
}

impl<K: Ord + Clone, S: SlotStorage<K>> AnyStrategy<K, S> {
    /// The strategy of these settings, with nothing learned yet. `slots` serves the bandit alone.
    ///
    /// # Errors
    /// Settings that the strategy refuses; the bandit where the crate is built without the feature `bandit`.
    pub fn new(settings: AnySettings, slots: S) -> Result<Self, ConfigError> {
        settings.check()?;
        let kind = match settings {
            AnySettings::Tiered(settings) => Kind::Tiered(Tiered::new(settings)?),
            AnySettings::Leveled(settings) | AnySettings::Lazy(settings) => Kind::Leveled(Leveled::new(settings)?),
            #[cfg(feature = "bandit")]
            AnySettings::Bandit(settings) => return Ok(Bandit::new(settings, slots)?.into()),
            #[cfg(not(feature = "bandit"))]
            AnySettings::Bandit(_) => return Err(ConfigError::NotBuilt { feature: "bandit" }),
            AnySettings::Fifo(settings) => Kind::Fifo(Fifo::new(settings)?),
            AnySettings::Idle => Kind::Idle(Idle, PhantomData),
            AnySettings::Full(full) => Kind::Full(full),
        };
        drop(slots);
        Ok(Self { kind })
    }

    /// As [`new`](Self::new), with storage that makes itself, such as a vector.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn from_settings(settings: AnySettings) -> Result<Self, ConfigError>
    where
        S: Default,
    {
        Self::new(settings, S::default())
    }
}

#[cfg(feature = "bandit")]
impl<K, S> AnyStrategy<K, S> {
    /// The bandit, if it is one: for what it has learned.
    #[must_use]
    pub fn bandit(&self) -> Option<&Bandit<K, S>> {
        match &self.kind {
            Kind::Bandit(bandit) => Some(bandit),
            _ => None,
        }
    }

    /// As [`bandit`](Self::bandit), to load what was learned before.
    #[must_use]
    pub fn bandit_mut(&mut self) -> Option<&mut Bandit<K, S>> {
        match &mut self.kind {
            Kind::Bandit(bandit) => Some(bandit),
            _ => None,
        }
    }
}

#[cfg(feature = "bandit")]
impl<K, S> From<Bandit<K, S>> for AnyStrategy<K, S> {
    fn from(bandit: Bandit<K, S>) -> Self {
        Self { kind: Kind::Bandit(bandit) }
    }
}

impl<K: Ord + Clone, S: SlotStorage<K>> CompactionStrategy<K> for AnyStrategy<K, S> {
    fn name(&self) -> &'static str {
        with!(&self.kind, strategy => CompactionStrategy::<K>::name(strategy))
    }

    fn decide(&self, search: &mut Search<'_, '_, K>) -> Decision {
        with!(&self.kind, strategy => strategy.decide(search))
    }

    fn guard_above(&self, key: &K) -> Option<&K> {
        with!(&self.kind, strategy => strategy.guard_above(key))
    }

    fn cuts_flushes(&self) -> bool {
        with!(&self.kind, strategy => CompactionStrategy::<K>::cuts_flushes(strategy))
    }

    fn observe(&mut self, event: &Event<'_, K>) {
        with!(&mut self.kind, strategy => strategy.observe(event));
    }

    fn debt_bytes(&self, version: &Version<'_, K>) -> u64 {
        with!(&self.kind, strategy => strategy.debt_bytes(version))
    }
}
