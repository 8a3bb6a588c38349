//! The layout that costs least under a load, among those worth trying, within limits.

use super::filter::FilteredLevel;
use super::model::{Charges, Expected, Layout, Load, expect};
use super::{Capacities, TuneError};

/// Least numbers of runs of a tiered merge that are tried.
const WIDTHS: [u32; 10] = [2, 3, 4, 5, 6, 8, 10, 12, 16, 24];
/// Space triggers of tiered, in percent. Without one a tree seems cheap for as long as its merges can be put off.
const SPACE_PCTS: [u64; 4] = [25, 50, 100, 200];
/// Fan-outs that are tried.
const FANOUTS: [u32; 13] = [2, 3, 4, 5, 6, 7, 8, 10, 12, 16, 20, 32, 64];
/// Runs per level of lazy leveling that are tried below a fan-out, beside one less than it.
const RUNS: [u32; 4] = [2, 3, 5, 8];
/// Target of the shallowest level below level 0, in memtables.
const BASE_MEMTABLES: u32 = 4;

/// More layouts than are tried.
const LAYOUTS_MAX: usize = 160;
/// Memtables in a tree that is played out for a first look, and how many times the least cost is worth a second.
const SMALL_MEMTABLES: f64 = 200.0;
const CLOSE: f64 = 1.4;

/// What a layout may cost at most. Infinite: as much as it likes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// Largest write amplification.
    pub write_amp: f64,
    /// Largest space amplification, at any time between two flushes.
    pub space_amp: f64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { write_amp: f64::INFINITY, space_amp: f64::INFINITY }
    }
}

impl Limits {
    /// What [`choose`] makes as small as it can: an operation's whole price, with limits first that of its reads.
    #[must_use]
    pub fn price(&self, expected: &Expected) -> (f64, f64) {
        if self.any() { (expected.read_cost, expected.cost) } else { (expected.cost, 0.0) }
    }

    fn any(&self) -> bool {
        self.write_amp.is_finite() || self.space_amp.is_finite()
    }

    fn keeps(&self, expected: &Expected) -> bool {
        expected.write_amp <= self.write_amp && expected.space_amp_max <= self.space_amp
    }
}

/// A layout and what it is expected to cost.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Chosen {
    /// The layout.
    pub layout: Layout,
    /// Its figures.
    pub expected: Expected,
}

/// All layouts that [`choose`] tries: tiered by width and space trigger, leveled by fan-out, lazy by fan-out and runs per level.
///
/// The first merges every flush into one run: the far end for reads.
pub fn layouts() -> impl Iterator<Item = Layout> {
    let tiered = WIDTHS.into_iter().flat_map(|width| SPACE_PCTS.map(|space_pct| Layout::Tiered { width, space_pct }));
    let leveled = FANOUTS.into_iter().map(|fanout| Layout::Leveled { fanout, base_memtables: BASE_MEMTABLES });
    let lazy = FANOUTS.into_iter().flat_map(|fanout| {
        let most = fanout.saturating_sub(1);
        let runs = RUNS.into_iter().filter(move |runs| *runs < most).chain((most > 1).then_some(most));
        runs.map(move |runs| Layout::Lazy { fanout, runs, base_memtables: BASE_MEMTABLES })
    });
    core::iter::once(Layout::Tiered { width: 2, space_pct: 0 }).chain(tiered).chain(leveled).chain(lazy)
}

/// The layout that is cheapest under `load`; with limits, the one that keeps them and reads cheapest.
///
/// About a hundred times what [`expect`] costs.
///
/// ```
/// use compaction_core::tune::{Charges, Layout, Limits, Load, Popularity, choose};
/// let load = Load {
///     writes: 0.95, reads: 0.05, misses: 0.0, scans: 0.0,
///     entries: 1e6, popularity: Popularity::Uniform, memtable_entries: 1e4,
///     table_entry_bytes: 111.0, user_entry_bytes: 116.0, false_positives: 0.01,
/// };
/// let free = choose(&load, &Limits::default(), &Charges::default())?;
/// assert!(matches!(free.layout, Layout::Tiered { .. }) && free.expected.write_amp < 4.0);
/// let tight = choose(&load, &Limits { space_amp: 1.3, ..Limits::default() }, &Charges::default())?;
/// assert!(tight.expected.space_amp_max <= 1.3 && tight.expected.cost > free.expected.cost);
/// # Ok::<(), compaction_core::tune::TuneError>(())
/// ```
///
/// # Errors
/// Values that make no sense; limits that no layout keeps, with what is possible.
pub fn choose(load: &Load, limits: &Limits, charges: &Charges) -> Result<Chosen, TuneError> {
    choose_among(load, limits, charges, &|_| true)
}

/// As [`choose`], among the layouts that `wanted` says yes to.
///
/// # Errors
/// As [`choose`]; that nothing keeps the limits, where it says yes to none.
pub fn choose_among(
    load: &Load,
    limits: &Limits,
    charges: &Charges,
    wanted: &dyn Fn(&Layout) -> bool,
) -> Result<Chosen, TuneError> {
    TuneError::within("limit of the write amplification", limits.write_amp, 0.0, f64::INFINITY)?;
    TuneError::within("limit of the space amplification", limits.space_amp, 0.0, f64::INFINITY)?;
    // A small tree tells what is not worth a closer look.
    let small = Load { entries: load.entries.min(load.memtable_entries * SMALL_MEMTABLES), ..*load };
    let mut costs = [f64::INFINITY; LAYOUTS_MAX];
    for (cost, layout) in costs.iter_mut().zip(layouts()) {
        if wanted(&layout) {
            *cost = expect(&small, layout, charges)?.cost;
        }
    }
    let least = costs.iter().copied().fold(f64::INFINITY, f64::min);
    let mut best: Option<Chosen> = None;
    for (cost, layout) in costs.iter().zip(layouts()) {
        if !wanted(&layout) || (!limits.any() && *cost > least * CLOSE) {
            continue;
        }
        let expected = expect(load, layout, charges)?;
        if limits.keeps(&expected) && best.is_none_or(|best| limits.price(&expected) < limits.price(&best.expected)) {
            best = Some(Chosen { layout, expected });
        }
    }
    best.map_or_else(|| Err(impossible(load, limits, charges, wanted)), Ok)
}

/// What could be had where no layout keeps the limits.
fn impossible(load: &Load, limits: &Limits, charges: &Charges, wanted: &dyn Fn(&Layout) -> bool) -> TuneError {
    let (mut write_amp, mut space_amp) = ((limits.write_amp, f64::INFINITY), (limits.space_amp, f64::INFINITY));
    for layout in layouts().filter(wanted) {
        let Ok(expected) = expect(load, layout, charges) else { continue };
        if expected.space_amp_max <= limits.space_amp {
            write_amp.1 = expected.write_amp.min(write_amp.1);
        }
        if expected.write_amp <= limits.write_amp {
            space_amp.1 = expected.space_amp_max.min(space_amp.1);
        }
    }
    TuneError::Limits { write_amp, space_amp }
}

/// Writes how the entries of a settled tree of this layout lie to `out`, shallowest level first; answers with how many levels
/// there are, as far as `out` reaches. A tier of runs of one size counts as a level of tiered.
#[must_use]
pub fn level_shapes(load: &Load, layout: Layout, out: &mut [FilteredLevel]) -> usize {
    let memtable = load.memtable_entries;
    let (ratio, runs, first, l0) = match layout {
        Layout::Tiered { width, .. } => (width, width.saturating_sub(1), memtable, None),
        Layout::Leveled { fanout, base_memtables } => (fanout, 1, memtable * f64::from(base_memtables), Some(4.0)),
        Layout::Lazy { fanout, runs, base_memtables } => {
            (fanout, runs, memtable * f64::from(base_memtables) * f64::from(runs), Some(4.0))
        }
    };
    let (ratio, runs) = (f64::from(ratio.max(2)), f64::from(runs.max(1)));
    // How many levels the ratio gives: the shallowest of them is larger than what flushes into it.
    let above = libm::floor(libm::log2(load.entries / first).max(0.0) / libm::log2(ratio)).min(out.len() as f64) as u32;
    let l0 =
        l0.map(|runs| FilteredLevel { entries: (memtable * runs).min(load.entries), runs: runs.min(load.entries) });
    let deeper = (0..=above).rev().map(|above| {
        let entries = (load.entries / libm::pow(ratio, f64::from(above))).max(1.0);
        FilteredLevel { entries, runs: if above == 0 { 1.0 } else { runs.min(entries) } }
    });
    let mut count = 0usize;
    for (place, level) in out.iter_mut().zip(l0.into_iter().chain(deeper)) {
        *place = level;
        count = count.saturating_add(1);
    }
    count
}

/// The capacities of [`Capacities`] for a layout's ratio, from a base in bytes.
///
/// ```
/// use compaction_core::tune::{Layout, capacities, layouts};
/// let wide = layouts().find(|layout| matches!(layout, Layout::Tiered { width: 4, .. })).unwrap();
/// let capacities = capacities(wide, 1_000)?;
/// assert_eq!([0, 1, 3].map(|level| capacities.bytes(level)), [1_000, 4_000, 64_000]);
/// # Ok::<(), compaction_core::tune::TuneError>(())
/// ```
///
/// # Errors
/// As [`Capacities::new`].
pub fn capacities(layout: Layout, base_bytes: u64) -> Result<Capacities, TuneError> {
    Capacities::new(base_bytes, u64::from(layout.ratio()).saturating_mul(1_000_000))
}

impl Layout {
    /// Ratio of neighbouring levels, or of neighbouring tiers.
    #[must_use]
    pub fn ratio(&self) -> u32 {
        match *self {
            Self::Tiered { width: ratio, .. }
            | Self::Leveled { fanout: ratio, .. }
            | Self::Lazy { fanout: ratio, .. } => ratio,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_layout_is_tried_once() {
        let all: std::vec::Vec<Layout> = layouts().collect();
        assert!(all.len() < LAYOUTS_MAX, "{}", all.len());
        for (at, layout) in all.iter().enumerate() {
            assert!(!all[..at].contains(layout), "{layout:?} twice");
        }
    }
}
