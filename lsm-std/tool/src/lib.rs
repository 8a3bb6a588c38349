//! The parts of the command-line tool `lsm`, so that its tests can use them one by one.
//!
//! - [`compare`], [`report`]: one load under several strategies, and what came of it.
//! - [`figures`]: what is counted, and what follows from it.
//! - [`load`]: what is done to a store, and what each read must find.
//! - [`plan`]: trees in, decisions out.
//! - [`replay`]: a trace into a store, resumable, and everything read back.
//! - [`rules`]: when they fire, in words.
//! - [`sim`]: strategies simulated, and held against the engine.
//! - [`soak`]: a process killed again and again, and its store checked.
//! - [`store`]: what the commands for one store share.
//! - [`strategies`]: their names and settings.
//! - [`trace`]: change histories as key-value traffic, with their answers.
//! - [`tune`]: fan-outs, layout and filters for a workload, by mathematics.
//! - [`workload`]: synthetic operation streams, described by JSON files or by name.

pub mod cli;
pub mod compare;
mod failure;
pub mod figures;
pub mod human;
pub mod load;
pub mod plan;
pub mod replay;
pub mod report;
pub mod rules;
pub mod sim;
pub mod soak;
pub mod store;
pub mod strategies;
pub mod trace;
pub mod tune;
pub mod workload;

pub use failure::Failure;
