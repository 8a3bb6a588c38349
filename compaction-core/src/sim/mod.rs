//! Workloads: what a stream of operations looks like, and the stream itself, the same on every target.

mod ops;
mod rng;
mod workload;
mod zipf;

pub use ops::{Op, Ops};
pub use rng::SplitMix;
pub use workload::{Hot, Mix, Phase, Skew, Workload, WorkloadError};
pub use zipf::{ScrambledZipf, Zipf};
