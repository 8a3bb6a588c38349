//! Making edits of the tree durable, many at once.
//!
//! A flush or a merge changes the tree in memory at once, but on disk only when the tree settles: then the new tables that are
//! still part of it are synced, then their directory, then all edits go into the manifest as one record; only then do log
//! segments and merged tables go. A crash before that loses no write: the log still holds what was flushed, and the tables on
//! disk are those of the last settled tree. Tables that come and go in between are never synced.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::engine::output::NewTable;
use crate::engine::{Engine, Tree};
use crate::error::Result;
use crate::fs::{FileName, WriteFile};
use crate::manifest::Edit;
use crate::sync::{MutexGuard, lock};
use crate::types::FileId;
use crate::view::TableHandle;

/// A tree settles when so many files wait to be synced: each is open.
const UNSETTLED_FILES_MAX: usize = 128;

/// What has happened to a tree since it last settled.
#[derive(Debug, Default)]
pub(super) struct Unsettled {
    /// New tables that are part of the tree.
    files: BTreeMap<FileId, Box<dyn WriteFile>>,
    /// Tables that the manifest on disk still names.
    garbage: Vec<Arc<TableHandle>>,
    bytes: u64,
    /// Log segments below are needed no more once the tree has settled.
    pub(super) log_floor: FileId,
}

impl Unsettled {
    /// Notes new tables.
    pub(super) fn added(&mut self, tables: Vec<NewTable>) {
        for table in tables {
            self.bytes += table.meta.bytes;
            self.files.insert(table.meta.id, table.file);
        }
    }

    /// Notes a table that is no longer part of the tree. Its file goes as soon as the manifest on disk does not name it.
    pub(super) fn removed(&mut self, table: &Arc<TableHandle>) {
        if self.files.remove(&table.meta().id).is_some() {
            table.retire();
        } else {
            self.bytes += table.meta().bytes;
            self.garbage.push(Arc::clone(table));
        }
    }
}

impl Engine {
    /// Settles the tree if it has grown unsettled enough.
    pub(super) fn settle_if_due(&self, tree: &mut MutexGuard<'_, Tree>) -> Result<()> {
        let unsettled = &tree.unsettled;
        let due = unsettled.bytes >= self.options.unsettled_bytes_max || unsettled.files.len() >= UNSETTLED_FILES_MAX;
        if due { self.settle_tree(tree) } else { Ok(()) }
    }

    /// Settles the tree: on return everything in it is durable.
    ///
    /// # Errors
    /// A full disk leaves all as it was, to be tried again. After any other failure the store is read-only.
    pub(crate) fn settle(&self) -> Result<()> {
        self.settle_tree(&mut self.tree())
    }

    /// As [`settle`](Self::settle), under a lock taken before.
    ///
    /// # Errors
    /// As [`settle`](Self::settle).
    pub(crate) fn settle_tree(&self, tree: &mut Tree) -> Result<()> {
        if !tree.manifest.has_staged() {
            return Ok(());
        }
        self.health.check()?;
        let fail = |error| self.health.fail(error);
        for file in tree.unsettled.files.values_mut() {
            file.sync().map_err(fail)?;
        }
        // Synced once, and closed: a second try after a full disk need not sync them again.
        tree.unsettled.files.clear();
        self.files.fs.sync_dir(&self.files.dir).map_err(fail)?;
        tree.commit(self)?;
        tree.unsettled.bytes = 0;
        for table in tree.unsettled.garbage.drain(..) {
            table.retire();
        }
        self.remove_logs(tree.unsettled.log_floor);
        Ok(())
    }

    /// Notes durably that the log begins with segment `id`; makes the names of all files durable too.
    ///
    /// # Errors
    /// As [`settle`](Self::settle).
    pub(super) fn name_log(&self, id: FileId) -> Result<()> {
        let mut tree = self.tree();
        tree.stage(self, Edit { log_floor: Some(id), has_log: Some(true), ..Edit::default() })?;
        tree.unsettled.log_floor = id;
        self.settle_tree(&mut tree)
    }

    /// Notes durably that there is no log any more, if there was one, and removes it. Everything must be in tables.
    ///
    /// # Errors
    /// As [`settle`](Self::settle).
    pub(super) fn end_log(&self) -> Result<()> {
        let mut tree = self.tree();
        if tree.manifest_state().has_log {
            let floor = self.files.next_id();
            tree.stage(self, Edit { log_floor: Some(floor), has_log: Some(false), ..Edit::default() })?;
            tree.unsettled.log_floor = floor;
        }
        self.settle_tree(&mut tree)
    }

    /// Removes the log segments below `floor`.
    fn remove_logs(&self, floor: FileId) {
        let mut logs = lock(&self.logs);
        let kept = logs.split_off(&floor);
        for id in std::mem::replace(&mut *logs, kept) {
            self.files.remove(FileName::Log(id));
        }
    }
}
