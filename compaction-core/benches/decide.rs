//! The cost of one decision, on trees of 1 000, 100 000 and 1 000 000 tables.
//!
//! `cargo bench -p compaction-core --features alloc,bandit --bench decide`. Each shape is measured at work, where the decision
//! picks a job, and at rest, where every trigger is looked at and none fires. Only the decision is timed.

mod shapes;

use std::hint::black_box;
use std::time::Duration;

use compaction_core::{CompactionStrategy, Moment, VersionVec};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};

const TABLES: [usize; 3] = [1_000, 100_000, 1_000_000];

/// One strategy with a tree, at work or at rest.
fn decide(
    criterion: &mut Criterion,
    name: &str,
    at_work: bool,
    shape: impl Fn(usize, bool) -> (VersionVec<u64>, Box<dyn CompactionStrategy<u64>>),
) {
    let state = if at_work { "work" } else { "rest" };
    for tables in TABLES {
        let (tree, strategy) = shape(tables, at_work);
        let (view, moment) = (tree.view(), Moment { now_ms: shapes::NOW_MS, ..Moment::default() });
        let decision = strategy.choose(&view, &moment);
        assert_eq!(decision.choice.job().is_some(), at_work, "{name} at {state}: {decision:?}");
        assert!(view.tables().len().abs_diff(tables) <= tables / 8, "{name}: {} tables", view.tables().len());
        let id = BenchmarkId::new(format!("{name}/{state}"), tables);
        criterion.bench_with_input(id, &view, |bencher, view| {
            bencher.iter(|| strategy.choose(black_box(view), black_box(&moment)));
        });
    }
}

fn all(criterion: &mut Criterion) {
    for at_work in [true, false] {
        decide(criterion, "leveled", at_work, shapes::leveled);
        decide(criterion, "lazy", at_work, shapes::lazy);
        decide(criterion, "tiered", at_work, shapes::tiered);
        decide(criterion, "bandit", at_work, shapes::bandit);
        decide(criterion, "fifo", at_work, shapes::fifo);
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1));
    targets = all
}
criterion_main!(benches);
