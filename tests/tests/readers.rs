//! Readers beside writers, flushes and merges: what each of them sees is a state of the store between the last batch that had
//! returned before it looked and the last one that had begun when it was done.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use compaction_core::{AnySettings, LeveledSettings, TieredSettings};
use lsm_std::fs::MemFs;
use lsm_std::{Batch, Db, Options, SyncPolicy};

/// Every batch writes its number to all of a writer's keys, which lie apart from each other.
const KEYS: u64 = 5;
const WRITERS: u64 = 2;
const BATCHES: u64 = 15_000;

/// How far a writer has got.
#[derive(Default)]
struct Progress {
    begun: AtomicU64,
    returned: AtomicU64,
}

fn key(at: u64, writer: u64) -> Vec<u8> {
    vec![at as u8 * 40, writer as u8]
}

fn number(value: &[u8]) -> u64 {
    u64::from_le_bytes(value[..8].try_into().unwrap())
}

fn write(db: &Db, writer: u64, progress: &Progress) {
    for batch_number in 1..=BATCHES {
        let value = [&batch_number.to_le_bytes()[..], &[writer as u8; 40]].concat();
        let mut batch = Batch::new();
        (0..KEYS).for_each(|at| batch.put(&key(at, writer), &value));
        progress.begun.store(batch_number, Ordering::SeqCst);
        db.write(batch).unwrap();
        progress.returned.store(batch_number, Ordering::SeqCst);
        if batch_number % 3000 == 0 {
            db.compact_all().unwrap();
        }
    }
}

/// What a look at a writer's keys may find: called before it, answers with the check to be made after it.
fn look(progress: &Progress) -> impl Fn(&str, u64) + '_ {
    let least = progress.returned.load(Ordering::SeqCst);
    move |what, found| {
        let most = progress.begun.load(Ordering::SeqCst);
        assert!((least..=most).contains(&found), "{what} sees batch {found}, {least} had returned, {most} had begun");
    }
}

/// Single keys, as fast as that goes.
fn get(db: &Db, all: &[Progress], stop: &AtomicBool) -> u64 {
    let mut looks = 0;
    while !stop.load(Ordering::Relaxed) {
        let writer = looks % WRITERS;
        let check = look(&all[writer as usize]);
        check("get", db.get(&key(looks % KEYS, writer)).unwrap().map_or(0, |value| number(&value)));
        looks += 1;
    }
    looks
}

/// All keys, from either end, and a snapshot.
fn scan(db: &Db, all: &[Progress], stop: &AtomicBool) -> u64 {
    let mut looks = 0;
    while !stop.load(Ordering::Relaxed) {
        let checks: Vec<_> = all.iter().map(look).collect();
        let snapshot = db.snapshot();
        let forward = looks % 2 == 0;
        let range = if looks % 3 == 0 { snapshot.iter() } else { db.iter() };
        let mut pairs: Vec<_> = if forward {
            range.map(|pair| pair.unwrap()).map(|(key, value)| (key[1], number(&value))).collect()
        } else {
            range.rev().map(|pair| pair.unwrap()).map(|(key, value)| (key[1], number(&value))).collect()
        };
        pairs.sort_unstable();
        for (writer, check) in (0..WRITERS).zip(checks) {
            let seen: Vec<_> =
                pairs.iter().filter(|(by, _)| u64::from(*by) == writer).map(|(_, found)| *found).collect();
            let first = seen.first().copied().unwrap_or(0);
            check("a scan", first);
            assert!(seen.iter().all(|found| *found == first), "batches in part: {seen:?}");
            assert!(first == 0 || seen.len() as u64 == KEYS, "keys are missing: {seen:?}");
        }
        let seen = || snapshot.get(&key(looks % KEYS, looks % WRITERS)).unwrap().map(|value| number(&value));
        let before = seen();
        thread::yield_now();
        assert_eq!(seen(), before, "a snapshot has changed");
        looks += 1;
    }
    looks
}

#[test]
fn readers_beside_flushes_and_merges_see_whole_batches_and_nothing_old() {
    let small = TieredSettings { min_merge_width: 2, table_bytes_max: 1000, ..Default::default() };
    let leveled = LeveledSettings { l0_runs_max: 2, base_bytes: 3000, fanout: 2, ..Default::default() };
    for strategy in [AnySettings::Tiered(small), AnySettings::Leveled(leveled)] {
        let options = Options::new().strategy(strategy).fs(Arc::new(MemFs::new())).sync(SyncPolicy::Never);
        let db = options.memtable_bytes(2048).frozen_memtables_max(3).cache_bytes(4096).open("store").unwrap();
        let all: Vec<_> = (0..WRITERS).map(|_| Progress::default()).collect();
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            let readers = [scope.spawn(|| get(&db, &all, &stop)), scope.spawn(|| scan(&db, &all, &stop))];
            let writers: Vec<_> = (0..WRITERS)
                .map(|writer| {
                    let (db, progress) = (&db, &all[writer as usize]);
                    scope.spawn(move || write(db, writer, progress))
                })
                .collect();
            let written = writers.into_iter().map(|writer| writer.join()).fold(Ok(()), Result::and);
            stop.store(true, Ordering::Relaxed);
            written.unwrap();
            let looks: u64 = readers.into_iter().map(|reader| reader.join().unwrap()).sum();
            assert!(looks > 100, "{looks} looks");
        });
        assert!(db.stats().flushes > 100, "{:?}", db.stats());
    }
}
