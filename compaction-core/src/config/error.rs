//! Why settings could not be written, or bytes not be read.

use core::fmt;

use super::ConfigError;

/// The lent bytes cannot hold the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EncodeError {
    /// Bytes that the record takes.
    pub needed: usize,
    /// Bytes that were lent.
    pub len: usize,
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the record takes {} B, {} B were lent", self.needed, self.len)
    }
}

impl core::error::Error for EncodeError {}

/// Why bytes are not a record that this version of the crate can use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DecodeError {
    /// The record goes on behind the end of the bytes.
    Truncated {
        /// Bytes that the record takes, at least.
        needed: usize,
        /// Bytes given.
        len: usize,
    },
    /// The bytes do not begin as such a record does.
    Foreign,
    /// Bytes stand behind the end of the record, or behind its last field.
    Trailing {
        /// How many.
        extra: usize,
    },
    /// The bytes are not those that were written.
    Checksum {
        /// The checksum in the record.
        stored: u32,
        /// The checksum of the record.
        computed: u32,
    },
    /// A version of the format that is not known here, most likely a newer one.
    Version {
        /// The record's.
        found: u16,
        /// The newest known.
        known: u16,
    },
    /// The record ends before this field.
    Missing {
        /// Its name.
        field: &'static str,
    },
    /// This field holds a value that no writer produces.
    Senseless {
        /// Its name.
        field: &'static str,
    },
    /// No strategy has this name.
    UnknownStrategy {
        /// The stored name.
        name: StoredName,
    },
    /// The settings are whole, but nothing can work with them.
    Invalid(ConfigError),
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated { needed, len } => write!(f, "truncated: {len} B of at least {needed} B"),
            Self::Foreign => write!(f, "not a record of this kind: its first bytes are others"),
            Self::Trailing { extra } => write!(f, "{extra} B too many behind the end"),
            Self::Checksum { stored, computed } => {
                write!(f, "corrupted: checksum {stored:#010x} stored, {computed:#010x} computed")
            }
            Self::Version { found, known } => write!(f, "format version {found}, known are 1 to {known}"),
            Self::Missing { field } => write!(f, "the record ends before {field}"),
            Self::Senseless { field } => write!(f, "{field} makes no sense"),
            Self::UnknownStrategy { name } => write!(f, "unknown strategy {name}"),
            Self::Invalid(error) => write!(f, "{error}"),
        }
    }
}

impl core::error::Error for DecodeError {}

impl From<ConfigError> for DecodeError {
    fn from(error: ConfigError) -> Self {
        Self::Invalid(error)
    }
}

/// A strategy's name as it was found in stored bytes, perhaps cut, perhaps not even text.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct StoredName {
    bytes: [u8; Self::LEN_MAX],
    len: u8,
}

impl StoredName {
    /// Longer names are cut to this many bytes.
    pub const LEN_MAX: usize = 40;

    /// Keeps the first bytes of `name`.
    #[must_use]
    pub fn new(name: &[u8]) -> Self {
        let mut bytes = [0; Self::LEN_MAX];
        let mut len = 0u8;
        for (place, byte) in bytes.iter_mut().zip(name) {
            *place = *byte;
            len = len.saturating_add(1);
        }
        Self { bytes, len }
    }

    /// The bytes kept.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or(&[])
    }
}

impl fmt::Display for StoredName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.as_bytes().escape_ascii())
    }
}

impl fmt::Debug for StoredName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
