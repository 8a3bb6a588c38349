//! How good the adaptive strategy is: regret against static strategies over many workloads, in the simulator and in the
//! engine. `cargo run --release -p lsm-tests --bin adaptive -- --help`.
//!
//! - Entries of 100 bytes, memtables of 4 000 of them, data sets of 40 to 110 memtables. All strategies have tables of
//!   one memtable and a first level of four, the bandit else its defaults; nobody has a cap on a job unless all are given
//!   the same one.
//! - Space: tiered and the bandit are held to an amplification of 2 by their own rule, leveled and lazy by their shape.
//!   What each came to at its worst is in the JSON.
//! - Everything counts from the empty store on, the load too, so learning is paid for. At the end all come to rest, and
//!   what a strategy then still owes by its own rules is charged as read and written.
//! - `--set tune` and `--set judge` differ in seeds, sizes, hot ranges and lengths: a test sees to it that they share no
//!   workload.
//! - Reads are thinned to about one for four writes; each counts for those left out. Static strategies do not notice, and
//!   the bandit is shown one read in 64 of the whole workload either way.

pub mod ablation;
pub mod case;
pub mod field;
pub mod hot;
pub mod known;
pub mod moving;
pub mod race;
pub mod random;
pub mod real;
pub mod show;
pub mod stationary;
pub mod wild;

#[cfg(test)]
mod tests;
