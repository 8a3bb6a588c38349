//! The rules behind decisions, in words.

/// When the rule of this name fires; nothing for those that choose no job.
pub fn meaning(rule: &str) -> &'static str {
    match rule {
        "space_amp" => "all runs together outweigh the largest by too much",
        "similar_runs" => "enough neighbours in age are of similar size",
        "run_count" => "the tree has more runs than allowed",
        "l0_runs" => "level 0 has more runs than allowed",
        "intra_l0" => "level 0 is too full and the way down is barred",
        "level_bytes" => "a level holds more than its target",
        "level_runs" => "a level has more runs than its layout allows",
        "tombstone_share" => "a table holds too many tombstones",
        "tombstone_age" => "a tombstone is too old",
        "expired" => "everything in the tables has outlived its time",
        "size_cap" => "the tree holds more than it may",
        "slot" => {
            "a slot of the key range is due: its newer runs outweigh its oldest, its reads have paid for a merge, or it has \
             too many runs, a layout that wants other merges, or tables that lie too high; among such slots the bandit picks"
        }
        "full" => "everything is merged into one run",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::meaning;
    use compaction_core::{Layout, Rule, SlotTrigger};

    #[test]
    fn every_rule_that_chooses_a_job_has_a_meaning() {
        let rules = [
            Rule::SpaceAmp { total: 0, largest: 0, pct: 0 },
            Rule::SimilarRuns { runs: 0, stretch: 0 },
            Rule::RunCount { runs: 0, max: 0 },
            Rule::L0Runs { runs: 0, max: 0 },
            Rule::IntraL0 { runs: 0, max: 0 },
            Rule::LevelBytes { level: 0, bytes: 0, target: 0 },
            Rule::LevelRuns { level: 0, runs: 0, max: 0 },
            Rule::TombstoneShare { table: 0, tombstones: 0, entries: 0, pct_max: 0 },
            Rule::TombstoneAge { table: 0, written_ms: 0, age_ms_max: 0 },
            Rule::Expired { newest_ms: 0, ttl_ms: 0 },
            Rule::SizeCap { bytes: 0, max: 0 },
            Rule::Slot {
                slot: 0,
                runs: 0,
                trigger: SlotTrigger::Layout,
                layout: Layout::One,
                explored: false,
                score_milli: 0,
                mean_milli: 0,
                picks: 0,
            },
            Rule::Full { runs: 0 },
        ];
        for rule in rules {
            assert!(!meaning(rule.name()).is_empty(), "{}", rule.name());
        }
        assert_eq!(meaning(Rule::AtRest.name()), "");
    }
}
