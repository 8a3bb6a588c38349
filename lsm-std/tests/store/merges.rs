//! What merges do to a store, and what they must not do.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use lsm_std::compaction_core::{AnySettings, BanditSettings, FifoSettings, Full, LeveledSettings, TieredSettings};
use lsm_std::fs::{Fs, MemFs, Purpose};
use lsm_std::{Batch, Db, Error, LogicalClock, Options, Report, SyncPolicy, What};

use crate::common::{FailFs, key, pairs, value};

fn tiered(width: u32) -> AnySettings {
    AnySettings::Tiered(TieredSettings { min_merge_width: width, table_bytes_max: 8192, ..Default::default() })
}

fn strategies() -> [AnySettings; 7] {
    let leveled = LeveledSettings { base_bytes: 16384, fanout: 4, table_bytes_max: 4096, ..Default::default() };
    [
        AnySettings::Idle,
        tiered(2),
        tiered(4),
        AnySettings::Leveled(leveled),
        AnySettings::Lazy(LeveledSettings { runs_max: 3, ..leveled }),
        AnySettings::Bandit(BanditSettings { l0_runs_max: 2, table_bytes_max: 4096, ..Default::default() }),
        AnySettings::Full(Full { table_bytes_max: 4096 }),
    ]
}

fn small(strategy: AnySettings) -> Options {
    Options::new().strategy(strategy).memtable_bytes(4096).sync(SyncPolicy::Never)
}

/// Bytes of the files in `dir` by suffix.
fn usage(dir: &Path) -> BTreeMap<String, u64> {
    let mut usage = BTreeMap::new();
    for entry in fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().to_string_lossy().into_owned();
        let kind = name.rsplit_once('.').map_or(name.split('-').next().unwrap_or(&name), |(_, suffix)| suffix);
        *usage.entry(kind.to_owned()).or_default() += entry.metadata().unwrap().len();
    }
    usage
}

#[test]
fn the_newest_value_wins_at_any_number_of_flushes() {
    for strategy in strategies() {
        let dir = tempfile::tempdir().unwrap();
        let mut db = small(strategy).open(dir.path()).unwrap();
        for round in 0..60u64 {
            for at in (0..40).filter(|at| (at + round) % 3 != 0) {
                db.put(&key(at), &value(round * 100 + at, 30)).unwrap();
            }
            db.delete(&key(round % 40)).unwrap();
            db.flush().unwrap();
            if round % 25 == 24 {
                drop(db);
                db = small(strategy).open(dir.path()).unwrap();
            }
            for at in 0..40 {
                let newest = (0..=round).rev().find(|round| round % 40 == at || (at + round) % 3 != 0);
                let expected = newest.filter(|round| round % 40 != at).map(|round| value(round * 100 + at, 30));
                assert_eq!(
                    db.get(&key(at)).unwrap().as_deref(),
                    expected.as_deref(),
                    "{strategy:?} round {round} key {at}"
                );
            }
        }
        let scanned = pairs(db.iter());
        assert!(scanned.iter().all(|(key, value)| db.get(key).unwrap().unwrap() == *value));
    }
}

#[test]
fn at_rest_the_directory_holds_live_tables_the_log_the_manifest_and_small_files() {
    for strategy in strategies() {
        let dir = tempfile::tempdir().unwrap();
        let db = small(strategy).workers(3).open(dir.path()).unwrap();
        for at in 0..5000u64 {
            db.put(&key(at * 7919 % 500), &value(at, 100)).unwrap();
        }
        db.flush().unwrap();
        db.wait_idle().unwrap();
        let (usage, stats) = (usage(dir.path()), db.stats());
        assert_eq!(usage["sst"], stats.table_bytes(), "{strategy:?} {usage:?}");
        assert!(usage["log"] < 200, "{usage:?}");
        let small: u64 = usage
            .iter()
            .filter(|(kind, _)| !["sst", "log", "MANIFEST"].contains(&kind.as_str()))
            .map(|kind| kind.1)
            .sum();
        // What the bandit has learned takes the most of it: some tens of bytes a slot.
        assert!(small < 8000, "{usage:?}");
        assert!(
            usage.keys().all(|kind| ["sst", "log", "MANIFEST", "CURRENT", "LOCK", "STRATEGY"].contains(&kind.as_str()))
        );
    }
}

#[test]
fn a_full_merge_leaves_one_version_of_each_key_and_no_tombstone() {
    let dir = tempfile::tempdir().unwrap();
    let db = small(AnySettings::Idle).open(dir.path()).unwrap();
    for at in 0..3000u64 {
        if at % 3 == 0 { db.delete(&key(at % 200)).unwrap() } else { db.put(&key(at % 200), &value(at, 40)).unwrap() }
    }
    let before = pairs(db.iter());
    db.compact_all().unwrap();
    let stats = db.stats();
    let (runs, entries, tombstones) =
        stats.levels.iter().fold((0, 0, 0), |sum, l| (sum.0 + l.runs, sum.1 + l.entries, sum.2 + l.tombstones));
    assert_eq!((runs, entries, tombstones), (1, before.len() as u64, 0));
    assert_eq!(pairs(db.iter()), before);
}

#[test]
fn compact_range_leaves_other_keys_where_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let db = small(AnySettings::Idle).open(dir.path()).unwrap();
    for round in 0..4u64 {
        for half in [0, 1000] {
            for at in 0..50 {
                db.put(&key(half + at), &value(round, 40)).unwrap();
            }
            db.flush().unwrap();
        }
    }
    let before = pairs(db.iter());
    let runs = db.stats().levels[0].runs;
    db.compact_range(key(0)..key(500)).unwrap();
    assert_eq!(pairs(db.iter()), before);
    let after = db.stats().levels[0].runs;
    assert!(after >= runs / 2 && after < runs, "{runs} runs before, {after} after");
    db.compact_range(key(500)..key(0)).unwrap();
}

#[test]
fn a_snapshot_and_an_iterator_keep_what_they_read() {
    let dir = tempfile::tempdir().unwrap();
    let db = small(tiered(2)).open(dir.path()).unwrap();
    for at in 0..300u64 {
        db.put(&key(at), &value(at, 60)).unwrap();
    }
    db.flush().unwrap();
    let (snapshot, mut iterator) = (db.snapshot(), db.iter());
    let expected = pairs(db.iter());
    let first = iterator.next().unwrap().unwrap();
    assert_eq!(first.0, key(0));
    for at in 0..300u64 {
        db.delete(&key(at)).unwrap();
    }
    for _ in 0..3 {
        db.compact_all().unwrap();
    }
    assert_eq!(pairs(iterator), expected[1..]);
    assert_eq!(pairs(snapshot.iter()), expected);
    assert_eq!(pairs(snapshot.iter().rev()), expected.iter().rev().cloned().collect::<Vec<_>>());
    assert_eq!(snapshot.get(&key(7)).unwrap().unwrap(), value(7, 60));
    assert_eq!(db.iter().count(), 0);
    drop(snapshot);
    db.compact_all().unwrap();
    assert_eq!(db.stats().table_bytes(), 0);
    assert_eq!(usage(dir.path()).get("sst"), None);
}

#[test]
fn a_store_of_thousands_of_runs_is_read_and_opened_with_few_open_files() {
    let fs = FailFs::default();
    let open = || {
        small(AnySettings::Idle).memtable_bytes(1024).open_files_max(8).fs(Arc::new(fs.clone())).open("store").unwrap()
    };
    let db = open();
    for at in 0..3000u64 {
        db.put(&key(at * 7919 % 100), &value(at, 1000)).unwrap();
    }
    db.flush().unwrap();
    assert!(db.stats().levels[0].runs > 2900, "{:?}", db.stats().levels);
    let expected = pairs(db.iter());
    assert_eq!(expected.len(), 100);
    for (key, value) in &expected {
        assert_eq!(db.get(key).unwrap().unwrap(), value);
    }
    drop(db);
    assert_eq!(pairs(open().iter()), expected);
}

#[test]
fn counted_amplification_is_what_the_file_layer_saw() {
    let dir = tempfile::tempdir().unwrap();
    let db = small(tiered(2)).open(dir.path()).unwrap();
    for at in 0..2000u64 {
        db.put(&key(at % 300), &value(at, 100)).unwrap();
    }
    db.flush().unwrap();
    db.wait_idle().unwrap();
    let stats = db.stats();
    let merged: u64 = stats.jobs.values().map(|jobs| jobs.bytes_written).sum();
    assert_eq!(merged, stats.io(Purpose::Merge).written_bytes);
    assert!(stats.write_amp() > 1.5, "{}", stats.write_amp());
    assert!(stats.io(Purpose::Log).written_bytes > stats.user_bytes);
}

#[test]
fn every_decision_is_told_with_its_reason_and_its_end() {
    let dir = tempfile::tempdir().unwrap();
    let reports = Arc::new(Mutex::new(Vec::<Report>::new()));
    let told = Arc::clone(&reports);
    let db =
        small(tiered(2)).on_report(move |report| told.lock().unwrap().push(report.clone())).open(dir.path()).unwrap();
    for at in 0..1000u64 {
        db.put(&key(at % 300), &value(at, 100)).unwrap();
    }
    db.flush().unwrap();
    db.wait_idle().unwrap();
    drop(db);
    let reports = reports.lock().unwrap();
    let mut open = BTreeMap::new();
    let (mut flushes, mut done) = (0, 0);
    for report in reports.iter() {
        match &report.what {
            What::Flushed { bytes, .. } => flushes += u64::from(*bytes > 0),
            What::Chosen(chosen) => {
                assert!(!chosen.text.is_empty() && chosen.tables > 0);
                open.insert(chosen.number, chosen.clone());
            }
            What::Done { chosen, .. } => {
                assert_eq!(open.remove(&chosen.number).as_ref(), Some(chosen));
                done += 1;
            }
            What::Aborted { chosen, .. } => drop(open.remove(&chosen.number)),
            _ => {}
        }
    }
    assert!(flushes > 20 && done > 0 && open.is_empty(), "{flushes} {done} {open:?}");
    assert!(reports.last().unwrap().shape.iter().all(|level| level.runs > 0));
}

#[test]
fn inline_work_from_one_seed_writes_the_same_files() {
    let run = |seed| {
        let fs = MemFs::new();
        let db = small(tiered(2)).deterministic(seed).fs(Arc::new(fs.clone())).open("store").unwrap();
        for at in 0..1500u64 {
            db.put(&key(at * 31 % 211), &value(at, 80)).unwrap();
        }
        db.close().unwrap();
        let mut names = fs.list(Path::new("store")).unwrap();
        names.sort();
        names.into_iter().map(|name| (fs.bytes(Path::new("store").join(&name)), name)).collect::<Vec<_>>()
    };
    let (first, second) = (run(1), run(1));
    assert!(first.len() > 4);
    assert!(first == second);
}

#[test]
fn a_checkpoint_is_a_store_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let (from, to) = (dir.path().join("store"), dir.path().join("copy"));
    let db = small(tiered(2)).open(&from).unwrap();
    for at in 0..500u64 {
        db.put(&key(at), &value(at, 60)).unwrap();
    }
    let expected = pairs(db.iter());
    db.checkpoint(&to).unwrap();
    assert!(matches!(db.checkpoint(&to), Err(Error::NotAStore { .. })));
    for at in 0..500u64 {
        db.delete(&key(at)).unwrap();
    }
    db.compact_all().unwrap();
    let copy = Options::new().open(&to).unwrap();
    assert_eq!(pairs(copy.iter()), expected);
    copy.put(b"own", b"1").unwrap();
    copy.compact_all().unwrap();
    copy.verify().unwrap();
    assert_eq!((copy.iter().count(), db.iter().count()), (501, 0));
}

#[test]
fn verify_reads_every_byte_and_names_the_damaged_file() {
    let dir = tempfile::tempdir().unwrap();
    let open = || small(AnySettings::Idle).open(dir.path()).unwrap();
    let db = open();
    for at in 0..200u64 {
        db.put(&key(at), &value(at, 60)).unwrap();
    }
    db.flush().unwrap();
    db.put(b"in the log", b"1").unwrap();
    let found = db.verify().unwrap();
    assert!(found.tables > 2 && found.table_bytes == db.stats().table_bytes() && found.log_batches == 1, "{found:?}");
    drop(db);
    let table = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().path());
    let table = table.filter(|path| path.extension().is_some_and(|suffix| suffix == "sst")).max().unwrap();
    let good = fs::read(&table).unwrap();
    for at in (0..good.len()).step_by(97) {
        let mut bad = good.clone();
        bad[at] ^= 0x10;
        fs::write(&table, &bad).unwrap();
        match open().verify() {
            Err(Error::Corrupt { path, .. } | Error::NewerFormat { path, .. }) => assert_eq!(path, table, "byte {at}"),
            other => panic!("byte {at}: {other:?}"),
        }
    }
}

#[test]
fn readers_see_every_write_while_memtables_freeze_flush_and_merge() {
    let dir = tempfile::tempdir().unwrap();
    let db = small(tiered(2)).memtable_bytes(2048).workers(2).open(dir.path()).unwrap();
    let stop = AtomicBool::new(false);
    // Both keys of a batch always hold the same number, and it never falls.
    std::thread::scope(|scope| {
        for reader in 0..2 {
            let (db, stop) = (&db, &stop);
            scope.spawn(move || {
                let mut last = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    let snapshot = db.snapshot();
                    let read = |key: &[u8]| snapshot.get(key).unwrap().map(|value| value.to_vec());
                    let (a, b) = (read(b"a"), read(b"b"));
                    assert_eq!(a, b, "reader {reader}");
                    let now = a.unwrap_or_default();
                    assert!(now >= last, "{now:?} after {last:?}");
                    let direct = db.get(b"a").unwrap().map(|value| value.to_vec()).unwrap_or_default();
                    assert!(direct >= now);
                    last = now;
                }
            });
        }
        for at in 0..3000u64 {
            let mut batch = Batch::new();
            batch.put(b"a", format!("{at:08}").as_bytes());
            batch.put(&key(at % 50), &value(at, 50));
            batch.put(b"b", format!("{at:08}").as_bytes());
            db.write(batch).unwrap();
            assert_eq!(db.get(b"b").unwrap().unwrap(), format!("{at:08}").as_bytes());
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert!(db.stats().jobs.values().map(|jobs| jobs.jobs).sum::<u64>() > 0);
}

#[test]
fn the_strategy_is_kept_until_another_is_given() {
    let dir = tempfile::tempdir().unwrap();
    let name = |options: Options| options.open(dir.path()).unwrap().stats().strategy;
    assert_eq!(name(Options::new()), "SizeTieredCompaction");
    assert_eq!(name(Options::new().strategy(AnySettings::Idle)), "Idle");
    assert_eq!(name(Options::new()), "Idle");
}

#[test]
fn what_the_bandit_learned_survives_another_strategy_and_damage_to_it_starts_anew() {
    let dir = tempfile::tempdir().unwrap();
    let bandit = AnySettings::Bandit(BanditSettings { l0_runs_max: 2, table_bytes_max: 4096, ..Default::default() });
    let db = small(bandit).open(dir.path()).unwrap();
    for at in 0..4000u64 {
        db.put(&key(at * 7919 % 1000), &value(at, 50)).unwrap();
        db.get(&key(at % 100)).unwrap();
    }
    db.close().unwrap();
    let learned = fs::read(dir.path().join("STRATEGY")).unwrap();
    assert!(learned.len() > 200, "{} bytes", learned.len());
    small(tiered(4)).open(dir.path()).unwrap().close().unwrap();
    assert_eq!(fs::read(dir.path().join("STRATEGY")).unwrap(), learned);
    small(bandit).open(dir.path()).unwrap().close().unwrap();
    fs::write(dir.path().join("STRATEGY"), &learned[..learned.len() / 2]).unwrap();
    let db = small(bandit).open(dir.path()).unwrap();
    assert!(matches!(db.verify(), Err(Error::Corrupt { path, .. }) if path.ends_with("STRATEGY")));
    assert_eq!(db.iter().count(), 1000);
    db.close().unwrap();
    small(bandit).open(dir.path()).unwrap().verify().unwrap();
}

#[test]
fn fifo_drops_what_is_old_but_not_from_an_open_snapshot() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(LogicalClock::at(0));
    let fifo = AnySettings::Fifo(FifoSettings { bytes_max: u64::MAX, ttl_ms: 1000 });
    let db = small(fifo).clock(clock.clone()).open(dir.path()).unwrap();
    for at in 0..100u64 {
        db.put(&key(at), &value(at, 60)).unwrap();
    }
    db.flush().unwrap();
    let snapshot = db.snapshot();
    let expected = pairs(db.iter());
    clock.set(999);
    db.put(b"young", b"1").unwrap();
    db.flush().unwrap();
    db.wait_idle().unwrap();
    assert_eq!(db.iter().count(), 101);
    clock.set(1500);
    db.put(b"youngest", b"1").unwrap();
    db.flush().unwrap();
    db.wait_idle().unwrap();
    assert_eq!(db.iter().count(), 2);
    assert_eq!(pairs(snapshot.iter()), expected);
    drop(snapshot);
    assert_eq!(usage(dir.path())["sst"], db.stats().table_bytes());
}

#[test]
fn writers_stopped_by_full_memtables_go_on_when_a_flush_is_done() {
    let dir = tempfile::tempdir().unwrap();
    let db: Db = small(tiered(2)).memtable_bytes(1024).frozen_memtables_max(1).open(dir.path()).unwrap();
    std::thread::scope(|scope| {
        for writer in 0..4u64 {
            let db = &db;
            scope.spawn(move || {
                for at in 0..300 {
                    db.put(&key(writer * 1000 + at), &value(at, 300)).unwrap();
                }
            });
        }
    });
    assert!(db.stats().stops > 0);
    assert_eq!(db.iter().count(), 1200);
}

#[test]
fn a_phase_of_reads_alone_has_a_strategy_that_learns_from_reads_asked_again() {
    for (strategy, learns) in [(AnySettings::Bandit(BanditSettings::default()), true), (tiered(2), false)] {
        let disk = FailFs::default();
        let db = small(strategy).fs(Arc::new(disk.clone())).open("store").unwrap();
        for at in 0..100u64 {
            db.put(&key(at), &value(at, 50)).unwrap();
        }
        db.flush().unwrap();
        db.wait_idle().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(300));
        // Each decision asks for the room on the disk.
        let decisions = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&decisions);
        disk.fail(move |op, _| {
            counted.fetch_add(u64::from(op == "free_bytes"), Ordering::Relaxed);
            None
        });
        for at in 0..30_000u64 {
            db.get(&key(at % 40)).unwrap();
        }
        let end = std::time::Instant::now() + std::time::Duration::from_secs(30);
        while learns && decisions.load(Ordering::Relaxed) == 0 {
            assert!(std::time::Instant::now() < end, "not asked in half a minute");
            std::thread::yield_now();
        }
        assert!(learns || decisions.load(Ordering::Relaxed) == 0);
    }
}
