//! The simulator: the same from a seed, right where the answer is known, and proof against senseless settings.
#![cfg(feature = "sim")]

use compaction_core::amp::Ratio;
use compaction_core::sim::{
    GivenTable, Hot, KeyPrefix, Mix, Phase, Prices, SimError, SimLevel, SimReport, Simulation, Skew, StoreSettings,
    TableFormat, Workload, simulate,
};
use compaction_core::{
    AnySettings, CompactionStrategy, Decision, FifoSettings, Full, Granularity, Idle, Leveled, LeveledSettings, Search,
    Tiered, TieredSettings, Version,
};
use proptest::prelude::*;

const KIB: u64 = 1 << 10;

fn number(ratio: Option<Ratio>) -> f64 {
    ratio.map_or(f64::NAN, |ratio| ratio.num() as f64 / ratio.den() as f64)
}

fn store(memtable_bytes: u64) -> StoreSettings {
    StoreSettings { memtable_bytes, table_bytes: memtable_bytes, ..StoreSettings::default() }
}

fn workload(seed: u64, phase: Phase) -> Workload {
    Workload { seed, ttl_ms: None, phases: vec![phase] }
}

fn leveled(memtable_bytes: u64, fanout: u32) -> LeveledSettings {
    let (base_bytes, table_bytes_max) = (4 * memtable_bytes, memtable_bytes);
    LeveledSettings { base_bytes, table_bytes_max, fanout, ..LeveledSettings::default() }
}

fn mixed() -> Phase {
    let mix = Mix { put: 0.5, delete: 0.1, get: 0.2, miss: 0.15, scan: 0.05 };
    Phase { mix, skew: Skew::Zipf(0.9), ..Phase::puts(60_000, 8_000) }
}

#[test]
fn the_same_seed_gives_the_same_report_and_another_seed_another() {
    let tiered = AnySettings::Tiered(TieredSettings { table_bytes_max: 64 * KIB, ..TieredSettings::default() });
    for settings in [tiered, AnySettings::Leveled(leveled(64 * KIB, 10)), AnySettings::Fifo(FifoSettings::default())] {
        let run = |seed| simulate(&workload(seed, mixed()), settings, &store(64 * KIB)).unwrap();
        assert_eq!(run(3), run(3));
        assert_ne!(run(3), run(4));
    }
}

/// Writes `keys` keys once each, scattered, in memtables of `per_memtable`.
fn load<S: CompactionStrategy<u32>>(strategy: S, keys: u32, per_memtable: u64) -> SimReport {
    let mut simulation = Simulation::new(strategy, &store(per_memtable * 180), 1);
    for at in 0..keys {
        // An odd factor permutes the numbers below a power of two.
        simulation.put(at.wrapping_mul(2_654_435_761) % (1 << 18), 100).unwrap();
    }
    simulation.finish().unwrap()
}

#[test]
fn without_merges_each_run_is_asked_and_each_byte_written_once() {
    let store = store(180 * 1_000);
    let mut simulation = Simulation::new(Idle, &store, 1);
    (0..16_000u32).for_each(|at| simulation.put(at.wrapping_mul(2_654_435_761) % (1 << 14), 100).unwrap());
    let before = simulation.counts();
    assert_eq!(before.flushes, 15, "the sixteenth memtable is full, and waits for the next write");
    simulation.miss(8_000).unwrap();
    simulation.scan(8_000, 50).unwrap();
    let after = simulation.counts();
    assert_eq!((after.filters_asked - before.filters_asked, after.scan_runs - before.scan_runs), (15, 15));
    let report = simulation.finish().unwrap();
    assert_eq!(report.counts().flush_bytes, report.last().table_bytes);
    assert!((number(report.counts().write_amp()) - 0.96).abs() < 0.02);
}

#[test]
fn tiering_writes_each_entry_once_a_tier() {
    let settings = TieredSettings { max_space_amp_pct: u64::MAX, ..TieredSettings::default() };
    let report = load(Tiered::new(settings).unwrap(), 1 << 18, 1 << 10);
    assert_eq!(report.counts().flushes, 256);
    // 256 flushes are merged by four: 4 tiers, and the flush itself.
    let per_flush = report.counts().merge_written_bytes as f64 / report.counts().flush_bytes as f64;
    assert!((per_flush - 4.0).abs() < 0.08, "{per_flush}");
    assert_eq!(report.levels[0].runs, 1);
}

#[test]
fn merging_all_after_each_flush_writes_half_the_flushes_times_the_data() {
    let report = load(Full { table_bytes_max: 64 * KIB }, 1 << 16, 1 << 10);
    let per_flush = report.counts().merge_written_bytes as f64 / report.counts().flush_bytes as f64;
    let wanted = (2..=64).sum::<u64>() as f64 / 64.0;
    assert!((per_flush / wanted - 1.0).abs() < 0.03, "{per_flush} for {wanted}");
}

/// Bytes that merges wrote to `level` for each byte flushed.
fn written(report: &SimReport, level: usize) -> f64 {
    report.levels[level].written_bytes as f64 / report.counts().flush_bytes as f64
}

#[test]
fn a_full_level_costs_half_its_fanout_to_all_of_it_for_each_byte_that_passes() {
    for fanout in [3, 4, 6, 10] {
        let settings = LeveledSettings { dynamic: false, ..leveled(180 * KIB, fanout) };
        let report = load(Leveled::new(settings).unwrap(), 1 << 18, 1 << 10);
        let (cost, fanout) = (written(&report, 2), f64::from(fanout));
        assert!(cost >= 0.95 * fanout / 2.0 && cost <= fanout + 1.0, "fanout {fanout}: {cost}");
    }
}

#[test]
fn lazy_leveling_writes_each_byte_once_a_level_above_the_last() {
    for fanout in [4, 6, 10] {
        let settings = LeveledSettings { runs_max: fanout - 1, ..leveled(180 * KIB, fanout) };
        let report = load(Leveled::new(settings).unwrap(), 1 << 18, 1 << 10);
        let last = report.levels.len() - 1;
        assert!((1..last).all(|level| written(&report, level) <= 1.05), "{:?}", report.levels);
        assert!(written(&report, last) > 1.2);
        assert!(report.levels[last].runs == 1);
    }
}

#[test]
fn a_small_ratio_gives_many_small_merges_and_a_large_one_bursts() {
    let merges = |report: &SimReport| report.levels.iter().map(|level| level.merges).sum::<u64>();
    let size = |report: &SimReport| report.counts().merge_written_bytes as f64 / merges(report) as f64;
    let tiers = |width| {
        let wide = TieredSettings { min_merge_width: width, max_merge_width: width, ..TieredSettings::default() };
        let settings = TieredSettings { max_space_amp_pct: u64::MAX, size_ratio_ppm: 500_000, ..wide };
        load(Tiered::new(settings).unwrap(), 1 << 18, 1 << 10)
    };
    let (small, large) = (tiers(2), tiers(16));
    assert!(merges(&small) > 10 * merges(&large) && size(&large) > 2.0 * size(&small));
    let levels = |fanout| {
        let whole = LeveledSettings { granularity: Granularity::Level, dynamic: false, ..leveled(180 * KIB, fanout) };
        load(Leveled::new(whole).unwrap(), 1 << 18, 1 << 10)
    };
    let (small, large) = (levels(2), levels(16));
    assert!(small.counts().jobs > large.counts().jobs && small.levels.len() > large.levels.len() + 2);
    let burst = |report: &SimReport| report.levels[2].written_bytes / report.levels[2].merges;
    assert!(burst(&large) > 2 * burst(&small), "{} and {} B a merge", burst(&small), burst(&large));
}

#[test]
fn a_sample_of_one_in_ten_or_a_hundred_gives_nearly_the_same_figures() {
    let phase = |skew| Phase { skew, ..Phase { ops: 1_000_000, keys: 300_000, ..mixed() } };
    let hot = Skew::Hot(Hot { share_of_keys: 0.2, share_of_ops: 0.8, at: 0.3 });
    for skew in [Skew::Zipf(0.99), hot] {
        let run = |scale| {
            let store = StoreSettings { scale: Some(scale), ..store(1 << 20) };
            let tiered = TieredSettings { table_bytes_max: 1 << 20, ..TieredSettings::default() };
            let report = simulate(&workload(1, phase(skew)), AnySettings::Tiered(tiered), &store).unwrap();
            let (counts, space) = (report.counts(), report.last().space_amp());
            [counts.write_amp(), counts.read_amp(), space, counts.cost(&Prices::default())].map(number)
        };
        let full = run(1);
        for (scale, near) in [(10, 0.03), (100, 0.06)] {
            for (sampled, full) in run(scale).into_iter().zip(full) {
                assert!((sampled / full - 1.0).abs() < near, "{skew:?} one in {scale}: {sampled} for {full}");
            }
        }
    }
}

#[test]
fn what_has_expired_is_not_alive() {
    let series = |ttl_ms, scale| {
        let workload =
            Workload { ttl_ms, ..workload(1, Phase { skew: Skew::Sequential, ..Phase::puts(20_000, 20_000) }) };
        let fifo = AnySettings::Fifo(FifoSettings { ttl_ms: ttl_ms.unwrap_or(u64::MAX), ..FifoSettings::default() });
        simulate(&workload, fifo, &StoreSettings { scale: Some(scale), ..store(16 * KIB) }).unwrap()
    };
    let entry = series(None, 1).last().live_bytes / 20_000;
    assert_eq!(series(Some(999), 1).last().live_bytes, 1_000 * entry);
    assert_eq!(series(Some(999), 10).last().live_bytes, 1_000 * entry);
    // What expires goes a table at a time, so a little more is there than lives.
    let space = number(series(Some(999), 1).last().space_amp());
    assert!((1.0..1.2).contains(&space), "{space}");
}

#[test]
fn what_is_too_large_is_an_error() {
    let huge = workload(1, Phase::puts(u64::MAX, 10));
    let given = StoreSettings { scale: Some(1), ..store(KIB) };
    assert!(matches!(given.scale_of(&huge), Err(SimError::TooLarge { what: "operations", .. })));
    assert_eq!(store(KIB).scale_of(&huge), Ok(1 << 37));
    let mut simulation = Simulation::new(Idle, &store(KIB), 1);
    assert!(matches!(simulation.put(u32::MAX, 1), Err(SimError::TooLarge { what: "keys", .. })));
}

fn size() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), 1..2_000u64, (0..40u32).prop_map(|bit| 1 << bit), Just(u64::MAX)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_settings_and_no_sizes_panic(
        sizes in prop::array::uniform10(size()),
        (seed, keys, value_bytes, scale) in (any::<u64>(), 1..500u64, 0..5_000u64, 1..50u64),
        prefix in prop_oneof![Just(KeyPrefix::Whole), Just(KeyPrefix::Digits), any::<u64>().prop_map(KeyPrefix::Shared)],
        varints: bool,
    ) {
        let [memtable, entry, table, block, restart, filter, line, space, io, user] = sizes;
        let format = TableFormat {
            key_bytes: user, prefix, varints, block_bytes: block, restart_entries: restart, filter_bits: filter,
            filter_line_bytes: line, ..TableFormat::default()
        };
        let store = StoreSettings {
            memtable_bytes: memtable, memtable_entry_bytes: entry, table_bytes: table, format, space_bytes: space,
            io_bytes_per_s: io, user_bytes_per_s: user, scale: Some(scale), seed, ..StoreSettings::default()
        };
        let phase = Phase { keys, value_bytes, ops: 300 * scale, ..mixed() };
        for settings in [
            AnySettings::Tiered(TieredSettings::default()),
            AnySettings::Leveled(leveled(1 << 12, 4)),
            AnySettings::Fifo(FifoSettings { bytes_max: table.max(1), ttl_ms: 100 }),
        ] {
            let _ = simulate(&workload(seed, phase), settings, &store);
        }
    }
}

#[test]
fn gets_find_in_tables_what_an_earlier_phase_wrote() {
    let gets = Mix { put: 0.0, delete: 0.0, get: 0.3, miss: 0.5, scan: 0.2 };
    let phases = vec![Phase::puts(5_000, 1_000), Phase { mix: gets, ..Phase::puts(2_000, 1_000) }];
    let format = TableFormat { filter_pass_ppm: 0, ..TableFormat::default() };
    let store = StoreSettings { format, samples: 10, ..store(16 * KIB) };
    let report = simulate(&Workload { seed: 1, ttl_ms: None, phases }, AnySettings::Idle, &store).unwrap();
    let found = report.counts().get_blocks;
    assert!((500..=650).contains(&found), "{found} of about 600");
    assert_eq!(report.samples.len(), 11, "ten on the way and the last");
}

#[test]
fn what_is_told_of_the_levels_adds_up() {
    let report = simulate(&workload(3, mixed()), AnySettings::Leveled(leveled(64 * KIB, 4)), &store(64 * KIB)).unwrap();
    let (counts, last) = (report.counts(), report.last());
    assert_eq!(
        report.levels.iter().map(|level| level.merges > 0).collect::<Vec<_>>(),
        [false, false, false, false, false, true, true]
    );
    let sum = |part: fn(&SimLevel) -> u64| report.levels.iter().map(part).sum::<u64>();
    assert_eq!(sum(|level| level.written_bytes), counts.flush_bytes + counts.merge_written_bytes);
    assert_eq!((report.levels[0].written_bytes, report.levels[0].merges), (counts.flush_bytes, 0));
    assert!(sum(|level| level.merges) <= counts.jobs, "a move is none");
    assert_eq!((sum(|level| level.bytes), sum(|level| level.runs)), (last.table_bytes, last.runs));
    assert!(sum(|level| level.tables) > last.runs);
    for (number, sample) in report.samples.iter().enumerate() {
        assert_eq!(sample.level_bytes.iter().sum::<u64>(), sample.table_bytes, "sample {number}");
        assert_eq!(sample.level_runs.iter().sum::<u64>(), sample.runs, "sample {number}");
    }
    assert!(report.levels.iter().enumerate().all(|(at, level)| usize::from(level.level) == at));
    let told: Vec<(u64, u64)> = last.level_bytes.into_iter().zip(last.level_runs).collect();
    assert_eq!(report.levels.iter().map(|level| (level.bytes, level.runs)).collect::<Vec<_>>(), told);
}

#[test]
fn a_tree_that_is_given_comes_to_rest_though_nothing_is_written() {
    let mut simulation = Simulation::new(Tiered::default(), &StoreSettings::default(), 1);
    let table = GivenTable { min: 0, max: 999, entries: 500, tombstones: 0, value_bytes: 100 };
    (0..4).for_each(|_| simulation.add_run(0, &[table]).unwrap());
    let report = simulation.finish().unwrap();
    let counts = report.counts();
    assert_eq!((counts.flushes, counts.jobs, report.last().runs), (0, 1, 1));
}

#[test]
fn an_empty_store_has_no_levels_and_flushes_nothing() {
    let report = Simulation::new(Tiered::default(), &StoreSettings::default(), 1).finish().unwrap();
    assert_eq!((report.counts().flushes, report.last().level_bytes), (0, vec![]));
}

/// Merges all into one run, cut at key 500.
struct CutAt500(Full);

impl CompactionStrategy<u32> for CutAt500 {
    fn name(&self) -> &'static str {
        "cut at 500"
    }

    fn decide(&self, search: &mut Search<'_, '_, u32>) -> Decision {
        self.0.decide(search)
    }

    fn guard_above(&self, key: &u32) -> Option<&u32> {
        (*key < 500).then_some(&500)
    }

    fn debt_bytes(&self, version: &Version<'_, u32>) -> u64 {
        self.0.debt_bytes(version)
    }
}

#[test]
fn a_merge_cuts_its_tables_at_a_guard_that_some_of_its_inputs_end_before() {
    let table = |min, max| GivenTable { min, max, entries: 200, tombstones: 0, value_bytes: 10 };
    let tables = |newer: GivenTable, older: GivenTable| {
        let strategy = CutAt500(Full { table_bytes_max: u64::MAX });
        let mut simulation = Simulation::new(strategy, &StoreSettings::default(), 1);
        simulation.add_run(0, &[older]).unwrap();
        simulation.add_run(0, &[newer]).unwrap();
        simulation.finish().unwrap().levels.iter().map(|level| level.tables).sum::<u64>()
    };
    assert_eq!((tables(table(0, 400), table(0, 900)), tables(table(0, 900), table(0, 400))), (2, 2));
    assert_eq!((tables(table(0, 500), table(0, 400)), tables(table(0, 499), table(0, 400))), (2, 1));
    assert_eq!(tables(table(500, 900), table(600, 900)), 1, "it begins there");
}

#[test]
fn a_workload_that_makes_no_sense_is_refused() {
    let phase = Phase { mix: Mix { put: -1.0, ..Phase::puts(1, 1).mix }, ..Phase::puts(100, 10) };
    assert!(matches!(simulate(&workload(1, phase), AnySettings::Idle, &store(KIB)), Err(SimError::Workload(_))));
}
