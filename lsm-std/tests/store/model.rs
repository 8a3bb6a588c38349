//! The store against a `BTreeMap`: whatever is done to it, it holds what the map holds.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::common::{FailFs, pairs};
use lsm_std::compaction_core::{AnySettings, BanditSettings, FifoSettings, Full, LeveledSettings, TieredSettings};
use lsm_std::{Batch, Db, Options, Snapshot, SyncPolicy};
use proptest::prelude::*;
use proptest::sample::Index;

type Model = BTreeMap<Vec<u8>, Vec<u8>>;

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
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => (any::<u8>(), any::<u16>()).prop_map(|(key, value)| Step::Put(key % 40, value)),
        3 => any::<u8>().prop_map(|key| Step::Delete(key % 40)),
        3 => proptest::collection::vec((0u8..40, proptest::option::of(any::<u16>())), 0..12).prop_map(Step::Batch),
        2 => Just(Step::Flush),
        1 => Just(Step::WaitIdle),
        1 => (any::<bool>(), any::<Index>()).prop_map(|(close, strategy)| Step::Reopen { close, strategy }),
        1 => Just(Step::Snapshot),
        1 => any::<Index>().prop_map(Step::DropSnapshot),
        2 => (0u8..41, 0u8..41, proptest::collection::vec(any::<bool>(), 0..20))
            .prop_map(|(low, high, turns)| Step::Range { low, high, turns }),
        1 => (0u8..5).prop_map(Step::Prefix),
        2 => (0u8..40).prop_map(Step::Get),
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
    vec![key / 10, key]
}

fn value(value: u16) -> Vec<u8> {
    value.to_be_bytes().repeat(usize::from(value % 97))
}

fn open(fs: &FailFs, strategy: AnySettings, threads: bool) -> Db {
    let options = Options::new().strategy(strategy).memtable_bytes(1500).table_bytes(2000).block_bytes(256);
    let options = options.sync(SyncPolicy::Never).cache_bytes(4096).open_files_max(3);
    let options = options.log_segment_bytes(4000).fs(Arc::new(fs.clone()));
    let options = if threads { options.workers(2).frozen_memtables_max(2) } else { options.deterministic(7) };
    options.open("store").unwrap()
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
    for at in 0..40 {
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
            Step::Prefix(prefix) => {
                let expected: Vec<_> = model.clone().into_iter().filter(|(key, _)| key[0] == *prefix).collect();
                assert_eq!(pairs(db.prefix(&[*prefix])), expected);
            }
            Step::Get(at) => {
                assert_eq!(db.get(&key(*at)).unwrap().as_deref(), model.get(&key(*at)).map(Vec::as_slice));
            }
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
