//! The settings of any strategy, and their stored form.

use super::codec::{FRAME_LEN, Reader, Writer};
use super::fields;
use super::{ConfigError, DecodeError, EncodeError, StoredName};
use crate::strategy::{BanditSettings, Fifo, FifoSettings, Full, Leveled, LeveledSettings, Tiered, TieredSettings};

const MAGIC: [u8; 4] = *b"LSMc";
const VERSION: u16 = 1;
/// What the bandit's settings are written as: version 1 had fewer of them.
const VERSION_BANDIT: u16 = 2;

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
    /// Leveled, with `runs_max` 1.
    Leveled(LeveledSettings),
    /// Lazy leveling: leveled with a `runs_max` above 1.
    Lazy(LeveledSettings),
    /// Adaptive. Its settings are always read and written; the strategy needs the feature `bandit`.
    Bandit(BanditSettings),
    /// First in, first out.
    Fifo(FifoSettings),
    /// Nothing is ever merged.
    Idle,
    /// Everything is always merged.
    Full(Full),
}

impl AnySettings {
    /// The most bytes that `encode` writes.
    pub const ENCODED_LEN_MAX: usize = FRAME_LEN + 1 + StoredName::LEN_MAX + 256;

    /// The name under which the settings are stored, that of the strategy.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Tiered(_) => Tiered::NAME,
            Self::Leveled(_) => Leveled::NAME,
            Self::Lazy(_) => Leveled::LAZY_NAME,
            Self::Bandit(_) => BanditSettings::NAME,
            Self::Fifo(_) => Fifo::NAME,
            Self::Idle => "Idle",
            Self::Full(_) => "Full",
        }
    }

    /// The format version that they are written in.
    fn version(&self) -> u16 {
        if let Self::Bandit(_) = self { VERSION_BANDIT } else { VERSION }
    }

    /// Checks the settings as a whole, as the strategy's own constructor does.
    ///
    /// # Errors
    /// The setting that no strategy can work with.
    pub fn check(&self) -> Result<(), ConfigError> {
        match self {
            Self::Tiered(settings) => Tiered::new(*settings).map(drop),
            Self::Leveled(settings) => {
                ConfigError::within("runs_max", settings.runs_max.into(), 1, 1)?;
                Leveled::new(*settings).map(drop)
            }
            Self::Lazy(settings) => {
                ConfigError::within("runs_max", settings.runs_max.into(), 2, u32::MAX.into())?;
                Leveled::new(*settings).map(drop)
            }
            Self::Bandit(settings) => settings.check(),
            Self::Fifo(settings) => Fifo::new(*settings).map(drop),
            Self::Idle => Ok(()),
            Self::Full(full) => ConfigError::positive("table_bytes_max", full.table_bytes_max),
        }
    }

    /// Writes the settings, every one of them, under a version and a checksum; the number of bytes written. No allocation.
    ///
    /// # Errors
    /// `out` is too short; `ENCODED_LEN_MAX` bytes are always enough.
    pub fn encode(&self, out: &mut [u8]) -> Result<usize, EncodeError> {
        let mut writer = Writer::new(out, MAGIC, self.version());
        let name = self.name().as_bytes();
        writer.u8(u8::try_from(name.len()).unwrap_or(u8::MAX));
        writer.put(name);
        match self {
            Self::Tiered(settings) => fields::write_tiered(&mut writer, settings),
            Self::Leveled(settings) | Self::Lazy(settings) => fields::write_leveled(&mut writer, settings),
            Self::Bandit(settings) => fields::write_bandit(&mut writer, settings),
            Self::Fifo(settings) => fields::write_fifo(&mut writer, settings),
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
        let mut reader = Reader::open(bytes, MAGIC, VERSION_BANDIT)?;
        let len = reader.u8("strategy name")?;
        let name = reader.take("strategy name", usize::from(len))?;
        let settings = match core::str::from_utf8(name) {
            Ok(Tiered::NAME) => Self::Tiered(fields::read_tiered(&mut reader)?),
            Ok(Leveled::NAME) => Self::Leveled(fields::read_leveled(&mut reader)?),
            Ok(Leveled::LAZY_NAME) => Self::Lazy(fields::read_leveled(&mut reader)?),
            Ok(BanditSettings::NAME) => Self::Bandit(fields::read_bandit(&mut reader)?),
            Ok(Fifo::NAME) => Self::Fifo(fields::read_fifo(&mut reader)?),
            Ok("Idle") => Self::Idle,
            Ok("Full") => Self::Full(Full { table_bytes_max: reader.u64("table_bytes_max")? }),
            _ => return Err(DecodeError::UnknownStrategy { name: StoredName::new(name) }),
        };
        reader.end()?;
        let (found, known) = (reader.version(), settings.version());
        if found > known {
            return Err(DecodeError::Version { found, known });
        }
        settings.check()?;
        Ok(settings)
    }
}

impl From<LeveledSettings> for AnySettings {
    /// Leveled, or lazy where a level may have several runs.
    fn from(settings: LeveledSettings) -> Self {
        if settings.runs_max > 1 { Self::Lazy(settings) } else { Self::Leveled(settings) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_of_the_bandit_written_before_there_were_layouts_are_still_read() {
        let settings = AnySettings::Bandit(BanditSettings { slots_max: 77, epsilon_ppm: 5, ..Default::default() });
        let mut bytes = [0; AnySettings::ENCODED_LEN_MAX];
        let len = settings.encode(&mut bytes).unwrap();
        // The same record without the fields from `layout` on: one byte and four numbers less.
        let old = len - 33;
        bytes[4..6].copy_from_slice(&VERSION.to_le_bytes());
        bytes[6..10].copy_from_slice(&u32::try_from(old).unwrap().to_le_bytes());
        let crc = super::super::checksum::crc32(&bytes[..old - 4]);
        bytes[old - 4..old].copy_from_slice(&crc.to_le_bytes());
        assert_eq!(AnySettings::decode(&bytes[..old]), Ok(settings));
    }
}
