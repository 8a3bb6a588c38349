//! Fan-outs, levels, capacities and filter bits against known figures and against brute force.
#![cfg(feature = "tune")]

use compaction_core::tune::{
    Bounds, Capacities, FanoutPlan, FilteredLevel, Memtable, Shares, Size, Tree, TuneError, compares, equal_fanout,
    false_positive_rate, fanouts, filter_bits, levels, merge_io, size_ratio,
};
use proptest::prelude::*;

const BILLION: Size = Size::Entries(1e9);

fn shares(writes: f64) -> Shares {
    Shares { reads: 1.0 - writes, writes }
}

fn from(min: f64) -> Bounds {
    Bounds { min, ..Bounds::default() }
}

fn two_levels(writes: f64, min: f64) -> ([f64; 2], FanoutPlan) {
    let tree = Tree { shares: shares(writes), size: BILLION, memtable: Memtable::FREE };
    let mut out = [0.0; 2];
    let plan = fanouts(&tree, &[from(min); 2], &mut out).expect("there are such fan-outs");
    (out, plan)
}

/// Whether two numbers agree in as many digits behind the point as the wanted one is given with.
fn near(found: f64, wanted: f64, digits: i32) -> bool {
    (found - wanted).abs() <= 0.5001 * 10f64.powi(-digits)
}

#[test]
fn two_levels_with_a_free_memtable_follow_the_lagrange_conditions() {
    for (writes, f1, f2, memtable, cost, equal_cost) in [
        (0.5, 2.885, 4.328, 0.08008, 58.702, 58.776),
        (0.1, 14.427, 27.411, 0.00253, 74.970, 75.180),
        (0.9, 1.603, 1.763, 0.3538, 37.326, 37.329),
    ] {
        let (found, plan) = two_levels(writes, 1.0);
        assert!(near(found[0], f1, 3) && near(found[1], f2, 3), "{writes}: {found:?}");
        let share = plan.memtable_entries / 1e9;
        assert!((share / memtable - 1.0).abs() < 2e-3, "{writes}: {share}");
        assert!(near(plan.compares, cost, 3), "{writes}: {plan:?}");
        let equal = (equal_fanout(found[0] * found[1], 2) * 1e3).round() / 1e3;
        let there = compares(shares(writes), plan.memtable_entries, &[equal; 2]);
        assert!(near(there, equal_cost, 3), "{writes}: {there} with {equal}");
        let ln_2 = std::f64::consts::LN_2;
        assert!((share - (writes * ln_2).powi(2) / (2.0 - writes)).abs() < 1e-12);
    }
    assert!(near(equal_fanout(2.885 * 4.328, 2), 3.534, 3) && near(equal_fanout(14.427 * 27.411, 2), 19.886, 3));
}

#[test]
fn a_lower_bound_on_the_fan_outs_is_kept_and_the_memtable_makes_up_for_it() {
    let (found, plan) = two_levels(0.9, 2.0);
    assert_eq!((found, plan.memtable_entries), ([2.0, 2.0], 2.5e8));
    assert!(near(plan.compares, 37.377, 3), "{plan:?}");
}

#[test]
fn three_levels_of_a_given_product_are_far_from_equal() {
    let tree = Tree { shares: shares(0.01), size: Size::Product(1_000.0), memtable: Memtable::Fixed(1e6) };
    let mut found = [0.0; 3];
    let plan = fanouts(&tree, &[from(2.0); 3], &mut found).expect("possible");
    assert!(found[0] == 2.0 && near(found[1], 3.4189, 4) && near(found[2], 146.2457, 4), "{found:?}");
    assert!(near(plan.compares, 94.246_898, 6), "{plan:?}");
    assert!(near(compares(shares(0.01), 1e6, &[10.0; 3]), 99.1606, 4));
    // The same tree by its entries.
    let by_entries = Tree { size: BILLION, ..tree };
    let mut again = [0.0; 3];
    fanouts(&by_entries, &[from(2.0); 3], &mut again).expect("possible");
    assert!(found.iter().zip(again).all(|(a, b)| (a - b).abs() < 1e-9), "{found:?} {again:?}");
}

#[test]
fn without_writes_the_deepest_level_takes_all_that_it_may() {
    let tree = Tree { shares: shares(0.0), size: Size::Product(1e6), memtable: Memtable::Fixed(1e3) };
    let mut found = [0.0; 3];
    let bounds = Bounds { min: 2.0, max: 1_000.0 };
    fanouts(&tree, &[bounds; 3], &mut found).expect("possible");
    assert_eq!(found, [2.0, 500.0, 1_000.0]);
    let free = Tree { size: BILLION, memtable: Memtable::Between { min: 1e3, max: 1e8 }, ..tree };
    let plan = fanouts(&free, &[bounds; 3], &mut found).expect("possible");
    assert!((plan.memtable_entries - 1e3).abs() < 1e-6, "a memtable is read most often: {plan:?}");
}

#[test]
fn without_reads_all_fan_outs_are_alike() {
    let tree = Tree { shares: shares(1.0), size: Size::Product(64.0), memtable: Memtable::Fixed(1e3) };
    let mut found = [0.0; 3];
    fanouts(&tree, &[Bounds::default(); 3], &mut found).expect("possible");
    assert!(found.iter().all(|fanout| (fanout - 4.0).abs() < 1e-9), "{found:?}");
    let free = Tree { size: BILLION, memtable: Memtable::FREE, ..tree };
    fanouts(&free, &[Bounds::default(); 3], &mut found).expect("possible");
    assert!(found.iter().all(|fanout| (fanout * std::f64::consts::LN_2 - 1.0).abs() < 1e-12), "{found:?}");
}

#[test]
fn the_memtable_keeps_its_bounds_and_the_levels_adapt() {
    for (min, max, wanted) in [(1.0, 1e6, 1e6), (3e8, 5e8, 3e8), (1.0, 1e9, 80_075_501.0)] {
        let memtable = Memtable::Between { min, max };
        let tree = Tree { shares: shares(0.5), size: BILLION, memtable };
        let mut out = [0.0; 2];
        let plan = fanouts(&tree, &[Bounds::default(); 2], &mut out).expect("possible");
        assert!((plan.memtable_entries / wanted - 1.0).abs() < 1e-6, "{plan:?}");
        assert!((plan.memtable_entries * out[0] * out[1] / 1e9 - 1.0).abs() < 1e-12, "{plan:?}");
    }
}

#[test]
fn the_best_number_of_levels_is_that_of_a_search_over_all_numbers() {
    for writes in [0.0, 0.01, 0.1, 0.5, 0.9, 0.99, 1.0] {
        let tree = Tree { shares: shares(writes), size: BILLION, memtable: Memtable::Fixed(1e4) };
        let mut out = [0.0; 40];
        let plan = levels(&tree, from(2.0), &mut out).expect("possible");
        let costs = (1..=16).map(|count| fanouts(&tree, &vec![from(2.0); count], &mut vec![0.0; count]));
        let least = costs.map(|plan| plan.expect("possible").compares).fold(f64::INFINITY, f64::min);
        assert_eq!(plan.compares, least, "{writes}: {plan:?}");
        assert_eq!(compares(tree.shares, plan.memtable_entries, &out[..plan.levels]), least);
    }
}

#[test]
fn the_number_of_levels_matters_more_than_the_fan_outs() {
    let tree = Tree { shares: shares(0.5), size: BILLION, memtable: Memtable::Fixed(1e5) };
    let mut out = [0.0; 32];
    let best = levels(&tree, Bounds::default(), &mut out).expect("possible");
    let equal = compares(tree.shares, 1e5, &vec![equal_fanout(1e4, best.levels); best.levels]);
    let fewer = fanouts(&tree, &vec![Bounds::default(); best.levels / 2], &mut vec![0.0; best.levels / 2]).expect("ok");
    assert!(fewer.compares - best.compares > 3.0 * (equal - best.compares), "{best:?} {equal} {fewer:?}");
}

fn refused(tree: Tree, bounds: &[Bounds], wanted: &str) {
    let text = fanouts(&tree, bounds, &mut vec![0.0; bounds.len()]).expect_err(wanted).to_string();
    assert!(text.contains(wanted), "{text:?} lacks {wanted:?}");
}

#[test]
fn senseless_input_is_refused_by_name_and_value_and_with_what_would_do() {
    let good = Tree { shares: shares(0.5), size: BILLION, memtable: Memtable::Fixed(1e6) };
    let of = |reads, writes| Tree { shares: Shares { reads, writes }, ..good };
    let any = [Bounds::default(); 2];
    refused(of(0.5, 0.4), &any, "add up to 0.9, must add up to 1");
    refused(of(f64::NAN, 0.4), &any, "share of reads is NaN, must lie in 0..=1");
    refused(of(1.5, -0.5), &any, "share of reads is 1.5");
    refused(of(1.0, f64::INFINITY), &any, "share of writes is inf");
    refused(Tree { size: Size::Entries(0.0), ..good }, &any, "entries is 0, must lie in 1..=");
    refused(Tree { size: Size::Product(f64::NAN), ..good }, &any, "product of the fan-outs is NaN");
    refused(Tree { memtable: Memtable::Fixed(0.0), ..good }, &any, "memtable entries is 0");
    refused(Tree { memtable: Memtable::Fixed(-5.0), ..good }, &any, "memtable entries is -5");
    let crossed = Memtable::Between { min: 9.0, max: 3.0 };
    refused(
        Tree { memtable: crossed, ..good },
        &any,
        "memtable entries: the lower bound 9 lies above the upper bound 3",
    );
    refused(good, &[from(2.0), Bounds { min: 4.0, max: 3.0 }], "fan-out of level 2: the lower bound 4");
    refused(good, &[from(0.5)], "lower bound of a fan-out is 0.5, must lie in 1..=");
    refused(good, &[], "fan-outs: 0 given, 1 needed");
    let narrow = Bounds { min: 2.0, max: 10.0 };
    refused(good, &[narrow; 2], "can multiply to 4 to 100, the tree needs 1000: more levels");
    refused(good, &[narrow; 2], "a memtable 10 times larger would do");
    refused(good, &[from(100.0); 2], "can multiply to 10000 and more, the tree needs 1000: fewer levels");
    let small = Tree { memtable: Memtable::Fixed(1e10), ..good };
    refused(small, &any, "a memtable 10 times smaller would do");
    let error = levels(&good, narrow, &mut [0.0; 2]).expect_err("too few levels").to_string();
    assert!(error.contains("more levels"), "{error}");
    assert!(levels(&good, narrow, &mut []).is_err());
}

/// Entries of the trees that are drawn: more than any fan-outs drawn multiply to.
const ENTRIES: f64 = 1e15;

/// A tree and bounds for its levels between which there is an answer.
fn problems() -> impl Strategy<Value = (Tree, Vec<Bounds>)> {
    let bounds = prop::collection::vec((1.0..8.0f64, 1.0..50.0f64), 1..6);
    (prop_oneof![Just(0.0), Just(1.0), 0.0..1.0f64], bounds, 0.0..1.0f64, 0.0..1.0f64).prop_map(
        |(writes, bounds, at, room)| {
            let bounds: Vec<Bounds> = bounds.into_iter().map(|(min, more)| Bounds { min, max: min * more }).collect();
            let log = |pick: fn(&Bounds) -> f64| bounds.iter().map(|bounds| pick(bounds).log2()).sum::<f64>();
            let (least, most) = (log(|bounds| bounds.min), log(|bounds| bounds.max));
            let product = (least + at * (most - least)).exp2();
            let max = ENTRIES / product;
            let memtable = Memtable::Between { min: (max * (1.0 - room)).max(1.0), max };
            (Tree { shares: shares(writes), size: Size::Entries(ENTRIES), memtable }, bounds)
        },
    )
}

/// Fan-outs drawn between the bounds whose product leaves a lawful memtable; `None` if the draw failed.
fn drawn(tree: &Tree, bounds: &[Bounds], draws: &[f64]) -> Option<(f64, Vec<f64>)> {
    let Memtable::Between { min, max } = tree.memtable else { return None };
    let fanouts: Vec<f64> = bounds
        .iter()
        .zip(draws)
        .map(|(bounds, draw)| (bounds.min.log2() + draw * (bounds.max / bounds.min).log2()).exp2())
        .collect();
    let memtable = ENTRIES / fanouts.iter().product::<f64>();
    (memtable >= min && memtable <= max).then_some((memtable, fanouts))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn no_fan_outs_are_better_than_those_found(
        (tree, bounds) in problems(),
        draws in prop::collection::vec(prop::collection::vec(0.0..=1.0f64, 6), 300),
        moves in prop::collection::vec((0..7usize, 0..7usize, -0.2..0.2f64), 60),
    ) {
        let mut found = vec![0.0; bounds.len()];
        let plan = fanouts(&tree, &bounds, &mut found).expect("possible by construction");
        for (fanout, bounds) in found.iter().zip(&bounds) {
            prop_assert!(*fanout >= bounds.min && *fanout <= bounds.max, "{found:?}");
        }
        let entries = plan.memtable_entries * found.iter().product::<f64>();
        prop_assert!((entries / ENTRIES - 1.0).abs() < 1e-9, "{entries}");
        prop_assert_eq!(plan.compares, compares(tree.shares, plan.memtable_entries, &found));
        // Far away: fan-outs drawn at random.
        for draws in &draws {
            if let Some((memtable, other)) = drawn(&tree, &bounds, draws) {
                let there = compares(tree.shares, memtable, &other);
                prop_assert!(plan.compares <= there + 1e-9, "{other:?}: {there}, {found:?}: {}", plan.compares);
            }
        }
        // Near by: a little moved from one component to another; the last of them is the memtable.
        let Memtable::Between { min, max } = tree.memtable else { unreachable!() };
        for (from, to, by) in moves {
            let mut other = found.clone();
            other.push(plan.memtable_entries);
            let (from, to) = (from % other.len(), to % other.len());
            other[from] *= by.exp2();
            other[to] *= (-by).exp2();
            let memtable = other.pop().expect("just pushed");
            let lawful = other.iter().zip(&bounds).all(|(f, bounds)| *f >= bounds.min && *f <= bounds.max);
            if lawful && memtable >= min && memtable <= max {
                let there = compares(tree.shares, memtable, &other);
                prop_assert!(plan.compares <= there + 1e-9, "{other:?}: {there}, {found:?}: {}", plan.compares);
            }
        }
    }

    #[test]
    fn no_numbers_make_it_panic(
        numbers in prop::collection::vec(prop_oneof![any::<f64>(), Just(0.0), Just(1.0), 0.0..2.0f64, 1.0..1e12f64], 8),
        count in 0..5usize,
    ) {
        let shares = Shares { reads: numbers[0], writes: 1.0 - numbers[0] };
        let tree = Tree { shares, size: Size::Entries(numbers[1]), memtable: Memtable::Between { min: numbers[2], max: numbers[3] } };
        let bounds = Bounds { min: numbers[4], max: numbers[5] };
        let mut out = [0.0; 5];
        for tree in [tree, Tree { size: Size::Product(numbers[6]), ..tree }, Tree { memtable: Memtable::Fixed(numbers[7]), ..tree }] {
            if let Err(error) = fanouts(&tree, &vec![bounds; count], &mut out[..count]) {
                prop_assert!(!error.to_string().is_empty());
            }
            let _ = levels(&tree, bounds, &mut out);
        }
    }
}

#[test]
fn equal_ratios_cost_the_least_merging() {
    let ratio = size_ratio(1 << 20, 1 << 40, 5).expect("sound");
    assert!((ratio - 16.0).abs() < 1e-9, "{ratio}");
    let equal = merge_io(&[ratio; 5]);
    for by in [1.01, 1.2, 3.0] {
        assert!(merge_io(&[ratio * by, ratio / by, ratio, ratio, ratio]) > equal);
        assert!(merge_io(&[ratio / by, ratio, ratio, ratio, ratio * by]) > equal);
    }
    for (base, total, levels) in [(0, 10, 2), (10, 9, 2), (10, 100, 0)] {
        assert!(size_ratio(base, total, levels).is_err(), "{base} {total} {levels}");
    }
    assert_eq!(size_ratio(7, 7, 3), Ok(1.0));
}

#[test]
fn a_level_is_due_at_exactly_its_capacity_and_never_when_empty() {
    let capacities = Capacities::new(4_096, 10_000_000).expect("sound");
    for level in 0..80 {
        let bytes = capacities.bytes(level);
        assert!(capacities.is_due(level, bytes), "equality fires");
        assert!(!capacities.is_due(level, bytes - 1) && !capacities.is_due(level, 0), "level {level}");
        let exact = 10u128.checked_pow(level as u32).and_then(|power| power.checked_mul(4_096));
        let wanted = exact.and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or(u64::MAX);
        assert_eq!(bytes, wanted, "level {level}");
    }
    // 10^3 in eight bits is 232: elsewhere a multiplier wrapped. Here it ends at the largest number.
    assert_eq!(Capacities::new(u64::MAX, u64::MAX).expect("sound").bytes(usize::MAX), u64::MAX);
    assert_eq!(Capacities::new(5, 1_000_000).expect("all levels alike").bytes(usize::MAX), 5);
    assert_eq!(Capacities::new(1_000, 1_500_000).expect("sound").bytes(3), 3_375);
    assert!(matches!(Capacities::new(0, 2_000_000), Err(TuneError::OutOfRange { name: "base bytes", .. })));
    assert!(Capacities::new(10, 999_999).expect_err("shrinks").to_string().contains("size ratio is 0.999999"));
}

/// The cost of bits per entry, each level with its share of the budget.
fn wasted(levels: &[FilteredLevel], bits: &[f64]) -> f64 {
    levels.iter().zip(bits).map(|(level, bits)| level.runs * false_positive_rate(*bits)).sum()
}

proptest! {
    #[test]
    fn no_other_share_of_the_filter_memory_wastes_fewer_blocks(
        sizes in prop::collection::vec((1.0..1e8f64, 1.0..12.0f64), 1..7),
        per_entry in prop_oneof![Just(0.0), 0.0..20.0f64],
        draws in prop::collection::vec(prop::collection::vec(0.0..1.0f64, 7), 100),
    ) {
        let levels: Vec<FilteredLevel> =
            sizes.iter().map(|(entries, runs)| FilteredLevel { entries: entries * runs, runs: *runs }).collect();
        let budget = per_entry * levels.iter().map(|level| level.entries).sum::<f64>();
        let mut bits = vec![0.0; levels.len()];
        let plan = filter_bits(&levels, budget, &mut bits).expect("sound");
        prop_assert!((plan.bits - budget).abs() <= 1e-6 * budget.max(1.0), "{plan:?} for {budget}");
        prop_assert!((plan.wasted_blocks - wasted(&levels, &bits)).abs() < 1e-9);
        prop_assert!(plan.wasted_blocks <= plan.wasted_blocks_equal + 1e-9, "{plan:?}");
        let equal = vec![budget / levels.iter().map(|level| level.entries).sum::<f64>(); levels.len()];
        prop_assert!((plan.wasted_blocks_equal - wasted(&levels, &equal)).abs() < 1e-9, "{plan:?}");
        for draws in draws {
            let sum: f64 = draws[..levels.len()].iter().sum();
            let other: Vec<f64> = levels.iter().zip(&draws).map(|(level, draw)| draw / sum * budget / level.entries).collect();
            prop_assert!(plan.wasted_blocks <= wasted(&levels, &other) + 1e-9, "{bits:?} {other:?}");
            // A little of one level's memory given to the next.
            for (at, draw) in draws.iter().enumerate().take(levels.len() - 1) {
                let mut other = bits.clone();
                let moved = (draw - 0.5) * 0.1 * budget;
                other[at] -= moved / levels[at].entries;
                other[at + 1] += moved / levels[at + 1].entries;
                if other.iter().all(|bits| *bits >= 0.0) {
                    prop_assert!(plan.wasted_blocks <= wasted(&levels, &other) + 1e-9, "{bits:?} {other:?}");
                }
            }
        }
    }
}

#[test]
fn a_small_budget_leaves_the_deepest_level_without_a_filter() {
    let levels = [1e3, 1e4, 1e5, 1e6].map(|entries| FilteredLevel { entries, runs: 1.0 });
    let mut bits = [0.0; 4];
    filter_bits(&levels, 1e5, &mut bits).expect("sound");
    assert!(bits[3] == 0.0 && bits[0] > bits[1] && bits[1] > 0.0, "{bits:?}");
    // Neighbours that both have one differ by ln 10 / ln(2)^2 bits.
    let step = 10f64.ln() / std::f64::consts::LN_2.powi(2);
    assert!((bits[0] - bits[1] - step).abs() < 1e-6, "{bits:?}");
    for (entries, runs, budget) in [(0.0, 1.0, 1.0), (10.0, 0.0, 1.0), (10.0, 1.0, -1.0), (10.0, 1.0, f64::NAN)] {
        assert!(filter_bits(&[FilteredLevel { entries, runs }], budget, &mut [0.0]).is_err());
    }
    assert!(filter_bits(&[], 1.0, &mut []).is_err());
}

#[test]
fn a_filter_without_bits_errs_always_and_a_byte_is_read_and_written_with_what_it_meets() {
    assert_eq!([0.0, -3.0].map(false_positive_rate), [1.0; 2]);
    assert_eq!((merge_io(&[]), merge_io(&[4.0]), merge_io(&[4.0, 9.0])), (0.0, 10.0, 30.0));
}

#[test]
fn refusals_have_as_many_digits_as_are_worth_reading() {
    let product = |levels, wanted, possible| TuneError::Product { levels, wanted, possible }.to_string();
    assert_eq!(
        product(1, (1e6, f64::INFINITY), (2.0, 0.5e6)),
        "the fan-outs of 1 level can multiply to 2 to 500000, the tree needs 1000000 and more: \
         more levels, higher bounds, or a memtable 2 times larger would do"
    );
    assert!(
        product(2, (3.0, 3.0), (9.0, 16.0))
            .ends_with("fewer levels, lower bounds, or a memtable 3 times smaller would do")
    );
    assert!(product(2, (3.0, 3.0), (9.0, 16.0)).contains("of 2 levels"));
    for (min, text) in
        [(0.01, "0.010"), (0.004, "4.000e-3"), (1.5, "1.500"), (1e9 + 0.5, "1.000e9"), (1e14, "100000000000000")]
    {
        let error = TuneError::OutOfRange { name: "x", value: 0.5, min, max: f64::INFINITY };
        assert_eq!(error.to_string(), format!("x is 0.5, must be at least {text}"));
    }
    let limits = |write_amp, space_amp| TuneError::Limits { write_amp, space_amp }.to_string();
    let none = f64::INFINITY;
    assert_eq!(limits((2.0, 2.5), (none, 1.0)), "no layout keeps write amplification at most 2: 2.500 is the least");
    assert_eq!(
        limits((2.0, 2.5), (1.25, none)),
        "no layout keeps write amplification at most 2: 2.500 is the least within the other limit; \
         space amplification at most 1.250: nothing keeps the other limit"
    );
}
