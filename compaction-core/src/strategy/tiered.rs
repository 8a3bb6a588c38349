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

    /// By how much the runs beside the largest exceed what they may hold; `rule` becomes the one that says so when the space
    /// trigger fires, which it does at an excess of 0 too.
    #[inline(never)]
    fn excess(&self, runs: &[Run], rule: &mut Rule) -> u64 {
        let (mut total, mut largest) = (0u128, 0);
        for run in runs {
            // Never wraps: there are fewer than 2^32 runs.
            total = total.wrapping_add(run.bytes().into());
            largest = run.bytes().max(largest);
        }
        let pct = self.settings.max_space_amp_pct;
        if largest == 0 || runs.len() < 2 || pct >= PCT_UNLIMITED {
            return 0;
        }
        let Some(over) = total.checked_sub(with_percent(largest, pct)) else { return 0 };
        *rule = Rule::SpaceAmp { total: clamp(total), largest, pct };
        clamp(over)
    }

    /// Too much beside the largest run: all runs into one.
    fn space<K: Ord>(&self, search: &mut Search<'_, '_, K>) -> bool {
        let runs = search.version.runs;
        self.excess(runs, &mut search.decision.reason.rule);
        if let Rule::AtRest = search.decision.reason.rule {
            return false;
        }
        if !search.version.running.is_empty() {
            search.barred();
            return false;
        }
        self.merge(search, &Window { end: runs.len(), least: 2, most: runs.len(), stretch: 0 })
    }

    /// The newest stretch of similar runs that is wide enough and that can go.
    fn similar_runs<K: Ord>(&self, search: &mut Search<'_, '_, K>) -> bool {
        // A width beyond what positions can count reaches to the first run.
        let width = |width: u32| usize::try_from(width).unwrap_or(usize::MAX);
        let mut end = search.version.runs.len();
        while end > 0 {
            let stretch = self.stretch(search.version, end);
            let most = width(self.settings.max_merge_width).min(stretch);
            let window = Window { end, least: width(self.settings.min_merge_width), most, stretch };
            if self.merge(search, &window) {
                return true;
            }
            end = end.wrapping_sub(stretch.max(1));
        }
        false
    }

    /// How many free, similar neighbours stand just before `end`; 0 when the newest of them is busy.
    fn stretch<K: Ord>(&self, version: &Version<'_, K>, end: usize) -> usize {
        let mut start = end;
        let mut newer = 0; // Similar to anything.
        // Before the first run there is none: the position wraps to one that no run has.
        while let Some(run) = version.runs.get(start.wrapping_sub(1))
            && self.similar(newer, run.bytes())
            && !version.is_barred(start.wrapping_sub(1), start.wrapping_sub(1), None)
        {
            (start, newer) = (start.wrapping_sub(1), run.bytes());
        }
        end.wrapping_sub(start)
    }

    /// The cheapest neighbours, when there are more runs than allowed.
    fn too_many<K: Ord>(&self, search: &mut Search<'_, '_, K>) -> bool {
        let version = search.version;
        let (runs, max) = (version.runs.len(), self.settings.runs_max);
        if u64::try_from(runs).is_ok_and(|runs| runs <= max) {
            return false;
        }
        if !version.running.is_empty() {
            search.barred(); // What a wait says, if no pair can go.
        }
        // The cheapest pair of free neighbours, the oldest of several: its bytes, and the position behind it.
        let (mut cheapest, mut end) = (u64::MAX, 0usize);
        for (at, pair) in version.runs.windows(2).enumerate().rev() {
            let [older, newer] = pair else { continue };
            let Some(sum) = older.bytes().checked_add(newer.bytes()) else { continue };
            if sum <= cheapest && !version.is_barred(at, at.wrapping_add(1), None) {
                (cheapest, end) = (sum, at.wrapping_add(2));
            }
        }
        search.answer(Rule::RunCount { runs, max });
        self.merge(search, &Window { end, least: 2, most: 2, stretch: 0 })
    }

    /// Offers the newest runs of a window, none of them busy: as many as fit the room and the cap, but no fewer than its
    /// least.
    #[inline(never)]
    fn merge<K: Ord>(&self, search: &mut Search<'_, '_, K>, window: &Window) -> bool {
        let Window { end, least, most, stretch } = *window;
        let mut totals = Totals::default();
        let mut count = 0usize;
        while count < most
            && let Some(run) = search.version.runs.get(end.wrapping_sub(count).wrapping_sub(1))
            && (count < least || search.fits(totals.bytes.wrapping_add(run.bytes()))) // A sum that wraps is not added.
            && totals.add(&run.totals)
        {
            count = count.wrapping_add(1);
        }
        if count < least {
            return false;
        }
        if stretch > 0 {
            search.answer(Rule::SimilarRuns { runs: count, stretch });
        }
        let job = search.version.merge_of(end.wrapping_sub(count)..end, self.settings.table_bytes_max);
        job.is_some_and(|job| search.admit(&job, totals.bytes, false, count == least))
    }
}

/// By as many percent all runs never outweigh the largest: there are fewer than 2^32.
const PCT_UNLIMITED: u64 = 100 << 32;

/// `bytes` and `pct` percent more, rounded up; `pct` is less than [`PCT_UNLIMITED`].
///
/// With `bytes = 100 a + b` the surplus is `a pct + b pct / 100`: nothing wider than 64 bits is divided, and nothing wraps.
fn with_percent(bytes: u64, pct: u64) -> u128 {
    let (a, b) = (bytes / 100, bytes % 100);
    let rest = b.wrapping_mul(pct).wrapping_add(99) / 100;
    product(a, pct).wrapping_add(rest.into()).wrapping_add(bytes.into())
}

/// Neighbouring runs, the newest just before `end`.
struct Window {
    end: usize,
    /// The fewest runs of a merge.
    least: usize,
    /// The most runs of a merge.
    most: usize,
    /// How many similar runs there are, or 0 when the rule does not say.
    stretch: usize,
}

impl<K: Ord> CompactionStrategy<K> for Tiered {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    #[inline(never)]
    fn decide(&self, search: &mut Search<'_, '_, K>) -> Decision {
        search.cap(self.settings.job_bytes_max);
        let _ = self.space(search) || self.similar_runs(search) || self.too_many(search);
        search.conclude()
    }

    fn debt_bytes(&self, version: &Version<'_, K>) -> u64 {
        self.excess(version.runs, &mut Rule::AtRest)
    }
}

#[cfg(test)]
mod tests {
    use super::{Rule, Tiered, TieredSettings};
    use crate::version::{Run, Table};

    const NEAR: [u64; 14] = [0, 1, 2, 49, 50, 99, 100, 101, 199, 200, 1 << 32, u64::MAX / 100, u64::MAX - 1, u64::MAX];

    #[test]
    fn the_space_rule_is_exact_and_rounds_up() {
        for beside in NEAR {
            for (largest, more) in NEAR.into_iter().flat_map(|bytes| [(bytes, 0), (bytes, bytes)]) {
                let mut tables = [beside.min(largest), largest, more].map(|bytes| Table::new(1, bytes, 0u32, 9));
                let runs = core::array::from_fn::<_, 3, _>(|at| Run::seal(0, at, &mut tables[at..=at]).unwrap());
                let rest = u128::from(beside.min(largest)) + u128::from(more);
                for pct in NEAR {
                    let tiered = Tiered::new(TieredSettings { max_space_amp_pct: pct, ..Default::default() }).unwrap();
                    let allowed = (u128::from(largest) * u128::from(pct)).div_ceil(100);
                    let over = rest.checked_sub(allowed).filter(|_| largest > 0);
                    let expected = u64::try_from(over.unwrap_or(0)).unwrap_or(u64::MAX);
                    let mut rule = Rule::AtRest;
                    let found = tiered.excess(&runs, &mut rule);
                    assert_eq!(
                        (rule != Rule::AtRest, found),
                        (over.is_some(), expected),
                        "{rest} beside {largest}, {pct} %"
                    );
                }
            }
        }
    }
}
