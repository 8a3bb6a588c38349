//! The rules of leveled and of lazy leveling on a tree whose runs are stretches of time.

use super::play::{Run, Tree};

/// Number of the deepest level: that of the defaults of leveled.
const LAST: u8 = 6;
/// Runs of level 0 that leveled lets stand by default.
const L0_RUNS: usize = 4;
/// From a level of one run the share `x` of its entries that sinks lies in the share `1 - (1 - x)^DENSITY` of the keys: what has
/// waited longest lies densest. 1/2 if density rose evenly from nothing, 1 if it were the same everywhere.
const DENSITY: f64 = 0.65;
/// Tables below that each sinking table rewrites beyond what it covers, where the level below is far larger: of levels of one
/// size the pick finds tables that fit.
const EDGES: f64 = 0.2;
/// How much of the keys that sank are still without a table when reads come.
const GAPS: f64 = 0.8;
/// Jobs after one flush at which it ends, come what may.
const JOBS_MAX: usize = 1_000;

/// What the levels may hold, as `leveled/target.rs` has it.
struct Targets {
    fanout: f64,
    runs: usize,
    last: f64,
    least: f64,
    /// The shallowest level that is needed.
    top: u8,
}

impl Targets {
    fn entries(&self, level: u8) -> f64 {
        if level < self.top {
            return 0.0;
        }
        let above = f64::from(LAST.saturating_sub(level));
        (self.last / libm::pow(self.fanout, above)).max(self.least)
    }
}

impl Tree<'_> {
    /// The rules of leveled, until every level is within its limits.
    pub(super) fn sink(&mut self, fanout: u32, runs: usize, base_memtables: u32) {
        let (fanout, base) = (f64::from(fanout.max(2)), f64::from(base_memtables) * self.given.base_memtable());
        for _ in 0..JOBS_MAX {
            let targets = self.targets(fanout, runs, base);
            let Some(level) = self.fullest(&targets) else { return };
            if level > 0 && runs == 1 {
                self.sink_part(level, targets.entries(level));
                continue;
            }
            let shallowest = self.used().iter().rev().find(|run| run.level > 0).map_or(LAST, |run| run.level);
            let below = if level == 0 { targets.top.min(shallowest) } else { level.saturating_add(1) };
            let (from, to) = self.level(level);
            let joins = below == LAST || runs == 1;
            self.merge(if joins { self.level(below).0 } else { from }, to, below);
        }
    }

    fn targets(&self, fanout: f64, runs: usize, base: f64) -> Targets {
        let last = self.entries(self.level(LAST));
        let mut targets = Targets { fanout, runs, last, least: base * runs as f64, top: LAST };
        let (mut entries, mut least) = (last, base);
        while targets.top > 1 && entries > least {
            (targets.top, entries, least) = (targets.top.saturating_sub(1), entries / fanout, targets.least);
        }
        targets
    }

    /// The level that exceeds its runs or its target by most.
    fn fullest(&self, targets: &Targets) -> Option<u8> {
        let (mut worst, mut fullest) = (1.0, None);
        for level in 0..LAST {
            let at = self.level(level);
            if at.0 == at.1 {
                continue;
            }
            let runs = if level == 0 { L0_RUNS } else { targets.runs };
            let count = at.1.saturating_sub(at.0) as f64 / runs as f64;
            let share = if level == 0 { 0.0 } else { self.entries(at) / targets.entries(level).max(1e-9) };
            if count.max(share) > worst {
                (worst, fullest) = (count.max(share), Some(level));
            }
        }
        fullest
    }

    /// Where the runs of `level` stand.
    fn level(&self, level: u8) -> (usize, usize) {
        let runs = self.used();
        let from = runs.iter().take_while(|run| run.level > level).count();
        (from, runs.iter().take_while(|run| run.level >= level).count())
    }

    fn entries(&self, (from, to): (usize, usize)) -> f64 {
        self.used().get(from..to).unwrap_or_default().iter().map(|run| run.entries).sum()
    }

    /// What exceeds `target` in a level of one run joins the run below.
    fn sink_part(&mut self, level: u8, target: f64) {
        let (at, end) = self.level(level);
        let (below, below_end) = self.level(level.saturating_add(1));
        let Some(upper) = self.used().get(at).copied() else { return };
        let Some(lower) = self.used().get(below..below_end).and_then(<[Run]>::first).copied() else {
            // Nothing there: it moves.
            if let Some(run) = self.at(at) {
                run.level = level.saturating_add(1);
            }
            return;
        };
        let share = ((upper.entries - target).max(self.given.memtable_entries) / upper.entries).min(1.0);
        let keys = 1.0 - libm::pow(1.0 - share, DENSITY);
        let dense = share / keys;
        let load = (lower.load + upper.load * dense).min(self.keys.count);
        let merged = keys * self.union(load, lower.writes + upper.writes * dense);
        let larger = (1.0 - upper.entries / lower.entries).max(0.0);
        let edges = (EDGES * larger * share * upper.entries).min(lower.entries * (1.0 - keys));
        self.sums.merge_read += share * upper.entries + keys * lower.entries + edges;
        self.sums.merge_written += merged + edges;
        if let Some(run) = self.at(below) {
            run.load += share * upper.load;
            run.writes += share * upper.writes;
            run.entries += merged - keys * lower.entries;
            run.gap *= 1.0 - keys;
        }
        let left = 1.0 - share;
        if left <= 0.0 {
            self.remove(at, end);
        } else if let Some(run) = self.at(at) {
            let (load, writes, entries) = (upper.load * left, upper.writes * left, upper.entries * left);
            *run = Run { level, load, writes, entries, gap: (upper.gap + GAPS * keys).min(1.0) };
        }
    }
}
