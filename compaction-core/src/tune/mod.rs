//! Tuning by mathematics: fan-outs, levels, capacities, filter bits and a layout, from a workload.
//!
//! - [`fanouts`], [`levels`]: the fan-outs of a tree without filters that need the fewest compares, and how many levels.
//! - [`size_ratio`], [`Capacities`], [`merge_io`]: when a level is due, by O'Neil's theorem that equal ratios are best.
//! - [`filter_bits`]: how a budget of memory is best shared out among the filters of the levels.
//! - [`expect`], [`choose`]: what a layout of the tree costs under a load, and the cheapest one within limits.
//!
//! Without filters, compares per operation are convex in the logarithms of memtable and fan-outs, so bisection on the Lagrange
//! multiplier is exact. With filters and blocks, a layout is played out flush by flush; a run is a stretch of time, so its
//! entries follow from how many writes it covers and how skewed they are, and no key is ever drawn. `lsm tune --check` holds
//! the answers against the simulator.
//!
//! Everything takes slices that the caller lends, so that there may be any number of levels; nothing allocates, nothing
//! panics, and logarithms come from `libm`, so every target computes the same bits. An input that makes no sense, or that
//! nothing can satisfy, is a [`TuneError`] that says what would be possible.

mod capacity;
mod choose;
mod error;
mod fanout;
mod filter;
mod keys;
mod model;
mod play;
mod sink;

pub use capacity::{Capacities, merge_io, size_ratio};
pub use choose::{Chosen, Limits, capacities, choose, choose_among, layouts, level_shapes};
pub use error::TuneError;
pub use fanout::{Bounds, FanoutPlan, Memtable, Shares, Size, Tree, compares, equal_fanout, fanouts, levels};
pub use filter::{FilterPlan, FilteredLevel, false_positive_rate, filter_bits};
pub use keys::Popularity;
pub use model::{Charges, Expected, Layout, Load, expect};
