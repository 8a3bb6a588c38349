//! Files that are written and wait for their one sync.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::engine::health::Health;
use crate::error::{Error, Result};
use crate::fs::WriteFile;
use crate::sync::{Mutex, lock};

/// So many files are synced at once: a disk takes several requests in hardly more time than one.
const THREADS_MAX: usize = 8;

/// One more thread pays for so many files.
const FILES_PER_THREAD: usize = 4;

/// A file that is written and is to be synced once, by whoever comes first.
#[derive(Debug)]
pub(super) struct Unsynced(Mutex<State>);

#[derive(Debug)]
enum State {
    Written(Box<dyn WriteFile>),
    Synced,
    Failed,
}

impl Unsynced {
    pub(super) fn new(file: Box<dyn WriteFile>) -> Self {
        Self(Mutex::new(State::Written(file)))
    }

    /// Syncs the file and closes it, if that is not done yet. Waits for a sync that runs.
    ///
    /// # Errors
    /// The sync fails, or has failed: the store is read-only, and the file is not synced again.
    pub(super) fn sync(&self, health: &Health) -> Result<()> {
        let mut state = lock(&self.0);
        match &mut *state {
            State::Synced => Ok(()),
            State::Failed => Err(health.fail(Error::law("a file whose sync has failed"))),
            State::Written(file) => {
                let synced = file.sync().map_err(|error| health.fail(error));
                *state = if synced.is_ok() { State::Synced } else { State::Failed };
                synced
            }
        }
    }
}

/// Syncs all of `files`, several at once.
///
/// # Errors
/// As [`Unsynced::sync`]: one of the failures. Files may be left that nobody has synced.
pub(super) fn sync_all(files: &[Arc<Unsynced>], health: &Health) -> Result<()> {
    let next = AtomicUsize::new(0);
    let work = || {
        while let Some(file) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
            file.sync(health)?;
        }
        Ok(())
    };
    let helpers = (files.len() / FILES_PER_THREAD).min(THREADS_MAX - 1);
    std::thread::scope(|scope| {
        // Without a helper, for want of threads, the others do its work.
        let builder = || std::thread::Builder::new().name("lsm-settle".to_owned());
        let helpers: Vec<_> = (0..helpers).filter_map(|_| builder().spawn_scoped(scope, work).ok()).collect();
        let own = work();
        helpers.into_iter().fold(own, |done, helper| {
            let panicked = |_| Err(health.fail(super::health::panicked()));
            done.and(helper.join().unwrap_or_else(panicked))
        })
    })
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use super::*;

    /// Counts its syncs, of which the first fails if it is `bad`.
    #[derive(Debug)]
    struct File {
        syncs: Arc<AtomicUsize>,
        is_bad: bool,
    }

    impl WriteFile for File {
        fn append(&mut self, _: &[u8]) -> Result<()> {
            Ok(())
        }

        fn sync(&mut self) -> Result<()> {
            self.syncs.fetch_add(1, Ordering::Relaxed);
            let bad = std::mem::take(&mut self.is_bad);
            if bad { Err(Error::io("sync", "a", ErrorKind::Other.into())) } else { Ok(()) }
        }

        fn len(&self) -> u64 {
            0
        }
    }

    fn files(bad: Option<usize>, syncs: &Arc<AtomicUsize>) -> Vec<Arc<Unsynced>> {
        let file = |at| File { syncs: Arc::clone(syncs), is_bad: Some(at) == bad };
        (0..100).map(|at| Arc::new(Unsynced::new(Box::new(file(at))))).collect()
    }

    #[test]
    fn every_file_is_synced_once_however_often_that_is_asked_for() {
        let (syncs, health) = (Arc::default(), Health::default());
        let files = files(None, &syncs);
        sync_all(&files, &health).unwrap();
        sync_all(&files, &health).unwrap();
        assert_eq!(syncs.load(Ordering::Relaxed), 100);
        health.check().unwrap();
    }

    #[test]
    fn a_file_whose_sync_failed_is_not_synced_again_and_never_passes_for_synced() {
        for bad in [0, 57, 99] {
            let (syncs, health) = (Arc::default(), Health::default());
            let files = files(Some(bad), &syncs);
            for _ in 0..2 {
                assert!(matches!(sync_all(&files, &health), Err(Error::ReadOnly { .. })));
                assert!(matches!(files[bad].sync(&health), Err(Error::ReadOnly { .. })));
            }
            assert!(syncs.load(Ordering::Relaxed) <= 100);
            assert!(health.check().is_err());
        }
    }
}
