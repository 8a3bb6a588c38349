//! `lsm soak`: the real program, killed.

use crate::common::{json, run, said};

#[test]
fn what_was_acknowledged_survives_sigkill_at_any_moment() {
    let outcome = json(&["soak", "--rounds", "24", "--json"]);
    assert_eq!(outcome["rounds"], 24);
    assert!(outcome["batches"].as_u64() > Some(100), "{outcome}");
}

#[test]
fn a_soak_does_not_touch_a_store_that_is_there() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let dir = dir.path().to_str().expect("UTF-8");
    assert!(run(&["put", "--dir", dir, "key", "value"]).status.success());
    let refused = run(&["soak", "--rounds", "1", "--dir", dir]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(said(&refused).contains("holds a store already"), "{refused:?}");
}
