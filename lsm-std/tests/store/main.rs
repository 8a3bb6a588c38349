//! The store as a whole, through its public face.

mod closing;
mod common;
mod failures;
mod logs;
mod merges;
mod model;
mod power;
mod recovery;
mod scans;
mod upkeep;
