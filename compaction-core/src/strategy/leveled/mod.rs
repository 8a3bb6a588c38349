//! Leveled compaction, and the layouts between leveled and tiered.
//!
//! 1. What has outlived its time to live is dropped.
//! 2. The level that exceeds its target or its number of runs by most sinks, as far as one job takes it: level 0 and levels
//!    of several runs as whole runs, others table by table. The next level is tried when nothing of the first can go now.
//! 3. A level that should have one run but has more is drawn together.
//! 4. Runs of level 0 whose way down is barred are merged where they are, so that readers see fewer.
//! 5. Tables with too many or too old tombstones sink, and lose them at the bottom.
//!
//! Every job only sinks data, joins it to an older run, or takes tombstones away; so with no new data the tree comes to rest.

mod pick;
mod settings;
mod sink;
mod target;
mod tombstones;

use super::{CompactionStrategy, Event, Search, expire};
use crate::config::ConfigError;
use crate::decision::{Decision, Place, Rule};
use crate::version::Version;
use target::{Kind, Targets, Trigger};

pub use settings::{Granularity, LeveledSettings};

const LEVELS_MAX: usize = LeveledSettings::LEVELS_MAX as usize;

/// Leveled compaction, and with several runs a level the layouts between leveled and tiered.
///
/// ```
/// use compaction_core::{Choice, CompactionStrategy, Leveled, LeveledSettings, Moment, Run, Table, Version};
/// let mut tables = [1u64, 2, 3].map(|id| Table::new(id, 1_000, 0u32, 9));
/// let mut runs = [Run::EMPTY; 3];
/// for (at, table) in tables.iter_mut().enumerate() {
///     runs[at] = Run::seal(0, at, core::slice::from_mut(table))?;
/// }
/// let version = Version::new(&runs, &tables)?;
/// let strategy = Leveled::new(LeveledSettings { l0_runs_max: 2, levels_max: 3, ..Default::default() }).expect("sound");
/// let decision = strategy.choose(&version, &Moment::default());
/// assert_eq!(decision.reason.rule.name(), "l0_runs");
/// assert_eq!(decision.choice.job().map(|job| job.level()), Some(2)); // levels between are not needed yet
/// # Ok::<(), compaction_core::TreeError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leveled {
    settings: LeveledSettings,
    /// Where in each level the last table sank, counted in tables from the start of its run.
    cursors: [u32; LEVELS_MAX],
}

impl Leveled {
    /// The stored name of the leveled layout.
    pub const NAME: &'static str = "LeveledCompaction";
    /// The stored name of layouts with several runs in a level.
    pub const LAZY_NAME: &'static str = "LazyLeveledCompaction";

    /// Checks the settings as a whole.
    ///
    /// # Errors
    /// The setting that no tree can be shaped by.
    pub fn new(settings: LeveledSettings) -> Result<Self, ConfigError> {
        settings.check()?;
        Ok(Self { settings, cursors: [0; LEVELS_MAX] })
    }

    /// The settings.
    #[must_use]
    pub fn settings(&self) -> LeveledSettings {
        self.settings
    }

    /// The jobs that bring a level within its limits; whether one was admitted.
    fn relieve<K: Ord>(&self, search: &mut Search<'_, '_, K>, targets: &Targets<'_>, trigger: &Trigger) -> bool {
        let Trigger { level, kind, has, max } = *trigger;
        let runs = usize::try_from(has).unwrap_or(usize::MAX);
        search.answer(match kind {
            Kind::Bytes => Rule::LevelBytes { level, bytes: has, target: max },
            Kind::Runs if level == 0 => Rule::L0Runs { runs, max },
            Kind::Runs => Rule::LevelRuns { level, runs, max },
        });
        let version = search.version;
        let places = version.level_runs(level);
        let is_single = level > 0 && targets.runs(level) == 1;
        if is_single && kind == Kind::Runs {
            return self.pick(search, level, places.end.wrapping_sub(1), Place::Join);
        }
        let Some(way) = targets.way_down(version, level) else { return false };
        let by_table = is_single && self.settings.granularity == Granularity::Table;
        (!by_table && self.sink_runs(search, &places, &way))
            || ((by_table || way.joins) && self.pick(search, level, places.start, way.place))
            || (level == 0 && self.merge_l0(search, has, max))
    }

    fn cursor(&self, level: u8) -> u32 {
        self.cursors.get(usize::from(level)).copied().unwrap_or(0)
    }
}

impl Default for Leveled {
    fn default() -> Self {
        Self { settings: LeveledSettings::default(), cursors: [0; LEVELS_MAX] }
    }
}

impl<K: Ord> CompactionStrategy<K> for Leveled {
    fn name(&self) -> &'static str {
        self.settings.name()
    }

    #[inline(never)]
    fn decide(&self, search: &mut Search<'_, '_, K>) -> Decision {
        if !expire::expired(search, self.settings.ttl_ms) {
            search.cap(self.settings.job_bytes_max);
            let targets = Targets::new(&self.settings, search.version);
            let mut trigger = Trigger::FIRST;
            loop {
                trigger = targets.next(search.version, &trigger);
                if trigger.has == 0 || self.relieve(search, &targets, &trigger) {
                    break;
                }
            }
            let _ = trigger.has > 0 || self.tombstones(search, &targets);
        }
        search.conclude()
    }

    fn observe(&mut self, event: &Event<'_, K>) {
        let Event::Done { outcome, .. } = event else { return };
        if let Rule::LevelBytes { level, .. } | Rule::LevelRuns { level, .. } = outcome.reason.rule
            && let Some(cursor) = self.cursors.get_mut(usize::from(level))
        {
            *cursor = outcome.job.offset;
        }
    }

    /// Bytes above the targets, of level 0 when it has too many runs, and of the runs that a level has too many. 0 exactly
    /// when no level is over its limits. O(runs).
    fn debt_bytes(&self, version: &Version<'_, K>) -> u64 {
        let targets = Targets::new(&self.settings, version);
        let mut debt = 0u64;
        targets.each(version, &mut |trigger, runs| {
            // Never wraps, here and below: what triggers has more than it may.
            let over = trigger.has.wrapping_sub(trigger.max);
            let bytes = match trigger.kind {
                Kind::Bytes => over,
                Kind::Runs => {
                    let over = usize::try_from(over).unwrap_or(usize::MAX);
                    let start = if trigger.level == 0 { runs.start } else { runs.end.wrapping_sub(over) };
                    version.runs_bytes_clamped(start..runs.end)
                }
            };
            debt = debt.saturating_add(bytes.max(1));
        });
        debt
    }
}
