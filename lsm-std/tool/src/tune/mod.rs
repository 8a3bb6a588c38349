//! `lsm tune`: fan-outs, layout and filters for a workload, by mathematics.

mod answer;
mod check;
mod store;

use compaction_core::sim::TableFormat;
use compaction_core::tune::{
    Bounds, Charges, Chosen, FanoutPlan, FilterPlan, FilteredLevel, Layout, Limits, Load, Memtable, Popularity, Shares,
    Size, Tree, TuneError, choose, choose_among, false_positive_rate, fanouts, filter_bits, level_shapes, levels,
};

pub use answer::settings;
pub use check::{Checked, HEAD, check, check_layout, question, questions};
pub use store::{Measured, measure};

use crate::Failure;
use crate::workload::KEY_BYTES;

/// Bytes of a memtable where nothing is said about it and the number of levels is asked for.
const MEMTABLE_BYTES: f64 = 16_777_216.0;
/// Bytes that an entry takes in a memtable beside its key and value.
const MEMTABLE_ENTRY_BYTES: f64 = 64.0;
/// Bits of a filter for an entry, and how often it errs, where no memory is given.
const FILTER: (f64, f64) = (10.0, 0.01);
/// The strategies that are tried.
const KINDS: [&str; 3] = ["tiered", "leveled", "lazy"];
/// Most levels that are tried.
const LEVELS_MAX: usize = 32;

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub struct Question {
    /// Share of operations that read a key that is there.
    pub reads: f64,
    /// Share of operations that write.
    pub writes: f64,
    /// Share of operations that scan.
    pub scans: f64,
    /// Share of operations that read a key that is not there.
    pub misses: f64,
    /// Entries of the store.
    pub entries: Option<f64>,
    /// What the fan-outs multiply to, in place of the entries.
    pub product: Option<f64>,
    /// Levels; without them the best number is looked for.
    pub levels: Option<usize>,
    /// Bounds of every fan-out.
    pub bounds: Bounds,
    /// Entries of the memtable, if fixed.
    pub memtable_entries: Option<f64>,
    /// The least of them, if not.
    pub memtable_entries_min: f64,
    /// The most of them, as a share of all entries.
    pub memtable_share_max: Option<f64>,
    /// Bytes of memory for the memtable and the filters.
    pub memory_bytes: Option<f64>,
    /// Bytes of key and value.
    pub entry_bytes: f64,
    /// Which keys are touched more often.
    pub popularity: Popularity,
    /// What may not be exceeded.
    pub limits: Limits,
    /// Whether the shares of reads and writes are a guess.
    pub assumed: bool,
}

/// What is answered.
#[derive(Clone, Debug)]
pub struct Answer {
    question: Question,
    entries: f64,
    /// What the model with filters was asked.
    load: Load,
    /// The model without filters.
    plan: FanoutPlan,
    fanouts: Vec<f64>,
    /// The same tree with one fan-out for all levels: it, and its compares.
    equal: (f64, f64),
    /// The layout, by the model with filters and blocks.
    chosen: Chosen,
    /// The best of each other strategy that keeps the limits.
    others: Vec<Chosen>,
    level_shapes: Vec<FilteredLevel>,
    filter_bits: Vec<f64>,
    filters: FilterPlan,
    measured: Option<Measured>,
    /// The best layout of the strategy that a measured store runs.
    proposed: Option<Chosen>,
}

/// Answers `question`; `measured` is the store that it is about, if any.
///
/// # Errors
/// [`Failure::Usage`] for what makes no sense, another one for what nothing can satisfy; both say what would do.
pub fn answer(question: &Question, measured: Option<Measured>) -> Result<Answer, Failure> {
    let (tree, entries) = tree(question)?;
    let mut fan_outs = vec![0.0; question.levels.unwrap_or(LEVELS_MAX)];
    let plan = match question.levels {
        Some(count) => fanouts(&tree, &vec![question.bounds; count], &mut fan_outs).map_err(failure)?,
        None => levels(&tree, question.bounds, &mut fan_outs).map_err(failure)?,
    };
    fan_outs.truncate(plan.levels);
    let entries = entries.unwrap_or_else(|| plan.memtable_entries * fan_outs.iter().product::<f64>());
    let filter_memory = filter_memory(question, entries, plan.memtable_entries)?;
    let load = load(question, entries, plan.memtable_entries, filter_memory);
    let charges = Charges::default();
    let best_of =
        |kind: &&str| choose_among(&load, &question.limits, &charges, &|layout| answer::name(layout) == *kind);
    let mut best: Vec<Chosen> = KINDS.iter().filter_map(|kind| best_of(kind).ok()).collect();
    best.sort_by(|a, b| {
        let (a, b) = (question.limits.price(&a.expected), question.limits.price(&b.expected));
        a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1))
    });
    let chosen = match best.first() {
        Some(chosen) => *chosen,
        None => choose(&load, &question.limits, &charges).map_err(failure)?,
    };
    let kind = measured.as_ref().and_then(Measured::kind);
    let proposed = best.iter().find(|best| Some(answer::name(&best.layout)) == kind).copied();
    let others = best.split_off(best.len().min(1));
    let (level_shapes, bits, filters) = filters(&load, chosen.layout, filter_memory)?;
    let product: f64 = fan_outs.iter().product();
    let equal = compaction_core::tune::equal_fanout(product, plan.levels);
    let equal_cost = compaction_core::tune::compares(tree.shares, plan.memtable_entries, &vec![equal; plan.levels]);
    Ok(Answer {
        question: *question,
        entries,
        load,
        plan,
        fanouts: fan_outs,
        equal: (equal, equal_cost),
        chosen,
        others,
        level_shapes,
        filter_bits: bits,
        filters,
        measured,
        proposed,
    })
}

/// What nothing can satisfy is an answer, everything else bad usage.
fn failure(error: TuneError) -> Failure {
    match error {
        TuneError::Product { .. } | TuneError::Limits { .. } => Failure::Wrong(error.to_string()),
        _ => Failure::Usage(error.to_string()),
    }
}

/// The tree without filters, and how many entries it has if that is known beforehand.
fn tree(question: &Question) -> Result<(Tree, Option<f64>), Failure> {
    let shares = [question.reads, question.misses, question.scans, question.writes];
    for (name, share) in ["reads", "misses", "scans", "writes"].into_iter().zip(shares) {
        within(name, share, 0.0, 1.0)?;
    }
    let sum: f64 = shares.iter().sum();
    if (sum - 1.0).abs() > 1e-6 {
        let reads: f64 = shares[..3].iter().sum();
        let instead = if reads <= 1.0 { format!(": writes {:.4} would do", 1.0 - reads) } else { String::new() };
        let text = format!("the shares of reads, misses, scans and writes add up to {sum}, must add up to 1{instead}");
        return Err(Failure::Usage(text));
    }
    within("entry bytes", question.entry_bytes, 1.0, 1e9)?;
    within("entries", question.entries.unwrap_or(1.0), 1.0, 1e15)?;
    let shares = Shares { reads: 1.0 - question.writes, writes: question.writes };
    let (size, entries, fixed) = match (question.product, question.entries) {
        (None, None) => return Err(Failure::Usage("either the entries or the product must be given".to_owned())),
        (None, Some(entries)) => (Size::Entries(entries), Some(entries), question.memtable_entries),
        (Some(product), None) => (Size::Product(product), None, question.memtable_entries),
        (Some(product), Some(entries)) => {
            within("product of the fan-outs", product, 1.0, f64::MAX)?;
            let memtable = question.memtable_entries.unwrap_or(entries / product);
            if (memtable * product / entries - 1.0).abs() > 1e-6 {
                let text = format!(
                    "{memtable} entries in the memtable times a product of {product} is not {entries}: leave one out"
                );
                return Err(Failure::Usage(text));
            }
            (Size::Product(product), Some(entries), Some(memtable))
        }
    };
    let memtable = match fixed {
        Some(entries) => Memtable::Fixed(entries),
        None => memtable_bounds(question, entries)?,
    };
    Ok((Tree { shares, size, memtable }, entries))
}

/// Between what the memtable may lie.
fn memtable_bounds(question: &Question, entries: Option<f64>) -> Result<Memtable, Failure> {
    let of_bytes = |bytes: f64| (bytes / (question.entry_bytes + MEMTABLE_ENTRY_BYTES)).floor().max(1.0);
    let mut max = f64::INFINITY;
    if let Some(share) = question.memtable_share_max {
        within("memtable share", share, f64::MIN_POSITIVE, 1.0)?;
        max = share * entries.unwrap_or(f64::INFINITY);
    }
    if let Some(memory) = question.memory_bytes {
        within("memory", memory, 1.0, f64::MAX)?;
        // Filters come first, up to what is usual, but not before the memtable has half.
        let filters = (FILTER.0 * entries.unwrap_or(f64::INFINITY) / 8.0).min(memory / 2.0);
        max = max.min(of_bytes(memory - filters));
    }
    if max.is_infinite() && (question.levels.is_none() || entries.is_none()) {
        // Memory has no price here: without a bound the memtable would hold everything.
        max = of_bytes(MEMTABLE_BYTES).min(entries.unwrap_or(f64::INFINITY));
    }
    let min = question.memtable_entries_min;
    if entries.is_none() {
        // Compares only rise with the memtable: the largest one that is usual.
        return Ok(Memtable::Fixed(max.max(min)));
    }
    Ok(Memtable::Between { min, max })
}

fn within(name: &'static str, value: f64, min: f64, max: f64) -> Result<(), Failure> {
    if value >= min && value <= max {
        return Ok(());
    }
    Err(failure(TuneError::OutOfRange { name, value, min, max }))
}

/// Bits of memory for filters.
fn filter_memory(question: &Question, entries: f64, memtable_entries: f64) -> Result<f64, Failure> {
    let Some(memory) = question.memory_bytes else { return Ok(FILTER.0 * entries) };
    let memtable = memtable_entries * (question.entry_bytes + MEMTABLE_ENTRY_BYTES);
    if memtable > memory {
        return Err(Failure::Wrong(format!(
            "a memtable of {memtable_entries:.0} entries takes {memtable:.0} bytes, more than the memory of {memory}: at \
             least {memtable:.0}, and {:.0} for filters of {} bits an entry, would do",
            FILTER.0 * entries / 8.0,
            FILTER.0
        )));
    }
    Ok((memory - memtable) * 8.0)
}

/// The load as the model with filters and blocks takes it.
fn load(question: &Question, entries: f64, memtable_entries: f64, filter_memory: f64) -> Load {
    let value_bytes = (question.entry_bytes as u64).saturating_sub(KEY_BYTES);
    let key_bytes = (question.entry_bytes as u64).min(KEY_BYTES);
    // The length of a table of a few blocks at least.
    let sample = (4_000_000 / question.entry_bytes.max(1.0) as u64).clamp(100, 20_000);
    let format = TableFormat { key_bytes, ..TableFormat::default() };
    let false_positives =
        question.memory_bytes.map_or(FILTER.1, |_| false_positive_rate(filter_memory / entries.max(1.0)));
    Load {
        writes: question.writes,
        reads: question.reads,
        misses: question.misses,
        scans: question.scans,
        entries,
        popularity: question.popularity,
        memtable_entries,
        table_entry_bytes: (format.table_bytes(sample, value_bytes) as f64 / sample as f64).max(1.0),
        user_entry_bytes: question.entry_bytes,
        false_positives,
    }
}

/// How the entries lie, and the bits of each level's filters.
fn filters(
    load: &Load,
    layout: Layout,
    memory_bits: f64,
) -> Result<(Vec<FilteredLevel>, Vec<f64>, FilterPlan), Failure> {
    let mut shapes = vec![FilteredLevel { entries: 0.0, runs: 0.0 }; 64];
    let count = level_shapes(load, layout, &mut shapes);
    shapes.truncate(count);
    let mut bits = vec![0.0; count];
    let plan = filter_bits(&shapes, memory_bits, &mut bits).map_err(failure)?;
    Ok((shapes, bits, plan))
}
