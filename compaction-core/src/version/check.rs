//! The laws of a tree, as one public predicate.

use super::{Run, Version};
use core::fmt;

/// A law that a tree breaks, with the tables concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TreeError {
    /// A table's smallest key lies above its largest.
    Reversed {
        /// The table.
        table: u64,
    },
    /// Two neighbours of a run overlap or stand in the wrong order.
    Overlap {
        /// The left of the two.
        left: u64,
        /// The right of the two.
        right: u64,
    },
    /// The sums of a run up to this table do not fit `u64`.
    Overflow {
        /// The table.
        table: u64,
    },
    /// The running totals of this table are not those of its run: the run was not sealed, or changed since.
    Unsealed {
        /// The table.
        table: u64,
    },
    /// Two tables have the same id.
    Duplicate {
        /// The id.
        table: u64,
    },
    /// A run without tables.
    EmptyRun {
        /// Its level.
        level: u8,
    },
    /// A run does not begin where the run before it ends.
    Gap {
        /// Position of the run.
        run: usize,
    },
    /// A run of a deeper level stands behind one of a shallower level.
    LevelOrder {
        /// Position of the run.
        run: usize,
    },
    /// What the run keeps of its tables is not so: it was not sealed, or a table changed since.
    Stale {
        /// Position of the run.
        run: usize,
    },
    /// More than `u32::MAX` tables or runs.
    TooMany,
}

impl TreeError {
    /// A short name of the law, for machines to read.
    #[must_use]
    pub fn law(&self) -> &'static str {
        match self {
            Self::Reversed { .. } => "min-above-max",
            Self::Overlap { .. } => "run-sorted-disjoint",
            Self::Overflow { .. } => "run-total-fits-u64",
            Self::Unsealed { .. } | Self::Stale { .. } => "run-totals",
            Self::Duplicate { .. } => "unique-ids",
            Self::EmptyRun { .. } => "run-not-empty",
            Self::Gap { .. } => "runs-adjacent",
            Self::LevelOrder { .. } => "level-order",
            Self::TooMany => "table-count",
        }
    }
}

impl fmt::Display for TreeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reversed { table } => write!(f, "table {table}: its smallest key lies above its largest"),
            Self::Overlap { left, right } => write!(f, "table {right} starts at or before table {left} ends"),
            Self::Overflow { table } => write!(f, "table {table}: the totals of its run exceed {}", u64::MAX),
            Self::Unsealed { table } => write!(f, "table {table}: its running totals are not those of its run"),
            Self::Duplicate { table } => write!(f, "table {table} stands in the tree twice"),
            Self::EmptyRun { level } => write!(f, "a run of level {level} has no tables"),
            Self::Gap { run } => write!(f, "run {run} does not begin where the run before it ends"),
            Self::LevelOrder { run } => write!(f, "run {run} belongs to a deeper level than the older run before it"),
            Self::Stale { run } => write!(f, "run {run}: what it says of its tables is not so"),
            Self::TooMany => write!(f, "more than {} tables or runs", u32::MAX),
        }
    }
}

impl core::error::Error for TreeError {}

/// Checks every law of a tree but the uniqueness of ids, which `TableIndex` (feature `alloc`) sees to. O(tables).
///
/// # Errors
/// The first law broken, from the oldest run on.
pub fn check<K: Ord>(version: &Version<'_, K>) -> Result<(), TreeError> {
    if u32::try_from(version.tables.len()).is_err() || u32::try_from(version.runs.len()).is_err() {
        return Err(TreeError::TooMany);
    }
    let (mut end, mut level) = (0, u8::MAX);
    for (at, run) in version.runs.iter().enumerate() {
        if run.first() != end {
            return Err(TreeError::Gap { run: at });
        }
        if run.level > level {
            return Err(TreeError::LevelOrder { run: at });
        }
        if run.end() > version.tables.len() {
            return Err(TreeError::Stale { run: at });
        }
        let found = Run::of(run.level, run.first(), version.run_tables(at))?;
        if found != *run {
            return Err(TreeError::Stale { run: at });
        }
        (end, level) = (run.end(), run.level);
    }
    if end == version.tables.len() { Ok(()) } else { Err(TreeError::Gap { run: version.runs.len() }) }
}
