//! Adaptive tiered-leveled compaction: the key range is cut into slots, and a bandit picks the slot to work on.
//!
//! 1. Flushes are cut at the slots' guard keys. Where an engine does not do that, level 0 goes down together once it has too many
//!    runs, and is cut then.
//! 2. Each slot is merged by itself, in place, for one of four reasons: the newer runs of all slots outweigh the oldest by too
//!    much, and here most; its [`Layout`], the one that costs least at what is read and written there, asks for it; reads have
//!    paid a share of what the merge costs, beyond what the layout was chosen for (ski rental); it has too many runs. What meets
//!    nothing older sinks without being written.
//! 3. Of the slots that want it, a scheduler takes the one whose merges pay best by its estimator, or now and then any one.
//!
//! Settings, and what can be read of them, are always there; the strategy itself needs the feature `bandit`.

#[cfg(feature = "bandit")]
mod arm;
#[cfg(feature = "bandit")]
mod board;
#[cfg(feature = "bandit")]
mod change;
#[cfg(feature = "bandit")]
mod context;
#[cfg(feature = "bandit")]
mod estimator;
#[cfg(feature = "bandit")]
mod guards;
#[cfg(feature = "bandit")]
mod heat;
#[cfg(feature = "bandit")]
mod keys;
#[cfg(feature = "bandit")]
mod l0;
mod layout;
#[cfg(feature = "bandit")]
mod learn;
#[cfg(feature = "bandit")]
mod pack;
#[cfg(feature = "bandit")]
mod pick;
#[cfg(feature = "bandit")]
mod policy;
#[cfg(feature = "bandit")]
mod purge;
#[cfg(feature = "bandit")]
mod reward;
#[cfg(feature = "bandit")]
mod scheduler;
mod settings;
#[cfg(feature = "bandit")]
mod slot;
#[cfg(feature = "bandit")]
mod stack;
#[cfg(feature = "bandit")]
mod state;
#[cfg(feature = "bandit")]
mod sums;
#[cfg(all(test, feature = "bandit"))]
mod tests;
#[cfg(feature = "bandit")]
mod traffic;
#[cfg(feature = "bandit")]
mod wish;

#[cfg(feature = "bandit")]
pub use keys::{KeyCodec, PlainKeys};
pub use layout::Layout;
#[cfg(feature = "bandit")]
pub use policy::Bandit;
#[cfg(all(feature = "bandit", feature = "alloc"))]
pub use policy::BanditVec;
#[cfg(feature = "bandit")]
pub use reward::Reward;
pub use settings::{BanditSettings, EstimatorKind};
#[cfg(feature = "bandit")]
pub use slot::Slot;
