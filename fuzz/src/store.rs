//! A store of which one file is anything at all, its checksums made right: it opens or it does not, and what a repair saves of it is a
//! whole store. Also run by the tests of the workspace.

use std::path::Path;
use std::sync::Arc;

use lsm_std::fs::{Fs, MemFs};
use lsm_std::{Error, Options, Result};

use super::seal::{FileKind, mend};

/// The files of the golden store that are replaced one at a time: name, kind, number, bytes.
pub const GOLDEN: [(&str, FileKind, u64, &[u8]); 7] = [
    ("000008.log", FileKind::Journal, 8, include_bytes!("../../tests/golden-store/v1/store/000008.log")),
    ("MANIFEST-000001", FileKind::Journal, 1, include_bytes!("../../tests/golden-store/v1/store/MANIFEST-000001")),
    ("000003.sst", FileKind::Table, 3, include_bytes!("../../tests/golden-store/v1/store/000003.sst")),
    ("000005.sst", FileKind::Table, 5, include_bytes!("../../tests/golden-store/v1/store/000005.sst")),
    ("STRATEGY", FileKind::Strategy, 0, include_bytes!("../../tests/golden-store/v1/store/STRATEGY")),
    ("CURRENT", FileKind::Current, 0, include_bytes!("../../tests/golden-store/v1/store/CURRENT")),
    ("000007.sst", FileKind::Table, 7, include_bytes!("../../tests/golden-store/v1/store/000007.sst")),
];

/// Unless this bit is set, checksums are made right.
const AS_IT_IS: u8 = 0x80;

/// The first byte says which file is replaced by the others, and whether they stay as they are.
///
/// # Panics
/// If the store breaks a promise.
pub fn replace_one_file(input: &[u8]) {
    let Some((&first, file)) = input.split_first() else { return };
    let fs = Arc::new(MemFs::new());
    fs.create_dir_all(Path::new("store")).expect("memory does not fail");
    GOLDEN.iter().for_each(|(name, _, _, bytes)| fs.set_bytes(format!("store/{name}"), bytes.to_vec()));
    let (name, kind, id, _) = GOLDEN[usize::from(first & !AS_IT_IS) % GOLDEN.len()];
    let mut bytes = file.to_vec();
    if first & AS_IT_IS == 0 {
        mend(kind, name, id, &mut bytes);
    }
    fs.set_bytes(format!("store/{name}"), bytes);
    let options = || Options::new().fs(fs.clone()).deterministic(1);
    let verified = options().verify("store");
    match options().repair("store", "new") {
        Ok(repaired) => {
            options().verify("new").expect("a repaired store is whole");
            let db = options().open("new").expect("a repaired store opens");
            let keys = db.iter().collect::<Result<Vec<_>>>().expect("a repaired store is read").len();
            assert_eq!(keys as u64, repaired.keys);
        }
        Err(error) => assert!(matches!(error, Error::NewerFormat { .. }), "{error}"),
    }
    let Ok(db) = options().open("store") else {
        assert!(verified.is_err(), "a store that verifies does not open");
        return;
    };
    let read = db.iter().collect::<Result<Vec<_>>>();
    let back = db.iter().rev().collect::<Result<Vec<_>>>();
    assert!(verified.is_err() || (read.is_ok() && back.is_ok()), "a store that verifies is not read");
    let _ = db.get(b"user/0007");
    let _ = db.put(b"user/more", b"1");
    let _ = db.compact_all();
    let _ = db.close();
}
