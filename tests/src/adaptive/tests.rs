use compaction_core::BanditSettings;
use compaction_core::sim::{Op, Ops, Skew};

use super::case::{Case, Reads, Set, hot, load, memtables, phase};
use super::field::{arms, bandit, six};
use super::known::Known;
use super::race::{Paid, Row, race};
use super::show::{Field, Spread};
use super::{ablation, moving, random, real, stationary, wild};

fn all_cases(set: Set) -> Vec<Case> {
    [stationary::cases(set), moving::cases(set), random::cases(set, 200), real::cases(set)].concat()
}

/// Puts per key of the largest phase, all phases together.
fn rounds(case: &Case) -> f64 {
    let keys = case.workload.phases.iter().map(|phase| phase.keys).max().unwrap_or(1);
    case.workload.expected_puts() as f64 / keys as f64
}

#[test]
fn there_are_as_many_workloads_as_are_named_and_all_make_sense() {
    assert_eq!(stationary::cases(Set::Judge).len(), 36);
    assert_eq!(moving::cases(Set::Judge).len(), 17);
    assert_eq!(real::cases(Set::Judge).len(), 12);
    let random = random::cases(Set::Judge, 200);
    assert_eq!(random.iter().filter(|case| case.group == "stationary").count(), 100);
    for case in [
        all_cases(Set::Tune),
        all_cases(Set::Judge),
        ablation::cases(Set::Tune),
        wild::cases(Set::Tune, 99),
        wild::cases(Set::Judge, 99),
    ]
    .concat()
    {
        assert_eq!(case.workload.check(), Ok(()), "{}", case.name);
    }
}

#[test]
fn every_workload_puts_at_least_three_times_its_data_set() {
    for case in [all_cases(Set::Tune), all_cases(Set::Judge)].concat() {
        // Appends never overwrite: their data set is what they put.
        let is_new = matches!(case.workload.phases[0].skew, Skew::Latest);
        assert!(is_new || rounds(&case) > 2.95, "{}: {:.2} rounds", case.name, rounds(&case));
    }
}

#[test]
fn no_workload_is_both_tuned_with_and_judged_by() {
    let any = |set| [all_cases(set), wild::cases(set, 99)].concat();
    let tuned = any(Set::Tune);
    for judge in any(Set::Judge) {
        let same = tuned
            .iter()
            .find(|tune| tune.workload.seed == judge.workload.seed || tune.workload.phases == judge.workload.phases);
        assert!(same.is_none(), "{}", judge.name);
    }
}

#[test]
fn a_third_of_the_stationary_workloads_meets_every_write_share_with_every_read() {
    let third: Vec<String> = real::cases(Set::Tune).into_iter().map(|case| case.name).collect();
    for (writes, reads) in ["95 %", "50 %", "20 %", " 5 %"].into_iter().flat_map(|w| Reads::ALL.map(|r| (w, r))) {
        let wanted = format!("{writes} {} ", reads.name());
        assert_eq!(third.iter().filter(|name| name.starts_with(&wanted)).count(), 1, "{wanted}");
    }
    for skew in ["uniform", "zipf", "hot"] {
        assert_eq!(third.iter().filter(|name| name.ends_with(skew)).count(), 4, "{skew}");
    }
}

#[test]
fn in_a_range_split_no_read_meets_a_written_key_until_it_swaps() {
    let case = moving::cases(Set::Tune).into_iter().find(|case| case.name == "split, scans").expect("named");
    let keys = case.workload.phases[0].keys;
    for op in Ops::new(&case.workload).skip(keys as usize).take(10_000) {
        match op {
            Op::Put { key, .. } => assert!(key < keys / 2),
            Op::Scan { key, .. } => assert!(key >= keys / 2),
            other => panic!("not in the mix: {other:?}"),
        }
    }
}

fn small() -> Vec<Case> {
    let keys = memtables(5.0);
    let mixed = |skew| vec![load(keys), phase(30_000, keys, skew, Reads::Scans.mix(0.9))];
    vec![Case::new("a", "x", 1, mixed(Skew::Uniform)), Case::new("b", "x", 2, mixed(hot(0.2, 0.8, 0.1)))]
}

#[test]
fn the_answer_does_not_depend_on_the_number_of_threads() {
    let entrants =
        [six(u64::MAX), arms(u64::MAX), vec![bandit("bandit", BanditSettings::default(), u64::MAX)]].concat();
    let text = |jobs| {
        let rows = race(&small(), &entrants, &Known::default(), jobs, &|| {}).expect("sound");
        let field = Field { entrants: &entrants, six: 6 };
        (field.text(&rows), field.json(&rows))
    };
    assert_eq!(text(1), text(3));
}

#[test]
fn reads_are_thinned_without_moving_the_cost() {
    let keys = memtables(8.0);
    let case = Case::new("a", "x", 1, vec![load(keys), phase(500_000, keys, Skew::Uniform, Reads::Misses.mix(0.1))]);
    assert!(case.read_weight() > 8);
    let thinned = race(std::slice::from_ref(&case), &six(u64::MAX)[..1], &Known::default(), 1, &|| {}).expect("sound");
    let store = super::field::store(1);
    let whole = compaction_core::sim::simulate(&case.workload, six(u64::MAX)[0].settings, &store).expect("sound");
    let (thinned, whole) = (thinned[0].paid[0].cost, Paid::of(&whole).cost);
    assert!((thinned / whole - 1.0).abs() < 0.01, "{thinned} for {whole}");
}

#[test]
fn regret_is_against_the_best_of_the_six_and_of_no_other() {
    let paid = [3.0, 2.0, 4.0, 1.0].map(|cost| Paid { cost, ..Paid::default() }).to_vec();
    let row = Row { name: "a".into(), group: "x", paid, runs: Vec::new() };
    assert_eq!((row.best(3), row.ratio(0, 3), row.ratio(3, 3)), ((1, 2.0), 1.5, 0.5));
}

#[test]
fn a_spread_counts_what_lies_within_its_limits() {
    let spread = Spread::of((1..=100).map(|at| 1.0 + f64::from(at) / 1_000.0).collect());
    assert_eq!((spread.count, spread.p95, spread.worst), (100, 1.095, 1.1));
    assert_eq!((spread.within_5, spread.within_10), (0.5, 1.0));
    assert!((spread.mean - 1.0505).abs() < 1e-9);
}

#[test]
fn only_what_learns_is_run_again_and_the_figures_are_those_of_the_first_run() {
    let statics = six(u64::MAX);
    let first = race(&small()[..1], &statics, &Known::default(), 2, &|| {}).expect("sound");
    let lines: Vec<String> =
        Field { entrants: &statics, six: 6 }.json(&first).iter().map(ToString::to_string).collect();
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(file.path(), lines.join("\n")).expect("written");
    let known = Known::read(file.path()).expect("just written");
    let again = race(&small()[..1], &statics, &known, 1, &|| {}).expect("sound");
    for (first, again) in first[0].paid.iter().zip(&again[0].paid) {
        assert!((first.cost / again.cost - 1.0).abs() < 1e-3 && first.runs == again.runs);
    }
    assert!(statics.iter().all(|entrant| known.paid(&small()[0], entrant).is_some()));
    assert!(known.paid(&small()[1], &statics[0]).is_none(), "another workload");
    assert!(known.paid(&small()[0], &bandit("b", BanditSettings::default(), u64::MAX)).is_none());
}
