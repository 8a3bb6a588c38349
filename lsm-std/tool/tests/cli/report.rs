//! The report of made-up outcomes: is it one complete page that needs nothing else?

use compaction_core::sim::Prices;
use lsm_tool::compare::Outcome;
use lsm_tool::figures::{Counts, Job, Latency, LevelShape, Pick, Sample};
use lsm_tool::report::Report;
use lsm_tool::strategies::Strategy;

fn outcome(strategy: Strategy, write_amp: u64) -> Outcome {
    let sample = |at: u64| Sample {
        counts: Counts {
            ops: at,
            user_bytes: at << 20,
            flush_bytes: at << 20,
            merge_written_bytes: (write_amp - 1) * (at << 20),
            merge_read_bytes: write_amp * (at << 20),
            gets: at * 4,
            filters_asked: at * 4 * (at % 5 + 1),
            get_blocks: at * 3,
            ..Counts::default()
        },
        live_bytes: (1 << 20) + (at << 14),
        table_bytes: (1 << 20) + (at << 16),
        levels: (0..3).map(|level| LevelShape { level, runs: at % 4, tables: 5, bytes: (at << 15) << level }).collect(),
    };
    let job = |at: u64| Job {
        at_user_bytes: at << 20,
        what: if at.is_multiple_of(9) { "move" } else { "merge" },
        rule: if at.is_multiple_of(3) { "similar_runs" } else { "space_amp" },
        reason: format!("a < b & {at} \"runs\" of 347019 B"),
        tables: 4,
        runs: 4,
        level: Some(1),
        read_bytes: 7_000_000,
        written_bytes: 6_500_000,
        micros: 12_345,
        pick: None,
    };
    Outcome {
        strategy,
        settings: "fanout 10, memtable 512 KiB".into(),
        samples: (0..=120).map(sample).collect(),
        jobs: (1..=40).map(job).collect(),
        put: Latency { p50_us: 12.0, p95_us: 80.0, p99_us: 2_400.0 },
        get: Latency { p50_us: 3.0, p95_us: 9.0, p99_us: 31.0 },
        seconds: 2.4,
        peak_disk_bytes: 9 << 20,
        written_by_level: vec![1, 2],
    }
}

fn report(outcomes: Vec<Outcome>) -> Report {
    Report {
        load: "redb.tsv <1>".into(),
        notes: vec!["1 691 batches.".into(), "Memtable 592 KiB: 214 flushes.".into()],
        outcomes,
        prices: Prices::default(),
        write_unit: "batch",
        is_simulated: false,
    }
}

#[test]
fn the_page_shows_every_strategy_and_needs_no_other_file() {
    let html = report(vec![outcome(Strategy::Tiered, 3), outcome(Strategy::Leveled, 9)]).render();
    for strategy in ["tiered", "leveled"] {
        assert!(
            html.contains(&format!("{strategy}: bytes by level")) && html.contains(&format!("<h3>{strategy}</h3>"))
        );
    }
    for outside in ["http:", "https:", "src=", "href=", "@import", "url("] {
        assert!(!html.contains(outside), "the page refers to something outside by {outside}");
    }
    assert!(html.contains("a &lt; b &amp; 1 &quot;runs&quot; of") && !html.contains("a < b"));
    assert!(html.contains("of 339 KiB") && !html.contains("347019"));
    assert!(!html.contains("NaN") && !html.contains(">inf"));
    for tag in ["table", "svg", "div", "details", "tr", "td", "p", "html"] {
        let open = html.matches(&format!("<{tag}>")).count() + html.matches(&format!("<{tag} ")).count();
        assert_eq!(open, html.matches(&format!("</{tag}>")).count(), "<{tag}> does not match </{tag}>");
    }
}

#[test]
fn the_verdict_names_the_cheapest_and_how_much_more_the_others_cost() {
    let verdict = report(vec![outcome(Strategy::Tiered, 3), outcome(Strategy::Leveled, 9)]).verdict();
    assert!(verdict.starts_with("Cheapest by cost per operation: tiered"), "{verdict}");
    assert!(
        verdict.contains("leveled 3.") && verdict.contains("Least write amplification: tiered (3.00)"),
        "{verdict}"
    );
    assert_eq!(report(Vec::new()).verdict(), "No strategy was run.");
}

#[test]
fn a_run_without_jobs_or_samples_is_shown_too() {
    let nothing = Outcome { samples: Vec::new(), jobs: Vec::new(), ..outcome(Strategy::Lazy, 2) };
    let html = report(vec![nothing]).render();
    assert!(html.contains("It never had anything to do.") && !html.contains("NaN"));
}

#[test]
fn what_the_bandit_picked_is_shown_slot_by_slot() {
    let mut of_bandit = outcome(Strategy::Bandit, 3);
    for (at, job) in (0u64..).zip(&mut of_bandit.jobs) {
        let score_milli = if at < 3 { u64::MAX } else { at * 40 };
        let slot = if at.is_multiple_of(4) { 11 } else { 7 };
        job.pick = Some(Pick { slot, explored: at.is_multiple_of(10), score_milli, mean_milli: 250, picks: at });
    }
    let html = report(vec![outcome(Strategy::Tiered, 3), of_bandit]).render();
    assert!(!html.contains("What the tiered picked"));
    for shown in [
        "What the bandit picked",
        "40 picks of slots: 10 % by luck, to explore; 3 of slots never merged before",
        "Exploration over time",
        "Scores of the slots picked",
        "<tr><td>7</td><td>30</td><td>75.0 %</td><td>2</td><td>0.250</td>",
        "<tr><td>11</td><td>10</td><td>25.0 %</td><td>2</td><td>0.250</td>",
    ] {
        assert!(html.contains(shown), "{shown} is not in {html}");
    }
}
