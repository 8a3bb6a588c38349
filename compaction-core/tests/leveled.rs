//! Leveled compaction and its layouts: laws on random trees, and the behaviours a user counts on.
#![cfg(feature = "alloc")]

mod common;

use common::Shape;
use compaction_core::{
    CompactionStrategy, Cut, Granularity, Leveled, LeveledSettings, Moment, Place, Plan, Planned, Rule, Work,
    check_decision, settle,
};
use proptest::prelude::*;

fn settings() -> impl Strategy<Value = LeveledSettings> {
    let sizes = (1u32..6, 1u64..10_000, 2u32..12, 2u8..12, 1u64..3_000, prop_oneof![1u64..10_000, Just(u64::MAX)]);
    let pct = prop_oneof![2 => 0u32..120, 1 => Just(100)];
    let age = prop_oneof![Just(u64::MAX), 0u64..2_000];
    let ttl = prop_oneof![3 => Just(u64::MAX), 1 => 0u64..2_000];
    (sizes, any::<bool>(), any::<bool>(), pct, age, ttl, any::<bool>(), prop_oneof![Just(1), 1u32..6]).prop_map(
        |(sizes, dynamic, whole, tombstone_pct_max, tombstone_age_ms_max, ttl_ms, intra_l0, runs_max)| {
            let (l0_runs_max, base_bytes, fanout, levels_max, table_bytes_max, job_bytes_max) = sizes;
            LeveledSettings {
                l0_runs_max,
                base_bytes,
                fanout,
                levels_max,
                table_bytes_max,
                job_bytes_max,
                dynamic,
                granularity: if whole { Granularity::Level } else { Granularity::Table },
                tombstone_pct_max,
                tombstone_age_ms_max,
                ttl_ms,
                intra_l0,
                runs_max,
            }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { max_global_rejects: 1 << 20, ..ProptestConfig::default() })]

    #[test]
    fn every_decision_keeps_the_laws_and_is_repeated(
        tree in common::tree(Shape { extreme: true, ..Shape::default() }),
        settings in settings(),
        moment in common::moment(),
        wishes in common::wishes(3),
    ) {
        let buf = tree.build();
        let view = buf.view();
        let running = common::running(&view, &wishes);
        let view = view.with_running(&running);
        let strategy = Leveled::new(settings).unwrap();
        let decision = strategy.choose(&view, &moment);
        check_decision(&view, &moment, &decision).map_err(|law| TestCaseError::fail(format!("{law}\n{view}")))?;
        let other = Moment { entropy: !moment.entropy, ..moment };
        prop_assert_eq!(strategy.choose(&view, &other), decision);
        let mut told = vec![];
        prop_assert_eq!(strategy.explain(&view, &moment, &mut |candidate| told.push(*candidate)), decision);
        if let Some(job) = decision.choice.job() {
            prop_assert_eq!(told.last().map(|candidate| candidate.job), Some(job));
        }
        let over = decision.reason.bytes > decision.reason.bytes_max;
        prop_assert!(!over || running.is_empty(), "a job above the cap runs alone");
    }

    #[test]
    fn a_tree_left_alone_comes_to_rest_within_its_targets(
        tree in common::tree(Shape::default()),
        settings in settings(),
        moment in common::moment(),
    ) {
        let moment = Moment { free_bytes: u64::MAX, snapshot_floor: u64::MAX, ..moment };
        let mut buf = tree.build();
        let mut strategy = Leveled::new(settings).unwrap();
        let steps = settle(&mut strategy, &mut buf, &moment, &mut Vec::new(), 20_000);
        prop_assert!(steps.is_ok(), "{steps:?}\n{}", buf.view());
        let view = buf.view();
        prop_assert_eq!(strategy.debt_bytes(&view), 0);
        prop_assert!(view.level_runs(0).len() <= settings.l0_runs_max as usize);
        let deepest = view.deepest().max(settings.levels_max - 1);
        for level in 1..=deepest {
            let runs_max = if level == deepest { 1 } else { settings.runs_max as usize };
            prop_assert!(view.level_runs(level).len() <= runs_max, "level {level}\n{view}");
        }
        if settings.tombstone_pct_max < 100 {
            for run in 0..view.runs().len() {
                for table in view.run_tables(run) {
                    let over = table.tombstones * 100 > table.entries * u64::from(settings.tombstone_pct_max);
                    prop_assert!(!over, "table {} kept too many tombstones\n{view}", table.id);
                }
            }
        }
        prop_assert_eq!(strategy.choose(&view, &moment).reason.rule, Rule::AtRest);
    }

    #[test]
    fn debt_is_owed_exactly_when_a_level_is_over(
        tree in common::tree(Shape::default()),
        settings in settings(),
    ) {
        let settings = LeveledSettings { ttl_ms: u64::MAX, tombstone_pct_max: 100, tombstone_age_ms_max: u64::MAX, ..settings };
        let buf = tree.build();
        let strategy = Leveled::new(settings).unwrap();
        let rests = strategy.choose(&buf.view(), &Moment::default()).choice.job().is_none();
        prop_assert_eq!(strategy.debt_bytes(&buf.view()) == 0, rests, "\n{}", buf.view());
    }

    #[test]
    fn extreme_sizes_come_to_rest_too(
        tree in common::tree(Shape { extreme: true, ..Shape::default() }),
        settings in settings(),
        moment in common::moment(),
    ) {
        let moment = Moment { free_bytes: u64::MAX, ..moment };
        let mut buf = tree.build();
        let steps = settle(&mut Leveled::new(settings).unwrap(), &mut buf, &moment, &mut Vec::new(), 20_000);
        prop_assert!(steps.is_ok(), "{steps:?}\n{}", buf.view());
    }

    #[test]
    fn the_pick_is_that_of_a_search_over_all_tables(
        tree in common::tree(Shape { tables_max: 30, runs_max: 3, ..Shape::default() }),
        deepest in 1u8..=2,
        moment in common::moment(),
        wishes in common::wishes(2),
        cap in prop_oneof![100u64..8_000, Just(u64::MAX)],
    ) {
        // Level 1 is over its target, whatever it holds; nothing else is due.
        let settings = LeveledSettings {
            l0_runs_max: 100, base_bytes: 1, levels_max: 3, dynamic: false, tombstone_pct_max: 100, job_bytes_max: cap,
            ..LeveledSettings::default()
        };
        let mut tree = tree;
        for (at, (level, _)) in (0u8..).zip(&mut tree.0) {
            *level = deepest.saturating_sub(at);
        }
        let buf = tree.build();
        let view = buf.view();
        prop_assume!(view.level_bytes(1) > 1);
        let running = common::running(&view, &wishes);
        let view = view.with_running(&running);
        let decision = Leveled::new(settings).unwrap().choose(&view, &moment);
        prop_assert_eq!(decision.choice.job(), brute_force(&view, &moment, cap).map(|planned| planned.job), "\n{}", view);
    }
}

/// Plans every table of level 1 one by one, in full.
fn brute_force(view: &compaction_core::Version<'_, u32>, moment: &Moment, cap: u64) -> Option<Planned> {
    let (source, below) = (view.level_runs(1).start, view.level_runs(2));
    let (oldest, place) = if below.is_empty() { (source, Place::New { level: 2 }) } else { (source - 1, Place::Join) };
    let mut all: Vec<(Planned, u64)> = vec![];
    let run = view.runs()[source];
    for at in run.first()..run.end() {
        let cut = Cut::Tables { first: at as u32, last: at as u32 };
        let wish = |work| Plan { runs: oldest..=source, cut, work, place, table_bytes_max: 64 << 20 };
        let planned = view.plan(&wish(Work::Move)).or_else(|| view.plan(&wish(Work::Merge))).unwrap();
        if !view.conflicts(&planned.job) && planned.output_bytes_max() <= moment.free_bytes {
            all.push((planned, view.tables()[at].bytes));
        }
    }
    let older = |planned: &Planned, own: u64| u128::from(planned.bytes - own);
    let mut best: Option<(Planned, u64)> = None;
    for (planned, own) in &all {
        let fits = planned.job.work() == Work::Move || planned.bytes <= cap;
        let beats = |(best, best_own): (Planned, u64)| {
            older(planned, *own) * u128::from(best_own) < older(&best, best_own) * u128::from(*own)
        };
        if fits && best.is_none_or(beats) {
            best = Some((*planned, *own));
        }
    }
    let alone = || all.iter().min_by_key(|(planned, _)| planned.bytes).filter(|_| view.running().is_empty());
    best.or_else(|| alone().copied()).map(|(planned, _)| planned)
}
