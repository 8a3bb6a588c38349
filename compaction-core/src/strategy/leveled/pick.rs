//! Which table of a run sinks next.
//!
//! 1. Start at the level's cursor. 2. Look at no more than `PROBES_MAX` tables, wrapping.
//! 3. Take the one that drags in the fewest older bytes per byte of its own; the first such one in the order of looking.
//!
//! Source: Sarkar et al., "Constructing and Analyzing the LSM Compaction Design Space", VLDB 2021.

use core::cmp::Ordering;
use core::mem;

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
    /// Whether the job keeps to the cap.
    fits: bool,
    /// What is compared: older bytes per own byte of a job that fits, else its bytes.
    cost: (u64, u64),
}

impl Probe {
    /// What any table beats.
    const NONE: Self = Self { at: usize::MAX, fits: false, cost: (1, 0) };

    /// What fits beats what exceeds the cap; then what costs less, compared exactly.
    fn beats(&self, other: &Self) -> bool {
        if self.fits != other.fits {
            return self.fits;
        }
        compare_products((self.cost.0, other.cost.1), (other.cost.0, self.cost.1)) == Ordering::Less
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
        let mut plan = self.plan(oldest..=source, Cut::Whole, Work::Merge, place);
        let tables = if oldest < source { version.run_tables(oldest) } else { &[] };
        let mut older = Older { tables, at: 0 };
        let mut best = Probe::NONE;
        let mut at = run.first().saturating_add(self.cursor(level) as usize);
        for _ in 0..run.len().min(PROBES_MAX) {
            if at >= run.end() {
                at = run.first();
            }
            let Some(table) = version.tables.get(at) else { break };
            let mut loser = older.probe(search, &plan, table);
            loser.at = at;
            at = at.saturating_add(1);
            if matches!(search.verdict, Verdict::Chosen | Verdict::OverCap { .. }) {
                if loser.beats(&best) {
                    mem::swap(&mut loser, &mut best);
                }
                search.outdo(loser.fits);
            }
            if loser.at != Probe::NONE.at {
                plan.cut = Cut::one_table(loser.at);
                search.pass_over(&plan);
            }
            if best.fits && best.cost.0 == 0 {
                break;
            }
        }
        plan.cut = Cut::one_table(best.at);
        search.propose(&mut plan, true)
    }
}

/// What the destination run holds under each table of the source, found by going along both.
struct Older<'v, K> {
    tables: &'v [Table<K>],
    at: usize,
}

impl<K: Ord> Older<'_, K> {
    /// What lies below `table`; the search has the verdict on the job of `plan` that it starts.
    fn probe(&mut self, search: &mut Search<'_, '_, K>, plan: &Plan, table: &Table<K>) -> Probe {
        // Before the first table there is none: the position wraps to one that no table has.
        let last = |end: usize| self.tables.get(end.wrapping_sub(1));
        let wrapped = last(self.at).is_some_and(|older| older.max >= table.min);
        let start = self.position(if wrapped { 0 } else { self.at }, &table.min, Side::Min);
        let end = self.position(start, &table.max, Side::Max);
        let (mut older, mut written, mut window) = (0, 0, (&table.min, &table.max));
        if let (Some(first), Some(newest)) = (self.tables.get(start), last(end))
            && start < end
        {
            window = (window.0.min(&first.min), window.1.max(&newest.max));
            // Never wraps: running totals grow.
            older = newest.upto.bytes.wrapping_sub(last(start).map_or(0, |before| before.upto.bytes));
            written = table.bytes.saturating_add(older);
        }
        let busy = search.version.is_barred(*plan.runs.start(), *plan.runs.end(), Some(window));
        let fits = search.weigh(busy, written, false);
        self.at = start;
        Probe { at: 0, fits, cost: if fits { (older, table.bytes.max(1)) } else { (written, 1) } }
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
