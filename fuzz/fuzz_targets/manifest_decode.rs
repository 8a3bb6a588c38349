//! A damaged manifest opens with a state that it once had, or not at all; malformed records under right checksums are errors.
#![no_main]

use std::path::Path;
use std::sync::Arc;

use arbitrary::Arbitrary;
use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use lsm_fuzz::Damage;
use lsm_std::fs::{Fs, MemFs, Purpose};
use lsm_std::fuzzing::{AddRun, Edit, JournalKind, JournalWriter, Manifest, Place, Room, State};
use lsm_std::{Error, Result, TableMeta};

const ID: u64 = 7;
const NAME: &str = "MANIFEST-000007";
const EDITS_MAX: usize = 24;
/// The largest sequence number that a manifest takes.
const SEQNO_MAX: u64 = (1 << 63) - 1;

#[derive(Arbitrary, Debug)]
enum Input {
    /// Lawful and unlawful edits, then damage to the file.
    Damaged { edits: Vec<EditSpec>, damage: Damage },
    /// Records of arbitrary bytes under right checksums, behind a real first one or not.
    Sealed { first: bool, records: Vec<Vec<u8>> },
}

#[derive(Arbitrary, Debug)]
struct EditSpec {
    deleted: Vec<u8>,
    tables: Vec<(u8, u8)>,
    place: PlaceSpec,
    log_floor: Option<u8>,
    last_seqno: Option<u64>,
    has_log: Option<bool>,
    strategy: Option<Vec<u8>>,
}

#[derive(Arbitrary, Debug)]
enum PlaceSpec {
    Newest(u8),
    Into(u8),
    Before(u8, u8),
}

fuzz_target!(|input: Input| match input {
    Input::Damaged { edits, damage } => damaged(&edits, &damage).expect("memory does not fail"),
    Input::Sealed { first, records } => sealed(first, &records).expect("memory does not fail"),
});

fn damaged(edits: &[EditSpec], damage: &Damage) -> Result<()> {
    let fs = Arc::new(MemFs::new());
    let mut manifest = Manifest::create(fs.clone(), Path::new(""), ID, State::default())?;
    let mut states = vec![manifest.state().clone()];
    for (at, spec) in edits.iter().take(EDITS_MAX).enumerate() {
        match manifest.append(&spec.edit(100 * (at as u64 + 1))) {
            Ok(()) => states.push(manifest.state().clone()),
            Err(error) => assert!(matches!(error, Error::Law { .. }), "a lawless edit is refused as such: {error}"),
        }
        assert_eq!(Some(manifest.state()), states.last(), "a refused edit changed the state");
    }
    drop(manifest);
    let mut bytes = fs.bytes(NAME).expect("the manifest is there");
    let whole = bytes.len();
    damage.apply(&mut bytes);
    fs.set_bytes(NAME, bytes);
    match Manifest::open(fs.clone(), Path::new("")) {
        Err(error) => assert!(matches!(error, Error::Corrupt { .. } | Error::NewerFormat { .. }), "{error}"),
        Ok(manifest) => {
            let mut manifest = manifest.expect("CURRENT names it");
            let at = states.iter().rposition(|state| state == manifest.state()).expect("a state that it never had");
            if damage.cut_only().is_some_and(|cut| cut >= whole) {
                assert_eq!(at + 1, states.len(), "an intact manifest lost edits");
            }
            // What is appended behind a tear that was cut off must not be lost.
            let edit = Edit { last_seqno: Some(SEQNO_MAX), ..Edit::default() };
            manifest.append(&edit)?;
            let state = manifest.state().clone();
            drop(manifest);
            let again = Manifest::open(fs, Path::new(""))?.expect("CURRENT names it");
            assert_eq!((again.state(), again.torn().is_some()), (&state, false));
        }
    }
    Ok(())
}

fn sealed(first: bool, records: &[Vec<u8>]) -> Result<()> {
    let fs = Arc::new(MemFs::new());
    drop(Manifest::create(fs.clone(), Path::new(""), ID, State::default())?);
    let kind = JournalKind { magic: *b"lsm-man\n", version: 1, purpose: Purpose::Manifest, cuts_damage: false };
    let path = Path::new(NAME);
    let (mut journal, mut tag) = if first {
        (JournalWriter::resume(&*fs, path, ID, &kind, fs.file_len(path)?)?, 1)
    } else {
        fs.remove(path)?;
        (JournalWriter::create(&*fs, path, ID, &kind, Room::None)?, 0)
    };
    for record in records {
        journal.append_group([(tag, record.as_slice())])?;
        tag += 1;
    }
    drop(journal);
    if let Ok(manifest) = Manifest::open(fs, Path::new("")) {
        let manifest = manifest.expect("CURRENT names it");
        assert_eq!(manifest.state().check(), Ok(()), "a state was read that breaks a law");
    }
    Ok(())
}

impl EditSpec {
    /// Ids of new tables count up from `base`.
    fn edit(&self, base: u64) -> Edit {
        let tables: Vec<TableMeta> = self
            .tables
            .iter()
            .zip(base..)
            .map(|((min, width), id)| table(id, *min, min.saturating_add(*width)))
            .collect();
        let place = match self.place {
            PlaceSpec::Newest(level) => Place::Newest { level },
            PlaceSpec::Into(run) => Place::Into { run: usize::from(run % 8) },
            PlaceSpec::Before(run, level) => Place::Before { run: usize::from(run % 8), level },
        };
        Edit {
            // Hundreds are edits, units are tables of it: most of these ids exist.
            deleted: self.deleted.iter().map(|id| 100 * u64::from(id >> 3) + u64::from(id & 7)).collect(),
            added: (!tables.is_empty()).then_some(AddRun { place, tables }),
            log_floor: self.log_floor.map(u64::from),
            last_seqno: self.last_seqno,
            has_log: self.has_log,
            strategy: self.strategy.clone(),
            ..Edit::default()
        }
    }
}

fn table(id: u64, min: u8, max: u8) -> TableMeta {
    TableMeta {
        id,
        bytes: 1_000,
        entries: 10,
        tombstones: 1,
        min: Bytes::copy_from_slice(&[min]),
        max: Bytes::copy_from_slice(&[max]),
        newest_ms: 1,
        oldest_tombstone_ms: Some(1),
        oldest_seqno: 1,
        newest_seqno: 2,
    }
}
