//! Random lives of a store on a simulated disk, against a map: power cuts, faults, kills.
//!
//! One seed makes one run: some lives of one store, each opened with perhaps another strategy, worked with, and ended by a
//! power cut, SIGKILL or a close. It must hold what the map holds at every moment, and after every end
//! - what was acknowledged under `Always`, or before a good `flush`, `sync`, `checkpoint` or `close`, whatever ended the life,
//! - what was acknowledged at all, if only the process died,
//! - a prefix of the batches, whole ones only, in every case;
//!
//! snapshots stay as they were, a checkpoint opens and holds what the store held, no file number comes twice, a full disk makes
//! the store refuse writes and go on when it has room, and a failed sync makes it read-only.
//!
//! A run without threads is the same each time: its seed replays it.

pub mod history;
pub mod late;
mod life;
mod room;
pub mod script;
pub mod setup;
mod steps;
mod trouble;

use std::ops::AddAssign;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

pub use life::Run;

/// What goes wrong in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The power.
    Cuts,
    /// Calls to the disk, and at the end of a life perhaps the power.
    Faults,
    /// The power, with flushes and merges in threads: not the same each time.
    Threads,
}

impl Kind {
    /// Its name, as given to replay a run.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cuts => "cuts",
            Self::Faults => "faults",
            Self::Threads => "threads",
        }
    }

    /// The kind of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Cuts, Self::Faults, Self::Threads].into_iter().find(|kind| kind.name() == name)
    }
}

/// What runs have come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Runs.
    pub runs: u64,
    /// Power cuts, each followed by an opening of the store.
    pub cuts: u64,
    /// Runs in which a call has failed.
    pub faulty: u64,
    /// Calls that failed.
    pub failed_calls: u64,
    /// Lives that ended with SIGKILL.
    pub kills: u64,
    /// Batches acknowledged.
    pub batches: u64,
    /// Batches that a power cut took, as it may.
    pub lost: u64,
    /// Checkpoints made.
    pub checkpoints: u64,
    /// Bits flipped.
    pub flips: u64,
    /// Tables written over obsolete ones.
    pub reused: u64,
    /// Manifests written anew because they had grown.
    pub manifests: u64,
    /// Jobs whose room on disk was held against its bound.
    pub jobs: u64,
    /// Calls that changed something on the disk.
    pub calls: u64,
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.runs += other.runs;
        self.cuts += other.cuts;
        self.faulty += other.faulty;
        self.failed_calls += other.failed_calls;
        self.kills += other.kills;
        self.batches += other.batches;
        self.lost += other.lost;
        self.checkpoints += other.checkpoints;
        self.flips += other.flips;
        self.reused += other.reused;
        self.manifests += other.manifests;
        self.jobs += other.jobs;
        self.calls += other.calls;
    }
}

/// One run. Panics if the store breaks a promise, and says first how to replay the run.
pub fn run(kind: Kind, seed: u64) -> Tally {
    match catch_unwind(AssertUnwindSafe(|| Run::new(kind, seed).run())) {
        Ok(tally) => tally,
        Err(panic) => {
            let name = kind.name();
            eprintln!(
                "replay: FAULTS_REPLAY={name}:{seed} cargo test -p lsm-tests --test faults replay -- --nocapture"
            );
            eprintln!("or:     cargo run --release -p lsm-tests --bin faults -- --replay {name}:{seed}");
            resume_unwind(panic)
        }
    }
}
