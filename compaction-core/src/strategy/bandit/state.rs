//! What the bandit learned, as bytes: one record with version and checksum, all numbers little-endian.
//!
//! ```text
//! next slot id u32 | scheduler: unit f64, total f64 | heat: unit f64, total f64, last u64 ms
//! reward scale: known u8, mean f64 | number of slots u32
//! reads that met runs: asked f64, stood f64 | traffic of the mean slot | estimator: count u8, that many f64
//! estimator's kind u8 | what may be dead may weigh f64 | slots judged alone since all were u32 | bytes in all slots u128, that may be dead u128
//! then each slot:
//!     id u32 | picks u64 | weight f64 | mean f64 | heat f64 | owed, granted u64 | variance, risen, fallen f64 | traffic
//!     layout u8 | a piece could sink u8 | when last judged: score f64, heat f64, context 8 f64
//!     guard: length u32, bytes (none in the first slot)
//! traffic: base, came, paid, seen, samples, and since the last flush paid and samples, all f64
//! ```
//! At most 218 bytes and the guard's for each slot, and 257 beside them. What a slot holds is not among it, the tree tells that; but slots
//! may have been judged long ago, and the same decisions are to follow. In another tree than the one that was saved with they are
//! judged anew, as are those of versions 1 to 3: 4 had no `granted`, 3 no kind and nothing behind `layout`, 2 no `seen`, 1 neither
//! what stands behind the number of slots nor what stands behind `owed`.

use super::arm::Arm;
use super::estimator::{Estimator, FEATURES};
use super::heat::Met;
use super::keys::KeyCodec;
use super::layout::Layout;
use super::policy::Bandit;
use super::settings::EstimatorKind;
use super::slot::Slot;
use super::sums;
use super::traffic::Traffic;
use crate::config::codec::{Reader, Writer};
use crate::config::{DecodeError, EncodeError};
use crate::storage::Storage;

const MAGIC: [u8; 4] = *b"LSMb";
const VERSION: u16 = 5;

/// What a record holds beside its slots.
#[derive(Clone, Copy, Debug)]
struct Header {
    next_id: u32,
    unit: f64,
    total: f64,
    heat_unit: f64,
    heat_total: f64,
    last_ms: u64,
    log_mean: Option<f64>,
    slots: u32,
    met: Met,
    mean: Traffic,
    /// What the estimator had learned beside the arms.
    memory: [f64; FEATURES],
    memory_len: usize,
    /// How slots were judged; of no estimator in records that do not tell.
    judged: Judged,
}

/// How slots were judged when a record was written.
#[derive(Clone, Copy, Debug)]
struct Judged {
    estimator: Option<EstimatorKind>,
    bloat_max: f64,
    renewed: u32,
    held: (u128, u128),
}

impl<K: Ord + Clone, S: Storage<Slot<K>>> Bandit<K, S> {
    /// Writes what was learned; the number of bytes written. No allocation.
    ///
    /// # Errors
    /// `out` is too short; the error says how much is needed.
    pub fn save(&self, codec: &impl KeyCodec<K>, out: &mut [u8]) -> Result<usize, EncodeError> {
        let mut writer = Writer::new(out, MAGIC, VERSION);
        writer.u32(self.next_id);
        for value in [self.scheduler.unit, self.scheduler.total, self.heat.unit, self.heat.total] {
            writer.u64(value.to_bits());
        }
        writer.u64(self.heat.last_ms);
        writer.u8(u8::from(self.scale.log_mean.is_some()));
        writer.u64(self.scale.log_mean.unwrap_or(0.0).to_bits());
        let slots = self.slots.as_slice();
        writer.u32(u32::try_from(slots.len()).unwrap_or(u32::MAX));
        writer.u64(self.met.asked.to_bits());
        writer.u64(self.met.stood.to_bits());
        write_traffic(&mut writer, &self.mean);
        let mut estimator = self.scheduler.estimator;
        let memory = estimator.memory();
        writer.u8(u8::try_from(memory.len()).unwrap_or(u8::MAX));
        memory.iter().for_each(|value| writer.u64(value.to_bits()));
        writer.u8(position(&EstimatorKind::ALL, &self.settings.estimator));
        writer.u64(self.board.bloat_max.to_bits());
        writer.u32(self.renewed);
        let (bytes, dead) = sums::held(slots);
        writer.put(&bytes.to_le_bytes());
        writer.put(&dead.to_le_bytes());
        for slot in slots {
            writer.u32(slot.id);
            writer.u64(slot.arm.picks);
            for value in [slot.arm.weight, slot.arm.mean, slot.heat] {
                writer.u64(value.to_bits());
            }
            writer.u64(slot.owed);
            writer.u64(slot.granted);
            for value in [slot.arm.variance, slot.arm.risen, slot.arm.fallen] {
                writer.u64(value.to_bits());
            }
            write_traffic(&mut writer, &slot.traffic);
            writer.u8(position(&Layout::ALL, &slot.layout));
            writer.u8(u8::from(slot.shape.loose));
            for value in [slot.rank.score, slot.rank.heat].into_iter().chain(slot.context) {
                writer.u64(value.to_bits());
            }
            if let Some(guard) = &slot.guard {
                codec.encode(guard, &mut |bytes| {
                    writer.u32(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
                    writer.put(bytes);
                });
            }
        }
        writer.finish()
    }

    /// Reads back what was learned, in place of what this strategy knows so far. When there are more slots than the settings
    /// or the storage allow, those of the largest keys are joined. To be called before the first event.
    ///
    /// # Errors
    /// What is wrong with the bytes; the strategy is then as before.
    pub fn load(&mut self, codec: &impl KeyCodec<K>, bytes: &[u8]) -> Result<(), DecodeError> {
        let mut reader = Reader::open(bytes, MAGIC, VERSION)?;
        let header = header(&mut reader)?;
        let slots = reader.clone();
        // Once to see that all of it is sound, once to take it.
        let mut before = None;
        for nth in 0..header.slots {
            let slot = read_slot(&mut reader, codec, nth)?;
            if nth > 0 && slot.guard <= before {
                return Err(DecodeError::Senseless { field: "guard" });
            }
            before = slot.guard;
        }
        reader.end()?;
        self.take(&header, slots, codec)
    }

    fn take(&mut self, header: &Header, mut reader: Reader<'_>, codec: &impl KeyCodec<K>) -> Result<(), DecodeError> {
        self.slots.truncate(0);
        let max = self.slots_max();
        for nth in 0..header.slots {
            let slot = read_slot(&mut reader, codec, nth)?;
            if self.slots.as_slice().len() < max {
                // It fits: `max` is no more than the storage holds.
                let _ = self.slots.push(slot);
            } else if let Some(last) = self.slots.as_mut_slice().last_mut() {
                last.join(&slot);
            }
        }
        self.next_id = header.next_id;
        (self.scheduler.unit, self.scheduler.total) = (header.unit, header.total);
        (self.heat.unit, self.heat.total, self.heat.last_ms) = (header.heat_unit, header.heat_total, header.last_ms);
        self.scale.log_mean = header.log_mean;
        (self.met, self.mean) = (header.met, header.mean);
        let memory = self.scheduler.estimator.memory();
        // Of another estimator, if the settings have changed: then this one starts anew.
        if memory.len() == header.memory_len {
            memory.iter_mut().zip(header.memory).for_each(|(place, value)| *place = value);
        }
        self.forget_tree();
        let Judged { estimator, bloat_max, renewed, held } = header.judged;
        let are_all = self.slots.as_slice().len() == header.slots as usize;
        self.saved_in = (are_all && estimator == Some(self.settings.estimator)).then_some(held);
        (self.renewed, self.board.bloat_max) = (renewed, bloat_max);
        Ok(())
    }
}

fn header(reader: &mut Reader<'_>) -> Result<Header, DecodeError> {
    let next_id = reader.u32("next slot id")?;
    let unit = positive(reader, "scheduler unit")?;
    let total = number(reader, "scheduler total")?;
    let heat_unit = positive(reader, "heat unit")?;
    let heat_total = number(reader, "heat total")?;
    let last_ms = reader.u64("heat time")?;
    let known = reader.u8("reward scale")? != 0;
    let log_mean = f64::from_bits(reader.u64("reward scale")?);
    if !log_mean.is_finite() {
        return Err(DecodeError::Senseless { field: "reward scale" });
    }
    let log_mean = known.then_some(log_mean);
    let slots = reader.u32("number of slots")?;
    let mut header = Header {
        next_id,
        unit,
        total,
        heat_unit,
        heat_total,
        last_ms,
        log_mean,
        slots,
        met: Met::default(),
        mean: Traffic::NONE,
        memory: [0.0; FEATURES],
        memory_len: 0,
        judged: Judged { estimator: None, bloat_max: f64::INFINITY, renewed: 0, held: (0, 0) },
    };
    if reader.version() >= 2 {
        header.met = Met { asked: number(reader, "runs asked")?, stood: number(reader, "runs there")? };
        header.mean = read_traffic(reader)?;
        header.memory_len = usize::from(reader.u8("estimator")?);
        if header.memory_len > FEATURES {
            return Err(DecodeError::Senseless { field: "estimator" });
        }
        for value in header.memory.iter_mut().take(header.memory_len) {
            *value = f64::from_bits(reader.u64("estimator")?);
            if !value.is_finite() {
                return Err(DecodeError::Senseless { field: "estimator" });
            }
        }
    }
    if reader.version() >= 4 {
        let kind = EstimatorKind::ALL.get(usize::from(reader.u8("estimator")?)).copied();
        let bloat_max = number_or_infinite(reader, "weight of what may be dead")?;
        let renewed = reader.u32("slots judged alone")?;
        let held = (wide(reader)?, wide(reader)?);
        header.judged = Judged { estimator: kind, bloat_max, renewed, held };
    }
    Ok(header)
}

/// The position of `one` among all there are.
fn position<T: PartialEq>(all: &[T], one: &T) -> u8 {
    all.iter().position(|other| other == one).and_then(|at| u8::try_from(at).ok()).unwrap_or(0)
}

fn write_traffic(writer: &mut Writer<'_>, traffic: &Traffic) {
    let Traffic { base, came, paid, seen, samples, fresh, fresh_samples } = *traffic;
    for value in [base, came, paid, seen, samples, fresh, fresh_samples] {
        writer.u64(value.to_bits());
    }
}

fn read_traffic(reader: &mut Reader<'_>) -> Result<Traffic, DecodeError> {
    let (base, came) = (number(reader, "base size")?, number(reader, "bytes that came")?);
    let paid = number(reader, "bytes paid")?;
    Ok(Traffic {
        base,
        came,
        paid,
        seen: if reader.version() >= 3 { number(reader, "bytes paid")? } else { paid },
        samples: number(reader, "samples")?,
        fresh: number(reader, "bytes paid")?,
        fresh_samples: number(reader, "samples")?,
    })
}

fn read_slot<K>(reader: &mut Reader<'_>, codec: &impl KeyCodec<K>, nth: u32) -> Result<Slot<K>, DecodeError> {
    let id = reader.u32("slot id")?;
    let picks = reader.u64("picks")?;
    let weight = number(reader, "weight")?;
    let mean = number(reader, "mean reward")?;
    let heat = number(reader, "heat")?;
    let owed = reader.u64("owed")?;
    let granted = if reader.version() >= 5 { reader.u64("granted")? } else { 0 };
    let mut slot = Slot { id, arm: Arm { picks, weight, mean, ..Arm::NEW }, heat, owed, granted, ..Slot::EMPTY };
    if reader.version() >= 2 {
        slot.arm.variance = number(reader, "variance")?;
        slot.arm.risen = number(reader, "deviation")?;
        slot.arm.fallen = number(reader, "deviation")?;
        slot.traffic = read_traffic(reader)?;
        let layout = Layout::ALL.get(usize::from(reader.u8("layout")?));
        slot.layout = *layout.ok_or(DecodeError::Senseless { field: "layout" })?;
    }
    if reader.version() >= 4 {
        // It wants a merge if it did: the score tells how much.
        slot.rank.is_due = true;
        slot.shape.loose = reader.u8("could sink")? != 0;
        slot.rank.score = any_or_infinite(reader, "score")?;
        slot.rank.heat = number(reader, "heat")?;
        for feature in &mut slot.context {
            *feature = number(reader, "context")?;
        }
    }
    if nth > 0 {
        let len = usize::try_from(reader.u32("guard")?).unwrap_or(usize::MAX);
        let key = codec.decode(reader.take("guard", len)?);
        slot.guard = Some(key.ok_or(DecodeError::Senseless { field: "guard" })?);
    }
    Ok(slot)
}

/// A number that is finite and not negative.
fn number(reader: &mut Reader<'_>, field: &'static str) -> Result<f64, DecodeError> {
    let value = f64::from_bits(reader.u64(field)?);
    // No larger than what sums and products of them stay finite with.
    if (0.0..=1e150).contains(&value) { Ok(value) } else { Err(DecodeError::Senseless { field }) }
}

/// A number that is not negative; it may be infinite.
fn number_or_infinite(reader: &mut Reader<'_>, field: &'static str) -> Result<f64, DecodeError> {
    let value = f64::from_bits(reader.u64(field)?);
    if value >= 0.0 { Ok(value) } else { Err(DecodeError::Senseless { field }) }
}

fn wide(reader: &mut Reader<'_>) -> Result<u128, DecodeError> {
    let (low, high) = (reader.u64("bytes held")?, reader.u64("bytes held")?);
    Ok(u128::from(high) << 64 | u128::from(low))
}

/// Anything that can be compared.
fn any_or_infinite(reader: &mut Reader<'_>, field: &'static str) -> Result<f64, DecodeError> {
    let value = f64::from_bits(reader.u64(field)?);
    if value.is_nan() { Err(DecodeError::Senseless { field }) } else { Ok(value) }
}

fn positive(reader: &mut Reader<'_>, field: &'static str) -> Result<f64, DecodeError> {
    let value = number(reader, field)?;
    if value >= 1.0 { Ok(value) } else { Err(DecodeError::Senseless { field }) }
}

#[cfg(test)]
mod tests;
