//! The null policies: the whole contract in a few lines.

use super::{CompactionStrategy, Search};
use crate::decision::{Cut, Decision, Place, Rule, Work};
use crate::version::{Plan, Version};

/// Never does anything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Idle;

impl<K: Ord> CompactionStrategy<K> for Idle {
    fn name(&self) -> &'static str {
        "Idle"
    }

    fn decide(&self, search: &mut Search<'_, '_, K>) -> Decision {
        search.wait()
    }

    fn debt_bytes(&self, _: &Version<'_, K>) -> u64 {
        0
    }
}

/// Merges all runs into one, whenever there are several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full {
    /// Output tables are cut at this many bytes.
    pub table_bytes_max: u64,
}

impl<K: Ord> CompactionStrategy<K> for Full {
    fn name(&self) -> &'static str {
        "Full"
    }

    fn decide(&self, search: &mut Search<'_, '_, K>) -> Decision {
        let runs = search.version().runs().len();
        if runs < 2 {
            return search.wait();
        }
        let all = Plan {
            runs: 0..=runs.saturating_sub(1),
            cut: Cut::Whole,
            work: Work::Merge,
            place: Place::Join,
            table_bytes_max: self.table_bytes_max,
        };
        let offer =
            search.version().plan(&all).and_then(|planned| search.offer(&planned, Rule::Full { runs }, u64::MAX, true));
        offer.unwrap_or_else(|| search.wait())
    }

    fn debt_bytes(&self, version: &Version<'_, K>) -> u64 {
        if version.runs().len() < 2 { 0 } else { super::search::clamp(version.bytes()) }
    }
}
