//! Why a choice was made, in figures and in prose.

use core::fmt;

use crate::strategy::Layout;

/// Why a choice was made: the rule that fired, and the job's size beside its cap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reason {
    /// The rule, with its figures.
    pub rule: Rule,
    /// Bytes of the job's inputs, 0 for a wait; saturates at `u64::MAX`.
    pub bytes: u64,
    /// The cap on a merge's input bytes, `u64::MAX` for other work; a job above it is the smallest of its trigger and runs
    /// alone.
    pub bytes_max: u64,
}

/// The rule behind a choice, with the figures that it compared.
///
/// Bytes saturate at `u64::MAX`; shares are in the units their names end in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rule {
    /// No trigger fires.
    AtRest,
    /// A trigger fires, but every job for it meets running work.
    Busy,
    /// A trigger fires, but no job for it fits the room there is.
    NoRoom {
        /// The least room that one of the jobs looked at needs, in bytes.
        needed: u64,
        /// The room there is.
        free: u64,
    },
    /// All runs together outweigh the largest by too much.
    SpaceAmp {
        /// Bytes of all runs.
        total: u64,
        /// Bytes of the largest run.
        largest: u64,
        /// The allowed excess in percent.
        pct: u64,
    },
    /// Neighbours in age of similar size.
    SimilarRuns {
        /// How many are merged.
        runs: usize,
        /// How many stood in the stretch.
        stretch: usize,
    },
    /// More runs than allowed, in the whole tree.
    RunCount {
        /// How many there are.
        runs: usize,
        /// How many may be.
        max: u64,
    },
    /// More runs in level 0 than allowed.
    L0Runs {
        /// How many there are.
        runs: usize,
        /// How many may be.
        max: u64,
    },
    /// As `L0Runs`, but the way down is barred: the newest are merged where they are.
    IntraL0 {
        /// How many there are.
        runs: usize,
        /// How many may be.
        max: u64,
    },
    /// A level holds more bytes than its target.
    LevelBytes {
        /// The level.
        level: u8,
        /// What it holds.
        bytes: u64,
        /// Its target.
        target: u64,
    },
    /// A level holds more runs than its layout allows.
    LevelRuns {
        /// The level.
        level: u8,
        /// How many it holds.
        runs: usize,
        /// How many it may hold.
        max: u64,
    },
    /// A table holds too many tombstones.
    TombstoneShare {
        /// The table.
        table: u64,
        /// Its tombstones.
        tombstones: u64,
        /// Its entries.
        entries: u64,
        /// The allowed share in percent.
        pct_max: u64,
    },
    /// A table holds a tombstone that is too old.
    TombstoneAge {
        /// The table.
        table: u64,
        /// When its oldest tombstone was written.
        written_ms: u64,
        /// The allowed age in milliseconds.
        age_ms_max: u64,
    },
    /// Everything in the tables has outlived its time.
    Expired {
        /// When the newest of it was written.
        newest_ms: u64,
        /// The time to live in milliseconds.
        ttl_ms: u64,
    },
    /// The tree holds more bytes than it may: the oldest go.
    SizeCap {
        /// What it holds.
        bytes: u64,
        /// What it may hold.
        max: u64,
    },
    /// A slot of the key range was picked.
    Slot {
        /// The slot.
        slot: u32,
        /// The runs that it has.
        runs: usize,
        /// What it wants the merge for.
        trigger: SlotTrigger,
        /// How its runs are laid out at present.
        layout: Layout,
        /// Whether the pick was an exploration.
        explored: bool,
        /// Its score in thousandths; `u64::MAX` for a slot never picked before.
        score_milli: u64,
        /// Its mean reward in thousandths.
        mean_milli: u64,
        /// How often it had been picked before.
        picks: u64,
    },
    /// Everything is merged into one run.
    Full {
        /// How many runs there are.
        runs: usize,
    },
    /// A rule of a strategy that is not of this crate.
    Custom {
        /// A short stable name, for metrics and reports.
        name: &'static str,
    },
}

impl Rule {
    /// A short stable name, for metrics and reports.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::AtRest => "at_rest",
            Self::Busy => "busy",
            Self::NoRoom { .. } => "no_room",
            Self::SpaceAmp { .. } => "space_amp",
            Self::SimilarRuns { .. } => "similar_runs",
            Self::RunCount { .. } => "run_count",
            Self::L0Runs { .. } => "l0_runs",
            Self::IntraL0 { .. } => "intra_l0",
            Self::LevelBytes { .. } => "level_bytes",
            Self::LevelRuns { .. } => "level_runs",
            Self::TombstoneShare { .. } => "tombstone_share",
            Self::TombstoneAge { .. } => "tombstone_age",
            Self::Expired { .. } => "expired",
            Self::SizeCap { .. } => "size_cap",
            Self::Slot { .. } => "slot",
            Self::Full { .. } => "full",
            Self::Custom { name } => name,
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::AtRest => write!(f, "nothing to do"),
            Self::Busy => write!(f, "all that is due meets running jobs"),
            Self::NoRoom { needed, free } => write!(f, "no job fits: at least {needed} B needed, {free} B free"),
            Self::SpaceAmp { total, largest, pct } => {
                write!(f, "all runs hold {total} B, at least {pct} % more than the largest with {largest} B")
            }
            Self::SimilarRuns { runs, stretch } => write!(f, "{runs} of {stretch} neighbouring runs of similar size"),
            Self::RunCount { runs, max } => write!(f, "{runs} runs, {max} allowed"),
            Self::L0Runs { runs, max } => write!(f, "level 0 has {runs} runs, {max} allowed"),
            Self::IntraL0 { runs, max } => {
                write!(f, "level 0 has {runs} runs, {max} allowed, and the way down is barred: merged in place")
            }
            Self::LevelBytes { level, bytes, target } => write!(f, "level {level} holds {bytes} B, target {target} B"),
            Self::LevelRuns { level, runs, max } => write!(f, "level {level} has {runs} runs, {max} allowed"),
            Self::TombstoneShare { table, tombstones, entries, pct_max } => {
                write!(f, "table {table}: {tombstones} of {entries} entries are tombstones, {pct_max} % allowed")
            }
            Self::TombstoneAge { table, written_ms, age_ms_max } => {
                write!(f, "table {table}: a tombstone written at {written_ms} ms is older than {age_ms_max} ms")
            }
            Self::Expired { newest_ms, ttl_ms } => {
                write!(f, "written at {newest_ms} ms at the latest, to live {ttl_ms} ms")
            }
            Self::SizeCap { bytes, max } => write!(f, "the tree holds {bytes} B, {max} B allowed"),
            Self::Slot { slot, runs, trigger, layout, explored, score_milli, mean_milli, picks } => {
                let why = if explored { "one at random" } else { "the best" };
                let (trigger, layout) = (trigger.name(), layout.name());
                write!(f, "slot {slot}, {why} of those due: {trigger}, {runs} runs laid out as {layout}, ")?;
                if picks == 0 {
                    return write!(f, "never picked before");
                }
                let of = |milli: u64| (milli / 1_000, milli % 1_000);
                let ((mean, mean_rest), (score, score_rest)) = (of(mean_milli), of(score_milli));
                write!(f, "picked {picks} times, mean reward {mean}.{mean_rest:03}, score {score}.{score_rest:03}")
            }
            Self::Full { runs } => write!(f, "all {runs} runs into one"),
            Self::Custom { name } => write!(f, "{name}"),
        }
    }
}

/// What a slot of the key range wants a merge for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SlotTrigger {
    /// Its newest tables meet nothing of the run before them: they join it, nothing is written.
    Sink,
    /// The newer runs of all slots outweigh the oldest by too much, and here most.
    Space,
    /// Its layout asks for it.
    Layout,
    /// Reads have paid for it.
    Reads,
    /// It has more runs than any slot may have.
    Runs,
}

impl SlotTrigger {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Sink, Self::Space, Self::Layout, Self::Reads, Self::Runs];

    /// `sink`, `space`, `layout`, `reads` or `runs`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Sink => "sink",
            Self::Space => "space",
            Self::Layout => "layout",
            Self::Reads => "reads",
            Self::Runs => "runs",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.rule)?;
        if self.bytes > self.bytes_max {
            write!(f, "; {} B of input exceed the cap of {} B, the smallest job there is", self.bytes, self.bytes_max)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Reason, Rule, SlotTrigger};
    use crate::strategy::Layout;
    use std::string::ToString;

    #[test]
    fn a_job_above_its_cap_says_so() {
        let said = |bytes| Reason { rule: Rule::Full { runs: 2 }, bytes, bytes_max: 9 }.to_string();
        assert_eq!(said(9), Rule::Full { runs: 2 }.to_string());
        let over = "; 10 B of input exceed the cap of 9 B, the smallest job there is";
        assert_eq!(said(10), Rule::Full { runs: 2 }.to_string() + over);
    }

    #[test]
    fn a_slot_says_how_it_was_picked_and_what_it_has_earned() {
        let slot = |picks, score_milli| Rule::Slot {
            slot: 3,
            runs: 2,
            trigger: SlotTrigger::Reads,
            layout: Layout::One,
            explored: picks > 1,
            score_milli,
            mean_milli: 52,
            picks,
        };
        assert_eq!(
            slot(0, u64::MAX).to_string(),
            "slot 3, the best of those due: reads, 2 runs laid out as one, never picked before"
        );
        let twice = "slot 3, one at random of those due: reads, 2 runs laid out as one, picked 2 times, mean reward 0.052, score 1.700";
        assert_eq!(slot(2, 1_700).to_string(), twice);
    }
}
