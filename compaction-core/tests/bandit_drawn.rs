//! The adaptive strategy on drawn trees: it comes to rest, and every choice is lawful.
#![cfg(all(feature = "alloc", feature = "bandit"))]

use compaction_core::{
    BanditSettings, BanditVec, CompactionStrategy, Event, Moment, ReadSample, Running, Table, VersionVec,
    check_decision, settle,
};
use proptest::prelude::*;

/// Runs of some levels, deepest first: level, and tables as (first key, keys, bytes, tombstones in percent, sequence number).
type Shape = Vec<(u8, Vec<(u8, u8, u64, u8, u8)>)>;

fn shape() -> impl Strategy<Value = Shape> {
    let bytes = prop_oneof![0..2_000u64, 0..u64::MAX / 128];
    let table = (0..20u8, 0..30u8, bytes, 0..=100u8, 0..100u8);
    let run = (0..9u8, prop::collection::vec(table, 1..8));
    prop::collection::vec(run, 0..14).prop_map(|mut runs| {
        runs.sort_by_key(|run| core::cmp::Reverse(run.0));
        runs
    })
}

fn build(shape: &Shape) -> VersionVec<u32> {
    let (mut tree, mut id) = (VersionVec::default(), 0);
    for (level, tables) in shape {
        let mut key = 0u32;
        let tables = tables.iter().map(|(gap, keys, bytes, pct, seqno)| {
            let (min, max) = (key + u32::from(*gap), key + u32::from(*gap) + u32::from(*keys));
            (id, key) = (id + 1, max + 1);
            Table::new(id, *bytes, min, max)
                .entries(100)
                .tombstones(u64::from(*pct))
                .newest_seqno(u64::from(*seqno))
                .oldest_tombstone_ms((*pct > 0).then_some(u64::from(*seqno)))
                .newest_ms(u64::from(*seqno))
        });
        tree.push_run(*level, tables.collect::<Vec<_>>()).unwrap();
    }
    tree
}

fn settings() -> impl Strategy<Value = BanditSettings> {
    let cap = prop_oneof![Just(u64::MAX), 1..4_000u64];
    let pct = prop_oneof![Just(u64::MAX), 0..300u64];
    let age = prop_oneof![Just(u64::MAX), 0..80u64];
    let ttl = prop_oneof![Just(u64::MAX), Just(u64::MAX), 0..120u64];
    (1..5u64, 1..600u64, cap, pct, 1..20u32, 1..9u32, (0..=100u64, age, ttl)).prop_map(
        |(
            l0_runs_max,
            table_bytes_max,
            job_bytes_max,
            max_space_amp_pct,
            slots_max,
            cold_runs_max,
            (share, age, ttl_ms),
        )| {
            BanditSettings {
                l0_runs_max,
                table_bytes_max,
                job_bytes_max,
                max_space_amp_pct,
                slots_max,
                cold_runs_max,
                tombstone_pct_max: share,
                tombstone_age_ms_max: age,
                ttl_ms,
                ..BanditSettings::default()
            }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn any_tree_comes_to_rest_within_its_targets(
        shape in shape(), settings in settings(), seen in any::<bool>(), reads in prop::collection::vec((0..300u32, any::<u32>()), 0..8),
        floor in prop_oneof![Just(u64::MAX), 0..100u64], now_ms in 0..200u64, entropy in any::<u64>(),
    ) {
        let mut tree = build(&shape);
        let mut bandit = BanditVec::new(settings, vec![]).unwrap();
        if seen {
            bandit.observe(&Event::Flushed { version: tree.view(), now_ms, bytes: 0 });
        }
        for (key, gets) in &reads {
            bandit.observe(&Event::Reads(ReadSample { key, gets: *gets, scans: 1, runs: 8, now_ms }));
        }
        let moment = Moment { now_ms, entropy, snapshot_floor: floor, ..Moment::default() };
        let jobs = settle(&mut bandit, &mut tree, &moment, &mut vec![], 20_000);
        prop_assert!(jobs.is_ok(), "{}: {settings:?}", jobs.unwrap_err());
        let view = tree.view();
        prop_assert!(bandit.debt_bytes(&view) == 0, "{} {:?}\n{view}\n{settings:?}", bandit.debt_bytes(&view), bandit.slots());
        for key in 0..300 {
            let runs = (0..view.runs().len()).filter(|run| !view.overlap(*run, &key, &key).is_empty()).count();
            let max = u64::from(settings.cold_runs_max).saturating_add(settings.l0_runs_max);
            prop_assert!(runs as u64 <= max, "{runs} runs at key {key}\n{view}");
        }
    }

    #[test]
    fn whether_to_wait_never_depends_on_entropy_and_every_choice_is_lawful(
        shape in shape(), settings in settings(), seen in any::<bool>(), free in prop_oneof![Just(u64::MAX), 0..5_000u64],
        busy in prop::collection::vec((0..100usize, prop::option::of(0..9u8)), 0..3), seeds in any::<u64>(),
    ) {
        let tree = build(&shape);
        let mut bandit = BanditVec::new(settings, vec![]).unwrap();
        if seen {
            bandit.observe(&Event::Flushed { version: tree.view(), now_ms: 0, bytes: 0 });
        }
        let view = tree.view();
        let tables = view.tables().len().max(1);
        let running: Vec<Running> =
            busy.iter().filter_map(|(at, level)| view.barrier(1, [at % tables], *level)).collect();
        let view = view.with_running(&running);
        let mut waits = vec![];
        for at in 0..20u64 {
            let entropy = seeds.wrapping_add(at.wrapping_mul(0x9E37_79B9));
            let moment = Moment { entropy, free_bytes: free, ..Moment::default() };
            let decision = bandit.choose(&view, &moment);
            prop_assert_eq!(decision, bandit.choose(&view, &moment));
            if let Err(law) = check_decision(&view, &moment, &decision) {
                return Err(TestCaseError::fail(format!("{law}\n{view}{decision:?}")));
            }
            waits.push(decision.choice.job().is_none().then_some(decision));
        }
        prop_assert!(waits.windows(2).all(|pair| pair[0] == pair[1]) || waits.iter().all(Option::is_none), "{waits:?}");
    }
}

#[test]
fn a_run_that_comes_to_reach_over_whole_slots_is_left_to_level_0_by_all_of_them() {
    let old = [(16, 17, 0, 0, 0), (1, 3, 20_325_403_278_490_073, 0, 0), (9, 0, 77_190_365_848_225_363, 0, 0)];
    let rest = [(0, 0, 0, 0, 0), (0, 0, 20_513_353_441_131_502, 0, 0), (0, 0, 0, 0, 0)];
    let shape = vec![
        (3, vec![(0, 8, 0, 0, 0)]),
        (3, [old, rest].concat()),
        (3, vec![(0, 0, 0, 0, 0)]),
        (1, vec![(0, 0, 0, 0, 0), (0, 16, 0, 0, 0), (18, 14, 1, 0, 0)]),
        (0, vec![(1, 13, 0, 0, 0), (2, 8, 0, 0, 0), (12, 11, 0, 0, 0)]),
    ];
    let mut tree = build(&shape);
    let settings = BanditSettings {
        l0_runs_max: 1,
        table_bytes_max: 1,
        job_bytes_max: u64::MAX,
        tombstone_pct_max: 0,
        tombstone_age_ms_max: u64::MAX,
        ttl_ms: u64::MAX,
        max_space_amp_pct: u64::MAX,
        slots_max: 6,
        cold_runs_max: 1,
        ..BanditSettings::default()
    };
    let mut bandit = BanditVec::new(settings, vec![]).unwrap();
    let moment = Moment { entropy: 289_829_152_278_692_083, ..Moment::default() };
    settle(&mut bandit, &mut tree, &moment, &mut vec![], 20_000).unwrap();
    let view = tree.view();
    assert_eq!(bandit.debt_bytes(&view), 0, "{view}\n{:?}", bandit.slots());
}
