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
}

impl Probe {
    fn bytes(&self) -> u64 {
        self.own.saturating_add(self.older)
    }

    /// Fewer older bytes per own byte, compared exactly; a table of 0 bytes counts as 1.
    fn beats(&self, other: &Self) -> bool {
        compare_products((self.older, other.own.max(1)), (other.older, self.own.max(1))) == Ordering::Less
    }
}

impl Leveled {
    /// Offers the best job of one table of run `source` that is free, fits and keeps to the cap; failing that the smallest
    /// one, alone. The table joins the run just older than the source, or starts a new run. O(probes x log overlap).
    #[inline(never)]
    pub(super) fn pick<K: Ord>(&self, search: &mut Search<'_, '_, K>, level: u8, source: usize, place: Place) -> bool {
        let version = search.version;
        let Some(run) = version.runs.get(source) else { return false };
        let oldest = if place == Place::Join { source.saturating_sub(1) } else { source };
        let tables = if oldest < source { version.run_tables(oldest) } else { &[] };
        let mut older = Older { tables, oldest, source, at: 0 };
        let plan = |probe: Probe| self.plan(oldest..=source, one_table(probe.at), Work::Merge, place);
        let (mut best, mut smallest): (Option<Probe>, Option<Probe>) = (None, None);
        let mut offset = self.cursor(level) as usize;
        for _ in 0..run.len().min(PROBES_MAX) {
            if offset >= run.len() {
                offset = 0;
            }
            let at = run.first().saturating_add(offset);
            offset = offset.saturating_add(1);
            let Some(table) = version.tables.get(at) else { break };
            let (bytes, verdict) = older.judge(search, table);
            let probe = Probe { at, own: table.bytes, older: bytes };
            let mut loser = Some(probe);
            match verdict {
                Verdict::Chosen if best.is_none_or(|best| probe.beats(&best)) => loser = best.replace(probe),
                Verdict::OverCap { .. } if smallest.is_none_or(|smallest| probe.bytes() < smallest.bytes()) => {
                    loser = smallest.replace(probe);
                }
                Verdict::Chosen | Verdict::OverCap { .. } => {}
                _ => search.remember(verdict),
            }
            let verdict = if verdict == Verdict::Chosen { Verdict::Outscored } else { verdict };
            tell(search, loser.map(plan), verdict);
            if best.is_some_and(|best| best.older == 0) {
                break;
            }
        }
        if best.is_some() {
            let verdict = Verdict::OverCap { bytes_max: search.bytes_max };
            tell(search, smallest.map(plan), verdict);
        }
        best.or(smallest).is_some_and(|probe| search.propose(&plan(probe), true))
    }
}

/// The cut of a job that starts with one table. Positions fit: a version holds at most `u32::MAX` tables.
pub(super) fn one_table(at: usize) -> Cut {
    let at = u32::try_from(at).unwrap_or(u32::MAX);
    Cut::Tables { first: at, last: at }
}

fn tell<K: Ord>(search: &mut Search<'_, '_, K>, plan: Option<Plan>, verdict: Verdict) {
    if let Some(plan) = plan.filter(|_| search.is_watched())
        && let Some(planned) = search.version.plan_cheapest(&plan)
    {
        search.tell(&planned, verdict);
    }
}

/// What the destination run holds under each table of the source, found by going along both.
struct Older<'v, K> {
    tables: &'v [Table<K>],
    oldest: usize,
    source: usize,
    at: usize,
}

impl<K: Ord> Older<'_, K> {
    /// Bytes below `table`, and what would become of the job that it starts.
    fn judge(&mut self, search: &Search<'_, '_, K>, table: &Table<K>) -> (u64, Verdict) {
        let last = |end: usize| self.tables.get(end.checked_sub(1)?);
        let wrapped = last(self.at).is_some_and(|older| older.max >= table.min);
        let start = self.position(if wrapped { 0 } else { self.at }, &table.min, Side::Min);
        let end = self.position(start, &table.max, Side::Max);
        let upto = |end: usize| last(end).map_or(0, |older| older.upto.bytes);
        let bytes = upto(end).saturating_sub(upto(start));
        let mut window = (&table.min, &table.max);
        if let (Some(first), Some(last)) = (self.tables.get(start), last(end))
            && start < end
        {
            window = (window.0.min(&first.min), window.1.max(&last.max));
        }
        let busy = search.version.is_barred(self.oldest, self.source, Some(window));
        let rewritten = if start < end { table.bytes.saturating_add(bytes) } else { 0 };
        self.at = start;
        (bytes, search.judge_bytes(busy, rewritten, search.bytes_max))
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

/// The first position from `from` on where `before` fails, looked for in growing steps: it is mostly near. O(log distance).
fn gallop<T>(items: &[T], from: usize, before: impl Fn(&T) -> bool) -> usize {
    let (mut low, mut high, mut step) = (from, from, 1usize);
    while items.get(high).is_some_and(&before) {
        low = high.saturating_add(1);
        high = high.saturating_add(step);
        step = step.saturating_mul(2);
    }
    let rest = items.get(low..high.min(items.len())).unwrap_or(&[]);
    low.saturating_add(rest.partition_point(before))
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
