//! Power cuts at every moment: what was not synced is lost, in part or as a whole, and the store must still be a prefix of what
//! was written.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use lsm_std::compaction_core::{AnySettings, BanditSettings, LeveledSettings, TieredSettings};
use lsm_std::{Batch, Db, Options, Result, SyncPolicy};

use crate::common::{key, pairs, value};
use crate::power_fs::PowerFs;

/// Batch `at` of every run: three keys, one of them unique to the last few batches.
fn batch(at: u64) -> Batch {
    let mut batch = Batch::new();
    batch.put(b"at", at.to_string().as_bytes());
    batch.put(&key(at * 7919 % 37), &value(at, 60 + (at % 5) as usize * 100));
    batch.delete(&key(at * 31 % 37));
    batch
}

fn model(batches: u64) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut model = BTreeMap::new();
    for at in 1..=batches {
        model.insert(b"at".to_vec(), at.to_string().into_bytes());
        model.insert(key(at * 7919 % 37), value(at, 60 + (at % 5) as usize * 100));
        model.remove(&key(at * 31 % 37));
    }
    model
}

fn strategy(seed: u64) -> AnySettings {
    let leveled = LeveledSettings { base_bytes: 4096, fanout: 3, table_bytes_max: 1500, ..Default::default() };
    match seed % 4 {
        0 => AnySettings::Tiered(TieredSettings { min_merge_width: 2, table_bytes_max: 1500, ..Default::default() }),
        1 => AnySettings::Leveled(leveled),
        2 => AnySettings::Bandit(BanditSettings { l0_runs_max: 2, table_bytes_max: 1500, ..Default::default() }),
        _ => AnySettings::Idle,
    }
}

/// Several lives of one store, each ended by a power cut. Says how many files were used again.
fn lives(seed: u64, sync: SyncPolicy, threads: bool) -> u64 {
    let mut x = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut random = move |below: u64| {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        (x >> 11) % below
    };
    let fs = PowerFs::default();
    let open = || -> Result<Db> {
        let options = Options::new().strategy(strategy(seed)).sync(sync).memtable_bytes(1200).table_bytes(1500);
        let options = options.frozen_memtables_max(3).log_segment_bytes(seed % 3 * 2500).fs(Arc::new(fs.clone()));
        let options = options.unsettled_bytes_max(seed % 5 * 4000);
        let options = if threads { options } else { options.deterministic(seed) };
        options.open("store")
    };
    let (mut acknowledged, mut lower) = (0, 0);
    for life in 0..6 {
        fs.disk().calls_left = 20 + random(900);
        let mut next = acknowledged;
        if let Ok(db) = open() {
            let found = db.get(b"at").unwrap().map_or(0, |at| String::from_utf8_lossy(&at).parse().unwrap());
            let context =
                format!("seed {seed} life {life} {sync:?}: {found} batches of {acknowledged}, {lower} durable");
            assert!(found >= lower && found <= acknowledged + 1, "{context}");
            let expected: Vec<_> = model(found).into_iter().collect();
            assert_eq!(pairs(db.iter()), expected, "{context}");
            (acknowledged, next) = (found, found);
            for _ in 0..random(200) {
                next += 1;
                if db.write(batch(next)).is_err() {
                    break;
                }
                acknowledged = next;
                let durable = match random(100) {
                    0 => db.flush().is_ok(),
                    1 => db.sync().is_ok(),
                    _ => false,
                };
                if durable {
                    lower = next;
                }
            }
            if random(2) == 0 {
                fs.disk().calls_left = 0;
            }
            drop(db);
        }
        if sync == SyncPolicy::Always {
            lower = acknowledged;
        }
        // The batch that failed may have reached the log.
        acknowledged = acknowledged.max(next.saturating_sub(1));
        let mut disk = fs.disk();
        disk.calls_left = u64::MAX;
        disk.cut(&mut random);
    }
    let db = open().unwrap();
    db.compact_all().unwrap();
    let found = db.get(b"at").unwrap().map_or(0, |at| String::from_utf8_lossy(&at).parse().unwrap());
    assert!(found >= lower, "seed {seed}");
    assert_eq!(pairs(db.iter()), model(found).into_iter().collect::<Vec<_>>(), "seed {seed}");
    db.verify().unwrap();
    fs.disk().reused
}

#[test]
fn a_power_cut_takes_nothing_that_was_acknowledged_under_sync_always() {
    let reused: u64 = (0..24).map(|seed| lives(seed, SyncPolicy::Always, false)).sum();
    assert!(reused > 100, "{reused} files were used again");
}

#[test]
fn a_power_cut_leaves_a_prefix_of_the_batches_under_sync_never() {
    for seed in 0..24 {
        lives(seed, SyncPolicy::Never, false);
    }
}

#[test]
fn a_power_cut_with_threads_at_work_leaves_a_prefix_too() {
    for seed in 0..15 {
        let policies = [SyncPolicy::Always, SyncPolicy::Interval(Duration::from_millis(1)), SyncPolicy::Never];
        lives(seed, policies[seed as usize % 3], true);
    }
}
