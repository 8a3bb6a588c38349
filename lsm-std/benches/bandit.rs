//! The bandit in the real store: skewed operations, hot and cold keys side by side, sustained writes; and one decision of it.
//!
//! `cargo bench -p lsm-std --bench bandit`. Each store is opened before the clock starts and dropped after it stops; what is
//! timed are the operations of the name, and for `sustained_writes` also the flushes and merges that they call for.

use std::hint::black_box;
use std::time::Duration;

use compaction_core::sim::{Hot, Mix, Op, Ops, Phase, Skew, Workload};
use compaction_core::{AnySettings, BanditSettings, BanditVec, CompactionStrategy, Event, Moment, Table, VersionVec};
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use lsm_std::{Db, Options, SyncPolicy};
use tempfile::TempDir;

const KEYS: u64 = 10_000;
const VALUE_BYTES: u64 = 100;
const READS_AND_WRITES: Mix = Mix { put: 0.2, delete: 0.0, get: 0.8, miss: 0.0, scan: 0.0 };

fn settings() -> BanditSettings {
    BanditSettings { table_bytes_max: 256 << 10, job_bytes_max: 25 * (256 << 10), ..BanditSettings::default() }
}

/// A store under the bandit that already holds every key.
fn store() -> (Db, TempDir) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let options = Options::new().strategy(AnySettings::Bandit(settings())).sync(SyncPolicy::Never);
    let db = options.memtable_bytes(256 << 10).open(dir.path()).expect("a new store");
    run(&db, &Ops::new(&workload(KEYS, Skew::Sequential, Mix { put: 1.0, ..Mix::default() })).collect::<Vec<_>>());
    db.wait_idle().expect("at rest");
    (db, dir)
}

fn workload(ops: u64, skew: Skew, mix: Mix) -> Workload {
    let phase = Phase { ops, keys: KEYS, skew, read_skew: None, value_bytes: VALUE_BYTES, mix, scan_keys: 0 };
    Workload { seed: 1, ttl_ms: None, phases: vec![phase] }
}

fn run(db: &Db, ops: &[Op]) {
    let value = [7; VALUE_BYTES as usize];
    for op in ops {
        match op {
            Op::Put { key, .. } => db.put(&key.to_be_bytes(), &value).expect("put"),
            Op::Get { key } => assert!(black_box(db.get(&key.to_be_bytes())).expect("get").is_some()),
            other => unreachable!("not in the mix: {other:?}"),
        }
    }
}

/// Times `ops` in a store that holds every key.
fn time(criterion: &mut Criterion, name: &str, ops: &[Op], settle: bool) {
    criterion.bench_function(name, |bencher| {
        let work = |store: (Db, TempDir)| {
            run(&store.0, ops);
            if settle {
                store.0.flush().and_then(|()| store.0.wait_idle()).expect("at rest");
            }
            store
        };
        bencher.iter_batched(store, work, BatchSize::PerIteration);
    });
}

fn zipf(criterion: &mut Criterion) {
    let ops: Vec<_> = Ops::new(&workload(50_000, Skew::Zipf(0.99), READS_AND_WRITES)).collect();
    time(criterion, "bandit/zipf_50000_operations_on_10000_keys", &ops, false);
}

fn hot_and_cold(criterion: &mut Criterion) {
    let hot = Skew::Hot(Hot { share_of_keys: 0.2, share_of_ops: 0.5, at: 0.0 });
    let ops: Vec<_> = Ops::new(&workload(10_000, hot, READS_AND_WRITES)).collect();
    time(criterion, "bandit/10000_operations_half_on_hot_keys", &ops, false);
}

fn sustained_writes(criterion: &mut Criterion) {
    let puts = Mix { put: 1.0, ..Mix::default() };
    let ops: Vec<_> = Ops::new(&workload(20_000, Skew::Uniform, puts)).collect();
    time(criterion, "bandit/20000_sustained_writes_flushed_and_merged", &ops, true);
}

/// One decision alone, over 40 slots of three runs, all of which want a merge.
fn decision(criterion: &mut Criterion) {
    let mut tree = VersionVec::<u64>::default();
    let mut ids = 1..;
    for _ in 0..3 {
        let table = |at: u64| Table::new(ids.next().unwrap_or(0), 256 << 10, at * 10, at * 10 + 9).entries(1);
        tree.push_run(1, (0..160).map(table).collect::<Vec<_>>()).expect("lawful");
    }
    let mut bandit = BanditVec::new(settings(), vec![]).expect("sound");
    bandit.observe(&Event::Flushed { version: tree.view(), now_ms: 0, bytes: 0 });
    let moment = Moment { entropy: 9, ..Moment::default() };
    assert!(bandit.choose(&tree.view(), &moment).choice.job().is_some());
    criterion.bench_function("bandit/one_decision", |bencher| {
        bencher.iter(|| bandit.choose(black_box(&tree.view()), black_box(&moment)));
    });
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20).warm_up_time(Duration::from_millis(500));
    targets = decision, zipf, hot_and_cold, sustained_writes
}
criterion_main!(benches);
