//! One type for every strategy, for those chosen by settings that come from bytes.

use core::marker::PhantomData;

use super::{CompactionStrategy, Event, Fifo, Full, Idle, Leveled, Search, Tiered};
use crate::config::{AnySettings, ConfigError};
use crate::decision::Decision;
use crate::storage::Storage;
use crate::version::Version;

/// Storage for no slot at all, for trees that no bandit works on.
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

/// Any strategy. `S` is where the bandit keeps what it knows of its slots; the others need none of it.
///
/// ```
/// use compaction_core::{AnySettings, AnyStrategy, CompactionStrategy, LeveledSettings};
/// let stored = AnySettings::from(LeveledSettings::lazy());
/// let strategy = AnyStrategy::<u32>::from_settings(stored)?;
/// assert_eq!(CompactionStrategy::name(&strategy), "LazyLeveledCompaction");
/// # Ok::<(), compaction_core::ConfigError>(())
/// ```
#[derive(Clone, Debug)]
pub struct AnyStrategy<K, S = NoSlots> {
    kind: Kind,
    slots: PhantomData<(K, S)>,
}

/// Any strategy, what it learns kept in growing vectors.
#[cfg(feature = "alloc")]
pub type AnyStrategyVec<K> = AnyStrategy<K, NoSlots>;

#[derive(Clone, Debug)]
enum Kind {
    Tiered(Tiered),
    Leveled(Leveled),
    Fifo(Fifo),
    Idle(Idle),
    Full(Full),
}

/// The same call, whichever strategy it is.
macro_rules! with {
    ($any:expr, $strategy:ident => $call:expr) => {
        match $any {
            Kind::Tiered($strategy) => $call,
            Kind::Leveled($strategy) => $call,
            Kind::Fifo($strategy) => $call,
            Kind::Idle($strategy) => $call,
            Kind::Full($strategy) => $call,
        }
    };
}

impl<K: Ord + Clone, S> AnyStrategy<K, S> {
    /// The strategy of these settings, with nothing learned yet. `slots` serves the bandit alone.
    ///
    /// # Errors
    /// Settings that the strategy refuses; the bandit where the crate is built without the feature `bandit`.
    pub fn new(settings: AnySettings, _slots: S) -> Result<Self, ConfigError> {
        settings.check()?;
        let kind = match settings {
            AnySettings::Tiered(settings) => Kind::Tiered(Tiered::new(settings)?),
            AnySettings::Leveled(settings) | AnySettings::Lazy(settings) => Kind::Leveled(Leveled::new(settings)?),
            AnySettings::Bandit(_) => return Err(ConfigError::NotBuilt { feature: "bandit" }),
            AnySettings::Fifo(settings) => Kind::Fifo(Fifo::new(settings)?),
            AnySettings::Idle => Kind::Idle(Idle),
            AnySettings::Full(full) => Kind::Full(full),
        };
        Ok(Self { kind, slots: PhantomData })
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

impl<K: Ord + Clone, S> CompactionStrategy<K> for AnyStrategy<K, S> {
    fn name(&self) -> &'static str {
        with!(&self.kind, strategy => CompactionStrategy::<K>::name(strategy))
    }

    fn decide(&self, search: &mut Search<'_, '_, K>) -> Decision {
        with!(&self.kind, strategy => strategy.decide(search))
    }

    fn guard_above(&self, key: &K) -> Option<&K> {
        with!(&self.kind, strategy => CompactionStrategy::<K>::guard_above(strategy, key))
    }

    fn observe(&mut self, event: &Event<'_, K>) {
        with!(&mut self.kind, strategy => strategy.observe(event));
    }

    fn debt_bytes(&self, version: &Version<'_, K>) -> u64 {
        with!(&self.kind, strategy => strategy.debt_bytes(version))
    }
}
