//! Which runs a scan opens.

use std::sync::Arc;

use lsm_std::compaction_core::AnySettings;
use lsm_std::fs::MemFs;
use lsm_std::{Db, Options, SyncPolicy};

use crate::common::{key, pairs, value};

/// One run of several tables for each block of a hundred keys, and a newest one over all of them.
fn store() -> Db {
    let options = Options::new().strategy(AnySettings::Idle).deterministic(1).sync(SyncPolicy::Never);
    let db = options.table_bytes(2000).fs(Arc::new(MemFs::new())).open("store").unwrap();
    for block in 0..10 {
        for at in block * 100..block * 100 + 100 {
            db.put(&key(at), &value(at, 100)).unwrap();
        }
        db.flush().unwrap();
    }
    db
}

fn opened(db: &Db, scan: impl FnOnce() -> usize, keys: usize) -> u64 {
    let before = db.stats().cache.scan_runs;
    assert_eq!(scan(), keys);
    db.stats().cache.scan_runs - before
}

#[test]
fn a_scan_opens_the_runs_that_it_comes_to_and_no_others() {
    let db = store();
    assert_eq!(db.runs().len(), 10);
    assert_eq!(opened(&db, || db.range(key(30)..).take(20).count(), 20), 1);
    assert_eq!(opened(&db, || db.range(key(30)..).take(70).count(), 70), 1, "the last key of the run");
    assert_eq!(opened(&db, || db.range(key(30)..).take(71).count(), 71), 2);
    assert_eq!(opened(&db, || db.range(..key(930)).rev().take(20).count(), 20), 1);
    assert_eq!(opened(&db, || db.range(..key(930)).rev().take(31).count(), 31), 2);
    assert_eq!(opened(&db, || db.range(key(30)..key(30)).count(), 0), 0);
    assert_eq!(opened(&db, || db.iter().count(), 1000), 10);
    let mut both = db.iter();
    let ends = opened(&db, || usize::from(both.next().is_some()) + usize::from(both.next_back().is_some()), 2);
    assert_eq!(ends, 2, "one from each end");
}

#[test]
fn a_scan_reads_the_tables_that_it_comes_to_and_no_others() {
    let db = store();
    let files = || db.stats().cache.files_opened;
    let before = files();
    assert_eq!(db.range(key(30)..).take(5).count(), 5);
    assert!(files() - before <= 2, "{} tables opened for five keys", files() - before);
}

#[test]
fn a_run_above_all_others_hides_what_lies_below_without_being_read_first() {
    let db = store();
    for at in [0, 450, 999] {
        db.delete(&key(at)).unwrap();
    }
    db.put(&key(455), b"new").unwrap();
    db.flush().unwrap();
    let found = pairs(db.range(key(445)..key(460)));
    assert_eq!(found.len(), 14);
    assert!(found.iter().any(|pair| *pair == (key(455), b"new".to_vec())));
    assert_eq!(pairs(db.iter()).len(), 997);
    assert_eq!(pairs(db.iter().rev()).len(), 997);
}
