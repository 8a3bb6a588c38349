//! How good the adaptive strategy is: regret against static strategies over many workloads, in the simulator and in the
//! engine. `cargo run --release -p lsm-tests --bin adaptive -- --help`.

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

#[cfg(test)]
mod tests;
