//! One compaction from decision to installation.

use std::time::Duration;

use compaction_core::{Choice, CompactionStrategy, Decision, Event, Outcome, Reward, Rule, Work};

use crate::engine::health::Careful;
use crate::engine::output::{NewTable, Output, OutputOptions};
use crate::engine::tree::Task;
use crate::engine::{Engine, Tree};
use crate::error::{Error, Result};
use crate::fs::{FileName, Purpose};
use crate::iter::{self, Bounds, Cursor, Direction, Keep, Merge};
use crate::report::{Report, What, shape};
use crate::sst::Access;
use crate::sync::{MutexGuard, Ordering};
use crate::types::TableMeta;

/// A merge looks whether the store is being closed after this many entries.
const ENTRIES_PER_LOOK: u64 = 1024;

/// After so long it is seen whether there is room now for a merge that had none: nobody tells.
const ROOM_AFTER: Duration = Duration::from_secs(2);

/// What a worker found to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// A job was carried out, or failed, or the question must be asked again.
    Worked,
    /// There is nothing to do until the bell rings, or for this long.
    Idle(Option<Duration>),
}

impl Engine {
    /// Asks the strategy and does what it says.
    pub(crate) fn compact_one(&self) -> Step {
        if self.health.check().is_err() {
            return Step::Idle(None);
        }
        if let Some(pause) = self.health.flushes.pause().max(self.health.merges.pause()) {
            return Step::Idle(Some(pause));
        }
        if self.manual.load(Ordering::Acquire) > 0 {
            return Step::Idle(None);
        }
        let _careful = Careful::new(self);
        let mut tree = self.tree();
        self.heat.drain(self.clock.now_ms(), |sample| tree.strategy.observe(&Event::Reads(sample)));
        let moment = tree.moment(self);
        let decision = tree.strategy.choose(&tree.buf.view(), &moment);
        let Some(job) = decision.choice.job() else {
            let floor = moment.snapshot_floor;
            if floor <= tree.manifest_state().last_seqno && !self.snapshots.hold_back(floor) {
                return Step::Worked;
            }
            return Step::Idle(wait_of(&decision, moment.now_ms));
        };
        match tree.begin(job, Some(decision.reason), self.snapshots.list()) {
            Ok(task) => {
                self.begun(&tree, &task);
                // A failure is noted there.
                let _ = self.carry_out(tree, task);
            }
            Err(error) => {
                self.health
                    .fail(Error::law(format!("{} chose a job that cannot begin: {error}", tree.strategy.name())));
            }
        }
        Step::Worked
    }

    /// Tells the world that a job starts.
    pub(super) fn begun(&self, tree: &Tree, task: &Task) {
        let chosen = &task.chosen;
        tracing::debug!(job = chosen.number, choice = chosen.choice, rule = chosen.rule, tables = chosen.tables,
            bytes = chosen.bytes, level = chosen.level, reason = %chosen.text, "decision");
        self.report(tree, self.clock.now_ms(), What::Chosen(chosen.clone()));
    }

    /// Does a job that has begun.
    ///
    /// # Errors
    /// Why it was given up. That is noted; the tree is as before.
    pub(super) fn carry_out(&self, tree: MutexGuard<'_, Tree>, task: Task) -> Result<()> {
        let _careful = Careful::new(self);
        let (mut tree, outputs) = if task.job.work() == Work::Merge {
            drop(tree);
            self.merging.fetch_add(1, Ordering::Relaxed);
            let span = tracing::info_span!("merge", job = task.chosen.number, bytes = task.chosen.bytes);
            let outputs = span.in_scope(|| self.merge(&task));
            self.merging.fetch_sub(1, Ordering::Relaxed);
            (self.tree(), outputs)
        } else {
            (tree, Ok(Vec::new()))
        };
        let staged = outputs.and_then(|outputs| {
            let metas: Vec<_> = outputs.iter().map(|table| table.meta.clone()).collect();
            let edit = self.health.check().and_then(|()| tree.edit(&task, &metas));
            let staged = edit.and_then(|edit| tree.stage(self, edit).map_err(|error| self.health.fail(error)));
            staged.inspect_err(|_| metas.iter().for_each(|table| self.files.remove(FileName::Table(table.id))))?;
            // At once: what is staged must be synced before it is committed, whatever happens here.
            tree.unsettled.added(outputs);
            Ok(metas)
        });
        let inputs = if task.job.work() == Work::Move { Vec::new() } else { task.inputs.clone() };
        let installed = match staged {
            Ok(metas) => self.finish(&mut tree, task, &metas).map_err(|error| self.health.fail(error)),
            Err(error) => {
                self.give_up(&mut tree, task, &error);
                Err(error)
            }
        };
        self.note_debt(&tree);
        let job = tree.jobs;
        drop(tree);
        if installed.is_ok() {
            // Until the tree settles nobody else may let go of them.
            inputs.iter().flat_map(|run| &run.tables).for_each(|table| table.leave());
        }
        drop(inputs);
        self.bell.ring();
        let installed = installed.and_then(|()| self.settle_if_due());
        self.save_learned_at(job);
        installed
    }

    fn merge(&self, task: &Task) -> Result<Vec<NewTable>> {
        let newest_ms = task.tables().map(|table| table.newest_ms).max().unwrap_or(0);
        let oldest_tombstone_ms = task.tables().filter_map(|table| table.oldest_tombstone_ms).min();
        let options = OutputOptions {
            table: self.options.table_options(),
            purpose: Purpose::Merge,
            bytes_max: task.job.table_bytes_max(),
            cuts: task.cuts.clone(),
            newest_ms,
            oldest_tombstone_ms: oldest_tombstone_ms.unwrap_or(newest_ms),
        };
        let mut output = Output::new(&self.files, options);
        let mut keep = Keep::new(task.snapshots.clone(), task.job.bottommost());
        let (all, access) = (Bounds::all(), Access::Merge { inputs: task.inputs.len() });
        let inputs = task.inputs.iter().filter_map(|run| run.range(&all, Direction::Forward, access));
        let mut merge = Merge::new(inputs.collect(), Direction::Forward);
        for at in 0u64.. {
            if at.is_multiple_of(ENTRIES_PER_LOOK) && self.stopping.load(Ordering::Acquire) {
                return Err(Error::Closed);
            }
            if merge.step()? == iter::Step::End {
                break;
            }
            let entry = merge.entry();
            if keep.keeps(&entry) {
                output.add(&entry)?;
            }
        }
        output.finish()
    }

    /// Makes a job whose edit is staged part of the tree.
    fn finish(&self, tree: &mut Tree, task: Task, outputs: &[TableMeta]) -> Result<()> {
        let (chosen, watch, work) = (task.chosen.clone(), task.watch, task.job.work());
        let runs_before = tree.buf.view().runs().len();
        let pinned = (work == Work::Drop).then(|| self.snapshots.pin(&self.view.load_full()));
        let job = tree.finish(&self.files, task, outputs)?;
        self.show(tree, 0);
        drop(pinned);
        self.health.merges.recovered();
        let now_ms = self.clock.now_ms();
        let bytes_read = if work == Work::Merge { chosen.bytes } else { 0 };
        let bytes_written = outputs.iter().map(|table| table.bytes).sum();
        let micros = watch.micros();
        let removed = runs_before.saturating_sub(tree.buf.view().runs().len());
        if let Some(reason) = chosen.reason {
            let runs_removed = u32::try_from(removed).unwrap_or(u32::MAX);
            let outcome = Outcome { job, reason, bytes_read, bytes_written, micros, now_ms, runs_removed };
            tree.strategy.observe(&Event::Done { version: tree.buf.view(), outcome });
        }
        tracing::debug!(job = chosen.number, bytes_read, bytes_written, micros, "done");
        if let (Some(Rule::Slot { .. }), Some(bandit)) =
            (chosen.reason.map(|reason| reason.rule), tree.strategy.bandit())
            && let Some(Reward { slot, reward, bytes, heat }) = bandit.last_reward()
        {
            tracing::debug!(slot, reward, bytes_written = bytes, heat, "reward");
        }
        self.counters.done(&chosen, bytes_read, bytes_written, micros);
        self.report(tree, now_ms, What::Done { chosen, bytes_read, bytes_written, micros });
        Ok(())
    }

    fn give_up(&self, tree: &mut Tree, task: Task, error: &Error) {
        let chosen = task.chosen.clone();
        let job = tree.abort(task);
        if let Some(reason) = chosen.reason {
            tree.strategy.observe(&Event::Aborted { version: tree.buf.view(), job, reason });
        }
        self.counters.aborted();
        let cause = error.to_string();
        self.report(tree, self.clock.now_ms(), What::Aborted { chosen, cause });
        if !matches!(error, Error::Closed | Error::ReadOnly { .. }) {
            self.health.trouble(&self.health.merges, error.clone());
        }
    }

    /// Hands a report to the hook, if there is one.
    pub(super) fn report(&self, tree: &Tree, at_ms: u64, what: What) {
        if let Some(hook) = &self.options.on_report {
            hook(&Report { at_ms, what, shape: shape(&tree.buf.view()) });
        }
    }

    /// Notes the merge debt for backpressure.
    pub(super) fn note_debt(&self, tree: &Tree) {
        let debt = tree.strategy.debt_bytes(&tree.buf.view());
        self.debt_bytes.store(debt, Ordering::Relaxed);
        metrics::gauge!("lsm_debt_bytes").set(debt as f64);
        metrics::gauge!("lsm_runs").set(tree.buf.view().runs().len() as f64);
    }

    /// True if no memtable waits, no job runs, and the strategy wants none.
    pub(crate) fn is_at_rest(&self) -> bool {
        let mut tree = self.tree();
        let moment = tree.moment(self);
        let idle = || matches!(tree.strategy.choose(&tree.buf.view(), &moment).choice, Choice::Wait { .. });
        self.frozen() == 0 && tree.buf.view().running().is_empty() && idle()
    }
}

fn wait_of(decision: &Decision, now_ms: u64) -> Option<Duration> {
    let due = match decision.choice {
        Choice::Wait { until_ms: Some(until) } => Some(Duration::from_millis(until.saturating_sub(now_ms).max(1))),
        _ => None,
    };
    match decision.reason.rule {
        Rule::NoRoom { .. } => Some(due.map_or(ROOM_AFTER, |due| due.min(ROOM_AFTER))),
        _ => due,
    }
}
