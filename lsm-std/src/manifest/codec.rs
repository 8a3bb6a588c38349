//! The stored form of states and edits.
//!
//! A record is one byte that tells which it is, then the fields. An edit holds only the fields that it changes, each behind
//! its number.

use super::state::{AddRun, Edit, Place, RunState, State};
use crate::codec::{Malformed, Reader, put_bytes, put_varint};
use crate::types::TableMeta;

const SNAPSHOT: u8 = 0;
const EDIT: u8 = 1;
const GROUP: u8 = 2;

const DELETED: u8 = 1;
const ADDED: u8 = 2;
const LOG_FLOOR: u8 = 3;
const NEXT_ID: u8 = 4;
const LAST_SEQNO: u8 = 5;
const STRATEGY: u8 = 6;
const HAS_LOG: u8 = 7;

const NEWEST: u8 = 0;
const INTO: u8 = 1;
const BEFORE: u8 = 2;

/// What a record of the manifest holds.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Record {
    Snapshot(State),
    Edits(Vec<Edit>),
}

impl Record {
    pub(super) fn decode(payload: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(payload);
        let record = match reader.u8()? {
            SNAPSHOT => Self::Snapshot(snapshot(&mut reader)?),
            EDIT => Self::Edits(vec![edit(&mut reader)?]),
            GROUP => Self::Edits(group(&mut reader)?),
            _ => return Err(reader.malformed("an unknown kind of record")),
        };
        if reader.is_empty() { Ok(record) } else { Err(reader.malformed("bytes too many")) }
    }
}

pub(super) fn encode_snapshot(state: &State) -> Vec<u8> {
    let mut out = vec![SNAPSHOT];
    put_varint(&mut out, state.next_id);
    put_varint(&mut out, state.log_floor);
    out.push(u8::from(state.has_log));
    put_varint(&mut out, state.last_seqno);
    put_bytes(&mut out, &state.strategy);
    put_varint(&mut out, state.runs.len() as u64);
    for run in &state.runs {
        out.push(run.level);
        put_tables(&mut out, &run.tables);
    }
    out
}

fn snapshot(reader: &mut Reader<'_>) -> Result<State, Malformed> {
    let mut state = State {
        next_id: reader.varint()?,
        log_floor: reader.varint()?,
        has_log: flag(reader)?,
        last_seqno: reader.varint()?,
        strategy: reader.bytes()?.to_vec(),
        runs: Vec::new(),
    };
    for _ in 0..reader.varint()? {
        let level = reader.u8()?;
        state.runs.push(RunState { level, tables: tables(reader)? });
    }
    Ok(state)
}

pub(super) fn encode_edit(edit: &Edit) -> Vec<u8> {
    let mut out = vec![EDIT];
    if !edit.deleted.is_empty() {
        out.push(DELETED);
        put_varint(&mut out, edit.deleted.len() as u64);
        edit.deleted.iter().for_each(|&id| put_varint(&mut out, id));
    }
    if let Some(added) = &edit.added {
        out.push(ADDED);
        match added.place {
            Place::Newest { level } => out.extend([NEWEST, level]),
            Place::Into { run } => {
                out.push(INTO);
                put_varint(&mut out, run as u64);
            }
            Place::Before { run, level } => {
                out.extend([BEFORE, level]);
                put_varint(&mut out, run as u64);
            }
        }
        put_tables(&mut out, &added.tables);
    }
    for (field, value) in [(LOG_FLOOR, edit.log_floor), (NEXT_ID, edit.next_id), (LAST_SEQNO, edit.last_seqno)] {
        if let Some(value) = value {
            out.push(field);
            put_varint(&mut out, value);
        }
    }
    if let Some(has_log) = edit.has_log {
        out.extend([HAS_LOG, u8::from(has_log)]);
    }
    if let Some(strategy) = &edit.strategy {
        out.push(STRATEGY);
        put_bytes(&mut out, strategy);
    }
    out
}

/// Edits that are written as one record: each as its length and the record that it would be alone.
#[derive(Debug, Default)]
pub(super) struct Group {
    record: Vec<u8>,
}

impl Group {
    pub(super) fn push(&mut self, edit: &Edit) {
        if self.record.is_empty() {
            self.record.push(GROUP);
        }
        put_bytes(&mut self.record, &encode_edit(edit));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.record.is_empty()
    }

    pub(super) fn record(&self) -> &[u8] {
        &self.record
    }
}

fn group(reader: &mut Reader<'_>) -> Result<Vec<Edit>, Malformed> {
    let mut edits = Vec::new();
    while !reader.is_empty() {
        let mut inner = Reader::new(reader.bytes()?);
        if inner.u8()? != EDIT {
            return Err(reader.malformed("a group of something else than edits"));
        }
        edits.push(edit(&mut inner)?);
    }
    Ok(edits)
}

fn edit(reader: &mut Reader<'_>) -> Result<Edit, Malformed> {
    let mut edit = Edit::default();
    while !reader.is_empty() {
        match reader.u8()? {
            DELETED => {
                for _ in 0..reader.varint()? {
                    edit.deleted.push(reader.varint()?);
                }
            }
            ADDED => {
                let place = place(reader)?;
                edit.added = Some(AddRun { place, tables: tables(reader)? });
            }
            LOG_FLOOR => edit.log_floor = Some(reader.varint()?),
            NEXT_ID => edit.next_id = Some(reader.varint()?),
            LAST_SEQNO => edit.last_seqno = Some(reader.varint()?),
            HAS_LOG => edit.has_log = Some(flag(reader)?),
            STRATEGY => edit.strategy = Some(reader.bytes()?.to_vec()),
            _ => return Err(reader.malformed("an unknown field")),
        }
    }
    Ok(edit)
}

fn flag(reader: &mut Reader<'_>) -> Result<bool, Malformed> {
    match reader.u8()? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(reader.malformed("neither yes nor no")),
    }
}

fn place(reader: &mut Reader<'_>) -> Result<Place, Malformed> {
    match reader.u8()? {
        NEWEST => Ok(Place::Newest { level: reader.u8()? }),
        INTO => Ok(Place::Into { run: reader.size()? }),
        BEFORE => {
            let level = reader.u8()?;
            Ok(Place::Before { run: reader.size()?, level })
        }
        _ => Err(reader.malformed("an unknown place")),
    }
}

fn put_tables(out: &mut Vec<u8>, tables: &[TableMeta]) {
    put_varint(out, tables.len() as u64);
    tables.iter().for_each(|table| table.encode(out));
}

/// Grows with what is read, not with the count that is promised.
fn tables(reader: &mut Reader<'_>) -> Result<Vec<TableMeta>, Malformed> {
    let mut tables = Vec::new();
    for _ in 0..reader.varint()? {
        tables.push(TableMeta::decode(reader)?);
    }
    Ok(tables)
}

#[cfg(test)]
mod tests {
    use super::super::tests::table;
    use super::*;

    fn records() -> [(Vec<u8>, Record); 3] {
        let state = State {
            next_id: 300,
            log_floor: 7,
            has_log: true,
            last_seqno: 99,
            strategy: vec![1, 2, 3],
            runs: vec![RunState { level: 4, tables: vec![table(1, 0, 9), table(2, 10, 19)] }],
        };
        let full = Edit {
            deleted: vec![5, 600],
            added: Some(AddRun { place: Place::Before { run: 3, level: 2 }, tables: vec![table(3, 1, 2)] }),
            log_floor: Some(8),
            next_id: Some(301),
            last_seqno: Some(100),
            has_log: Some(false),
            strategy: Some(vec![9]),
        };
        let into = Edit {
            added: Some(AddRun { place: Place::Into { run: 300 }, tables: vec![table(4, 1, 2)] }),
            ..Edit::default()
        };
        let newest = Edit {
            added: Some(AddRun { place: Place::Newest { level: 1 }, tables: vec![table(5, 1, 2)] }),
            ..Edit::default()
        };
        let mut group = Group::default();
        [&into, &newest].into_iter().for_each(|edit| group.push(edit));
        [
            (encode_snapshot(&state), Record::Snapshot(state)),
            (encode_edit(&full), Record::Edits(vec![full])),
            (group.record().to_vec(), Record::Edits(vec![into, newest])),
        ]
    }

    #[test]
    fn a_record_comes_back_whole_and_no_other_length_gives_it() {
        for (bytes, record) in records() {
            assert_eq!(Record::decode(&bytes).as_ref(), Ok(&record));
            for len in 0..bytes.len() {
                assert_ne!(Record::decode(&bytes[..len]).as_ref(), Ok(&record), "{len} of {} bytes", bytes.len());
            }
            for more in 0..=u8::MAX {
                let longer = [bytes.as_slice(), &[more]].concat();
                assert!(Record::decode(&longer).is_err(), "{more} behind {record:?}");
            }
        }
    }

    #[test]
    fn what_no_writer_wrote_is_named() {
        let snapshot = encode_snapshot(&State::default());
        let group = [&[GROUP, snapshot.len() as u8], snapshot.as_slice()].concat();
        let longer = [snapshot.as_slice(), &[0]].concat();
        for (bytes, what) in [
            (&[9][..], "an unknown kind of record"),
            (&[EDIT, 99], "an unknown field"),
            (&[EDIT, HAS_LOG, 2], "neither yes nor no"),
            (&[EDIT, ADDED, 7], "an unknown place"),
            (&group, "a group of something else than edits"),
            (&longer, "bytes too many"),
        ] {
            assert_eq!(Record::decode(bytes).map_err(|malformed| malformed.what), Err(what));
        }
    }
}
