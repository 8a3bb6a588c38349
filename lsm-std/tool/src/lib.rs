//! The parts of the command-line tool `lsm`, so that its tests can use them one by one.
//!
//! - [`trace`]: change histories as key-value traffic, with their answers.
//! - [`workload`]: synthetic operation streams, described by JSON files.

pub mod rng;
pub mod trace;
pub mod workload;
