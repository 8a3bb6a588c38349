//! What the engine tells about its work: every flush, every decision with its reason, every job's end.

use compaction_core::{Job, Reason, Version};

/// The shape of one level.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LevelShape {
    /// The level; 0 takes the flushes.
    pub level: u8,
    /// Number of runs.
    pub runs: usize,
    /// Number of tables.
    pub tables: usize,
    /// Bytes of the tables' files.
    pub bytes: u64,
    /// Entries, every version and tombstones counted.
    pub entries: u64,
    /// Tombstones.
    pub tombstones: u64,
}

/// The shape of a tree: its levels that hold anything, level 0 first. O(runs).
pub(crate) fn shape<K>(version: &Version<'_, K>) -> Vec<LevelShape> {
    let mut levels: Vec<LevelShape> = Vec::new();
    for run in version.runs().iter().rev() {
        if levels.last().is_none_or(|level| level.level != run.level()) {
            levels.push(LevelShape { level: run.level(), ..LevelShape::default() });
        }
        if let Some(level) = levels.last_mut() {
            let totals = run.totals();
            level.runs += 1;
            level.tables += run.len();
            level.bytes = level.bytes.saturating_add(totals.bytes);
            level.entries = level.entries.saturating_add(totals.entries);
            level.tombstones = level.tombstones.saturating_add(totals.tombstones);
        }
    }
    levels
}

/// One thing that happened. Delivered to the hook of [`Options::on_report`](crate::Options::on_report).
#[derive(Clone, Debug)]
pub struct Report {
    /// When, in milliseconds of the store's clock.
    pub at_ms: u64,
    /// What happened.
    pub what: What,
    /// The tree after it.
    pub shape: Vec<LevelShape>,
}

/// What happened.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum What {
    /// A memtable became the newest run.
    Flushed {
        /// Bytes of its tables.
        bytes: u64,
        /// Microseconds that it took.
        micros: u64,
    },
    /// The strategy chose a job, which now starts.
    Chosen(Chosen),
    /// A job is done.
    Done {
        /// What was chosen.
        chosen: Chosen,
        /// Bytes of tables read.
        bytes_read: u64,
        /// Bytes of tables written.
        bytes_written: u64,
        /// Microseconds that it took.
        micros: u64,
    },
    /// A job was given up; the tree is as before.
    Aborted {
        /// What was chosen.
        chosen: Chosen,
        /// Why it was given up.
        cause: String,
    },
}

/// A job and why it was chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chosen {
    /// Numbers the jobs of one opening of the store, from 1.
    pub number: u64,
    /// `merge`, `move` or `drop`.
    pub choice: &'static str,
    /// Name of the rule that fired, or `compact_range`.
    pub rule: &'static str,
    /// The reason in prose, with the figures compared.
    pub text: String,
    /// Number of tables it takes.
    pub tables: usize,
    /// Number of runs it takes tables from.
    pub runs: usize,
    /// Their bytes.
    pub bytes: u64,
    /// The level its output goes to.
    pub level: u8,
    /// Whether nothing older lies below its keys, so that tombstones go.
    pub bottommost: bool,
    /// The reason as the strategy gave it; `None` for work asked for by `compact_range`.
    pub reason: Option<Reason>,
}

impl Chosen {
    pub(crate) fn new(number: u64, job: &Job, reason: Option<Reason>) -> Self {
        let choice = compaction_core::Choice::from(*job).name();
        let (rule, text) = match &reason {
            Some(reason) => (reason.rule.name(), reason.to_string()),
            None => ("compact_range", "asked for".to_owned()),
        };
        let (level, bottommost) = (job.level(), job.bottommost());
        Self { number, choice, rule, text, tables: 0, runs: 0, bytes: 0, level, bottommost, reason }
    }
}
