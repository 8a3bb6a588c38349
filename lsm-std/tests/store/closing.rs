//! What a closed store holds, and that no flipped bit of it goes unseen.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use lsm_std::compaction_core::{AnySettings, BanditSettings, TieredSettings};
use lsm_std::fs::{Fs, MemFs};
use lsm_std::{Error, Options, Result, SyncPolicy};

use crate::common::{FailFs, key, pairs, value};

type Files = BTreeMap<PathBuf, Vec<u8>>;

fn options(disk: &MemFs) -> Options {
    Options::new().deterministic(1).sync(SyncPolicy::Never).memtable_bytes(2000).fs(Arc::new(disk.clone()))
}

fn files(disk: &MemFs) -> Files {
    let names = disk.list(Path::new("store")).unwrap();
    let paths = names.into_iter().map(|name| Path::new("store").join(name));
    paths.map(|path| (path.clone(), disk.bytes(&path).unwrap())).collect()
}

fn disk_of(files: &Files) -> MemFs {
    let disk = MemFs::new();
    disk.create_dir_all(Path::new("store")).unwrap();
    files.iter().for_each(|(path, bytes)| disk.set_bytes(path, bytes.clone()));
    disk
}

fn strategies() -> [AnySettings; 2] {
    let tiered = TieredSettings { min_merge_width: 2, ..Default::default() };
    let bandit = BanditSettings { l0_runs_max: 2, table_bytes_max: 4096, ..Default::default() };
    [AnySettings::Tiered(tiered), AnySettings::Bandit(bandit)]
}

#[test]
fn a_closed_store_has_no_log_and_opening_it_again_changes_no_byte() {
    for strategy in strategies() {
        for close in [true, false] {
            let disk = MemFs::new();
            let db = options(&disk).strategy(strategy).open("store").unwrap();
            for at in 0..100 {
                db.put(&key(at), &value(at, 60)).unwrap();
            }
            if close {
                db.close().unwrap();
            } else {
                drop(db);
            }
            let closed = files(&disk);
            assert!(closed.keys().all(|path| path.extension().is_none_or(|suffix| suffix != "log")), "{closed:?}");
            for _ in 0..3 {
                let db = options(&disk).open("store").unwrap();
                assert_eq!((db.recovery(), db.iter().count()), (&Default::default(), 100));
                db.close().unwrap();
                assert!(files(&disk) == closed);
            }
        }
    }
}

#[test]
fn a_store_that_cannot_be_flushed_when_it_is_closed_keeps_its_log() {
    let disk = FailFs::default();
    let open = || Options::new().sync(SyncPolicy::Never).fs(Arc::new(disk.clone())).open("store").unwrap();
    let db = open();
    db.put(b"a", b"1").unwrap();
    disk.fail(|op, path| (op == "create" && path.ends_with(".sst")).then_some(ErrorKind::StorageFull));
    assert!(db.close().is_err_and(|error| error.is_no_space()));
    disk.heal();
    let db = open();
    assert_eq!((db.recovery().batches, db.get(b"a").unwrap().as_deref()), (1, Some(&b"1"[..])));
}

#[test]
fn a_store_that_had_room_for_one_flush_when_it_was_closed_keeps_the_log_of_what_waits() {
    for room in [1, 2] {
        let disk = FailFs::default();
        let open = || {
            let options = Options::new().strategy(AnySettings::Idle).deterministic(1).sync(SyncPolicy::Never);
            let options = options.memtable_bytes(1024).frozen_memtables_max(100).log_segment_bytes(0);
            options.fs(Arc::new(disk.clone())).open("store").unwrap()
        };
        let left = Arc::new(AtomicUsize::new(0));
        let takes = Arc::clone(&left);
        disk.fail(move |op, path| {
            let take = |left: usize| left.checked_sub(1);
            let is_full = op == "create"
                && path.ends_with(".sst")
                && takes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_err();
            is_full.then_some(ErrorKind::StorageFull)
        });
        let db = open();
        (0..30).for_each(|at| db.put(&key(at), &value(at, 500)).unwrap());
        assert!(db.stats().frozen_memtables > 5);
        left.store(room, Ordering::Relaxed);
        assert!(db.close().is_err_and(|error| error.is_no_space()));
        disk.heal();
        assert_eq!(pairs(open().iter()), (0..30).map(|at| (key(at), value(at, 500))).collect::<Vec<_>>());
    }
}

/// What is read of a store: an error that names the damaged file, or what the model holds.
fn agrees(path: &Path, model: &[(Vec<u8>, Vec<u8>)], found: Result<Vec<(Vec<u8>, Vec<u8>)>>, what: &str) -> bool {
    match found {
        Ok(found) => {
            assert!(found == model, "{what}: a wrong answer");
            true
        }
        Err(Error::Corrupt { path: named, .. } | Error::NewerFormat { path: named, .. }) => {
            assert_eq!(named, path, "{what}");
            false
        }
        Err(other) => panic!("{what}: {other}"),
    }
}

#[test]
fn every_flipped_bit_of_a_closed_store_is_an_error_that_names_the_file_or_makes_no_difference() {
    let disk = MemFs::new();
    let [_, bandit] = strategies();
    let db = options(&disk).strategy(bandit).block_bytes(256).table_bytes(1500).open("store").unwrap();
    for at in 0..45 {
        db.put(&key(at * 7 % 20), &value(at, 40)).unwrap();
        db.delete(&key(at * 11 % 20)).unwrap();
    }
    let model = pairs(db.iter());
    assert!(model.len() > 5);
    db.close().unwrap();
    let good = files(&disk);
    assert!(good.len() > 4 && good.keys().any(|path| path.ends_with("STRATEGY")), "{:?}", good.keys());
    let disk = disk_of(&good);
    let collect = |range: lsm_std::Range| range.map(|pair| pair.map(|(k, v)| (k.to_vec(), v.to_vec()))).collect();
    for (path, bytes) in &good {
        for bit in 0..bytes.len() * 8 {
            let mut bad = bytes.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            disk.set_bytes(path, bad);
            let what = format!("bit {bit} of {}", path.display());
            match options(&disk).open("store") {
                Ok(db) => {
                    let forward = agrees(path, &model, collect(db.iter()), &what);
                    let mut gets = true;
                    for at in 0..20 {
                        let one = |(found, _): &&(Vec<u8>, Vec<u8>)| *found == key(at);
                        let expected: Vec<_> = model.iter().filter(one).cloned().collect();
                        let found = db.get(&key(at)).map(|value| value.map(|value| (key(at), value.to_vec())));
                        gets &= agrees(path, &expected, found.map(|pair| pair.into_iter().collect()), &what);
                    }
                    let verified = agrees(path, &model, db.verify().map(|_| model.clone()), &what);
                    assert!(forward && gets || !verified, "{what}: seen by a read, not by verify");
                }
                opened => drop(agrees(path, &model, opened.map(|_| Vec::new()), &what)),
            }
        }
        disk.set_bytes(path, bytes.clone());
    }
    assert!(files(&disk) == good, "a look at damage changed a file");
}
