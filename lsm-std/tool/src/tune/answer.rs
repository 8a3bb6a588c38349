//! The answer of `lsm tune`, as JSON and as text.

use std::io::{self, Write};

use compaction_core::tune::{Chosen, Layout, size_ratio};
use serde_json::{Value, json};

use super::{Answer, FILTER, MEMTABLE_ENTRY_BYTES};
use crate::human::{bytes, grouped, three_digits};

/// Where tables are cut at most.
const TABLE_BYTES_MAX: u64 = 64 << 20;

/// The name of a layout's strategy.
pub(super) fn name(layout: &Layout) -> &'static str {
    match layout {
        Layout::Tiered { .. } => "tiered",
        Layout::Leveled { .. } => "leveled",
        Layout::Lazy { .. } => "lazy",
    }
}

/// The strategy object for `lsm plan` and `lsm sim`, for a store with memtables of `memtable_bytes`.
pub fn settings(layout: &Layout, memtable_bytes: u64) -> Value {
    let table_bytes_max = memtable_bytes.clamp(1, TABLE_BYTES_MAX);
    let base = |memtables: u32| memtable_bytes.saturating_mul(memtables.into()).max(1);
    match *layout {
        Layout::Tiered { width, space_pct } => json!({
            "name": "tiered", "min_merge_width": width, "max_space_amp_pct": space_pct, "table_bytes_max": table_bytes_max,
        }),
        Layout::Leveled { fanout, base_memtables } => json!({
            "name": "leveled", "fanout": fanout, "base_bytes": base(base_memtables), "table_bytes_max": table_bytes_max,
        }),
        Layout::Lazy { fanout, runs, base_memtables } => json!({
            "name": "lazy", "fanout": fanout, "runs_max": runs, "base_bytes": base(base_memtables),
            "table_bytes_max": table_bytes_max,
        }),
    }
}

/// A layout in a few words.
pub(super) fn words(layout: &Layout) -> String {
    match *layout {
        Layout::Tiered { space_pct: 0, .. } => "tiered, every flush merged into one run".to_owned(),
        Layout::Tiered { width, space_pct: u64::MAX } => format!("tiered, {width} similar runs at a time"),
        Layout::Tiered { width, space_pct } => {
            format!("tiered, {width} similar runs at a time, all when {space_pct} % over the largest")
        }
        Layout::Leveled { fanout, .. } => format!("leveled, fan-out {fanout}"),
        Layout::Lazy { fanout, runs, .. } => format!("lazy leveled, fan-out {fanout}, {runs} runs a level"),
    }
}

impl Answer {
    pub(super) fn memtable_bytes(&self) -> u64 {
        (self.plan.memtable_entries * (self.question.entry_bytes + MEMTABLE_ENTRY_BYTES)) as u64
    }

    /// The size ratio of the theorem for as many levels as there are fan-outs.
    fn equal_ratio(&self) -> f64 {
        let total = (self.entries * self.question.entry_bytes) as u64;
        let base = (self.plan.memtable_entries * self.question.entry_bytes) as u64;
        size_ratio(base, total, self.plan.levels).unwrap_or(1.0)
    }

    /// The answer as JSON.
    pub fn json(&self) -> Value {
        let (plan, expected) = (&self.plan, &self.chosen.expected);
        let mut object = json!({
            "fanouts": self.fanouts, "memtable_entries": plan.memtable_entries, "compares_per_op": plan.compares,
            "levels": plan.levels, "entries": self.entries,
            "equal_fanouts": {"fanout": self.equal.0, "compares_per_op": self.equal.1},
            "strategy": name(&self.chosen.layout), "size_ratio": self.chosen.layout.ratio(),
            "settings": settings(&self.chosen.layout, self.memtable_bytes()),
            "memtable_bytes": self.memtable_bytes(),
            "expected": figures(&self.chosen),
            "write_amp": expected.write_amp, "read_amp": expected.read_amp, "space_amp": expected.space_amp,
            "cost": expected.cost,
            "filter_bits": self.filter_bits,
            "filters": {
                "levels": self.level_shapes.iter().map(|level| json!({"entries": level.entries, "runs": level.runs}))
                    .collect::<Vec<_>>(),
                "bytes": self.filters.bits / 8.0, "wasted_blocks_per_miss": self.filters.wasted_blocks,
                "wasted_blocks_per_miss_equal_bits": self.filters.wasted_blocks_equal,
            },
            "others": self.others.iter().map(|other| self.other(other)).collect::<Vec<_>>(),
            "shares": {
                "reads": self.question.reads, "writes": self.question.writes, "scans": self.question.scans,
                "misses": self.question.misses, "assumed": self.question.assumed,
            },
            "why": self.why(),
        });
        if let Some(measured) = &self.measured {
            object["measured"] = measured.json();
            object["proposed"] = self.proposed.as_ref().map_or(Value::Null, |proposed| self.other(proposed));
        }
        object
    }

    fn other(&self, other: &Chosen) -> Value {
        json!({
            "strategy": name(&other.layout), "size_ratio": other.layout.ratio(),
            "settings": settings(&other.layout, self.memtable_bytes()), "expected": figures(other),
        })
    }

    /// Why it is so, in sentences.
    pub fn why(&self) -> String {
        let mut sentences = vec![self.why_fanouts(), self.why_layout(), self.why_filters()];
        if self.question.assumed {
            let (reads, writes) = (self.question.reads * 100.0, self.question.writes * 100.0);
            sentences.push(format!(
                "That {reads:.0} % of the operations read and {writes:.0} % write is assumed: a store does not keep how much \
                 it was read; --reads or --writes says it."
            ));
        }
        if let Some(measured) = &self.measured {
            sentences.push(measured.why(self.proposed.as_ref(), &self.chosen));
        }
        sentences.join(" ")
    }

    fn why_fanouts(&self) -> String {
        let plan = &self.plan;
        let levels = if self.question.levels.is_some() { "as asked for" } else { "the best number" };
        let equal = format!("one fan-out of {:.3} for all would need {:.3}", self.equal.0, self.equal.1);
        let bounded = match (self.question.memtable_entries, self.question.levels) {
            (None, None) => ", a memtable as large as it may be, since nothing here puts a price on memory",
            _ => "",
        };
        format!(
            "Without filters an operation needs {:.3} compares with {} ({levels}) and a memtable of {} entries{bounded}; {equal}, \
             and the ratio that O'Neil's theorem gives for as many levels is {:.3}.",
            plan.compares,
            crate::human::count(plan.levels as u64, "level"),
            grouped(plan.memtable_entries.round() as u64),
            self.equal_ratio(),
        )
    }

    fn why_layout(&self) -> String {
        let expected = &self.chosen.expected;
        let limited = self.question.limits.write_amp.is_finite() || self.question.limits.space_amp.is_finite();
        let by = if limited { "reads cheapest within the limits" } else { "is cheapest" };
        let mut text = format!(
            "With filters and blocks priced, {} {by}: {} B an operation, {} of it merging, {} reading.",
            words(&self.chosen.layout),
            three_digits(expected.cost),
            three_digits(expected.merge_cost),
            three_digits(expected.read_cost),
        );
        for other in &self.others {
            text += &format!(" {}: {} B.", capital(&words(&other.layout)), three_digits(other.expected.cost));
        }
        text
    }

    fn why_filters(&self) -> String {
        let given = match self.question.memory_bytes {
            Some(_) => "what the memtable leaves of the memory".to_owned(),
            None => format!("{} bits an entry", FILTER.0),
        };
        format!(
            "Filters take {given}; shared out by level as Monkey does, an absent key costs {:.4} blocks, with equal bits {:.4}.",
            self.filters.wasted_blocks, self.filters.wasted_blocks_equal
        )
    }

    /// Writes the answer for people.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let (expected, memtable_bytes) = (&self.chosen.expected, self.memtable_bytes());
        let fanouts: Vec<String> = self.fanouts.iter().map(|fanout| format!("{fanout:.3}")).collect();
        let entries = grouped(self.plan.memtable_entries.round() as u64);
        writeln!(out, "strategy         {}", words(&self.chosen.layout))?;
        writeln!(out, "settings         {}", settings(&self.chosen.layout, memtable_bytes))?;
        writeln!(out, "memtable         {entries} entries, {}", bytes(memtable_bytes))?;
        writeln!(
            out,
            "expected         write amplification {:.2}, read {:.2}, space {:.2} (at most {:.2}); {} B an operation",
            expected.write_amp,
            expected.read_amp,
            expected.space_amp,
            expected.space_amp_max,
            three_digits(expected.cost)
        )?;
        writeln!(
            out,
            "without filters  fan-outs {}; {:.3} compares an operation",
            fanouts.join(", "),
            self.plan.compares
        )?;
        let bits: Vec<String> = self.filter_bits.iter().map(|bits| format!("{bits:.1}")).collect();
        writeln!(out, "filter bits      {} by level, {}", bits.join(", "), bytes((self.filters.bits / 8.0) as u64))?;
        if let Some(measured) = &self.measured {
            writeln!(out, "measured         {}", measured.words())?;
        }
        writeln!(out, "\n{}", self.why())
    }
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

fn figures(chosen: &Chosen) -> Value {
    let expected = &chosen.expected;
    json!({
        "write_amp": expected.write_amp, "read_amp": expected.read_amp, "space_amp": expected.space_amp,
        "space_amp_max": expected.space_amp_max, "runs": expected.runs, "cost": expected.cost,
        "merge_cost": expected.merge_cost, "read_cost": expected.read_cost,
    })
}
