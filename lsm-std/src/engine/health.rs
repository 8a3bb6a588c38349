//! Whether a store may still be written to, and what went wrong in the background.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::sync::{Mutex, lock};

/// After a failure that may pass (a full disk), background work is tried again after this long, doubled each time.
const RETRY_MIN: Duration = Duration::from_millis(100);
const RETRY_MAX: Duration = Duration::from_secs(10);

/// A store's health.
#[derive(Debug, Default)]
pub(crate) struct Health {
    fatal: OnceLock<Arc<Error>>,
    background: Mutex<Option<Trouble>>,
}

#[derive(Debug)]
struct Trouble {
    error: Error,
    pause: Duration,
    until: Instant,
}

impl Health {
    /// # Errors
    /// [`Error::ReadOnly`] after a failure that leaves it unknown what is on disk.
    pub(crate) fn check(&self) -> Result<()> {
        match self.fatal.get() {
            None => Ok(()),
            Some(cause) => Err(Error::ReadOnly { cause: Arc::clone(cause) }),
        }
    }

    /// Makes the store read-only for good; the first cause is kept. Answers with what writers are told.
    pub(crate) fn fail(&self, error: Error) -> Error {
        if matches!(error, Error::ReadOnly { .. }) {
            return error;
        }
        tracing::error!(%error, "the store is read-only from now on");
        let cause = self.fatal.get_or_init(|| Arc::new(error));
        Error::ReadOnly { cause: Arc::clone(cause) }
    }

    /// Notes that a flush or a merge failed. A full disk, and damage in a table that a merge would have read, are passing
    /// trouble: the work is undone and tried again later. Anything else makes the store read-only.
    pub(crate) fn trouble(&self, error: Error) {
        if !(error.is_no_space() || matches!(error, Error::Corrupt { .. } | Error::NewerFormat { .. })) {
            self.fail(error);
            return;
        }
        tracing::warn!(%error, "background work failed, to be tried again");
        let mut background = lock(&self.background);
        let pause = background.as_ref().map_or(RETRY_MIN, |last| (last.pause * 2).min(RETRY_MAX));
        *background = Some(Trouble { error, pause, until: Instant::now() + pause });
    }

    /// Notes that background work succeeded.
    pub(crate) fn recovered(&self) {
        *lock(&self.background) = None;
    }

    /// How long background work is still to pause; `None` if it may go on.
    pub(crate) fn pause(&self) -> Option<Duration> {
        let background = lock(&self.background);
        let left = background.as_ref()?.until.saturating_duration_since(Instant::now());
        (!left.is_zero()).then_some(left)
    }

    /// # Errors
    /// The last failure of background work that has not succeeded since.
    pub(crate) fn check_background(&self) -> Result<()> {
        match &*lock(&self.background) {
            None => Ok(()),
            Some(trouble) => Err(trouble.error.clone()),
        }
    }
}
