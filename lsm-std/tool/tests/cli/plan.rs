//! `lsm plan` as scripts see it: answers, refusals, exit status.

use std::io::Write;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

use crate::common::{lsm, said};

fn lsm_plan(args: &[&str], input: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_lsm"))
        .arg("plan")
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the tool starts");
    let mut stdin = child.stdin.take().expect("piped");
    let input = input.to_vec();
    let feeder = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().expect("the tool ends");
    feeder.join().expect("no panic").expect("all input is read");
    output
}

fn answers(output: &Output) -> Vec<Value> {
    let text = String::from_utf8(output.stdout.clone()).expect("JSON is UTF-8");
    text.lines().map(|line| serde_json::from_str(line).expect("one object a line")).collect()
}

/// A level 0 of runs of these sizes, newest first; ids count down to 1.
fn runs(sizes: &[u64]) -> Value {
    let last = sizes.len() as u64;
    let table = |(at, bytes)| json!([{"id": last - at, "bytes": bytes, "min": "k000", "max": "k999"}]);
    json!([{"level": 0, "runs": (0..).zip(sizes).map(table).collect::<Vec<_>>()}])
}

fn decide(strategy: &Value, levels: &Value) -> Value {
    let output = lsm_plan(&[], json!({"strategy": strategy, "levels": levels}).to_string().as_bytes());
    assert!(output.status.success(), "{output:?}");
    answers(&output).remove(0)
}

#[test]
fn tiered_answers_the_known_cases_of_size_tiered_selection() {
    let none = u64::MAX;
    let rows: &[(&[u64], Value, &[u64])] = &[
        (&[], json!({"max_space_amp_pct": 0}), &[]),
        (&[100], json!({"max_space_amp_pct": 0}), &[]),
        (&[100; 2], json!({}), &[]),
        (&[100; 2], json!({"min_merge_width": 2}), &[2, 1]),
        (&[100; 4], json!({}), &[4, 3, 2, 1]),
        (&[100; 3], json!({}), &[3, 2, 1]),
        (&[9873, 9885, 9860], json!({}), &[]),
        (&[9873, 9873, 9885, 9860], json!({"max_merge_width": null}), &[4, 3, 2, 1]),
        (&[100; 5], json!({"min_merge_width": 100}), &[5, 4, 3, 2, 1]),
        (&[100; 2], json!({"min_merge_width": 100}), &[]),
        (&[100; 8], json!({"min_merge_width": 2, "max_merge_width": 3, "max_space_amp_pct": none}), &[8, 7, 6]),
        (&[100; 4], json!({"max_merge_width": 2, "max_space_amp_pct": none}), &[]),
        (&[100; 4], json!({"max_merge_width": 2}), &[4, 3, 2, 1]),
        (&[1, 900, 1], json!({"size_ratio": 0.5, "min_merge_width": 2, "max_space_amp_pct": none}), &[]),
        (&[100; 4], json!({"size_ratio": -3.0}), &[4, 3, 2, 1]),
        (&[100, 101, 100, 101], json!({"size_ratio": 0.0, "max_space_amp_pct": none}), &[]),
        (&[none, none], json!({"max_space_amp_pct": none}), &[]),
    ];
    for (sizes, settings, inputs) in rows {
        let mut strategy = json!({"name": "tiered"});
        strategy.as_object_mut().expect("object").extend(settings.as_object().expect("object").clone());
        let answer = decide(&strategy, &runs(sizes));
        assert_eq!(answer["inputs"], json!(inputs), "{sizes:?} {settings}: {answer}");
        assert_eq!(answer["choice"], if inputs.is_empty() { "wait" } else { "merge" });
        assert_eq!(answer["level"], if inputs.is_empty() { Value::Null } else { json!(0) });
    }
}

#[test]
fn an_answer_has_every_documented_field() {
    let answer = decide(&json!({"name": "tiered"}), &runs(&[9873, 9873, 9885, 9860]));
    assert_eq!(answer["debt_bytes"], 9836);
    assert_eq!(answer["bottommost"], true);
    assert_eq!(answer["table_bytes_max"], 67_108_864);
    assert_eq!(answer["reason"]["rule"], "space_amp");
    assert!(answer["text"].as_str().is_some_and(|text| text.contains("39491 B")));
    assert!(answer.get("candidates").is_none());
    let line = json!({"strategy": {"name": "tiered"}, "levels": runs(&[9873, 9873, 9885, 9860])}).to_string();
    let explained = answers(&lsm_plan(&["--explain"], line.as_bytes())).remove(0);
    assert_eq!(explained["inputs"], answer["inputs"]);
    assert_eq!(explained["candidates"][0]["verdict"], "chosen");
    assert_eq!(explained["candidates"][0]["score_milli"], 2_995);
    assert_eq!(explained["candidates"][0]["threshold_milli"], 2_000);
    let prose = explained["prose"].as_str().expect("prose");
    assert!(prose.contains("4 tables in 4 runs") && prose.contains("outweigh the largest by too much"), "{prose}");
}

/// Runs of one level, newest first, each given by its tables as (id, bytes, min, max).
fn level(level: u8, runs: &[&[(u64, u64, &str, &str)]]) -> Value {
    let table =
        |&(id, bytes, min, max): &(u64, u64, &str, &str)| json!({"id": id, "bytes": bytes, "min": min, "max": max});
    let run = |tables: &&[(u64, u64, &str, &str)]| tables.iter().map(table).collect::<Vec<_>>();
    json!({"level": level, "runs": runs.iter().map(run).collect::<Vec<_>>()})
}

#[test]
fn leveled_sinks_a_full_level_0_into_what_it_overlaps_and_says_where() {
    let strategy = json!({"name": "leveled", "l0_runs_max": 1, "levels_max": 2, "base_bytes": 1_000});
    let upper = level(0, &[&[(6, 10, "a", "f")], &[(5, 10, "b", "g")]]);
    let lower = level(1, &[&[(1, 100, "a", "c"), (2, 100, "e", "h"), (3, 100, "x", "z")]]);
    let answer = decide(&strategy, &json!([upper, lower]));
    assert_eq!(
        (&answer["choice"], &answer["level"], &answer["bottommost"]),
        (&json!("merge"), &json!(1), &json!(true))
    );
    assert_eq!(answer["inputs"], json!([6, 5, 1, 2]), "{answer}");
    assert_eq!(answer["reason"]["rule"], "l0_runs");
}

#[test]
fn tombstones_without_entries_are_counted_and_no_error() {
    let strategy = json!({"name": "leveled", "levels_max": 2});
    let table =
        |id: u64, tombstones: u64| json!({"id": id, "bytes": 9, "min": "a", "max": "f", "tombstones": tombstones});
    let levels = json!([{"level": 1, "runs": [[table(1, 5)]]}]);
    let answer = decide(&strategy, &levels);
    assert_eq!((&answer["reason"]["rule"], &answer["inputs"]), (&json!("tombstone_share"), &json!([1])), "{answer}");
}

#[test]
fn fifo_drops_what_has_expired_and_a_drop_has_no_level() {
    let line = json!({
        "strategy": {"name": "fifo", "ttl_ms": 100}, "now_ms": 1_000,
        "levels": [level(0, &[&[(2, 10, "a", "f")], &[(1, 10, "b", "g")]])],
    });
    let answer = answers(&lsm_plan(&[], line.to_string().as_bytes())).remove(0);
    assert_eq!((&answer["choice"], &answer["level"]), (&json!("drop"), &Value::Null));
    assert!(answer["inputs"].as_array().is_some_and(|inputs| inputs.contains(&json!(1))));
}

#[test]
fn too_little_room_is_a_wait_that_carries_both_numbers() {
    let line = json!({"strategy": {"name": "tiered"}, "levels": runs(&[100; 4]), "free_bytes": 50});
    let answer = answers(&lsm_plan(&[], line.to_string().as_bytes())).remove(0);
    assert_eq!((&answer["choice"], &answer["inputs"]), (&json!("wait"), &json!([])));
    assert_eq!(answer["reason"]["rule"], "no_room");
    assert_eq!(answer["reason"]["free"], 50);
    assert!(answer["reason"]["needed"].as_u64().is_some_and(|needed| needed > 50));
}

#[test]
fn a_running_job_is_a_barrier_and_an_unknown_busy_table_is_refused() {
    let line =
        |busy: Value| json!({"strategy": {"name": "tiered"}, "levels": runs(&[100; 9]), "busy": busy}).to_string();
    let input =
        [line(json!([[5]])), line(json!([{"inputs": [9, 8]}])), line(json!([[77]])), line(json!([]))].join("\n");
    let output = lsm_plan(&[], input.as_bytes());
    let answers = answers(&output);
    assert_eq!(answers[0]["inputs"], json!([9, 8, 7, 6]), "the stretch ends at the busy run");
    assert_eq!(answers[1]["inputs"], json!([7, 6, 5, 4, 3, 2, 1]));
    assert_eq!((&answers[2]["error"]["law"], &answers[2]["error"]["tables"]), (&json!("busy-in-tree"), &json!([77])));
    assert_eq!(answers[3]["inputs"].as_array().map(Vec::len), Some(9));
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn a_busy_table_has_one_job() {
    let levels = json!([{"level": 0, "runs": [[{"id": 3, "min": "a", "max": "c"}]]},
                        {"level": 2, "runs": [[{"id": 2, "min": "a", "max": "b"}, {"id": 1, "min": "c", "max": "d"}]]}]);
    let rows = [(json!([[3], [1, 3]]), "busy-once", 3), (json!([[2, 2]]), "busy-once", 2)];
    for (busy, law, table) in rows {
        let line = json!({"strategy": {"name": "leveled"}, "levels": levels, "busy": busy}).to_string();
        let error = &answers(&lsm_plan(&[], line.as_bytes())).remove(0)["error"];
        assert_eq!((&error["law"], &error["tables"]), (&json!(law), &json!([table])), "{busy}");
    }
    let line =
        json!({"strategy": {"name": "leveled"}, "levels": levels, "busy": [{"inputs": [3, 1], "level": 2}, [2]]});
    assert_eq!(answers(&lsm_plan(&[], line.to_string().as_bytes())).remove(0)["choice"], "wait");
}

#[test]
fn what_makes_no_sense_is_an_error_line_with_law_and_tables_and_the_run_goes_on() {
    let table = |id: u64, bytes: u64, min: &str, max: &str| json!({"id": id, "bytes": bytes, "min": min, "max": max});
    let tree = |levels: Value| json!({"strategy": {"name": "tiered"}, "levels": levels}).to_string();
    let level = |runs: Value| tree(json!([{"level": 0, "runs": runs}]));
    let rows: Vec<(String, &str, Value)> = vec![
        (level(json!([[table(1, 5, "b", "a")]])), "min-above-max", json!([1])),
        (level(json!([[table(1, 5, "a", "c"), table(2, 5, "c", "d")]])), "run-sorted-disjoint", json!([1, 2])),
        (level(json!([[table(1, 5, "c", "d"), table(2, 5, "a", "b")]])), "run-sorted-disjoint", json!([1, 2])),
        (level(json!([[table(3, 5, "a", "b")], [table(3, 5, "a", "b")]])), "unique-ids", json!([3])),
        (level(json!([[table(1, u64::MAX, "a", "b"), table(2, 1, "c", "d")]])), "run-total-fits-u64", json!([2])),
        (tree(json!([{"level": 300, "runs": [[table(1, 5, "a", "b")]]}])), "level-range", json!([])),
        (tree(json!([{"level": 1}, {"level": 0}])), "level-order", json!([])),
        (level(json!([[{"id": 1, "min": "a", "max": "b", "colour": 1}]])), "known-fields", json!([])),
        (level(json!([[{"id": 1, "min": "a"}]])), "needed-fields", json!([])),
        (level(json!([[{"id": -1, "min": "a", "max": "b"}]])), "values", json!([])),
        (level(json!([[[1, 5, "a", "b", 0, 0, 0, null, 0]]])), "values", json!([])),
        (json!({"strategy": {"name": "middling"}}).to_string(), "known-strategies", json!([])),
        (json!({"strategy": {"name": "tiered", "size": 1}}).to_string(), "known-fields", json!([])),
        (json!({"strategy": {"name": "tiered", "table_bytes_max": 0}}).to_string(), "settings", json!([])),
        (json!({"strategy": {"name": "bandit", "fanout": 1}}).to_string(), "settings", json!([])),
        (json!({"levels": []}).to_string(), "needed-fields", json!([])),
        ("{\"strategy\":{\"name\":\"tiered\"},\"now_ms\":1,\"now_ms\":2}".into(), "single-fields", json!([])),
        ("no json".into(), "json", json!([])),
        ("[]".into(), "values", json!([])),
    ];
    let mut input = String::from("\n");
    for (line, ..) in &rows {
        input.push_str(line);
        input.push_str("\n  \n");
    }
    input.push_str(&level(json!([[table(1, 5, "a", "b")]])));
    let output = lsm_plan(&[], input.as_bytes());
    assert_eq!(output.status.code(), Some(1));
    let answers = answers(&output);
    assert_eq!(answers.len(), rows.len() + 1);
    for (at, ((line, law, tables), answer)) in rows.iter().zip(&answers).enumerate() {
        assert_eq!(answer["line"], 2 * at + 2, "{answer}");
        assert_eq!((&answer["error"]["law"], &answer["error"]["tables"]), (&json!(law), tables), "{line}: {answer}");
        assert!(answer["error"]["text"].as_str().is_some_and(|text| !text.is_empty()));
    }
    assert_eq!(answers[rows.len()]["choice"], "wait");
}

#[test]
fn nulls_and_absent_fields_mean_their_defaults() {
    let input =
        br#"{"strategy":{"name":"tiered","size_ratio":null,"max_merge_width":null},"now_ms":null,"entropy":null,
"#;
    let one_line: Vec<u8> = input.iter().copied().filter(|&b| b != b'\n').collect();
    let levels = r#"[{"level":null,"runs":[[{"id":null,"bytes":null,"min":"","max":""}]]},{"level":3,"runs":null}]"#;
    let rest = format!(r#""free_bytes":null,"levels":{levels},"busy":null}}"#);
    let output = lsm_plan(&["-"], &[one_line, rest.into_bytes()].concat());
    assert!(output.status.success(), "{output:?}");
    assert_eq!(answers(&output)[0]["choice"], "wait");
}

#[test]
fn no_damage_to_a_line_is_answered_with_anything_but_one_object() {
    let good =
        json!({"strategy": {"name": "tiered", "size_ratio": 1.5}, "levels": runs(&[7; 6]), "busy": [[1]]}).to_string();
    let mut rng = lsm_tool::workload::SplitMix::new(5);
    let mut input = Vec::new();
    for _ in 0..3_000 {
        let mut line = good.clone().into_bytes();
        for _ in 0..=rng.below(3) {
            let at = rng.below(line.len() as u64) as usize;
            match rng.below(3) {
                0 => line[at] = rng.next_u64() as u8,
                1 => line.truncate(at.max(1)),
                _ => line.insert(at, b"0123456789{}[],\":-e"[rng.below(19) as usize]),
            }
        }
        line.iter_mut().filter(|byte| byte.is_ascii_whitespace()).for_each(|byte| *byte = b'x');
        input.extend_from_slice(&line);
        input.push(b'\n');
    }
    let output = lsm_plan(&["--explain"], &input);
    assert_eq!(answers(&output).len(), 3_000);
    assert_eq!(output.status.code(), Some(1));
    assert!(!String::from_utf8_lossy(&output.stderr).contains("panicked"));
}

#[test]
fn bad_usage_ends_with_status_2_and_a_missing_file_with_1() {
    let code = |args: &[&str]| lsm_plan(args, b"").status.code();
    assert_eq!(code(&["--no-such-option"]), Some(2));
    assert_eq!(code(&["/no/such/file"]), Some(1));
    assert_eq!(code(&[]), Some(0));
    let nothing = Command::new(env!("CARGO_BIN_EXE_lsm")).output().expect("the tool starts");
    assert_eq!(nothing.status.code(), Some(2));
}

#[cfg(target_os = "linux")]
#[test]
fn an_answer_that_cannot_be_written_names_the_output_and_ends_with_status_1() {
    let (mut answers, full) = (lsm(), std::fs::File::create("/dev/full").expect("a device that is always full"));
    let trees = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(trees.path(), r#"{"strategy":{"name":"tiered"}}"#).expect("written");
    let done = answers.arg("plan").arg(trees.path()).stdout(full).output().expect("the tool starts");
    assert_eq!(done.status.code(), Some(1));
    assert!(said(&done).starts_with("lsm: standard output: "), "{}", said(&done));
}

/// The JSON that the long help of a command shows, its lines joined.
fn shown_in_help(command: &str) -> String {
    let help = lsm().args([command, "--help"]).output().expect("the tool starts");
    let help = String::from_utf8(help.stdout).expect("text");
    let from = help.find("\n  {").expect("an object");
    let lines = help[from + 1..].lines().take_while(|line| line.starts_with("  "));
    lines.map(str::trim).collect()
}

#[test]
fn the_forms_that_the_help_shows_are_taken() {
    let answer = answers(&lsm_plan(&[], shown_in_help("plan").as_bytes())).remove(0);
    assert_eq!(answer["choice"], "wait", "{answer}");
    let workload = lsm_tool::workload::parse(&shown_in_help("compare")).expect("a workload");
    assert_eq!((workload.phases[0].ops, workload.phases[0].scan_keys), (300_000, 50));
}
