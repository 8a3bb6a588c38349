//! What each part of the bandit earns: the same workloads, with parts of it changed or left out.

use compaction_core::{BanditSettings, EstimatorKind, Layout};

use super::case::{Case, Set};
use super::field::{Entrant, bandit};
use super::{moving, random, stationary};

/// The variants: a name, and what differs from the default. `no rent` goes by the model alone, `rent alone` without it.
pub fn variants() -> Vec<(&'static str, BanditSettings)> {
    let plain = BanditSettings::default();
    let fixed = BanditSettings { layout: Some(Layout::Tiered(8)), ..plain };
    let mut variants = vec![
        ("default", plain),
        ("no rent", BanditSettings { rent_ppm: u64::MAX, ..plain }),
        ("rent alone", fixed),
        ("neither", BanditSettings { rent_ppm: u64::MAX, ..fixed }),
    ];
    let others = EstimatorKind::ALL.into_iter().filter(|kind| *kind != plain.estimator);
    variants.extend(others.map(|estimator| (estimator.name(), BanditSettings { estimator, ..plain })));
    variants.extend([
        ("exploring", BanditSettings { epsilon_ppm: 100_000, ..plain }),
        ("one slot", BanditSettings { slots_max: 1, ..plain }),
        ("8 slots", BanditSettings { slots_max: 8, ..plain }),
    ]);
    variants
}

/// The variants as entrants.
pub fn entrants(job_bytes_max: u64) -> Vec<Entrant> {
    variants().into_iter().map(|(name, settings)| bandit(name, settings, job_bytes_max)).collect()
}

/// A third of the stationary workloads, all that move, and a few random ones.
pub fn cases(set: Set) -> Vec<Case> {
    let third = |(at, case): (usize, Case)| in_third(at).then_some(case);
    let mut cases: Vec<Case> = stationary::cases(set).into_iter().enumerate().filter_map(third).collect();
    for case in &mut cases {
        case.group = "stationary";
    }
    cases.extend(moving::cases(set));
    let random = random::cases(set, 12).into_iter().map(|case| Case { group: "random", ..case });
    cases.extend(random);
    cases
}

/// Whether the stationary workload of that number is one of a third in which every write share meets every kind of read.
pub fn in_third(at: usize) -> bool {
    let (skew, row) = (at % 3, at / 3);
    skew == (row + row / 3) % 3
}
