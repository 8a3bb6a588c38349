//! Filter bits per level for a budget of memory.
//!
//! A read of an absent key asks every run, and each filter that errs costs it a block. Bits are worth more where they serve few
//! entries: the best false-positive rates are in proportion to the entries of a run, up to 1, where a filter is left out. With
//! `p = exp(-bits ln(2)^2)`, runs `r_i` of `n_i / r_i` entries each, least `sum r_i p_i` for `sum n_i bits_i` given leads to
//! `p_i = min(1, c n_i / r_i)`; bisection finds `c`.
//!
//! Source: Dayan, Athanassoulis and Idreos, "Monkey: Optimal Navigable Key-Value Store", SIGMOD 2017.

use super::TuneError;

/// Bits per entry and natural logarithm of the rate: `-ln p / ln(2)^2`.
const LN2_SQUARED: f64 = core::f64::consts::LN_2 * core::f64::consts::LN_2;

/// A level whose runs have filters.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FilteredLevel {
    /// Entries of all its runs.
    pub entries: f64,
    /// Its runs, which are taken as equally large.
    pub runs: f64,
}

/// What goes with the bits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FilterPlan {
    /// Blocks that a read of an absent key fetches for nothing.
    pub wasted_blocks: f64,
    /// The same where every entry has as many bits as any other.
    pub wasted_blocks_equal: f64,
    /// Bits that all filters take.
    pub bits: f64,
}

/// How often a filter with so many bits per entry says yes to an absent key: `exp(-bits ln(2)^2)`, a Bloom filter with the best
/// number of hash functions.
#[must_use]
pub fn false_positive_rate(bits_per_entry: f64) -> f64 {
    libm::exp(-bits_per_entry.max(0.0) * LN2_SQUARED)
}

/// Writes the best bits per entry for each level to `out`, `memory_bits` in all.
///
/// ```
/// use compaction_core::tune::{FilteredLevel, filter_bits};
/// let levels = [1e4, 1e5, 1e6].map(|entries| FilteredLevel { entries, runs: 1.0 });
/// let mut bits = [0.0; 3];
/// let plan = filter_bits(&levels, 1e7, &mut bits)?;
/// assert!(bits[0] > bits[1] && bits[1] > bits[2]);
/// assert!(plan.wasted_blocks < 0.7 * plan.wasted_blocks_equal);
/// # Ok::<(), compaction_core::tune::TuneError>(())
/// ```
///
/// # Errors
/// No level, `out` of another length, entries or runs below 1, a negative budget.
pub fn filter_bits(levels: &[FilteredLevel], memory_bits: f64, out: &mut [f64]) -> Result<FilterPlan, TuneError> {
    if levels.is_empty() || out.len() != levels.len() {
        return Err(TuneError::Lengths { name: "levels", given: out.len(), wanted: levels.len().max(1) });
    }
    TuneError::within("bits of memory for filters", memory_bits, 0.0, f64::MAX)?;
    for level in levels {
        TuneError::within("entries of a level", level.entries, 1.0, f64::MAX)?;
        TuneError::within("runs of a level", level.runs, 1.0, level.entries)?;
    }
    let bits_of = |level: &FilteredLevel, log_c: f64| -> f64 {
        (-(log_c + libm::log(level.entries / level.runs)) / LN2_SQUARED).max(0.0)
    };
    let spent = |log_c: f64| -> f64 { levels.iter().map(|level| level.entries * bits_of(level, log_c)).sum() };
    // At c = 1 no run has a filter; at the other end even the smallest has more bits than there are.
    let (mut low, mut high) = (-(memory_bits + 1.0) * LN2_SQUARED - libm::log(f64::MAX), 0.0);
    for _ in 0..200 {
        let middle = low + (high - low) / 2.0;
        if spent(middle) > memory_bits { low = middle } else { high = middle }
    }
    for (out, level) in out.iter_mut().zip(levels) {
        *out = bits_of(level, high);
    }
    let entries: f64 = levels.iter().map(|level| level.entries).sum();
    let equal = false_positive_rate(memory_bits / entries);
    Ok(FilterPlan {
        wasted_blocks: levels.iter().zip(&*out).map(|(level, bits)| level.runs * false_positive_rate(*bits)).sum(),
        wasted_blocks_equal: levels.iter().map(|level| level.runs * equal).sum(),
        bits: levels.iter().zip(&*out).map(|(level, bits)| level.entries * bits).sum(),
    })
}
