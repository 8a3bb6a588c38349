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

mod settings;

pub use settings::{BanditSettings, EstimatorKind};
