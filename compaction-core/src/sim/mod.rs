//! What a strategy costs under a workload, without touching data.
//!
//! - [`Workload`], [`Ops`]: what a stream of operations looks like, and the stream, the same on every target.
//! - [`simulate`]: a workload under a strategy; the [`SimReport`] holds write, read and space amplification, debt, stalls and
//!   the tree over time.
//! - [`Simulation`]: the store itself, for a caller with operations of its own, a trace say, or with a tree to start from.
//! - [`TableFormat`]: how long a table is, so that other engines can put in theirs.
//!
//! One mechanism serves all strategies: a table is a sorted array of key numbers, a merge is a merge of such arrays, and tree,
//! decisions, events and cuts are those of an engine that does one job at a time. So overwrites and deletes count as they
//! would on disk; sizes follow a formula, block by block. [`Ops`] makes the operations for an engine too, so that the two can be
//! held side by side (`lsm sim --check` does). Large workloads are sampled: at a scale of `s` one operation stands for `s`, and
//! one key for `s` that are about equally hot, every entry weighing `s`; rates per key and sizes of tables stay as they are.
//! Reads may be thinned beside that. As in `lsm-std`, one read in 64 is shown to the strategy, and when 128 of them wait it is
//! asked at once, so that reads alone can make it merge.
//!
//! # What a scale costs in accuracy
//! A sampled memtable holds fewer keys, so sizes vary more from table to table, and the hottest `s` keys count as one. Six
//! million operations on two million keys, uniform, Zipf 0.99, hot range and latest, under tiered, leveled and lazy leveling:
//! one in ten and one in a hundred gave write amplification within 2.5 %, space amplification within 2.5 % and read
//! amplification within 7 % (latest; 1 % else) of the whole.
//!
//! # Where it departs from an engine
//! Values count as incompressible; keys as packed where they lie at even distances, and only in a workload that is not
//! sampled. Blocks of entries of a few bytes are so within a few percent. Filters pass absent keys at random. Merges take
//! no time while the tree changes; [`Stalls`] say what they would have kept writers waiting. Close decisions may fall
//! otherwise than in an engine whose tables are a few bytes longer, and a small tree then ends in another phase of its
//! cycle.

mod drive;
mod entry;
mod format;
mod machine;
mod memory;
mod merge;
mod names;
mod ops;
mod read;
mod report;
mod rng;
mod settings;
mod size;
mod stall;
mod start;
mod summary;
mod workload;
mod zipf;

pub use drive::{simulate, simulate_with};
pub use format::{KeyPrefix, TableFormat};
pub use machine::Simulation;
pub use names::KeyName;
pub use ops::{Op, Ops};
pub use report::{Prices, SimCounts, SimLevel, SimReport, SimSample};
pub use rng::SplitMix;
pub use settings::{SimError, StoreSettings};
pub use stall::Stalls;
pub use start::GivenTable;
pub use workload::{Hot, Mix, Phase, Skew, Workload, WorkloadError};
pub use zipf::{ScrambledZipf, Zipf};
