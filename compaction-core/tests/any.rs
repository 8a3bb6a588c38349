//! Any strategy out of settings, as good as the strategy itself.
#![cfg(feature = "alloc")]

use compaction_core::{
    AnySettings, AnyStrategy, AnyStrategyVec, BanditSettings, CompactionStrategy, FifoSettings, Full, Leveled,
    LeveledSettings, Moment, Table, Tiered, TieredSettings, VersionVec,
};

fn tree() -> VersionVec<u32> {
    let mut tree = VersionVec::default();
    tree.push_run(2, (0..4).map(|at| Table::new(at + 1, 400, at as u32 * 20, at as u32 * 20 + 15))).unwrap();
    for id in 5..11 {
        tree.flush([Table::new(id, 60, id as u32, id as u32 + 30)]).unwrap();
    }
    tree
}

fn each() -> [AnySettings; 7] {
    [
        AnySettings::Tiered(TieredSettings::default()),
        AnySettings::from(LeveledSettings::default()),
        AnySettings::from(LeveledSettings::lazy()),
        AnySettings::Bandit(BanditSettings::default()),
        AnySettings::Fifo(FifoSettings::default()),
        AnySettings::Idle,
        AnySettings::Full(Full { table_bytes_max: 100 }),
    ]
}

#[test]
fn it_decides_as_the_strategy_itself() {
    let (tree, moment) = (tree(), Moment::default());
    let view = tree.view();
    let tiered = Tiered::default().choose(&view, &moment);
    let leveled = Leveled::default().choose(&view, &moment);
    assert_ne!(tiered, leveled);
    let any = |settings: AnySettings| AnyStrategy::<u32>::from_settings(settings).unwrap();
    let [first, second, ..] = each();
    assert_eq!(any(first).choose(&view, &moment), tiered);
    assert_eq!(any(second).choose(&view, &moment), leveled);
    assert_eq!(any(second).debt_bytes(&view), Leveled::default().debt_bytes(&view));
}

#[test]
fn its_name_is_the_one_its_settings_are_stored_under() {
    let built = |settings: &AnySettings| cfg!(feature = "bandit") || !matches!(settings, AnySettings::Bandit(_));
    for settings in each().into_iter().filter(built) {
        assert_eq!(AnyStrategyVec::<u32>::from_settings(settings).unwrap().name(), settings.name());
    }
}

#[test]
fn settings_that_a_strategy_refuses_are_refused() {
    let wrong = AnySettings::Fifo(FifoSettings { bytes_max: 0, ttl_ms: 0 });
    assert_eq!(AnyStrategy::<u32>::from_settings(wrong).unwrap_err().to_string(), "bytes_max is 0, must be at least 1");
}

#[cfg(not(feature = "bandit"))]
#[test]
fn without_its_feature_the_bandit_is_an_error_and_its_settings_are_still_read() {
    let settings = AnySettings::Bandit(BanditSettings::default());
    let mut bytes = [0; AnySettings::ENCODED_LEN_MAX];
    let len = settings.encode(&mut bytes).unwrap();
    assert_eq!(AnySettings::decode(&bytes[..len]), Ok(settings));
    let error = AnyStrategy::<u32>::from_settings(settings).unwrap_err();
    assert_eq!(error.to_string(), "the strategy needs the crate's feature bandit");
}

#[cfg(feature = "bandit")]
#[test]
fn a_bandit_without_room_for_slots_takes_the_whole_range_for_one() {
    let settings = BanditSettings { table_bytes_max: 100, cold_runs_max: 2, ..BanditSettings::default() };
    let mut strategy = AnyStrategy::<u32>::from_settings(AnySettings::Bandit(settings)).unwrap();
    let mut tree = tree();
    let jobs = compaction_core::settle(&mut strategy, &mut tree, &Moment::default(), &mut vec![], 100).unwrap();
    assert!(jobs > 0 && strategy.bandit().unwrap().slots().is_empty());
    assert!(
        strategy.bandit_mut().is_some()
            && AnyStrategy::<u32>::from_settings(AnySettings::Idle).unwrap().bandit().is_none()
    );
}

#[cfg(feature = "heapless")]
#[test]
fn settings_fit_a_buffer_without_an_allocator() {
    for settings in each() {
        let bytes = heapless::Vec::<u8, { AnySettings::ENCODED_LEN_MAX }>::from(&settings);
        assert_eq!(AnySettings::decode(&bytes), Ok(settings));
    }
}
