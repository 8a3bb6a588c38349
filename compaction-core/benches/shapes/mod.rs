//! The trees that decisions are timed on.
//!
//! Keys are spread alike over all runs, so every table of a level overlaps about `fan-out` tables of the next.

use compaction_core::{
    BanditSettings, BanditVec, CompactionStrategy, Event, Fifo, FifoSettings, Leveled, LeveledSettings, Table, Tiered,
    TieredSettings, VersionVec,
};

/// The moment of every decision.
pub const NOW_MS: u64 = 1_000_000;

const TABLE_BYTES: u64 = 64 << 20;
const LEVELS: u8 = 7;
const FANOUT: usize = 10;

/// A run of `tables` tables of `bytes` bytes over the whole key range, a tenth of each table's share left as a gap.
fn run(id: &mut u64, tables: usize, bytes: u64) -> Vec<Table<u64>> {
    let width = u64::MAX / tables.max(1) as u64;
    let table = |at: u64| {
        *id += 1;
        let min = at * width;
        Table::new(*id, bytes, min, min + width / 10 * 9).entries(1_000).tombstones(10).newest_ms(NOW_MS)
    };
    (0..tables.max(1) as u64).map(table).collect()
}

/// Levels below 0 of `FANOUT` times one another, the last one with most of `tables`; each has `runs` runs, the last one one.
/// `full` is the share, in percent of its target, that each level between holds. At work level 5 holds twice that.
fn levels(tables: usize, runs: usize, full: usize, at_work: bool) -> VersionVec<u64> {
    let (mut tree, mut id) = (VersionVec::default(), 0);
    let last = tables / 10 * 9;
    tree.push_run(LEVELS - 1, run(&mut id, last, TABLE_BYTES)).expect("a lawful run");
    for level in (0..LEVELS - 1).rev() {
        let target = last / FANOUT.pow(u32::from(LEVELS - 1 - level));
        if target == 0 && level > 0 {
            continue; // What little lay there would sink, and the tree not be at rest.
        }
        let share = target * full / 100 * if at_work && level == LEVELS - 2 { 2 } else { 1 };
        for _ in 0..runs {
            tree.push_run(level, run(&mut id, share / runs, TABLE_BYTES)).expect("a lawful run");
        }
    }
    tree
}

type Shape = (VersionVec<u64>, Box<dyn CompactionStrategy<u64>>);

/// Leveled: 7 levels of fan-out 10.
pub fn leveled(tables: usize, at_work: bool) -> Shape {
    let settings = LeveledSettings { levels_max: LEVELS, fanout: FANOUT as u32, ..LeveledSettings::default() };
    (levels(tables, 1, 80, at_work), Box::new(Leveled::new(settings).expect("sound settings")))
}

/// Lazy leveling: 7 levels of fan-out 10, up to nine runs in each but the last; at work level 5 is too large.
pub fn lazy(tables: usize, at_work: bool) -> Shape {
    let settings = LeveledSettings { levels_max: LEVELS, l0_runs_max: 9, ..LeveledSettings::lazy() };
    (levels(tables, 8, 80, at_work), Box::new(Leveled::new(settings).expect("sound settings")))
}

/// Tiered: 40 runs, of which the oldest four are alike at work.
pub fn tiered(tables: usize, at_work: bool) -> Shape {
    let (mut tree, mut id) = (VersionVec::default(), 0);
    for at in 0..40 {
        let bytes = if at % 2 == 0 || (at_work && at < 4) { TABLE_BYTES } else { TABLE_BYTES / 3 };
        tree.push_run(0, run(&mut id, tables / 40, bytes)).expect("a lawful run");
    }
    let settings = TieredSettings { max_space_amp_pct: u64::MAX, ..TieredSettings::default() };
    (tree, Box::new(Tiered::new(settings).expect("sound settings")))
}

/// Fifo: 40 runs; at work the cap is exceeded by three of them and a bit.
pub fn fifo(tables: usize, at_work: bool) -> Shape {
    let (mut tree, mut id) = (VersionVec::default(), 0);
    for _ in 0..40 {
        tree.push_run(0, run(&mut id, tables / 40, TABLE_BYTES)).expect("a lawful run");
    }
    let held = (tables / 40) as u64 * TABLE_BYTES;
    let bytes_max = if at_work { held * 36 + held / 2 } else { held * 41 };
    (tree, Box::new(Fifo::new(FifoSettings { bytes_max, ttl_ms: 1 << 40 }).expect("sound settings")))
}

/// Bandit: 1 024 slots (fewer where a run has fewer tables), each with ten runs at work, one too many twice over, and with
/// one large and four small ones at rest.
pub fn bandit(tables: usize, at_work: bool) -> Shape {
    let (mut tree, mut id) = (VersionVec::default(), 0);
    let shares: &[usize] = if at_work { &[10; 10] } else { &[90, 2, 2, 2, 2] };
    for share in shares {
        tree.push_run(1, run(&mut id, tables * share / 100, TABLE_BYTES)).expect("a lawful run");
    }
    // A slot is cut in two while it has more than two shares of `1 / slots_max`.
    let settings = BanditSettings { slots_max: 2_048, table_bytes_max: 1 << 20, ..BanditSettings::default() };
    let mut bandit = BanditVec::new(settings, vec![]).expect("sound settings");
    bandit.observe(&Event::Flushed { version: tree.view(), now_ms: NOW_MS, bytes: 0 });
    let slots = bandit.slots().len();
    assert!(slots == 1_024 || tables < 100_000, "{slots} slots");
    (tree, Box::new(bandit))
}
