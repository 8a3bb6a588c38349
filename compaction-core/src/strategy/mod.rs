//! The strategies, and the one trait they share.

mod any;
mod bandit;
mod expire;
mod fifo;
mod leveled;
mod manual;
mod search;
mod tiered;

use crate::decision::{Candidate, Decision, Job, Moment, Reason, Rule, Verdict};
use crate::version::Version;

#[cfg(feature = "alloc")]
pub use any::AnyStrategyVec;
pub use any::{AnyStrategy, NoSlots, SlotStorage};
#[cfg(all(feature = "alloc", feature = "bandit"))]
pub use bandit::BanditVec;
#[cfg(feature = "bandit")]
pub use bandit::{Bandit, KeyCodec, PlainKeys, Reward, Slot};
pub use bandit::{BanditSettings, EstimatorKind, Layout};
pub use fifo::{Fifo, FifoSettings};
pub use leveled::{Granularity, Leveled, LeveledSettings};
pub use manual::{Full, Idle};
pub use search::Search;
pub(crate) use search::clamp;
pub(crate) use tiered::PPM;
pub use tiered::{Tiered, TieredSettings};

/// Says what to merge next. A pure query, [`choose`](Self::choose), and events, [`observe`](Self::observe), from which
/// alone a strategy may learn.
///
/// An implementation writes [`decide`](Self::decide): it offers candidates to the [`Search`] and returns the first that
/// is admitted. `choose` and `explain` are the same walk, once silent and once told.
pub trait CompactionStrategy<K: Ord> {
    /// The name under which its settings are stored.
    fn name(&self) -> &'static str;

    /// Decides, offering each candidate to `search`, best first.
    fn decide(&self, search: &mut Search<'_, '_, K>) -> Decision;

    /// The least key above `key` at which a merge's output must be cut: no output table holds keys on both sides of it, and it
    /// belongs to the right side. `None` but for strategies that divide the key range.
    fn guard_above(&self, key: &K) -> Option<&K> {
        let _ = key;
        None
    }

    /// Whether the tables of a flush are to be cut at the guards too. An engine need not: uncut tables of level 0 are then
    /// merged down together.
    fn cuts_flushes(&self) -> bool {
        false
    }

    /// Learns from what happened. Nothing else changes a strategy's state.
    fn observe(&mut self, event: &Event<'_, K>) {
        let _ = event;
    }

    /// Bytes that are still to be rewritten until the tree is at rest: the signal for backpressure. Saturates.
    fn debt_bytes(&self, version: &Version<'_, K>) -> u64;

    /// What to do next. Pure: the same version, state and moment give the same decision, on every target.
    fn choose(&self, version: &Version<'_, K>, moment: &Moment) -> Decision {
        self.decide(&mut Search::new(version, moment, None))
    }

    /// As [`choose`](Self::choose), and `visit` is told each candidate, with the rule that proposed it and what became of it.
    fn explain(&self, version: &Version<'_, K>, moment: &Moment, visit: &mut dyn FnMut(&Candidate)) -> Decision {
        let mut show = |job: &Job, rule: &Rule, bytes, verdict: &Verdict| {
            visit(&Candidate { job: *job, rule: *rule, bytes, verdict: *verdict });
        };
        self.decide(&mut Search::new(version, moment, Some(&mut show)))
    }
}

/// Something that happened in the tree.
#[derive(Debug)]
pub enum Event<'a, K> {
    /// A memtable became the newest run. Also sent once when a store is opened, with 0 bytes.
    Flushed {
        /// The tree with the new run.
        version: Version<'a, K>,
        /// When, in milliseconds.
        now_ms: u64,
        /// Bytes flushed.
        bytes: u64,
    },
    /// A job is done.
    Done {
        /// The tree after it.
        version: Version<'a, K>,
        /// What it did.
        outcome: Outcome,
    },
    /// A job was given up; the tree is as before.
    Aborted {
        /// The tree.
        version: Version<'a, K>,
        /// The job.
        job: Job,
        /// Why it had been chosen.
        reason: Reason,
    },
    /// A sample of the reads.
    Reads(ReadSample<'a, K>),
}

impl<K> Clone for Event<'_, K> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K> Copy for Event<'_, K> {}

/// What a finished job did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The job, with the positions that it had when it finished, before the tree changed.
    pub job: Job,
    /// Why it had been chosen.
    pub reason: Reason,
    /// Bytes read.
    pub bytes_read: u64,
    /// Bytes written.
    pub bytes_written: u64,
    /// How long it took, in microseconds.
    pub micros: u64,
    /// When it finished, in milliseconds.
    pub now_ms: u64,
    /// Runs that readers no longer have to look at.
    pub runs_removed: u32,
}

/// Reads near one key since the last sample of it.
#[derive(Debug, PartialEq, Eq)]
pub struct ReadSample<'a, K> {
    /// The key.
    pub key: &'a K,
    /// How many point reads the sample stands for.
    pub gets: u32,
    /// How many range scans that began there it stands for.
    pub scans: u32,
    /// Runs that one such read looked into: filters asked by a point read, runs a scan had to open. 0 when a memtable had the
    /// answer.
    pub runs: u32,
    /// When, in milliseconds.
    pub now_ms: u64,
}

impl<K> Clone for ReadSample<'_, K> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K> Copy for ReadSample<'_, K> {}
