//! Why a command did not end well.

use std::io;

use crate::trace::TraceError;
use crate::workload::WorkloadError;

/// Why a command did not end well. It is said on standard error, and the exit status is 1 unless it says otherwise.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// A file could not be read or written.
    #[error("{path}: {source}")]
    Io {
        /// Which.
        path: String,
        /// What the operating system said.
        source: io::Error,
    },
    /// A trace cannot be used.
    #[error(transparent)]
    Trace(#[from] TraceError),
    /// A workload cannot be used.
    #[error(transparent)]
    Workload(#[from] WorkloadError),
    /// A value of a workload makes no sense.
    #[error(transparent)]
    WorkloadValue(#[from] compaction_core::sim::WorkloadError),
    /// The store says no.
    #[error(transparent)]
    Store(#[from] lsm_std::Error),
    /// An argument makes no sense, in words: the exit status is 2.
    #[error("{0}")]
    Usage(String),
    /// Something was wrong, in words.
    #[error("{0}")]
    Wrong(String),
}

impl Failure {
    /// Wraps an error about `path`, to be given to `map_err`.
    pub fn io(path: impl ToString) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { path: path.to_string(), source }
    }

    /// The exit status.
    pub fn status(&self) -> u8 {
        if matches!(self, Self::Usage(_)) { 2 } else { 1 }
    }

    /// Whether the reader of our output has gone away, which is its own business.
    pub fn is_broken_pipe(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == io::ErrorKind::BrokenPipe)
    }
}
