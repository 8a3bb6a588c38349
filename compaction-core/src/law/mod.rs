//! The laws of a decision as public predicates, and a driver that lets a strategy come to rest.

mod settle;

use core::fmt;

use crate::decision::{Choice, Decision, Job, Moment, Rule, Work};
use crate::version::{Plan, Table, TreeError, Version, check};

pub use settle::{SettleError, settle};

/// A law that a decision breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LawError {
    /// The tree itself is lawless.
    Tree(TreeError),
    /// What is to be done and what the job says are not the same: a merge called a drop, for instance.
    Mismatch,
    /// The job is not a closed one of this version.
    NotClosed,
    /// The job meets a running one.
    Conflict,
    /// The job says `bottommost` where an older table meets its keys, or the reverse.
    Bottommost {
        /// What it says.
        said: bool,
    },
    /// The output may not fit.
    NoRoom {
        /// Upper bound of the output in bytes.
        needed: u64,
        /// The room in bytes.
        free: u64,
    },
    /// A merge exceeds the cap on its input though other jobs run: only the smallest job of its trigger may, and alone.
    OverCap {
        /// Its input bytes.
        bytes: u64,
        /// The cap in bytes.
        bytes_max: u64,
    },
    /// A table would be dropped that holds entries at or above the snapshot floor.
    DropsVisible {
        /// The table.
        table: u64,
    },
    /// A table would be dropped as expired whose newest entry is not.
    NotExpired {
        /// The table.
        table: u64,
    },
    /// Tables would be dropped by a rule that is neither a time to live nor a cap on the size.
    DropRule,
}

impl fmt::Display for LawError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tree(law) => write!(f, "{law}"),
            Self::Mismatch => write!(f, "the choice and its job do not say the same"),
            Self::NotClosed => write!(f, "the job is not a closed one of this version"),
            Self::Conflict => write!(f, "the job meets a running one"),
            Self::Bottommost { said } => write!(f, "the job says bottommost = {said}, age and overlap say otherwise"),
            Self::NoRoom { needed, free } => write!(f, "the output may take {needed} B, {free} B are free"),
            Self::OverCap { bytes, bytes_max } => {
                write!(f, "a merge of {bytes} B exceeds its cap of {bytes_max} B beside running jobs")
            }
            Self::DropsVisible { table } => {
                write!(f, "table {table} is dropped, but is not wholly below the snapshot floor")
            }
            Self::NotExpired { table } => write!(f, "table {table} is dropped as expired, but its newest entry is not"),
            Self::DropRule => write!(f, "tables are dropped, but not because of a time to live or a cap on the size"),
        }
    }
}

impl core::error::Error for LawError {}

/// Checks a decision against laws 2, 3, 4, 7 and 9: its inputs form a closed, free job, its output has a lawful place and
/// fits, tombstones go only at the bottom, a drop leaves nothing older behind, and what is dropped as expired is. Beside
/// running jobs a merge also keeps to the cap that its reason names.
///
/// The job is planned anew and must come out the same; that it is closed, and what lies below it, is then seen by looking at
/// every table. O(tables x runs of the job).
///
/// # Errors
/// The first law that is broken.
pub fn check_decision<K: Ord>(version: &Version<'_, K>, moment: &Moment, decision: &Decision) -> Result<(), LawError> {
    check(version).map_err(LawError::Tree)?;
    let Some(job) = decision.choice.job() else { return Ok(()) };
    if Choice::from(job) != decision.choice {
        return Err(LawError::Mismatch);
    }
    let plan = Plan {
        runs: job.range(),
        cut: job.cut,
        work: job.work,
        place: job.place,
        table_bytes_max: job.table_bytes_max,
    };
    let planned = version.plan(&plan).filter(|planned| planned.job == job).ok_or(LawError::NotClosed)?;
    if version.conflicts(&job) {
        return Err(LawError::Conflict);
    }
    let needed = planned.output_bytes_max();
    if needed > moment.free_bytes {
        return Err(LawError::NoRoom { needed, free: moment.free_bytes });
    }
    let (bytes, bytes_max) = (planned.bytes, decision.reason.bytes_max);
    if job.work == Work::Merge && bytes > bytes_max && !version.running.is_empty() {
        return Err(LawError::OverCap { bytes, bytes_max });
    }
    let bottom = is_closed(version, &job)?;
    if bottom != job.bottommost || (job.work == Work::Drop && !bottom) {
        return Err(LawError::Bottommost { said: job.bottommost });
    }
    if job.work == Work::Drop { check_drop(version, moment, decision, &job) } else { Ok(()) }
}

fn check_drop<K: Ord>(
    version: &Version<'_, K>,
    moment: &Moment,
    decision: &Decision,
    job: &Job,
) -> Result<(), LawError> {
    if !matches!(decision.reason.rule, Rule::Expired { .. } | Rule::SizeCap { .. } | Rule::Custom { .. }) {
        return Err(LawError::DropRule);
    }
    for table in version.inputs(job).flat_map(|span| version.tables.get(span.range()).unwrap_or(&[])) {
        if !table.below(moment.snapshot_floor) {
            return Err(LawError::DropsVisible { table: table.id });
        }
        if let Rule::Expired { ttl_ms, .. } = decision.reason.rule
            && table.newest_ms.checked_add(ttl_ms).is_none_or(|end_ms| end_ms > moment.now_ms)
        {
            return Err(LawError::NotExpired { table: table.id });
        }
    }
    Ok(())
}

/// The brute-force twin of the closing walk. For every input: each older table of the job's range that it overlaps is an
/// input too, and so is what the hull of the job covers in the oldest run. Answers whether nothing older than the range
/// meets the hull.
fn is_closed<K: Ord>(version: &Version<'_, K>, job: &Job) -> Result<bool, LawError> {
    let mut hull: Option<(&K, &K)> = None;
    for span in version.inputs(job) {
        let Some(inputs) = version.tables.get(span.range()) else { return Err(LawError::NotClosed) };
        let taken = |at: usize| span.range().contains(&at);
        let run = version.runs.get(span.run).ok_or(LawError::NotClosed)?;
        for (at, table) in (run.first()..run.end()).zip(version.run_tables(span.run)) {
            if !taken(at) && hull.is_some_and(|(min, max)| table.min <= *max && *min <= table.max) {
                return Err(LawError::NotClosed);
            }
        }
        for table in inputs {
            hull = Some(hull.map_or((&table.min, &table.max), |(min, max)| (min.min(&table.min), max.max(&table.max))));
        }
    }
    let (min, max) = hull.ok_or(LawError::NotClosed)?;
    let older = version.runs.get(job.oldest()).ok_or(LawError::NotClosed)?.first();
    let meets = |table: &Table<K>| table.min <= *max && *min <= table.max;
    Ok(!version.tables.iter().take(older).any(meets))
}
