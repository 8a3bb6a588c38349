//! The same question has the same answer: asked twice, after the settings were stored and read, and in a replay on any day.

use std::collections::BTreeSet;

use compaction_core::{AnySettings, AnyStrategyVec, CompactionStrategy, Decision, Version};
use lsm_tests::{settings, work::Life};

/// FNV-1a over all that a decision says.
fn mixed(sum: u64, view: &Version<'_, u32>, decision: &Decision) -> u64 {
    let mut text = format!("{:?}", decision.reason);
    text += decision.choice.name();
    if let Some(job) = decision.choice.job() {
        text += &format!("{:?} {} {:?} {}", job.range(), job.level(), job.place(), job.bottommost());
        for span in view.inputs(&job) {
            text += &format!(" {:?}", view.tables()[span.range()].iter().map(|table| table.id).collect::<Vec<_>>());
        }
    }
    text.bytes().fold(sum, |sum, byte| (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3))
}

/// A replay of a seeded life: the sum of its decisions, each asked twice.
fn replay(settings: AnySettings, steps: usize, seed: u64) -> u64 {
    let mut life = Life::new(AnyStrategyVec::from_settings(settings).unwrap(), seed);
    let mut sum = 0xCBF2_9CE4_8422_2325;
    for _ in 0..steps {
        life.step(|strategy, view, moment, decision| {
            assert_eq!(strategy.choose(view, moment), *decision, "asked twice");
            sum = mixed(sum, view, decision);
        });
    }
    sum
}

/// What a replay of each strategy's life has always summed up to. A change of any decision shows here: explain it, then
/// write the new sum, which the failing test prints.
const SUMS: [(&str, u64); settings::EACH.len()] = [
    ("tiered", 0xF597_616F_1D08_C111),
    ("leveled", 0x4FCE_AD96_53F4_FA1D),
    ("static", 0xDAC3_E2C5_9BAF_537A),
    ("lazy", 0xCAB4_9803_C5A9_F0CB),
    ("bandit", 0xAE48_CC53_1F00_E3E7),
    ("fifo", 0x7AF2_FA84_4E5C_1391),
    ("idle", 0x4B88_9D73_36AF_13E5),
    ("full", 0x6F75_2C9C_D1F7_4A74),
];

#[test]
fn a_replay_decides_as_it_always_did() {
    let found = settings::EACH.map(|(name, text)| (name, replay(settings::parse(text).unwrap(), 2_000, 42)));
    let lines: String = found.iter().map(|(name, sum)| format!("    (\"{name}\", 0x{sum:016X}),\n")).collect();
    assert!(found == SUMS, "now:\n{lines}");
}

/// The lives above are worth something only if they make the rules fire.
#[test]
fn every_rule_of_every_strategy_fires_in_its_life() {
    const WAITS: [&str; 3] = ["at_rest", "busy", "no_room"];
    let rules = |name| match name {
        "tiered" => vec!["space_amp", "similar_runs", "run_count"],
        "leveled" => vec!["l0_runs", "intra_l0", "level_bytes", "expired"],
        "static" => vec!["l0_runs", "intra_l0", "level_bytes", "tombstone_share", "tombstone_age"],
        "lazy" => vec!["l0_runs", "intra_l0", "level_bytes", "level_runs"],
        "bandit" => vec!["l0_runs", "slot"],
        "fifo" => vec!["size_cap", "expired"],
        "full" => vec!["full"],
        _ => vec![],
    };
    let mut never = vec![];
    for (name, text) in settings::EACH {
        let mut life = Life::new(AnyStrategyVec::from_settings(settings::parse(text).unwrap()).unwrap(), 42);
        let mut seen = BTreeSet::new();
        for _ in 0..2_000 {
            life.step(|_, _, _, decision| {
                seen.insert(decision.reason.rule.name());
            });
        }
        let waits = match name {
            "idle" | "fifo" => &WAITS[..1],
            "bandit" => &WAITS[..2],
            _ => &WAITS,
        };
        let rules = rules(name).into_iter().chain(waits.iter().copied());
        never.extend(rules.filter(|rule| !seen.contains(rule)).map(|rule| (name, rule)));
    }
    assert_eq!(never, [], "these never fired");
}

#[test]
fn stored_settings_decide_as_the_given_ones() {
    for (name, text) in settings::EACH {
        let given = settings::parse(text).unwrap();
        let mut bytes = [0; AnySettings::ENCODED_LEN_MAX];
        let len = given.encode(&mut bytes).unwrap();
        let stored = AnySettings::decode(&bytes[..len]).unwrap();
        assert_eq!(replay(given, 500, 3), replay(stored, 500, 3), "{name}");
    }
}

#[test]
fn another_seed_leads_another_life() {
    let tiered = settings::parse("tiered").unwrap();
    assert_ne!(replay(tiered, 200, 1), replay(tiered, 200, 2));
}

#[test]
fn every_life_comes_to_rest() {
    for (name, text) in settings::EACH {
        for seed in 0..8 {
            let mut life = Life::new(AnyStrategyVec::from_settings(settings::parse(text).unwrap()).unwrap(), seed);
            for _ in 0..300 {
                life.step(|_, _, _, _| ());
            }
            assert!(life.rest(2_000), "{name}, seed {seed}: no rest\n{}", life.tree.view());
        }
    }
}
