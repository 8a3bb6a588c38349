//! The store against a `BTreeMap`: whatever is done to it, it holds what the map holds.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::common::{FailFs, pairs};
use lsm_std::compaction_core::{AnySettings, BanditSettings, FifoSettings, Full, LeveledSettings, TieredSettings};
use lsm_std::{Batch, Db, Options, Snapshot, SyncPolicy};
use proptest::prelude::*;
use proptest::sample::Index;

type Model = BTreeMap<Vec<u8>, Vec<u8>>;

/// So many keys; the last is the empty one.
const KEYS: u8 = 41;

#[derive(Clone, Debug)]
enum Step {
    Put(u8, u16),
    Delete(u8),
    Batch(Vec<(u8, Option<u16>)>),
    Flush,
    WaitIdle,
    /// Close or kill, then open with another strategy.
    Reopen {
        close: bool,
        strategy: Index,
    },
    Snapshot,
    DropSnapshot(Index),
    Range {
        low: u8,
        high: u8,
        turns: Vec<bool>,
    },
    Prefix(u8),
    Get(u8),
    CompactRange(u8, u8),
    /// A copy, which is opened and looked at.
    Checkpoint,
    Verify,
    Sync,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => (any::<u8>(), any::<u16>()).prop_map(|(key, value)| Step::Put(key % KEYS, value)),
        3 => any::<u8>().prop_map(|key| Step::Delete(key % KEYS)),
        3 => proptest::collection::vec((0..KEYS, proptest::option::of(any::<u16>())), 0..12).prop_map(Step::Batch),
        2 => Just(Step::Flush),
        1 => Just(Step::WaitIdle),
        1 => (any::<bool>(), any::<Index>()).prop_map(|(close, strategy)| Step::Reopen { close, strategy }),
        1 => Just(Step::Snapshot),
        1 => any::<Index>().prop_map(Step::DropSnapshot),
        2 => (0u8..41, 0u8..41, proptest::collection::vec(any::<bool>(), 0..20))
            .prop_map(|(low, high, turns)| Step::Range { low, high, turns }),
        1 => (0u8..5).prop_map(Step::Prefix),
        2 => (0..KEYS).prop_map(Step::Get),
        1 => (0..KEYS, 0..KEYS).prop_map(|(low, high)| Step::CompactRange(low, high)),
        1 => Just(Step::Checkpoint),
        1 => Just(Step::Verify),
        1 => Just(Step::Sync),
    ];
    proptest::collection::vec(step, 1..60)
}

fn strategies() -> Vec<AnySettings> {
    vec![
        AnySettings::Tiered(TieredSettings { min_merge_width: 2, ..Default::default() }),
        AnySettings::Tiered(TieredSettings { table_bytes_max: 1024, ..Default::default() }),
        AnySettings::Leveled(LeveledSettings {
            l0_runs_max: 2,
            base_bytes: 3000,
            fanout: 2,
            table_bytes_max: 900,
            ..Default::default()
        }),
        AnySettings::Lazy(LeveledSettings {
            base_bytes: 3000,
            fanout: 3,
            table_bytes_max: 900,
            ..LeveledSettings::lazy()
        }),
        AnySettings::Bandit(BanditSettings {
            l0_runs_max: 2,
            table_bytes_max: 900,
            slots_max: 4,
            ..Default::default()
        }),
        AnySettings::Fifo(FifoSettings { bytes_max: u64::MAX, ..Default::default() }),
        AnySettings::Idle,
        AnySettings::Full(Full { table_bytes_max: 700 }),
    ]
}

fn key(key: u8) -> Vec<u8> {
    if key + 1 == KEYS { Vec::new() } else { vec![key / 10, key] }
}

fn value(value: u16) -> Vec<u8> {
    value.to_be_bytes().repeat(usize::from(value % 97))
}

fn open(fs: &FailFs, strategy: AnySettings, threads: bool) -> Db {
    options(fs, strategy, threads).open("store").unwrap()
}

fn options(fs: &FailFs, strategy: AnySettings, threads: bool) -> Options {
    let options = Options::new().strategy(strategy).memtable_bytes(1500).table_bytes(2000).block_bytes(256);
    let options = options.sync(SyncPolicy::Never).cache_bytes(4096).open_files_max(3);
    let options = options.log_segment_bytes(4000).fs(Arc::new(fs.clone()));
    if threads { options.workers(2).frozen_memtables_max(2) } else { options.deterministic(7) }
}

/// Everything that starts with `prefix`, and everything up to it, both ways, now and in each snapshot.
fn check_prefix(db: &Db, model: &Model, snapshots: &[(Snapshot, Model)], prefix: &[u8]) {
    let among = |model: &Model, wanted: &dyn Fn(&[u8]) -> bool| -> Vec<_> {
        model.clone().into_iter().filter(|(key, _)| wanted(key)).collect()
    };
    let begins = |key: &[u8]| key.starts_with(prefix);
    let reversed = |mut pairs: Vec<_>| {
        pairs.reverse();
        pairs
    };
    assert_eq!(pairs(db.prefix(prefix)), among(model, &begins));
    assert_eq!(reversed(pairs(db.prefix(prefix).rev())), among(model, &begins));
    assert_eq!(reversed(pairs(db.range(..=prefix).rev())), among(model, &|key| key <= prefix));
    assert_eq!(pairs(db.range(prefix..)), among(model, &|key| key >= prefix));
    for (snapshot, model) in snapshots {
        assert_eq!(pairs(snapshot.prefix(prefix)), among(model, &begins));
        assert_eq!(reversed(pairs(snapshot.prefix(prefix).rev())), among(model, &begins));
        assert_eq!(reversed(pairs(snapshot.range(prefix..).rev())), among(model, &|key| key >= prefix));
    }
}

fn check_all(db: &Db, model: &Model, snapshots: &[(Snapshot, Model)]) {
    let expected: Vec<_> = model.clone().into_iter().collect();
    assert_eq!(pairs(db.iter()), expected, "forward");
    assert_eq!(pairs(db.iter().rev()), expected.into_iter().rev().collect::<Vec<_>>(), "backward");
    for (snapshot, model) in snapshots {
        assert_eq!(
            pairs(snapshot.iter()),
            model.clone().into_iter().collect::<Vec<_>>(),
            "snapshot {}",
            snapshot.seqno()
        );
    }
    for at in 0..KEYS {
        let key = key(at);
        assert_eq!(db.get(&key).unwrap().as_deref(), model.get(&key).map(Vec::as_slice), "key {at}");
        for (snapshot, model) in snapshots {
            assert_eq!(snapshot.get(&key).unwrap().as_deref(), model.get(&key).map(Vec::as_slice), "key {at}");
        }
    }
}

/// A batch of these writes, which the model makes too.
fn batch(writes: &[(u8, Option<u16>)], model: &mut Model) -> Batch {
    let mut batch = Batch::new();
    for (at, to) in writes {
        match to {
            Some(to) => {
                batch.put(&key(*at), &value(*to));
                model.insert(key(*at), value(*to));
            }
            None => {
                batch.delete(&key(*at));
                model.remove(&key(*at));
            }
        }
    }
    batch
}

fn run(steps: &[Step], threads: bool) {
    let fs = FailFs::default();
    let mut db = open(&fs, strategies()[0], threads);
    let (mut model, mut snapshots) = (Model::new(), Vec::new());
    for step in steps {
        match step {
            Step::Put(at, to) => {
                db.put(&key(*at), &value(*to)).unwrap();
                model.insert(key(*at), value(*to));
            }
            Step::Delete(at) => {
                db.delete(&key(*at)).unwrap();
                model.remove(&key(*at));
            }
            Step::Batch(writes) => {
                db.write(batch(writes, &mut model)).unwrap();
            }
            Step::Flush => db.flush().unwrap(),
            Step::WaitIdle => db.wait_idle().unwrap(),
            Step::Reopen { close, strategy } => {
                snapshots.clear();
                if *close {
                    db.close().unwrap();
                } else {
                    fs.kill(db);
                }
                db = open(&fs, *strategy.get(&strategies()), threads);
                check_all(&db, &model, &[]);
            }
            Step::Snapshot => snapshots.push((db.snapshot(), model.clone())),
            Step::DropSnapshot(at) if !snapshots.is_empty() => drop(snapshots.swap_remove(at.index(snapshots.len()))),
            Step::DropSnapshot(_) => {}
            Step::Range { low, high, turns } => {
                let (low, high) = (key(*low), key(*high));
                let mut found = db.range(low.as_slice()..high.as_slice());
                let mut expected: Vec<_> = model.iter().filter(|(key, _)| **key >= low && **key < high).collect();
                for front in turns {
                    let found = if *front { found.next() } else { found.next_back() };
                    let expected = match expected.is_empty() {
                        true => None,
                        false if *front => Some(expected.remove(0)),
                        false => expected.pop(),
                    };
                    let found = found.map(|pair| pair.map(|(key, value)| (key.to_vec(), value.to_vec())).unwrap());
                    assert_eq!(found, expected.map(|(key, value)| (key.clone(), value.clone())));
                }
            }
            Step::Prefix(prefix) => check_prefix(&db, &model, &snapshots, &[*prefix]),
            Step::Get(at) => {
                assert_eq!(db.get(&key(*at)).unwrap().as_deref(), model.get(&key(*at)).map(Vec::as_slice));
            }
            Step::CompactRange(low, high) => db.compact_range(key(*low)..=key(*high)).unwrap(),
            Step::Checkpoint => {
                let copy = format!("copy-{}", fs.files("", "").len());
                db.checkpoint(&copy).unwrap();
                check_all(&options(&fs, strategies()[0], threads).open(copy).unwrap(), &model, &[]);
            }
            Step::Verify => drop(db.verify().unwrap()),
            Step::Sync => db.sync().unwrap(),
        }
    }
    check_all(&db, &model, &snapshots);
    db.flush().unwrap();
    db.wait_idle().unwrap();
    check_all(&db, &model, &snapshots);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn the_store_holds_what_the_map_holds_with_work_done_inline(steps in steps()) {
        run(&steps, false);
    }

    #[test]
    fn the_store_holds_what_the_map_holds_with_threads(steps in steps()) {
        run(&steps, true);
    }
}
