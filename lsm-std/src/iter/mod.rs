//! Ordered reads: sources merged, old versions and deletes taken out, in both directions.
//!
//! ```text
//! memtables, runs --Merge--> all versions in order --Visible--> live pairs --Scan--> next / next_back
//! ```
//! Each direction has its own set of sources, made when it is first used; where the two meet, both end. So no source has to
//! turn round, and an iterator used in one direction pays for one.

mod bounds;
mod cursor;
mod merge;
mod scan;
mod visible;

pub use bounds::Direction;
pub use cursor::{Cursor, Step};

pub(crate) use bounds::Bounds;
pub(crate) use cursor::Each;
pub(crate) use merge::Merge;
pub(crate) use scan::{Scan, Sources};
pub(crate) use visible::{Keep, Visible};

#[cfg(test)]
mod tests;
