//! Any lawful tree, any settings, any moment: the laws of a decision, one job beside the other, until the tree is at rest.
#![no_main]

use arbitrary::Arbitrary;
use compaction_core::{Choice, CompactionStrategy, Decision, Moment, Version, check_decision, settle};
use libfuzzer_sys::fuzz_target;
use lsm_fuzz::{Key, MomentSpec, Settings, TreeSpec};

/// Jobs that run at once.
const RUNNING_MAX: usize = 6;
/// Jobs after which a tree of a few hundred tables must have come to rest.
const STEPS_MAX: usize = 4_000;

#[derive(Arbitrary, Debug)]
struct Input {
    settings: Settings,
    tree: TreeSpec,
    moment: MomentSpec,
    other_entropy: u64,
}

fuzz_target!(|input: Input| {
    let Some(mut strategy) = input.settings.strategy() else { return };
    let moment = input.moment.moment();
    let mut tree = input.tree.build();
    for _ in 0..RUNNING_MAX {
        let view = tree.view();
        let decision = decide(strategy.as_ref(), &view, &moment);
        if let Choice::Wait { .. } = decision.choice {
            let other = Moment { entropy: input.other_entropy, ..moment };
            assert_eq!(strategy.choose(&view, &other), decision, "a wait depends on entropy");
        }
        let Some(job) = decision.choice.job() else { break };
        let _ticket = tree.begin(job).expect("a lawful decision can begin");
    }
    let mut tree = input.tree.build();
    let calm = Moment { free_bytes: u64::MAX, snapshot_floor: u64::MAX, ..moment };
    settle(strategy.as_mut(), &mut tree, &calm, &mut Vec::new(), STEPS_MAX).expect("the tree comes to rest");
});

fn decide(strategy: &dyn CompactionStrategy<Key>, view: &Version<'_, Key>, moment: &Moment) -> Decision {
    let decision = strategy.choose(view, moment);
    check_decision(view, moment, &decision).expect("the decision is lawful");
    assert_eq!(strategy.choose(view, moment), decision, "the same question got two answers");
    let mut chosen = None;
    let explained = strategy.explain(view, moment, &mut |candidate| chosen = Some(*candidate));
    assert_eq!(explained, decision, "explain and choose differ");
    if let Some(job) = decision.choice.job() {
        assert_eq!(chosen.map(|candidate| candidate.job), Some(job), "the last candidate told is the chosen one");
    }
    let _ = (strategy.debt_bytes(view), decision.reason.to_string());
    decision
}
