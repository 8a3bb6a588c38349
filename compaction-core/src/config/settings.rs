//! The settings of any strategy, and their stored form.

use super::codec::{FRAME_LEN, Reader, Writer};
use super::{ConfigError, DecodeError, EncodeError, StoredName};
use crate::strategy::{Full, Tiered, TieredSettings};

const MAGIC: [u8; 4] = *b"LSMc";
const VERSION: u16 = 1;

/// The settings of any strategy.
///
/// ```
/// use compaction_core::{AnySettings, TieredSettings};
/// let settings = AnySettings::Tiered(TieredSettings { min_merge_width: 8, ..Default::default() });
/// let mut bytes = [0; AnySettings::ENCODED_LEN_MAX];
/// let len = settings.encode(&mut bytes)?;
/// assert_eq!(AnySettings::decode(&bytes[..len]), Ok(settings));
/// # Ok::<(), compaction_core::EncodeError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AnySettings {
    /// Size-tiered.
    Tiered(TieredSettings),
    /// Nothing is ever merged.
    Idle,
    /// Everything is always merged.
    Full(Full),
}

impl AnySettings {
    /// The most bytes that `encode` writes.
    pub const ENCODED_LEN_MAX: usize = FRAME_LEN + 1 + StoredName::LEN_MAX + 128;

    /// The name under which the settings are stored, that of the strategy.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Tiered(_) => Tiered::NAME,
            Self::Idle => "Idle",
            Self::Full(_) => "Full",
        }
    }

    /// Checks the settings as a whole, as the strategy's own constructor does.
    ///
    /// # Errors
    /// The setting that no strategy can work with.
    pub fn check(&self) -> Result<(), ConfigError> {
        match self {
            Self::Tiered(settings) => Tiered::new(*settings).map(drop),
            Self::Idle => Ok(()),
            Self::Full(full) => ConfigError::positive("table_bytes_max", full.table_bytes_max),
        }
    }

    /// Writes the settings, every one of them, under a version and a checksum; the number of bytes written. No allocation.
    ///
    /// # Errors
    /// `out` is too short; `ENCODED_LEN_MAX` bytes are always enough.
    pub fn encode(&self, out: &mut [u8]) -> Result<usize, EncodeError> {
        let mut writer = Writer::new(out, MAGIC, VERSION);
        let name = self.name().as_bytes();
        writer.u8(u8::try_from(name.len()).unwrap_or(u8::MAX));
        writer.put(name);
        match self {
            Self::Tiered(settings) => write_tiered(&mut writer, settings),
            Self::Idle => {}
            Self::Full(Full { table_bytes_max }) => writer.u64(*table_bytes_max),
        }
        writer.finish()
    }

    /// Reads settings back, as they were written, and checks them. No allocation.
    ///
    /// # Errors
    /// What is wrong with the bytes, or the setting that no strategy can work with.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::open(bytes, MAGIC, VERSION)?;
        let len = reader.u8("strategy name")?;
        let name = reader.take("strategy name", usize::from(len))?;
        let settings = match name {
            _ if name == Tiered::NAME.as_bytes() => Self::Tiered(read_tiered(&mut reader)?),
            b"Idle" => Self::Idle,
            b"Full" => Self::Full(Full { table_bytes_max: reader.u64("table_bytes_max")? }),
            _ => return Err(DecodeError::UnknownStrategy { name: StoredName::new(name) }),
        };
        reader.end()?;
        settings.check()?;
        Ok(settings)
    }
}

fn write_tiered(writer: &mut Writer<'_>, settings: &TieredSettings) {
    // Taken apart without `..`, so that a new setting cannot be forgotten here.
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

fn read_tiered(reader: &mut Reader<'_>) -> Result<TieredSettings, DecodeError> {
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
