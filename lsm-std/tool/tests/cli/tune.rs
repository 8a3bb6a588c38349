//! `lsm tune`: known figures, messages and exit statuses, and a store that is measured.

use compaction_core::sim::{Phase, SplitMix, Workload, simulate};
use compaction_core::tune::{Layout, Popularity};
use compaction_core::{Granularity, LeveledSettings};
use lsm_std::{Options, SyncPolicy};
use lsm_tool::tune::{check, check_layout, question};
use lsm_tool::workload::{key_bytes, value_bytes};
use serde_json::Value;

use crate::common::{json, run, said, text};

fn tune(args: &str) -> Value {
    let mut all = vec!["tune", "--json"];
    all.extend(args.split_whitespace());
    json(&all)
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().expect("a list").iter().map(|value| value.as_f64().expect("a number")).collect()
}

fn near(found: &Value, wanted: f64, off: f64) {
    let number = found.as_f64().expect("a number");
    assert!((number - wanted).abs() <= off, "{number} is not {wanted}");
}

#[test]
fn the_known_fan_outs_come_out_as_json() {
    for (args, fanouts, share, compares) in [
        ("--reads 0.5 --writes 0.5 --entries 1e9 --levels 2", [2.885, 4.328], 0.08008, 58.702),
        ("--reads 0.9 --writes 0.1 --entries 1000000000 --levels 2", [14.427, 27.411], 0.00253, 74.970),
        ("--reads 0.1 --writes 0.9 --entries 1e9 --levels 2", [1.603, 1.763], 0.3538, 37.326),
        ("--reads 0.1 --writes 0.9 --entries 1e9 --levels 2 --fanout-min 2", [2.0, 2.0], 0.25, 37.377),
    ] {
        let answer = tune(args);
        let found = numbers(&answer["fanouts"]);
        assert!(found.iter().zip(fanouts).all(|(a, b)| (a - b).abs() < 6e-4), "{args}: {found:?}");
        near(&answer["memtable_entries"], share * 1e9, 6e5);
        near(&answer["compares_per_op"], compares, 6e-4);
        assert_eq!(answer["levels"], 2);
    }
    let three = "--reads 0.99 --writes 0.01 --levels 3 --fanout-min 2 --memtable-entries 1e6 --product 1000";
    let answer = tune(three);
    let found = numbers(&answer["fanouts"]);
    assert!(found[0] == 2.0 && (found[1] - 3.4189).abs() < 5e-5 && (found[2] - 146.2457).abs() < 5e-5, "{found:?}");
    near(&answer["compares_per_op"], 94.246_898, 5e-7);
    near(&answer["equal_fanouts"]["compares_per_op"], 99.1606, 5e-5);
    assert_eq!(tune(&format!("{three} --entries 1e9"))["fanouts"], answer["fanouts"]);
}

#[test]
fn the_memtable_keeps_its_bounds() {
    let rest = "--reads 0.5 --writes 0.5 --entries 1e9 --levels 2";
    near(&tune(&format!("{rest} --memtable-share-max 0.01"))["memtable_entries"], 1e7, 1.0);
    near(&tune(&format!("{rest} --memtable-entries-min 2e8"))["memtable_entries"], 2e8, 10.0);
    near(&tune(&format!("{rest} --memtable-entries 12345"))["memtable_entries"], 12_345.0, 0.0);
    let memory = tune(&format!("{rest} --memory 360000000"));
    near(&memory["memtable_entries"], 1e6, 1.0);
    let filters = &memory["filters"];
    near(&filters["bytes"], 1.8e8, 1e5);
    let wasted = |name: &str| filters[name].as_f64().expect("a number");
    assert!(wasted("wasted_blocks_per_miss") < wasted("wasted_blocks_per_miss_equal_bits"), "{filters}");
}

#[test]
fn an_answer_has_a_strategy_that_the_other_commands_take_and_says_why() {
    for args in [
        "--reads 0.05 --writes 0.95 --entries 1e6 --memtable-entries 5000",
        "--reads 0.3 --writes 0.2 --scans 0.5 --entries 1e6 --memtable-entries 5000",
        "--reads 0.5 --writes 0.3 --misses 0.2 --entries 1e6 --memtable-entries 5000 --skew zipf:0.99",
        "--reads 0.5 --writes 0.5 --entries 1e6 --memtable-entries 5000 --space-amp-max 1.3 --skew hot:0.2:0.8",
    ] {
        let answer = tune(args);
        assert_eq!(answer["settings"]["name"], answer["strategy"], "{args}");
        lsm_tool::strategies::parse(&answer["settings"].to_string()).expect("settings that can be had");
        assert_eq!(answer["levels"], numbers(&answer["fanouts"]).len());
        assert!(!numbers(&answer["filter_bits"]).is_empty());
        for figure in ["write_amp", "read_amp", "space_amp", "cost"] {
            assert!(answer["expected"][figure].as_f64().is_some_and(|value| value > 0.0), "{args}: {figure}");
        }
        assert!(answer["why"].as_str().is_some_and(|why| why.contains("compares") && why.contains("cheapest")));
        assert!(answer["others"].as_array().is_some_and(|others| !others.is_empty()));
        let words = run(&[&["tune"], &args.split_whitespace().collect::<Vec<_>>()[..]].concat());
        assert!(String::from_utf8_lossy(&words.stdout).contains("filter bits"), "{words:?}");
    }
}

#[test]
fn limits_are_kept_at_the_price_of_reads_or_writes() {
    let rest = "--reads 0.5 --writes 0.5 --entries 1e6 --memtable-entries 5000";
    let figure = |answer: &Value, name: &str| answer["expected"][name].as_f64().expect("a number");
    let frugal = tune(&format!("{rest} --write-amp-max 3"));
    let small = tune(&format!("{rest} --space-amp-max 1.15"));
    assert!(figure(&frugal, "write_amp") <= 3.0 && figure(&small, "space_amp_max") <= 1.15);
    assert!(figure(&frugal, "read_cost") > figure(&small, "read_cost"));
    let both = run(&[&["tune", "--write-amp-max", "2", "--space-amp-max", "1.1"], &args(rest)[..]].concat());
    assert_eq!(both.status.code(), Some(1));
    assert!(said(&both).contains("is the least within the other limit"), "{both:?}");
    let one = run(&[&["tune", "--write-amp-max", "0.5"], &args(rest)[..]].concat());
    assert!(
        said(&one).contains("write amplification at most 0.500:") && said(&one).ends_with("is the least\n"),
        "{one:?}"
    );
}

fn args(text: &str) -> Vec<&str> {
    text.split_whitespace().collect()
}

#[test]
fn senseless_input_is_bad_usage_and_says_what_would_do() {
    for (given, status, wanted) in [
        ("--reads 0.5 --writes 0.4 --entries 1e6", 2, "add up to 0.9, must add up to 1: writes 0.5000 would do"),
        ("--reads NaN --writes 0.5 --entries 1e6", 2, "reads is NaN, must lie in 0..=1"),
        ("--reads 1.5 --writes -0.5 --entries 1e6", 2, "reads is 1.5"),
        ("--reads 0.5 --writes 0.5 --entries 0", 2, "entries is 0, must lie in 1..="),
        ("--reads 0.5 --writes 0.5 --entries -3", 2, "entries is -3"),
        ("--reads 0.5 --writes 0.5", 2, "--entries"),
        ("--reads 0.5 --writes 0.5 --entries 1e6 --levels 0", 2, "--levels"),
        ("--reads 0.5 --writes 0.5 --entries 1e6 --fanout-min 0", 2, "lower bound of a fan-out is 0"),
        ("--reads 0.5 --writes 0.5 --entries 1e6 --fanout-min 9 --fanout-max 3", 2, "lower bound 9 lies above"),
        ("--reads 0.5 --writes 0.5 --entries 1e6 --memtable-entries 0", 2, "memtable entries is 0"),
        ("--reads 0.5 --writes 0.5 --entries 1e6 --memtable-entries 1e7", 1, "a memtable 10 times smaller would do"),
        ("--reads 0.5 --writes 0.5 --entries 1e6 --skew zipf:2", 2, "must be uniform"),
        ("--reads 0.5 --writes 0.5 --entries 1e6 --product 10 --memtable-entries 7", 2, "leave one out"),
        ("--reads 0.5 --writes 0.5 --entries 1e6 --memory 1000 --memtable-entries 1000", 1, "would do"),
        (
            "--reads 0.5 --writes 0.5 --entries 1e6 --memtable-entries 1e3 --levels 2 --fanout-max 10",
            1,
            "can multiply to 1 to 100, the tree needs 1000: more levels",
        ),
    ] {
        let output = run(&[&["tune"], &args(given)[..]].concat());
        assert_eq!(output.status.code(), Some(status), "{given}: {output:?}");
        assert!(said(&output).contains(wanted), "{given}: {output:?}");
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn in_the_simulator_an_answer_costs_little_more_than_the_best_of_a_grid() {
    let hot = Popularity::Hot { keys: 0.1, ops: 0.9 };
    for (shares, popularity) in [
        ([0.1, 0.0, 0.0, 0.9], Popularity::Uniform),
        ([0.3, 0.1, 0.1, 0.5], Popularity::Zipf(0.99)),
        ([0.3, 0.0, 0.0, 0.7], hot),
    ] {
        let checked = check("", &question(shares, popularity, (8_000.0, 91.0))).expect("simulated");
        assert!(checked.gap() <= 0.05, "{checked:?}: {:.3}", checked.gap());
        let (_, model, simulated) = checked.answered;
        assert!((model / simulated - 1.0).abs() < 0.08, "{checked:?}");
    }
    let one = run(&args("tune --check --reads 0.5 --writes 0.5 --entries 1000 --memtable-entries 91"));
    assert!(String::from_utf8_lossy(&one.stdout).contains("best of the grid"), "{one:?}");
}

#[test]
fn the_model_foretells_what_every_strategy_costs_in_the_simulator() {
    let base_memtables = 4;
    for layout in [
        Layout::Tiered { width: 4, space_pct: 200 },
        Layout::Leveled { fanout: 4, base_memtables },
        Layout::Leveled { fanout: 10, base_memtables },
        Layout::Lazy { fanout: 4, runs: 3, base_memtables },
    ] {
        for (shares, popularity) in
            [([0.1, 0.0, 0.0, 0.9], Popularity::Uniform), ([0.3, 0.1, 0.1, 0.5], Popularity::Zipf(0.9))]
        {
            let asked = question(shares, popularity, (10_000.0, 91.0));
            let (model, simulated) = check_layout(&asked, layout).expect("simulated");
            let off = model / simulated - 1.0;
            assert!(off.abs() < 0.08, "{layout:?} {shares:?}: {model} by the model, {simulated} simulated");
        }
    }
}

#[test]
fn a_small_size_ratio_means_more_and_smaller_merges_a_large_one_bursts() {
    let workload = Workload { seed: 3, ttl_ms: None, phases: vec![Phase::puts(60_000, 30_000)] };
    let store = lsm_tool::sim::store(16 << 10, 16 << 10);
    let jobs = |fanout| {
        let leveled = LeveledSettings {
            fanout,
            base_bytes: 64 << 10,
            table_bytes_max: 16 << 10,
            granularity: Granularity::Level,
            job_bytes_max: u64::MAX,
            ..LeveledSettings::default()
        };
        let report = simulate(&workload, leveled.into(), &store).expect("simulated");
        let counts = report.counts();
        (counts.jobs, (counts.merge_read_bytes + counts.merge_written_bytes) / counts.jobs)
    };
    let (small, large) = (jobs(2), jobs(20));
    assert!(small.0 > large.0 && small.1 < large.1 / 2, "jobs and bytes of one: {small:?} {large:?}");
}

#[test]
fn a_store_gives_its_entries_and_amplification_and_gets_a_better_size_ratio() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let settings =
        LeveledSettings { base_bytes: 128 << 10, table_bytes_max: 32 << 10, fanout: 3, ..Default::default() };
    let options = Options::new().deterministic(1).strategy(settings.into()).sync(SyncPolicy::Never);
    let db = options.memtable_bytes(32 << 10).open(dir.path()).expect("a store");
    let (mut rng, mut value) = (SplitMix::new(8), Vec::new());
    for at in 0..40_000 {
        value_bytes(at, 100, &mut value);
        db.put(&key_bytes(rng.below(10_000)), &value).expect("written");
    }
    db.flush().expect("flushed");
    db.wait_idle().expect("at rest");
    let stats = db.stats();
    let flushed = stats.io(lsm_std::fs::Purpose::Flush).written_bytes as f64;
    let write_amp = stats.write_amp() * flushed / (40_000.0 * 116.0);
    db.close().expect("closed");
    let shares = ["--reads", "0.9", "--writes", "0.1", "--memtable-entries", "180"];
    let found = json(&[&["tune", "--json", "--dir", text(dir.path())], &shares[..]].concat());
    near(&found["entries"], 10_000.0, 1_500.0);
    near(&found["measured"]["entry_bytes"], 116.0, 6.0);
    near(&found["measured"]["write_amp"], write_amp, 0.15 * write_amp);
    assert_eq!(found["measured"]["writes"], 40_000);
    let space = found["measured"]["space_amp"].as_f64().expect("a number");
    assert!(space > 1.0 && space < 2.0, "{found}");
    assert_eq!(found["proposed"]["strategy"], "leveled");
    assert!(found["proposed"]["size_ratio"].as_u64().is_some_and(|ratio| ratio > 3), "{found}");
    assert_eq!(found["shares"]["assumed"], false);
    let alone = run(&["tune", "--dir", text(dir.path())]);
    for part in ["Within its strategy a size ratio of", "50 % of the operations read and 50 % write is assumed"] {
        assert!(String::from_utf8_lossy(&alone.stdout).contains(part), "{part}: {alone:?}");
    }
    let empty = tempfile::tempdir().expect("a temporary directory");
    assert_eq!(run(&["tune", "--dir", text(empty.path())]).status.code(), Some(1));
}
