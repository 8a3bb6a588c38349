//! The store as a whole, through its public face.

mod common;
mod merges;
mod model;
mod power;
mod recovery;
