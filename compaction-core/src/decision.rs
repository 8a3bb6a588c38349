//! What a strategy is asked and what it answers.

use core::fmt;
use core::ops::RangeInclusive;

/// The circumstances of a decision that are not in the tree. Strategies have no clock and no random generator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Now, in milliseconds of the caller's clock, which may start at 0 and may step back.
    pub now_ms: u64,
    /// Fresh random bits for strategies that explore; any value will do for those that do not.
    pub entropy: u64,
    /// Room for a job's output in bytes, net of what running jobs may still write; `u64::MAX` for no limit.
    pub free_bytes: u64,
    /// The oldest sequence number that an open snapshot reads at; `u64::MAX` without snapshots.
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
    pub(crate) table_bytes_max: u64,
}

impl Job {
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
    pub const NONE: Self = Self {
        ticket: 0,
        job: Job {
            edit: 0,
            oldest: 0,
            newest: 0,
            cut: Cut::Whole,
            window: None,
            work: Work::Merge,
            level: 0,
            place: Place::Join,
            bottommost: false,
            table_bytes_max: 0,
        },
    };

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
    /// Delete the job's inputs.
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

/// Why a choice was made: the rule that fired, and the job's size beside its cap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reason {
    /// The rule, with its figures.
    pub rule: Rule,
    /// Bytes of the job's inputs, 0 for a wait; saturates at `u64::MAX`.
    pub bytes: u64,
    /// The cap on a job's input bytes; a job above it is the smallest of its trigger and runs alone.
    pub bytes_max: u64,
}

/// The rule behind a choice, with the figures that it compared.
///
/// Bytes saturate at `u64::MAX`; shares are in the units their names end in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rule {
    /// No trigger fires.
    AtRest,
    /// A trigger fires, but every job for it meets running work.
    Busy,
    /// A trigger fires, but no job for it fits the room there is.
    NoRoom {
        /// The least room that a job needs, in bytes.
        needed: u64,
        /// The room there is.
        free: u64,
    },
    /// All runs together outweigh the largest by too much.
    SpaceAmp {
        /// Bytes of all runs.
        total: u64,
        /// Bytes of the largest run.
        largest: u64,
        /// The allowed excess in percent.
        pct: u64,
    },
    /// Neighbours in age of similar size.
    SimilarRuns {
        /// How many are merged.
        runs: usize,
        /// How many stood in the stretch.
        stretch: usize,
    },
    /// More runs than allowed, in the whole tree.
    RunCount {
        /// How many there are.
        runs: usize,
        /// How many may be.
        max: u64,
    },
    /// More runs in level 0 than allowed.
    L0Runs {
        /// How many there are.
        runs: usize,
        /// How many may be.
        max: u64,
    },
    /// As `L0Runs`, but the way down is barred: the newest are merged where they are.
    IntraL0 {
        /// How many there are.
        runs: usize,
        /// How many may be.
        max: u64,
    },
    /// A level holds more bytes than its target.
    LevelBytes {
        /// The level.
        level: u8,
        /// What it holds.
        bytes: u64,
        /// Its target.
        target: u64,
    },
    /// A level holds more runs than its layout allows.
    LevelRuns {
        /// The level.
        level: u8,
        /// How many it holds.
        runs: usize,
        /// How many it may hold.
        max: u64,
    },
    /// A table holds too many tombstones.
    TombstoneShare {
        /// The table.
        table: u64,
        /// Its tombstones.
        tombstones: u64,
        /// Its entries.
        entries: u64,
        /// The allowed share in percent.
        pct_max: u64,
    },
    /// A table holds a tombstone that is too old.
    TombstoneAge {
        /// The table.
        table: u64,
        /// When its oldest tombstone was written.
        written_ms: u64,
        /// The allowed age in milliseconds.
        age_ms_max: u64,
    },
    /// Everything in the tables has outlived its time.
    Expired {
        /// When the newest of it was written.
        newest_ms: u64,
        /// The time to live in milliseconds.
        ttl_ms: u64,
    },
    /// The tree holds more bytes than it may: the oldest go.
    SizeCap {
        /// What it holds.
        bytes: u64,
        /// What it may hold.
        max: u64,
    },
    /// A slot of the key range was picked.
    Slot {
        /// The slot.
        slot: u32,
        /// The runs that it has.
        runs: usize,
        /// Whether the pick was an exploration.
        explored: bool,
        /// Its score in thousandths; `u64::MAX` for a slot never picked before.
        score_milli: u64,
        /// Its mean reward in thousandths.
        mean_milli: u64,
        /// How often it had been picked before.
        picks: u64,
    },
    /// Everything is merged into one run.
    Full {
        /// How many runs there are.
        runs: usize,
    },
}

impl Rule {
    /// A short stable name, for metrics and reports.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::AtRest => "at_rest",
            Self::Busy => "busy",
            Self::NoRoom { .. } => "no_room",
            Self::SpaceAmp { .. } => "space_amp",
            Self::SimilarRuns { .. } => "similar_runs",
            Self::RunCount { .. } => "run_count",
            Self::L0Runs { .. } => "l0_runs",
            Self::IntraL0 { .. } => "intra_l0",
            Self::LevelBytes { .. } => "level_bytes",
            Self::LevelRuns { .. } => "level_runs",
            Self::TombstoneShare { .. } => "tombstone_share",
            Self::TombstoneAge { .. } => "tombstone_age",
            Self::Expired { .. } => "expired",
            Self::SizeCap { .. } => "size_cap",
            Self::Slot { .. } => "slot",
            Self::Full { .. } => "full",
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::AtRest => write!(f, "nothing to do"),
            Self::Busy => write!(f, "all that is due meets running jobs"),
            Self::NoRoom { needed, free } => write!(f, "no job fits: at least {needed} B needed, {free} B free"),
            Self::SpaceAmp { total, largest, pct } => {
                write!(f, "all runs hold {total} B, over {pct} % more than the largest with {largest} B")
            }
            Self::SimilarRuns { runs, stretch } => write!(f, "{runs} of {stretch} neighbouring runs of similar size"),
            Self::RunCount { runs, max } => write!(f, "{runs} runs, {max} allowed"),
            Self::L0Runs { runs, max } => write!(f, "level 0 has {runs} runs, {max} allowed"),
            Self::IntraL0 { runs, max } => {
                write!(f, "level 0 has {runs} runs, {max} allowed, and the way down is barred: merged in place")
            }
            Self::LevelBytes { level, bytes, target } => write!(f, "level {level} holds {bytes} B, target {target} B"),
            Self::LevelRuns { level, runs, max } => write!(f, "level {level} has {runs} runs, {max} allowed"),
            Self::TombstoneShare { table, tombstones, entries, pct_max } => {
                write!(f, "table {table}: {tombstones} of {entries} entries are tombstones, {pct_max} % allowed")
            }
            Self::TombstoneAge { table, written_ms, age_ms_max } => {
                write!(f, "table {table}: a tombstone written at {written_ms} ms is older than {age_ms_max} ms")
            }
            Self::Expired { newest_ms, ttl_ms } => {
                write!(f, "written at {newest_ms} ms at the latest, to live {ttl_ms} ms")
            }
            Self::SizeCap { bytes, max } => write!(f, "the tree holds {bytes} B, {max} B allowed"),
            Self::Slot { slot, runs, explored, score_milli, mean_milli, picks } => {
                let why = if explored { "explored" } else { "best score" };
                write!(
                    f,
                    "slot {slot} with {runs} runs, {why}, picked {picks} times, mean reward {mean_milli} m, score "
                )?;
                if score_milli == u64::MAX { write!(f, "unbounded") } else { write!(f, "{score_milli} m") }
            }
            Self::Full { runs } => write!(f, "all {runs} runs into one"),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.rule)?;
        if self.bytes > self.bytes_max {
            write!(f, "; {} B of input exceed the cap of {} B, the smallest job there is", self.bytes, self.bytes_max)?;
        }
        Ok(())
    }
}

/// One job that a strategy considered, as `explain` shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The job.
    pub job: Job,
    /// The rule that proposed it.
    pub rule: Rule,
    /// Bytes of its inputs; saturates at `u64::MAX`.
    pub bytes: u64,
    /// What became of it.
    pub verdict: Verdict,
}

/// What became of a candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is the choice.
    Chosen,
    /// It meets a running job.
    Busy,
    /// Its output may not fit.
    NoRoom {
        /// Upper bound of its output in bytes.
        needed: u64,
    },
    /// It exceeds the cap on a job's bytes, and smaller jobs or running ones stand before it.
    OverCap {
        /// The cap in bytes.
        bytes_max: u64,
    },
    /// Another candidate of the same trigger has the better score.
    Outscored,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Chosen => write!(f, "chosen"),
            Self::Busy => write!(f, "meets a running job"),
            Self::NoRoom { needed } => write!(f, "may need {needed} B of room"),
            Self::OverCap { bytes_max } => write!(f, "exceeds the cap of {bytes_max} B a job"),
            Self::Outscored => write!(f, "another one scores better"),
        }
    }
}
