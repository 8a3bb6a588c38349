//! Random lives of a store on a simulated disk, against a map. See `lsm_tests::faults`.
//!
//! `FAULTS_CUTS`, `FAULTS_RUNS` and `FAULTS_SEED` set how many and from which seed on; `FAULTS_REPLAY=cuts:7` replays one run. Many
//! more in less time: `cargo run --release -p lsm-tests --bin faults -- --help`.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use compaction_core::{AnySettings, TieredSettings};
use lsm_std::fs::Purpose;
use lsm_std::{Error, Options, SyncPolicy};
use lsm_tests::disk::{Disk, Fault, Left, Op, STORE};
use lsm_tests::faults::late::lag;
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
    assert!(
        tally.lost > 0 && tally.checkpoints > 0 && tally.reused > 0 && tally.manifests > 0 && tally.jobs > 1000,
        "{tally:?}"
    );
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
fn a_sector_of_the_log_that_the_disk_took_earlier_than_the_others_leaves_whole_batches() {
    let (cuts, losses) = (0..4).map(lag).reduce(|a, b| (a.0 + b.0, a.1 + b.1)).unwrap_or_default();
    println!("{cuts} cuts, {losses} took something");
    assert!(cuts > 4000 && losses > 1000);
}

#[test]
fn what_opening_a_store_cuts_off_its_log_is_gone_for_good() {
    let mut segments = 0;
    for seed in 0..100 {
        let disk = Disk::new(seed);
        let open = || {
            let options = Options::new().fs(disk.boot()).strategy(AnySettings::Idle).sync(SyncPolicy::Never);
            let options = options.deterministic(1).memtable_bytes(1024).log_segment_bytes(0);
            options.open(STORE).unwrap_or_else(|error| panic!("seed {seed}: {error}"))
        };
        let db = open();
        (0..20u8).for_each(|at| db.put(&[at], &[7; 300]).unwrap());
        disk.cut(Left::Random);
        drop(db);
        let db = open();
        segments += db.recovery().cuts.iter().filter(|cut| cut.offset == 0).count();
        let count = db.iter().count();
        disk.cut(Left::Nothing);
        drop(db);
        let db = open();
        assert_eq!((db.recovery().cuts.as_slice(), db.iter().count()), (&[][..], count), "seed {seed}");
    }
    assert!(segments > 20, "{segments}");
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

#[test]
fn what_a_failed_sync_has_lost_and_the_next_process_reads_all_the_same_is_safe_once_that_has_opened_the_store() {
    let mut read_again = 0;
    for (seed, part) in (0..200).zip([".log", "MANIFEST-000001"].into_iter().cycle()) {
        let disk = Disk::new(seed);
        let options = || Options::new().fs(disk.boot()).sync(SyncPolicy::Never).deterministic(1);
        let db = options().open(STORE).unwrap();
        db.put(b"first", b"1").unwrap();
        db.sync().unwrap();
        (1..=seed % 7 + 1).for_each(|at| db.put(&at.to_be_bytes(), &[7; 300]).unwrap());
        disk.fail(Fault { ops: Op::SYNCS, suffix: part, kind: ErrorKind::Other, after: 0, times: 1 });
        let failed = if part == ".log" { db.sync() } else { db.flush() };
        failed.unwrap_err();
        let open = |options: Options| options.open(STORE).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        let next = options();
        drop(db);
        let db = open(next);
        let count = db.iter().count();
        disk.cut(Left::Nothing);
        drop(db);
        read_again += u64::from(count > 1);
        assert_eq!(open(options()).iter().count(), count, "seed {seed}");
    }
    assert!(read_again > 50, "{read_again}");
}

#[test]
fn a_store_on_a_full_disk_that_copies_what_is_written_over_opens_if_what_a_crash_has_left_makes_room() {
    for left in [0, 9000] {
        let disk = Disk::new(7);
        disk.copy_on_write();
        let options = || Options::new().fs(disk.boot()).sync(SyncPolicy::Never).deterministic(1);
        let db = options().open(STORE).unwrap();
        (0..20u8).for_each(|at| db.put(&[at], &[7; 300]).unwrap());
        let mut table = disk.boot().create("store/000077.sst".as_ref(), Purpose::Flush).unwrap();
        drop(db);
        table.append(&vec![7; left]).unwrap();
        // Enough for the manifest, which says what may go. The log has 6 KB.
        disk.fill(2000);
        let opened = options().open(STORE);
        assert_eq!(opened.as_ref().err().map(Error::is_no_space), (left == 0).then_some(true), "{left}");
        drop(opened);
        disk.heal();
        assert_eq!(options().open(STORE).unwrap().iter().count(), 20, "{left}");
    }
}

#[test]
fn a_store_on_a_small_disk_does_not_fill_it_with_what_it_holds_in_vain() {
    for threads in [false, true] {
        let disk = Disk::new(7);
        let merge_two = TieredSettings { min_merge_width: 2, ..Default::default() };
        let options = Options::new().fs(disk.boot()).strategy(AnySettings::Tiered(merge_two)).memtable_bytes(1024);
        let options = options.log_segment_bytes(1024).unsettled_bytes_max(1 << 30);
        let db = if threads { options } else { options.deterministic(1) }.open(STORE).unwrap();
        disk.fill(40_000);
        for at in 0..1000u64 {
            // Five keys: 1.5 KB are alive.
            let put = db.put(&[(at % 5) as u8], &at.to_le_bytes().repeat(40));
            put.unwrap_or_else(|error| panic!("threads {threads}, write {at}: {error}"));
        }
        assert_eq!(db.iter().count(), 5);
    }
}

#[test]
fn with_threads_the_log_is_synced_within_some_intervals_though_nobody_writes() {
    let disk = Disk::new(7);
    let options = |disk: &Disk| Options::new().fs(disk.boot()).sync(SyncPolicy::Interval(Duration::from_millis(5)));
    let db = options(&disk).open(STORE).unwrap();
    db.put(b"key", b"value").unwrap();
    let is_durable = || {
        let image = disk.image();
        image.cut(Left::Nothing);
        options(&image).open(STORE).unwrap().get(b"key").unwrap().is_some()
    };
    let begun = Instant::now();
    while !is_durable() {
        assert!(begun.elapsed() < Duration::from_secs(30), "it is not synced");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn no_file_number_comes_twice_wherever_two_lives_after_each_other_break_off() {
    // Opens the store, writes so much and dies, in that call at the latest. False if the call was not reached.
    let live = |disk: &Disk, calls: u64, writes: u8| {
        let merge_two = TieredSettings { min_merge_width: 2, ..Default::default() };
        let options = Options::new().fs(disk.boot()).strategy(AnySettings::Tiered(merge_two)).deterministic(1);
        disk.cut_in(calls);
        let opened = options.memtable_bytes(1024).unsettled_bytes_max(4000).log_segment_bytes(0).open(STORE);
        if let Ok(db) = &opened {
            disk.opened();
            let _ = (0..writes).try_for_each(|at| db.put(&[at], &[7; 400]));
        }
        let died = disk.is_dead();
        disk.cut(Left::Everything);
        died
    };
    let mut deaths = 0;
    for first in 1.. {
        let mut died = false;
        for second in [2, 5, 8, 11, 14, 17, 23, u64::MAX] {
            let disk = Disk::new(7);
            died = live(&disk, first, 30);
            live(&disk, second, if second < 12 { 9 } else { 0 });
            live(&disk, u64::MAX, 9);
            assert_eq!(disk.used_twice(), None, "in call {first}, then in call {second}");
            deaths += 1;
        }
        if !died {
            break;
        }
    }
    assert!(deaths > 500, "{deaths}");
}
