//! When a level is due: equal ratios between neighbours, and capacities that follow from them.
//!
//! Source: O'Neil, Cheng, Gawlick and O'Neil, "The Log-Structured Merge-Tree", Acta Informatica 33, 1996, theorem 3.1: with the
//! sizes of the first and the last component given, merging costs the least I/O when all ratios between neighbours are equal.

use super::TuneError;

/// The ratio at which `levels` levels lead from `base_bytes` to `total_bytes`. Usual values are 10 to 20: a small ratio means
/// more and smaller merges, a large one bursts.
///
/// ```
/// use compaction_core::tune::size_ratio;
/// assert!((size_ratio(64 << 20, 64_000 << 20, 3)? - 10.0).abs() < 1e-12);
/// # Ok::<(), compaction_core::tune::TuneError>(())
/// ```
///
/// # Errors
/// No bytes, fewer in all than in the first component, no level.
pub fn size_ratio(base_bytes: u64, total_bytes: u64, levels: usize) -> Result<f64, TuneError> {
    TuneError::within("base bytes", base_bytes as f64, 1.0, f64::MAX)?;
    TuneError::within("total bytes", total_bytes as f64, base_bytes as f64, f64::MAX)?;
    TuneError::within("levels", levels as f64, 1.0, f64::MAX)?;
    Ok(libm::exp2((libm::log2(total_bytes as f64) - libm::log2(base_bytes as f64)) / levels as f64))
}

/// Bytes read and written by merges for each byte that enters the tree, with these ratios between neighbours: a byte is read and
/// written once as it sinks, and `ratio` bytes of the level below with it. For ratios of one product it is least when they are
/// equal.
#[must_use]
pub fn merge_io(ratios: &[f64]) -> f64 {
    ratios.iter().map(|ratio| 2.0 * (1.0 + ratio)).sum()
}

/// How many bytes each level may hold: level `i` has `ratio^i` times the base. Integers, rounded down level by level, and
/// `u64::MAX` from where 64 bits do not suffice.
///
/// A level is due when it reaches its capacity. To compare it with the level above instead, as the theorem is often read, would
/// divide by nothing right after that level was merged away.
///
/// ```
/// use compaction_core::tune::Capacities;
/// let capacities = Capacities::new(1_000, 10_000_000)?; // a ratio of 10, in parts per million
/// assert_eq!([0, 1, 2, 99].map(|level| capacities.bytes(level)), [1_000, 10_000, 100_000, u64::MAX]);
/// assert!(capacities.is_due(1, 10_000) && !capacities.is_due(1, 9_999) && !capacities.is_due(1, 0));
/// # Ok::<(), compaction_core::tune::TuneError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacities {
    base_bytes: u64,
    ratio_ppm: u64,
}

impl Capacities {
    /// Capacities from the bytes of level 0 and the ratio in parts per million.
    ///
    /// # Errors
    /// A base of 0, a ratio below 1.
    pub fn new(base_bytes: u64, ratio_ppm: u64) -> Result<Self, TuneError> {
        TuneError::within("base bytes", base_bytes as f64, 1.0, f64::MAX)?;
        TuneError::within("size ratio", ratio_ppm as f64 / 1e6, 1.0, f64::INFINITY)?;
        Ok(Self { base_bytes, ratio_ppm })
    }

    /// The most bytes that `level` should hold. O(level), at most until 64 bits are full.
    #[must_use]
    pub fn bytes(&self, level: usize) -> u64 {
        let mut bytes = self.base_bytes;
        for _ in 0..level {
            let millionths = u128::from(bytes).saturating_mul(self.ratio_ppm.into());
            let next = u64::try_from(millionths / 1_000_000).unwrap_or(u64::MAX);
            if next == bytes {
                break;
            }
            bytes = next;
        }
        bytes
    }

    /// Whether a level that holds `bytes` must be merged down: it has reached its capacity, exactly or by more. An empty level
    /// never must.
    #[must_use]
    pub fn is_due(&self, level: usize, bytes: u64) -> bool {
        bytes >= self.bytes(level)
    }
}
