//! Everything that can go wrong, with the file and the offset where it did.

use std::borrow::Cow;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What a call to the engine returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a call failed.
///
/// Cheap to clone: a store that has become read-only keeps its cause and hands it to every later writer.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused.
    #[error("{op} {}: {source}", path.display())]
    Io {
        /// What was tried: `open`, `read`, `append`, `sync`, ...
        op: &'static str,
        /// On which file or directory.
        path: PathBuf,
        /// What the system answered.
        source: Arc<io::Error>,
    },
    /// Bytes on disk are not what was written. Nothing of them was used.
    #[error("{} is damaged at byte {offset}: {what}", path.display())]
    Corrupt {
        /// The damaged file.
        path: PathBuf,
        /// Where the damaged block or record starts, in bytes from the start of the file.
        offset: u64,
        /// What is wrong there.
        what: Cow<'static, str>,
    },
    /// The file was written by a later version of this crate.
    #[error("{} has format {found}, this version knows up to {known}", path.display())]
    NewerFormat {
        /// The file.
        path: PathBuf,
        /// Its format version.
        found: u32,
        /// The newest version that can be read.
        known: u32,
    },
    /// Another process, or another handle of this one, has the store open.
    #[error("{} is locked: the store is already open", path.display())]
    Locked {
        /// The lock file.
        path: PathBuf,
    },
    /// A write or a sync failed earlier; what has been written can still be read.
    #[error("the store is read-only since an earlier failure: {cause}")]
    ReadOnly {
        /// That failure.
        #[source]
        cause: Arc<Error>,
    },
    /// A key is longer than [`KEY_BYTES_MAX`](crate::KEY_BYTES_MAX).
    #[error("key of {len} bytes is longer than {max}")]
    KeyTooLong {
        /// Its length in bytes.
        len: usize,
        /// The longest allowed.
        max: usize,
    },
    /// A value is longer than [`VALUE_BYTES_MAX`](crate::VALUE_BYTES_MAX).
    #[error("value of {len} bytes is longer than {max}")]
    ValueTooLong {
        /// Its length in bytes.
        len: usize,
        /// The longest allowed.
        max: usize,
    },
    /// A batch does not fit one record of the log.
    #[error("batch of {len} bytes is larger than {max}")]
    BatchTooLarge {
        /// Its encoded size in bytes.
        len: u64,
        /// The largest allowed.
        max: u64,
    },
    /// An option has a value that makes no sense.
    #[error("option {name} = {value}: {why}")]
    BadOptions {
        /// Name of the option.
        name: &'static str,
        /// The value it had.
        value: String,
        /// What is allowed, or what it contradicts.
        why: Cow<'static, str>,
    },
    /// The directory is not a store, or not one that can be opened this way.
    #[error("{} is not a store: {why}", path.display())]
    NotAStore {
        /// The directory.
        path: PathBuf,
        /// What is missing or in the way.
        why: Cow<'static, str>,
    },
    /// The directory for a checkpoint or a repaired store cannot be used.
    #[error("{} cannot hold a new store: {why}", path.display())]
    BadTarget {
        /// The directory.
        path: PathBuf,
        /// What is in the way.
        why: Cow<'static, str>,
    },
    /// The store has been closed.
    #[error("the store is closed")]
    Closed,
    /// The engine broke one of its own laws and stopped before anything was written. A bug: please report it.
    #[error("internal law broken: {what}")]
    Law {
        /// The law, with the values that broke it.
        what: String,
    },
}

impl Error {
    /// An [`Error::Io`]. For implementations of [`Fs`](crate::fs::Fs).
    pub fn io(op: &'static str, path: impl Into<PathBuf>, source: io::Error) -> Self {
        Self::Io { op, path: path.into(), source: Arc::new(source) }
    }

    /// An [`Error::Corrupt`].
    pub(crate) fn corrupt(path: &Path, offset: u64, what: impl Into<Cow<'static, str>>) -> Self {
        Self::Corrupt { path: path.into(), offset, what: what.into() }
    }

    /// An [`Error::Law`].
    pub(crate) fn law(what: impl Into<String>) -> Self {
        Self::Law { what: what.into() }
    }

    /// What is wrong, without the path where an [`Error::Corrupt`] has one.
    pub(crate) fn what(&self) -> String {
        match self {
            Self::Corrupt { what, .. } => what.to_string(),
            other => other.to_string(),
        }
    }

    /// The kind of the system's error, if this is an [`Error::Io`].
    pub fn io_kind(&self) -> Option<io::ErrorKind> {
        match self {
            Self::Io { source, .. } => Some(source.kind()),
            _ => None,
        }
    }

    /// True if a file or directory was not there.
    pub fn is_not_found(&self) -> bool {
        self.io_kind() == Some(io::ErrorKind::NotFound)
    }

    /// True after a failed sync or rename: what the disk holds is not known, and trying again proves nothing.
    pub(crate) fn leaves_doubt(&self) -> bool {
        matches!(self, Self::Io { op: "sync" | "sync_dir" | "rename", .. })
    }

    /// True if the device, or the user's share of it, is full.
    pub fn is_no_space(&self) -> bool {
        matches!(self.io_kind(), Some(io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_name_file_offset_and_cause() {
        let path = Path::new("store/000007.sst");
        let error = Error::corrupt(path, 4096, "checksum 1 instead of 2");
        assert_eq!(error.to_string(), "store/000007.sst is damaged at byte 4096: checksum 1 instead of 2");
        let cause = Error::io("sync", path, io::Error::other("no"));
        let error = Error::ReadOnly { cause: Arc::new(cause) };
        assert_eq!(error.to_string(), "the store is read-only since an earlier failure: sync store/000007.sst: no");
        assert!(std::error::Error::source(&error).is_some());
    }

    #[test]
    fn a_full_disk_and_a_missing_file_are_told_apart() {
        let full = Error::io("append", "a", io::ErrorKind::StorageFull.into());
        let gone = Error::io("open", "a", io::ErrorKind::NotFound.into());
        assert!(full.is_no_space() && !full.is_not_found());
        assert!(gone.is_not_found() && !gone.is_no_space());
    }
}
