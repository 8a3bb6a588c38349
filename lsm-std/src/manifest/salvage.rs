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

#[cfg(test)]
mod tests {
    use super::super::codec::{encode_edit, encode_snapshot};
    use super::super::tests::{add, flush, table};
    use super::super::{Place, RunState};
    use super::*;
    use crate::fs::MemFs;
    use crate::journal::{JournalWriter, Room};

    #[test]
    fn what_manifests_say_is_put_together_and_what_is_no_record_is_a_gap() {
        let (fs, dir) = (MemFs::new(), Path::new(""));
        let run = |level, tables| RunState { level, tables };
        let runs = vec![run(4, vec![table(1, 0, 9), table(2, 10, 19)]), run(1, vec![table(3, 0, 9)])];
        let first = State { next_id: 9, last_seqno: 500, strategy: vec![1], runs, ..State::default() };
        let second = State {
            next_id: 9,
            last_seqno: 400,
            strategy: vec![2],
            runs: vec![run(2, vec![table(5, 0, 9)])],
            ..State::default()
        };
        let moved =
            Edit { deleted: vec![3, 2], ..add(Place::Newest { level: 0 }, vec![table(3, 0, 9), table(4, 10, 19)]) };
        let told = Edit { last_seqno: Some(300), strategy: Some(vec![3]), ..Edit::default() };
        let write = |id, records: &[Vec<u8>]| {
            let mut journal = JournalWriter::create(&fs, &manifest_path(dir, id), id, &KIND, Room::None).unwrap();
            records.iter().map(|record| journal.append_group([(0, record.as_slice())]).unwrap()).collect::<Vec<_>>()
        };
        let lens = write(1, &[encode_snapshot(&first), vec![99; 7], encode_edit(&moved)]);
        let mut known = Known::default();
        let gaps = known.add(&fs, dir, 1).unwrap();
        let expected = Gap { offset: 24 + lens[0], bytes: RECORD_HEADER_BYTES as u64 + 7, is_unread: false };
        assert_eq!(gaps, [expected]);
        let ids = |known: &Known| {
            (known.live.keys().copied().collect::<Vec<_>>(), known.dead.iter().copied().collect::<Vec<_>>())
        };
        assert_eq!(ids(&known), (vec![1, 3, 4], vec![2]));
        assert_eq!((known.level, known.strategy.as_slice(), known.last_seqno), (4, &[1][..], 500));
        write(2, &[encode_snapshot(&second), encode_edit(&told), encode_edit(&flush(6))]);
        assert_eq!(known.add(&fs, dir, 2).unwrap(), []);
        assert_eq!(ids(&known), (vec![5, 6], vec![1, 2, 3, 4]), "a first record names all there are");
        assert_eq!((known.level, known.strategy.as_slice(), known.last_seqno), (4, &[3][..], 500));
    }

    #[test]
    fn gaps_are_told_in_the_order_of_the_file() {
        let (fs, dir) = (MemFs::new(), Path::new(""));
        let mut journal = JournalWriter::create(&fs, &manifest_path(dir, 1), 1, &KIND, Room::None).unwrap();
        journal.append_group([(0, [99].as_slice()), (1, &[99]), (2, &[99; 40])]).unwrap();
        let path = manifest_path(dir, 1);
        let mut bytes = fs.bytes(&path).unwrap();
        let len = bytes.len();
        bytes[len - 1] ^= 1;
        fs.set_bytes(&path, bytes);
        let gaps = Known::default().add(&fs, dir, 1).unwrap();
        let each = RECORD_HEADER_BYTES as u64 + 1;
        assert_eq!(gaps.iter().map(|gap| gap.offset).collect::<Vec<_>>(), [24, 24 + each, 24 + 2 * each]);
    }
}
