//! Compaction strategies for LSM-trees, as pure decisions: given the shape of a tree, what to merge next, why, and at what
//! cost.
#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs)]
#![deny(clippy::arithmetic_side_effects)]
#![cfg_attr(test, allow(clippy::arithmetic_side_effects, reason = "tests may compute plainly: an overflow fails them"))]

#[cfg(feature = "alloc")]
extern crate alloc;
#[cfg(test)]
extern crate std;

mod config;
mod decision;
mod edit;
mod law;
mod storage;
mod strategy;
mod version;

pub use config::ConfigError;
pub use decision::{Candidate, Choice, Cut, Decision, Job, Moment, Place, Reason, Rule, Running, Verdict, Work};
#[cfg(feature = "alloc")]
pub use edit::VersionVec;
pub use edit::{BeginError, EditError, Ticket, VersionBuf};
pub use law::{LawError, SettleError, check_decision, settle};
pub use storage::{Lent, Storage};
pub use strategy::{CompactionStrategy, Event, Full, Idle, Outcome, ReadSample, Search, Tiered, TieredSettings};
#[cfg(feature = "alloc")]
pub use version::TableIndex;
pub use version::{Inputs, Plan, Planned, Run, Span, Table, Totals, TreeError, Version, check};
