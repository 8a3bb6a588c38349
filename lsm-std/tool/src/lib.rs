//! The parts of the command-line tool `lsm`, so that its tests can use them one by one.
//!
//! - [`compare`], [`report`]: one load under several strategies, and what came of it.
//! - [`plan`]: trees in, decisions out.
//! - [`trace`]: change histories as key-value traffic, with their answers.
//! - [`workload`]: synthetic operation streams, described by JSON files.

pub mod cli;
pub mod compare;
pub mod human;
pub mod plan;
pub mod report;
pub mod rng;
pub mod strategies;
pub mod trace;
pub mod workload;
