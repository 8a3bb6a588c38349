//! Settings on their way to bytes and back, and everything that can go wrong on it.

use std::collections::BTreeMap;

use compaction_core::{
    AnySettings, BanditSettings, ConfigError, DecodeError, EncodeError, EstimatorKind, FifoSettings, Full, Granularity,
    KeysError, Layout, LeveledSettings, Tiered, TieredSettings,
};
use proptest::prelude::*;

fn encoded(settings: &AnySettings) -> Vec<u8> {
    let mut bytes = [0; AnySettings::ENCODED_LEN_MAX];
    let len = settings.encode(&mut bytes).unwrap();
    bytes[..len].to_vec()
}

/// Puts the right checksum behind a record that was changed.
fn sealed(mut record: Vec<u8>) -> Vec<u8> {
    let end = record.len() - 4;
    let len = record.len() as u32;
    record[6..10].copy_from_slice(&len.to_le_bytes());
    let crc = record[..end].iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xEDB8_8320 } else { crc >> 1 })
    });
    record[end..].copy_from_slice(&(!crc).to_le_bytes());
    record
}

fn tiered() -> impl Strategy<Value = TieredSettings> {
    let edge = || prop_oneof![Just(1), Just(u64::MAX), 1..100u64, 1..u64::MAX];
    let ratio = prop_oneof![Just(0), 0..10_000_000u64, 0..u64::MAX, (1u64 << 52)..(1 << 54)];
    (ratio, any::<u32>(), any::<u32>(), any::<u64>(), edge(), edge(), edge()).prop_map(
        |(size_ratio_ppm, min_merge_width, max_merge_width, pct, table_bytes_max, runs_max, job_bytes_max)| {
            TieredSettings {
                size_ratio_ppm,
                min_merge_width,
                max_merge_width,
                max_space_amp_pct: pct,
                table_bytes_max,
                runs_max,
                job_bytes_max,
            }
        },
    )
}

/// Each setting takes its own value, so that two fields in the wrong order show.
fn leveled() -> impl Strategy<Value = LeveledSettings> {
    let counts = (1..=u32::MAX, 2..=u32::MAX, 2..=32u8, any::<u32>(), 1..=u32::MAX);
    let sizes = (1..=u64::MAX, 1..=u64::MAX, 1..=u64::MAX, any::<u64>(), any::<u64>());
    let kinds = (any::<bool>(), any::<bool>(), any::<bool>());
    (counts, sizes, kinds).prop_map(|(counts, sizes, kinds)| LeveledSettings {
        l0_runs_max: counts.0,
        base_bytes: sizes.0,
        fanout: counts.1,
        levels_max: counts.2,
        table_bytes_max: sizes.1,
        job_bytes_max: sizes.2,
        dynamic: kinds.0,
        granularity: if kinds.1 { Granularity::Table } else { Granularity::Level },
        tombstone_pct_max: counts.3,
        tombstone_age_ms_max: sizes.3,
        ttl_ms: sizes.4,
        intra_l0: kinds.2,
        runs_max: if kinds.0 { 1 } else { counts.4 },
    })
}

fn bandit() -> impl Strategy<Value = BanditSettings> {
    let sizes = (1..=u64::MAX, 1..=u64::MAX, 1..=u64::MAX, any::<u64>(), any::<u64>(), any::<u64>(), any::<u64>());
    let slots = (1..=BanditSettings::SLOTS_MAX, 1..=BanditSettings::COLD_RUNS_MAX);
    let odds = (0..=1_000_000u64, 0..=BanditSettings::UCB_C_PPM_MAX, 1..=1_000_000u64);
    let discount = BanditSettings::DISCOUNT_PPM_MIN..=1_000_000;
    let layouts = (0..=Layout::ALL.len(), 1..=1_000_000u64, 1..=u64::MAX);
    (sizes, slots, odds, discount, any::<bool>(), any::<bool>(), layouts).prop_map(
        |(sizes, slots, odds, discount_ppm, intra_l0, ucb, layouts)| BanditSettings {
            l0_runs_max: sizes.0,
            table_bytes_max: sizes.1,
            job_bytes_max: sizes.2,
            intra_l0,
            tombstone_pct_max: sizes.3,
            tombstone_age_ms_max: sizes.4,
            ttl_ms: sizes.5,
            max_space_amp_pct: sizes.6,
            slots_max: slots.0,
            cold_runs_max: slots.1,
            estimator: if ucb { EstimatorKind::Ucb } else { EstimatorKind::Greedy },
            epsilon_ppm: odds.0,
            ucb_c_ppm: odds.1,
            alpha_ppm: odds.2,
            discount_ppm,
            layout: layouts.0.checked_sub(1).map(|at| Layout::ALL[at]),
            switch_ppm: layouts.1,
            rent_ppm: layouts.2,
            variance_k_ppm: odds.1,
            change_ppm: odds.0,
        },
    )
}

fn any_settings() -> impl Strategy<Value = AnySettings> {
    prop_oneof![
        leveled().prop_map(AnySettings::from),
        bandit().prop_map(AnySettings::Bandit),
        (1..=u64::MAX, any::<u64>())
            .prop_map(|(bytes_max, ttl_ms)| AnySettings::Fifo(FifoSettings { bytes_max, ttl_ms })),
        tiered().prop_map(AnySettings::Tiered),
        Just(AnySettings::Idle),
        (1..=u64::MAX).prop_map(|table_bytes_max| AnySettings::Full(Full { table_bytes_max })),
    ]
}

#[test]
fn the_stored_form_is_little_endian_and_does_not_change() {
    let bytes = encoded(&AnySettings::Full(Full { table_bytes_max: 0x0102 }));
    assert_eq!(
        bytes,
        [b"LSMc\x01\0\x1b\0\0\0\x04Full".as_slice(), &[2, 1, 0, 0, 0, 0, 0, 0], &0x81A6_74FDu32.to_le_bytes()].concat()
    );
}

#[test]
fn an_unknown_strategy_is_named() {
    let mut record = encoded(&AnySettings::Idle);
    record[11..15].copy_from_slice(b"Odd\xff");
    let error = AnySettings::decode(&sealed(record)).unwrap_err();
    assert_eq!(error.to_string(), "unknown strategy \"Odd\\xff\"");
}

#[test]
fn a_newer_format_is_told_from_a_damaged_one() {
    let mut record = encoded(&AnySettings::Idle);
    record[4] = 2;
    assert!(matches!(AnySettings::decode(&record), Err(DecodeError::Checksum { .. })));
    assert_eq!(AnySettings::decode(&sealed(record)), Err(DecodeError::Version { found: 2, known: 1 }));
}

#[test]
fn a_format_that_is_not_known_is_named_before_what_else_is_wrong() {
    let mut record = encoded(&AnySettings::Idle);
    record[11..15].copy_from_slice(b"Odd\xff");
    for found in [0, 3] {
        record[4] = found;
        let error = DecodeError::Version { found: found.into(), known: 2 };
        assert_eq!(AnySettings::decode(&sealed(record.clone())), Err(error));
    }
}

#[test]
fn settings_that_nothing_can_work_with_are_refused_by_name() {
    let settings = AnySettings::Tiered(TieredSettings { table_bytes_max: 0, ..TieredSettings::default() });
    let wrong = ConfigError::OutOfRange { name: "table_bytes_max", value: 0, min: 1, max: u64::MAX };
    assert_eq!(AnySettings::decode(&encoded(&settings)), Err(DecodeError::Invalid(wrong)));
}

#[test]
fn a_kind_or_a_switch_that_does_not_exist_is_named() {
    let mut record = encoded(&AnySettings::Leveled(LeveledSettings::default()));
    // Behind the header, the name and five numbers: `dynamic`, then `granularity`.
    let dynamic = 10 + 1 + "LeveledCompaction".len() + 4 + 8 + 4 + 1 + 8 + 8;
    record[dynamic + 1] = 2;
    let wrong = ConfigError::OutOfRange { name: "granularity", value: 2, min: 0, max: 1 };
    assert_eq!(AnySettings::decode(&sealed(record)), Err(DecodeError::Invalid(wrong)));
}

#[test]
fn leveled_and_lazy_are_told_apart_by_their_runs() {
    let (leveled, lazy) = (LeveledSettings::default(), LeveledSettings::lazy());
    assert_eq!((leveled.runs_max, lazy.runs_max, leveled.fanout), (1, 9, 10));
    assert_eq!((leveled.job_bytes_max, lazy.job_bytes_max), (25 * leveled.table_bytes_max, u64::MAX));
    assert_eq!(AnySettings::from(leveled), AnySettings::Leveled(leveled));
    assert_eq!(AnySettings::from(lazy), AnySettings::Lazy(lazy));
    for mixed in [AnySettings::Leveled(lazy), AnySettings::Lazy(leveled)] {
        assert!(matches!(mixed.check(), Err(ConfigError::OutOfRange { name: "runs_max", .. })));
        assert!(matches!(AnySettings::decode(&encoded(&mixed)), Err(DecodeError::Invalid(_))));
    }
}

#[test]
fn a_record_with_a_field_too_few_or_too_many_is_refused() {
    let record = encoded(&AnySettings::Full(Full { table_bytes_max: 7 }));
    let (short, mut long) = (sealed(record[..record.len() - 1].to_vec()), record);
    long.push(0);
    assert_eq!(AnySettings::decode(&short), Err(DecodeError::Missing { field: "table_bytes_max" }));
    assert_eq!(AnySettings::decode(&long), Err(DecodeError::Trailing { extra: 1 }));
    assert_eq!(AnySettings::decode(&sealed(long)), Err(DecodeError::Trailing { extra: 1 }));
}

#[test]
fn a_record_of_another_kind_is_refused() {
    assert_eq!(AnySettings::decode(&[7; 30]), Err(DecodeError::Foreign));
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(settings in any_settings()) {
        let bytes = encoded(&settings);
        prop_assert_eq!(AnySettings::decode(&bytes), Ok(settings));
        let decoded = AnySettings::decode(&bytes).unwrap();
        prop_assert_eq!(encoded(&decoded), bytes);
    }

    #[test]
    fn every_cut_and_every_flipped_bit_is_an_error(settings in any_settings(), bit in any::<usize>()) {
        let bytes = encoded(&settings);
        for len in 0..bytes.len() {
            let cut = AnySettings::decode(&bytes[..len]);
            prop_assert!(matches!(cut, Err(DecodeError::Truncated { len: said, .. }) if said == len), "{:?}", cut);
        }
        let mut flipped = bytes.clone();
        let bit = bit % (bytes.len() * 8);
        flipped[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(AnySettings::decode(&flipped).is_err());
    }

    #[test]
    fn any_bytes_are_answered(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = AnySettings::decode(&bytes);
        let mut record = [b"LSMc\x01\0\0\0\0\0".to_vec(), bytes, vec![0; 4]].concat();
        record = sealed(record);
        if let Ok(settings) = AnySettings::decode(&record) {
            prop_assert_eq!(encoded(&settings), record);
        }
    }

    #[test]
    fn short_storage_is_refused_with_the_length_it_needs(settings in any_settings()) {
        let needed = encoded(&settings).len();
        for len in 0..needed {
            prop_assert_eq!(settings.encode(&mut vec![0; len]), Err(EncodeError { needed, len }));
        }
        prop_assert_eq!(settings.encode(&mut vec![0; needed]), Ok(needed));
    }

    #[test]
    fn five_keys_are_read_back(settings in tiered()) {
        let whole = TieredSettings { runs_max: u64::MAX, job_bytes_max: u64::MAX, ..settings };
        let keys: BTreeMap<_, _> = whole.to_keys().unwrap().into_iter().collect();
        let clamped = Tiered::new(whole).unwrap().settings();
        prop_assert_eq!(TieredSettings::from_keys(|key| keys.get(key)), Ok(clamped));
    }

    #[test]
    fn no_double_is_refused_as_a_ratio(bits in any::<u64>()) {
        let ppm = TieredSettings::ppm_of_ratio(f64::from_bits(bits));
        prop_assert!(ppm <= TieredSettings::RATIO_PPM_UNLIMITED);
    }
}

/// The five values as a store of another engine would hold them.
fn stored(ratio: f64, min: u32, max: u32) -> BTreeMap<&'static str, Vec<u8>> {
    BTreeMap::from([
        ("tiered_size_ratio", ratio.to_le_bytes().to_vec()),
        ("tiered_min_merge_width", min.to_le_bytes().to_vec()),
        ("tiered_max_merge_width", max.to_le_bytes().to_vec()),
        ("tiered_max_space_amp_pct", 200u64.to_le_bytes().to_vec()),
        ("tiered_target_size", 67_108_864u64.to_le_bytes().to_vec()),
    ])
}

fn read(stored: &BTreeMap<&'static str, Vec<u8>>) -> Result<TieredSettings, KeysError> {
    TieredSettings::from_keys(|key| stored.get(key))
}

#[test]
fn the_defaults_have_the_published_keys() {
    let keys = TieredSettings::default().to_keys().unwrap();
    let keys: BTreeMap<_, _> = keys.iter().map(|(key, bytes)| (*key, bytes.as_ref().to_vec())).collect();
    assert_eq!(keys, stored(1.0, 4, u32::MAX));
    assert_eq!(read(&keys), Ok(TieredSettings::default()));
}

#[test]
fn odd_ratios_and_widths_mean_what_the_figures_say() {
    for (ratio, ppm) in
        [(f64::NAN, 1_000_000), (f64::INFINITY, 1_000_000), (-f64::INFINITY, 1_000_000)].into_iter().chain([
            (-0.5, 1_000_000),
            (0.0, 0),
            (-0.0, 0),
            (0.5, 500_000),
            (1.1, 1_100_000),
            (6e-7, 1),
            (1e300, 1_000_000 << 33),
        ])
    {
        assert_eq!(read(&stored(ratio, 4, 4)).unwrap().size_ratio_ppm, ppm, "{ratio}");
    }
    let narrow = read(&stored(1.0, 0, 1)).unwrap();
    assert_eq!((narrow.min_merge_width, narrow.max_merge_width), (2, 2));
}

#[test]
fn a_key_that_is_missing_or_short_is_named() {
    for key in stored(1.0, 4, 4).into_keys() {
        let mut without = stored(1.0, 4, 4);
        without.remove(key);
        assert_eq!(read(&without), Err(KeysError::Missing { key }));
        let mut short = stored(1.0, 4, 4);
        let needed = short[key].len();
        short.get_mut(key).unwrap().pop();
        assert_eq!(read(&short), Err(KeysError::Length { key, needed, len: needed - 1 }));
    }
}

#[test]
fn settings_without_a_key_are_not_lost_in_silence() {
    let capped = TieredSettings { job_bytes_max: 9, ..TieredSettings::default() };
    assert_eq!(capped.to_keys(), Err(ConfigError::NotStored { name: "job_bytes_max", value: 9 }));
}

#[test]
fn leveled_has_one_run_a_level_and_lazy_more() {
    let refused = |settings: AnySettings| settings.check().unwrap_err().to_string();
    let leveled = AnySettings::Leveled(LeveledSettings { runs_max: 2, ..LeveledSettings::default() });
    assert_eq!(refused(leveled), "runs_max is 2, must lie in 1..=1");
    let lazy = AnySettings::Lazy(LeveledSettings { runs_max: 1, ..LeveledSettings::lazy() });
    assert_eq!(refused(lazy), "runs_max is 1, must lie in 2..=4294967295");
}
