//! What goes wrong in a life, and what the store must make of it.

use std::io::ErrorKind;

use lsm_std::Db;

use super::{Kind, Run};
use crate::disk::{Fault, Hits, Op, STORE};

/// The trouble of one life.
#[derive(Clone, Copy, Debug, Default)]
pub struct Trouble {
    what: What,
    /// Calls that had failed before.
    before: Hits,
    /// When the disk has room again, in steps.
    steps_left: u64,
    /// The store has said that it is read-only.
    pub is_read_only: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum What {
    /// None, or none any more.
    #[default]
    Nothing,
    /// The disk is full for some time, by its room or by chance.
    Full,
    /// A sync fails.
    Sync,
    /// Other calls fail.
    Calls,
}

impl Trouble {
    /// None, after so many calls have failed before.
    pub fn none(before: Hits) -> Self {
        Self { before, ..Self::default() }
    }

    /// Whether any call has failed in this life.
    pub fn has_hit(&self, hits: Hits) -> bool {
        hits.all() > self.before.all()
    }

    /// Whether a failed sync may have taken what was written before.
    pub fn loses_pages(&self, hits: Hits) -> bool {
        hits.syncs + hits.others > self.before.syncs + self.before.others
    }

    /// Whether no call is going to fail.
    pub fn is_over(&self) -> bool {
        self.what == What::Nothing
    }
}

/// The files whose calls fail.
const SUFFIXES: [&str; 7] = ["", "", ".log", ".sst", STORE, ".tmp", "1"];

impl Run {
    /// Decides what will go wrong in this life. Half of it from the opening on.
    pub(super) fn begin_trouble(&mut self) {
        self.disk.heal();
        self.trouble = Trouble::none(self.disk.hits());
        if self.kind == Kind::Faults {
            if self.rng.below(4) == 0 {
                self.make_trouble();
            }
            return;
        }
        // A manifest is rarely rewritten: only where it grows fast.
        let part = if self.setup.has_long_keys { "MANIFEST" } else { [".log", ".tmp"][self.rng.below(2) as usize] };
        if self.rng.below(3) == 0 {
            self.disk.cut_near(part, self.rng.below(12));
            return;
        }
        let calls = match self.rng.below(4) {
            0 => 40,
            1 => 200,
            2 => 800,
            _ => 3000,
        };
        self.disk.cut_in(1 + self.rng.below(calls));
    }

    /// The other half.
    pub(super) fn begin_late_trouble(&mut self) {
        if self.kind == Kind::Faults && self.trouble.is_over() {
            self.make_trouble();
        }
    }

    fn make_trouble(&mut self) {
        let suffix = SUFFIXES[self.rng.below(SUFFIXES.len() as u64) as usize];
        let after = self.rng.below(8) * self.rng.below(20);
        let times = if self.rng.below(3) == 0 { u64::MAX } else { 1 + self.rng.below(4) };
        let fault = Fault { ops: Op::ROOM, suffix, kind: ErrorKind::StorageFull, after, times };
        self.trouble.what = match self.rng.below(8) {
            0 | 1 => {
                self.disk.fill(self.rng.below(6000));
                What::Full
            }
            2 | 3 => {
                self.disk.fail(fault);
                What::Full
            }
            4 | 5 => {
                self.disk.fail(Fault { ops: Op::SYNCS, kind: ErrorKind::Other, times: 1, ..fault });
                What::Sync
            }
            6 => {
                self.disk.fail(Fault { ops: Op::WRITES, kind: ErrorKind::Other, ..fault });
                What::Calls
            }
            _ => {
                let kind = if self.rng.below(2) == 0 { ErrorKind::Other } else { ErrorKind::UnexpectedEof };
                self.disk.fail(Fault { ops: Op::READS, kind, ..fault });
                What::Calls
            }
        };
        self.trouble.steps_left = 1 + self.rng.below(40);
    }

    /// The store could not be opened. It will be, once nothing fails.
    pub(super) fn trouble_at_opening(&mut self) {
        if self.disk.is_dead() {
            self.cut();
        }
    }

    /// After a step: a store whose sync failed takes no write; one whose disk was full goes on once there is room.
    pub(super) fn end_trouble(&mut self, db: &Db) {
        let hits = self.disk.hits();
        if hits.syncs > self.trouble.before.syncs && !self.trouble.is_read_only {
            self.write(db, 1);
            if !self.trouble.is_read_only {
                self.broken("a write after a failed sync");
            }
        }
        self.trouble.steps_left = self.trouble.steps_left.saturating_sub(1);
        if self.trouble.what != What::Full || self.trouble.steps_left > 0 {
            return;
        }
        self.disk.heal();
        self.trouble = Trouble::none(hits);
        let (before, _) = self.history.batches();
        if self.rng.below(2) == 0 {
            let idle = db.wait_idle();
            self.passed("wait_idle once the disk has room again", idle);
        }
        self.write(db, 1);
        let flushed = db.flush();
        self.passed("flush once the disk has room again", flushed);
        let idle = db.wait_idle();
        self.passed("wait_idle once the disk has room again", idle);
        self.look(db);
        if self.history.batches().0 == before {
            self.broken("no write once the disk has room again");
        }
        self.history.all_durable();
        if self.rng.below(2) == 0 {
            self.make_trouble();
        }
    }
}
