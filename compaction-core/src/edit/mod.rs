//! The one place where a tree is edited.
//!
//! # Why a job holds positions, and how they stay right
//! A job is `Copy` and holds no key: the range of runs, the window as the positions of the tables that hold its smallest and
//! largest key. `begin` accepts it only for the version it was chosen from. While it runs, every other edit re-maps its
//! positions (`remap.rs`). That is sound because two jobs may run together only if their ranges of runs or their windows are
//! disjoint, so no edit touches another job's inputs. A run that other jobs empty may vanish under a job that was to join it;
//! the job then starts a new run of that level in its place.

mod finish;
mod remap;

use core::fmt;
use core::marker::PhantomData;

use crate::decision::{Job, Running};
use crate::storage::{self, Storage};
use crate::version::{Plan, Run, Table, TreeError, Version, check};

/// A tree in the caller's storage, with the jobs that run in it.
///
/// `T` holds tables, `R` runs and `J` running jobs; see [`Storage`]. Positions of running jobs are kept right through every
/// edit, so jobs that do not conflict may finish in any order.
#[derive(Debug)]
pub struct VersionBuf<K, T, R, J> {
    tables: T,
    runs: R,
    running: J,
    edit: u64,
    tickets: u64,
    key: PhantomData<K>,
}

// Derived, it would ask the key for a default.
impl<K, T: Default, R: Default, J: Default> Default for VersionBuf<K, T, R, J> {
    fn default() -> Self {
        let (tables, runs, running) = Default::default();
        Self { tables, runs, running, edit: 0, tickets: 0, key: PhantomData }
    }
}

/// A [`VersionBuf`] in growing vectors.
#[cfg(feature = "alloc")]
pub type VersionVec<K> = VersionBuf<K, alloc::vec::Vec<Table<K>>, alloc::vec::Vec<Run>, alloc::vec::Vec<Running>>;

/// The right to finish a job that was begun. Give it back with `finish` or `abort`.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a job that is neither finished nor aborted bars its tables for ever"]
pub struct Ticket {
    id: u64,
}

/// Why a job cannot begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BeginError {
    /// The tree has changed since the job was chosen: choose again.
    Stale {
        /// The edit number of the version it was chosen from.
        chosen: u64,
        /// The present edit number.
        present: u64,
    },
    /// It meets a job that runs.
    Conflict,
    /// It was not made from this tree.
    Foreign,
    /// There is no room for another running job.
    Full,
}

impl fmt::Display for BeginError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stale { chosen, present } => {
                write!(f, "the job was chosen at edit {chosen}, the tree is at {present}")
            }
            Self::Conflict => write!(f, "the job meets a running job"),
            Self::Foreign => write!(f, "the job was not made from this tree"),
            Self::Full => write!(f, "no room for another running job"),
        }
    }
}

impl core::error::Error for BeginError {}

/// Why an edit was refused; the tree is as before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EditError {
    /// The new tables, or a run with them in it, break a law.
    Tree(TreeError),
    /// The storage holds at most `max` tables or runs.
    Full {
        /// Its capacity.
        max: usize,
    },
    /// An output lies outside the keys of the job's inputs.
    OutsideJob {
        /// The output.
        table: u64,
    },
    /// A move or a drop has no outputs.
    Outputs {
        /// How many were given.
        given: usize,
    },
    /// No job runs under this ticket.
    Unknown,
}

impl fmt::Display for EditError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tree(law) => write!(f, "{law}"),
            Self::Full { max } => write!(f, "the storage holds at most {max}"),
            Self::OutsideJob { table } => write!(f, "table {table} lies outside the keys of its job's inputs"),
            Self::Outputs { given } => write!(f, "{given} outputs for a job that writes nothing"),
            Self::Unknown => write!(f, "no job runs under this ticket"),
        }
    }
}

impl core::error::Error for EditError {}

impl From<TreeError> for EditError {
    fn from(law: TreeError) -> Self {
        Self::Tree(law)
    }
}

impl<K, T, R, J> VersionBuf<K, T, R, J>
where
    K: Ord,
    T: Storage<Table<K>>,
    R: Storage<Run>,
    J: Storage<Running>,
{
    /// A tree in the given storages, of which `tables` and `runs` may already hold one; `running` is emptied. O(tables).
    ///
    /// # Errors
    /// The law that the tree breaks.
    pub fn new(tables: T, runs: R, mut running: J) -> Result<Self, TreeError> {
        running.truncate(0);
        let buf = Self { tables, runs, running, edit: 0, tickets: 0, key: PhantomData };
        check(&buf.view())?;
        Ok(buf)
    }

    /// The present tree.
    #[must_use]
    pub fn view(&self) -> Version<'_, K> {
        Version {
            runs: self.runs.as_slice(),
            tables: self.tables.as_slice(),
            running: self.running.as_slice(),
            edit: self.edit,
        }
    }

    /// Adds a run of `level` behind all others: a flush with level 0; also how a tree is built, oldest run first.
    /// O(tables of the run).
    ///
    /// # Errors
    /// The law that the run breaks, or a full storage; the tree is then as before.
    pub fn push_run(&mut self, level: u8, tables: impl IntoIterator<Item = Table<K>>) -> Result<(), EditError> {
        let len = self.tables.as_slice().len();
        let pushed = self.push_tables(level, len, tables);
        match pushed {
            Ok(()) => self.edited(),
            Err(_) => self.tables.truncate(len),
        }
        pushed
    }

    fn push_tables(
        &mut self,
        level: u8,
        len: usize,
        tables: impl IntoIterator<Item = Table<K>>,
    ) -> Result<(), EditError> {
        for table in tables {
            self.tables.push(table).map_err(|_| EditError::Full { max: self.tables.len_max() })?;
        }
        let run = Run::seal(level, len, self.tables.as_mut_slice().get_mut(len..).unwrap_or(&mut []))?;
        let at = self.runs.as_slice().len();
        if self.runs.as_slice().last().is_some_and(|older| older.level < level) {
            return Err(TreeError::LevelOrder { run: at }.into());
        }
        self.runs.push(run).map_err(|_| EditError::Full { max: self.runs.len_max() })
    }

    /// Flushes a memtable: `tables`, sorted by key, become the newest run, of level 0. O(tables of the run).
    ///
    /// # Errors
    /// As [`push_run`](Self::push_run).
    pub fn flush(&mut self, tables: impl IntoIterator<Item = Table<K>>) -> Result<(), EditError> {
        self.push_run(0, tables)
    }

    /// Lets a job run. O(runs of the job x log tables).
    ///
    /// # Errors
    /// Why it cannot.
    pub fn begin(&mut self, job: Job) -> Result<Ticket, BeginError> {
        if job.edit != self.edit {
            return Err(BeginError::Stale { chosen: job.edit, present: self.edit });
        }
        let view = self.view();
        let plan = Plan {
            runs: job.range(),
            cut: job.cut,
            work: job.work,
            place: job.place,
            table_bytes_max: job.table_bytes_max,
        };
        if view.plan(&plan).is_none_or(|planned| planned.job != job) {
            return Err(BeginError::Foreign);
        }
        if view.conflicts(&job) {
            return Err(BeginError::Conflict);
        }
        self.tickets = self.tickets.wrapping_add(1);
        let id = self.tickets;
        self.running.push(Running { ticket: id, job }).map_err(|_| BeginError::Full)?;
        Ok(Ticket { id })
    }

    /// The job under a ticket, with its present positions. O(running jobs).
    #[must_use]
    pub fn job(&self, ticket: &Ticket) -> Option<Job> {
        let running = self.running.as_slice().iter().find(|running| running.ticket == ticket.id)?;
        Some(Job { edit: self.edit, ..running.job })
    }

    /// Gives a job up; the tree is as before. O(running jobs).
    #[expect(clippy::needless_pass_by_value, reason = "the ticket is used up")]
    pub fn abort(&mut self, ticket: Ticket) {
        self.forget(ticket.id);
    }

    fn forget(&mut self, id: u64) {
        if let Some(at) = self.running.as_slice().iter().position(|running| running.ticket == id) {
            storage::remove(&mut self.running, at, 1);
        }
    }
}
