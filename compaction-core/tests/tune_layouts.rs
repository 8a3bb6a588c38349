//! What a layout is expected to cost, beside the simulator; the choice among layouts, beside a search over all of them.
#![cfg(all(feature = "sim", feature = "tune"))]

use compaction_core::sim::{Mix, Phase, Prices, Skew, StoreSettings, TableFormat, Workload, simulate};
use compaction_core::tune::{
    Charges, Expected, FilteredLevel, Layout, Limits, Load, Popularity, TuneError, choose, choose_among, expect,
    layouts, level_shapes,
};
use compaction_core::{AnySettings, LeveledSettings, TieredSettings};

const KEYS: u64 = 8_000;
const MEMTABLE: u64 = 100;
/// Of key, value, and what an entry takes beside them in a memtable.
const ENTRY: (u64, u64, u64) = (16, 100, 64);
const ROUNDS: u64 = 6;

fn format() -> TableFormat {
    TableFormat { key_bytes: ENTRY.0, ..TableFormat::default() }
}

fn load(popularity: Popularity) -> Load {
    Load {
        writes: 0.5,
        reads: 0.3,
        misses: 0.1,
        scans: 0.1,
        entries: KEYS as f64,
        popularity,
        memtable_entries: MEMTABLE as f64,
        table_entry_bytes: format().table_bytes(MEMTABLE, ENTRY.1) as f64 / MEMTABLE as f64,
        user_entry_bytes: (ENTRY.0 + ENTRY.1) as f64,
        false_positives: 0.01,
    }
}

fn settings(layout: Layout, memtable_bytes: u64) -> AnySettings {
    let leveled = |fanout, runs_max, base_memtables: u32| LeveledSettings {
        fanout,
        runs_max,
        base_bytes: memtable_bytes * u64::from(base_memtables),
        table_bytes_max: memtable_bytes,
        job_bytes_max: if runs_max > 1 { u64::MAX } else { LeveledSettings::default().job_bytes_max },
        ..LeveledSettings::default()
    };
    match layout {
        Layout::Tiered { width, space_pct } => AnySettings::Tiered(TieredSettings {
            min_merge_width: width,
            max_space_amp_pct: space_pct,
            table_bytes_max: memtable_bytes,
            ..TieredSettings::default()
        }),
        Layout::Leveled { fanout, base_memtables } => AnySettings::from(leveled(fanout, 1, base_memtables)),
        Layout::Lazy { fanout, runs, base_memtables } => AnySettings::from(leveled(fanout, runs, base_memtables)),
    }
}

/// What an operation costs in merges and in reads, the bytes written for each that the user writes, and the most space, once
/// every key was written.
fn simulated(load: &Load, layout: Layout) -> [f64; 4] {
    let memtable_bytes = MEMTABLE * (ENTRY.0 + ENTRY.1 + ENTRY.2);
    let first = Phase { skew: Skew::Sequential, value_bytes: ENTRY.1, ..Phase::puts(KEYS, KEYS) };
    let mix = Mix { put: load.writes, delete: 0.0, get: load.reads, miss: load.misses, scan: load.scans };
    let ops = (KEYS * ROUNDS) as f64 / load.writes;
    let phases = vec![first, Phase { ops: ops as u64, skew: load.popularity.into(), mix, ..first }];
    let store = StoreSettings {
        memtable_bytes,
        table_bytes: memtable_bytes,
        memtable_entry_bytes: ENTRY.2,
        format: format(),
        samples: 2_000,
        ..StoreSettings::default()
    };
    let report =
        simulate(&Workload { seed: 1, ttl_ms: None, phases }, settings(layout, memtable_bytes), &store).unwrap();
    let before = report.samples.iter().map(|sample| sample.counts).find(|counts| counts.ops >= KEYS).unwrap();
    let counts = report.counts().since(&before);
    let [merge_written, merge_read, reads @ ..] = counts.cost_parts(&Prices::default()).map(|bytes| bytes as f64);
    let per_op = |bytes: f64| bytes / counts.ops as f64;
    let written = counts.merge_written_bytes + counts.flush_bytes;
    let write_amp = written as f64 / counts.user_bytes as f64;
    let space = report.peak_space_amp().unwrap();
    let space = space.num() as f64 / space.den() as f64;
    [per_op(merge_written + merge_read), per_op(reads.iter().sum()), write_amp, space]
}

#[test]
fn a_layout_costs_about_what_the_simulator_says() {
    let (tiered, base_memtables) = (|width, space_pct| Layout::Tiered { width, space_pct }, 4);
    let leveled = |fanout| Layout::Leveled { fanout, base_memtables };
    let lazy = |fanout, runs| Layout::Lazy { fanout, runs, base_memtables };
    let (zipf, hot) = (Popularity::Zipf(0.9), Popularity::Hot { keys: 0.1, ops: 0.9 });
    for (popularity, layout) in [
        (Popularity::Uniform, tiered(4, 200)),
        (Popularity::Uniform, tiered(2, 25)),
        (Popularity::Uniform, leveled(4)),
        (Popularity::Uniform, lazy(4, 3)),
        (zipf, tiered(3, 100)),
        (zipf, leveled(6)),
        (hot, leveled(3)),
        (hot, lazy(5, 2)),
    ] {
        let load = load(popularity);
        let expected = expect(&load, layout, &Charges::default()).unwrap();
        let found = [expected.merge_cost, expected.read_cost, expected.write_amp, expected.space_amp_max];
        let simulated = simulated(&load, layout);
        let off: Vec<f64> = found.iter().zip(simulated).map(|(found, simulated)| found / simulated - 1.0).collect();
        let near = off.iter().zip([0.16, 0.06, 0.12, 0.12]).all(|(off, most)| off.abs() < most);
        assert!(near, "{popularity:?} {layout:?}: {off:.3?} of {simulated:.2?}");
        assert!((expected.cost - expected.merge_cost - expected.read_cost).abs() < 1e-9 * expected.cost);
        assert!(expected.space_amp <= expected.space_amp_max && expected.runs >= 1.0);
    }
}

#[test]
fn the_choice_is_the_cheapest_of_all_and_with_limits_the_one_that_reads_cheapest_within_them() {
    let load = Load { writes: 0.95, reads: 0.05, misses: 0.0, scans: 0.0, ..load(Popularity::Uniform) };
    let charges = Charges::default();
    let all: Vec<(Layout, Expected)> =
        layouts().map(|layout| (layout, expect(&load, layout, &charges).unwrap())).collect();
    let least = |of: &dyn Fn(&Expected) -> f64, keeps: &dyn Fn(&Expected) -> bool| {
        all.iter()
            .filter(|(_, expected)| keeps(expected))
            .map(|(_, expected)| of(expected))
            .fold(f64::INFINITY, f64::min)
    };
    let free = choose(&load, &Limits::default(), &charges).unwrap();
    assert_eq!(free.expected.cost, least(&|expected| expected.cost, &|_| true));
    let limits = Limits { write_amp: 4.0, space_amp: 1.9 };
    let keeps =
        |expected: &Expected| expected.write_amp <= limits.write_amp && expected.space_amp_max <= limits.space_amp;
    let bound = choose(&load, &limits, &charges).unwrap();
    assert!(keeps(&bound.expected));
    assert_eq!(bound.expected.read_cost, least(&|expected| expected.read_cost, &keeps));
    let one = Limits { space_amp: 1.9, ..Limits::default() };
    let small = choose(&load, &one, &charges).unwrap();
    assert_eq!(
        small.expected.read_cost,
        least(&|expected| expected.read_cost, &|expected| expected.space_amp_max <= 1.9)
    );
    let only = |layout: &Layout| matches!(layout, Layout::Lazy { .. });
    let lazy = choose_among(&load, &Limits::default(), &charges, &only).unwrap();
    assert!(only(&lazy.layout) && lazy.expected.cost >= free.expected.cost);

    let narrow = Limits { write_amp: 0.5, space_amp: 1.9 };
    let write_amp = (0.5, least(&|expected| expected.write_amp, &|expected| expected.space_amp_max <= 1.9));
    let error = TuneError::Limits { write_amp, space_amp: (1.9, f64::INFINITY) };
    assert_eq!(choose(&load, &narrow, &charges), Err(error));
}

#[test]
fn beyond_what_is_played_out_figures_go_on_with_the_logarithm_of_the_size() {
    let layout = Layout::Tiered { width: 4, space_pct: 200 };
    let at = |memtables: f64| {
        let load = Load { entries: 100.0 * memtables, ..load(Popularity::Uniform) };
        expect(&load, layout, &Charges::default()).unwrap()
    };
    let (less, more, far) = (at(200.0), at(2_000.0), at(200_000.0));
    let steps = 2.0; // Two powers of ten.
    assert!(more.write_amp > less.write_amp);
    assert!((far.write_amp - more.write_amp - steps * (more.write_amp - less.write_amp)).abs() < 1e-9);
    assert!((far.cost - far.merge_cost - far.read_cost).abs() < 1e-6 && far.cost > more.cost);
    assert_eq!(far.space_amp_max, more.space_amp_max);
}

#[test]
fn levels_lie_by_the_ratio_of_their_layout_the_deepest_holds_all() {
    let shapes = |layout| {
        let mut out = [FilteredLevel { entries: 0.0, runs: 0.0 }; 9];
        let count = level_shapes(&load(Popularity::Uniform), layout, &mut out);
        out[..count].iter().map(|level| (level.entries.round(), level.runs)).collect::<Vec<_>>()
    };
    let tiered = shapes(Layout::Tiered { width: 4, space_pct: 200 });
    assert_eq!(tiered, [(125.0, 3.0), (500.0, 3.0), (2_000.0, 3.0), (8_000.0, 1.0)]);
    let leveled = shapes(Layout::Leveled { fanout: 4, base_memtables: 4 });
    assert_eq!(leveled, [(400.0, 4.0), (500.0, 1.0), (2_000.0, 1.0), (8_000.0, 1.0)]);
    let lazy = shapes(Layout::Lazy { fanout: 4, runs: 2, base_memtables: 4 });
    assert_eq!(lazy, [(400.0, 4.0), (2_000.0, 2.0), (8_000.0, 1.0)]);
}

#[test]
fn of_lazy_layouts_those_with_fewer_runs_than_their_fan_out_are_tried() {
    let runs = |wanted| {
        let of = move |layout| match layout {
            Layout::Lazy { fanout, runs, .. } if fanout == wanted => Some(runs),
            _ => None,
        };
        layouts().filter_map(of).collect::<Vec<_>>()
    };
    assert_eq!([2, 3, 4, 10].map(runs), [vec![], vec![2], vec![2, 3], vec![2, 3, 5, 8, 9]]);
}

#[test]
fn prices_of_reads_follow_from_the_runs_that_they_ask() {
    let (charges, none) = (Charges::default(), load(Popularity::Uniform));
    let of = |reads, misses, scans, false_positives| {
        let load = Load { reads, misses, scans, false_positives, ..none };
        expect(&load, Layout::Tiered { width: 4, space_pct: 200 }, &charges).unwrap()
    };
    let near = |found: f64, wanted: f64| assert!((found / wanted - 1.0).abs() < 1e-9, "{found} is not {wanted}");
    let scans = of(0.0, 0.0, 0.5, 0.01);
    near(scans.read_cost, 0.5 * charges.scan_run * scans.runs);
    let misses = of(0.0, 0.5, 0.0, 0.01);
    near(misses.read_cost, 0.5 * misses.runs * (charges.filter + 0.01 * charges.get_block));
    near(misses.read_amp, misses.runs);
    let gets = of(0.5, 0.0, 0.0, 1.0);
    near(gets.read_cost, 0.5 * gets.read_amp * (charges.filter + charges.get_block));
    assert!(gets.read_amp > 1.0 && gets.read_amp < gets.runs, "{gets:?}");
    near(of(0.3, 0.2, 0.0, 0.01).read_amp, (0.3 * gets.read_amp + 0.2 * misses.read_amp) / 0.5);
    let sum = expect(&Load { reads: 0.2, ..none }, Layout::Tiered { width: 4, space_pct: 200 }, &charges);
    assert!(matches!(sum, Err(TuneError::Shares { .. })));
}
