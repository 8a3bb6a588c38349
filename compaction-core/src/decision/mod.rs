//! What a strategy is asked and what it answers.

mod candidate;
mod reason;

use core::ops::RangeInclusive;

pub use candidate::{Candidate, Score, Verdict};
pub use reason::{Reason, Rule, SlotTrigger};

/// The circumstances of a decision that are not in the tree. Strategies have no clock and no random generator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Now, in milliseconds of the caller's clock, which may start at 0 and may step back.
    pub now_ms: u64,
    /// Fresh random bits for strategies that explore; any value will do for those that do not.
    pub entropy: u64,
    /// Room for a job's output in bytes, net of what running jobs and one flush may still write; `u64::MAX` for no limit.
    pub free_bytes: u64,
    /// Entries with sequence numbers below this are seen by every open snapshot, so older versions of their keys may go: one
    /// more than the oldest snapshot's number; `u64::MAX` without snapshots.
    pub snapshot_floor: u64,
}

impl Default for Moment {
    fn default() -> Self {
        Self { now_ms: 0, entropy: 0, free_bytes: u64::MAX, snapshot_floor: u64::MAX }
    }
}

/// What is done with a job's inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// They are merged and written anew.
    Merge,
    /// They change place as they are; nothing is rewritten.
    Move,
    /// They are deleted.
    Drop,
}

/// Which tables start a job's window. Runs older than the start give up what meets the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// Every run of the range whole; the job keeps all other work out of these runs.
    Whole,
    /// The runs from this position to the newest whole, the older ones cut by their hull.
    From(u32),
    /// The tables at the positions `first..=last`, which lie in the newest run of the range.
    Tables {
        /// Position of the first table.
        first: u32,
        /// Position of the last table.
        last: u32,
    },
}

impl Cut {
    /// The table at one position. Positions fit: a version holds at most `u32::MAX` tables.
    pub(crate) fn one_table(at: usize) -> Self {
        let at = u32::try_from(at).unwrap_or(u32::MAX);
        Self::Tables { first: at, last: at }
    }
}

/// Where a job's output goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Into the oldest run of the range, in the place of the inputs taken from it.
    Join,
    /// Into a new run of this level, just older than the oldest run of the range.
    New {
        /// The level.
        level: u8,
    },
}

/// Positions of the tables that hold the smallest and the largest key of a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hull {
    pub(crate) lo: u32,
    pub(crate) hi: u32,
}

impl Hull {
    /// Positions fit: a version holds at most `u32::MAX` tables.
    pub(crate) fn new(lo: usize, hi: usize) -> Self {
        Self { lo: u32::try_from(lo).unwrap_or(u32::MAX), hi: u32::try_from(hi).unwrap_or(u32::MAX) }
    }

    pub(crate) fn lo(self) -> usize {
        self.lo as usize
    }

    pub(crate) fn hi(self) -> usize {
        self.hi as usize
    }
}

/// A closed set of tables and what to do with it: a contiguous range of runs, cut by a window of keys.
///
/// A job holds positions in the version it was chosen from, no keys; it is made by `Version::plan` alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Job {
    pub(crate) edit: u64,
    pub(crate) oldest: u32,
    pub(crate) newest: u32,
    pub(crate) cut: Cut,
    pub(crate) window: Option<Hull>,
    pub(crate) work: Work,
    pub(crate) level: u8,
    pub(crate) place: Place,
    pub(crate) bottommost: bool,
    /// Where in its run the cut began when the job was planned: where a strategy's cursor goes on.
    pub(crate) offset: u32,
    pub(crate) table_bytes_max: u64,
}

impl Job {
    /// A filler.
    pub(crate) const NONE: Self = Self {
        edit: 0,
        oldest: 0,
        newest: 0,
        cut: Cut::Whole,
        window: None,
        work: Work::Merge,
        level: 0,
        place: Place::Join,
        bottommost: false,
        offset: 0,
        table_bytes_max: 0,
    };

    /// Position of the oldest run of its range, the destination included.
    #[must_use]
    pub fn oldest(&self) -> usize {
        self.oldest as usize
    }

    /// Position of the newest run of its range.
    #[must_use]
    pub fn newest(&self) -> usize {
        self.newest as usize
    }

    /// The positions of its runs.
    #[must_use]
    pub fn range(&self) -> RangeInclusive<usize> {
        self.oldest()..=self.newest()
    }

    /// What is done with the inputs.
    #[must_use]
    pub fn work(&self) -> Work {
        self.work
    }

    /// The level that the output goes to.
    #[must_use]
    pub fn level(&self) -> u8 {
        self.level
    }

    /// Where in that level.
    #[must_use]
    pub fn place(&self) -> Place {
        self.place
    }

    /// Whether no older table meets the job's keys, so that tombstones may go. Necessary, not sufficient: the engine also
    /// keeps what a snapshot can still see.
    #[must_use]
    pub fn bottommost(&self) -> bool {
        self.bottommost
    }

    /// Output tables are cut, between keys, when they reach this many bytes.
    #[must_use]
    pub fn table_bytes_max(&self) -> u64 {
        self.table_bytes_max
    }
}

/// A job that runs, and the caller's name for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Running {
    pub(crate) ticket: u64,
    pub(crate) job: Job,
}

impl Running {
    /// A filler for storage that must be initialised, such as a lent array.
    pub const NONE: Self = Self { ticket: 0, job: Job::NONE };

    /// The job, its positions those of the version it is seen in.
    #[must_use]
    pub fn job(&self) -> Job {
        self.job
    }
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// Nothing, until the version, the strategy's state, the room or the snapshot floor changes, or `until_ms` comes.
    Wait {
        /// When a trigger that depends on time may fire next; `None` when none can.
        until_ms: Option<u64>,
    },
    /// Merge the job's inputs.
    Merge(Job),
    /// Move the job's inputs to another run without rewriting them.
    Move(Job),
    /// Delete the job's inputs, with all that is in them. Open snapshots lose it too, unless the engine keeps the files for them.
    Drop(Job),
}

impl Choice {
    /// The job to do, unless the choice is to wait.
    #[must_use]
    pub fn job(&self) -> Option<Job> {
        match *self {
            Self::Wait { .. } => None,
            Self::Merge(job) | Self::Move(job) | Self::Drop(job) => Some(job),
        }
    }

    /// `merge`, `move`, `drop` or `wait`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Wait { .. } => "wait",
            Self::Merge(_) => "merge",
            Self::Move(_) => "move",
            Self::Drop(_) => "drop",
        }
    }
}

impl From<Job> for Choice {
    fn from(job: Job) -> Self {
        match job.work {
            Work::Merge => Self::Merge(job),
            Work::Move => Self::Move(job),
            Work::Drop => Self::Drop(job),
        }
    }
}

/// A choice and why it was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// What to do.
    pub choice: Choice,
    /// Why.
    pub reason: Reason,
}
