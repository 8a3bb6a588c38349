//! `lsm compare`: the same load under several strategies, in the real engine.

mod figures;
mod load;
mod recency;

pub use figures::{Counts, Job, JobsOfRule, Latency, LevelShape, Outcome, Prices, Sample, by_rule};
pub use load::{Live, Load, Step, TraceLoad, WorkloadLoad};
pub use recency::Recency;
