//! `lsm compare`: the same load under several strategies, in the real engine.

mod figures;
mod recency;

pub use figures::{Counts, Job, JobsOfRule, Latency, LevelShape, Outcome, Prices, Sample, by_rule};
pub use recency::Recency;
