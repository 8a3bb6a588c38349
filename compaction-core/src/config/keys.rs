//! The five-key form of tiered settings: five named values, as stores keep them that configure each keyspace by such keys.
//!
//! | key | bytes |
//! |---|---|
//! | `tiered_size_ratio` | f64, little-endian |
//! | `tiered_min_merge_width`, `tiered_max_merge_width` | u32, little-endian; unlimited is `u32::MAX` |
//! | `tiered_max_space_amp_pct`, `tiered_target_size` | u64, little-endian |
//!
//! This is one of the few places where a float occurs: the stored ratio is one.

use core::fmt;

use byteorder::{ByteOrder, LittleEndian};

use super::ConfigError;
use crate::strategy::{PPM, Tiered, TieredSettings};

const SIZE_RATIO: &str = "tiered_size_ratio";
const MIN_MERGE_WIDTH: &str = "tiered_min_merge_width";
const MAX_MERGE_WIDTH: &str = "tiered_max_merge_width";
const MAX_SPACE_AMP_PCT: &str = "tiered_max_space_amp_pct";
const TARGET_SIZE: &str = "tiered_target_size";

/// The bytes of one key's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyBytes {
    /// A u32, little-endian.
    Four([u8; 4]),
    /// A u64 or f64, little-endian.
    Eight([u8; 8]),
}

impl KeyBytes {
    fn four(value: u32) -> Self {
        let mut bytes = [0; 4];
        LittleEndian::write_u32(&mut bytes, value);
        Self::Four(bytes)
    }

    fn eight(value: u64) -> Self {
        let mut bytes = [0; 8];
        LittleEndian::write_u64(&mut bytes, value);
        Self::Eight(bytes)
    }
}

impl AsRef<[u8]> for KeyBytes {
    fn as_ref(&self) -> &[u8] {
        match self {
            Self::Four(bytes) => bytes,
            Self::Eight(bytes) => bytes,
        }
    }
}

/// Why five keys are not tiered settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeysError {
    /// A key has no value.
    Missing {
        /// The key.
        key: &'static str,
    },
    /// A value has the wrong length.
    Length {
        /// The key.
        key: &'static str,
        /// Bytes it should have.
        needed: usize,
        /// Bytes it has.
        len: usize,
    },
    /// The values are whole, but no strategy can work with them.
    Invalid(ConfigError),
}

impl fmt::Display for KeysError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { key } => write!(f, "{key} has no value"),
            Self::Length { key, needed, len } => write!(f, "{key} has {len} B, must have {needed} B"),
            Self::Invalid(error) => write!(f, "{error}"),
        }
    }
}

impl core::error::Error for KeysError {}

impl From<ConfigError> for KeysError {
    fn from(error: ConfigError) -> Self {
        Self::Invalid(error)
    }
}

impl TieredSettings {
    /// A ratio in parts per million, rounded to the nearest. NaN, infinite and negative ratios mean 1.0; from
    /// [`RATIO_PPM_UNLIMITED`](Self::RATIO_PPM_UNLIMITED) on all are alike.
    ///
    /// The inverse of [`size_ratio`](Self::size_ratio), exactly.
    #[must_use]
    pub fn ppm_of_ratio(ratio: f64) -> u64 {
        if !ratio.is_finite() || ratio < 0.0 {
            return PPM;
        }
        // The cast cuts, and saturates at both ends.
        let near = (ratio * PPM as f64 + 0.5) as u64;
        if near >= Self::RATIO_PPM_UNLIMITED {
            return Self::RATIO_PPM_UNLIMITED;
        }
        // The product is rounded too, so large ratios may come out some millionths off.
        let exact = (near.saturating_sub(2)..=near.saturating_add(2)).find(|ppm| ratio_of_ppm(*ppm) == ratio);
        exact.unwrap_or(near)
    }

    /// The size ratio as a double.
    #[must_use]
    pub fn size_ratio(&self) -> f64 {
        ratio_of_ppm(self.size_ratio_ppm)
    }

    /// The settings as five keys and their values, clamped as [`Tiered::new`] clamps them. No allocation.
    ///
    /// # Errors
    /// Settings that `Tiered::new` refuses, and those that the five keys have no place for: `runs_max` and `job_bytes_max`.
    pub fn to_keys(&self) -> Result<[(&'static str, KeyBytes); 5], ConfigError> {
        let clamped = Tiered::new(*self)?.settings();
        for (name, value) in [("runs_max", self.runs_max), ("job_bytes_max", self.job_bytes_max)] {
            if value != u64::MAX {
                return Err(ConfigError::NotStored { name, value });
            }
        }
        Ok([
            (SIZE_RATIO, KeyBytes::eight(clamped.size_ratio().to_bits())),
            (MIN_MERGE_WIDTH, KeyBytes::four(clamped.min_merge_width)),
            (MAX_MERGE_WIDTH, KeyBytes::four(clamped.max_merge_width)),
            (MAX_SPACE_AMP_PCT, KeyBytes::eight(clamped.max_space_amp_pct)),
            (TARGET_SIZE, KeyBytes::eight(clamped.table_bytes_max)),
        ])
    }

    /// Reads the settings back; `lookup` is asked for the value of each key.
    ///
    /// # Errors
    /// The first key without a value or with one of the wrong length; settings that [`Tiered::new`] refuses.
    pub fn from_keys<B: AsRef<[u8]>>(lookup: impl Fn(&str) -> Option<B>) -> Result<Self, KeysError> {
        let settings = Self {
            size_ratio_ppm: Self::ppm_of_ratio(f64::from_bits(eight(&lookup, SIZE_RATIO)?)),
            min_merge_width: four(&lookup, MIN_MERGE_WIDTH)?,
            max_merge_width: four(&lookup, MAX_MERGE_WIDTH)?,
            max_space_amp_pct: eight(&lookup, MAX_SPACE_AMP_PCT)?,
            table_bytes_max: eight(&lookup, TARGET_SIZE)?,
            runs_max: u64::MAX,
            job_bytes_max: u64::MAX,
        };
        Ok(Tiered::new(settings)?.settings())
    }
}

fn ratio_of_ppm(ppm: u64) -> f64 {
    ppm as f64 / PPM as f64
}

fn value<B: AsRef<[u8]>, const N: usize>(
    lookup: impl Fn(&str) -> Option<B>,
    key: &'static str,
) -> Result<[u8; N], KeysError> {
    let bytes = lookup(key).ok_or(KeysError::Missing { key })?;
    let bytes = bytes.as_ref();
    <[u8; N]>::try_from(bytes).map_err(|_| KeysError::Length { key, needed: N, len: bytes.len() })
}

fn four<B: AsRef<[u8]>>(lookup: impl Fn(&str) -> Option<B>, key: &'static str) -> Result<u32, KeysError> {
    value::<B, 4>(lookup, key).map(|bytes| LittleEndian::read_u32(&bytes))
}

fn eight<B: AsRef<[u8]>>(lookup: impl Fn(&str) -> Option<B>, key: &'static str) -> Result<u64, KeysError> {
    value::<B, 8>(lookup, key).map(|bytes| LittleEndian::read_u64(&bytes))
}
