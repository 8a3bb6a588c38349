//! Size-tiered (universal) compaction: whole runs, neighbours in age.
//!
//! 1. Space trigger: when all runs together outweigh the largest by too much, merge all.
//! 2. Walk from the newest run; a stretch grows while neighbours are of similar size; the first one that is wide enough
//!    merges its newest runs.
//! 3. Optionally, when there are too many runs, merge the cheapest neighbours.
//!
//! Source: the size-tiered rules of Cassandra and of RocksDB's universal compaction, restricted to neighbours in age, since a
//! merge that skips an age has no correct place for its output.

use core::ops::Range;

use super::search::{Search, clamp};
use super::{CompactionStrategy, Decision};
use crate::config::ConfigError;
use crate::decision::{Cut, Place, Rule, Work};
use crate::version::{Plan, Run, Version, output_bytes_max};
use crate::wide::product;

/// Parts per million in one.
pub(crate) const PPM: u64 = 1_000_000;

/// Settings of [`Tiered`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TieredSettings {
    /// Neighbours are similar when larger / smaller is at most 1 + this, in parts per million. 0: equal sizes only; at
    /// [`RATIO_PPM_UNLIMITED`](Self::RATIO_PPM_UNLIMITED) and above: always.
    pub size_ratio_ppm: u64,
    /// The least number of runs of a merge; below 2 means 2.
    pub min_merge_width: u32,
    /// The most runs of a merge by the size rule; below 2 means 2. `u32::MAX`: no limit.
    pub max_merge_width: u32,
    /// By how many percent all runs may outweigh the largest one. `u64::MAX`: without limit.
    pub max_space_amp_pct: u64,
    /// Output tables are cut at this many bytes.
    pub table_bytes_max: u64,
    /// The most runs that may stand when no other rule fires. `u64::MAX`: no limit.
    pub runs_max: u64,
    /// Cap on the input bytes of a job. `u64::MAX`: none.
    pub job_bytes_max: u64,
}

impl TieredSettings {
    /// A size ratio, 2^33, at which any two runs are similar. Up to it doubles, as stored keys hold them, stand closer
    /// together than millionths, so that none is lost there.
    pub const RATIO_PPM_UNLIMITED: u64 = PPM << 33;
}

impl Default for TieredSettings {
    fn default() -> Self {
        Self {
            size_ratio_ppm: PPM,
            min_merge_width: 4,
            max_merge_width: u32::MAX,
            max_space_amp_pct: 200,
            table_bytes_max: 64 << 20,
            runs_max: u64::MAX,
            job_bytes_max: u64::MAX,
        }
    }
}

/// Size-tiered (universal) compaction: whole runs, neighbours in age.
///
/// The space trigger comes first, and merges all; then the newest stretch of similar runs that is wide enough; then, when
/// there are more runs than allowed, the cheapest neighbours.
///
/// ```
/// use compaction_core::{Choice, CompactionStrategy, Moment, Run, Table, Tiered, Version};
/// let mut tables = [1u64, 2, 3, 4].map(|id| Table::new(id, 1_000, 0u32, 9));
/// let mut runs = [Run::EMPTY; 4];
/// for (at, table) in tables.iter_mut().enumerate() {
///     runs[at] = Run::seal(0, at, core::slice::from_mut(table))?;
/// }
/// let version = Version::new(&runs, &tables)?;
/// let decision = Tiered::default().choose(&version, &Moment::default());
/// assert!(matches!(decision.choice, Choice::Merge(job) if job.range() == (0..=3)));
/// # Ok::<(), compaction_core::TreeError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tiered {
    settings: TieredSettings,
}

impl Tiered {
    /// The stored name.
    pub const NAME: &'static str = "SizeTieredCompaction";

    /// Checks the settings; widths below 2 become 2.
    ///
    /// # Errors
    /// A table size, run limit or job cap of 0.
    pub fn new(mut settings: TieredSettings) -> Result<Self, ConfigError> {
        ConfigError::positive("table_bytes_max", settings.table_bytes_max)?;
        ConfigError::positive("runs_max", settings.runs_max)?;
        ConfigError::positive("job_bytes_max", settings.job_bytes_max)?;
        settings.min_merge_width = settings.min_merge_width.max(2);
        settings.max_merge_width = settings.max_merge_width.max(2);
        settings.size_ratio_ppm = settings.size_ratio_ppm.min(TieredSettings::RATIO_PPM_UNLIMITED);
        Ok(Self { settings })
    }

    /// The settings, as clamped.
    #[must_use]
    pub fn settings(&self) -> TieredSettings {
        self.settings
    }

    /// Whether two sizes are similar; 0 is similar to anything.
    fn similar(&self, a: u64, b: u64) -> bool {
        let (small, large) = (a.min(b), a.max(b));
        let ppm = self.settings.size_ratio_ppm;
        // The ratio was clamped, so the sum is exact.
        let factor = PPM.saturating_add(ppm);
        small == 0 || ppm >= TieredSettings::RATIO_PPM_UNLIMITED || product(large, PPM) <= product(small, factor)
    }

    /// How much too much there is, times 100; `None` when the space trigger does not fire.
    ///
    /// `total*100 >= largest*(100+pct)`, written so that both sides always fit.
    #[inline(never)]
    fn excess<K: Ord>(&self, version: &Version<'_, K>) -> Option<Excess> {
        let largest = version.runs().iter().map(|run| run.bytes()).max().filter(|largest| *largest > 0)?;
        let total = version.bytes();
        let beside = total.saturating_sub(u128::from(largest)).wrapping_mul(100);
        let over = beside.checked_sub(product(self.settings.max_space_amp_pct, largest))?;
        (version.runs().len() > 1).then_some(Excess { total, largest, over })
    }

    fn space<K: Ord>(&self, search: &mut Search<'_, '_, K>) -> Option<Decision> {
        let version = search.version();
        let excess = self.excess(&version)?;
        if !version.running().is_empty() {
            search.barred();
            return None;
        }
        let pct = self.settings.max_space_amp_pct;
        let rule = Rule::SpaceAmp { total: clamp(excess.total), largest: excess.largest, pct };
        let runs = version.runs().len();
        self.merge(search, &Window { end: runs, most: runs, least: 2 }, rule)
    }

    fn similar_runs<K: Ord>(&self, search: &mut Search<'_, '_, K>) -> Option<Decision> {
        let version = search.version();
        let width = |width: u32| usize::try_from(width).unwrap_or(usize::MAX);
        let (least, most) = (width(self.settings.min_merge_width), width(self.settings.max_merge_width));
        let mut end = version.runs().len();
        while end > 0 {
            let stretch = self.stretch(&version, end);
            let found = stretch.len().min(most);
            if found >= least {
                let rule = Rule::SimilarRuns { runs: found, stretch: stretch.len() };
                let decision = self.merge(search, &Window { end, most: found, least }, rule);
                if decision.is_some() {
                    return decision;
                }
            }
            end = stretch.start.min(end.saturating_sub(1));
        }
        None
    }

    /// The longest stretch of free, similar neighbours whose newest run stands just before `end`; empty when that run is busy.
    fn stretch<K: Ord>(&self, version: &Version<'_, K>, end: usize) -> Range<usize> {
        let mut start = end;
        let mut newer: Option<u64> = None;
        for (at, run) in version.runs().iter().enumerate().take(end).rev() {
            let fits = newer.is_none_or(|newer| self.similar(newer, run.bytes()));
            if !fits || version.is_busy(at) {
                break;
            }
            (start, newer) = (at, Some(run.bytes()));
        }
        start..end
    }

    /// The cheapest neighbours, when there are more runs than allowed.
    fn too_many<K: Ord>(&self, search: &mut Search<'_, '_, K>) -> Option<Decision> {
        let version = search.version();
        let (runs, max) = (version.runs().len(), self.settings.runs_max);
        if u64::try_from(runs).is_ok_and(|runs| runs <= max) {
            return None;
        }
        let mut cheapest: Option<(u64, usize)> = None;
        for (older, pair) in version.runs().windows(2).enumerate() {
            let bytes = pair.iter().map(Run::bytes).fold(0, u64::saturating_add);
            let free = !version.is_busy(older) && !version.is_busy(older.saturating_add(1));
            if free && cheapest.is_none_or(|(least, _)| bytes < least) {
                cheapest = Some((bytes, older));
            }
        }
        let Some((_, older)) = cheapest else {
            search.barred();
            return None;
        };
        let window = Window { end: older.saturating_add(2), most: 2, least: 2 };
        self.merge(search, &window, Rule::RunCount { runs, max })
    }

    /// Offers the newest runs of a window: as many as fit the room and the cap, but no fewer than its least.
    #[inline(never)]
    fn merge<K: Ord>(&self, search: &mut Search<'_, '_, K>, window: &Window, mut rule: Rule) -> Option<Decision> {
        let version = search.version();
        let cap = self.settings.job_bytes_max;
        let room = search.moment().free_bytes;
        let (mut width, mut bytes) = (0usize, Some(0u64));
        for run in version.runs().iter().take(window.end).rev().take(window.most) {
            bytes = bytes.and_then(|bytes| bytes.checked_add(run.bytes()));
            let fits = bytes.is_some_and(|bytes| bytes <= cap && output_bytes_max(bytes) <= room);
            if !fits && width >= window.least {
                break;
            }
            width = width.saturating_add(1);
        }
        if let Rule::SimilarRuns { runs, .. } = &mut rule {
            *runs = width;
        }
        let plan = Plan {
            runs: window.end.saturating_sub(width)..=window.end.saturating_sub(1),
            cut: Cut::Whole,
            work: Work::Merge,
            place: Place::Join,
            table_bytes_max: self.settings.table_bytes_max,
        };
        search.offer(&version.plan(&plan)?, rule, cap, width <= window.least)
    }
}

struct Excess {
    total: u128,
    largest: u64,
    over: u128,
}

/// A hundredth, rounded down; saturates at `u64::MAX`.
///
/// Long division by 32 bits at a time: a processor without a wide multiplier takes a tenth of the code for it.
fn hundredth(hundreds: u128) -> u64 {
    let (high, low) = (clamp(hundreds >> 64), hundreds as u64);
    if high >= 100 {
        return u64::MAX;
    }
    let upper = (high << 32) | (low >> 32);
    let lower = ((upper % 100) << 32) | (low & u64::from(u32::MAX));
    ((upper / 100) << 32) | (lower / 100)
}

/// Neighbouring runs, the newest just before `end`: at most `most` of them, at least `least`.
struct Window {
    end: usize,
    most: usize,
    least: usize,
}

impl<K: Ord> CompactionStrategy<K> for Tiered {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn decide(&self, search: &mut Search<'_, '_, K>) -> Decision {
        self.space(search)
            .or_else(|| self.similar_runs(search))
            .or_else(|| self.too_many(search))
            .unwrap_or_else(|| search.wait())
    }

    fn debt_bytes(&self, version: &Version<'_, K>) -> u64 {
        self.excess(version).map_or(0, |excess| hundredth(excess.over))
    }
}

#[cfg(test)]
mod tests {
    use super::hundredth;

    #[test]
    fn a_hundredth_is_the_quotient_clamped() {
        let top = u128::from(u64::MAX) * 100;
        for near in [0, 99, 100, 1 << 32, 99 << 32, 1 << 64, (99 << 64) + 7, top, top + 99, top + 100, u128::MAX] {
            for hundreds in [near.saturating_sub(1), near, near.saturating_add(1)] {
                let wanted = u64::try_from(hundreds / 100).unwrap_or(u64::MAX);
                assert_eq!(hundredth(hundreds), wanted, "{hundreds}");
            }
        }
    }
}
