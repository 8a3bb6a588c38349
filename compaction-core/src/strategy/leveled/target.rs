//! How much each level may hold, and which level is furthest above that.
//!
//! 1. Static targets are counted from the top: level 1 may hold `base_bytes`, each level below `fanout` times as much.
//! 2. Dynamic targets are counted from the bottom: the deepest level is as large as it is, each level above a `fanout`th of
//!    the one below, but no less than `base_bytes`. Levels above the first that needs no more than `base_bytes` are not
//!    used: what lies there sinks.
//! 3. A level that may have several runs may hold `base_bytes` in each of them; so there the least is that many times as large.
//! 4. The deepest level has no target, and one run.
//!
//! Source: Dong et al., "Optimizing Space Amplification in RocksDB", CIDR 2017 (dynamic targets).

use core::cmp::Ordering;
use core::ops::Range;

use super::LeveledSettings;
use crate::decision::Place;
use crate::version::Version;
use crate::wide::{compare_products, saturating_product};

/// The layout that one version of a tree should have.
pub(super) struct Targets<'s> {
    settings: &'s LeveledSettings,
    /// The deepest level there is or may be.
    last: u8,
    /// The shallowest level that data should lie in.
    top: u8,
    /// The level that level 0 sinks to: `top`, or one above it that still holds data.
    base: u8,
    last_bytes: u64,
    /// What a level above the deepest may hold at least. Where several runs may stand, each may be as large as the one run
    /// that else stands there: or the first to arrive would make the level sink at once.
    least: u64,
}

/// The way that data of a level sinks.
pub(super) struct Way {
    /// The level that it sinks to.
    pub(super) below: u8,
    /// Whether that level has one run.
    pub(super) joins: bool,
    /// The oldest run of a job that sinks it: the one that is joined, or the oldest of the level.
    pub(super) oldest: usize,
    pub(super) place: Place,
}

/// What a level has too much of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Bytes,
    Runs,
}

/// A level with more than it may have.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trigger {
    pub(super) level: u8,
    pub(super) kind: Kind,
    pub(super) has: u64,
    pub(super) max: u64,
}

impl Trigger {
    /// Comes before every trigger.
    pub(super) const FIRST: Self = Self { level: 0, kind: Kind::Bytes, has: 1, max: 0 };
    /// Comes after every trigger.
    pub(super) const LAST: Self = Self { level: u8::MAX, kind: Kind::Runs, has: 0, max: 1 };

    /// The larger excess first, `has / max` being compared exactly; then the shallower level, then bytes.
    fn order(&self, other: &Self) -> Ordering {
        let rest = |trigger: &Self| u16::from(trigger.level) << 1 | trigger.kind as u16;
        compare_products((other.has, self.max), (self.has, other.max)).then(rest(self).cmp(&rest(other)))
    }
}

impl<'s> Targets<'s> {
    pub(super) fn new<K>(settings: &'s LeveledSettings, version: &Version<'_, K>) -> Self {
        let last = version.deepest().max(settings.levels_max.saturating_sub(1));
        let last_bytes = version.runs_bytes_clamped(version.level_runs(last));
        // Without runs below level 0 the position wraps to one that no run has.
        let below_l0 = version.runs.get(version.level_runs(0).start.wrapping_sub(1));
        let shallowest = below_l0.map_or(last, |run| run.level());
        let least = saturating_product(settings.base_bytes, settings.runs_max.into());
        let (mut top, mut bytes) = (if settings.dynamic { last } else { 1 }, last_bytes);
        let mut most = settings.base_bytes;
        while top > 1 && bytes > most {
            (top, bytes, most) = (top.wrapping_sub(1), settings.shrunk(bytes), least);
        }
        Self { settings, last, top, base: top.min(shallowest), last_bytes, least }
    }

    /// The level below `level`, where what it has too much of goes; `None` for the deepest.
    fn below(&self, level: u8) -> Option<u8> {
        match level {
            0 => Some(self.base),
            _ => (level < self.last).then(|| level.saturating_add(1)),
        }
    }

    /// How data of `level` sinks; `None` for the deepest level. It joins the newest run of a level of one run; elsewhere it
    /// becomes a new run.
    pub(super) fn way_down<K>(&self, version: &Version<'_, K>, level: u8) -> Option<Way> {
        let below = self.below(level)?;
        let joins = self.runs(below) == 1;
        let runs = version.level_runs(below);
        let (oldest, place) = if joins && !runs.is_empty() {
            (runs.end.wrapping_sub(1), Place::Join)
        } else {
            (version.level_runs(level).start, Place::New { level: below })
        };
        Some(Way { below, joins, oldest, place })
    }

    /// The most bytes that `level` may hold; `u64::MAX` for no limit.
    #[inline(never)]
    fn bytes(&self, level: u8) -> u64 {
        if level == 0 || level >= self.last {
            return u64::MAX;
        }
        if level < self.top {
            return 0;
        }
        let dynamic = self.settings.dynamic;
        let (steps, mut bytes) = if dynamic { (level..self.last, self.last_bytes) } else { (1..level, self.least) };
        for _ in steps {
            bytes = if dynamic {
                self.settings.shrunk(bytes)
            } else {
                saturating_product(bytes, self.settings.fanout.into())
            };
        }
        bytes.max(self.least)
    }

    /// The most runs that `level` may have.
    #[inline(never)]
    pub(super) fn runs(&self, level: u8) -> u64 {
        match level {
            0 => self.settings.l0_runs_max.into(),
            _ if level >= self.last => 1,
            _ => self.settings.runs_max.into(),
        }
    }

    /// The trigger after `before` in order of urgency, none being [`Trigger::LAST`]. O(runs).
    pub(super) fn next<K>(&self, version: &Version<'_, K>, before: &Trigger) -> Trigger {
        let mut next = Trigger::LAST;
        self.each(version, &mut |trigger, _| {
            if before.order(trigger) == Ordering::Less && trigger.order(&next) == Ordering::Less {
                next = *trigger;
            }
        });
        next
    }

    /// Shows every level that has more than it may, with the positions of its runs. O(runs).
    #[inline(never)]
    pub(super) fn each<K>(&self, version: &Version<'_, K>, show: &mut dyn FnMut(&Trigger, Range<usize>)) {
        let mut end = version.runs.len();
        while let Some(run) = end.checked_sub(1).and_then(|newest| version.runs.get(newest)) {
            let level = run.level;
            let runs = version.level_runs(level);
            end = runs.start;
            let count = u64::try_from(runs.len()).unwrap_or(u64::MAX);
            let mut check = |kind, has, max| {
                if has > max {
                    show(&Trigger { level, kind, has, max }, runs.clone());
                }
            };
            check(Kind::Runs, count, self.runs(level));
            check(Kind::Bytes, version.runs_bytes_clamped(runs.clone()), self.bytes(level));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::version::{Run, Table};
    use std::boxed::Box;
    use std::vec::Vec;

    /// A tree with one table of the given bytes in each of the given levels, deepest level first.
    fn targets(settings: LeveledSettings, levels: &[(u8, u64)]) -> Targets<'static> {
        let mut tables: Vec<_> = (0u64..).zip(levels).map(|(id, (_, bytes))| Table::new(id, *bytes, 0, 9)).collect();
        let mut runs = Vec::new();
        for (at, table) in tables.iter_mut().enumerate() {
            runs.push(Run::seal(levels[at].0, at, core::slice::from_mut(table)).unwrap());
        }
        Targets::new(Box::leak(Box::new(settings)), &Version::new(&runs, &tables).unwrap())
    }

    fn bytes(targets: &Targets<'_>) -> Vec<u64> {
        (1..=targets.last).map(|level| targets.bytes(level)).collect()
    }

    fn dynamic() -> LeveledSettings {
        LeveledSettings { base_bytes: 100, levels_max: 5, ..Default::default() }
    }

    fn fixed() -> LeveledSettings {
        LeveledSettings { dynamic: false, ..dynamic() }
    }

    const MAX: u64 = u64::MAX;

    #[test]
    fn static_targets_grow_by_the_fanout_and_saturate() {
        assert_eq!(bytes(&targets(fixed(), &[])), [100, 1_000, 10_000, MAX]);
        assert_eq!(targets(fixed(), &[(4, MAX)]).base, 1);
        let huge = LeveledSettings { base_bytes: 1 << 60, fanout: u32::MAX, levels_max: 32, ..fixed() };
        assert_eq!(bytes(&targets(huge, &[]))[..3], [1 << 60, MAX, MAX]);
        let doubling = LeveledSettings { base_bytes: 1, fanout: 2, levels_max: 32, ..fixed() };
        assert_eq!(bytes(&targets(doubling, &[]))[29], 1 << 29);
    }

    #[test]
    fn an_empty_tree_sinks_straight_to_the_deepest_level() {
        let empty = targets(dynamic(), &[]);
        assert_eq!((empty.base, bytes(&empty)), (4, [0, 0, 0, MAX].to_vec()));
    }

    #[test]
    fn dynamic_targets_follow_the_deepest_level() {
        assert_eq!(bytes(&targets(dynamic(), &[(4, 100)])), [0, 0, 0, MAX], "equality needs no further level");
        assert_eq!(bytes(&targets(dynamic(), &[(4, 101)])), [0, 0, 100, MAX]);
        assert_eq!(bytes(&targets(dynamic(), &[(4, 20_000)])), [100, 200, 2_000, MAX]);
        assert_eq!(bytes(&targets(dynamic(), &[(4, 9_000)])), [0, 100, 900, MAX]);
        assert_eq!(bytes(&targets(dynamic(), &[(4, MAX)]))[0], MAX / 1_000);
    }

    #[test]
    fn a_level_of_several_runs_is_used_only_where_the_one_below_it_may_hold_more() {
        let lazy = LeveledSettings { runs_max: 9, ..dynamic() };
        assert_eq!(bytes(&targets(lazy, &[(4, 100)])), [0, 0, 0, MAX]);
        assert_eq!(bytes(&targets(lazy, &[(4, 101)])), [0, 0, 900, MAX]);
        assert_eq!(bytes(&targets(lazy, &[(4, 20_000)])), [0, 900, 2_000, MAX], "not two levels of 900 B each");
    }

    #[test]
    fn level_0_sinks_no_deeper_than_to_the_shallowest_level_with_data() {
        let stray = targets(dynamic(), &[(4, 50), (2, 7)]);
        assert_eq!((stray.base, stray.bytes(2)), (2, 0), "what lies above the used levels sinks");
    }

    #[test]
    fn a_tree_deeper_than_the_settings_keeps_its_depth() {
        let deep = targets(dynamic(), &[(255, 5_000), (9, 1)]);
        assert_eq!((deep.last, deep.top, deep.base), (255, 253, 9));
        assert_eq!((deep.bytes(254), deep.bytes(253), deep.bytes(252)), (500, 100, 0));
        assert_eq!(deep.below(255), None);
    }

    #[test]
    fn triggers_come_in_order_of_excess_and_each_once() {
        let settings = LeveledSettings { l0_runs_max: 1, ..fixed() };
        let levels = [(3, 20_000), (2, 5_000), (1, 400), (0, 1), (0, 1), (0, 1)];
        let mut tables: Vec<_> = (0u64..).zip(levels).map(|(id, (_, bytes))| Table::new(id, bytes, 0, 9)).collect();
        let mut runs = Vec::new();
        for (at, table) in tables.iter_mut().enumerate() {
            runs.push(Run::seal(levels[at].0, at, core::slice::from_mut(table)).unwrap());
        }
        let version = Version::new(&runs, &tables).unwrap();
        let targets = Targets::new(&settings, &version);
        let (mut seen, mut trigger) = (Vec::new(), targets.next(&version, &Trigger::FIRST));
        while trigger.has > 0 {
            seen.push((trigger.level, trigger.has, trigger.max));
            trigger = targets.next(&version, &trigger);
        }
        assert_eq!(seen, [(2, 5_000, 1_000), (1, 400, 100), (0, 3, 1), (3, 20_000, 10_000)]);
    }
}
