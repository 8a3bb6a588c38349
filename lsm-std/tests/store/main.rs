//! The store as a whole, through its public face.

mod beside;
mod closing;
mod common;
mod cut_short;
mod failures;
mod flushes;
mod learning;
mod logs;
mod mapped;
mod merges;
mod misnamed;
mod model;
mod recovery;
mod repair;
mod reuse;
mod scans;
mod unreadable;
mod upkeep;
