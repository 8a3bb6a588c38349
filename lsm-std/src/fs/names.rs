//! Names of the files in a store's directory.

use std::fmt;

use crate::types::{FileId, NUMBERS_END};

/// A file of a store, by its name: [`Display`](fmt::Display) writes it, [`FileName::parse`] reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FileName {
    /// `LOCK`: held while the store is open.
    Lock,
    /// `CURRENT`: the name of the manifest in use.
    Current,
    /// `STRATEGY`: what the strategy has learned.
    Strategy,
    /// `MANIFEST-000007`: which tables the store consists of.
    Manifest(FileId),
    /// `000012.log`: a segment of the write-ahead log.
    Log(FileId),
    /// `000034.sst`: a table.
    Table(FileId),
    /// Anything that ends in `.tmp`: left over from a crash, to be removed at open.
    Temp,
}

impl FileName {
    /// The file that `name` stands for; `None` if it is not a name of ours.
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "LOCK" => return Some(Self::Lock),
            "CURRENT" => return Some(Self::Current),
            "STRATEGY" => return Some(Self::Strategy),
            _ => {}
        }
        if name.ends_with(".tmp") {
            return Some(Self::Temp);
        }
        let file = if let Some(digits) = name.strip_prefix("MANIFEST-") {
            Self::Manifest(id(digits)?)
        } else if let Some(digits) = name.strip_suffix(".log") {
            Self::Log(id(digits)?)
        } else {
            Self::Table(id(name.strip_suffix(".sst")?)?)
        };
        Some(file)
    }

    /// The number in the name, if it has one.
    pub const fn id(self) -> Option<FileId> {
        match self {
            Self::Manifest(id) | Self::Log(id) | Self::Table(id) => Some(id),
            Self::Lock | Self::Current | Self::Strategy | Self::Temp => None,
        }
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lock => f.write_str("LOCK"),
            Self::Current => f.write_str("CURRENT"),
            Self::Strategy => f.write_str("STRATEGY"),
            Self::Manifest(id) => write!(f, "MANIFEST-{id:06}"),
            Self::Log(id) => write!(f, "{id:06}.log"),
            Self::Table(id) => write!(f, "{id:06}.sst"),
            Self::Temp => f.write_str("unnamed.tmp"),
        }
    }
}

/// The number that `digits` spells as we would: at least six digits, no sign, no needless zero, not beyond all numbers.
fn id(digits: &str) -> Option<FileId> {
    let id: FileId = digits.parse().ok()?;
    (id < NUMBERS_END && format!("{id:06}") == digits).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back_as_written() {
        for id in [0, 7, 999_999, 1_000_000, NUMBERS_END - 1] {
            for name in [FileName::Manifest(id), FileName::Log(id), FileName::Table(id)] {
                assert_eq!(FileName::parse(&name.to_string()), Some(name));
                assert_eq!(name.id(), Some(id));
            }
        }
        for name in [FileName::Lock, FileName::Current, FileName::Strategy, FileName::Temp] {
            assert_eq!(FileName::parse(&name.to_string()), Some(name));
        }
    }

    #[test]
    fn names_we_would_not_write_are_not_ours() {
        for name in [
            "",
            "9223372036854775808.sst",
            "MANIFEST-18446744073709551615",
            "7.sst",
            "+00007.sst",
            "0000007.sst",
            "000007.SST",
            "MANIFEST-",
            "99999999999999999999.log",
            "a.txt",
        ] {
            assert_eq!(FileName::parse(name), None, "{name}");
        }
        assert_eq!(FileName::parse("CURRENT.tmp"), Some(FileName::Temp));
    }
}
