//! Random lives of a store on a simulated disk, against a map. See `lsm_tests::faults`.
//!
//! `FAULTS_CUTS`, `FAULTS_RUNS` and `FAULTS_SEED` set how many and from which seed on; `FAULTS_REPLAY=cuts:7` replays one run. Many
//! more in less time: `cargo run --release -p lsm-tests --bin faults -- --help`.

use std::io::ErrorKind;

use compaction_core::AnySettings;
use lsm_std::{Options, SyncPolicy};
use lsm_tests::disk::{Disk, Fault, Op, STORE};
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
    assert!(tally.lost > 0 && tally.checkpoints > 0 && tally.reused > 0 && tally.manifests > 0, "{tally:?}");
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

#[test]
fn a_log_is_read_back_whatever_a_failed_write_that_could_not_be_taken_back_has_left() {
    for seed in 0..200 {
        let disk = Disk::new(seed);
        let options = || {
            let options = Options::new().fs(disk.boot()).strategy(AnySettings::Idle).deterministic(1);
            options.memtable_bytes(1024).log_segment_bytes(0)
        };
        let db = options().open(STORE).unwrap();
        let (ops, kind) = (&[Op::Append, Op::Cut], ErrorKind::Other);
        disk.fail(Fault { ops, suffix: ".log", kind, after: seed % 20, times: 2 });
        let written = (0..40u8).take_while(|at| db.put(&[*at], &[7; 300]).is_ok()).count();
        drop(db);
        disk.heal();
        let db = options().open(STORE).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        assert!([written, written + 1].contains(&db.iter().count()), "seed {seed}");
    }
}
