//! Stores on a disk that cannot read some of its pages.

use std::sync::Arc;

use crate::common::{FailFs, key, value};
use lsm_std::compaction_core::AnySettings;
use lsm_std::{Options, Repaired, SyncPolicy};

/// A store of 500 keys, in its log or, if `flush`, in a table; repaired with a byte unreadable that is so far from the end of the
/// file. And how many keys are left, and where that byte was.
fn repaired(flush: bool, suffix: &'static str, from_end: usize) -> (Repaired, usize, u64) {
    let disk = FailFs::default();
    let options = || Options::new().sync(SyncPolicy::Never).deterministic(7).fs(Arc::new(disk.clone()));
    let db = options().strategy(AnySettings::Idle).open("store").unwrap();
    for at in 0..500 {
        db.put(&key(at), &value(at, 60)).unwrap();
    }
    if flush {
        db.flush().unwrap();
    }
    disk.kill(db);
    let [path] = &disk.files("store", suffix)[..] else { panic!("not one file") };
    let at = disk.mem.bytes(path).unwrap().len().saturating_sub(from_end) as u64;
    *disk.bad_byte.lock().unwrap() = Some((suffix, at));
    assert!(options().open("store").is_err() || flush);
    let repaired = options().repair("store", "new").unwrap();
    *disk.bad_byte.lock().unwrap() = None;
    let count = options().open("new").unwrap().iter().map(Result::unwrap).count();
    (repaired, count, at)
}

#[test]
fn a_page_of_the_log_that_cannot_be_read_costs_the_batches_in_it_and_no_more() {
    for from_end in [1, 10_000, 30_000, usize::MAX] {
        let (repaired, left, at) = repaired(false, ".log", from_end);
        // 4096 bytes hold 37 batches, and two lie across its ends.
        assert!((461..500).contains(&left), "byte {at}: {left} left, {repaired:?}");
        let [lost] = &repaired.lost[..] else { panic!("{:?}", repaired.lost) };
        assert!(lost.offset <= at && at < lost.offset + lost.bytes && lost.bytes < 4500, "byte {at}: {lost:?}");
        assert!(lost.what.contains("cannot be read"), "{lost:?}");
    }
}

#[test]
fn a_page_of_a_table_that_cannot_be_read_costs_the_blocks_in_it_and_no_more() {
    for from_end in [1, 10_000, usize::MAX] {
        let (repaired, left, _) = repaired(true, ".sst", from_end);
        assert!((350..500).contains(&left), "{from_end} from the end: {left} left, {repaired:?}");
        let lost: u64 = repaired.lost.iter().map(|lost| lost.entries.unwrap_or(0)).sum();
        assert_eq!(lost, 500 - left as u64, "{from_end} from the end: {:?}", repaired.lost);
    }
}
