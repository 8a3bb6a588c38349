//! What `explain` tells of each job that was considered.

use core::fmt;

use super::{Job, Rule};
use crate::amp::{Milli, Ratio};

/// One job that a strategy considered, as `explain` shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The job.
    pub job: Job,
    /// The rule that proposed it.
    pub rule: Rule,
    /// Bytes of its inputs; saturates at `u64::MAX`.
    pub bytes: u64,
    /// What became of it.
    pub verdict: Verdict,
}

/// How far what a rule looks at is from where it fires, in thousandths, both rounded down: it fires at or just above the
/// threshold, and the more urgent trigger has the larger share of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Score {
    /// What the tree has; saturates.
    pub value: Milli,
    /// Where the rule fires; `None` where the rule compares candidates with each other alone.
    pub threshold: Option<Milli>,
}

impl Rule {
    /// The score by which it fired at `now_ms`; `None` for a wait and for rules that are not of this crate.
    ///
    /// Worked out from the rule's figures when it is asked for: a decision that nobody asks about pays nothing. O(1).
    #[must_use]
    pub fn score(&self, now_ms: u64) -> Option<Score> {
        let of = |num: u64, den: u64| {
            Ratio::new(num.into(), den.into()).map_or(Milli(u64::MAX), |ratio| ratio.milli_floor())
        };
        let at_one = |num, den| Some(Score { value: of(num, den), threshold: Some(Milli::ONE) });
        let runs_of = |runs: usize| u64::try_from(runs).unwrap_or(u64::MAX);
        match *self {
            Self::AtRest | Self::Busy | Self::NoRoom { .. } | Self::Custom { .. } => None,
            Self::SpaceAmp { total, largest, pct } => {
                Some(Score { value: of(total.saturating_sub(largest), largest), threshold: Some(of(pct, 100)) })
            }
            Self::SimilarRuns { stretch, .. } => Some(Score { value: of(runs_of(stretch), 1), threshold: None }),
            Self::RunCount { runs, max }
            | Self::L0Runs { runs, max }
            | Self::IntraL0 { runs, max }
            | Self::LevelRuns { runs, max, .. } => at_one(runs_of(runs), max),
            Self::LevelBytes { bytes, target, .. } => at_one(bytes, target),
            Self::TombstoneShare { tombstones, entries, pct_max, .. } => {
                Some(Score { value: of(tombstones, entries), threshold: Some(of(pct_max, 100)) })
            }
            Self::TombstoneAge { written_ms, age_ms_max, .. } => at_one(now_ms.saturating_sub(written_ms), age_ms_max),
            Self::Expired { newest_ms, ttl_ms } => at_one(now_ms.saturating_sub(newest_ms), ttl_ms),
            Self::SizeCap { bytes, max } => at_one(bytes, max),
            Self::Slot { score_milli, .. } => Some(Score { value: Milli(score_milli), threshold: None }),
            Self::Full { runs } => at_one(runs_of(runs), 1),
        }
    }
}

/// What became of a candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is the choice.
    Chosen,
    /// It meets a running job.
    Busy,
    /// Its output may not fit.
    NoRoom {
        /// Upper bound of its output in bytes.
        needed: u64,
    },
    /// It exceeds the cap on a job's bytes, and smaller jobs or running ones stand before it.
    OverCap {
        /// The cap in bytes.
        bytes_max: u64,
    },
    /// Another candidate of the same trigger has the better score.
    Outscored,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Chosen => write!(f, "chosen"),
            Self::Busy => write!(f, "meets a running job"),
            Self::NoRoom { needed } => write!(f, "may need {needed} B of room"),
            Self::OverCap { bytes_max } => write!(f, "exceeds the cap of {bytes_max} B a job"),
            Self::Outscored => write!(f, "another one scores better"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_score_is_what_the_rule_compared() {
        let score = |rule: Rule| rule.score(500).map(|score| (score.value.0, score.threshold.map(|at| at.0)));
        assert_eq!(score(Rule::LevelBytes { level: 1, bytes: 2_500, target: 1_000 }), Some((2_500, Some(1_000))));
        assert_eq!(score(Rule::LevelBytes { level: 1, bytes: 1, target: 0 }), Some((u64::MAX, Some(1_000))));
        assert_eq!(score(Rule::L0Runs { runs: 9, max: 8 }), Some((1_125, Some(1_000))));
        assert_eq!(score(Rule::SpaceAmp { total: 40, largest: 10, pct: 200 }), Some((3_000, Some(2_000))));
        assert_eq!(score(Rule::SimilarRuns { runs: 3, stretch: 5 }), Some((5_000, None)));
        let share = Rule::TombstoneShare { table: 1, tombstones: 30, entries: 40, pct_max: 50 };
        assert_eq!(score(share), Some((750, Some(500))));
        assert_eq!(score(Rule::Expired { newest_ms: 100, ttl_ms: 200 }), Some((2_000, Some(1_000))));
        assert_eq!(score(Rule::TombstoneAge { table: 1, written_ms: 900, age_ms_max: 5 }), Some((0, Some(1_000))));
        assert_eq!(score(Rule::AtRest), None);
    }
}
