//! Random lives of a store on a simulated disk, against a map. See `lsm_tests::faults`.
//!
//! `FAULTS_CUTS`, `FAULTS_RUNS` and `FAULTS_SEED` set how many and from which seed on; `FAULTS_REPLAY=cuts:7` replays one run. Many
//! more in less time: `cargo run --release -p lsm-tests --bin faults -- --help`.

use lsm_std::SyncPolicy;
use lsm_tests::faults::script::exhaust;
use lsm_tests::faults::{Kind, Tally, run};

fn number(name: &str, default: u64) -> u64 {
    let text = std::env::var(name);
    text.map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

/// Runs from the first seed on, until there are enough.
fn runs(kind: Kind, enough: impl Fn(&Tally) -> bool) -> Tally {
    let (mut tally, mut seed) = (Tally::default(), number("FAULTS_SEED", 1));
    while !enough(&tally) {
        tally += run(kind, seed);
        seed += 1;
    }
    println!("{}: {tally:?}", kind.name());
    tally
}

#[test]
fn power_cuts_take_nothing_that_was_promised() {
    let cuts = number("FAULTS_CUTS", 2000);
    let tally = runs(Kind::Cuts, |tally| tally.cuts >= cuts);
    assert!(tally.lost > 0 && tally.checkpoints > 0 && tally.reused > 0, "{tally:?}");
}

#[test]
fn failing_calls_lose_nothing_and_are_told() {
    let faulty = number("FAULTS_RUNS", 500);
    let tally = runs(Kind::Faults, |tally| tally.faulty >= faulty);
    assert!(tally.failed_calls >= faulty && tally.kills > 0 && tally.flips > 0, "{tally:?}");
}

#[test]
fn power_cuts_with_threads_at_work_take_nothing_that_was_promised() {
    runs(Kind::Threads, |tally| tally.cuts >= 60);
}

#[test]
fn replay() {
    let Ok(replay) = std::env::var("FAULTS_REPLAY") else { return };
    let parsed = replay.split_once(':').and_then(|(kind, seed)| Some((Kind::parse(kind)?, seed.parse().ok()?)));
    let (kind, seed) = parsed.unwrap_or_else(|| panic!("FAULTS_REPLAY={replay} is not like cuts:7"));
    println!("{:?}", run(kind, seed));
}

#[test]
fn a_power_cut_in_every_call_and_at_every_byte_of_a_script_takes_nothing_that_was_promised() {
    for sync in [SyncPolicy::Always, SyncPolicy::Never] {
        let exhausted = exhaust(sync);
        println!("{sync:?}: {exhausted:?}");
        assert!(exhausted.moments > 200 && exhausted.torn > 5000, "{exhausted:?}");
    }
}
