//! Random lawful trees, moments and running jobs, for the properties of every strategy.
#![expect(dead_code, reason = "each test file uses its own share")]

use std::collections::BTreeSet;

use compaction_core::{
    Cut, Decision, Job, LeveledSettings, Moment, Place, Plan, Running, Table, Ticket, Version, VersionVec, Work,
};
use proptest::collection::{btree_set, vec};
use proptest::prelude::*;

/// Keys lie in `0..KEYS`.
pub const KEYS: u32 = 200;
/// Times lie mostly below this.
pub const NOW_MS: u64 = 1_000;
/// Sequence numbers lie below this.
pub const SEQNOS: u64 = 1_000;

/// How trees are to be.
#[derive(Clone, Debug)]
pub struct Shape {
    /// The most runs.
    pub runs_max: usize,
    /// The most tables of a run.
    pub tables_max: usize,
    /// Levels lie in `0..=level_max`.
    pub level_max: u8,
    /// Whether sizes and times up to `u64::MAX` occur.
    pub extreme: bool,
}

impl Default for Shape {
    fn default() -> Self {
        Self { runs_max: 12, tables_max: 8, level_max: 10, extreme: false }
    }
}

/// A tree that can be built again and again; run by run, oldest first.
#[derive(Clone)]
pub struct Tree(pub Vec<(u8, Vec<Table<u32>>)>);

impl std::fmt::Debug for Tree {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "\n{}", self.build().view())
    }
}

impl Tree {
    /// The tree, nothing running.
    pub fn build(&self) -> VersionVec<u32> {
        let mut buf = VersionVec::default();
        for (level, tables) in &self.0 {
            buf.push_run(*level, tables.iter().cloned()).expect("generated trees are lawful");
        }
        buf
    }
}

/// What a table holds, but for its keys.
fn contents(extreme: bool) -> BoxedStrategy<Table<u32>> {
    let bytes = if extreme {
        prop_oneof![2 => 0u64..2_000, 1 => Just(0), 1 => any::<u64>().prop_map(|bytes| bytes / 8), 1 => Just(u64::MAX / 4)]
            .boxed()
    } else {
        prop_oneof![8 => 1u64..2_000, 1 => Just(100)].boxed()
    };
    let time = if extreme { prop_oneof![4 => 0..NOW_MS, 1 => any::<u64>()].boxed() } else { (0..NOW_MS).boxed() };
    let deletes = prop_oneof![2 => Just(0u64), 2 => 0u64..=100];
    (bytes, 1u64..100, deletes, time.clone(), proptest::option::of(time), 0..SEQNOS)
        .prop_map(|(bytes, entries, pct, newest_ms, tombstone_ms, seqno)| {
            let tombstones = entries * pct / 100;
            Table::new(0, bytes, 0, 0)
                .entries(entries)
                .tombstones(tombstones)
                .newest_ms(newest_ms)
                .oldest_tombstone_ms(tombstone_ms.filter(|_| tombstones > 0))
                .newest_seqno(seqno)
        })
        .boxed()
}

/// Tables of one run: neighbours among sorted keys, some of them left out.
fn run(shape: &Shape) -> impl Strategy<Value = Vec<Table<u32>>> + use<> {
    let (tables, extreme) = (shape.tables_max, shape.extreme);
    (btree_set(0..KEYS, 2..=tables * 2), vec((contents(extreme), prop::bool::weighted(0.2)), tables)).prop_map(
        |(keys, contents): (BTreeSet<u32>, _)| {
            let keys: Vec<u32> = keys.into_iter().collect();
            let mut tables = vec![];
            for (pair, (mut table, single)) in keys.chunks_exact(2).zip(contents) {
                (table.min, table.max) = (pair[0], if single { pair[0] } else { pair[1] });
                tables.push(table);
            }
            tables
        },
    )
}

/// A lawful tree: several runs a level, levels left out, tombstones, times, sequence numbers.
pub fn tree(shape: Shape) -> impl Strategy<Value = Tree> {
    let level = prop_oneof![3 => 0..=shape.level_max, 2 => Just(0), 1 => 0..=shape.level_max.min(2)];
    vec((level, run(&shape)), 0..=shape.runs_max).prop_map(|mut runs| {
        runs.sort_by_key(|(level, _)| std::cmp::Reverse(*level));
        let mut id = 0;
        for table in runs.iter_mut().flat_map(|(_, tables)| tables) {
            id += 1;
            table.id = id;
        }
        let mut sum = 0u128;
        // Sums of a run must fit; those of extreme sizes may not.
        runs.retain(|(_, tables)| {
            let bytes: u128 = tables.iter().map(|table| u128::from(table.bytes)).sum();
            sum += bytes;
            bytes <= u128::from(u64::MAX)
        });
        Tree(runs)
    })
}

/// Any moment; sometimes without room, sometimes with snapshots.
pub fn moment() -> impl Strategy<Value = Moment> {
    let free = prop_oneof![2 => Just(u64::MAX), 2 => 0u64..20_000, 1 => any::<u64>()];
    let floor = prop_oneof![2 => Just(u64::MAX), 1 => 0..SEQNOS];
    (prop_oneof![3 => 0..2 * NOW_MS, 1 => any::<u64>()], any::<u64>(), free, floor).prop_map(
        |(now_ms, entropy, free_bytes, snapshot_floor)| Moment { now_ms, entropy, free_bytes, snapshot_floor },
    )
}

/// What to set running: two runs, the shape of a job over them, a level for its output.
pub type Wish = (usize, usize, u8, u8);

/// Wishes for jobs that run.
pub fn wishes(max: usize) -> impl Strategy<Value = Vec<Wish>> {
    vec((any::<usize>(), any::<usize>(), any::<u8>(), 0u8..10), 0..=max)
}

/// A lawful plan, free of conflicts, from a wish.
pub fn wished(view: &Version<'_, u32>, (a, b, shape, level): Wish) -> Option<compaction_core::Planned> {
    let runs = view.runs().len();
    let (a, b) = (a.checked_rem(runs)?, b.checked_rem(runs)?);
    let (oldest, newest) = (a.min(b), a.max(b));
    let run = view.runs()[newest];
    let at = (run.first() + usize::from(shape / 16) % run.len()) as u32;
    let cut = match shape % 6 {
        0 => Cut::Whole,
        1 => Cut::From(newest as u32),
        _ => Cut::Tables { first: at, last: at },
    };
    let place = if shape % 8 < 5 { Place::Join } else { Place::New { level } };
    let plan = Plan { runs: oldest..=newest, cut, work: Work::Merge, place, table_bytes_max: 1_000 };
    view.plan(&plan).filter(|planned| !view.conflicts(&planned.job))
}

/// Begins the wished jobs that are lawful and conflict with nothing.
pub fn begin(buf: &mut VersionVec<u32>, wishes: &[Wish]) -> Vec<Ticket> {
    let job = |buf: &VersionVec<u32>, wish| wished(&buf.view(), wish).map(|planned| planned.job);
    wishes.iter().filter_map(|wish| job(buf, *wish).map(|job| buf.begin(job).expect("planned, and free"))).collect()
}

/// As [`begin`], for a version that is only lent.
pub fn running(view: &Version<'_, u32>, wishes: &[Wish]) -> Vec<Running> {
    let mut running = vec![];
    for (ticket, wish) in (1..).zip(wishes) {
        if let Some(planned) = wished(&view.with_running(&running), *wish) {
            running.push(planned.running(ticket));
        }
    }
    running
}

/// Ids of a decision's inputs, newest run first.
pub fn chosen_ids(view: &Version<'_, u32>, decision: &Decision) -> Vec<u64> {
    let ids =
        |job: Job| view.inputs(&job).flat_map(|span| &view.tables()[span.range()]).map(|table| table.id).collect();
    decision.choice.job().map(ids).unwrap_or_default()
}

/// A job that rewrites one table of a run where it is.
pub fn rewrite(view: &Version<'_, u32>, run: usize, offset: usize) -> Job {
    let at = (view.runs()[run].first() + offset) as u32;
    let cut = Cut::Tables { first: at, last: at };
    let plan = Plan { runs: run..=run, cut, work: Work::Merge, place: Place::Join, table_bytes_max: u64::MAX };
    view.plan(&plan).expect("a table on its own is a closed job").job
}

/// A table with no more than keys and bytes.
pub fn table(id: u64, bytes: u64, min: u32, max: u32) -> Table<u32> {
    Table::new(id, bytes, min, max)
}

/// A tree drawn by hand, oldest run first.
pub fn tree_of(runs: &[(u8, &[Table<u32>])]) -> VersionVec<u32> {
    Tree(runs.iter().map(|(level, tables)| (*level, tables.to_vec())).collect()).build()
}

/// Leveled compaction of three levels, level 1 of 1 000 B, everything else off.
pub fn leveled() -> LeveledSettings {
    LeveledSettings {
        l0_runs_max: 2,
        base_bytes: 1_000,
        levels_max: 3,
        job_bytes_max: u64::MAX,
        dynamic: false,
        tombstone_pct_max: 100,
        ..LeveledSettings::default()
    }
}
