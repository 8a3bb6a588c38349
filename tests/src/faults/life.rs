//! The lives of one store: how each begins, and how it ends.

use std::sync::{Arc, Mutex, PoisonError};

use compaction_core::sim::SplitMix;
use lsm_std::fs::Fs;
use lsm_std::{Db, LogicalClock, Result, Snapshot};

use super::history::{History, Map};
use super::room::Watch;
use super::setup::{Setup, strategy};
use super::trouble::Trouble;
use super::{Kind, Tally};
use crate::disk::{Disk, Left, STORE};

/// Lives of a store in which the power goes.
const LIVES: u64 = 6;

/// Lives of a store of which calls fail.
const FAULTY_LIVES: u64 = 3;

/// One run.
#[derive(Debug)]
pub struct Run {
    pub(super) kind: Kind,
    pub(super) rng: SplitMix,
    pub(super) disk: Disk,
    pub(super) clock: Arc<LogicalClock>,
    pub(super) setup: Setup,
    pub(super) history: History,
    pub(super) snapshots: Vec<(Snapshot, Map)>,
    /// A checkpoint and what it holds.
    pub(super) copy: Option<(String, Map)>,
    pub(super) copies: u64,
    pub(super) trouble: Trouble,
    pub(super) tally: Tally,
    pub(super) watch: Arc<Mutex<Watch>>,
    seed: u64,
}

impl Run {
    /// The run of this seed.
    #[must_use]
    pub fn new(kind: Kind, seed: u64) -> Self {
        let mut rng = SplitMix::new(seed);
        let setup = Setup::draw(&mut rng, kind == Kind::Threads);
        let disk = Disk::new(rng.next_u64());
        disk.take_pieces();
        if kind == Kind::Faults && seed.is_multiple_of(4) {
            disk.copy_on_write();
        }
        Self {
            kind,
            disk,
            clock: Arc::new(LogicalClock::at(rng.below(2) * 1_000_000)),
            setup,
            rng,
            history: History::default(),
            snapshots: Vec::new(),
            copy: None,
            copies: 0,
            trouble: Trouble::default(),
            tally: Tally { runs: 1, ..Tally::default() },
            watch: Arc::default(),
            seed,
        }
    }

    /// Lives all lives, then looks at what is left.
    ///
    /// # Panics
    /// If the store breaks a promise.
    #[must_use]
    pub fn run(mut self) -> Tally {
        let lives = if self.kind == Kind::Faults { FAULTY_LIVES } else { LIVES };
        for _ in 0..lives {
            self.life();
        }
        self.last_life();
        self.tally.faulty = u64::from(self.kind == Kind::Faults && self.disk.hits().all() > 0);
        (self.tally.reused, self.tally.manifests) = self.disk.rewritten();
        self.tally.calls = self.disk.calls();
        self.tally.jobs = self.watch.lock().unwrap_or_else(PoisonError::into_inner).jobs;
        self.tally.failed_calls = self.disk.hits().all();
        self.tally
    }

    fn life(&mut self) {
        let fs = self.disk.boot();
        self.begin_trouble();
        let Some(db) = self.open(&fs) else {
            self.trouble_at_opening();
            return;
        };
        self.begin_late_trouble();
        let steps = 10 + self.rng.below(80);
        for _ in 0..steps {
            if self.disk.is_dead() {
                break;
            }
            self.step(&db, &fs);
            self.check_room(&db);
            self.end_trouble(&db);
        }
        self.look(&db);
        self.snapshots.clear();
        self.end(db);
        self.look_at_copy();
    }

    /// Opens the store and holds it against the map. `None` if that failed, as it may.
    fn open(&mut self, fs: &Arc<dyn Fs>) -> Option<Db> {
        let mut options = self.watched(self.setup.options(Arc::clone(fs), &self.clock));
        if self.rng.below(2) == 0 {
            options = options.strategy(strategy(&mut self.rng));
        }
        let opened = options.open(STORE);
        let db = self.passed("open", opened)?;
        self.disk.opened();
        let lost = self.history.opened(db.stats().last_seqno);
        self.tally.lost += lost.unwrap_or_else(|broken| self.broken(&broken)) as u64;
        self.look(&db);
        Some(db)
    }

    /// Ends a life in one way or another.
    fn end(&mut self, db: Db) {
        if self.disk.is_dead() {
            drop(db);
            self.cut();
            return;
        }
        match self.rng.below(4) {
            0 => {
                let closed = db.close();
                self.closed(closed);
            }
            1 => {
                self.kill();
                drop(db);
            }
            _ => {
                self.cut();
                drop(db);
            }
        }
        assert_eq!(self.disk.used_twice(), None, "{}", self.context());
    }

    fn closed(&mut self, closed: Result<()>) {
        let is_closed = self.passed("close", closed).is_some();
        if self.disk.is_dead() {
            self.cut();
        } else if is_closed {
            self.history.all_durable();
            self.flip();
        } else {
            self.kill();
        }
    }

    fn kill(&mut self) {
        self.tally.kills += 1;
        // What a failed sync has lost may be gone from now on.
        if self.trouble.loses_pages(self.disk.hits()) {
            self.history.cut()
        } else {
            self.history.killed()
        }
        // Whatever the old process still does has no effect.
        drop(self.disk.boot());
    }

    pub(super) fn cut(&mut self) {
        self.tally.cuts += 1;
        self.history.cut();
        self.disk.cut(Left::Random);
    }

    /// Opens what is left without trouble and goes through all of it.
    fn last_life(&mut self) {
        self.disk.heal();
        self.trouble = Trouble::none(self.disk.hits());
        let fs = self.disk.boot();
        let Some(db) = self.open(&fs) else { self.broken("the store does not open") };
        self.step(&db, &fs);
        let done = db.compact_all().and_then(|()| db.wait_idle()).and_then(|()| db.verify().map(drop));
        self.passed("compact_all, wait_idle, verify", done);
        self.look(&db);
        self.snapshots.clear();
        let closed = db.close();
        self.closed(closed);
        let fs = self.disk.boot();
        drop(self.open(&fs));
        assert_eq!(self.disk.used_twice(), None, "{}", self.context());
    }

    /// What a call answered; `None` if it failed for a reason.
    pub(super) fn passed<T>(&self, what: &str, answer: Result<T>) -> Option<T> {
        match answer {
            Ok(answer) => Some(answer),
            Err(_) if self.disk.is_dead() || self.trouble.has_hit(self.disk.hits()) => None,
            Err(error) => self.broken(&format!("{what}: {error}")),
        }
    }

    /// Says which run this is.
    pub(super) fn context(&self) -> String {
        let Self { seed, setup, history, .. } = self;
        let (batches, durable) = history.batches();
        format!("seed {seed}, {:?}: {batches} batches, {durable} durable, {:?}", setup.sync, self.trouble)
    }

    pub(super) fn broken(&self, what: &str) -> ! {
        panic!("{what} ({})", self.context())
    }
}
