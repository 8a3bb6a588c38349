//! Size-tiered (universal) compaction: whole runs, neighbours in age.
//!
//! 1. Space trigger: when all runs together outweigh the largest by too much, merge all.
//! 2. Walk from the newest run; a stretch grows while neighbours are of similar size; the first one that is wide enough
//!    merges its newest runs.
//! 3. Optionally, when there are too many runs, merge the cheapest neighbours.
//!
//! Source: the size-tiered rules of Cassandra and of RocksDB's universal compaction, restricted to neighbours in age, since a
//! merge that skips an age has no correct place for its output.

use core::cmp::Ordering;

use super::search::{Search, clamp};
use super::{CompactionStrategy, Decision};
use crate::config::ConfigError;
use crate::decision::Rule;
use crate::version::{Run, Totals, Version};
use crate::wide::{compare_products, product};

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
        let (small, large) = if a < b { (a, b) } else { (b, a) };
        let ppm = self.settings.size_ratio_ppm;
        // The ratio was clamped, so the sum is exact.
        let factor = PPM.saturating_add(ppm);
        small == 0
            || ppm >= TieredSettings::RATIO_PPM_UNLIMITED
            || compare_products((large, PPM), (small, factor)) != Ordering::Greater
    }

    /// By how much the runs beside the largest exceed what they may hold; `None` when the space trigger does not fire.
    #[inline(never)]
    fn excess(&self, runs: &[Run]) -> Option<Excess> {
        let (mut total, mut largest) = (0u128, 0);
        for run in runs {
            // Never wraps: there are fewer than 2^32 runs.
            total = total.wrapping_add(run.bytes().into());
            largest = run.bytes().max(largest);
        }
        if largest == 0 || runs.len() < 2 {
            return None;
        }
        let over = total.checked_sub(with_percent(largest, self.settings.max_space_amp_pct))?;
        Some(Excess { total: clamp(total), largest, over: clamp(over) })
    }

    /// Too much beside the largest run: all runs into one.
    fn space<K: Ord>(&self, search: &mut Search<'_, '_, K>) -> bool {
        let runs = search.version.runs;
        let Some(Excess { total, largest, .. }) = self.excess(runs) else { return false };
        if !search.version.running.is_empty() {
            search.barred();
            return false;
        }
        search.answer(Rule::SpaceAmp { total, largest, pct: self.settings.max_space_amp_pct });
        self.merge(search, &Window { end: runs.len(), narrow: runs.len().saturating_sub(2), wide: 0, stretch: 0 })
    }

    /// The newest stretch of similar runs that is wide enough and that can go.
    fn similar_runs<K: Ord>(&self, search: &mut Search<'_, '_, K>) -> bool {
        let mut end = search.version.runs.len();
        // A width beyond what positions can count reaches to the first run.
        let before = |end: usize, width: u32| end.checked_sub(usize::try_from(width).ok()?);
        while let Some(narrow) = before(end, self.settings.min_merge_width) {
            let start = self.stretch(&search.version, end);
            if start <= narrow {
                let wide = before(end, self.settings.max_merge_width).map_or(start, |wide| wide.max(start));
                let window = Window { end, narrow, wide, stretch: end.saturating_sub(start) };
                if wide <= narrow && self.merge(search, &window) {
                    return true;
                }
            }
            end = start.min(end.saturating_sub(1));
        }
        false
    }

    /// Where the longest stretch of free, similar neighbours starts whose newest run stands just before `end`; `end` when
    /// that run is busy.
    fn stretch<K: Ord>(&self, version: &Version<'_, K>, end: usize) -> usize {
        let mut start = end;
        let mut newer = 0; // Similar to anything.
        while let Some((at, run)) = start.checked_sub(1).and_then(|at| Some((at, version.runs.get(at)?))) {
            let bytes = run.bytes();
            if !self.similar(newer, bytes) || version.is_busy(at) {
                break;
            }
            (start, newer) = (at, bytes);
        }
        start
    }

    /// The cheapest neighbours, when there are more runs than allowed.
    fn too_many<K: Ord>(&self, search: &mut Search<'_, '_, K>) -> bool {
        let version = &search.version;
        let (runs, max) = (version.runs.len(), self.settings.runs_max);
        if u64::try_from(runs).is_ok_and(|runs| runs <= max) {
            return false;
        }
        // The cheapest pair of free neighbours: its bytes, and the position behind it.
        let (mut least, mut end) = (u64::MAX, 0);
        let mut older = None;
        for (at, run) in version.runs.iter().enumerate() {
            let bytes = Some(run.bytes()).filter(|_| !version.is_busy(at));
            if let (Some(older), Some(newer)) = (older, bytes) {
                let sum = newer.saturating_add(older);
                if end == 0 || sum < least {
                    (least, end) = (sum, at.saturating_add(1));
                }
            }
            older = bytes;
        }
        if end == 0 {
            search.barred();
            return false;
        }
        search.answer(Rule::RunCount { runs, max });
        let narrow = end.saturating_sub(2);
        self.merge(search, &Window { end, narrow, wide: narrow, stretch: 0 })
    }

    /// Offers the newest runs of a window, none of them busy: as many as fit the room and the cap, but no fewer than its
    /// least.
    #[inline(never)]
    fn merge<K: Ord>(&self, search: &mut Search<'_, '_, K>, window: &Window) -> bool {
        let Window { end, narrow, wide, stretch } = *window;
        let mut totals = Totals::default();
        let mut oldest = end;
        while let Some(at) = oldest.checked_sub(1).filter(|at| *at >= wide)
            && let Some(run) = search.version.runs.get(at)
            && (oldest > narrow || search.fits(totals.bytes.saturating_add(run.bytes())))
            && totals.add(&run.totals)
        {
            oldest = at;
        }
        if oldest > narrow {
            return false;
        }
        if stretch > 0 {
            search.answer(Rule::SimilarRuns { runs: end.saturating_sub(oldest), stretch });
        }
        let job = search.version.merge_of(oldest..end, self.settings.table_bytes_max);
        job.is_some_and(|job| search.admit(&job, totals.bytes, false, oldest == narrow))
    }
}

struct Excess {
    total: u64,
    largest: u64,
    over: u64,
}

/// `bytes` and `pct` percent more, rounded up.
///
/// Long division by 32 bits at a time: a processor without a wide multiplier takes a fraction of the code for it.
fn with_percent(bytes: u64, pct: u64) -> u128 {
    let (mut left, mut rest) = (product(bytes, pct), 0u64);
    let mut percent = 0u128;
    for _ in 0..4 {
        let part = (rest << 32) | (left >> 96) as u64;
        (percent, left) = ((percent << 32) | u128::from(part / 100), left << 32);
        rest = part % 100;
    }
    percent.wrapping_add(u128::from(rest > 0)).wrapping_add(bytes.into())
}

/// Neighbouring runs, the newest just before `end`.
struct Window {
    end: usize,
    /// The oldest run of the narrowest merge.
    narrow: usize,
    /// The oldest run of the widest merge.
    wide: usize,
    /// How many similar runs there are, or 0 when the rule does not say.
    stretch: usize,
}

impl<K: Ord> CompactionStrategy<K> for Tiered {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    #[inline(never)]
    fn decide(&self, search: &mut Search<'_, '_, K>) -> Decision {
        search.bytes_max = self.settings.job_bytes_max;
        let _ = self.space(search) || self.similar_runs(search) || self.too_many(search);
        search.conclude()
    }

    fn debt_bytes(&self, version: &Version<'_, K>) -> u64 {
        self.excess(version.runs).map_or(0, |excess| excess.over)
    }
}

#[cfg(test)]
mod tests {
    use super::with_percent;

    #[test]
    fn percents_are_exact_and_rounded_up() {
        let near = [0, 1, 2, 49, 50, 99, 100, 101, 199, 200, 1 << 32, u64::MAX / 100, u64::MAX - 1, u64::MAX];
        for bytes in near {
            for pct in near {
                let wide = u128::from(bytes) + (u128::from(bytes) * u128::from(pct)).div_ceil(100);
                assert_eq!(with_percent(bytes, pct), wide, "{bytes} and {pct} %");
            }
        }
    }
}
