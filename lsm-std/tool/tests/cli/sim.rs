//! `lsm sim`, and the simulator against the engine.

use std::fs;

use compaction_core::sim::{KeyName, Simulation, SplitMix, StoreSettings, Workload};
use compaction_core::{AnySettings, Idle, LeveledSettings};
use lsm_std::{Db, Options, SyncPolicy};
use lsm_tool::compare::Source;
use lsm_tool::sim::check;
use lsm_tool::strategies::Strategy;
use lsm_tool::workload::{key_bytes, named, parse, value_bytes};

use crate::common::{json, run, said, text, trace};

/// One store that never merges, and its twin without bytes.
struct Twins {
    real: Db,
    simulated: Simulation<Idle>,
    written: u64,
}

impl Twins {
    fn new(dir: &std::path::Path, memtable_bytes: u64) -> Self {
        let options = Options::new().deterministic(1).strategy(AnySettings::Idle).sync(SyncPolicy::Never);
        let real = options.memtable_bytes(memtable_bytes).table_bytes(1 << 20).open(dir).expect("a new store");
        let store = StoreSettings { memtable_bytes, table_bytes: 1 << 20, ..StoreSettings::default() };
        Self { real, simulated: Simulation::new(Idle, &store, 1), written: 0 }
    }

    fn put(&mut self, key: u64, length: u64) {
        let mut value = Vec::new();
        self.written += 1;
        value_bytes(self.written, length, &mut value);
        self.real.put(&key_bytes(key), &value).expect("written");
        self.simulated.put(key as u32, length as u32).expect("simulated");
    }

    fn delete(&mut self, key: u64) {
        self.real.delete(&key_bytes(key)).expect("written");
        self.simulated.delete(key as u32).expect("simulated");
    }

    /// Bytes of tables: simulated, real.
    fn finish(self) -> (u64, u64) {
        self.real.flush().expect("flushed");
        let real = self.real.stats().table_bytes();
        (self.simulated.finish().expect("at rest").counts().flush_bytes, real)
    }
}

#[test]
fn a_simulated_table_is_as_long_as_a_real_one() {
    let mut rng = SplitMix::new(3);
    for (keys, length, deletes) in [
        (1u64 << 26, 100, 0),
        (30_000, 100, 0),
        (30_000, 100, 3),
        (1_000_000, 20, 0),
        (5_000, 900, 5),
        (5_000, 5_000, 0),
        (1_000_000, 8, 2),
        (0, 100, 5),
        (0, 12, 0),
        (7_000, 12, 1),
    ] {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let mut twins = Twins::new(dir.path(), 256 << 10);
        for at in 0..15_000 {
            // Without a number of keys: in order, stretches of a thousand deletes in between.
            let (key, kind) = if keys == 0 { (at, at / 1_000) } else { (rng.below(keys), at) };
            if deletes > 0 && kind % 10 < deletes { twins.delete(key) } else { twins.put(key, length) }
        }
        let (simulated, real) = twins.finish();
        // What packs is known only about; else the numbers of files differ, by a byte a table.
        let near = if keys == 0 { real * 3 / 100 } else { 16 };
        assert!(
            simulated.abs_diff(real) < near,
            "{keys} keys, values of {length} B: {simulated} B simulated, {real} B real"
        );
    }
}

#[test]
fn keys_of_many_lengths_take_what_they_take_in_a_real_table() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut twins = Twins::new(dir.path(), 32 << 10);
    let folders = ["a", "benches", "docs/en/reference", "src", "src/backends", "tests/data/long/way/down"];
    let mut keys: Vec<String> =
        (0..600).map(|at| format!("{}/{}{at}.rs", folders[at % 6], "part".repeat(at % 4))).collect();
    keys.sort();
    let shared = |at: usize| {
        let before = at.checked_sub(1).map_or("", |before| &keys[before]);
        before.bytes().zip(keys[at].bytes()).take_while(|(a, b)| a == b).count()
    };
    let name = |at: usize| KeyName { bytes: keys[at].len() as u32, shared: shared(at) as u32 };
    twins.simulated.name_keys((0..keys.len()).map(name).collect());
    let (mut rng, mut value) = (SplitMix::new(5), Vec::new());
    for _ in 0..4_000 {
        let (at, length) = (rng.below(600) as usize, 40 + rng.below(3_000));
        let is_gone = rng.below(20) == 0;
        twins.written += 1;
        value_bytes(twins.written, length, &mut value);
        if is_gone {
            twins.real.delete(keys[at].as_bytes()).expect("written");
        } else {
            twins.real.put(keys[at].as_bytes(), &value).expect("written");
        }
        twins.simulated.write(&[(at as u32, (!is_gone).then_some(length as u32))]).expect("simulated");
    }
    let (simulated, real) = twins.finish();
    assert!(simulated.abs_diff(real) < 16, "{simulated} B simulated, {real} B real");
}

/// A built-in workload with a part of its operations and keys.
fn small(name: &str, part: u64, seed: u64) -> Source {
    let mut workload = Workload { seed, ..named(name).expect("built in") };
    for phase in &mut workload.phases {
        (phase.ops, phase.keys) = (phase.ops / part, phase.keys / part);
    }
    Source::Workload { name: name.to_owned(), workload }
}

#[test]
fn write_and_space_amplification_are_those_of_the_engine() {
    for name in ["write-heavy", "balanced", "scan-heavy", "latest", "deletes", "hot-moves"] {
        for strategy in [Strategy::Tiered, Strategy::Leveled, Strategy::Lazy] {
            let checked = check(&small(name, 8, 1), strategy, None, None).expect("both run");
            assert!(checked.error() <= 0.01, "{checked:?}");
        }
        for (part, seed) in [(8, 1), (5, 2), (5, 3)] {
            let checked = check(&small(name, part, seed), Strategy::Bandit, None, None).expect("both run");
            assert!(checked.error() <= 0.01, "{checked:?}");
        }
    }
    // At its full size too: there one close decision used to lead the two apart.
    let whole = check(&small("hot-moves", 1, 1), Strategy::Bandit, None, None).expect("both run");
    assert!(whole.error() <= 0.01, "{whole:?}");
    let fifo = check(&small("expiring", 8, 1), Strategy::Fifo, None, None).expect("both run");
    assert!(fifo.error() <= 0.01, "{fifo:?}");
}

#[test]
fn reads_elsewhere_than_writes_and_long_stretches_of_reads_are_as_in_the_engine() {
    let text = r#"{"phases":[{"ops":6000,"keys":6000,"skew":"scattered","mix":{"put":1}},
        {"ops":20000,"keys":6000,"skew":{"series":5},"read_skew":{"hot":{"share_of_keys":0.2,"share_of_ops":0.9}},
         "mix":{"put":0.5,"get":0.3,"scan":0.2}},
        {"ops":60000,"keys":6000,"skew":{"zipf":0.8},"mix":{"get":0.9,"scan":0.1}}]}"#;
    let source = Source::Workload { name: "split".to_owned(), workload: parse(text).expect("sound") };
    for strategy in [Strategy::Leveled, Strategy::Bandit] {
        let checked = check(&source, strategy, None, None).expect("both run");
        let (simulated, counted) = checked.cost;
        assert!(checked.error() <= 0.05 && (simulated / counted - 1.0).abs() <= 0.02, "{checked:?}");
    }
}

#[test]
fn a_trace_is_simulated_as_the_engine_replays_it() {
    let ekv = Source::trace(&trace("ekv.tsv")).expect("whole");
    for strategy in [Strategy::Tiered, Strategy::Leveled, Strategy::Lazy, Strategy::Bandit] {
        let checked = check(&ekv, strategy, None, None).expect("both run");
        assert!(checked.error() <= 0.05, "{checked:?}");
    }
    let lines = run(&["sim", text(&trace("ekv.tsv")), "--json"]).stdout;
    assert_eq!(String::from_utf8_lossy(&lines).lines().count(), 4);
}

#[test]
fn a_simulation_prints_one_object_a_strategy_the_same_each_time() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let file = dir.path().join("workload.json");
    let phase = r#"{"ops":30000,"keys":5000,"skew":{"zipf":0.9},"mix":{"put":0.7,"get":0.2,"miss":0.05,"scan":0.05}}"#;
    fs::write(&file, format!("{{\"phases\":[{phase}]}}")).expect("written");
    let args = ["sim", "--workload", text(&file), "--strategy", "leveled", "--json", "--over-time"];
    let found = json(&args);
    for field in ["write_amp", "read_amp", "space_amp", "peak_space_amp", "cost"] {
        assert!(found[field].as_f64().is_some_and(|value| value > 0.0), "{field}: {found}");
    }
    assert!(found["by_level"].as_array().is_some_and(|levels| levels.len() > 1));
    assert!(found["over_time"].as_array().is_some_and(|samples| samples.len() > 300 && samples.len() < 500));
    let again = json(&args);
    assert_eq!((&found["counts"], &found["over_time"]), (&again["counts"], &again["over_time"]));

    let two =
        run(&["sim", "--workload", text(&file), "--json", "--strategy", "tiered", r#"{"name":"leveled","fanout":4}"#]);
    assert_eq!(String::from_utf8_lossy(&two.stdout).lines().count(), 2, "{two:?}");
}

#[test]
fn a_report_of_a_simulation_shows_the_tree_over_time_and_what_the_bandit_picked() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let out = dir.path().join("report.html");
    let done = run(&["sim", "--workload", "balanced", "--strategy", "tiered", "bandit", "--out", text(&out)]);
    assert!(done.status.success(), "{done:?}");
    let html = fs::read_to_string(&out).expect("a report");
    for shown in [
        "<title>lsm sim: balanced</title>",
        "Space amplification, mean",
        "tiered: bytes by level",
        "bandit: runs by level",
        "What the bandit picked",
        "Exploration over time",
        "Scores of the slots picked",
        "bandit</h3>",
    ] {
        assert!(html.contains(shown), "{shown} is missing");
    }
    assert!(!html.contains("What the tiered picked") && !html.contains("timed write"));
    let two = run(&["sim", "--workload", "balanced,latest", "--out", text(&out)]);
    assert_eq!(two.status.code(), Some(2));
    assert!(said(&two).contains("--out takes one workload or trace, not 2"), "{two:?}");
}

#[test]
fn a_slow_disk_stalls_the_writers_and_a_fast_one_does_not() {
    let stalls = |rate: &str| {
        let args = ["sim", "--workload", "write-heavy", "--strategy", "tiered", "--json", "--write-rate", "1000000"];
        let found = json(&[&args[..], &["--io-rate", rate]].concat());
        found["stalls"]["total_us"].as_u64().expect("a number")
    };
    assert_eq!(stalls("1000000000"), 0);
    assert!(stalls("2000000") > 1_000_000);
}

#[test]
fn what_cannot_be_simulated_is_said() {
    assert_eq!(run(&["sim"]).status.code(), Some(2));
    for check in [&["--check"][..], &[]] {
        let unknown = run(&[&["sim", "--workload", "latest", "--strategy", "no-such"], check].concat());
        assert_eq!(unknown.status.code(), Some(2), "{check:?}");
        assert!(said(&unknown).contains("unknown strategy \"no-such\": known are tiered"), "{unknown:?}");
    }
    let object = run(&["sim", "--workload", "latest", "--check", "--strategy", r#"{"name":"tiered"}"#]);
    assert_eq!(object.status.code(), Some(2));
    assert!(said(&object).contains("takes strategies by name"), "{object:?}");
    let dir = tempfile::tempdir().expect("a temporary directory");
    let file = dir.path().join("workload.json");
    fs::write(&file, r#"{"phases":[{"ops":1000000000000,"keys":10,"mix":{"put":1}}]}"#).expect("written");
    let large = run(&["sim", "--workload", text(&file), "--strategy", "tiered", "--scale", "1"]);
    assert_eq!(large.status.code(), Some(1));
    assert!(said(&large).contains("use a larger scale"), "{large:?}");
}

#[test]
fn what_if_starts_from_the_tree_as_it_stands() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let open = || {
        let leveled =
            LeveledSettings { base_bytes: 256 << 10, table_bytes_max: 64 << 10, ..LeveledSettings::default() };
        let options = Options::new().deterministic(1).strategy(leveled.into()).sync(SyncPolicy::Never);
        options.memtable_bytes(64 << 10).open(dir.path()).expect("a store")
    };
    let (db, mut rng, mut value) = (open(), SplitMix::new(8), Vec::new());
    for at in 0..20_000 {
        value_bytes(at, 100, &mut value);
        let key = key_bytes(rng.below(8_000));
        if at % 10 == 0 { db.delete(&key).expect("written") } else { db.put(&key, &value).expect("written") }
    }
    db.flush().expect("flushed");
    db.wait_idle().expect("at rest");
    let real = db.stats().table_bytes() as f64;
    db.close().expect("closed");
    let args = ["sim", "--what-if", text(dir.path()), "--json", "--over-time", "--memtable-bytes", "65536"];
    let mix = ["--mix", "0.01,0,0.79,0.1,0.1", "--strategy", "leveled"];
    let found = json(&[&args[..], &mix].concat());
    let first = found["over_time"][0]["table_bytes"].as_f64().expect("a number");
    assert!((first / real - 1.0).abs() < 0.05, "{first} for {real}");
    assert!(found["counts"]["gets"].as_u64().is_some_and(|gets| gets > 1_000));
    let all = run(&args);
    assert_eq!(String::from_utf8_lossy(&all.stdout).lines().count(), 4, "{all:?}");
    assert!(String::from_utf8_lossy(&run(&args[..3]).stdout).contains("runs leveled"));
    let two = run(&[&args[..3], &["--workload", "latest,balanced"]].concat());
    assert!(said(&two).contains("takes one workload, not 2"), "{two:?}");
    assert_eq!(run(&[&args[..3], &[text(&trace("ekv.tsv"))]].concat()).status.code(), Some(2));
    let empty = tempfile::tempdir().expect("a temporary directory");
    assert_eq!(run(&["sim", "--what-if", text(empty.path())]).status.code(), Some(1));
}
