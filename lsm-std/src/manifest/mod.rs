//! The manifest: the one file that says what a store consists of.
//!
//! A journal (see [`crate::journal`]) whose first record is a whole [`State`] and whose others are [`Edit`]s. `CURRENT`
//! names the manifest in use. An edit is one record, or part of one, so a merge's deletions and additions happen together
//! or not at all.

mod codec;
mod live;
mod read;
mod salvage;
mod state;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use live::Live;
pub use read::ManifestContent;
pub use salvage::Known;
pub use state::{AddRun, Edit, Place, RunState, State};

use crate::error::{Error, Result};
use crate::fs::{FileName, Fs, Purpose, prepare_small, publish_small};
use crate::journal::{JournalKind, JournalWriter, Room, Torn};
use crate::types::FileId;
use codec::{Group, encode_edit, encode_snapshot};

const KIND: JournalKind =
    JournalKind { magic: *b"lsm-man\n", version: 1, purpose: Purpose::Manifest, cuts_damage: false };

/// A manifest is not rewritten before it has this many bytes.
const REWRITE_BYTES_MIN: u64 = 1 << 20;

/// A manifest is rewritten when it has grown to more than this many times its first record.
const REWRITE_GROWTH: u64 = 4;

/// The manifest in use, open for edits.
#[derive(Debug)]
pub struct Manifest {
    fs: Arc<dyn Fs>,
    dir: PathBuf,
    journal: JournalWriter,
    state: Live,
    staged: Group,
    snapshot_bytes: u64,
    records: u64,
    torn: Option<Torn>,
    broken: Option<Arc<Error>>,
}

impl Manifest {
    /// The manifest of a new store. Durable on return, as is its name, and before `CURRENT` names it the names of all files in `dir`.
    pub fn create(fs: Arc<dyn Fs>, dir: &Path, id: FileId, state: State) -> Result<Self> {
        let state = Live::new(state).map_err(Error::law)?;
        let (journal, snapshot_bytes) = write_snapshot(&*fs, dir, id, &state)?;
        point_to(&*fs, dir, id)?;
        publish_small(&*fs, dir, FileName::Current)?;
        let dir = dir.to_path_buf();
        Ok(Self {
            fs,
            dir,
            journal,
            state,
            staged: Group::default(),
            snapshot_bytes,
            records: 1,
            torn: None,
            broken: None,
        })
    }

    /// The manifest that `CURRENT` names; `None` if there is no `CURRENT`. A torn tail is cut off; what is left is
    /// durable on return.
    pub fn open(fs: Arc<dyn Fs>, dir: &Path) -> Result<Option<Self>> {
        let Some(content) = Self::read(&*fs, dir)? else {
            return Ok(None);
        };
        let ManifestContent { id, state, torn, unsynced, snapshot_bytes, records } = content;
        if let Some(Torn { offset, bytes_lost, .. }) = torn {
            tracing::warn!(manifest = id, offset, bytes_lost, "torn end of the manifest cut off");
        }
        let journal = JournalWriter::mend(&*fs, &manifest_path(dir, id), id, &KIND, &unsynced)?;
        let dir = dir.to_path_buf();
        let state = Live::new(state).map_err(Error::law)?;
        Ok(Some(Self {
            fs,
            dir,
            journal,
            state,
            staged: Group::default(),
            snapshot_bytes,
            records,
            torn,
            broken: None,
        }))
    }

    /// What the store consists of.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Number of the manifest's file.
    pub fn id(&self) -> FileId {
        self.journal.id()
    }

    /// What a crash had left behind the last edit when the manifest was opened. It has been cut off.
    pub fn torn(&self) -> Option<Torn> {
        self.torn
    }

    /// Why no more edits are taken, if so.
    pub fn broken(&self) -> Option<&Arc<Error>> {
        self.broken.as_ref()
    }

    /// Makes one edit, durable on return. Costs one write and one sync, and O(tables) if it deletes any.
    ///
    /// [`Error::Law`] if it would break a law: nothing has been written. If the write fails (the disk is full, say) and
    /// could be cut off again, the manifest is as before and still of use. After any other failure, a failed sync above
    /// all, it is not known what the disk holds: this and every later edit fail, the later ones with [`Error::ReadOnly`].
    pub fn append(&mut self, edit: &Edit) -> Result<()> {
        if !self.staged.is_empty() {
            self.stage(edit)?;
            return self.commit();
        }
        self.check_usable()?;
        let plan = self.state.plan(edit).map_err(Error::law)?;
        self.write(&encode_edit(edit))?;
        self.state.carry_out(plan);
        Ok(())
    }

    /// Makes one edit in memory, to be written with others by [`Self::commit`]: all of them become durable together or none.
    ///
    /// [`Error::Law`] if it would break a law: nothing has changed.
    pub fn stage(&mut self, edit: &Edit) -> Result<()> {
        self.check_usable()?;
        let plan = self.state.plan(edit).map_err(Error::law)?;
        self.state.carry_out(plan);
        self.staged.push(edit);
        Ok(())
    }

    /// True if edits wait for [`Self::commit`].
    pub fn has_staged(&self) -> bool {
        !self.staged.is_empty()
    }

    /// Makes all staged edits durable, as one record. One write and one sync; nothing if none is staged.
    ///
    /// After an error as with [`Self::append`]; the edits stay staged.
    pub fn commit(&mut self) -> Result<()> {
        if self.staged.is_empty() {
            return Ok(());
        }
        self.check_usable()?;
        let staged = std::mem::take(&mut self.staged);
        let written = self.write(staged.record());
        if written.is_err() {
            self.staged = staged;
        }
        written
    }

    fn check_usable(&self) -> Result<()> {
        match &self.broken {
            None => Ok(()),
            Some(cause) => Err(Error::ReadOnly { cause: cause.clone() }),
        }
    }

    fn write(&mut self, record: &[u8]) -> Result<()> {
        let end = self.journal.len();
        if let Err(e) = self.journal.append_group([(self.records, record)]) {
            let path = self.journal.path().to_path_buf();
            match JournalWriter::resume(&*self.fs, &path, self.id(), &KIND, end) {
                Ok(journal) => self.journal = journal,
                Err(_) => self.broken = Some(Arc::new(e.clone())),
            }
            return Err(e);
        }
        self.journal.sync().inspect_err(|e| self.broken = Some(Arc::new(e.clone())))?;
        self.records += 1;
        Ok(())
    }

    /// True if the manifest has grown so much that [`Self::rewrite`] pays.
    pub fn rewrite_due(&self) -> bool {
        self.journal.len() > REWRITE_BYTES_MIN.max(self.snapshot_bytes.saturating_mul(REWRITE_GROWTH))
    }

    /// Goes on in a new file that starts with the present state, staged edits included, and removes the old one. Durable on return.
    ///
    /// After an error the old one stays in use; only if it is not known which of the two `CURRENT` names, later edits fail with
    /// [`Error::ReadOnly`].
    pub fn rewrite(&mut self, id: FileId) -> Result<()> {
        self.commit()?;
        self.check_usable()?;
        if id <= self.id() {
            return Err(Error::law(format!("manifest {id} after manifest {}", self.id())));
        }
        let mut state = self.state.clone();
        state.next_id = state.next_id.max(id.saturating_add(1));
        let next_id = state.next_id;
        let written = write_snapshot(&*self.fs, &self.dir, id, &state);
        let written = written.and_then(|written| point_to(&*self.fs, &self.dir, id).map(|()| written));
        let (journal, snapshot_bytes) = match written {
            Ok(written) => written,
            Err(e) => {
                // Best effort: what stays is removed at the next open, as a file that nothing names.
                let _ = self.fs.remove(&manifest_path(&self.dir, id));
                return Err(e);
            }
        };
        let published = publish_small(&*self.fs, &self.dir, FileName::Current);
        published.inspect_err(|e| self.broken = Some(Arc::new(e.clone())))?;
        let old = std::mem::replace(&mut self.journal, journal);
        self.state.raise_next_id(next_id);
        (self.snapshot_bytes, self.records) = (snapshot_bytes, 1);
        // Best effort, as above: the new one is in use whether or not the old one goes.
        let _ = self.fs.remove(old.path());
        Ok(())
    }
}

fn manifest_path(dir: &Path, id: FileId) -> PathBuf {
    dir.join(FileName::Manifest(id).to_string())
}

/// A new manifest, synced, and the names of all files in `dir` too. Returns its length with it.
fn write_snapshot(fs: &dyn Fs, dir: &Path, id: FileId, state: &State) -> Result<(JournalWriter, u64)> {
    let mut journal = JournalWriter::create(fs, &manifest_path(dir, id), id, &KIND, Room::None)?;
    journal.append_group([(0, encode_snapshot(state).as_slice())])?;
    journal.sync()?;
    fs.sync_dir(dir)?;
    let len = journal.len();
    Ok((journal, len))
}

/// Prepares a `CURRENT` that names the manifest `id`.
fn point_to(fs: &dyn Fs, dir: &Path, id: FileId) -> Result<()> {
    let name = FileName::Manifest(id).to_string();
    prepare_small(fs, dir, FileName::Current, name.as_bytes(), Purpose::Manifest)
}

#[cfg(test)]
mod law_tests;
#[cfg(test)]
mod tests;
