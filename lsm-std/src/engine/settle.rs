//! Making edits of the tree durable, many at once.
//!
//! A flush or a merge changes the tree in memory at once, but on disk only when the tree settles: then the new tables that are
//! still part of it are synced, then their directory, then all edits go into the manifest as one record; only then do log
//! segments and merged tables go. A crash before that loses no write: the log still holds what was flushed, and the tables on
//! disk are those of the last settled tree. Tables that come and go in between are never synced.
//!
//! With threads at work the tables are synced first, many at once and without the tree's lock; under the lock it is only those that
//! came meanwhile.

use std::collections::BTreeMap;
use std::sync::Arc;

use rustix::process::{Resource, getrlimit};

use crate::engine::output::NewTable;
use crate::engine::unsynced::{Unsynced, sync_all};
use crate::engine::{Engine, Tree};
use crate::error::Result;
use crate::fs::FileName;
use crate::manifest::Edit;
use crate::options::Options;
use crate::sync::{lock, try_lock};
use crate::types::FileId;
use crate::view::TableHandle;

/// A tree settles when so many files wait to be synced, whatever the system allows: each is open.
const FILES_MAX: u64 = 2048;

/// If it is not known how many files the process may have open, or the store must be reproducible.
const FILES_USUAL: u64 = 256;

/// A tree settles when so many files wait to be synced: a quarter of those that the process may have open.
pub(super) fn unsettled_files_max(options: &Options) -> u64 {
    let limit = if options.seed.is_some() { None } else { getrlimit(Resource::Nofile).current };
    limit.map_or(FILES_USUAL, |limit| (limit / 4).clamp(1, FILES_MAX))
}

/// What has happened to a tree since it last settled.
#[derive(Debug, Default)]
pub(super) struct Unsettled {
    /// New tables that are part of the tree.
    files: BTreeMap<FileId, Arc<Unsynced>>,
    /// Tables that the manifest on disk still names.
    garbage: Vec<Arc<TableHandle>>,
    /// Bytes of the new tables and of the garbage.
    bytes: u64,
    /// Bytes of the memtables that were flushed: about as many of the log are kept, however small the tables are.
    flushed: u64,
    /// Log segments below are needed no more once the tree has settled.
    pub(super) log_floor: FileId,
}

impl Unsettled {
    /// Notes new tables.
    pub(super) fn added(&mut self, tables: Vec<NewTable>) {
        for table in tables {
            self.bytes += table.meta.bytes;
            self.files.insert(table.meta.id, Arc::new(Unsynced::new(table.file)));
        }
    }

    /// Notes new tables that hold what a memtable of so many bytes held, and the log holds still.
    pub(super) fn flushed(&mut self, tables: Vec<NewTable>, memtable_bytes: u64) {
        self.flushed = self.flushed.saturating_add(memtable_bytes);
        self.added(tables);
    }

    /// Notes a table that is no longer part of the tree. Its file goes as soon as the manifest on disk does not name it.
    pub(super) fn removed(&mut self, table: &Arc<TableHandle>) {
        if self.files.remove(&table.meta().id).is_some() {
            self.bytes -= table.meta().bytes;
            table.retire();
        } else {
            self.bytes += table.meta().bytes;
            self.garbage.push(Arc::clone(table));
        }
    }

    /// How much is unsettled, in percent of what may be.
    fn percent(&self, bytes_max: u64, files_max: u64) -> u64 {
        let share = |part: u64, whole: u64| part.saturating_mul(100).checked_div(whole).unwrap_or(u64::MAX);
        share(self.bytes.max(self.flushed), bytes_max).max(share(self.files.len() as u64, files_max))
    }
}

impl Engine {
    /// Settles the tree if it has grown unsettled enough. Writers of other tables go on while those of this moment are synced.
    pub(super) fn settle_if_due(&self) -> Result<()> {
        // What is kept until then must not be what fills the disk.
        let bytes_max = self.options.unsettled_bytes_max.min(self.files.free_bytes());
        let percent = || self.tree().unsettled.percent(bytes_max, self.unsettled_files_max);
        if self.options.seed.is_some() {
            return if percent() >= 100 { self.settle_tree(&mut self.tree()) } else { Ok(()) };
        }
        let _turn = match percent() {
            ..50 => return Ok(()),
            50..100 => match try_lock(&self.settling) {
                Some(turn) => turn,
                None => return Ok(()),
            },
            100.. => lock(&self.settling),
        };
        // Another one may have settled it meanwhile.
        if percent() < 50 {
            return Ok(());
        }
        self.sync_tables()?;
        self.settle_tree(&mut self.tree())
    }

    /// Settles the tree: on return everything in it is durable, and no file is left that it needs no more.
    ///
    /// # Errors
    /// A full disk leaves all as it was, to be tried again. After any other failure the store is read-only.
    pub(crate) fn settle(&self) -> Result<()> {
        self.sync_tables()?;
        let settled = self.settle_tree(&mut self.tree());
        self.files.drop_spare();
        settled
    }

    /// Syncs the tables that are to be synced, many at once, without the tree's lock.
    fn sync_tables(&self) -> Result<()> {
        if self.options.seed.is_some() {
            return Ok(());
        }
        self.health.check()?;
        let files: Vec<_> = self.tree().unsettled.files.values().cloned().collect();
        sync_all(&files, &self.health)
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
        for file in tree.unsettled.files.values() {
            file.sync(&self.health)?;
        }
        self.files.fs.sync_dir(&self.files.dir).map_err(fail)?;
        tree.commit(self)?;
        let unsettled = &mut tree.unsettled;
        (unsettled.bytes, unsettled.flushed) = (0, 0);
        unsettled.files.clear();
        for table in unsettled.garbage.drain(..) {
            table.retire();
        }
        self.remove_logs(tree.unsettled.log_floor);
        if self.frozen() == 0 {
            // What else could be in trouble has just been done.
            self.health.flushes.recovered();
        }
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
