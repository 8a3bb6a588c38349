//! What is left of damaged manifests.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::codec::Record;
use super::{Edit, KIND, State, manifest_path};
use crate::error::Result;
use crate::fs::Fs;
use crate::journal::{Gap, JournalReader, RECORD_HEADER_BYTES};
use crate::types::{FileId, SeqNo, TableMeta};

/// What whole records of manifests say, whatever is missing between them.
#[derive(Debug, Default)]
pub struct Known {
    /// Tables that were part of the store by the last record about them.
    pub live: BTreeMap<FileId, TableMeta>,
    /// Tables that were part of it and are no more.
    pub dead: BTreeSet<FileId>,
    /// The deepest level of any run.
    pub level: u8,
    /// The strategy's settings as last stored.
    pub strategy: Vec<u8>,
    /// The largest sequence number named.
    pub last_seqno: SeqNo,
}

impl Known {
    /// Adds what the manifest `id` of `dir` says, and answers with what of it is damaged. Manifests are to come in the order of
    /// their numbers.
    ///
    /// [`Error::Corrupt`](crate::Error::Corrupt) for a file that is no manifest of this number,
    /// [`Error::NewerFormat`](crate::Error::NewerFormat).
    pub fn add(&mut self, fs: &dyn Fs, dir: &Path, id: FileId) -> Result<Vec<Gap>> {
        let journal = JournalReader::salvage(fs, &manifest_path(dir, id), id, &KIND)?;
        let mut gaps = journal.gaps;
        for record in journal.records {
            match Record::decode(&record.payload) {
                Ok(Record::Snapshot(state)) => self.snapshot(state),
                Ok(Record::Edits(edits)) => edits.into_iter().for_each(|edit| self.edit(edit)),
                Err(_) => {
                    let bytes = (RECORD_HEADER_BYTES + record.payload.len()) as u64;
                    gaps.push(Gap { offset: record.offset, bytes, is_unread: false });
                }
            }
        }
        gaps.sort_by_key(|gap| gap.offset);
        Ok(gaps)
    }

    fn snapshot(&mut self, state: State) {
        self.dead.extend(std::mem::take(&mut self.live).into_keys());
        for run in state.runs {
            self.level = self.level.max(run.level);
            run.tables.into_iter().for_each(|table| self.came(table));
        }
        self.last_seqno = self.last_seqno.max(state.last_seqno);
        self.strategy = state.strategy;
    }

    fn edit(&mut self, edit: Edit) {
        for id in edit.deleted {
            self.live.remove(&id);
            self.dead.insert(id);
        }
        edit.added.into_iter().flat_map(|added| added.tables).for_each(|table| self.came(table));
        self.last_seqno = self.last_seqno.max(edit.last_seqno.unwrap_or(0));
        if let Some(strategy) = edit.strategy {
            self.strategy = strategy;
        }
    }

    /// A table that is moved is deleted and added by one edit.
    fn came(&mut self, table: TableMeta) {
        self.dead.remove(&table.id);
        self.live.insert(table.id, table);
    }
}
