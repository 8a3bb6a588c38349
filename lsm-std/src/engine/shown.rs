//! The runs as readers get them, kept in step with the core's version.

use std::sync::Arc;

use bytes::Bytes;
use compaction_core::{Job, Table};

use crate::engine::Tree;
use crate::error::{Error, Result};
use crate::manifest::RunState;
use crate::view::RunView;

impl Tree {
    /// Makes the runs that readers get those of `buf` again, after `job` was finished at the positions it names.
    ///
    /// O(runs of the job) and a little: a store that never merges may have tens of thousands.
    pub(super) fn rebuild(&mut self, job: &Job) -> Result<()> {
        let version = self.buf.view();
        let same = |at: usize| {
            let ids = version.run_tables(at).iter().map(|table| table.id);
            self.runs.get(at).is_some_and(|run| ids.eq(run.tables.iter().map(|table| table.meta().id)))
        };
        let (old, count) = (self.runs.len(), version.runs().len());
        let newer = old.saturating_sub(job.newest() + 1).min(count);
        let mut older = job.oldest().min(count - newer);
        // The output may have gone in front of runs of shallower levels.
        while older > 0 && !same(older - 1) {
            older -= 1;
        }
        let fresh: Vec<_> = (older..count - newer).map(|at| self.run_view(at)).collect::<Result<_>>()?;
        self.shown.splice(older..old - newer, &fresh);
        self.runs.splice(older..old - newer, fresh);
        Ok(())
    }

    fn run_view(&self, at: usize) -> Result<Arc<RunView>> {
        let handle = |table: &Table<Bytes>| self.handles.get(&table.id).cloned();
        let tables: Option<Vec<_>> = self.buf.view().run_tables(at).iter().map(handle).collect();
        let tables = tables.ok_or_else(|| Error::law(format!("run {at} holds a table without a file")))?;
        Ok(Arc::new(RunView { tables }))
    }

    /// Whether the manifest, the core's version and what readers get are the same. O(tables).
    pub(super) fn agrees(&self) -> bool {
        let version = self.buf.view();
        let state = &self.manifest_state().runs;
        let same = |at: usize, run: &RunState, shown: &RunView| {
            let ids = || run.tables.iter().map(|table| table.id);
            version.runs().get(at).is_some_and(|found| found.level() == run.level)
                && ids().eq(version.run_tables(at).iter().map(|table| table.id))
                && ids().eq(shown.tables.iter().map(|table| table.meta().id))
        };
        state.len() == version.runs().len()
            && state.len() == self.runs.len()
            && state.iter().zip(&self.runs).enumerate().all(|(at, (run, shown))| same(at, run, shown))
            && self.shown.newest_first().map(Arc::as_ptr).eq(self.runs.iter().rev().map(Arc::as_ptr))
    }
}
