//! The tree of a store: its shape, its strategy, its manifest, and the open tables, kept in step.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use compaction_core::{
    AnySettings, BeginError, CompactionStrategy, Job, Moment, Place as CorePlace, Reason, Table, Ticket, Version,
    VersionVec, Work,
};

use crate::clock::{Entropy, Stopwatch};
use crate::engine::Engine;
use crate::engine::flush::lawful;
use crate::engine::settle::Unsettled;
use crate::error::{Error, Result};
use crate::manifest::{AddRun, Edit, Manifest, Place, State};
use crate::report::Chosen;
use crate::strategy::{self, Strategy};
use crate::types::{FileId, SeqNo, TableMeta};
use crate::view::{Files, RunView, Runs, TableHandle};

/// The tree. Guarded by one lock, which is held over manifest edits and decisions, never over flushes and merges.
pub(crate) struct Tree {
    pub(crate) buf: VersionVec<Bytes>,
    pub(crate) strategy: Box<Strategy>,
    pub(super) manifest: Manifest,
    /// Tables of a merge that the user asks for are cut at this many bytes.
    pub(super) table_bytes_max: u64,
    /// The runs as readers get them, oldest first: the same as in `buf`.
    pub(super) runs: Vec<Arc<RunView>>,
    pub(super) shown: Runs,
    pub(super) handles: HashMap<FileId, Arc<TableHandle>>,
    pub(super) unsettled: Unsettled,
    pub(super) entropy: Entropy,
    pub(super) jobs: u64,
    /// Bytes that running jobs may still write.
    pub(super) reserved_bytes: u64,
}

/// A job that runs.
#[derive(Debug)]
pub(super) struct Task {
    pub(super) ticket: Ticket,
    pub(super) job: Job,
    pub(super) chosen: Chosen,
    /// The inputs, newest run first.
    pub(super) inputs: Vec<Arc<RunView>>,
    /// Its output must be cut at these keys.
    pub(super) cuts: Vec<Bytes>,
    pub(super) snapshots: Vec<SeqNo>,
    pub(super) watch: Stopwatch,
}

impl Task {
    pub(super) fn tables(&self) -> impl Iterator<Item = &TableMeta> {
        self.inputs.iter().flat_map(|run| &run.tables).map(|table| table.meta())
    }
}

impl Tree {
    /// The tree that `manifest` describes.
    pub(super) fn load(
        files: &Arc<Files>,
        manifest: Manifest,
        settings: &AnySettings,
        entropy: Entropy,
    ) -> Result<Self> {
        let mut buf = VersionVec::default();
        let (mut runs, mut handles) = (Vec::new(), HashMap::new());
        for run in &manifest.state().runs {
            lawful(buf.push_run(run.level, run.tables.iter().map(to_core)))?;
            let tables: Vec<_> = run.tables.iter().map(|meta| TableHandle::new(files, meta.clone())).collect();
            handles.extend(tables.iter().map(|table| (table.meta().id, Arc::clone(table))));
            runs.push(Arc::new(RunView { tables }));
        }
        let shown = Runs::new(&runs);
        Ok(Self {
            buf,
            strategy: strategy::start(settings)?,
            table_bytes_max: strategy::table_bytes_max(settings),
            manifest,
            runs,
            shown,
            handles,
            unsettled: Unsettled::default(),
            entropy,
            jobs: 0,
            reserved_bytes: 0,
        })
    }

    /// The runs as readers get them.
    pub(crate) fn shown(&self) -> Runs {
        self.shown.clone()
    }

    /// What the manifest says.
    pub(crate) fn manifest_state(&self) -> &State {
        self.manifest.state()
    }

    /// Whether edits wait to become durable.
    pub(super) fn is_unsettled(&self) -> bool {
        self.manifest.has_staged()
    }

    /// Makes one edit of the manifest, durable once the tree settles.
    ///
    /// # Errors
    /// A law that it breaks: the tree in memory can no longer be trusted.
    pub(super) fn stage(&mut self, engine: &Engine, mut edit: Edit) -> Result<()> {
        edit.next_id = Some(engine.files.next_id());
        self.manifest.stage(&edit)
    }

    /// Makes all edits durable.
    ///
    /// # Errors
    /// A full disk leaves everything as it was. After any other failure the store is read-only.
    pub(super) fn commit(&mut self, engine: &Engine) -> Result<()> {
        if let Err(error) = self.manifest.commit() {
            let passing = error.is_no_space() && self.manifest.broken().is_none();
            return Err(if passing { error } else { engine.health.fail(error) });
        }
        if self.manifest.rewrite_due()
            && let Err(error) = self.manifest.rewrite(engine.files.new_id())
        {
            if error.leaves_doubt() || self.manifest.broken().is_some() {
                return Err(engine.health.fail(error));
            }
            tracing::warn!(%error, "manifest not rewritten, the old one goes on");
        }
        Ok(())
    }

    /// Adds flushed tables as the newest run.
    pub(super) fn flushed(&mut self, files: &Arc<Files>, tables: &[TableMeta]) -> Result<()> {
        lawful(self.buf.flush(tables.iter().map(to_core).collect::<Vec<_>>()))?;
        let run = Arc::new(RunView { tables: self.open(files, tables) });
        self.runs.push(Arc::clone(&run));
        self.shown.push(run);
        Ok(())
    }

    fn open(&mut self, files: &Arc<Files>, tables: &[TableMeta]) -> Vec<Arc<TableHandle>> {
        let handles: Vec<_> = tables.iter().map(|meta| TableHandle::new(files, meta.clone())).collect();
        self.handles.extend(handles.iter().map(|table| (table.meta().id, Arc::clone(table))));
        handles
    }

    /// Lets a job run.
    pub(super) fn begin(
        &mut self,
        job: Job,
        reason: Option<Reason>,
        snapshots: Vec<SeqNo>,
    ) -> Result<Task, BeginError> {
        let ticket = self.buf.begin(job)?;
        self.jobs += 1;
        let mut chosen = Chosen::new(self.jobs, &job, reason);
        let mut inputs = Vec::new();
        for span in self.buf.view().inputs(&job).filter(|span| !span.is_empty()) {
            let first = self.buf.view().runs().get(span.run).map_or(0, compaction_core::Run::first);
            let run = self.runs.get(span.run).map_or(&[][..], |run| &run.tables);
            let tables = run.get(span.first - first..span.end - first).unwrap_or(&[]).to_vec();
            chosen.tables += tables.len();
            chosen.bytes = tables.iter().fold(chosen.bytes, |sum, table| sum.saturating_add(table.meta().bytes));
            inputs.push(Arc::new(RunView { tables }));
        }
        chosen.runs = inputs.len();
        let cuts = self.guards(&inputs);
        if job.work() == Work::Merge {
            self.reserved_bytes = self.reserved_bytes.saturating_add(chosen.bytes);
        }
        Ok(Task { ticket, job, chosen, inputs, cuts, snapshots, watch: Stopwatch::start() })
    }

    /// The guard keys of the strategy above `min`, if it wants flushes cut there.
    pub(super) fn cuts_above(&self, min: &Bytes) -> Vec<Bytes> {
        if !self.strategy.cuts_flushes() {
            return Vec::new();
        }
        let next = |key: &Bytes| self.strategy.guard_above(key).filter(|guard| *guard > key).cloned();
        std::iter::successors(next(min), next).collect()
    }

    /// The guard keys of the strategy within the keys of `inputs`.
    fn guards(&self, inputs: &[Arc<RunView>]) -> Vec<Bytes> {
        let tables = || inputs.iter().flat_map(|run| &run.tables).map(|table| table.meta());
        let (Some(min), Some(max)) = (tables().map(|table| &table.min).min(), tables().map(|table| &table.max).max())
        else {
            return Vec::new();
        };
        let mut cuts = Vec::new();
        let mut key = min;
        while let Some(guard) = self.strategy.guard_above(key).filter(|guard| *guard > key && *guard <= max) {
            cuts.push(guard.clone());
            key = guard;
        }
        cuts
    }

    /// The edit that finishes `task` with these outputs.
    pub(super) fn edit(&self, task: &Task, outputs: &[TableMeta]) -> Result<Edit> {
        let core: Vec<_> = outputs.iter().map(to_core).collect();
        let job = lawful(self.buf.check_finish(&task.ticket, &core))?;
        let added = match job.work() {
            Work::Merge => outputs.to_vec(),
            Work::Move => task.tables().cloned().collect(),
            Work::Drop => Vec::new(),
        };
        let place = place(&self.buf.view(), &job);
        Ok(Edit {
            deleted: task.tables().map(|table| table.id).collect(),
            added: (!added.is_empty()).then_some(AddRun { place, tables: added }),
            ..Edit::default()
        })
    }

    /// Finishes a job whose edit is staged. Answers with the job as it stood.
    pub(super) fn finish(&mut self, files: &Arc<Files>, task: Task, outputs: &[TableMeta]) -> Result<Job> {
        self.release(&task);
        let core: Vec<_> = outputs.iter().map(to_core).collect();
        let moved = task.job.work() == Work::Move;
        let finished = self.buf.finish(task.ticket, core);
        let job = finished.map_err(|(ticket, law)| Error::law(format!("{law} ({ticket:?})")))?;
        self.open(files, outputs);
        if !moved {
            for table in task.inputs.iter().flat_map(|run| &run.tables) {
                self.handles.remove(&table.meta().id);
                self.unsettled.removed(table);
            }
        }
        self.rebuild(&job)?;
        debug_assert!(self.agrees(), "manifest and tree differ after {job:?}");
        Ok(job)
    }

    /// Gives a job up.
    pub(super) fn abort(&mut self, task: Task) -> Job {
        self.release(&task);
        let job = self.buf.job(&task.ticket).unwrap_or(task.job);
        self.buf.abort(task.ticket);
        job
    }

    fn release(&mut self, task: &Task) {
        if task.job.work() == Work::Merge {
            self.reserved_bytes = self.reserved_bytes.saturating_sub(task.chosen.bytes);
        }
    }

    /// The circumstances of a decision taken now.
    pub(super) fn moment(&mut self, engine: &Engine) -> Moment {
        let options = &engine.options;
        let waiting = engine.frozen() as u64 + 1;
        let claimed = self.reserved_bytes.saturating_add(options.memtable_bytes.saturating_mul(waiting));
        let free = engine.files.free_bytes();
        Moment {
            now_ms: engine.clock.now_ms(),
            entropy: self.entropy.next(),
            free_bytes: if free == u64::MAX { free } else { free.saturating_sub(claimed) },
            snapshot_floor: engine.snapshots.floor(),
        }
    }
}

impl std::fmt::Debug for Tree {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tree").field("buf", &self.buf).field("strategy", &self.strategy.name()).finish_non_exhaustive()
    }
}

/// Where the manifest puts the output of `job`, a job at its present positions.
fn place(version: &Version<'_, Bytes>, job: &Job) -> Place {
    let mut run = job.oldest();
    match job.place() {
        CorePlace::Join => Place::Into { run },
        CorePlace::New { level } => {
            // As the core does it: past runs of shallower levels that other jobs put there meanwhile.
            let runs = version.runs();
            while run > 0 && runs.get(run - 1).is_some_and(|older| older.level() < level) {
                run -= 1;
            }
            Place::Before { run, level }
        }
    }
}

fn to_core(meta: &TableMeta) -> Table<Bytes> {
    Table::new(meta.id, meta.bytes, meta.min.clone(), meta.max.clone())
        .entries(meta.entries)
        .tombstones(meta.tombstones)
        .newest_ms(meta.newest_ms)
        .oldest_tombstone_ms(meta.oldest_tombstone_ms)
        .newest_seqno(meta.newest_seqno)
}

#[cfg(test)]
mod tests {
    use compaction_core::{Cut, Plan};

    use super::*;

    /// The manifest must say of a merge's output what the core makes of it, whatever other jobs have done meanwhile.
    #[test]
    fn an_output_goes_below_a_shallower_run_that_another_job_has_put_there() {
        let mut tree = VersionVec::default();
        let key = |key: &'static str| Bytes::from_static(key.as_bytes());
        let table = |id, min, max| Table::new(id, 10, key(min), key(max));
        for id in [1, 3] {
            tree.flush([table(id, "a", "c"), table(id + 1, "m", "o")]).unwrap();
        }
        let mut begin = |at, level| {
            let cut = Cut::Tables { first: at, last: at };
            let place = CorePlace::New { level };
            let plan = Plan { runs: 0..=1, cut, work: Work::Merge, place, table_bytes_max: 40 };
            let job = tree.view().plan(&plan).unwrap().job;
            tree.begin(job).unwrap()
        };
        let (slow, fast) = (begin(2, 2), begin(3, 1));
        tree.finish(fast, [table(5, "m", "o")]).unwrap();
        let job = tree.job(&slow).unwrap();
        assert_eq!((job.oldest(), place(&tree.view(), &job)), (1, Place::Before { run: 0, level: 2 }));
        tree.finish(slow, [table(6, "a", "c")]).unwrap();
        let levels: Vec<_> = tree.view().runs().iter().map(|run| run.level()).collect();
        assert_eq!((levels, tree.view().run_tables(0)[0].id), (vec![2, 1], 6));
    }
}
