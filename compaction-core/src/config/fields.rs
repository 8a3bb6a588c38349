//! The fields of each strategy's settings, in stored order.
//!
//! Settings are taken apart without `..`, so that a new one cannot be forgotten. A change of this order, or a field more, is a new
//! version of the format.

use super::codec::{Reader, Writer};
use super::{ConfigError, DecodeError};
use crate::strategy::{
    BanditSettings, EstimatorKind, FifoSettings, Granularity, Layout, LeveledSettings, TieredSettings,
};

pub(super) fn write_tiered(writer: &mut Writer<'_>, settings: &TieredSettings) {
    let TieredSettings {
        size_ratio_ppm,
        min_merge_width,
        max_merge_width,
        max_space_amp_pct,
        table_bytes_max,
        runs_max,
        job_bytes_max,
    } = *settings;
    writer.u64(size_ratio_ppm);
    writer.u32(min_merge_width);
    writer.u32(max_merge_width);
    writer.u64(max_space_amp_pct);
    writer.u64(table_bytes_max);
    writer.u64(runs_max);
    writer.u64(job_bytes_max);
}

pub(super) fn read_tiered(reader: &mut Reader<'_>) -> Result<TieredSettings, DecodeError> {
    Ok(TieredSettings {
        size_ratio_ppm: reader.u64("size_ratio_ppm")?,
        min_merge_width: reader.u32("min_merge_width")?,
        max_merge_width: reader.u32("max_merge_width")?,
        max_space_amp_pct: reader.u64("max_space_amp_pct")?,
        table_bytes_max: reader.u64("table_bytes_max")?,
        runs_max: reader.u64("runs_max")?,
        job_bytes_max: reader.u64("job_bytes_max")?,
    })
}

pub(super) fn write_leveled(writer: &mut Writer<'_>, settings: &LeveledSettings) {
    let LeveledSettings {
        l0_runs_max,
        base_bytes,
        fanout,
        levels_max,
        table_bytes_max,
        job_bytes_max,
        dynamic,
        granularity,
        tombstone_pct_max,
        tombstone_age_ms_max,
        ttl_ms,
        intra_l0,
        runs_max,
    } = *settings;
    writer.u32(l0_runs_max);
    writer.u64(base_bytes);
    writer.u32(fanout);
    writer.u8(levels_max);
    writer.u64(table_bytes_max);
    writer.u64(job_bytes_max);
    writer.u8(dynamic.into());
    writer.u8(match granularity {
        Granularity::Table => 0,
        Granularity::Level => 1,
    });
    writer.u32(tombstone_pct_max);
    writer.u64(tombstone_age_ms_max);
    writer.u64(ttl_ms);
    writer.u8(intra_l0.into());
    writer.u32(runs_max);
}

pub(super) fn read_leveled(reader: &mut Reader<'_>) -> Result<LeveledSettings, DecodeError> {
    Ok(LeveledSettings {
        l0_runs_max: reader.u32("l0_runs_max")?,
        base_bytes: reader.u64("base_bytes")?,
        fanout: reader.u32("fanout")?,
        levels_max: reader.u8("levels_max")?,
        table_bytes_max: reader.u64("table_bytes_max")?,
        job_bytes_max: reader.u64("job_bytes_max")?,
        dynamic: choice(reader, "dynamic", [false, true])?,
        granularity: choice(reader, "granularity", [Granularity::Table, Granularity::Level])?,
        tombstone_pct_max: reader.u32("tombstone_pct_max")?,
        tombstone_age_ms_max: reader.u64("tombstone_age_ms_max")?,
        ttl_ms: reader.u64("ttl_ms")?,
        intra_l0: choice(reader, "intra_l0", [false, true])?,
        runs_max: reader.u32("runs_max")?,
    })
}

pub(super) fn write_bandit(writer: &mut Writer<'_>, settings: &BanditSettings) {
    let BanditSettings {
        l0_runs_max,
        table_bytes_max,
        job_bytes_max,
        intra_l0,
        tombstone_pct_max,
        tombstone_age_ms_max,
        ttl_ms,
        max_space_amp_pct,
        slots_max,
        cold_runs_max,
        estimator,
        layout,
        switch_ppm,
        rent_ppm,
        epsilon_ppm,
        ucb_c_ppm,
        alpha_ppm,
        discount_ppm,
        variance_k_ppm,
        change_ppm,
    } = *settings;
    writer.u64(l0_runs_max);
    writer.u64(table_bytes_max);
    writer.u64(job_bytes_max);
    writer.u8(intra_l0.into());
    writer.u64(tombstone_pct_max);
    writer.u64(tombstone_age_ms_max);
    writer.u64(ttl_ms);
    writer.u64(max_space_amp_pct);
    writer.u32(slots_max);
    writer.u32(cold_runs_max);
    let place = EstimatorKind::ALL.iter().position(|known| *known == estimator);
    writer.u8(place.and_then(|place| u8::try_from(place).ok()).unwrap_or(0));
    writer.u64(epsilon_ppm);
    writer.u64(ucb_c_ppm);
    writer.u64(alpha_ppm);
    writer.u64(discount_ppm);
    let place = layout.and_then(|layout| Layout::ALL.iter().position(|known| *known == layout));
    writer.u8(place.and_then(|place| u8::try_from(place.saturating_add(1)).ok()).unwrap_or(0));
    writer.u64(switch_ppm);
    writer.u64(rent_ppm);
    writer.u64(variance_k_ppm);
    writer.u64(change_ppm);
}

/// As they were written; a record of version 1 has none of the fields from `layout` on.
pub(super) fn read_bandit(reader: &mut Reader<'_>) -> Result<BanditSettings, DecodeError> {
    let mut settings = BanditSettings {
        l0_runs_max: reader.u64("l0_runs_max")?,
        table_bytes_max: reader.u64("table_bytes_max")?,
        job_bytes_max: reader.u64("job_bytes_max")?,
        intra_l0: choice(reader, "intra_l0", [false, true])?,
        tombstone_pct_max: reader.u64("tombstone_pct_max")?,
        tombstone_age_ms_max: reader.u64("tombstone_age_ms_max")?,
        ttl_ms: reader.u64("ttl_ms")?,
        max_space_amp_pct: reader.u64("max_space_amp_pct")?,
        slots_max: reader.u32("slots_max")?,
        cold_runs_max: reader.u32("cold_runs_max")?,
        estimator: {
            let place = reader.u8("estimator")?;
            one_of(&EstimatorKind::ALL, place, "estimator")?
        },
        epsilon_ppm: reader.u64("epsilon_ppm")?,
        ucb_c_ppm: reader.u64("ucb_c_ppm")?,
        alpha_ppm: reader.u64("alpha_ppm")?,
        discount_ppm: reader.u64("discount_ppm")?,
        ..BanditSettings::default()
    };
    if reader.version() >= 2 {
        let place = reader.u8("layout")?;
        settings.layout = match place.checked_sub(1) {
            None => None,
            Some(place) => Some(one_of(&Layout::ALL, place, "layout")?),
        };
        settings.switch_ppm = reader.u64("switch_ppm")?;
        settings.rent_ppm = reader.u64("rent_ppm")?;
        settings.variance_k_ppm = reader.u64("variance_k_ppm")?;
        settings.change_ppm = reader.u64("change_ppm")?;
    }
    Ok(settings)
}

pub(super) fn write_fifo(writer: &mut Writer<'_>, settings: &FifoSettings) {
    let FifoSettings { bytes_max, ttl_ms } = *settings;
    writer.u64(bytes_max);
    writer.u64(ttl_ms);
}

pub(super) fn read_fifo(reader: &mut Reader<'_>) -> Result<FifoSettings, DecodeError> {
    Ok(FifoSettings { bytes_max: reader.u64("bytes_max")?, ttl_ms: reader.u64("ttl_ms")? })
}

/// One of a list of values, stored as its place.
fn one_of<T: Copy>(all: &[T], place: u8, name: &'static str) -> Result<T, DecodeError> {
    let max = u64::try_from(all.len().saturating_sub(1)).unwrap_or(u64::MAX);
    let missing = ConfigError::OutOfRange { name, value: place.into(), min: 0, max };
    all.get(usize::from(place)).copied().ok_or(missing.into())
}

/// One of two values, stored as 0 or 1.
fn choice<T: Copy>(reader: &mut Reader<'_>, name: &'static str, [zero, one]: [T; 2]) -> Result<T, DecodeError> {
    match reader.u8(name)? {
        0 => Ok(zero),
        1 => Ok(one),
        value => Err(ConfigError::OutOfRange { name, value: value.into(), min: 0, max: 1 }.into()),
    }
}
