//! `lsm replay` as scripts see it: right answers, resumption after SIGKILL, refusals.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use crate::common::{json, lsm, run, said, text, trace};
use lsm_tool::workload::SplitMix;

const EKV: &str = "c3304f30c39b85487cd437d4f4ebccc93830f9fb73b9ee16592cefaed3954b85";

#[test]
fn ekv_comes_out_right_and_again_without_writing_anything() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (ekv, dir) = (trace("ekv.tsv"), dir.path().join("store"));
    let args = ["replay", text(&ekv), "--dir", text(&dir), "--memtable-bytes", "65536", "--reads", "2", "--json"];
    let first = json(&args);
    assert_eq!((&first["keys"], &first["sha256"]), (&50.into(), &EKV.into()));
    assert_eq!((&first["batches"], &first["resumed_from"]), (&213.into(), &0.into()));
    assert_eq!(first["strategy"], "tiered");
    for amp in ["write_amp", "read_amp", "space_amp"] {
        assert!(first[amp].as_f64().is_some_and(|amp| amp > 0.0), "{amp}: {first}");
    }
    assert_eq!(first["counts"]["gets"].as_u64(), Some(2 * 213), "two reads a batch");
    let again = json(&args);
    assert_eq!((&again["sha256"], &again["resumed_from"]), (&EKV.into(), &213.into()));
    assert_eq!(again["counts"]["user_bytes"], 0);
}

#[test]
fn counts_are_what_the_engine_did_and_nothing_else() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (ekv, dir) = (trace("ekv.tsv"), dir.path().join("store"));
    // With this strategy and so few bytes nothing is merged or dropped: each flush leaves a run of its own.
    let args = ["replay", text(&ekv), "--dir", text(&dir), "--memtable-bytes", "65536", "--strategy", "fifo", "--json"];
    let first = json(&args);
    let counts = |name: &str| first["counts"][name].as_u64().expect("a count");
    let level = &json(&["stats", "--dir", text(&dir), "--json"])["levels"][0];
    assert_eq!(Some(counts("flushes")), level["runs"].as_u64());
    assert!(counts("flushes") > 10, "a flush takes at most 1 MiB of memtables that wait: {first}");
    assert_eq!(Some(counts("flush_bytes")), level["bytes"].as_u64());
    assert_eq!((counts("merge_read_bytes"), counts("merge_written_bytes")), (0, 0));
    assert!(counts("log_bytes") > counts("user_bytes") && counts("user_bytes") > 11_000_000, "{first}");
    assert_eq!(counts("ops"), 213);
    for reads in ["gets", "filters_asked", "get_blocks", "scans", "scan_runs"] {
        assert_eq!(counts(reads), 0, "{reads}");
    }
    let again = json(&args);
    for count in ["ops", "user_bytes", "flushes", "flush_bytes", "gets", "scans"] {
        assert_eq!(again["counts"][count], 0, "{count}");
    }
}

/// Replays with these options, killed up to `kills` times, each after at most `ms` milliseconds and a little more each time, and
/// then to the end: what was in stays in, and the answer is that of the trace's last line. A replay that is done before it was
/// killed even once begins anew in another store, and has half the time.
fn killed(name: &str, options: &[&str], (kills, ms): (u64, u64)) {
    let (trace, mut rng) = (trace(name), SplitMix::new(std::process::id().into()));
    let dir = tempfile::tempdir().expect("a temporary directory");
    for halved in 0.. {
        let store = dir.path().join(halved.to_string());
        let args = [&["replay", text(&trace), "--dir", text(&store), "--json"], options].concat();
        let (killed, batches) = kill_often(&args, &store, kills, |killed| {
            let most = (ms * 1000) >> halved;
            Duration::from_micros(most / 12 + rng.below(most.max(1) + most / 3 * killed))
        });
        if killed > 0 {
            return ends_right(&trace, &args, batches);
        }
    }
}

/// Starts the replay and kills it, up to `kills` times and until a batch is in, or until it is done before that: how often it was
/// killed, and how many batches are in.
fn kill_often(args: &[&str], store: &Path, kills: u64, mut after: impl FnMut(u64) -> Duration) -> (u64, u64) {
    let (mut killed, mut batches) = (0, 0);
    while killed < kills || batches == 0 {
        let mut child = lsm().args(args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
        std::thread::sleep(after(killed));
        child.kill().expect("SIGKILL");
        // Asked while the killed process may still hold the lock.
        let now = batches_in(store);
        assert!(now >= batches, "{args:?}: {now} batches after there were {batches}");
        batches = now;
        if child.wait().expect("it ends").success() {
            break;
        }
        killed += 1;
    }
    (killed, batches)
}

/// The replay goes on behind these batches and ends in the answer of the trace's last line.
fn ends_right(trace: &Path, args: &[&str], batches: u64) {
    let whole = fs::read_to_string(trace).expect("bundled");
    let answer: Vec<&str> = whole.lines().last().expect("a last line").split('\t').collect();
    let done = json(args);
    assert_eq!([done["keys"].to_string().as_str(), done["sha256"].as_str().unwrap_or("")], answer[1..], "{args:?}");
    assert_eq!(done["resumed_from"], batches, "{args:?}");
}

const SMALL: &str = "65536";
const LARGER: &str = "1048576";

#[test]
fn a_replay_killed_at_any_moment_resumes_and_ends_in_the_same_answer() {
    for strategy in ["tiered", "leveled", "lazy", "bandit"] {
        killed("ekv.tsv", &["--memtable-bytes", SMALL, "--strategy", strategy], (5, 60));
    }
}

#[test]
fn a_replay_killed_under_any_sync_policy_loses_nothing_that_was_in() {
    for (strategy, sync) in [("tiered", "always"), ("leveled", "never"), ("bandit", "always"), ("fifo", "interval")] {
        killed("ekv.tsv", &["--memtable-bytes", SMALL, "--strategy", strategy, "--sync", sync], (3, 60));
    }
    killed("ekv.tsv", &["--memtable-bytes", LARGER, "--strategy", "lazy", "--sync", "never"], (3, 60));
}

#[test]
fn longer_replays_with_larger_memtables_are_killed_and_resumed_too() {
    killed("lsm-tree.tsv", &["--memtable-bytes", LARGER, "--strategy", "leveled"], (3, 150));
    killed("lsm-tree.tsv", &["--memtable-bytes", LARGER, "--strategy", "tiered", "--sync", "always"], (3, 150));
    killed("redb.tsv", &["--memtable-bytes", LARGER, "--strategy", "bandit", "--sync", "never"], (4, 500));
}

/// Batches that the store holds, by the marker of the replay.
fn batches_in(dir: &Path) -> u64 {
    let marker = run(&["get", "--dir", text(dir), "--hex", "ff7265706c61792f6261746368"]).stdout;
    marker.first_chunk().map_or(0, |next| u64::from_le_bytes(*next))
}

#[test]
fn what_no_store_takes_is_refused_before_one_is_made() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (file, store) = (dir.path().join("t.tsv"), dir.path().join("store"));
    let blob = "0".repeat(40);
    let put = |path: &[u8], bytes: u64| [b"P\t", path, format!("\t{blob}\t{bytes}\n").as_bytes()].concat();
    let large: Vec<u8> = (0..17u8).flat_map(|at| put(&[b'a' + at], 64 << 20)).collect();
    for (ops, wanted) in [
        (put(b"a", u64::MAX), "a value of 18446744073709551615 bytes"),
        (put(&[b'k'; 65_537], 1), "a path of 65537 bytes"),
        (put(b"\xffreplay/batch", 1), "how far a replay is"),
        (large, "a batch of 1140850705 bytes"),
    ] {
        let text_of = [b"B\t1\nB\t2\n".as_slice(), &ops, b"E\t1\t", "0".repeat(64).as_bytes(), b"\n"].concat();
        fs::write(&file, text_of).expect("written");
        for command in [&["replay", "--dir", text(&store), text(&file)][..], &["compare", "--json", text(&file)]] {
            let refused = run(command);
            assert_eq!(refused.status.code(), Some(1), "{refused:?}");
            assert!(said(&refused).contains(wanted), "{}", said(&refused));
        }
        assert!(!store.exists(), "{wanted}");
    }
    let pipe = run(&["replay", "/dev/null", "--dir", text(&store)]);
    assert!(said(&pipe).contains("must be a regular file") && !store.exists(), "{pipe:?}");
}

#[test]
fn another_trace_and_a_store_that_holds_something_else_are_refused() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (ekv, other, dir) = (trace("ekv.tsv"), trace("lsm-tree.tsv"), dir.path().join("store"));
    json(&["replay", text(&ekv), "--dir", text(&dir), "--json"]);
    let refused = run(&["replay", text(&other), "--dir", text(&dir)]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(said(&refused).contains("another trace"), "{}", said(&refused));
    let foreign = dir.with_file_name("foreign");
    assert!(run(&["put", "--dir", text(&foreign), "key", "value"]).status.success());
    let refused = run(&["replay", text(&ekv), "--dir", text(&foreign)]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(said(&refused).contains("no replay has put there"), "{}", said(&refused));
}

#[test]
fn a_wrong_answer_and_a_malformed_trace_end_with_status_1() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let good = fs::read_to_string(trace("ekv.tsv")).expect("bundled");
    let path = dir.path().join("changed.tsv");
    let store = dir.path().join("store");
    fs::write(&path, good.replace("E\t50\t", "E\t51\t")).expect("written");
    let wrong = run(&["replay", text(&path), "--dir", text(&store), "--json"]);
    assert_eq!(wrong.status.code(), Some(1));
    assert!(
        said(&wrong).contains("read back 50 keys") && said(&wrong).contains("the trace says 51 keys"),
        "{}",
        said(&wrong)
    );
    fs::write(&path, good.replace("\nP\t", "\nQ\t")).expect("written");
    let store = dir.path().join("untouched");
    let malformed = run(&["replay", text(&path), "--dir", text(&store)]);
    assert_eq!(malformed.status.code(), Some(1));
    assert!(said(&malformed).contains("line 2: starts with \"Q\""), "{}", said(&malformed));
    assert!(!store.exists(), "a malformed trace must not leave a store behind");
}

#[test]
fn the_strategy_may_change_between_two_parts_of_a_replay() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (ekv, store) = (trace("ekv.tsv"), dir.path().join("store"));
    let mut child = lsm()
        .args(["replay", text(&ekv), "--dir", text(&store), "--memtable-bytes", "65536", "--strategy", "tiered"])
        .args(["--sync", "always"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    std::thread::sleep(Duration::from_millis(60));
    child.kill().expect("SIGKILL");
    child.wait().expect("it ends");
    for strategy in ["leveled", "bandit", "lazy", "tiered"] {
        let args = ["replay", text(&ekv), "--dir", text(&store), "--memtable-bytes", "65536", "--strategy", strategy];
        let done = json(&[&args[..], &["--json"]].concat());
        assert_eq!(done["sha256"], EKV);
        assert!(done["right"].as_bool().is_some_and(|right| right));
    }
}
