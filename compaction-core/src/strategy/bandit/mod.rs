//! Adaptive tiered-leveled compaction: the key range is cut into slots, and a bandit picks the slot to work on.
//!
//! 1. Too many runs in level 0: they become one new run of level 1, its tables cut at the slots' guard keys.
//! 2. From level 1 down each slot is merged by itself, in place. A slot wants to be merged when it has too many runs, when its
//!    newer runs outweigh the oldest, or when the reads that had to look into its extra runs have cost what the merge will
//!    (ski rental). So slots that are read tend to one run, slots that are not keep several.
//! 3. Of the slots that want it, an epsilon-greedy scheduler takes the one whose merges paid best so far, by upper confidence
//!    bound, or now and then any one.
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
#[cfg(all(test, feature = "bandit"))]
mod tests;
#[cfg(feature = "bandit")]
mod traffic;
#[cfg(feature = "bandit")]
mod wish;

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
#[cfg(feature = "bandit")]
pub use state::{KeyCodec, PlainKeys};
