//! Law 5 as a driver: a strategy chooses until the tree is at rest.

use core::fmt;

use super::{LawError, check_decision};
use crate::decision::{Choice, Job, Moment, Running};
use crate::edit::{BeginError, EditError, VersionBuf};
use crate::storage::Storage;
use crate::strategy::{CompactionStrategy, Event, Outcome};
use crate::version::{Run, Table, Version};

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
