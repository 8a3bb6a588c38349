//! Reads a manifest without changing it.

use std::path::Path;

use super::codec::Record;
use super::live::Live;
use super::{KIND, Manifest, State, manifest_path};
use crate::error::{Error, Result};
use crate::fs::{FileName, Fs, Purpose, read_small};
use crate::journal::{JournalReader, JournalRecord, Torn, Unsynced};
use crate::types::FileId;

/// What a manifest says, read without changing it.
#[derive(Debug)]
pub struct ManifestContent {
    /// Number of the manifest's file.
    pub id: FileId,
    /// The state after its last edit.
    pub state: State,
    /// What a crash left behind that edit.
    pub torn: Option<Torn>,
    pub(super) unsynced: Unsynced,
    pub(super) snapshot_bytes: u64,
    pub(super) records: u64,
}

impl Manifest {
    /// What the manifest that `CURRENT` names says, without changing anything; `None` if there is no `CURRENT`.
    ///
    /// [`Error::Corrupt`] for a damaged record, and for an edit that breaks a law.
    pub fn read(fs: &dyn Fs, dir: &Path) -> Result<Option<ManifestContent>> {
        let Some(name) = read_small(fs, dir, FileName::Current, Purpose::Manifest)? else {
            return Ok(None);
        };
        let current = dir.join(FileName::Current.to_string());
        let Some(FileName::Manifest(id)) = str::from_utf8(&name).ok().and_then(FileName::parse) else {
            return Err(Error::corrupt(&current, 0, "it names no manifest"));
        };
        match Self::read_file(fs, dir, id) {
            Err(e) if e.is_not_found() => {
                let what = format!("it names {}, which is missing", FileName::Manifest(id));
                Err(Error::corrupt(&current, 0, what))
            }
            read => read.map(Some),
        }
    }

    /// What the manifest `id` says, whatever `CURRENT` names. As [`Self::read`].
    pub fn read_file(fs: &dyn Fs, dir: &Path, id: FileId) -> Result<ManifestContent> {
        let path = manifest_path(dir, id);
        let mut journal = JournalReader::open(fs, &path, id, &KIND)?;
        let Some(first) = journal.next().transpose()? else {
            return Err(Error::corrupt(&path, journal.end(), "the first record is missing"));
        };
        let Record::Snapshot(state) = decode(&path, &first)? else {
            return Err(Error::corrupt(&path, first.offset, "the first record is an edit"));
        };
        let mut state = Live::new(state).map_err(|law| Error::corrupt(&path, first.offset, law))?;
        let snapshot_bytes = journal.end();
        let mut records = 1;
        for record in journal.by_ref() {
            let record = record?;
            let Record::Edits(edits) = decode(&path, &record)? else {
                return Err(Error::corrupt(&path, record.offset, "a second first record"));
            };
            if record.tag != records {
                let what = format!("edit {} in the place of edit {records}", record.tag);
                return Err(Error::corrupt(&path, record.offset, what));
            }
            for edit in edits {
                let plan = state.plan(&edit).map_err(|law| Error::corrupt(&path, record.offset, law))?;
                state.carry_out(plan);
            }
            records += 1;
        }
        let (torn, unsynced) = (journal.torn(), journal.unsynced());
        Ok(ManifestContent { id, state: state.into_state(), torn, unsynced, snapshot_bytes, records })
    }
}

fn decode(path: &Path, record: &JournalRecord) -> Result<Record> {
    Record::decode(&record.payload).map_err(|e| e.in_file(path, record.offset))
}
