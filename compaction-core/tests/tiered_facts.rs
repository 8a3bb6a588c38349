//! The published figures of size-tiered selection, case by case.
#![cfg(feature = "alloc")]

use compaction_core::{Choice, CompactionStrategy, Moment, Rule, Tiered, TieredSettings, VersionVec};

/// Runs given newest first, as in the table of figures; all overlap.
fn tree(newest_first: &[u64]) -> VersionVec<u32> {
    let mut buf = VersionVec::default();
    for (id, bytes) in (1..).zip(newest_first.iter().rev()) {
        buf.flush([compaction_core::Table::new(id, *bytes, 0, 9)]).unwrap();
    }
    buf
}

/// Sizes of the merged runs, newest first.
fn chosen(settings: TieredSettings, newest_first: &[u64]) -> Vec<u64> {
    let buf = tree(newest_first);
    let view = buf.view();
    match Tiered::new(settings).unwrap().choose(&view, &Moment::default()).choice {
        Choice::Merge(job) => job.range().rev().map(|run| view.runs()[run].bytes()).collect(),
        Choice::Wait { .. } => vec![],
        other => panic!("a tiered strategy only merges: {other:?}"),
    }
}

fn debt(settings: TieredSettings, newest_first: &[u64]) -> u64 {
    Tiered::new(settings).unwrap().debt_bytes(&tree(newest_first).view())
}

const DEFAULTS: TieredSettings = TieredSettings {
    size_ratio_ppm: 1_000_000,
    min_merge_width: 4,
    max_merge_width: u32::MAX,
    max_space_amp_pct: 200,
    table_bytes_max: 64 << 20,
    runs_max: u64::MAX,
    job_bytes_max: u64::MAX,
};
const OFF: u64 = u64::MAX;

#[test]
fn the_defaults_are_the_published_ones() {
    assert_eq!(TieredSettings::default(), DEFAULTS);
}

#[test]
fn no_run_or_one_run_needs_nothing() {
    let strict = TieredSettings { max_space_amp_pct: 0, ..DEFAULTS };
    for sizes in [&[][..], &[5], &[0]] {
        assert_eq!(chosen(strict, sizes), []);
        assert_eq!(debt(strict, sizes), 0);
    }
}

#[test]
fn two_equal_runs_wait_for_more_unless_two_are_wide_enough() {
    assert_eq!(chosen(DEFAULTS, &[10, 10]), []);
    assert_eq!(chosen(TieredSettings { min_merge_width: 2, ..DEFAULTS }, &[10, 10]), [10, 10]);
    assert_eq!(chosen(TieredSettings { min_merge_width: 0, ..DEFAULTS }, &[10, 10]), [10, 10]);
}

#[test]
fn four_equal_runs_merge() {
    assert_eq!(chosen(DEFAULTS, &[7; 4]), [7; 4]);
    assert_eq!(chosen(TieredSettings { max_space_amp_pct: OFF, ..DEFAULTS }, &[7; 4]), [7; 4]);
}

#[test]
fn the_space_trigger_fires_on_equality() {
    assert_eq!(chosen(DEFAULTS, &[7; 3]), [7; 3]);
}

#[test]
fn two_runs_are_enough_for_the_space_trigger() {
    let tight = TieredSettings { max_space_amp_pct: 100, ..DEFAULTS };
    assert_eq!(chosen(tight, &[7; 2]), [7; 2]);
    assert_eq!(chosen(tight, &[6, 7]), []);
}

#[test]
fn a_decision_names_its_trigger() {
    let rule = |settings: TieredSettings, sizes: &[u64]| {
        Tiered::new(settings).unwrap().choose(&tree(sizes).view(), &Moment::default()).reason.rule
    };
    assert_eq!(rule(DEFAULTS, &[7; 3]), Rule::SpaceAmp { total: 21, largest: 7, pct: 200 });
    let pairs = TieredSettings { min_merge_width: 2, max_merge_width: 3, max_space_amp_pct: OFF, ..DEFAULTS };
    assert_eq!(rule(pairs, &[7; 5]), Rule::SimilarRuns { runs: 3, stretch: 5 });
    let few = TieredSettings { runs_max: 2, min_merge_width: 9, max_space_amp_pct: OFF, ..DEFAULTS };
    assert_eq!(rule(few, &[7; 3]), Rule::RunCount { runs: 3, max: 2 });
}

#[test]
fn too_many_runs_that_are_all_at_work_are_said_to_be() {
    let few = TieredSettings { runs_max: 1, min_merge_width: 9, max_space_amp_pct: OFF, ..DEFAULTS };
    let (strategy, mut buf) = (Tiered::new(few).unwrap(), tree(&[10; 3]));
    let job = strategy.choose(&buf.view(), &Moment::default()).choice.job().unwrap();
    let _running = buf.begin(job).unwrap();
    assert_eq!(strategy.choose(&buf.view(), &Moment::default()).reason.rule, Rule::Busy);
    let mut buf = tree(&[1, 5, 10, 10]);
    let _running = buf.begin(strategy.choose(&buf.view(), &Moment::default()).choice.job().unwrap()).unwrap();
    let beside = strategy.choose(&buf.view(), &Moment::default()).choice.job().unwrap();
    assert_eq!(beside.range(), 0..=1, "not the cheaper pair of which one is at work");
}

#[test]
fn a_merge_is_bottommost_by_the_keys_of_all_its_runs() {
    let pairs = TieredSettings { min_merge_width: 2, max_space_amp_pct: OFF, ..DEFAULTS };
    let mut buf = VersionVec::default();
    for (id, bytes, min, max) in [(1, 900, 0, 9), (2, 10, 5, 15), (3, 10, 20, 29)] {
        buf.flush([compaction_core::Table::new(id, bytes, min, max)]).unwrap();
    }
    let job = Tiered::new(pairs).unwrap().choose(&buf.view(), &Moment::default()).choice.job().unwrap();
    assert_eq!((job.range(), job.bottommost()), (1..=2, false), "table 2 lies above table 1");
    assert!(buf.begin(job).is_ok());
}

#[test]
fn real_sizes_just_below_the_space_trigger_wait() {
    assert_eq!(chosen(DEFAULTS, &[9873, 9885, 9860]), []);
}

#[test]
fn real_sizes_above_the_space_trigger_merge_and_show_their_debt() {
    let sizes = [9873, 9873, 9885, 9860];
    assert_eq!(chosen(DEFAULTS, &sizes), sizes);
    assert_eq!(debt(DEFAULTS, &sizes), 9836);
}

#[test]
fn a_width_that_is_never_reached_leaves_the_space_trigger() {
    let wide = TieredSettings { min_merge_width: 100, ..DEFAULTS };
    assert_eq!(chosen(wide, &[7; 5]), [7; 5]);
    assert_eq!(chosen(wide, &[7; 2]), []);
}

#[test]
fn a_stretch_gives_up_its_newest_runs_only() {
    let narrow = TieredSettings { min_merge_width: 2, max_merge_width: 3, max_space_amp_pct: OFF, ..DEFAULTS };
    let buf = tree(&[7; 8]);
    let Choice::Merge(job) = Tiered::new(narrow).unwrap().choose(&buf.view(), &Moment::default()).choice else {
        panic!("must merge")
    };
    assert_eq!(job.range(), 5..=7);
}

#[test]
fn a_maximum_below_the_minimum_leaves_the_space_trigger() {
    let odd = TieredSettings { min_merge_width: 4, max_merge_width: 2, ..DEFAULTS };
    assert_eq!(chosen(odd, &[7; 4]), [7; 4]);
    assert_eq!(chosen(TieredSettings { max_space_amp_pct: OFF, ..odd }, &[7; 4]), []);
}

#[test]
fn small_runs_around_a_big_one_stay_apart() {
    let half = TieredSettings { size_ratio_ppm: 500_000, min_merge_width: 2, max_space_amp_pct: OFF, ..DEFAULTS };
    assert_eq!(chosen(half, &[10, 1000, 10]), []);
}

#[test]
fn extreme_sizes_neither_overflow_nor_fire() {
    let huge = TieredSettings { max_space_amp_pct: u64::MAX, size_ratio_ppm: 0, min_merge_width: 2, ..DEFAULTS };
    assert_eq!(chosen(huge, &[u64::MAX, u64::MAX - 1, u64::MAX - 2]), []);
    assert_eq!(debt(huge, &[u64::MAX, u64::MAX - 1]), 0);
    assert_eq!(debt(TieredSettings { max_space_amp_pct: 0, ..huge }, &[u64::MAX; 4]), u64::MAX);
}

#[test]
fn an_empty_run_is_similar_to_anything_and_all_empty_never_fires_on_space() {
    let pairs = TieredSettings { min_merge_width: 2, max_space_amp_pct: OFF, ..DEFAULTS };
    assert_eq!(chosen(pairs, &[0, 1000]), [0, 1000]);
    assert_eq!(chosen(DEFAULTS, &[0, 0, 0]), []);
}

#[test]
fn an_unlimited_ratio_finds_all_sizes_similar() {
    let any = TieredSettings { size_ratio_ppm: u64::MAX, min_merge_width: 2, max_space_amp_pct: OFF, ..DEFAULTS };
    assert_eq!(chosen(any, &[1, 1 << 60]), [1, 1 << 60]);
}

#[test]
fn a_ratio_of_zero_wants_equal_sizes() {
    let equal = TieredSettings { size_ratio_ppm: 0, min_merge_width: 2, max_space_amp_pct: OFF, ..DEFAULTS };
    assert_eq!(chosen(equal, &[10, 11]), []);
    assert_eq!(chosen(equal, &[5, 10, 10]), [10, 10]);
}

#[test]
fn a_busy_run_ends_a_stretch_and_bars_the_space_trigger() {
    let mut buf = tree(&[7; 12]);
    let narrow = TieredSettings { max_merge_width: 4, ..DEFAULTS };
    let strategy = Tiered::new(TieredSettings { max_space_amp_pct: OFF, ..narrow }).unwrap();
    let moment = Moment::default();
    let mut ranges = vec![];
    while let Choice::Merge(job) = strategy.choose(&buf.view(), &moment).choice {
        ranges.push(job.range());
        let _ticket = buf.begin(job).unwrap();
    }
    assert_eq!(
        ranges,
        [8..=11, 4..=7, 0..=3],
        "asked again while jobs run, it gives further jobs that do not conflict"
    );
    assert_eq!(Tiered::new(narrow).unwrap().choose(&buf.view(), &moment).choice, Choice::Wait { until_ms: None });
}

#[test]
fn little_room_narrows_the_merge_and_too_little_is_said() {
    let buf = tree(&[1600; 6]);
    let strategy = Tiered::new(TieredSettings { max_space_amp_pct: OFF, ..DEFAULTS }).unwrap();
    let at = |free_bytes| strategy.choose(&buf.view(), &Moment { free_bytes, ..Moment::default() });
    let Choice::Merge(job) = at(1700 * 5).choice else { panic!("five runs fit") };
    assert_eq!(job.range(), 1..=5);
    let refused = at(1700 * 4 - 1);
    assert_eq!(refused.choice, Choice::Wait { until_ms: None });
    assert_eq!(refused.reason.rule, Rule::NoRoom { needed: 6800, free: 6799 });
}

#[test]
fn a_cap_narrows_the_merge_and_the_smallest_runs_alone_above_it() {
    let capped = |job_bytes_max| TieredSettings { job_bytes_max, max_space_amp_pct: OFF, ..DEFAULTS };
    assert_eq!(chosen(capped(60), &[10; 8]), [10; 6]);
    assert_eq!(chosen(capped(30), &[10; 8]), [10; 4]);
    let buf = tree(&[10; 8]);
    let decision = Tiered::new(capped(30)).unwrap().choose(&buf.view(), &Moment::default());
    assert_eq!((decision.reason.bytes, decision.reason.bytes_max), (40, 30));
}

#[test]
fn too_many_runs_merge_the_cheapest_neighbours() {
    let few = TieredSettings { runs_max: 3, min_merge_width: 9, max_space_amp_pct: OFF, ..DEFAULTS };
    assert_eq!(chosen(few, &[50, 10, 10, 900]), [10, 10]);
    assert_eq!(chosen(few, &[50, 10, 900]), []);
    assert_eq!(chosen(few, &[10, 11, 900, 11, 10]), [11, 10], "of pairs that cost the same, the oldest");
    assert_eq!(chosen(few, &[u64::MAX, 2, 1, u64::MAX]), [2, 1]);
    assert_eq!(chosen(few, &[u64::MAX; 4]), [], "no run holds that much");
}
