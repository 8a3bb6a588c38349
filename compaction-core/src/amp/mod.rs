//! Amplification in integers: write, read and space, per level and in all.
//!
//! - [`Ratio`]: an exact fraction; two of them are compared by multiplying crosswise, never by dividing.
//! - [`Milli`]: a figure in thousandths for people and logs; the rounding is in the name of what makes it.
//! - [`Traffic`]: what went through a tree, counted from the events that a strategy observes. Write amplification comes from it.
//! - [`read_runs_max`], [`read_runs_at`], [`space`], and of each level [`level_read_runs_max`], [`level_read_runs_at`],
//!   [`level_space`]: what the shape of a tree alone predicts.

mod milli;
mod model;
mod traffic;

pub use milli::{Milli, Ratio};
pub use model::{
    bottom_bytes, level_read_runs_at, level_read_runs_max, level_space, read_runs_at, read_runs_max, space,
};
pub use traffic::{LevelTraffic, Traffic};
