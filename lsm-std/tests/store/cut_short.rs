//! Files that have lost their end, at every byte: an error, or nothing is missing.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use lsm_std::fs::{Fs, MemFs};
use lsm_std::{Db, Error, Options, Result};

use crate::common::{FailFs, key, pairs, tiered, value};

type Files = Vec<(PathBuf, Vec<u8>)>;
type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

fn options(disk: Arc<dyn Fs>) -> Options {
    Options::new().strategy(tiered(3)).deterministic(1).fs(disk)
}

/// A store that was opened, written to and closed some times, merges included; and once more, and killed, if `is_killed`.
fn store(is_killed: bool) -> (Files, Pairs) {
    let disk = FailFs::default();
    for at in 0..5 {
        let db = options(Arc::new(disk.clone())).open("store").unwrap();
        db.put(&key(at), &value(at, 20)).unwrap();
        db.close().unwrap();
    }
    let db = options(Arc::new(disk.clone())).open("store").unwrap();
    if is_killed {
        db.put(&key(5), &value(5, 20)).unwrap();
        db.flush().unwrap();
        db.put(&key(6), &value(6, 20)).unwrap();
    }
    let held = pairs(db.iter());
    if is_killed {
        disk.kill(db)
    } else {
        db.close().unwrap()
    }
    (files(&disk), held)
}

fn files(disk: &FailFs) -> Files {
    disk.files("store", "").into_iter().map(|path| (path.clone(), disk.mem.bytes(path).unwrap())).collect()
}

/// A store that was closed, opened again, written to, merged and closed; the merged table is there again, as when the power took its
/// removal back. And its manifest's length when it was closed first.
fn merged() -> (Files, Pairs, usize) {
    let disk = FailFs::default();
    let open = || options(Arc::new(disk.clone())).open("store").unwrap();
    let db = open();
    (0..3).for_each(|at| db.put(&key(at), &value(at, 20)).unwrap());
    db.close().unwrap();
    let before = files(&disk);
    let db = open();
    db.put(&key(1), &value(9, 20)).unwrap();
    db.compact_all().unwrap();
    let held = pairs(db.iter());
    db.close().unwrap();
    let mut files = files(&disk);
    let merged = before.iter().find(|(path, _)| path.extension().is_some_and(|end| end == "sst")).unwrap().clone();
    assert!(files.iter().all(|(path, _)| *path != merged.0));
    files.push(merged);
    (files, held, manifest(&before).1.len())
}

/// The store with one file that is shorter.
fn cut(files: &Files, short: &Path, len: usize) -> MemFs {
    let disk = MemFs::new();
    disk.create_dir_all(Path::new("store")).unwrap();
    for (path, bytes) in files {
        disk.set_bytes(path, if path == short { bytes[..len].to_vec() } else { bytes.clone() });
    }
    disk
}

fn manifest(files: &Files) -> &(PathBuf, Vec<u8>) {
    files.iter().find(|(path, _)| path.to_string_lossy().contains("MANIFEST")).unwrap()
}

#[test]
fn a_manifest_that_has_lost_its_end_is_damaged_unless_nothing_is_missing_without_it() {
    let merged = merged();
    for (is, (files, held)) in [("closed", store(false)), ("killed", store(true)), ("merged", (merged.0, merged.1))] {
        let (manifest, bytes) = manifest(&files);
        let mut refused = 0;
        for len in 0..bytes.len() {
            let disk = Arc::new(cut(&files, manifest, len));
            let names = disk.list(Path::new("store")).unwrap();
            let db: Result<Db> = options(disk.clone()).open("store");
            match db {
                Ok(db) => {
                    assert!(pairs(db.iter()) == held, "{is}: less than there was after {len} bytes")
                }
                Err(Error::Corrupt { .. }) => {
                    assert_eq!(disk.list(Path::new("store")).unwrap(), names, "{len} bytes: something was removed");
                    assert!(options(disk.clone()).verify("store").is_err(), "{len} bytes");
                    let saved = options(disk.clone()).repair("store", "saved").unwrap();
                    assert_eq!(pairs(options(disk).open("saved").unwrap().iter()), held, "{len} bytes: {saved:?}");
                    refused += 1;
                }
                Err(other) => panic!("{len} bytes: {other}"),
            }
        }
        assert!(refused > 0, "{is}");
    }
}

#[test]
fn a_repair_counts_a_merged_table_of_writes_that_the_manifest_does_not_know() {
    let (files, held, len) = merged();
    let disk = Arc::new(cut(&files, &manifest(&files).0, len));
    assert!(matches!(options(disk.clone()).open("store"), Err(Error::Corrupt { .. })));
    let saved = options(disk.clone()).repair("store", "saved").unwrap();
    assert_eq!(pairs(options(disk).open("saved").unwrap().iter()), held);
    assert!(!saved.is_manifest_whole, "its end is lost: {saved:?}");
}

#[test]
fn tables_of_writes_that_the_manifest_does_not_know_are_named_and_kept() {
    let (files, _) = store(false);
    let disk = Arc::new(cut(&files, &manifest(&files).0, 100));
    let error = options(disk).open("store").unwrap_err().to_string();
    assert!(
        error.contains("store/00") && error.contains(".sst is damaged at byte 0: it holds writes up to"),
        "{error}"
    );
}

#[test]
fn no_table_and_no_small_file_of_a_closed_store_loses_its_end_unseen() {
    let (files, _) = store(false);
    let rest = files.iter().filter(|(path, bytes)| *path != manifest(&files).0 && !bytes.is_empty());
    for (short, bytes) in rest {
        for len in 0..bytes.len() {
            let disk = Arc::new(cut(&files, short, len));
            let read = options(disk.clone()).open("store").and_then(|db| db.iter().collect::<Result<Vec<_>>>());
            match read {
                Ok(_) => panic!("{} of {len} bytes: not seen", short.display()),
                Err(Error::Corrupt { path, .. }) => assert_eq!(path, *short, "{len} bytes"),
                Err(other) => panic!("{} of {len} bytes: {other}", short.display()),
            }
        }
    }
}

#[test]
fn a_check_makes_no_file() {
    let (files, _) = store(false);
    let disk = Arc::new(cut(&files, Path::new("store/none"), 0));
    if disk.exists(Path::new("store/LOCK")).unwrap() {
        disk.remove(Path::new("store/LOCK")).unwrap();
    }
    let names = disk.list(Path::new("store")).unwrap();
    options(disk.clone()).verify("store").unwrap();
    assert_eq!(disk.list(Path::new("store")).unwrap(), names);
}
