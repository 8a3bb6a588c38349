//! Stores of format version 1 as they were written once: every later version must read them, and refuse newer ones by name.
//!
//! `GOLDEN=write cargo test -p lsm-tests --test golden_store` writes them anew. That is right only as long as no version was
//! released; after that, another format gets a directory of its own.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use lsm_std::compaction_core::{AnySettings, BanditSettings};
use lsm_std::{Batch, Db, Error, Options};

type Model = BTreeMap<Vec<u8>, Vec<u8>>;

/// What `store` holds beyond `checkpoint` is in its log.
const LOG_BATCHES: u64 = 4;

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden-store/v1")
}

fn options() -> Options {
    let bandit = BanditSettings { slots_max: 16, ..BanditSettings::default() };
    Options::new().strategy(AnySettings::Bandit(bandit)).deterministic(1).block_bytes(512)
}

/// The writes of one step: a key every few numbers is deleted, values are long enough to be packed.
fn batch(step: u64, at: u64, model: &mut Model) -> Batch {
    let mut batch = Batch::new();
    for key in (at * 5..at * 5 + 5).map(|key| key * (1 + step % 2)) {
        let name = format!("user/{key:04}").into_bytes();
        if (key + step).is_multiple_of(7) {
            batch.delete(&name);
            model.remove(&name);
        } else {
            let value = format!("{step} {at} {key} ").repeat(1 + key as usize % 5).into_bytes();
            batch.put(&name, &value);
            model.insert(name, value);
        }
    }
    batch
}

/// What the copy holds, and what the store holds: written by `write`, step by step.
fn history(mut write: impl FnMut(u64, Batch)) -> (Model, Model) {
    let mut model = Model::new();
    for step in 0..3 {
        for at in 0..8 {
            let batch = batch(step, at, &mut model);
            write(step, batch);
        }
    }
    let copied = model.clone();
    for at in 0..LOG_BATCHES {
        let batch = batch(3, at, &mut model);
        write(3, batch);
    }
    (copied, model)
}

/// One table that is not packed, two that are, all closed; a copy of that; then a log.
fn write_anew() {
    let dir = tempfile::tempdir().unwrap();
    let (live, to) = (dir.path().join("live"), golden());
    fs::remove_dir_all(&to).ok();
    let mut db = Some(options().lz4(false).open(&live).unwrap());
    let mut last = 0;
    history(|step, batch| {
        if step != last {
            db.take().unwrap().close().unwrap();
            db = Some(options().open(&live).unwrap());
            if step == 3 {
                db.as_ref().unwrap().checkpoint(to.join("checkpoint")).unwrap();
            }
            last = step;
        }
        db.as_ref().unwrap().write(batch).unwrap();
    });
    copy(&live, &to.join("store"));
    fs::remove_file(to.join("store/LOCK")).unwrap();
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
    }
}

/// A golden store to be opened: opening changes its files.
fn copy_of(name: &str) -> tempfile::TempDir {
    if std::env::var("GOLDEN").is_ok_and(|word| word == "write") {
        static ONCE: std::sync::Once = std::sync::Once::new();
        ONCE.call_once(write_anew);
    }
    let dir = tempfile::tempdir().unwrap();
    copy(&golden().join(name), dir.path());
    dir
}

fn held(db: &Db) -> Model {
    db.iter().map(|pair| pair.map(|(key, value)| (key.to_vec(), value.to_vec())).unwrap()).collect()
}

#[test]
fn stores_of_format_version_1_are_read_as_they_were_written() {
    let (copied, all) = history(|_, _| {});
    assert!(copied != all && all.len() > 30);
    for (name, model, batches) in [("checkpoint", copied, 0), ("store", all, LOG_BATCHES)] {
        let dir = copy_of(name);
        let verified = Options::new().verify(dir.path()).unwrap();
        assert_eq!((verified.tables, verified.log_batches), (3, batches), "{name}");
        let db = Options::new().open(dir.path()).unwrap();
        assert_eq!(db.stats().strategy, "BanditCompaction", "{name}");
        assert_eq!((db.recovery().batches, &db.recovery().cuts[..]), (batches, &[][..]), "{name}");
        assert!(held(&db) == model, "{name}");
        for (key, value) in &model {
            assert_eq!(db.get(key).unwrap().as_deref(), Some(&value[..]));
        }
        db.put(b"user/more", b"1").unwrap();
        db.compact_all().unwrap();
        db.close().unwrap();
        assert_eq!(held(&Options::new().open(dir.path()).unwrap()).len(), model.len() + 1);
    }
}

#[test]
fn a_repair_of_a_store_of_format_version_1_loses_nothing() {
    let dir = copy_of("store");
    let new = dir.path().with_extension("new");
    let repaired = Options::new().repair(dir.path(), &new).unwrap();
    assert_eq!((repaired.lost, repaired.tables), (Vec::new(), 3));
    assert!(held(&Options::new().open(&new).unwrap()) == history(|_, _| {}).1);
    fs::remove_dir_all(new).unwrap();
}

/// Raises the version of a file and mends its checksums.
fn raise(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let name = path.file_name().unwrap().to_str().unwrap();
    let len = bytes.len();
    let sum_of = |parts: &[&[u8]]| {
        let mut crc = crc32fast::Hasher::new();
        parts.iter().for_each(|part| crc.update(part));
        crc.finalize().to_le_bytes()
    };
    if name.ends_with(".sst") {
        bytes[len - 16] += 1;
        let footer = len - 48;
        let sum = sum_of(&[&bytes[footer + 24..footer + 32], &[0; 8], &bytes[footer..footer + 36]]);
        bytes[len - 12..len - 8].copy_from_slice(&sum);
    } else if name.ends_with(".log") || name.starts_with("MANIFEST") {
        bytes[8] += 1;
        let sum = sum_of(&[&bytes[..20]]);
        bytes[20..24].copy_from_slice(&sum);
    } else {
        bytes[len - 8] += 1;
        let sum = sum_of(&[name.as_bytes(), &bytes[..len - 4]]);
        bytes[len - 4..].copy_from_slice(&sum);
    }
    fs::write(path, bytes).unwrap();
}

#[test]
fn a_newer_format_of_any_file_is_refused_with_its_name_and_version() {
    let mut kinds = Vec::new();
    for entry in fs::read_dir(copy_of("store").path()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let dir = copy_of("store");
        let path = dir.path().join(&name);
        raise(&path);
        let new = dir.path().with_extension("new");
        let read_all = Options::new().open(dir.path()).and_then(|db| db.verify().map(drop));
        let answers = [
            ("opened", read_all),
            ("verified", Options::new().verify(dir.path()).map(drop)),
            ("repaired", Options::new().repair(dir.path(), new).map(drop)),
        ];
        for (how, answer) in answers {
            let Err(error @ Error::NewerFormat { .. }) = answer else { panic!("{name} {how}: {answer:?}") };
            let said = error.to_string();
            assert!(
                said.contains(&name) && said.ends_with("has format 2, this version knows up to 1"),
                "{how}: {said}"
            );
        }
        kinds.push(name.split(['-', '.']).next_back().unwrap().to_owned());
    }
    kinds.sort();
    kinds.dedup();
    assert_eq!(kinds.len(), 5, "table, log, manifest and two small files: {kinds:?}");
}

#[test]
fn newer_learned_state_is_refused_and_not_written_over() {
    let dir = copy_of("store");
    let path = dir.path().join("STRATEGY");
    let mut bytes = fs::read(&path).unwrap();
    let end = bytes.len() - 8;
    bytes[4..6].copy_from_slice(&[0xff; 2]);
    let sum = crc32fast::hash(&bytes[..end - 4]).to_le_bytes();
    bytes[end - 4..end].copy_from_slice(&sum);
    let mut outer = crc32fast::Hasher::new();
    outer.update(b"STRATEGY");
    outer.update(&bytes[..end + 4]);
    bytes[end + 4..].copy_from_slice(&outer.finalize().to_le_bytes());
    fs::write(&path, &bytes).unwrap();
    let refused = Options::new().open(dir.path()).map(drop).unwrap_err();
    assert!(matches!(refused, Error::NewerFormat { .. }) && refused.to_string().contains("STRATEGY"), "{refused}");
    assert!(matches!(Options::new().verify(dir.path()), Err(Error::NewerFormat { .. })));
    assert_eq!(fs::read(&path).unwrap(), bytes);
}
