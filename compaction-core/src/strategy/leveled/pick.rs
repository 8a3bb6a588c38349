//! Which table of a run sinks next.
//!
//! 1. Start at the level's cursor. 2. Look at no more than `PROBES_MAX` tables, wrapping.
//! 3. Take the one that drags in the fewest older bytes per byte of its own; the first such one in the order of looking.
//!
//! Source: Sarkar et al., "Constructing and Analyzing the LSM Compaction Design Space", VLDB 2021.

use core::cmp::Ordering;

use super::Leveled;
use crate::decision::{Cut, Place, Verdict, Work};
use crate::strategy::Search;
use crate::version::{Plan, Table};
use crate::wide::compare_products;

/// Tables looked at in one decision.
const PROBES_MAX: usize = 64;

/// A table looked at, with what it costs.
#[derive(Clone, Copy)]
struct Probe {
    at: usize,
    own: u64,
    older: u64,
    /// Whether the job keeps to the cap.
    fits: bool,
}

impl Probe {
    fn bytes(&self) -> u64 {
        self.own.saturating_add(self.older)
    }

    /// What fits beats what exceeds the cap. Of jobs that fit: fewer older bytes per own byte, compared exactly; a table of
    /// 0 bytes counts as 1. Of those that do not: fewer bytes.
    fn beats(&self, other: &Self) -> bool {
        if self.fits != other.fits {
            return self.fits;
        }
        let (own, others) = if self.fits {
            ((self.older, other.own.max(1)), (other.older, self.own.max(1)))
        } else {
            ((self.bytes(), 1), (other.bytes(), 1))
        };
        compare_products(own, others) == Ordering::Less
    }
}

/// From which run a table sinks, and where to.
struct Route {
    oldest: usize,
    source: usize,
    place: Place,
}

impl Leveled {
    /// Offers the best job of one table of run `source` that is free, fits and keeps to the cap; failing that the smallest
    /// one, alone. The table joins the run just older than the source, or starts a new run. O(probes x log overlap).
    #[inline(never)]
    pub(super) fn pick<K: Ord>(&self, search: &mut Search<'_, '_, K>, level: u8, source: usize, place: Place) -> bool {
        let version = search.version;
        let Some(run) = version.runs.get(source) else { return false };
        let oldest = if place == Place::Join { source.saturating_sub(1) } else { source };
        let route = Route { oldest, source, place };
        let tables = if oldest < source { version.run_tables(oldest) } else { &[] };
        let mut older = Older { tables, at: 0 };
        let mut best: Option<Probe> = None;
        let mut offset = self.cursor(level) as usize;
        for _ in 0..run.len().min(PROBES_MAX) {
            if offset >= run.len() {
                offset = 0;
            }
            let at = run.first().saturating_add(offset);
            offset = offset.saturating_add(1);
            let Some(table) = version.tables.get(at) else { break };
            let (probe, verdict) = older.probe(search, &route, at, table);
            if !matches!(verdict, Verdict::Chosen | Verdict::OverCap { .. }) {
                self.tell(search, &route, at, verdict);
                continue;
            }
            let wins = best.is_none_or(|best| probe.beats(&best));
            if let Some(loser) = if wins { best.replace(probe) } else { Some(probe) } {
                let bytes_max = self.settings.job_bytes_max;
                let verdict = if loser.fits { Verdict::Outscored } else { Verdict::OverCap { bytes_max } };
                self.tell(search, &route, loser.at, verdict);
            }
            if wins && probe.fits && probe.older == 0 {
                break;
            }
        }
        best.is_some_and(|probe| search.propose(&self.plan_of(&route, probe.at), true))
    }

    fn plan_of(&self, route: &Route, at: usize) -> Plan {
        self.plan(route.oldest..=route.source, one_table(at), Work::Merge, route.place)
    }

    /// Tells what became of the table at position `at`, which lost.
    #[inline(never)]
    fn tell<K: Ord>(&self, search: &mut Search<'_, '_, K>, route: &Route, at: usize, verdict: Verdict) {
        search.refuse(verdict);
        if search.is_watched()
            && let Some(planned) = search.version.plan_cheapest(&self.plan_of(route, at))
        {
            search.show(&planned.job, planned.bytes);
        }
    }
}

/// The cut of a job that starts with one table. Positions fit: a version holds at most `u32::MAX` tables.
pub(super) fn one_table(at: usize) -> Cut {
    let at = u32::try_from(at).unwrap_or(u32::MAX);
    Cut::Tables { first: at, last: at }
}

/// What the destination run holds under each table of the source, found by going along both.
struct Older<'v, K> {
    tables: &'v [Table<K>],
    at: usize,
}

impl<K: Ord> Older<'_, K> {
    /// What lies below `table`, at position `at`, and what would become of the job that it starts.
    fn probe(
        &mut self,
        search: &mut Search<'_, '_, K>,
        route: &Route,
        at: usize,
        table: &Table<K>,
    ) -> (Probe, Verdict) {
        let last = |end: usize| self.tables.get(end.checked_sub(1)?);
        let wrapped = last(self.at).is_some_and(|older| older.max >= table.min);
        let start = self.position(if wrapped { 0 } else { self.at }, &table.min, Side::Min);
        let end = self.position(start, &table.max, Side::Max);
        let mut probe = Probe { at, own: table.bytes, older: 0, fits: false };
        let (mut written, mut window) = (0, (&table.min, &table.max));
        if let (Some(first), Some(newest)) = (self.tables.get(start), last(end))
            && start < end
        {
            window = (window.0.min(&first.min), window.1.max(&newest.max));
            probe.older = newest.upto.bytes.saturating_sub(last(start).map_or(0, |before| before.upto.bytes));
            written = probe.bytes();
        }
        let busy = search.version.is_barred(route.oldest, route.source, Some(window));
        let verdict = search.verdict(busy, written);
        probe.fits = verdict == Verdict::Chosen;
        self.at = start;
        (probe, verdict)
    }

    /// The first table from position `from` on that does not lie wholly before `key`, or that starts behind it.
    #[inline(never)]
    fn position(&self, from: usize, key: &K, side: Side) -> usize {
        gallop(self.tables, from, |older| match side {
            Side::Min => older.max < *key,
            Side::Max => older.min <= *key,
        })
    }
}

/// Which end of a table's keys is looked for.
#[derive(Clone, Copy)]
enum Side {
    Min,
    Max,
}

/// The first position from `from` on where `before` fails, looked for in steps that grow as long as they succeed and then
/// shrink: it is mostly near. O(log distance).
fn gallop<T>(items: &[T], from: usize, before: impl Fn(&T) -> bool) -> usize {
    let (mut at, mut reach, mut grows) = (from, 0usize, true);
    loop {
        let far = at.saturating_add(reach);
        let is_before = items.get(far).is_some_and(&before);
        if is_before {
            at = far.saturating_add(1);
        }
        grows &= is_before;
        if grows {
            reach = (reach << 1) | 1;
        } else if reach == 0 {
            return at;
        } else {
            reach >>= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::gallop;

    #[test]
    fn galloping_finds_what_a_binary_search_finds() {
        let items: [u32; 40] = core::array::from_fn(|at| at as u32 * 3);
        for from in 0..=items.len() {
            for key in 0..130 {
                let expected = items.partition_point(|item| *item < key).max(from);
                assert_eq!(gallop(&items, from, |item| *item < key), expected, "from {from}, key {key}");
            }
        }
    }
}
