//! Settings: checked as a whole before use, and stored as bytes.

mod checksum;
pub(crate) mod codec;
mod error;
mod fields;
mod keys;
mod settings;

use core::fmt;

pub use error::{DecodeError, EncodeError, StoredName};
pub use keys::{KeyBytes, KeysError};
pub use settings::AnySettings;

/// A setting that no strategy can work with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigError {
    /// A setting lies outside what makes sense.
    OutOfRange {
        /// Its name.
        name: &'static str,
        /// Its value.
        value: u64,
        /// The least allowed.
        min: u64,
        /// The largest allowed.
        max: u64,
    },
    /// The chosen form of storage has no place for this setting.
    NotStored {
        /// Its name.
        name: &'static str,
        /// Its value.
        value: u64,
    },
    /// The strategy is not part of this build.
    NotBuilt {
        /// The feature of the crate that it needs.
        feature: &'static str,
    },
}

impl ConfigError {
    /// Refuses 0.
    pub(crate) fn positive(name: &'static str, value: u64) -> Result<(), Self> {
        Self::within(name, value, 1, u64::MAX)
    }

    /// Refuses what lies outside `min..=max`.
    pub(crate) fn within(name: &'static str, value: u64, min: u64, max: u64) -> Result<(), Self> {
        if (min..=max).contains(&value) { Ok(()) } else { Err(Self::OutOfRange { name, value, min, max }) }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::OutOfRange { name, value, min, max: u64::MAX } => {
                write!(f, "{name} is {value}, must be at least {min}")
            }
            Self::OutOfRange { name, value, min, max } => write!(f, "{name} is {value}, must lie in {min}..={max}"),
            Self::NotStored { name, value } => write!(f, "{name} is {value}, which this form cannot hold"),
            Self::NotBuilt { feature } => write!(f, "the strategy needs the crate's feature {feature}"),
        }
    }
}

impl core::error::Error for ConfigError {}
