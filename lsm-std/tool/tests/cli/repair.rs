//! `lsm repair`.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::common::{json, lsm, run, said, text, trace};

/// The tables of a store, the largest last.
fn tables(store: &Path) -> Vec<PathBuf> {
    let paths = fs::read_dir(store).expect("readable").map(|entry| entry.expect("readable").path());
    let mut tables: Vec<_> = paths.filter(|path| path.extension().is_some_and(|end| end == "sst")).collect();
    tables.sort_by_key(|path| fs::metadata(path).map_or(0, |file| file.len()));
    tables
}

#[test]
fn a_damaged_store_is_saved_into_a_new_one_and_what_is_lost_is_named() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (ekv, store, saved) = (trace("ekv.tsv"), dir.path().join("store"), dir.path().join("saved"));
    json(&["replay", text(&ekv), "--dir", text(&store), "--memtable-bytes", "65536", "--json"]);
    let before = run(&["scan", "--dir", text(&store), "--keys"]).stdout;
    let whole = json(&["repair", "--dir", text(&store), text(&saved), "--json"]);
    assert_eq!((&whole["manifest_whole"], whole["lost"].as_array().map(Vec::len)), (&true.into(), Some(0)));
    assert_eq!(run(&["scan", "--dir", text(&saved), "--keys"]).stdout, before);

    let table = tables(&store).pop().expect("a table");
    let mut bytes = fs::read(&table).expect("readable");
    bytes[100] ^= 4;
    fs::write(&table, &bytes).expect("written");
    fs::remove_file(store.join("CURRENT")).expect("removed");
    let told = run(&["repair", "--dir", text(&store)]);
    assert!(told.status.success(), "{}", said(&told));
    let told = String::from_utf8(told.stdout).expect("text");
    let name = table.file_name().and_then(|name| name.to_str()).expect("a name");
    assert!(told.contains(name) && told.contains("at byte 0, ") && told.contains(": a checksum"), "{told}");
    assert!(told.contains("CURRENT at byte 0, 0 B, no write: the file is missing"), "{told}");
    let beside = dir.path().join("store.repaired");
    assert_eq!(json(&["verify", "--dir", text(&beside), "--json"])["ok"], true);

    let again = dir.path().join("again");
    let answer = json(&["repair", "--dir", text(&store), text(&again), "--json"]);
    let lost = answer["lost"].as_array().expect("a list").iter().find(|lost| lost["file"] == text(&table));
    let lost = lost.expect("the damaged block");
    assert!(lost["offset"] == 0 && lost["bytes"].as_u64() > Some(100) && lost["min"] != Value::Null, "{lost}");
}

#[test]
fn a_repair_into_a_directory_that_holds_something_is_refused() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let store = dir.path().join("store");
    assert!(run(&["put", "--dir", text(&store), "key", "value"]).status.success());
    let refused = run(&["repair", "--dir", text(&store), text(dir.path())]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(said(&refused).contains("a repair needs an empty directory"), "{}", said(&refused));
    let refused = run(&["repair", "--dir", text(&dir.path().join("none"))]);
    assert_eq!(refused.status.code(), Some(1));
}

#[test]
fn a_store_named_by_a_dot_is_saved_beside_it_not_within() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let store = dir.path().join("store");
    assert!(run(&["put", "--dir", text(&store), "key", "value"]).status.success());
    let told = lsm().args(["repair", "--dir", "."]).current_dir(&store).output().expect("the tool starts");
    assert!(told.status.success(), "{}", said(&told));
    assert!(dir.path().join("store.repaired").is_dir());
    assert!(!store.join("..repaired").exists());
}
