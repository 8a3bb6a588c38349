//! `lsm compare` on a small trace and on workloads.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::common::{json, lsm, run, said, text, trace};

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
    let report = dir.path().join("report.html");
    let args = ["compare", "--workload", text(&file), "--out", text(&report), "--json"];
    let found = json(&[&args[..], &["--strategies", "lazy,tiered"]].concat());
    assert_eq!(found["strategies"].as_array().map(Vec::len), Some(2));
    fs::write(
        &file,
        format!("{{\"ttl_ms\":1,\"phases\":[{phase}]}}").replace("0.2,\"miss\":0.05", "0.0,\"miss\":0.25"),
    )
    .expect("written");
    let found = json(&args);
    let last = found["strategies"].as_array().and_then(|all| all.last()).expect("a list");
    assert_eq!(last["strategy"], "fifo");
}

/// A workload that takes no time.
fn short_workload(dir: &Path) -> PathBuf {
    let file = dir.join("short.json");
    let phase = r#"{"ops":2000,"keys":500,"mix":{"put":0.8,"get":0.2}}"#;
    fs::write(&file, format!("{{\"phases\":[{phase}]}}")).expect("written");
    file
}

/// The strategies that a command answers about.
fn strategies(args: &[&str]) -> Vec<String> {
    let answer = run(args);
    assert!(answer.status.success(), "{args:?}: {}", said(&answer));
    let lines: Vec<Value> =
        String::from_utf8_lossy(&answer.stdout).lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let all = lines[0]["strategies"].as_array().unwrap_or(&lines);
    all.iter().filter_map(|one| one["strategy"].as_str()).map(str::to_owned).collect()
}

#[test]
fn the_report_is_written_to_the_working_directory_with_json_too() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let file = short_workload(dir.path());
    let args = ["compare", "--workload", text(&file), "--strategy", "tiered", "--json"];
    let output = lsm().args(args).current_dir(dir.path()).output().expect("the tool starts");
    let found: Value = serde_json::from_slice(&output.stdout).expect("one JSON object and nothing else");
    assert_eq!(found["report"], "report.html");
    assert!(fs::read_to_string(dir.path().join("report.html")).expect("written").ends_with("</html>\n"));
}

#[test]
fn strategies_are_given_alike_to_compare_and_to_sim() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (file, report) = (short_workload(dir.path()), dir.path().join("report.html"));
    let (compare, sim) = (["compare", "--json", "--out", text(&report)], ["sim", "--json"]);
    for command in [&compare[..], &sim] {
        for option in ["--strategy", "--strategies"] {
            for words in [&["tiered,leveled"][..], &["tiered", "leveled"], &["tiered", option, "leveled"]] {
                let args = [command, &["--workload", text(&file), option], words].concat();
                assert_eq!(strategies(&args), ["tiered", "leveled"], "{args:?}");
            }
        }
        let ekv = trace("ekv.tsv");
        let behind = [command, &["--strategy", "tiered", "leveled", text(&ekv)]].concat();
        assert_eq!(strategies(&behind), ["tiered", "leveled"], "the trace may stand behind them");
        let none = run(&[command, &["--strategy", "tiered", "/no/such.tsv"]].concat());
        assert_eq!(none.status.code(), Some(2));
        assert!(said(&none).contains("unknown strategy \"/no/such.tsv\": known are tiered, "), "{none:?}");
    }
    let object = r#"{"name":"tiered","runs_max":9}"#;
    let both = format!("{object},lazy");
    assert_eq!(strategies(&[&sim[..], &["--workload", text(&file), "--strategy", &both]].concat()), [object, "lazy"]);
    for bad in [
        &["compare", "--workload", "latest", "--strategy", object][..],
        &["compare", "--workload", "latest", "--strategy", "lazy", text(&file)],
        &["sim", "--what-if", "x", "--strategy", "lazy", text(&file)],
        &["sim", "--strategy", "lazy"],
    ] {
        assert_eq!(run(bad).status.code(), Some(2), "{bad:?}");
    }
}

#[test]
fn without_a_load_the_trace_that_the_tool_brings_along_is_compared() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let report = dir.path().join("report.html");
    let found = json(&["compare", "--strategies", "tiered", "--json", "--sync", "never", "--out", text(&report)]);
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
