//! What the bandit learned, stored and read back.
#![cfg(all(feature = "alloc", feature = "bandit"))]

use compaction_core::{
    Bandit, BanditSettings, BanditVec, CompactionStrategy, DecodeError, Event, KeyCodec, Lent, Moment, Outcome,
    PlainKeys, ReadSample, Rule, Slot, Storage, Table, VersionVec,
};

/// Four runs over all slots; some merges and reads went before.
fn learned() -> (VersionVec<u32>, BanditVec<u32>) {
    let mut tree = VersionVec::default();
    let mut id = 0;
    for _ in 0..4 {
        let tables = (0..60).map(|at| {
            id += 1;
            Table::new(id, 100, at * 10, at * 10 + 9).entries(10)
        });
        tree.push_run(1, tables.collect::<Vec<_>>()).unwrap();
    }
    let settings = BanditSettings {
        table_bytes_max: 100,
        cold_runs_max: 2,
        slots_max: 16,
        epsilon_ppm: 400_000,
        ..Default::default()
    };
    let mut bandit = BanditVec::new(settings, vec![]).unwrap();
    bandit.observe(&Event::Flushed { version: tree.view(), now_ms: 5, bytes: 0 });
    for entropy in 0..6 {
        work(&mut tree, &mut bandit, entropy);
        bandit.observe(&Event::Reads(ReadSample { key: &77, gets: 40, scans: 3, runs: 8, now_ms: entropy * 1_000 }));
    }
    assert!(bandit.slots().len() > 8 && bandit.last_reward().is_some());
    (tree, bandit)
}

/// One decision, carried out; the reason.
fn work<S: Storage<Slot<u32>>>(tree: &mut VersionVec<u32>, bandit: &mut Bandit<u32, S>, entropy: u64) -> Rule {
    let view = tree.view();
    let decision = bandit.choose(&view, &Moment { entropy, ..Moment::default() });
    let Some(job) = decision.choice.job() else { return decision.reason.rule };
    let inputs: Vec<_> = view.inputs(&job).collect();
    let mut outputs = view.tables()[inputs.last().unwrap().range()].to_vec();
    for (at, table) in outputs.iter_mut().enumerate() {
        (table.id, table.bytes) = (view.edit() * 1_000 + at as u64, table.bytes + 1);
    }
    let bytes_written = outputs.iter().map(|table| table.bytes).sum();
    let ticket = tree.begin(job).unwrap();
    let job = tree.finish(ticket, outputs).unwrap();
    let reason = decision.reason;
    let outcome =
        Outcome { job, reason, bytes_read: reason.bytes, bytes_written, micros: 1, now_ms: 9, runs_removed: 0 };
    bandit.observe(&Event::Done { version: tree.view(), outcome });
    reason.rule
}

fn saved(bandit: &BanditVec<u32>) -> Vec<u8> {
    let needed = bandit.save(&PlainKeys, &mut []).unwrap_err().needed;
    let mut bytes = vec![0; needed];
    assert_eq!(bandit.save(&PlainKeys, &mut bytes), Ok(needed));
    bytes
}

#[test]
fn after_a_restart_the_same_decisions_follow() {
    let (mut tree, mut bandit) = learned();
    let bytes = saved(&bandit);
    let mut again = BanditVec::new(bandit.settings(), vec![]).unwrap();
    again.load(&PlainKeys, &bytes).unwrap();
    again.observe(&Event::Flushed { version: tree.view(), now_ms: 9, bytes: 0 });
    let guards = |slots: &[Slot<u32>]| slots.iter().map(|slot| (slot.id(), slot.guard().copied())).collect::<Vec<_>>();
    assert_eq!(guards(again.slots()), guards(bandit.slots()));
    let mut copy = VersionVec::default();
    for (at, run) in tree.view().runs().iter().enumerate() {
        copy.push_run(run.level(), tree.view().run_tables(at).to_vec()).unwrap();
    }
    let mut rules = vec![];
    for entropy in 0..60 {
        rules.push(work(&mut tree, &mut bandit, entropy));
        assert_eq!(work(&mut copy, &mut again, entropy), rules[entropy as usize], "decision {entropy}");
    }
    assert!(rules.iter().any(|rule| matches!(rule, Rule::Slot { explored: true, .. })));
    assert!(rules.contains(&Rule::AtRest));
}

#[test]
fn every_flipped_bit_and_every_lost_byte_is_an_error_and_changes_nothing() {
    let (_, bandit) = learned();
    let bytes = saved(&bandit);
    let mut fresh = BanditVec::<u32>::new(bandit.settings(), vec![]).unwrap();
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(fresh.load(&PlainKeys, &flipped).is_err(), "bit {bit}");
    }
    for len in 0..bytes.len() {
        assert!(fresh.load(&PlainKeys, &bytes[..len]).is_err(), "{len} B");
    }
    assert!(fresh.slots().is_empty());
    let longer = [bytes.as_slice(), &[0]].concat();
    assert!(matches!(fresh.load(&PlainKeys, &longer), Err(DecodeError::Trailing { extra: 1 })));
}

/// Keys that no bytes can be turned back into.
struct Broken;

impl KeyCodec<u32> for Broken {
    fn encode(&self, key: &u32, put: &mut dyn FnMut(&[u8])) {
        PlainKeys.encode(key, put);
    }

    fn decode(&self, _: &[u8]) -> Option<u32> {
        None
    }
}

/// Keys that come back in another order.
struct Reversed;

impl KeyCodec<u32> for Reversed {
    fn encode(&self, key: &u32, put: &mut dyn FnMut(&[u8])) {
        PlainKeys.encode(key, put);
    }

    fn decode(&self, bytes: &[u8]) -> Option<u32> {
        PlainKeys.decode(bytes).map(|key: u32| u32::MAX - key)
    }
}

#[test]
fn keys_that_are_none_or_out_of_order_are_refused() {
    let (_, bandit) = learned();
    let bytes = saved(&bandit);
    let mut fresh = BanditVec::<u32>::new(bandit.settings(), vec![]).unwrap();
    assert_eq!(fresh.load(&Broken, &bytes), Err(DecodeError::Senseless { field: "guard" }));
    assert_eq!(fresh.load(&Reversed, &bytes), Err(DecodeError::Senseless { field: "guard" }));
    let mut other = BanditVec::<u64>::new(bandit.settings(), vec![]).unwrap();
    assert_eq!(other.load(&PlainKeys, &bytes), Err(DecodeError::Senseless { field: "guard" }));
}

#[test]
fn a_smaller_storage_keeps_what_fits_and_loses_no_heat() {
    let (tree, bandit) = learned();
    let bytes = saved(&bandit);
    let mut slots = [const { Slot::EMPTY }; 4];
    let mut small = Bandit::new(bandit.settings(), Lent::new(&mut slots, 0)).unwrap();
    small.load(&PlainKeys, &bytes).unwrap();
    small.observe(&Event::Flushed { version: tree.view(), now_ms: 9, bytes: 0 });
    assert_eq!(small.slots().len(), 4);
    let picks = |slots: &[Slot<u32>]| slots.iter().map(Slot::picks).sum::<u64>();
    assert_eq!(picks(small.slots()), picks(bandit.slots()));
    let heat: f64 = small.slots().iter().map(|slot| small.relative_heat(slot)).sum();
    assert!((heat - 4.0).abs() < 1e-9);
    assert!(small.choose(&tree.view(), &Moment::default()).choice.job().is_some());
}

#[test]
fn loaded_but_not_yet_shown_a_tree_it_still_acts() {
    let (tree, bandit) = learned();
    let mut again = BanditVec::new(bandit.settings(), vec![]).unwrap();
    again.load(&PlainKeys, &saved(&bandit)).unwrap();
    assert!(bandit.choose(&tree.view(), &Moment::default()).choice.job().is_some());
    assert!(again.choose(&tree.view(), &Moment::default()).choice.job().is_some());
    assert!(again.debt_bytes(&tree.view()) > 0);
}

/// A record of the first format: two slots, their guard at 40; what the next slot is called, and a reward scale.
fn first_format() -> Vec<u8> {
    let mut record = b"LSMb\x01\0\0\0\0\0\x09\0\0\0".to_vec();
    let number = |record: &mut Vec<u8>, value: f64| record.extend(value.to_le_bytes());
    [1.0, 5.0, 1.0, 6.0].into_iter().for_each(|value| number(&mut record, value));
    record.extend(77u64.to_le_bytes());
    record.push(1);
    number(&mut record, -2.5);
    record.extend(2u32.to_le_bytes());
    for (id, picks, mean) in [(3u32, 4u64, 0.25), (8, 1, 0.75)] {
        record.extend(id.to_le_bytes());
        record.extend(picks.to_le_bytes());
        [picks as f64, mean, 3.0].into_iter().for_each(|value| number(&mut record, value));
        record.extend(100u64.to_le_bytes());
    }
    record.extend([4, 0, 0, 0, 40, 0, 0, 0]);
    let len = record.len() as u32 + 4;
    record[6..10].copy_from_slice(&len.to_le_bytes());
    let crc = record.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xEDB8_8320 } else { crc >> 1 })
    });
    record.extend((!crc).to_le_bytes());
    record
}

#[test]
fn what_was_saved_in_the_first_format_is_read() {
    let settings = BanditSettings { slots_max: 16, ..Default::default() };
    let mut bandit = BanditVec::<u32>::new(settings, vec![]).unwrap();
    bandit.load(&PlainKeys, &first_format()).unwrap();
    let slots = bandit.slots().iter().map(|slot| (slot.id(), slot.picks(), slot.mean_reward(), slot.guard().copied()));
    assert_eq!(slots.collect::<Vec<_>>(), [(3, 4, 0.25, None), (8, 1, 0.75, Some(40))]);
    let mut again = BanditVec::<u32>::new(settings, vec![]).unwrap();
    again.load(&PlainKeys, &saved(&bandit)).unwrap();
    assert_eq!(saved(&again), saved(&bandit), "and written in the present one");
}
