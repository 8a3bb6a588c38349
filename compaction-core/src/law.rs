//! The laws of a decision as public predicates, and a driver that lets a strategy come to rest.

use core::fmt;

use crate::decision::{Choice, Decision, Job, Moment, Rule, Running, Work};
use crate::edit::{BeginError, EditError, VersionBuf};
use crate::storage::Storage;
use crate::strategy::{CompactionStrategy, Event, Outcome};
use crate::version::{Plan, Run, Table, TreeError, Version, check};

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
            Self::DropsVisible { table } => {
                write!(f, "table {table} is dropped, but is not wholly below the snapshot floor")
            }
            Self::NotExpired { table } => write!(f, "table {table} is dropped as expired, but its newest entry is not"),
        }
    }
}

impl core::error::Error for LawError {}

/// Checks a decision against laws 2, 3, 4, 7 and 9: its inputs form a closed, free job, its output has a lawful place and
/// fits, tombstones go only at the bottom, a drop leaves nothing older behind, and what is dropped as expired is.
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

/// Why a tree did not come to rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SettleError {
    /// A decision broke a law.
    Law(LawError),
    /// A decision could not begin.
    Begin(BeginError),
    /// The outputs could not be put in.
    Edit(EditError),
    /// The strategy still had work after this many jobs.
    Restless {
        /// How many were done.
        steps: usize,
    },
    /// The same question got two answers.
    Impure,
}

impl fmt::Display for SettleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Law(law) => write!(f, "{law}"),
            Self::Begin(error) => write!(f, "{error}"),
            Self::Edit(error) => write!(f, "{error}"),
            Self::Restless { steps } => write!(f, "still work to do after {steps} jobs"),
            Self::Impure => write!(f, "the same question got two answers"),
        }
    }
}

impl core::error::Error for SettleError {}

/// Law 5 as a driver: chooses and applies until the strategy waits, checking every law on the way; answers with the number of
/// jobs. Ids of outputs count up from the largest id in the tree.
///
/// Merges lose nothing but tombstones at the bottom that no snapshot sees. `scratch` is emptied, and then holds the outputs of
/// one job at a time: no more tables than the widest run of a job has.
///
/// # Errors
/// The first law that is broken, or [`SettleError::Restless`] after `steps_max` jobs.
pub fn settle<K, T, R, J>(
    strategy: &mut (impl CompactionStrategy<K> + ?Sized),
    buf: &mut VersionBuf<K, T, R, J>,
    moment: &Moment,
    scratch: &mut impl Storage<Table<K>>,
    steps_max: usize,
) -> Result<usize, SettleError>
where
    K: Ord + Clone,
    T: Storage<Table<K>>,
    R: Storage<Run>,
    J: Storage<Running>,
{
    let mut next_id = buf.view().tables.iter().map(|table| table.id).max().unwrap_or(0);
    for steps in 0..=steps_max {
        let view = buf.view();
        let decision = strategy.choose(&view, moment);
        if strategy.choose(&view, moment) != decision {
            return Err(SettleError::Impure);
        }
        check_decision(&view, moment, &decision).map_err(SettleError::Law)?;
        let Some(job) = decision.choice.job() else { return Ok(steps) };
        if steps == steps_max {
            break;
        }
        scratch.truncate(0);
        if let Choice::Merge(job) = decision.choice {
            merge(&view, &job, moment, &mut next_id, scratch).map_err(SettleError::Edit)?;
        }
        let outputs = Copies(scratch.as_slice());
        let (reason, runs) = (decision.reason, view.runs.len());
        let bytes_written = outputs.as_ref().iter().map(|table| table.bytes).fold(0, u64::saturating_add);
        let ticket = buf.begin(job).map_err(SettleError::Begin)?;
        let job = buf.finish(ticket, outputs).map_err(|(_, error)| SettleError::Edit(error))?;
        let version = buf.view();
        check(&version).map_err(|law| SettleError::Law(LawError::Tree(law)))?;
        let removed = runs.saturating_sub(version.runs.len());
        let outcome = Outcome {
            job,
            reason,
            bytes_read: reason.bytes,
            bytes_written,
            micros: reason.bytes.saturating_add(bytes_written) / 100,
            now_ms: moment.now_ms,
            runs_removed: u32::try_from(removed).unwrap_or(u32::MAX),
        };
        strategy.observe(&Event::Done { version, outcome });
    }
    Err(SettleError::Restless { steps: steps_max })
}

/// Tables that are handed over as copies, since only some storages can be taken apart.
struct Copies<'a, K>(&'a [Table<K>]);

impl<K> AsRef<[Table<K>]> for Copies<'_, K> {
    fn as_ref(&self) -> &[Table<K>] {
        self.0
    }
}

impl<'a, K: Clone> IntoIterator for Copies<'a, K> {
    type Item = Table<K>;
    type IntoIter = core::iter::Cloned<core::slice::Iter<'a, Table<K>>>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter().cloned()
    }
}

/// What a merge of this job would write, without the data: the inputs' sizes spread over the key ranges of its widest run.
fn merge<K: Ord + Clone>(
    view: &Version<'_, K>,
    job: &Job,
    moment: &Moment,
    next_id: &mut u64,
    outputs: &mut impl Storage<Table<K>>,
) -> Result<(), EditError> {
    let mut whole: Option<Table<K>> = None;
    for table in view.inputs(job).flat_map(|span| view.tables.get(span.range()).unwrap_or(&[])) {
        whole = Some(match whole {
            None => table.clone(),
            Some(sum) => union(sum, table),
        });
    }
    let Some(mut whole) = whole else { return Ok(()) };
    if job.bottommost && whole.below(moment.snapshot_floor) {
        let kept = whole.entries.saturating_sub(whole.tombstones);
        let bytes = u128::from(whole.bytes).saturating_mul(u128::from(kept)).checked_div(u128::from(whole.entries));
        whole.bytes = bytes.map_or(whole.bytes, crate::strategy::clamp);
        if kept == 0 && whole.entries > 0 {
            return Ok(());
        }
        (whole.entries, whole.tombstones, whole.oldest_tombstone_ms) = (kept, 0, None);
    }
    let widest = view.inputs(job).max_by_key(crate::version::Span::len);
    let edges = widest.and_then(|span| view.tables.get(span.range())).unwrap_or(&[]);
    let parts = whole.bytes.checked_div(job.table_bytes_max).unwrap_or(0).saturating_add(1);
    let step = edges.len().checked_div(usize::try_from(parts).unwrap_or(usize::MAX)).unwrap_or(0).max(1);
    let count = u64::try_from(edges.len().div_ceil(step)).unwrap_or(1).max(1);
    let share = |sum: u64, at: u64| match (sum.checked_div(count), sum.checked_rem(count)) {
        (Some(part), Some(rest)) if at == 0 => part.saturating_add(rest),
        (part, _) => part.unwrap_or(0),
    };
    for (at, part) in (0u64..).zip(edges.chunks(step)) {
        let (Some(first), Some(last)) = (part.first(), part.last()) else { continue };
        *next_id = next_id.saturating_add(1);
        let table = Table {
            id: *next_id,
            bytes: share(whole.bytes, at),
            entries: share(whole.entries, at),
            tombstones: share(whole.tombstones, at),
            min: if at == 0 { whole.min.clone() } else { first.min.clone() },
            max: if at.saturating_add(1) == count { whole.max.clone() } else { last.max.clone() },
            ..whole.clone()
        };
        outputs.push(table).map_err(|_| EditError::Full { max: outputs.len_max() })?;
    }
    Ok(())
}

fn union<K: Ord + Clone>(sum: Table<K>, table: &Table<K>) -> Table<K> {
    let oldest = |a: Option<u64>, b: Option<u64>| a.into_iter().chain(b).min();
    Table {
        bytes: sum.bytes.saturating_add(table.bytes),
        entries: sum.entries.saturating_add(table.entries),
        tombstones: sum.tombstones.saturating_add(table.tombstones),
        newest_ms: sum.newest_ms.max(table.newest_ms),
        oldest_tombstone_ms: oldest(sum.oldest_tombstone_ms, table.oldest_tombstone_ms),
        newest_seqno: sum.newest_seqno.max(table.newest_seqno),
        min: sum.min.min(table.min.clone()),
        max: sum.max.max(table.max.clone()),
        ..sum
    }
}
