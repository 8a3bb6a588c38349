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

use super::{CompactionStrategy, Event, Search, clamp, expire};
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

    /// Where data that sinks from `level` to the level `below` goes: the oldest run of the job, and the place. It joins the
    /// newest run of a level of one run; elsewhere it becomes a new run.
    fn destination<K>(&self, version: &Version<'_, K>, targets: &Targets, level: u8, below: u8) -> (usize, Place) {
        let runs = version.level_runs(below);
        match runs.end.checked_sub(1) {
            Some(newest) if targets.runs(below) == 1 && !runs.is_empty() => (newest, Place::Join),
            _ => (version.level_runs(level).start, Place::New { level: below }),
        }
    }

    fn relieve<K: Ord>(
        &self,
        search: &mut Search<'_, '_, K>,
        targets: &Targets,
        trigger: &Trigger,
    ) -> Option<Decision> {
        let Trigger { level, has, max, .. } = *trigger;
        let runs = usize::try_from(has).unwrap_or(usize::MAX);
        if level == 0 {
            return self
                .sink_runs(search, targets, 0, Rule::L0Runs { runs, max })
                .or_else(|| self.merge_l0(search, Rule::IntraL0 { runs, max }));
        }
        let rule = match trigger.kind {
            Kind::Bytes => Rule::LevelBytes { level, bytes: has, target: max },
            Kind::Runs => Rule::LevelRuns { level, runs, max },
        };
        let several = targets.runs(level) > 1;
        match trigger.kind {
            Kind::Runs if !several => self.draw_together(search, level, rule),
            Kind::Bytes if !several && self.settings.granularity == Granularity::Table => {
                self.sink_table(search, targets, level, rule)
            }
            _ => self.sink_runs(search, targets, level, rule),
        }
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

    fn decide(&self, search: &mut Search<'_, '_, K>) -> Decision {
        if let Some(decision) = expire::expired(search, self.settings.ttl_ms) {
            return decision;
        }
        let version = search.version();
        let targets = Targets::new(&self.settings, &version);
        let mut last = None;
        while let Some(trigger) = targets.next(&version, last.as_ref()) {
            if let Some(decision) = self.relieve(search, &targets, &trigger) {
                return decision;
            }
            last = Some(trigger);
        }
        self.tombstones(search, &targets).unwrap_or_else(|| search.wait())
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
            let over = trigger.has.saturating_sub(trigger.max);
            let bytes = match trigger.kind {
                Kind::Bytes => over,
                Kind::Runs if trigger.level == 0 => clamp(version.runs_bytes(runs)),
                Kind::Runs => {
                    let over = usize::try_from(over).unwrap_or(usize::MAX);
                    clamp(version.runs_bytes(runs.end.saturating_sub(over)..runs.end))
                }
            };
            debt = debt.saturating_add(bytes.max(1));
        });
        debt
    }
}
