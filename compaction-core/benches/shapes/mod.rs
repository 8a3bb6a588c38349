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
const SLOTS: u32 = 1_024;

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

/// Level 6 with most of `tables`, each level above with a tenth of the one below, less a fifth, spread over `runs` runs;
/// small levels of small trees have smaller tables. At work level 5 holds twice that.
fn levels(tables: usize, runs: usize, at_work: bool) -> (VersionVec<u64>, LeveledSettings) {
    let (mut tree, mut id) = (VersionVec::default(), 0);
    let last = tables / 10 * 9;
    let last_bytes = last as u64 * TABLE_BYTES;
    tree.push_run(LEVELS - 1, run(&mut id, last, TABLE_BYTES)).expect("a lawful run");
    for level in (0..LEVELS - 1).rev() {
        let fanouts = FANOUT.pow(u32::from(LEVELS - 1 - level));
        let percent = if at_work && level == LEVELS - 2 { 160 } else { 80 };
        let count = (last / fanouts * percent / 100 / runs).max(1);
        let bytes = last_bytes / fanouts as u64 * percent as u64 / 100 / (count * runs) as u64;
        for _ in 0..runs {
            tree.push_run(level, run(&mut id, count, bytes)).expect("a lawful run");
        }
    }
    let base_bytes = last_bytes / FANOUT.pow(u32::from(LEVELS - 2)) as u64;
    let fanout = FANOUT as u32;
    (tree, LeveledSettings { base_bytes, fanout, levels_max: LEVELS, ..LeveledSettings::default() })
}

type Shape = (VersionVec<u64>, Box<dyn CompactionStrategy<u64>>);

/// Leveled: 7 levels of fan-out 10.
pub fn leveled(tables: usize, at_work: bool) -> Shape {
    let (tree, settings) = levels(tables, 1, at_work);
    (tree, Box::new(Leveled::new(settings).expect("sound settings")))
}

/// Lazy leveling: 7 levels of fan-out 10, up to nine runs in each but the last; at work level 5 is too large.
pub fn lazy(tables: usize, at_work: bool) -> Shape {
    let (tree, settings) = levels(tables, 8, at_work);
    let settings = LeveledSettings { l0_runs_max: 9, runs_max: FANOUT as u32 - 1, ..settings };
    (tree, Box::new(Leveled::new(settings).expect("sound settings")))
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

/// Bandit: 1 024 slots (fewer where a run has fewer tables), each with ten equal runs at work, two too many, and at rest with
/// five, the newer ones small.
pub fn bandit(tables: usize, at_work: bool) -> Shape {
    let (mut tree, mut id) = (VersionVec::default(), 0);
    let (runs, newer_bytes) = if at_work { (10, TABLE_BYTES) } else { (5, TABLE_BYTES / 10) };
    for at in 0..runs {
        let bytes = if at == 0 { TABLE_BYTES } else { newer_bytes };
        tree.push_run(1, run(&mut id, tables / runs, bytes)).expect("a lawful run");
    }
    // How often the key range is cut depends on where tables end: the first limit that yields as many slots as wanted.
    let mut bandits = (SLOTS..SLOTS * 4).step_by(16).map(|slots_max| {
        let settings = BanditSettings { slots_max, table_bytes_max: 1 << 20, ..BanditSettings::default() };
        let mut bandit = BanditVec::new(settings, vec![]).expect("sound settings");
        bandit.observe(&Event::Flushed { version: tree.view(), now_ms: NOW_MS, bytes: 0 });
        bandit
    });
    let enough = |bandit: &BanditVec<u64>| bandit.slots().len() >= SLOTS as usize || tables < 100_000;
    let bandit = bandits.find(enough).expect("many tables yield many slots");
    assert!(bandit.slots().len() < 1_200, "{} slots", bandit.slots().len());
    (tree, Box::new(bandit))
}
