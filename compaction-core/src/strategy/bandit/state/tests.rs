//! Records field by field.

use super::super::keys::PlainKeys;
use super::super::settings::BanditSettings;
use super::*;
use crate::storage::Lent;
use std::vec;
use std::vec::Vec;

/// A field of a record.
#[derive(Clone, Copy, Debug)]
enum Field {
    Byte(u8),
    Short(u32),
    Long(u64),
    /// At least 1.
    Positive(f64),
    /// Not negative.
    Number(f64),
    /// Not negative, or without limit.
    Endless(f64),
    Finite(f64),
    /// Anything that can be compared.
    Any(f64),
}

use Field::{Any, Byte, Endless, Finite, Long, Number, Positive, Short};

/// A field, the first version that has it, and what it is where it is missing.
type Dated = (Field, u16, Field);

/// What every version has.
fn always(fields: &[Field]) -> Vec<Dated> {
    fields.iter().map(|field| (*field, 1, *field)).collect()
}

fn traffic(from: f64) -> Vec<Dated> {
    let mut all: Vec<Dated> = (0..7).map(|at| (Number(from + f64::from(at)), 2, Number(0.0))).collect();
    // What a slot has seen was once what it paid, if anything was.
    (all[3].0, all[3].1) = (Number(from + 2.0), 3);
    all
}

/// A slot called `id`, with `picks`.
fn slot(id: u32, picks: u64) -> Vec<Dated> {
    let base = picks as f64;
    let mut all = always(&[Short(id), Long(picks), Number(base + 1.0), Number(0.25), Number(base + 2.0), Long(70)]);
    all.push((Long(50), 5, Long(0)));
    all.extend([3.0, 4.0, 5.0].map(|more| (Number(base + more), 2, Number(0.0))));
    all.extend(traffic(base + 10.0));
    all.push((Byte(2), 2, Byte(7)));
    all.push((Byte(1), 4, Byte(0)));
    all.push((Any(base - 500.0), 4, Any(f64::INFINITY)));
    all.extend((0..=FEATURES).map(|at| (Number(base + 20.0 + at as f64), 4, Number(0.0))));
    all
}

/// A record of two slots, the second from key 40 on, under the contextual estimator.
fn fields() -> Vec<Dated> {
    let mut all = always(&[Short(9), Positive(1.5), Number(5.0), Positive(2.5), Number(6.0), Long(77)]);
    all.extend(always(&[Byte(1), Finite(-2.5), Short(2)]));
    all.extend([(Number(40.0), 2, Number(0.0)), (Number(41.0), 2, Number(0.0))]);
    all.extend(traffic(50.0));
    all.push((Byte(8), 2, Byte(8)));
    all.extend((0..FEATURES).map(|at| (Finite(at as f64 - 3.0), 2, Finite(0.0))));
    let kind = Byte(position(&EstimatorKind::ALL, &EstimatorKind::Contextual));
    all.extend([(kind, 4, kind), (Endless(3.5), 4, Endless(f64::INFINITY)), (Short(12), 4, Short(0))]);
    all.extend([(Long(0), 4, Long(0)); 4]);
    all.extend(slot(3, 100));
    all.extend(slot(4, 200));
    all.extend(always(&[Short(4), Short(40)]));
    all
}

fn record(version: u16, fields: impl IntoIterator<Item = Field>) -> Vec<u8> {
    let mut out = vec![0; 2_000];
    let mut writer = Writer::new(&mut out, MAGIC, version);
    for field in fields {
        match field {
            Byte(value) => writer.u8(value),
            Short(value) => writer.u32(value),
            Long(value) => writer.u64(value),
            Positive(value) | Number(value) | Endless(value) | Finite(value) | Any(value) => {
                writer.u64(value.to_bits())
            }
        }
    }
    let len = writer.finish().unwrap();
    out.truncate(len);
    out
}

/// The fields of the present version.
fn present() -> Vec<Field> {
    fields().into_iter().map(|(field, ..)| field).collect()
}

/// What a bandit that has loaded `record` saves again.
fn loaded_by(estimator: EstimatorKind, record: &[u8]) -> Result<Vec<u8>, DecodeError> {
    let mut kept = [Slot::<u32>::EMPTY; 3];
    let settings = BanditSettings { estimator, ..BanditSettings::default() };
    let mut bandit = Bandit::new(settings, Lent::new(&mut kept, 0)).unwrap();
    bandit.load(&PlainKeys, record)?;
    let mut out = vec![0; 2_000];
    let len = bandit.save(&PlainKeys, &mut out).unwrap();
    out.truncate(len);
    Ok(out)
}

fn loaded(record: &[u8]) -> Result<Vec<u8>, DecodeError> {
    loaded_by(EstimatorKind::Contextual, record)
}

#[test]
fn a_record_of_any_version_is_read_and_written_again_in_the_present_one() {
    for version in 1..=VERSION {
        let old = fields().into_iter().filter(|(_, since, _)| *since <= version).map(|(field, ..)| field);
        let mut expected: Vec<Field> = fields()
            .into_iter()
            .map(|(field, since, missing)| if since <= version { field } else { missing })
            .collect();
        if version == 2 {
            // In version 1 nothing was paid that could have been seen.
            let seen = fields().iter().map(|(_, since, _)| *since == 3).collect::<Vec<_>>();
            let paid: Vec<Field> = present();
            for at in (0..seen.len()).filter(|at| seen[*at]) {
                expected[at] = paid[at - 1];
            }
        }
        assert_eq!(loaded(&record(version, old)).unwrap(), record(VERSION, expected), "version {version}");
    }
}

#[test]
fn every_number_that_no_bandit_can_have_learned_is_refused() {
    let all = present();
    for (at, field) in all.iter().enumerate() {
        for value in [f64::NAN, -1.0, f64::INFINITY, f64::NEG_INFINITY, 1e160, 0.5] {
            let (other, is_sound) = match field {
                Positive(_) => (Positive(value), (1.0..=1e150).contains(&value)),
                Number(_) => (Number(value), (0.0..=1e150).contains(&value)),
                Endless(_) => (Endless(value), value >= 0.0),
                Finite(_) => (Finite(value), value.is_finite()),
                Any(_) => (Any(value), !value.is_nan()),
                Byte(_) | Short(_) | Long(_) => continue,
            };
            let mut changed = all.clone();
            changed[at] = other;
            let found = loaded(&record(VERSION, changed));
            assert_eq!(found.is_ok(), is_sound, "field {at}: {other:?} in the place of {field:?}");
        }
    }
    for more in 1..20 {
        let longer = all.iter().copied().chain(core::iter::repeat_n(Byte(0), more));
        assert_eq!(loaded(&record(VERSION, longer)), Err(DecodeError::Trailing { extra: more }));
    }
}

#[test]
fn an_estimator_cannot_have_kept_more_than_there_are_features_and_what_another_kept_is_left() {
    let mut all = present();
    let memory = all.iter().position(|field| matches!(field, Byte(8))).unwrap();
    all[memory] = Byte(9);
    all.insert(memory + 1, Finite(0.0));
    assert_eq!(loaded(&record(VERSION, all)), Err(DecodeError::Senseless { field: "estimator" }));
    for other in EstimatorKind::ALL.into_iter().filter(|kind| *kind != EstimatorKind::Contextual) {
        let mut empty = [Slot::<u32>::EMPTY; 1];
        let settings = BanditSettings { estimator: other, ..BanditSettings::default() };
        let mut new = Bandit::new(settings, Lent::new(&mut empty, 0)).unwrap();
        let kept = new.scheduler.estimator.memory().to_vec();
        let again = loaded_by(other, &record(VERSION, present())).unwrap();
        let mut expected = present();
        expected.splice(memory + 1..=memory + FEATURES, kept.iter().map(|value| Finite(*value)));
        expected[memory] = Byte(kept.len() as u8);
        expected[memory + kept.len() + 1] = Byte(position(&EstimatorKind::ALL, &other));
        assert_eq!(again, record(VERSION, expected), "{other:?}");
    }
}

#[test]
fn what_was_judged_counts_for_the_same_estimator_and_as_many_slots_and_no_tree_is_known() {
    for (estimator, room, counts) in [
        (EstimatorKind::Contextual, 2, true),
        (EstimatorKind::Contextual, 1, false),
        (EstimatorKind::Ucb, 2, false),
        (EstimatorKind::Ucb, 1, false),
    ] {
        let mut kept = [Slot::<u32>::EMPTY; 2];
        let settings = BanditSettings { estimator, ..BanditSettings::default() };
        let mut bandit = Bandit::new(settings, Lent::new(&mut kept[..room], 0)).unwrap();
        bandit.edit = Some(7);
        bandit.load(&PlainKeys, &record(VERSION, present())).unwrap();
        assert_eq!((bandit.saved_in, bandit.is_blind()), (counts.then_some((0, 0)), true), "{estimator:?}, {room}");
    }
}

#[test]
fn slots_begin_one_behind_the_other() {
    let mut all = present();
    let count = all.iter().position(|field| matches!(field, Short(2))).unwrap();
    all[count] = Short(3);
    all.extend(slot(5, 300).into_iter().map(|(field, ..)| field));
    for (key, is_sound) in [(39, false), (40, false), (41, true)] {
        let more = all.iter().copied().chain([Short(4), Short(key)]);
        assert_eq!(loaded(&record(VERSION, more)).is_ok(), is_sound, "{key} behind 40");
    }
}
