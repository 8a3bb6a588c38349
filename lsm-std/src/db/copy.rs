//! Checkpoints, and checks of every byte.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::batch::Ops;
use crate::db::Db;
use crate::error::{Error, Result};
use crate::fs::{FileName, Purpose, make_dir, read_small, replace_small};
use crate::manifest::{Manifest, State};
use crate::types::FileId;
use crate::wal::WalReader;

/// What [`Db::verify`] has read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// Tables read from end to end.
    pub tables: usize,
    /// Their bytes.
    pub table_bytes: u64,
    /// Log segments read.
    pub log_segments: usize,
    /// Batches in them.
    pub log_batches: u64,
}

impl Db {
    /// Makes a store of its own in `dir`, which holds what this one holds now. Tables are linked, not copied, where the file
    /// system can: it takes little time and, at first, no space.
    ///
    /// Flushes first. Durable on return.
    ///
    /// # Errors
    /// [`Error::BadTarget`] if `dir` holds anything already; whatever the file layer says.
    pub fn checkpoint(&self, dir: impl AsRef<Path>) -> Result<()> {
        let dir = dir.as_ref();
        self.flush()?;
        let files = &self.engine.files;
        let fs = &files.fs;
        make_dir(&**fs, dir).map_err(|error| match &error {
            // It stands for the names of this store's files too.
            Error::Io { path, .. } if *path == files.dir => self.engine.health.fail_if_in_doubt(error),
            _ => error,
        })?;
        if let Some(name) = fs.list(dir)?.first() {
            let why = format!("it holds {name}: a checkpoint needs an empty directory").into();
            return Err(Error::BadTarget { path: dir.to_path_buf(), why });
        }
        self.engine.save_learned()?;
        // The runs keep the files while they are linked.
        let (state, _runs) = {
            let mut tree = self.engine.tree();
            self.engine.settle_tree(&mut tree)?;
            (tree.manifest_state().clone(), tree.shown())
        };
        let mut made = Vec::new();
        let copied = self.copy_into(dir, state, &mut made);
        if copied.is_err() {
            for path in made.iter().rev() {
                // Best effort: what stays is named when the next checkpoint is refused.
                let _ = fs.remove(path);
            }
        }
        copied
    }

    /// Fills `dir` with a store of this `state`, and notes the paths that it may have made.
    fn copy_into(&self, dir: &Path, state: State, made: &mut Vec<PathBuf>) -> Result<()> {
        let files = &self.engine.files;
        let fs = &files.fs;
        for table in state.tables() {
            let name = FileName::Table(table.id).to_string();
            fs.link(&files.dir.join(&name), &dir.join(&name))?;
            made.push(dir.join(&name));
        }
        let mut path =
            |name: FileName| made.extend([format!("{name}.tmp"), name.to_string()].map(|name| dir.join(name)));
        if let Some(learned) = read_small(&**fs, &files.dir, FileName::Strategy, Purpose::Other).ok().flatten() {
            path(FileName::Strategy);
            replace_small(&**fs, dir, FileName::Strategy, &learned, Purpose::Other)?;
        }
        let id = files.next_id().max(state.next_id);
        path(FileName::Manifest(id));
        path(FileName::Current);
        let state = State { next_id: id + 1, log_floor: id, has_log: false, ..state };
        Manifest::create(Arc::clone(fs), dir, id, state).map(drop)
    }

    /// Reads every byte of the store and checks it: tables, log, manifest and what the strategy has learned.
    ///
    /// # Errors
    /// The first damage found, with file and offset.
    pub fn verify(&self) -> Result<Verified> {
        let mut found = Verified::default();
        let files = &self.engine.files;
        let view = self.engine.view.load_full();
        for run in view.runs.newest_first() {
            for table in &run.tables {
                table.reader()?.verify()?;
                found.tables += 1;
                found.table_bytes += table.meta().bytes;
            }
        }
        read_small(&*files.fs, &files.dir, FileName::Strategy, Purpose::Other)?;
        self.verify_manifest()?;
        // No writer, no flush that removes a segment meanwhile.
        let _sink = self.committer.sink();
        for id in self.engine.log_segments() {
            if let Some(batches) = self.verify_segment(id)? {
                found.log_segments += 1;
                found.log_batches += batches;
            }
        }
        Ok(found)
    }

    fn verify_manifest(&self) -> Result<()> {
        let mut tree = self.engine.tree();
        self.engine.settle_tree(&mut tree)?;
        let files = &self.engine.files;
        let read = Manifest::read(&*files.fs, &files.dir)?;
        if read.is_some_and(|read| read.state == *tree.manifest_state()) {
            return Ok(());
        }
        let path = files.dir.join(FileName::Current.to_string());
        Err(Error::corrupt(&path, 0, "the manifest on disk is not the one in use"))
    }

    /// Number of batches in a segment; `None` if a flush has just made it obsolete.
    fn verify_segment(&self, id: FileId) -> Result<Option<u64>> {
        let files = &self.engine.files;
        let path = files.dir.join(FileName::Log(id).to_string());
        let mut reader = match WalReader::open(&*files.fs, &files.dir, id) {
            Err(error) if error.is_not_found() => return Ok(None),
            reader => reader?,
        };
        let mut batches = 0;
        for record in reader.by_ref() {
            let record = record?;
            let bad = |error: crate::codec::Malformed| error.in_file(&path, record.offset);
            for op in Ops::new(&record.payload).map_err(bad)? {
                op.map_err(bad)?;
            }
            batches += 1;
        }
        if let Some(torn) = reader.torn() {
            return Err(Error::corrupt(&path, torn.offset, "a damaged record of the log in use"));
        }
        Ok(Some(batches))
    }
}
