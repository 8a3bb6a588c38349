//! Bugs that published engines have shipped, and what this one does instead.
//!
//! What needs more than one crate, or the whole store, is tested here; where the test stands elsewhere, this table says so.
//!
//! | lesson | where |
//! |---|---|
//! | a pick by size skips an age, deleted keys come back | here; `compaction-core/tests/edits.rs`, `tests/golden/tiered.txt` |
//! | a newer run sinks below older ones | `lsm-std/tests/store/merges.rs`: the newest value wins at any number of flushes |
//! | scans break ties the wrong way | `lsm-std/tests/store/model.rs`; `lsm-std/src/iter/` |
//! | a level that reads never visit | here |
//! | inputs never deleted, or under a reader | `merges.rs`: at rest the directory holds ..; a snapshot and an iterator keep .. |
//! | write amplification that is always 1 | `limits.rs`: write amplification is the bytes of all table files by .. |
//! | only the first log segment replayed; large records; log never reclaimed | `recovery.rs`: the log is replayed over many segments .. |
//! | file numbers restart | `recovery.rs`: numbers of files are never used twice |
//! | after replay every put fails | `recovery.rs`: a store opened with a smaller memtable accepts writes at once |
//! | edits behind a torn manifest record | `lsm-std/src/manifest/tests.rs`: a manifest cut at any byte .. takes new ones |
//! | one compaction, several manifest records | `lsm-std/src/manifest/tests.rs`: a manifest cut at any byte holds the edits before |
//! | a frozen memtable cannot be read | `merges.rs`: readers see every write while memtables freeze, flush and merge |
//! | level targets that wrap | `compaction-core/tests/leveled.rs` with extreme sizes; overflow checks are on in release builds |
//! | `now - ttl` wraps | `compaction-core/tests/fifo.rs`: clocks that start at 0 or step back |
//! | a bandit that never learns | `compaction-core/tests/bandit.rs` |
//! | a cache that is not told of writes | here |
//! | tombstones purged never, or too early | here; `merges.rs`: a full merge leaves one version of each key and no tombstone |
//! | a cache hit rate from reading each key in a row | here |
//! | a failed sync is retried | `recovery.rs`: after a failed sync the store is read-only and says why |
//! | settings that deadlock or panic | `limits.rs`: writers go on however low the limits; `compaction-core/tests/config.rs` |
//! | tests that cannot fail | a rule for all of them: each was seen to fail |
//! | a benchmark that gives one side an advantage | `tests/peers`: one harness, same durability, cached statements, engines by turns in both orders |
//! | a picker cubic in tables | `limits.rs`: a decision compares few keys; `compaction-core/benches/decide.rs` |
//! | one job pulls in everything | `compaction-core/tests/leveled_cases.rs`: a job above the cap is the smallest and runs alone |

use std::sync::Arc;

use lsm_std::compaction_core::{AnySettings, Full, LeveledSettings, TieredSettings};
use lsm_std::fs::MemFs;
use lsm_std::{Db, Options, SyncPolicy};
use tempfile::{TempDir, tempdir};

fn open(strategy: AnySettings, change: impl FnOnce(Options) -> Options) -> (Db, TempDir) {
    let dir = tempdir().unwrap();
    let options = Options::new().strategy(strategy).memtable_bytes(4096).sync(SyncPolicy::Never).deterministic(1);
    (change(options).open(dir.path()).unwrap(), dir)
}

fn key(at: u64) -> [u8; 8] {
    at.to_be_bytes()
}

fn tombstones(db: &Db) -> u64 {
    db.stats().levels.iter().map(|level| level.tombstones).sum()
}

/// What three runs say of one key, oldest first.
const HISTORIES: [([Option<bool>; 3], Option<&str>); 3] = [
    ([Some(true), Some(true), None], Some("1")),
    ([Some(true), Some(true), Some(false)], None),
    ([Some(true), Some(false), None], None),
];

/// Three runs, of which one pair is merged, then all: at each step the first hit is the truth, and at the end no tombstone is
/// left.
#[test]
fn no_merge_of_neighbours_brings_an_older_version_back() {
    let pairs =
        TieredSettings { min_merge_width: 2, max_merge_width: 2, max_space_amp_pct: u64::MAX, ..Default::default() };
    for (history, truth) in HISTORIES {
        for strategy in
            [AnySettings::Idle, AnySettings::Tiered(pairs), AnySettings::Full(Full { table_bytes_max: 4096 })]
        {
            let (db, dir) = open(strategy, |options| options);
            for (round, write) in history.into_iter().enumerate() {
                match write {
                    Some(true) => db.put(b"key", round.to_string().as_bytes()).unwrap(),
                    Some(false) => db.delete(b"key").unwrap(),
                    None => {}
                }
                db.put(&key(round as u64), b"padding").unwrap();
                db.flush().unwrap();
                let so_far =
                    history[..=round].iter().rposition(Option::is_some).filter(|at| history[*at] == Some(true));
                let expected = so_far.map(|at| at.to_string());
                assert_eq!(db.get(b"key").unwrap().as_deref(), expected.as_deref().map(str::as_bytes), "{history:?}");
            }
            db.wait_idle().unwrap();
            assert_eq!(db.get(b"key").unwrap().as_deref(), truth.map(str::as_bytes), "{history:?} at rest");
            db.close().unwrap();
            let full = AnySettings::Full(Full { table_bytes_max: 4096 });
            let db = Options::new().strategy(full).open(dir.path()).unwrap();
            db.wait_idle().unwrap();
            assert_eq!(db.get(b"key").unwrap().as_deref(), truth.map(str::as_bytes), "{history:?} merged into one");
            assert_eq!(db.iter().count(), 3 + usize::from(truth.is_some()));
            assert_eq!(tombstones(&db), 0, "{history:?}");
        }
    }
}

#[test]
fn every_level_that_is_written_is_read_whatever_their_number() {
    for levels_max in 2..=9 {
        for dynamic in [false, true] {
            let settings = LeveledSettings {
                levels_max,
                dynamic,
                fanout: 2,
                base_bytes: 8192,
                table_bytes_max: 4096,
                l0_runs_max: 2,
                ..Default::default()
            };
            let memory = Arc::new(MemFs::new());
            let (db, _dir) = open(AnySettings::Leveled(settings), |options| options.table_bytes(4096).fs(memory));
            for at in 0..3000u64 {
                db.put(&key(at * 7919 % 1500), &at.to_be_bytes().repeat(4)).unwrap();
            }
            db.flush().unwrap();
            db.wait_idle().unwrap();
            for at in 1500..3000u64 {
                let found = db.get(&key(at * 7919 % 1500)).unwrap();
                assert_eq!(found.as_deref(), Some(at.to_be_bytes().repeat(4).as_slice()), "{levels_max} levels");
            }
            assert_eq!(db.iter().count(), 1500);
            let deepest = db.stats().levels.iter().map(|level| level.level).max().unwrap();
            assert!(deepest > 0 && u64::from(deepest) < u64::from(levels_max), "{deepest} of {levels_max}");
        }
    }
}

#[test]
fn reads_are_the_same_with_and_without_a_cache() {
    let leveled = AnySettings::Leveled(LeveledSettings {
        base_bytes: 16384,
        fanout: 4,
        table_bytes_max: 4096,
        l0_runs_max: 2,
        ..Default::default()
    });
    let (cached, _one) = open(leveled, |options| options.cache_bytes(1 << 20));
    let (plain, _two) = open(leveled, |options| options.cache_bytes(0));
    for at in 0..4000u64 {
        let (slot, value) = (at * 31 % 97, at.to_be_bytes());
        for db in [&cached, &plain] {
            if at % 5 == 4 { db.delete(&key(slot)).unwrap() } else { db.put(&key(slot), &value).unwrap() }
        }
        let read = key(at * 17 % 97);
        assert_eq!(cached.get(&read).unwrap(), plain.get(&read).unwrap(), "write {at}");
        assert_eq!(cached.get(&key(slot)).unwrap().is_some(), at % 5 != 4, "a write is seen at once");
    }
    assert!(cached.stats().cache.hits > 0);
    assert_eq!(plain.stats().cache.hits, 0);
}

/// Keys a block or more apart, each read once: nothing can have been there before.
#[test]
fn keys_that_are_read_once_never_hit_the_cache() {
    let (db, _dir) = open(AnySettings::Idle, |options| options.memtable_bytes(1 << 20).cache_bytes(64 << 20));
    for at in 0..200u64 {
        db.put(&key(at), &[7; 5000]).unwrap();
    }
    db.flush().unwrap();
    let before = db.stats().cache;
    for at in 0..200u64 {
        assert!(db.get(&key(at)).unwrap().is_some());
    }
    let after = db.stats().cache;
    assert_eq!(after.hits - before.hits, 0);
    assert!(after.misses - before.misses >= 200);
}

#[test]
fn a_merge_above_older_data_keeps_its_tombstones_until_the_bottom() {
    let pairs = TieredSettings {
        min_merge_width: 2,
        max_merge_width: 2,
        max_space_amp_pct: u64::MAX,
        size_ratio_ppm: 100_000,
        ..Default::default()
    };
    let (db, dir) = open(AnySettings::Tiered(pairs), |options| options.memtable_bytes(1 << 20));
    for at in 0..400u64 {
        db.put(&key(at), &[1; 100]).unwrap();
    }
    db.flush().unwrap();
    for half in [0..10u64, 10..20] {
        for at in half {
            db.delete(&key(at)).unwrap();
        }
        db.flush().unwrap();
    }
    db.wait_idle().unwrap();
    assert_eq!(db.stats().levels.iter().map(|level| level.runs).sum::<usize>(), 2, "the two small runs were merged");
    assert_eq!(tombstones(&db), 20, "and their tombstones still hide the large one's keys");
    assert_eq!(db.iter().count(), 380);
    db.close().unwrap();
    let db = Options::new().strategy(AnySettings::Full(Full { table_bytes_max: 1 << 20 })).open(dir.path()).unwrap();
    db.wait_idle().unwrap();
    assert_eq!((tombstones(&db), db.iter().count()), (0, 380));
}
