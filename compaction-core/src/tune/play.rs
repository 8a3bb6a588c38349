//! A tree whose runs are stretches of time, flush by flush; the rules of tiered on it.

use super::keys::Keys;
use super::model::{Layout, Load};

/// Most runs that a tree may have.
const RUNS_MAX: usize = 128;
/// Writes after the load, as a multiple of the keys.
const ROUNDS: f64 = 6.0;
/// Fewest flushes after the load: a tree of a few memtables goes through several of its cycles.
const FLUSHES_MIN: f64 = 100.0;
/// States at which reads are priced.
const SAMPLES: f64 = 500.0;
/// Steps of this share of a whole fall evenly and with no period, while trees go through cycles of a few flushes.
const GOLDEN: f64 = 0.618_033_988_749_894_9;

/// What was written in a stretch of time.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Run {
    pub(super) level: u8,
    /// Keys of the load.
    pub(super) load: f64,
    /// Writes after the load.
    pub(super) writes: f64,
    pub(super) entries: f64,
    /// Share of the keys where it has no table, since what lay there has sunk.
    pub(super) gap: f64,
}

/// Sums over the flushes after the load, in entries.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sums {
    pub(super) writes: f64,
    pub(super) flushed: f64,
    pub(super) merge_written: f64,
    pub(super) merge_read: f64,
    pub(super) flushes: f64,
    pub(super) runs: f64,
    pub(super) space: f64,
    pub(super) space_max: f64,
    /// States at which reads were priced.
    pub(super) samples: f64,
    /// Runs asked by a read of a key drawn as the writes are.
    pub(super) asked: f64,
    /// Reads that did not find their key in the memtable.
    pub(super) found: f64,
}

/// The tree.
pub(super) struct Tree<'l> {
    pub(super) given: &'l Load,
    pub(super) keys: Keys,
    layout: Layout,
    /// Oldest first.
    runs: [Run; RUNS_MAX],
    len: usize,
    pub(super) sums: Sums,
}

impl<'l> Tree<'l> {
    pub(super) fn new(given: &'l Load, keys: Keys, layout: Layout) -> Self {
        Self { given, keys, layout, runs: [Run::default(); RUNS_MAX], len: 0, sums: Sums::default() }
    }

    /// Every key once, then some times as many writes.
    pub(super) fn run(&mut self) {
        let memtable = self.given.memtable_entries;
        let flushes = |entries: f64| libm::ceil(entries / memtable).max(1.0);
        let load = flushes(self.keys.count);
        let loaded = self.keys.count / load;
        for _ in 0..load as u32 {
            self.flush(Run { load: loaded, entries: loaded, ..Run::default() });
        }
        self.sums = Sums::default();
        let flushes = flushes(self.keys.count * ROUNDS).max(FLUSHES_MIN);
        let (share, mut phase) = (SAMPLES / flushes, 0.0);
        let entries = self.keys.distinct(memtable);
        for _ in 0..flushes as u32 {
            self.flush(Run { writes: memtable, entries, ..Run::default() });
            self.sums.writes += memtable;
            self.sums.flushed += entries;
            self.tally();
            phase += GOLDEN;
            phase -= libm::trunc(phase);
            if phase < share {
                self.read();
            }
        }
    }

    fn tally(&mut self) {
        let entries: f64 = self.used().iter().map(|run| run.entries).sum();
        let space = entries / self.keys.count;
        self.sums.flushes += 1.0;
        self.sums.runs += self.used().iter().map(|run| 1.0 - run.gap).sum::<f64>();
        self.sums.space += space;
        self.sums.space_max = self.sums.space_max.max(space);
    }

    /// Prices a read of a key drawn as the writes are, the memtable being half full.
    fn read(&mut self) {
        let (mut writes, mut load) = (self.given.memtable_entries / 2.0, 0.0);
        let mut missed = self.keys.missed(writes);
        self.sums.found += missed;
        let mut asked = 0.0;
        for run in self.used().iter().rev() {
            asked += missed * (1.0 - run.gap);
            writes += run.writes;
            load += run.load;
            missed = self.keys.missed(writes) * (1.0 - load / self.keys.count).max(0.0);
        }
        self.sums.asked += asked;
        self.sums.samples += 1.0;
    }

    pub(super) fn used(&self) -> &[Run] {
        self.runs.get(..self.len).unwrap_or_default()
    }

    pub(super) fn at(&mut self, at: usize) -> Option<&mut Run> {
        self.runs.get_mut(..self.len).and_then(|runs| runs.get_mut(at))
    }

    fn flush(&mut self, run: Run) {
        if self.len >= RUNS_MAX {
            self.merge(0, self.len, 0);
        }
        self.len = self.len.saturating_add(1);
        if let Some(place) = self.at(self.len.saturating_sub(1)) {
            *place = run;
        }
        match self.layout {
            Layout::Tiered { width, space_pct } => self.tier(width.max(2) as usize, space_pct),
            Layout::Leveled { fanout, base_memtables } => self.sink(fanout, 1, base_memtables),
            Layout::Lazy { fanout, runs, base_memtables } => self.sink(fanout, runs.max(1) as usize, base_memtables),
        }
    }

    /// Entries of a run that holds all of some stretches.
    pub(super) fn union(&self, load: f64, writes: f64) -> f64 {
        let count = self.keys.count;
        let updated = if writes > 0.0 { self.keys.distinct(writes) } else { 0.0 };
        (load + updated * (1.0 - load / count).max(0.0)).min(count)
    }

    /// Merges the runs `from..to`, at least one, into one of `level`.
    pub(super) fn merge(&mut self, from: usize, to: usize, level: u8) {
        let Some(runs) = self.used().get(from..to).filter(|runs| !runs.is_empty()) else { return };
        let sum = |of: fn(&Run) -> f64| runs.iter().map(of).sum::<f64>();
        let (load, writes, read) = (sum(|run| run.load), sum(|run| run.writes), sum(|run| run.entries));
        let entries = self.union(load, writes);
        self.sums.merge_read += read;
        self.sums.merge_written += entries;
        self.remove(from.saturating_add(1), to);
        if let Some(run) = self.at(from) {
            *run = Run { level, load, writes, entries, gap: 0.0 };
        }
    }

    /// Takes the runs `from..to` away.
    pub(super) fn remove(&mut self, from: usize, to: usize) {
        if let Some(runs) = self.runs.get_mut(from..self.len) {
            let count = to.saturating_sub(from).min(runs.len());
            runs.rotate_left(count);
            self.len = self.len.saturating_sub(count);
        }
    }

    /// The rules of tiered, until none fires.
    fn tier(&mut self, width: usize, space_pct: u64) {
        let over = if space_pct == u64::MAX { f64::INFINITY } else { space_pct as f64 / 100.0 };
        while self.len > 1 {
            let total: f64 = self.used().iter().map(|run| run.entries).sum();
            let largest = self.used().iter().map(|run| run.entries).fold(0.0, f64::max);
            if total >= largest * (1.0 + over) {
                self.merge(0, self.len, 0);
                continue;
            }
            let Some((from, to)) = self.similar(width) else { return };
            self.merge(from, to, 0);
        }
    }

    /// The newest stretch of runs of which neighbours differ at most by a factor of two, if it is wide enough.
    fn similar(&self, width: usize) -> Option<(usize, usize)> {
        let mut end = self.len;
        let mut count = 0usize;
        let mut newer = 0.0;
        for (at, run) in self.used().iter().enumerate().rev() {
            let similar = count == 0 || run.entries.max(newer) <= 2.0 * run.entries.min(newer);
            if !similar {
                if count >= width {
                    return Some((at.saturating_add(1), end));
                }
                (end, count) = (at.saturating_add(1), 0);
            }
            count = count.saturating_add(1);
            newer = run.entries;
        }
        (count >= width).then_some((0, end))
    }
}
