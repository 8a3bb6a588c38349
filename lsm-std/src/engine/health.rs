//! Whether a store may still be written to, and what went wrong in the background.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use crate::clock::instant;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::sync::{Mutex, lock};

/// After a failure that may pass (a full disk), background work is tried again after this long, doubled each time.
const RETRY_MIN: Duration = Duration::from_millis(100);
const RETRY_MAX: Duration = Duration::from_secs(10);

/// Work done inline pauses until the next call that does any, which ends the pause.
const RETRY_INLINE: Duration = Duration::from_secs(1 << 30);

/// A store's health.
#[derive(Debug, Default)]
pub(crate) struct Health {
    fatal: OnceLock<Arc<Error>>,
    /// Work is done inline: what failed is tried again at the next call that does any, however soon.
    is_inline: bool,
    /// Trouble of flushes, and of making the tree durable: writers wait for these.
    pub(crate) flushes: Background,
    /// Trouble of merges: reads get slower, nothing else.
    pub(crate) merges: Background,
}

/// How one kind of background work gets on.
#[derive(Debug, Default)]
pub(crate) struct Background(Mutex<Option<Trouble>>);

#[derive(Debug)]
struct Trouble {
    error: Error,
    pause: Duration,
    until: Instant,
}

impl Health {
    /// Of a store just opened.
    pub(crate) fn new(is_inline: bool) -> Self {
        Self { is_inline, ..Self::default() }
    }

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
        let cause = match error {
            Error::ReadOnly { cause } => cause,
            error => Arc::new(error),
        };
        let first = self.fatal.get_or_init(|| {
            tracing::error!(error = %cause, "the store is read-only from now on");
            cause
        });
        Error::ReadOnly { cause: Arc::clone(first) }
    }

    /// Makes the store read-only if `error` leaves it unknown what its directory holds. Answers with what the caller is told.
    pub(crate) fn fail_if_in_doubt(&self, error: Error) -> Error {
        if error.leaves_doubt() { self.fail(error) } else { error }
    }

    /// Notes that `work` failed. A full disk, a table that a merge cannot open or read (too many open files, say), and damage in
    /// it are passing trouble: the work is undone and tried again later. Anything else makes the store read-only.
    pub(crate) fn trouble(&self, work: &Background, error: Error) {
        let is_of_input = match &error {
            Error::Corrupt { .. } | Error::NewerFormat { .. } => true,
            Error::Io { op, .. } => matches!(*op, "open" | "read"),
            _ => false,
        };
        if !(error.is_no_space() || is_of_input) {
            self.fail(error);
            return;
        }
        tracing::warn!(%error, "background work failed, to be tried again");
        let mut trouble = lock(&work.0);
        let pause = match &*trouble {
            _ if self.is_inline => RETRY_INLINE,
            None => RETRY_MIN,
            Some(last) => (last.pause * 2).min(RETRY_MAX),
        };
        *trouble = Some(Trouble { error, pause, until: instant() + pause });
    }
}

impl Background {
    /// Notes that the work succeeded.
    pub(crate) fn recovered(&self) {
        *lock(&self.0) = None;
    }

    /// Ends a pause.
    pub(crate) fn try_again(&self) {
        if let Some(trouble) = &mut *lock(&self.0) {
            trouble.until = instant();
        }
    }

    /// How long the work is still to pause; `None` if it may go on.
    pub(crate) fn pause(&self) -> Option<Duration> {
        let trouble = lock(&self.0);
        let left = trouble.as_ref()?.until.saturating_duration_since(instant());
        (!left.is_zero()).then_some(left)
    }

    /// # Errors
    /// The last failure of the work that has not succeeded since.
    pub(crate) fn check(&self) -> Result<()> {
        match &*lock(&self.0) {
            None => Ok(()),
            Some(trouble) => Err(trouble.error.clone()),
        }
    }
}

/// While it lives, a panic makes the store read-only: work that was left halfway is neither gone on with nor taken for done.
pub(super) struct Careful<'a> {
    engine: &'a Engine,
    /// The thread panicked before: it is cleaning up.
    was_panicking: bool,
}

impl<'a> Careful<'a> {
    pub(super) fn new(engine: &'a Engine) -> Self {
        Self { engine, was_panicking: std::thread::panicking() }
    }
}

impl Drop for Careful<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() && !self.was_panicking {
            self.engine.health.fail(panicked());
            self.engine.bell.ring();
        }
    }
}

/// What is told of a thread that panicked.
pub(super) fn panicked() -> Error {
    Error::law("a thread panicked while it worked for the store")
}
