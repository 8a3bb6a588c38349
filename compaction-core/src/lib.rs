//! Compaction strategies for LSM-trees, as pure decisions: given the shape of a tree, what to merge next, why, and at what
//! cost.
//!
//! No I/O, no clock, no random generator, no allocator, no panic; the same decision on every target. The engine around it
//! keeps the files; this crate keeps the shape.
//!
//! - [`Version`]: the shape, two flat arrays, oldest data first. Among overlapping tables, later is newer.
//! - [`CompactionStrategy`]: asked with [`choose`](CompactionStrategy::choose), told with
//!   [`observe`](CompactionStrategy::observe).
//! - [`VersionBuf`]: the one place where a tree is edited: `flush`, `begin`, `finish`, `abort`.
//! - [`AnySettings`], [`AnyStrategy`]: any strategy out of settings that come from bytes, and the bytes.
//! - [`amp`]: write, read and space amplification in integers.
//! - [`check`], [`check_decision`], [`settle`]: the laws, for the tests of any engine.
//!
//! # An engine that keeps its own arrays
//! It lends them; every law but the uniqueness of ids is checked once, and the decision names positions in them.
//! ```
//! use compaction_core::{CompactionStrategy, Moment, Run, Table, Tiered, Version};
//!
//! let mut tables = [Table::new(1, 900, "a", "m"), Table::new(2, 900, "n", "z"), Table::new(3, 1_800, "c", "q")];
//! let older = Run::seal(0, 0, &mut tables[0..2])?; // one run of two tables
//! let newer = Run::seal(0, 2, &mut tables[2..3])?;
//! let runs = [older, newer];
//! let version = Version::new(&runs, &tables)?;
//!
//! let settings = compaction_core::TieredSettings { min_merge_width: 2, ..Default::default() };
//! let strategy = Tiered::new(settings).expect("the settings are sound");
//! let decision = strategy.choose(&version, &Moment::default());
//! let job = decision.choice.job().expect("two runs of equal size merge");
//! let ids: Vec<u64> = version.inputs(&job).flat_map(|span| &version.tables()[span.range()]).map(|t| t.id).collect();
//! assert_eq!(ids, [3, 1, 2]); // newest run first
//! assert!(job.bottommost()); // nothing older: tombstones may go
//! # Ok::<(), compaction_core::TreeError>(())
//! ```
//!
//! # Firmware without an allocator
//! The tree lives in arrays of the firmware's own, and is edited in place.
//! ```
//! use compaction_core::{Choice, CompactionStrategy, Lent, Moment, Run, Running, Table, Tiered, VersionBuf};
//!
//! let mut tables = [const { Table::new(0, 0, 0u32, 0) }; 16];
//! let (mut runs, mut running) = ([Run::EMPTY; 8], [Running::NONE; 1]);
//! let mut tree =
//!     VersionBuf::new(Lent::new(&mut tables, 0), Lent::new(&mut runs, 0), Lent::new(&mut running, 0)).expect("empty");
//! let strategy = Tiered::default();
//!
//! for id in 1..=4 {
//!     tree.flush([Table::new(id, 4_096, 10, 99)]).expect("there is room for sixteen tables");
//! }
//! if let Choice::Merge(job) = strategy.choose(&tree.view(), &Moment::default()).choice {
//!     let ticket = tree.begin(job).expect("chosen from this very tree");
//!     // ... read the inputs, write table 5 ...
//!     tree.finish(ticket, [Table::new(5, 12_000, 10, 99)]).expect("it lies within the inputs' keys");
//! }
//! assert_eq!(tree.view().runs().len(), 1);
//! ```
//!
//! # An engine with many tables and threads
//! `VersionVec` (feature `alloc`) grows; jobs that do not conflict run side by side and finish in any order, since the
//! positions of running jobs are kept right through every edit.
//!
//! # Features
//! None by default. `alloc`: vectors as storage, tables by id. `heapless`: `heapless::Vec` as storage. `bandit`: the adaptive
//! strategy. `sim`: the simulator, which says what a strategy would cost under a workload. `tune`: fan-outs, levels, filter bits
//! and a layout for a workload, by mathematics.
#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs)]
#![deny(clippy::arithmetic_side_effects)]
#![cfg_attr(test, allow(clippy::arithmetic_side_effects, reason = "tests may compute plainly: an overflow fails them"))]

#[cfg(feature = "alloc")]
extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod amp;
mod config;
mod decision;
mod edit;
mod law;
#[cfg(feature = "sim")]
pub mod sim;
mod storage;
mod strategy;
#[cfg(feature = "tune")]
pub mod tune;
mod version;
mod wide;

pub use config::{AnySettings, ConfigError, DecodeError, EncodeError, KeyBytes, KeysError, StoredName};
pub use decision::{
    Candidate, Choice, Cut, Decision, Job, Moment, Place, Reason, Rule, Running, Score, SlotTrigger, Verdict, Work,
};
#[cfg(feature = "alloc")]
pub use edit::VersionVec;
pub use edit::{BeginError, EditError, Ticket, VersionBuf};
pub use law::{LawError, SettleError, check_decision, settle};
pub use storage::{Lent, Storage};
#[cfg(feature = "alloc")]
pub use strategy::AnyStrategyVec;
#[cfg(all(feature = "alloc", feature = "bandit"))]
pub use strategy::BanditVec;
pub use strategy::{
    AnyStrategy, CompactionStrategy, Event, Fifo, FifoSettings, Full, Granularity, Idle, Leveled, LeveledSettings,
    NoSlots, Outcome, ReadSample, Search, SlotStorage, Tiered, TieredSettings,
};
#[cfg(feature = "bandit")]
pub use strategy::{Bandit, KeyCodec, PlainKeys, Reward, Slot};
pub use strategy::{BanditSettings, EstimatorKind, Layout};
#[cfg(feature = "alloc")]
pub use version::TableIndex;
pub use version::{Inputs, Plan, Planned, Run, Span, Table, Totals, TreeError, Version, check};
