//! No decision allocates.

use allocation_counter::measure;
use compaction_core::{AnySettings, AnyStrategyVec, CompactionStrategy, VersionVec};
use lsm_tests::{settings, work::Life};

#[test]
fn the_counter_counts() {
    let counted = measure(|| drop(std::hint::black_box(vec![0u8; 100])));
    assert_eq!(counted.count_total, 1);
}

#[test]
fn a_decision_its_explanation_and_the_debt_allocate_nothing() {
    for (name, text) in settings::EACH {
        let mut life = Life::new(AnyStrategyVec::from_settings(settings::parse(text).unwrap()).unwrap(), 7);
        let (mut jobs, mut waits) = (0, 0);
        for _ in 0..600 {
            life.step(|strategy, view, moment, decision| {
                let counted = measure(|| {
                    let mut candidates = 0;
                    let explained = strategy.explain(view, moment, &mut |_| candidates += 1);
                    assert_eq!(strategy.choose(view, moment), explained);
                    let _ = strategy.debt_bytes(view);
                    let _ = strategy.guard_above(&1_000);
                });
                assert_eq!(counted.count_total, 0, "{name}: {decision:?}\n{view}");
                if decision.choice.job().is_some() { jobs += 1 } else { waits += 1 }
            });
        }
        assert!(waits > 0 && (jobs > 5 || name == "idle"), "{name}: {jobs} jobs, {waits} waits");
    }
}

#[test]
fn settings_are_stored_and_read_without_an_allocation() {
    for (name, text) in settings::EACH {
        let given = settings::parse(text).unwrap();
        let counted = measure(|| {
            let mut bytes = [0; AnySettings::ENCODED_LEN_MAX];
            let len = given.encode(&mut bytes).unwrap();
            assert_eq!(AnySettings::decode(&bytes[..len]), Ok(given));
        });
        assert_eq!(counted.count_total, 0, "{name}");
    }
}

#[test]
fn an_empty_tree_is_judged_without_an_allocation() {
    for (name, text) in settings::EACH {
        let strategy = AnyStrategyVec::<u32>::from_settings(settings::parse(text).unwrap()).unwrap();
        let tree = VersionVec::default();
        let counted = measure(|| {
            let _ = strategy.choose(&tree.view(), &compaction_core::Moment::default());
        });
        assert_eq!(counted.count_total, 0, "{name}");
    }
}
