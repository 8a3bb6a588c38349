//! Finishing a job: its inputs out, its outputs in, in one edit.
//!
//! The inputs are first rotated to the end of the array, run by run from the newest, so that their keys stay readable while
//! older runs are still to be closed over. Then they are cut off (merge, drop) or rotated to their new place (move).
//! No allocation, all or nothing.

use super::{EditError, Ticket, VersionBuf, remap};
use crate::decision::{Hull, Job, Place, Running, Work};
use crate::storage::{self, Storage};
use crate::version::{Run, Span, Table, Totals, TreeError};

/// What a job takes out of the tree.
struct Closed {
    job: Job,
    tables: usize,
    totals: Totals,
    /// The part of the oldest run, whose place the output takes.
    home: Span,
    hull: Hull,
}

impl<K, T, R, J> VersionBuf<K, T, R, J>
where
    K: Ord,
    T: Storage<Table<K>>,
    R: Storage<Run>,
    J: Storage<Running>,
{
    /// Whether `finish` with these outputs would succeed; an engine asks before it commits the edit to its manifest. Answers
    /// with the job at its present positions. O(runs of the job x log tables + outputs).
    ///
    /// # Errors
    /// What `finish` would answer.
    pub fn check_finish(&self, ticket: &Ticket, outputs: &[Table<K>]) -> Result<Job, EditError> {
        let closed = self.closed(ticket)?;
        let job = closed.job;
        if job.work != Work::Merge && !outputs.is_empty() {
            return Err(EditError::Outputs { given: outputs.len() });
        }
        self.check_room(&closed, outputs.len())?;
        self.check_outputs(&closed, outputs)?;
        Ok(job)
    }

    fn closed(&self, ticket: &Ticket) -> Result<Closed, EditError> {
        let job = self.job(ticket).ok_or(EditError::Unknown)?;
        let view = self.view();
        let mut inputs = view.inputs(&job);
        let (mut tables, mut totals) = (0usize, Totals::default());
        let mut home = Span { run: job.oldest(), first: 0, end: 0 };
        for span in inputs.by_ref() {
            tables = tables.saturating_add(span.len());
            if job.work == Work::Move && !totals.add(&view.span_totals(&span)) {
                return Err(TreeError::TooMany.into());
            }
            home = span;
        }
        let hull = inputs.hull().ok_or(EditError::Unknown)?;
        Ok(Closed { job, tables, totals, home, hull })
    }

    fn check_room(&self, closed: &Closed, outputs: usize) -> Result<(), EditError> {
        let tables = self.tables.as_slice().len();
        let kept = if closed.job.work == Work::Move { tables } else { tables.saturating_sub(closed.tables) };
        if !storage::fits(&self.tables, kept, outputs) || kept.saturating_add(outputs) > u32::MAX as usize {
            return Err(EditError::Full { max: self.tables.len_max() });
        }
        if closed.job.place != Place::Join && !storage::fits(&self.runs, self.runs.as_slice().len(), 1) {
            return Err(EditError::Full { max: self.runs.len_max() });
        }
        Ok(())
    }

    fn check_outputs(&self, closed: &Closed, outputs: &[Table<K>]) -> Result<(), EditError> {
        let view = self.view();
        let keys = (view.tables.get(closed.hull.lo()), view.tables.get(closed.hull.hi()));
        let (Some(lo), Some(hi)) = keys else { return Err(EditError::Unknown) };
        let mut upto = match closed.job.place {
            Place::New { .. } => Totals::default(),
            Place::Join => {
                let run = view.runs.get(closed.job.oldest()).map_or(Totals::default(), Run::totals);
                run.minus(view.span_totals(&closed.home))
            }
        };
        if !upto.add(&closed.totals) {
            return Err(TreeError::Overflow { table: lo.id }.into());
        }
        let mut left: Option<&Table<K>> = None;
        for table in outputs {
            if table.min > table.max {
                return Err(TreeError::Reversed { table: table.id }.into());
            }
            if table.min < lo.min || table.max > hi.max {
                return Err(EditError::OutsideJob { table: table.id });
            }
            if let Some(left) = left.filter(|left| left.max >= table.min) {
                return Err(TreeError::Overlap { left: left.id, right: table.id }.into());
            }
            if !upto.add(&table.totals()) {
                return Err(TreeError::Overflow { table: table.id }.into());
            }
            left = Some(table);
        }
        Ok(())
    }

    /// Finishes a job: `outputs`, sorted by key, take the place of its inputs. A move or a drop has no outputs. Answers with
    /// the job as it stood just before. O(tables of the touched runs and of all newer ones).
    ///
    /// # Errors
    /// The ticket and the reason; the tree is then as before and the job still runs.
    pub fn finish<O>(&mut self, ticket: Ticket, outputs: O) -> Result<Job, (Ticket, EditError)>
    where
        O: IntoIterator<Item = Table<K>> + AsRef<[Table<K>]>,
    {
        let closed = match self.check_finish(&ticket, outputs.as_ref()).and_then(|_| self.closed(&ticket)) {
            Ok(closed) => closed,
            Err(error) => return Err((ticket, error)),
        };
        let job = closed.job;
        self.forget(ticket.id);
        self.gather(&job);
        let kept = self.tables.as_slice().len().saturating_sub(closed.tables);
        if job.work != Work::Move {
            self.tables.truncate(kept);
        }
        let (run, at) = self.destination(&closed);
        let put = match job.work {
            Work::Merge => storage::insert(&mut self.tables, at, outputs.into_iter()),
            Work::Move => {
                if let Some(tail) = self.tables.as_mut_slice().get_mut(at..) {
                    tail.rotate_right(closed.tables.min(tail.len()));
                }
                closed.tables
            }
            Work::Drop => 0,
        };
        let up = |table: u32| if table as usize >= at { table.saturating_add(count(put)) } else { table };
        remap::tables(self.running.as_mut_slice(), up);
        let touched = self.settle_runs(&job, run, put);
        self.prune(touched);
        self.edited();
        Ok(job)
    }

    /// Rotates the inputs to the end of the array, and shortens their runs.
    fn gather(&mut self, job: &Job) {
        let mut walk = Running { ticket: 0, job: *job };
        let mut hull: Option<Hull> = None;
        for run in job.range().rev() {
            let view = self.view();
            let span = view.span_of(walk.job.cut, walk.job.window, run, hull);
            if span.is_empty() {
                continue;
            }
            hull = view.widened(hull, &span);
            let (len, taken) = (view.tables.len(), span.len());
            if let Some(tail) = self.tables.as_mut_slice().get_mut(span.first..) {
                tail.rotate_left(taken.min(tail.len()));
            }
            // Behind the span: down by its length. Within it: to the end of the array.
            let (first, end) = (count(span.first), count(span.end));
            let to_end = count(len.saturating_sub(span.end));
            let change = |table: u32| match table {
                table if table >= end => table.saturating_sub(count(taken)),
                table if table >= first => table.saturating_add(to_end),
                table => table,
            };
            remap::tables(self.running.as_mut_slice(), change);
            remap::tables(core::slice::from_mut(&mut walk), change);
            hull = hull.map(|hull| Hull { lo: change(hull.lo), hi: change(hull.hi) });
            if let Some(run) = self.runs.as_mut_slice().get_mut(run) {
                run.len = run.len.saturating_sub(count(taken));
            }
        }
    }

    /// The run that the output belongs to (for a new one: the position it gets) and the position of its first table.
    fn destination(&self, closed: &Closed) -> (usize, usize) {
        let runs = self.runs.as_slice();
        let mut run = closed.job.oldest();
        let Place::New { level } = closed.job.place else { return (run, closed.home.first) };
        // Another job may have put a run of a shallower level here meanwhile; its keys are not this job's.
        while let Some(older) = run.checked_sub(1).filter(|older| runs.get(*older).is_some_and(|run| run.level < level))
        {
            run = older;
        }
        (run, runs.get(run).map_or(0, Run::first))
    }

    /// Gives `put` tables to the destination and makes lengths, places and totals of the touched runs true. Answers with the
    /// positions of the runs that may have become empty.
    fn settle_runs(&mut self, job: &Job, run: usize, put: usize) -> core::ops::RangeInclusive<usize> {
        let mut newest = job.newest();
        let mut oldest = job.oldest().min(run);
        match job.place {
            Place::Join => {
                if let Some(run) = self.runs.as_mut_slice().get_mut(run) {
                    run.len = run.len.saturating_add(count(put));
                }
            }
            Place::New { level } if put > 0 => {
                let new = Run { level, len: count(put), ..Run::EMPTY };
                storage::insert(&mut self.runs, run, core::iter::once(new));
                remap::run_inserted(self.running.as_mut_slice(), run);
                newest = newest.saturating_add(1);
            }
            Place::New { .. } => {}
        }
        oldest = oldest.min(newest);
        let mut first = oldest.checked_sub(1).and_then(|at| self.runs.as_slice().get(at)).map_or(0, Run::end);
        for (at, run) in self.runs.as_mut_slice().iter_mut().enumerate().skip(oldest) {
            run.first = count(first);
            first = run.end();
            if at > newest {
                continue;
            }
            let tables = self.tables.as_mut_slice().get_mut(run.first()..first).unwrap_or(&mut []);
            // One that lost all its tables is taken out by `prune`.
            *run = run.settled(tables);
        }
        oldest..=newest
    }

    /// Takes empty runs out, from the newest on.
    fn prune(&mut self, touched: core::ops::RangeInclusive<usize>) {
        for at in touched.rev() {
            if let Some(gone) = self.runs.as_slice().get(at).copied().filter(Run::is_empty) {
                storage::remove(&mut self.runs, at, 1);
                remap::run_removed(self.running.as_mut_slice(), at, &gone);
            }
        }
    }

    pub(super) fn edited(&mut self) {
        self.edit = self.edit.wrapping_add(1);
    }
}

/// A count or position of tables; a tree holds at most `u32::MAX`.
fn count(tables: usize) -> u32 {
    u32::try_from(tables).unwrap_or(u32::MAX)
}
