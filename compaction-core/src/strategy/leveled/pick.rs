//! Which table of a run sinks next.
//!
//! 1. Start at the level's cursor. 2. Look at no more than `PROBES_MAX` tables, wrapping.
//! 3. Take the one that drags in the fewest older bytes per byte of its own; the first such one in the order of looking.
//!
//! Source: Sarkar et al., "Constructing and Analyzing the LSM Compaction Design Space", VLDB 2021.

use core::cmp::Ordering;

use crate::decision::{Cut, Decision, Place, Rule, Verdict, Work};
use crate::strategy::Search;
use crate::version::{Plan, Run, Span, Table, Version};
use crate::wide::compare_products;

/// Tables looked at in one decision.
const PROBES_MAX: usize = 64;

/// From which run a table sinks, where to, and what a job may cost.
pub(super) struct Route {
    pub(super) source: usize,
    /// The run just older than the source, to be joined, or a new run of a level.
    pub(super) place: Place,
    pub(super) table_bytes_max: u64,
    pub(super) job_bytes_max: u64,
    /// Offset within the source where the looking starts.
    pub(super) cursor: u32,
}

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

impl Route {
    fn oldest(&self) -> usize {
        if self.place == Place::Join { self.source.saturating_sub(1) } else { self.source }
    }

    /// The best job on this route that is free, fits and keeps to the cap; failing that the smallest one, alone.
    /// O(probes x log overlap).
    pub(super) fn pick<K: Ord>(&self, search: &mut Search<'_, '_, K>, rule: Rule) -> Option<Decision> {
        let version = search.version();
        let run = version.runs().get(self.source)?;
        let (mut best, mut smallest): (Option<Probe>, Option<Probe>) = (None, None);
        let mut older = Older::new(&version, self);
        let start = self.cursor as usize;
        let start = if start < run.len() { start } else { 0 };
        for offset in (start..run.len()).chain(0..start).take(PROBES_MAX) {
            let at = run.first().saturating_add(offset);
            let Some(table) = version.tables().get(at) else { break };
            let (bytes, verdict) = older.judge(search, self, table);
            let probe = Probe { at, own: table.bytes, older: bytes };
            let rival = if verdict == Verdict::Chosen { &mut best } else { &mut smallest };
            let wins = match verdict {
                Verdict::Chosen => rival.is_none_or(|rival| probe.beats(&rival)),
                Verdict::OverCap { .. } => rival.is_none_or(|rival| probe.bytes() < rival.bytes()),
                _ => {
                    search.remember(verdict);
                    self.tell(search, Some(probe), rule, verdict);
                    continue;
                }
            };
            let loser = if wins { rival.replace(probe) } else { Some(probe) };
            let verdict = if verdict == Verdict::Chosen { Verdict::Outscored } else { verdict };
            self.tell(search, loser, rule, verdict);
            if best.is_some_and(|best| best.older == 0) {
                break;
            }
        }
        if best.is_some() {
            let verdict = Verdict::OverCap { bytes_max: self.job_bytes_max };
            self.tell(search, smallest, rule, verdict);
        }
        search.propose(&self.plan(best.or(smallest)?), rule, self.job_bytes_max, true)
    }

    fn plan(&self, probe: Probe) -> Plan {
        // Positions fit: a version holds at most `u32::MAX` tables.
        let at = u32::try_from(probe.at).unwrap_or(u32::MAX);
        Plan {
            runs: self.oldest()..=self.source,
            cut: Cut::Tables { first: at, last: at },
            work: Work::Merge,
            place: self.place,
            table_bytes_max: self.table_bytes_max,
        }
    }

    fn tell<K: Ord>(&self, search: &mut Search<'_, '_, K>, probe: Option<Probe>, rule: Rule, verdict: Verdict) {
        let Some(probe) = probe.filter(|_| search.is_watched()) else { return };
        if let Some(planned) = search.version().plan_cheapest(&self.plan(probe)) {
            search.note(&planned, rule, verdict);
        }
    }
}

/// What the destination run holds under each table of the source, found by going along both.
struct Older<'v, K> {
    tables: &'v [Table<K>],
    first: usize,
    run: usize,
    at: usize,
}

impl<'v, K: Ord> Older<'v, K> {
    fn new(version: &Version<'v, K>, route: &Route) -> Self {
        let run = route.oldest();
        let tables = if run < route.source { version.run_tables(run) } else { &[] };
        Self { tables, first: version.runs().get(run).map_or(0, Run::first), run, at: 0 }
    }

    /// Bytes below `table`, and what would become of the job that it starts.
    fn judge(&mut self, search: &Search<'_, '_, K>, route: &Route, table: &Table<K>) -> (u64, Verdict) {
        let version = search.version();
        let wrapped = self.at.checked_sub(1).and_then(|at| self.tables.get(at)).is_some_and(|t| t.max >= table.min);
        let from = if wrapped { 0 } else { self.at };
        let start = gallop(self.tables, from, |older| older.max < table.min);
        let end = gallop(self.tables, start, |older| older.min <= table.max);
        self.at = start;
        let (first, end) = (self.first.saturating_add(start), self.first.saturating_add(end));
        let bytes = version.span_totals(&Span { run: self.run, first, end }).bytes;
        let busy = !version.running().is_empty() && {
            let lowest =
                self.tables.get(start).filter(|_| first < end).map_or(&table.min, |t| (&t.min).min(&table.min));
            let last = end.checked_sub(1).filter(|last| *last >= first).and_then(|last| version.tables().get(last));
            let highest = last.map_or(&table.max, |t| (&t.max).max(&table.max));
            version.is_barred(self.run, route.source, Some((lowest, highest)))
        };
        let rewritten = if first < end { table.bytes.saturating_add(bytes) } else { 0 };
        (bytes, search.judge_bytes(busy, rewritten, route.job_bytes_max))
    }
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
