//! The background threads, and the same work done inline.

use std::sync::Arc;
use std::time::Duration;

use crate::batch::Batch;

use crate::commit::Committer;
use crate::engine::merge::Step;
use crate::engine::{Engine, LogSink};
use crate::error::{Error, Result};
use crate::options::SyncPolicy;
use crate::sync::{Bell, Ordering, lock, thread};

/// A tree in which nothing has happened for so long is made durable.
const SETTLE_AFTER: Duration = Duration::from_millis(50);

/// Who waits for background work looks this often whether the store has failed meanwhile.
pub(super) const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The threads of an open store.
#[derive(Debug)]
pub(crate) struct Workers {
    engine: Arc<Engine>,
    stop_sync: Arc<Bell>,
    threads: Vec<thread::JoinHandle<()>>,
}

impl Workers {
    /// Starts one thread that flushes, those that merge, and one that syncs the log if the policy wants it. None in
    /// deterministic mode.
    pub(crate) fn start(engine: &Arc<Engine>, committer: &Arc<Committer<Batch, LogSink>>) -> Result<Self> {
        let mut workers =
            Self { engine: Arc::clone(engine), stop_sync: Arc::new(Bell::default()), threads: Vec::new() };
        if engine.options.seed.is_some() {
            return Ok(workers);
        }
        let flusher = Arc::clone(engine);
        workers.spawn("lsm-flush", move || flusher.work(false))?;
        for _ in 0..engine.options.workers {
            let merger = Arc::clone(engine);
            workers.spawn("lsm-merge", move || merger.work(true))?;
        }
        if let SyncPolicy::Interval(interval) = engine.options.sync {
            let (stop, committer) = (Arc::clone(&workers.stop_sync), Arc::clone(committer));
            let engine = Arc::clone(engine);
            workers.spawn("lsm-sync", move || sync_log(&engine, &committer, &stop, interval))?;
        }
        Ok(workers)
    }

    fn spawn(&mut self, name: &str, work: impl FnOnce() + Send + 'static) -> Result<()> {
        let spawned = thread::Builder::new().name(name.to_owned()).spawn(work);
        self.threads.push(spawned.map_err(|error| Error::io("spawn", name, error))?);
        Ok(())
    }

    /// Stops the threads and waits for them. Running merges are given up, a running flush is finished.
    pub(crate) fn stop(&mut self) {
        self.engine.stopping.store(true, Ordering::Release);
        self.engine.bell.ring();
        self.stop_sync.ring();
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a background thread of the store had panicked");
            }
        }
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.stop();
    }
}

fn sync_log(engine: &Engine, committer: &Committer<Batch, LogSink>, stop: &Bell, interval: Duration) {
    while !engine.stopping.load(Ordering::Acquire) {
        let rung = stop.rung();
        if engine.stopping.load(Ordering::Acquire) {
            return;
        }
        stop.wait(rung, Some(interval));
        if engine.sync_log(committer).is_err() {
            return;
        }
    }
}

impl Engine {
    /// Flushes, and merges if `merge`, until the store is closed.
    fn work(&self, merge: bool) {
        loop {
            let rung = self.bell.rung();
            if self.stopping.load(Ordering::Acquire) {
                return;
            }
            let step = match self.try_flush() {
                Step::Idle(None) if merge => self.compact_one(),
                step => step,
            };
            if let Step::Idle(time) = step {
                self.rest(rung, time);
            }
        }
    }

    /// Waits for work; lets the tree settle when nothing has happened for a while.
    fn rest(&self, rung: u64, time: Option<Duration>) {
        let is_clean = !self.tree().is_unsettled() && !self.files.has_spare();
        if is_clean || self.health.check().is_err() {
            self.bell.wait(rung, time);
            return;
        }
        let pause = time.map_or(SETTLE_AFTER, |time| time.min(SETTLE_AFTER));
        self.bell.wait(rung, Some(pause));
        if self.bell.rung() == rung && self.health.flushes.pause().is_none() {
            self.try_settle();
        }
    }

    fn try_settle(&self) {
        match self.settle() {
            Ok(()) => self.health.flushes.recovered(),
            Err(error) => {
                self.health.trouble(&self.health.flushes, error);
                self.bell.ring();
            }
        }
    }

    fn try_flush(&self) -> Step {
        if self.health.check().is_err() {
            return Step::Idle(None);
        }
        if let Some(pause) = self.health.flushes.pause() {
            return Step::Idle(Some(pause));
        }
        match self.flush_one() {
            Ok(true) => Step::Worked,
            Ok(false) => Step::Idle(None),
            Err(_) => {
                // Writers may wait for what is not done now.
                self.bell.ring();
                Step::Worked
            }
        }
    }

    /// Does all that is to be done, in the calling thread.
    pub(crate) fn work_inline(&self) -> Result<()> {
        let _turn = lock(&self.inline);
        if self.health.flushes.check().is_err() {
            self.try_settle_inline()?;
        }
        self.health.merges.try_again();
        loop {
            self.health.check()?;
            if !self.flush_one()?
                && let Step::Idle(_) = self.compact_one()
            {
                return self.health.flushes.check();
            }
        }
    }

    /// A tree that could not be settled after a flush is tried again, though there may be nothing to flush now.
    fn try_settle_inline(&self) -> Result<()> {
        self.settle_if_due().inspect_err(|error| self.health.trouble(&self.health.flushes, error.clone()))?;
        if self.frozen() == 0 {
            self.health.flushes.recovered();
        }
        self.health.flushes.try_again();
        Ok(())
    }

    /// Has the strategy asked what is to be done: by a thread, or here if there are none.
    pub(crate) fn ask(&self) {
        if self.options.seed.is_some() {
            // Nobody reads the worse for it; what goes wrong is told to the next writer.
            let _ = self.work_inline();
        } else {
            self.bell.ring();
        }
    }

    /// Waits until `done` says so, doing the work meanwhile if there are no threads for it.
    ///
    /// # Errors
    /// What keeps the background work from getting on.
    pub(crate) fn wait_until(&self, done: impl Fn() -> Result<bool>) -> Result<()> {
        loop {
            let rung = self.bell.rung();
            if self.options.seed.is_some() {
                self.work_inline()?;
            }
            if done()? {
                return Ok(());
            }
            self.health.check()?;
            self.health.flushes.check()?;
            if self.stopping.load(Ordering::Acquire) {
                return Err(Error::Closed);
            }
            self.bell.wait(rung, Some(LOOK_EVERY));
            if self.bell.rung() == rung {
                // What is waited for may have become possible without a sound: time has passed, room was made.
                self.bell.ring();
            }
        }
    }
}
