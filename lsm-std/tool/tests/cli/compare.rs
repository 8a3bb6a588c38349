//! `lsm compare` on a small trace and on workloads.

use std::fs;

use crate::common::{json, run, said, text, trace};

#[test]
fn a_trace_is_compared_under_four_strategies_and_reported() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (ekv, report) = (trace("ekv.tsv"), dir.path().join("report.html"));
    let found =
        json(&["compare", text(&ekv), "--json", "--out", text(&report), "--tmp", text(dir.path()), "--sync", "never"]);
    let strategies = found["strategies"].as_array().expect("a list");
    let names: Vec<&str> = strategies.iter().filter_map(|one| one["strategy"].as_str()).collect();
    assert_eq!(names, ["tiered", "leveled", "lazy", "bandit"]);
    for one in strategies {
        for field in ["write_amp", "read_amp", "space_amp", "peak_space_amp", "cost"] {
            assert!(one[field].as_f64().is_some_and(|value| value > 0.0), "{field}: {one}");
        }
        assert!(one["counts"]["flushes"].as_u64().is_some_and(|flushes| flushes >= 200), "{one}");
        assert!(one["by_level"].as_array().is_some_and(|levels| !levels.is_empty()));
        assert_eq!(one["counts"]["user_bytes"], strategies[0]["counts"]["user_bytes"], "the same writes for all");
    }
    let html = fs::read_to_string(&report).expect("written");
    assert!(html.contains("ekv.tsv") && html.contains("bandit: bytes by level") && html.ends_with("</html>\n"));
    let left: Vec<_> = fs::read_dir(dir.path()).expect("readable").flatten().map(|entry| entry.file_name()).collect();
    assert_eq!(left, ["report.html"], "the temporary stores are removed");
}

#[test]
fn a_workload_file_is_compared_too_and_fifo_joins_where_entries_expire() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let file = dir.path().join("workload.json");
    let phase = r#"{"ops":3000,"keys":1500,"skew":"latest","mix":{"put":0.7,"get":0.2,"miss":0.05,"scan":0.05}}"#;
    fs::write(&file, format!("{{\"seed\":3,\"phases\":[{phase}]}}")).expect("written");
    let found = json(&["compare", "--workload", text(&file), "--strategies", "lazy,tiered", "--json"]);
    assert_eq!(found["strategies"].as_array().map(Vec::len), Some(2));
    fs::write(
        &file,
        format!("{{\"ttl_ms\":1,\"phases\":[{phase}]}}").replace("0.2,\"miss\":0.05", "0.0,\"miss\":0.25"),
    )
    .expect("written");
    let found = json(&["compare", "--workload", text(&file), "--json"]);
    let last = found["strategies"].as_array().and_then(|all| all.last()).expect("a list");
    assert_eq!(last["strategy"], "fifo");
}

#[test]
fn without_a_load_the_trace_that_the_tool_brings_along_is_compared() {
    let found = json(&["compare", "--strategies", "tiered", "--json", "--sync", "never"]);
    assert_eq!((&found["load"], &found["strategies"][0]["strategy"]), (&"redb.tsv".into(), &"tiered".into()));
    assert!(found["strategies"][0]["counts"]["user_bytes"].as_u64().is_some_and(|bytes| bytes > 123_000_000));
}

#[test]
fn bad_loads_are_refused() {
    assert_eq!(run(&["compare", "a.tsv", "--workload", "latest"]).status.code(), Some(2));
    assert_eq!(run(&["compare", "/no/such.tsv"]).status.code(), Some(1));
    let unknown = run(&["compare", "--workload", "no-such-workload"]);
    assert_eq!(unknown.status.code(), Some(1));
    assert!(
        said(&unknown).contains("no-such-workload: neither a file nor a built-in workload (write-heavy, "),
        "{unknown:?}"
    );
    let nowhere = run(&["compare", "--strategies", "tiered", "--out", "/no/such/report.html"]);
    assert_eq!((nowhere.status.code(), nowhere.stdout.len()), (Some(1), 0), "heard before the work");
    assert!(said(&nowhere).contains("/no/such/report.html"), "{nowhere:?}");
}

#[test]
fn the_prices_of_the_cost_can_be_set() {
    let cost = |prices: &[&str]| {
        let found = json(&[&["sim", "--workload", "balanced", "--strategy", "tiered", "--json"], prices].concat());
        found["cost"].as_f64().expect("a number")
    };
    assert_eq!(cost(&["--prices", "0,0,0,0"]), 0.0);
    assert_eq!(cost(&["--prices", "2,8192,1024,8192"]), 2.0 * cost(&[]));
    for bad in ["1,2,3", "1,2,3,4,5", "1,2,x,4", "1 2 3 4"] {
        assert_eq!(run(&["sim", "--workload", "balanced", "--prices", bad]).status.code(), Some(2), "{bad}");
    }
}

#[test]
fn sizes_that_no_store_takes_are_bad_usage() {
    for command in ["compare", "sim", "replay"] {
        let refused = run(&[command, "--memtable-bytes", "1023"]);
        assert_eq!(refused.status.code(), Some(2), "{command}");
        assert!(said(&refused).contains("1023 is not in 1024..=1099511627776"), "{refused:?}");
    }
}
