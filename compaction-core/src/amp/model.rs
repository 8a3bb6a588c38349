//! What the shape of a tree says of its amplification, without looking at a file.

use super::Ratio;
use crate::version::{Run, Version};

/// The most runs that a point read of an absent key looks at: all of them. A filter may spare most. O(1).
#[must_use]
pub fn read_runs_max<K>(version: &Version<'_, K>) -> usize {
    version.runs().len()
}

/// The runs that a point read of `key` may look at, those with a table that spans it. O(runs x log tables).
#[must_use]
pub fn read_runs_at<K: Ord>(version: &Version<'_, K>, key: &K) -> usize {
    (0..version.runs().len()).filter(|run| !version.overlap(*run, key, key).is_empty()).count()
}

/// The share of `level` in [`read_runs_max`]: its runs. O(log runs).
#[must_use]
pub fn level_read_runs_max<K: Ord>(version: &Version<'_, K>, level: u8) -> usize {
    version.level_runs(level).len()
}

/// The share of `level` in [`read_runs_at`]; the shares of all levels add up to it. O(runs of the level x log tables).
#[must_use]
pub fn level_read_runs_at<K: Ord>(version: &Version<'_, K>, level: u8, key: &K) -> usize {
    version.level_runs(level).filter(|run| !version.overlap(*run, key, key).is_empty()).count()
}

/// Bytes of the runs beneath which no run lies: the oldest one, and newer ones that overlap nothing older. What is live
/// takes at least about as much. O(runs^2 x log tables).
#[must_use]
pub fn bottom_bytes<K: Ord>(version: &Version<'_, K>) -> u128 {
    let at_bottom = |(at, _): &(usize, &Run)| match version.run_tables(*at) {
        [first, .., last] => !version.overlaps(0..*at, &first.min, &last.max),
        [only] => !version.overlaps(0..*at, &only.min, &only.max),
        [] => false,
    };
    let bytes = version.runs().iter().enumerate().filter(at_bottom).map(|(_, run)| u128::from(run.bytes()));
    bytes.fold(0, u128::saturating_add)
}

/// Space amplification: bytes of the tree per byte of its bottom runs; `None` when those are empty. Cost as
/// [`bottom_bytes`].
#[must_use]
pub fn space<K: Ord>(version: &Version<'_, K>) -> Option<Ratio> {
    Ratio::new(version.bytes(), bottom_bytes(version))
}

/// The share of `level` in the space amplification: its bytes per byte of the tree's bottom runs; the shares of all levels
/// add up to [`space`]. `None` when the bottom runs are empty. Cost as [`bottom_bytes`].
#[must_use]
pub fn level_space<K: Ord>(version: &Version<'_, K>, level: u8) -> Option<Ratio> {
    Ratio::new(version.level_bytes(level), bottom_bytes(version))
}
