//! Damaged stores: what is whole is saved into a new store, what is lost is named.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::common::{FailFs, key, value};
use lsm_std::compaction_core::{AnySettings, LeveledSettings, TieredSettings};
use lsm_std::fs::Fs;
use lsm_std::{Db, Error, Lost, Options, Repaired, SyncPolicy};

type Model = BTreeMap<Vec<u8>, Vec<u8>>;

fn options(disk: &FailFs) -> Options {
    Options::new().sync(SyncPolicy::Never).deterministic(7).fs(Arc::new(disk.clone()))
}

/// A store of three tables that overlap, deletes in each, and a log of 40 batches; killed. And what it holds.
fn store(disk: &FailFs) -> Model {
    let db = options(disk).strategy(AnySettings::Idle).block_bytes(256).open("store").unwrap();
    let mut model = Model::new();
    for round in 0..4u64 {
        for at in (0..200).filter(|at| at % 4 >= round) {
            put(&db, &mut model, at, round);
        }
        for at in (round * 10..200).step_by(17) {
            db.delete(&key(at)).unwrap();
            model.remove(&key(at));
        }
        if round < 3 {
            db.flush().unwrap();
        }
    }
    disk.kill(db);
    model
}

fn put(db: &Db, model: &mut Model, at: u64, round: u64) {
    let value = value(at * 10 + round, 60);
    db.put(&key(at), &value).unwrap();
    model.insert(key(at), value);
}

fn files(disk: &FailFs) -> Vec<(PathBuf, Vec<u8>)> {
    disk.files("store", "").into_iter().map(|path| (path.clone(), disk.mem.bytes(&path).unwrap())).collect()
}

/// Repairs the store, checks that nothing in it changed and that the new one verifies, and answers with what the new one holds.
fn repair(disk: &FailFs) -> (Repaired, Model) {
    let before = files(disk);
    let repaired = options(disk).repair("store", "new").unwrap();
    assert!(files(disk) == before, "the damaged store was changed");
    options(disk).verify("new").unwrap();
    let db = options(disk).open("new").unwrap();
    let held: Model = crate::common::pairs(db.iter()).into_iter().collect();
    assert_eq!(held.len() as u64, repaired.keys);
    db.put(b"more", b"1").unwrap();
    db.compact_all().unwrap();
    assert_eq!(db.iter().count() as u64, repaired.keys + 1);
    db.close().unwrap();
    disk.files("new", "").iter().for_each(|path| disk.mem.remove(path).unwrap());
    (repaired, held)
}

fn change(disk: &FailFs, path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = disk.mem.bytes(path).unwrap();
    change(&mut bytes);
    disk.mem.set_bytes(path, bytes);
}

fn covers(lost: &Lost, key: &[u8]) -> bool {
    lost.entries != Some(0) && lost.keys.as_ref().is_none_or(|(min, max)| **min <= *key && *key <= **max)
}

/// Every key but those that the report names is right.
fn right_but_for_the_lost(repaired: &Repaired, held: &Model, model: &Model) {
    let keys = held.keys().chain(model.keys());
    let wrong = keys.filter(|key| held.get(*key) != model.get(*key));
    for key in wrong {
        let named = repaired.lost.iter().any(|lost| covers(lost, key));
        assert!(named, "{} is wrong, and not named in {:#?}", String::from_utf8_lossy(key), repaired.lost);
    }
}

#[test]
fn a_whole_store_is_copied_without_loss() {
    let disk = FailFs::default();
    let model = store(&disk);
    let (repaired, held) = repair(&disk);
    assert_eq!(held, model);
    assert!(repaired.is_manifest_whole && repaired.lost.is_empty(), "{repaired:?}");
    assert_eq!((repaired.tables, repaired.tables_obsolete), (3, 0));
    assert!(repaired.log_batches > 40);
}

#[test]
fn settings_and_what_was_learned_are_kept() {
    let disk = FailFs::default();
    let bandit = AnySettings::Bandit(Default::default());
    let db = options(&disk).strategy(bandit).open("store").unwrap();
    db.put(b"key", b"value").unwrap();
    db.close().unwrap();
    let learned = disk.mem.bytes("store/STRATEGY").unwrap();
    options(&disk).repair("store", "new").unwrap();
    assert_eq!(disk.mem.bytes("new/STRATEGY"), Some(learned));
    assert_eq!(options(&disk).open("new").unwrap().stats().strategy, "BanditCompaction");
    change(&disk, Path::new("store/STRATEGY"), |bytes| bytes[3] ^= 4);
    disk.files("new", "").iter().for_each(|path| disk.mem.remove(path).unwrap());
    let repaired = options(&disk).repair("store", "new").unwrap();
    assert_eq!(repaired.lost.len(), 1);
    assert!(repaired.lost[0].path.ends_with("STRATEGY") && repaired.lost[0].entries == Some(0));
}

#[test]
fn without_current_or_manifest_tables_are_merged_by_the_age_of_their_entries() {
    for lost in ["CURRENT", "MANIFEST", "both"] {
        let disk = FailFs::default();
        let model = store(&disk);
        for path in disk.files("store", "") {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if lost == "both" && (name == "CURRENT" || name.starts_with("MANIFEST")) || name.starts_with(lost) {
                disk.mem.remove(&path).unwrap();
            }
        }
        let (repaired, held) = repair(&disk);
        assert!(held == model, "{lost}");
        assert_eq!(repaired.is_manifest_whole, lost == "CURRENT");
        assert!(repaired.lost.iter().all(|lost| lost.entries == Some(0)), "{:?}", repaired.lost);
        assert!(repaired.lost.len() == 1 && repaired.lost[0].path.ends_with("CURRENT"), "{:?}", repaired.lost);
    }
}

#[test]
fn a_manifest_cut_or_damaged_anywhere_loses_no_key() {
    let disk = FailFs::default();
    let model = store(&disk);
    let path = disk.files("store", "").into_iter().find(|path| path.to_string_lossy().contains("MANIFEST")).unwrap();
    let whole = disk.mem.bytes(&path).unwrap();
    for at in (0..whole.len()).step_by(7) {
        disk.mem.set_bytes(&path, whole[..at].to_vec());
        assert!(repair(&disk).1 == model, "cut at {at}");
        let mut bad = whole.clone();
        bad[at] ^= 0x10;
        disk.mem.set_bytes(&path, bad);
        let (repaired, held) = repair(&disk);
        assert!(held == model, "flipped at {at}");
        assert!(!repaired.is_manifest_whole && !repaired.lost.is_empty());
    }
}

#[test]
fn a_flipped_bit_of_a_table_costs_one_block_at_most_and_is_named() {
    let disk = FailFs::default();
    let model = store(&disk);
    for path in disk.files("store", ".sst") {
        let whole = disk.mem.bytes(&path).unwrap();
        for at in (0..whole.len()).step_by(53) {
            change(&disk, &path, |bytes| bytes[at] ^= 1);
            let (repaired, held) = repair(&disk);
            assert_eq!(repaired.lost.len(), 1, "{path:?} at {at}: {:#?}", repaired.lost);
            let lost = &repaired.lost[0];
            assert!(lost.path == path && lost.offset <= at as u64 && (at as u64) < lost.offset + lost.bytes);
            assert!(lost.entries.is_some_and(|entries| entries < 20), "{lost:?}");
            assert!(lost.entries == Some(0) || lost.keys.is_some(), "{lost:?}");
            right_but_for_the_lost(&repaired, &held, &model);
            disk.mem.set_bytes(&path, whole.clone());
        }
    }
}

#[test]
fn the_blocks_of_a_table_cut_anywhere_are_saved() {
    let disk = FailFs::default();
    let model = store(&disk);
    let path = disk.files("store", ".sst").remove(0);
    let whole = disk.mem.bytes(&path).unwrap();
    let mut saved = Vec::new();
    for len in (0..whole.len()).step_by(97) {
        disk.mem.set_bytes(&path, whole[..len].to_vec());
        let (repaired, held) = repair(&disk);
        right_but_for_the_lost(&repaired, &held, &model);
        assert!(!repaired.lost.is_empty());
        let data = repaired.lost.iter().filter(|lost| lost.entries != Some(0));
        saved.push(data.filter_map(|lost| lost.entries).max().unwrap_or(0));
    }
    assert!(saved.is_sorted_by(|a, b| a >= b), "a longer file loses more: {saved:?}");
    assert!(saved[0] == 200 && saved.last() == Some(&0), "{saved:?}");
}

#[test]
fn a_table_without_index_and_with_a_damaged_block_keeps_the_blocks_behind_it() {
    let disk = FailFs::default();
    let model = store(&disk);
    let path = disk.files("store", ".sst").remove(0);
    let len = disk.mem.bytes(&path).unwrap().len();
    change(&disk, &path, |bytes| {
        bytes[len / 3] ^= 1;
        bytes.truncate(len - 60);
    });
    let (repaired, held) = repair(&disk);
    right_but_for_the_lost(&repaired, &held, &model);
    let lost = repaired.lost.iter().find(|lost| lost.entries != Some(0)).unwrap();
    assert!(lost.offset < len as u64 / 3 && lost.bytes < 500 && lost.keys.is_some(), "{:#?}", repaired.lost);
    assert!(lost.what.contains("; 5 entries are lost in the 2 places of this file"), "{lost:?}");
}

#[test]
fn a_lost_table_is_named_with_its_keys() {
    let disk = FailFs::default();
    let model = store(&disk);
    for path in disk.files("store", ".sst") {
        let bytes = disk.mem.bytes(&path).unwrap();
        disk.mem.remove(&path).unwrap();
        let (repaired, held) = repair(&disk);
        let lost = &repaired.lost[0];
        assert!(repaired.lost.len() == 1 && lost.path == path && lost.bytes == bytes.len() as u64);
        assert!(lost.entries.is_some_and(|entries| entries > 50) && lost.keys.is_some());
        right_but_for_the_lost(&repaired, &held, &model);
        disk.mem.set_bytes(&path, bytes);
    }
}

#[test]
fn whole_batches_behind_damage_of_the_log_are_saved() {
    let disk = FailFs::default();
    store(&disk);
    let path = disk.files("store", ".log").pop().unwrap();
    let whole = disk.mem.bytes(&path).unwrap();
    let all = repair(&disk);
    for at in (0..whole.len()).step_by(31) {
        change(&disk, &path, |bytes| bytes[at] ^= 0x40);
        let (repaired, held) = repair(&disk);
        let lost = &repaired.lost[0];
        assert_eq!(repaired.lost.len(), 1, "{:#?}", repaired.lost);
        assert!(lost.path == path && lost.offset <= at as u64 && (at as u64) < lost.offset + lost.bytes);
        let wrong = all.1.keys().chain(held.keys()).filter(|key| held.get(*key) != all.1.get(*key)).count();
        assert!(wrong <= 2 && repaired.log_batches + 1 >= all.0.log_batches, "at {at}: {wrong} keys are wrong");
        let is_last = lost.offset + lost.bytes == whole.len() as u64;
        assert!(at < 24 || is_last || lost.entries == Some(1), "{lost:?}");
        disk.mem.set_bytes(&path, whole.clone());
    }
}

#[test]
fn a_missing_segment_of_the_log_is_named() {
    let disk = FailFs::default();
    store(&disk);
    let path = disk.files("store", ".log").pop().unwrap();
    disk.mem.remove(&path).unwrap();
    let (repaired, _) = repair(&disk);
    assert_eq!(repaired.lost.iter().map(|lost| &lost.path).collect::<Vec<_>>(), [&path]);
}

#[test]
fn what_is_left_of_an_older_segment_does_not_hide_that_one_is_missing() {
    let disk = FailFs::default();
    store(&disk);
    let path = disk.files("store", ".log").pop().unwrap();
    disk.mem.set_bytes("store/000001.log", disk.mem.bytes(&path).unwrap()[..100].to_vec());
    disk.mem.remove(&path).unwrap();
    let (repaired, _) = repair(&disk);
    assert!(repaired.lost.iter().any(|lost| lost.path == path), "{:?}", repaired.lost);
}

#[test]
fn what_a_failed_flush_has_left_is_no_loss_while_the_log_holds_it() {
    let (disk, mut model) = (FailFs::default(), Model::new());
    let db = options(&disk).strategy(AnySettings::Idle).memtable_bytes(4 << 20).lz4(false).open("store").unwrap();
    for at in 0..3000 {
        put(&db, &mut model, at, 0);
    }
    let appends = AtomicUsize::new(0);
    disk.fail(move |op, path| {
        let fails = op == "remove" || (op == "append" && appends.fetch_add(1, Ordering::Relaxed) > 0);
        (path.ends_with(".sst") && fails).then_some(std::io::ErrorKind::StorageFull)
    });
    assert!(db.flush().is_err());
    disk.kill(db);
    assert!(!disk.files("store", ".sst").is_empty());
    let (repaired, held) = repair(&disk);
    assert_eq!((repaired.lost, held == model), (vec![], true));
}

#[test]
fn the_log_fills_what_a_damaged_table_lost() {
    // Tables that the manifest names, while their part of the log is still there, and tables that it does not name yet.
    for unsettled in [0, 64 << 20] {
        let disk = FailFs::default();
        let options = options(&disk).strategy(AnySettings::Idle).memtable_bytes(8 << 10);
        let db = options.unsettled_bytes_max(unsettled).open("store").unwrap();
        let mut model = Model::new();
        for at in 0..100 {
            put(&db, &mut model, at, 1);
        }
        disk.kill(db);
        let tables = disk.files("store", ".sst");
        assert!(!tables.is_empty());
        tables.iter().for_each(|path| change(&disk, path, |bytes| bytes[100] ^= 1));
        let (repaired, held) = repair(&disk);
        assert_eq!((repaired.lost.len(), repaired.is_manifest_whole), (tables.len(), true), "{repaired:#?}");
        assert!(held == model, "{repaired:#?}");
    }
}

#[test]
fn obsolete_tables_bring_no_deleted_key_back() {
    let disk = FailFs::default();
    let tiered = TieredSettings { min_merge_width: 2, ..Default::default() };
    let db = options(&disk).strategy(AnySettings::Tiered(tiered)).open("store").unwrap();
    db.put(b"gone", b"1").unwrap();
    db.put(b"kept", b"1").unwrap();
    db.flush().unwrap();
    let inputs: Vec<_> =
        disk.files("store", ".sst").into_iter().map(|path| (path.clone(), disk.mem.bytes(&path).unwrap())).collect();
    db.delete(b"gone").unwrap();
    db.compact_all().unwrap();
    disk.kill(db);
    // As if the file had not been removed yet.
    for (path, bytes) in &inputs {
        assert!(disk.mem.bytes(path).is_none());
        disk.mem.set_bytes(path, bytes.clone());
    }
    let kept = Model::from([(b"kept".to_vec(), b"1".to_vec())]);
    let (repaired, held) = repair(&disk);
    assert_eq!((&held, repaired.tables_obsolete), (&kept, 1));
    // The edit that says so is still there when others are not.
    let manifest =
        disk.files("store", "").into_iter().find(|path| path.to_string_lossy().contains("MANIFEST")).unwrap();
    change(&disk, &manifest, |bytes| bytes[30] ^= 1);
    let (repaired, held) = repair(&disk);
    assert_eq!((held, repaired.tables_obsolete), (kept, 1));
}

#[test]
fn everything_damaged_at_once_still_gives_a_store() {
    let disk = FailFs::default();
    let model = store(&disk);
    disk.mem.remove(Path::new("store/CURRENT")).unwrap();
    for path in disk.files("store", "") {
        let name = path.to_string_lossy().into_owned();
        let step = if name.ends_with(".log") { 700 } else { 2000 };
        change(&disk, &path, |bytes| (step / 2..bytes.len()).step_by(step).for_each(|at| bytes[at] ^= 2));
    }
    let last = disk.files("store", ".sst").pop().unwrap();
    disk.mem.remove(&last).unwrap();
    let (repaired, held) = repair(&disk);
    assert!(!repaired.is_manifest_whole && repaired.lost.len() > 5);
    assert!(held.len() > model.len() / 2);
    let right = held.iter().filter(|(key, value)| model.get(*key) == Some(value)).count();
    assert!(right > model.len() / 2, "{right} of {}", model.len());
}

#[test]
fn a_level_that_was_merged_goes_to_its_level_again() {
    let disk = FailFs::default();
    let leveled = LeveledSettings { base_bytes: 4096, table_bytes_max: 2048, ..LeveledSettings::default() };
    let db = options(&disk).strategy(AnySettings::Leveled(leveled)).memtable_bytes(4096).open("store").unwrap();
    let mut model = Model::new();
    for at in 0..500 {
        put(&db, &mut model, at * 7 % 300, at);
    }
    db.flush().unwrap();
    disk.kill(db);
    assert_eq!(repair(&disk).1, model);
    options(&disk).repair("store", "new").unwrap();
    let runs = options(&disk).open("new").unwrap().runs();
    assert!(runs[0].0 > 0 && runs[0].1.len() > 1, "{runs:?}");
}

#[test]
fn a_repair_touches_nothing_that_it_should_not() {
    let disk = FailFs::default();
    let db = options(&disk).open("store").unwrap();
    db.put(b"key", b"value").unwrap();
    assert!(matches!(options(&disk).repair("store", "new"), Err(Error::Locked { .. })));
    db.close().unwrap();
    for inside in ["store/new", "./store/new"] {
        assert!(matches!(options(&disk).repair("store", inside), Err(Error::BadTarget { .. })));
    }
    assert!(matches!(options(&disk).repair("nothing", "new"), Err(Error::Io { .. } | Error::NotAStore { .. })));
    disk.mem.create_dir_all(Path::new("new")).unwrap();
    disk.mem.set_bytes("new/file", vec![1]);
    assert!(matches!(options(&disk).repair("store", "new"), Err(Error::BadTarget { .. })));
    disk.mem.remove(Path::new("new/file")).unwrap();
    disk.fail(|op, path| (op == "sync" && path.contains("MANIFEST")).then_some(std::io::ErrorKind::StorageFull));
    assert!(options(&disk).repair("store", "new").unwrap_err().is_no_space());
    assert!(disk.files("new", "").is_empty());
    disk.heal();
    assert_eq!(options(&disk).repair("store", "new").unwrap().keys, 1);
}
