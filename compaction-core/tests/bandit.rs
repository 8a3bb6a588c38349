//! The adaptive strategy on trees with real contents: lawful, at rest in the end, hot slots narrow, cold ones wide.
#![cfg(all(feature = "alloc", feature = "bandit"))]

use std::collections::BTreeMap;

use compaction_core::{
    BanditSettings, BanditVec, Choice, CompactionStrategy, Decision, Event, Layout, Moment, Outcome, ReadSample, Rule,
    Slot, SlotTrigger, Table, VersionVec, check, check_decision,
};

/// A store without files: every table's contents in memory, merges done for real, outputs cut at the guards.
struct Store {
    tree: VersionVec<u32>,
    contents: BTreeMap<u64, BTreeMap<u32, u64>>,
    truth: BTreeMap<u32, u64>,
    bandit: BanditVec<u32>,
    moment: Moment,
    next_id: u64,
    writes: u64,
    jobs: Vec<Decision>,
}

/// Bytes of an entry.
const ENTRY: u64 = 100;

impl Store {
    fn new(settings: BanditSettings) -> Self {
        Self {
            tree: VersionVec::default(),
            contents: BTreeMap::new(),
            truth: BTreeMap::new(),
            bandit: BanditVec::new(settings, vec![]).unwrap(),
            moment: Moment::default(),
            next_id: 1,
            writes: 0,
            jobs: vec![],
        }
    }

    fn tables(&mut self, data: BTreeMap<u32, u64>) -> Vec<Table<u32>> {
        let mut parts: Vec<BTreeMap<u32, u64>> = vec![];
        let mut guard = None;
        let full = (self.bandit.settings().table_bytes_max / ENTRY) as usize;
        for (key, value) in data {
            let cut = guard.is_some_and(|guard| key >= guard) || parts.last().is_none_or(|part| part.len() >= full);
            if cut {
                parts.push(BTreeMap::new());
                guard = self.bandit.guard_above(&key).copied();
            }
            parts.last_mut().unwrap().insert(key, value);
        }
        parts.into_iter().map(|part| self.table(part)).collect()
    }

    fn table(&mut self, part: BTreeMap<u32, u64>) -> Table<u32> {
        let id = self.next_id;
        self.next_id += 1;
        let (min, max) = (*part.first_key_value().unwrap().0, *part.last_key_value().unwrap().0);
        let entries = part.len() as u64;
        self.contents.insert(id, part);
        Table::new(id, entries * ENTRY, min, max).entries(entries)
    }

    fn flush(&mut self, keys: impl IntoIterator<Item = u32>) {
        let mut data = BTreeMap::new();
        for key in keys {
            self.writes += 1;
            data.insert(key, self.writes);
            self.truth.insert(key, self.writes);
        }
        let tables = if self.bandit.cuts_flushes() { self.tables(data) } else { vec![self.table(data)] };
        let bytes = tables.iter().map(|table| table.bytes).sum();
        self.tree.flush(tables).unwrap();
        self.bandit.observe(&Event::Flushed { version: self.tree.view(), now_ms: self.moment.now_ms, bytes });
    }

    fn read(&mut self, key: u32, gets: u32) {
        let now_ms = self.moment.now_ms;
        self.bandit.observe(&Event::Reads(ReadSample { key: &key, gets, scans: 0, runs: 8, now_ms }));
    }

    /// Does what the strategy chooses; false when it waits.
    fn step(&mut self) -> bool {
        let view = self.tree.view();
        let decision = self.bandit.choose(&view, &self.moment);
        check_decision(&view, &self.moment, &decision).unwrap();
        let Some(job) = decision.choice.job() else { return false };
        let mut merged = BTreeMap::new();
        if let Choice::Merge(job) = decision.choice {
            for span in view.inputs(&job) {
                for table in &view.tables()[span.range()] {
                    for (key, value) in &self.contents[&table.id] {
                        merged.entry(*key).or_insert(*value);
                    }
                }
            }
        }
        let outputs = self.tables(merged);
        let bytes_written = outputs.iter().map(|table| table.bytes).sum();
        let ticket = self.tree.begin(job).unwrap();
        let job = self.tree.finish(ticket, outputs).unwrap();
        check(&self.tree.view()).unwrap();
        let reason = decision.reason;
        let now_ms = self.moment.now_ms;
        let outcome =
            Outcome { job, reason, bytes_read: reason.bytes, bytes_written, micros: 0, now_ms, runs_removed: 0 };
        self.bandit.observe(&Event::Done { version: self.tree.view(), outcome });
        self.jobs.push(decision);
        true
    }

    fn settle(&mut self) {
        let mut steps = 0;
        while self.step() {
            steps += 1;
            assert!(steps < 100_000, "no rest");
        }
        assert_eq!(self.bandit.debt_bytes(&self.tree.view()), 0);
    }

    /// Runs that hold tables of the slot at position `at`, counted by hand.
    fn slot_runs(&self, at: usize) -> usize {
        let low = self.bandit.slots()[at].guard().copied();
        let high = self.bandit.slots().get(at + 1).and_then(|slot| slot.guard().copied());
        let view = self.tree.view();
        let meets =
            |table: &Table<u32>| low.is_none_or(|low| table.max >= low) && high.is_none_or(|high| table.min < high);
        (0..view.runs().len()).filter(|run| view.run_tables(*run).iter().any(meets)).count()
    }

    /// What a reader that stops at the first hit finds.
    fn get(&self, key: u32) -> Option<u64> {
        let view = self.tree.view();
        (0..view.runs().len()).rev().find_map(|run| {
            let span = view.overlap(run, &key, &key);
            view.tables()[span.range()].iter().find_map(|table| self.contents[&table.id].get(&key).copied())
        })
    }

    fn verify(&self) {
        for (key, value) in &self.truth {
            assert_eq!(self.get(*key), Some(*value), "key {key}");
        }
    }
}

/// Small tables: 40 entries; a flush of 200 keys is five of them.
fn small() -> BanditSettings {
    BanditSettings {
        l0_runs_max: 2,
        table_bytes_max: 40 * ENTRY,
        job_bytes_max: u64::MAX,
        slots_max: 16,
        ..BanditSettings::default()
    }
}

/// 200 keys of 4 000, spread over all of them.
fn spread(round: u32) -> impl Iterator<Item = u32> {
    (0..200).map(move |at| at * 20 + round.wrapping_mul(7) % 20)
}

#[test]
fn slots_are_cut_as_data_comes_and_every_output_lies_in_one_slot() {
    let mut store = Store::new(small());
    for round in 0..120 {
        store.flush(spread(round));
        store.settle();
    }
    store.verify();
    let slots = store.bandit.slots();
    assert!((8..=16).contains(&slots.len()), "{} slots", slots.len());
    let guards: Vec<u32> = slots.iter().filter_map(|slot| slot.guard().copied()).collect();
    assert!(guards.is_sorted_by(|a, b| a < b) && guards.len() == slots.len() - 1);
    for round in 0..3 {
        store.flush(spread(round));
    }
    store.settle();
    let view = store.tree.view();
    let newest = view.level_runs(0).start - 1;
    for table in view.run_tables(newest) {
        let next = store.bandit.guard_above(&table.min);
        assert!(next.is_none_or(|guard| table.max < *guard), "table {} crosses a guard", table.id);
    }
}

#[test]
fn slots_that_are_read_tend_to_one_run_and_the_others_keep_several() {
    let settings = BanditSettings { max_space_amp_pct: u64::MAX, cold_runs_max: 6, ..small() };
    let mut store = Store::new(settings);
    let (mut hot_runs, mut cold_runs, mut rounds) = (0, 0, 0);
    for round in 0..200 {
        store.flush(spread(round));
        for key in 0..40 {
            store.read(1_000 + key * 25, 40);
        }
        store.settle();
        for at in 0..store.bandit.slots().len() {
            let runs = store.slot_runs(at);
            assert!(runs <= 6, "slot {at} has {runs} runs");
            let guard = store.bandit.slots()[at].guard().copied().unwrap_or(0);
            if round >= 100 && (1_000..1_600).contains(&guard) {
                (hot_runs, rounds) = (hot_runs + runs, rounds + 1);
            } else if round >= 100 && guard >= 2_400 {
                cold_runs += runs;
            }
        }
    }
    store.verify();
    assert!(rounds > 0 && hot_runs * 10 <= rounds * 15, "{hot_runs} runs in {rounds} hot slots");
    assert!(cold_runs > 100 * 4 * 2, "{cold_runs} runs in cold slots");
}

#[test]
fn what_is_never_read_piles_up_and_reads_or_the_bound_merge_all_of_it_at_once() {
    let settings = BanditSettings { slots_max: 1, cold_runs_max: 70, max_space_amp_pct: u64::MAX, ..small() };
    let mut store = Store::new(settings);
    for round in 0..70 {
        store.flush([round, 1_000 + round % 7, 2_000 - round]);
        store.settle();
    }
    assert_eq!((store.jobs.len(), store.slot_runs(0)), (0, 70), "nothing is merged");
    store.flush([0, 2_000]);
    store.settle();
    assert!(store.slot_runs(0) < 4, "{} runs", store.slot_runs(0));
    assert_eq!(store.jobs.iter().filter(|job| job.choice.job().is_some()).count(), 1, "{:?}", store.jobs);
    for round in 0..60 {
        store.flush([round, 2_000 - round]);
    }
    store.settle();
    assert!(store.slot_runs(0) > 60);
    store.jobs.clear();
    store.read(1_000, 4_096);
    store.settle();
    assert_eq!((store.jobs.len(), store.slot_runs(0)), (1, 1), "{:?}", store.jobs);
    store.verify();
}

/// Rounds in which ten of 500 keys are written and then read by so many gets, which come in ten parts; how many merges were for the
/// sake of reads.
fn steady(store: &mut Store, rounds: u32, gets: u32) -> usize {
    store.jobs.clear();
    for round in 0..rounds {
        store.flush((0..10).map(|at| (round * 7 + at * 50) % 500));
        store.settle();
        for _ in 0..10 {
            store.read(250, gets / 10);
            store.settle();
        }
    }
    let is_for_reads = |rule: &Rule| matches!(rule, Rule::Slot { trigger: SlotTrigger::Reads, .. });
    store.jobs.iter().filter(|job| is_for_reads(&job.reason.rule)).count()
}

#[test]
fn reads_that_come_as_usual_merge_nothing_beyond_the_layout_chosen_for_them() {
    let settings = BanditSettings { slots_max: 1, table_bytes_max: 1 << 20, job_bytes_max: u64::MAX, ..small() };
    let mut store = Store::new(settings);
    store.flush(0..500);
    // From one flush to the next they pay 80 000 B for a run, more than a merge of all 50 000 B asks for.
    steady(&mut store, 50, 140);
    assert_eq!(steady(&mut store, 100, 140), 0);
    assert_eq!(store.bandit.slots()[0].layout(), Layout::Leveled(1));
    assert!(steady(&mut store, 1, 1_400) > 0, "ten times as many are not usual");
    store.verify();
}

#[test]
fn reads_alone_bring_a_slot_down_to_one_run() {
    let mut store = Store::new(BanditSettings { max_space_amp_pct: u64::MAX, ..small() });
    for round in 0..40 {
        store.flush(spread(round));
        store.settle();
    }
    let wide = (0..store.bandit.slots().len()).find(|at| store.slot_runs(*at) > 1).unwrap();
    let key = store.bandit.slots()[wide].guard().copied().unwrap_or(0);
    store.read(key, 1);
    assert!(!store.step(), "one read does not pay for a merge");
    store.read(key, 1_000_000);
    assert!(store.step());
    assert!(matches!(store.jobs.last().unwrap().reason.rule, Rule::Slot { .. }));
    store.settle();
    assert_eq!(store.slot_runs(wide), 1);
    store.verify();
}

#[test]
fn newer_runs_of_a_slot_never_outweigh_its_oldest_by_more_than_allowed() {
    let mut store = Store::new(BanditSettings { max_space_amp_pct: 50, ..small() });
    for round in 0..60 {
        store.flush(spread(round));
        store.settle();
        let view = store.tree.view();
        if view.level_runs(0).start > 1 {
            let all: u64 = (0..view.level_runs(0).start).map(|run| view.runs()[run].bytes()).sum();
            let distinct = store.truth.len() as u64 * ENTRY;
            assert!(all <= distinct * 2 + 3 * 200 * ENTRY, "{all} B for {distinct} B of data");
        }
    }
}

#[test]
fn the_reward_of_a_merge_can_be_read_and_belongs_to_its_slot() {
    let mut store = Store::new(small());
    assert_eq!(store.bandit.last_reward(), None);
    for round in 0..60 {
        store.flush(spread(round));
        while store.step() {
            let Rule::Slot { slot, picks, mean_milli, score_milli, .. } = store.jobs.last().unwrap().reason.rule else {
                continue;
            };
            let reward = store.bandit.last_reward().unwrap();
            let known = store.bandit.slots().iter().find(|known| known.id() == slot).unwrap();
            assert_eq!((reward.slot, known.picks()), (slot, picks + 1));
            assert!((0.0..=1.0).contains(&reward.reward) && reward.heat >= 0.0);
            assert!(picks > 0 || (score_milli == u64::MAX && mean_milli == 0), "never picked: before all others");
        }
    }
    assert!(store.bandit.slots().iter().any(|slot| slot.picks() > 2));
}

#[test]
fn the_same_events_and_entropy_give_the_same_decisions() {
    let run = |seed: u64| {
        let mut store = Store::new(BanditSettings { epsilon_ppm: 100_000, ..small() });
        for round in 0..80u32 {
            store.flush(spread(round));
            store.read(round * 31 % 4_000, 100);
            store.moment.entropy = seed.wrapping_add(u64::from(round)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            store.step();
            store.step();
        }
        store.jobs
    };
    assert_eq!(run(1), run(1));
    let explored = |jobs: &[Decision]| {
        jobs.iter().filter(|job| matches!(job.reason.rule, Rule::Slot { explored: true, .. })).count()
    };
    assert!(explored(&run(1)) > 0);
}

#[test]
fn a_clock_at_zero_stepping_back_or_at_its_end_breaks_nothing() {
    let mut store = Store::new(small());
    for (round, now_ms) in [0, u64::MAX, 3, 0, u64::MAX, 1 << 40].into_iter().cycle().take(60).enumerate() {
        store.moment.now_ms = now_ms;
        store.flush(spread(round as u32));
        store.read(round as u32 * 60, u32::MAX);
        store.settle();
    }
    store.verify();
    let heat: f64 = store.bandit.slots().iter().map(|slot| store.bandit.relative_heat(slot)).sum();
    assert!((heat / store.bandit.slots().len() as f64 - 1.0).abs() < 1e-6);
}

#[test]
fn what_outlived_its_time_is_dropped_with_all_older_tables_below_it() {
    let mut store = Store::new(BanditSettings { ttl_ms: 1_000, ..small() });
    for round in 0..12 {
        store.flush(spread(round));
        store.settle();
    }
    store.moment.now_ms = 999;
    assert!(!store.step());
    store.moment.now_ms = 1_000;
    assert!(store.step(), "everything was written at 0 ms");
    assert!(matches!(store.jobs.last().unwrap().reason.rule, Rule::Expired { .. }));
    store.settle();
    assert!(store.tree.view().runs().is_empty());
}

#[test]
fn writes_to_one_place_at_a_time_do_not_pile_up_runs() {
    let mut store = Store::new(BanditSettings { max_space_amp_pct: u64::MAX, ..small() });
    for round in 0..100 {
        store.flush(spread(round));
        store.settle();
    }
    let (mut random, mut moves) = (7u32, 0);
    for _ in 0..400 {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let at = random / 65_536 % 3_900;
        store.flush(at..at + 60);
        let before = store.jobs.len();
        store.settle();
        moves += store.jobs[before..].iter().filter(|job| matches!(job.choice, Choice::Move(_))).count();
        let runs = store.tree.view().runs().len();
        let deepest = store.bandit.slots().iter().map(Slot::runs).max().unwrap_or(0) as usize;
        assert!(runs <= deepest + 4, "{runs} runs, {deepest} in a slot");
    }
    store.verify();
    assert!((1..400 * 3).contains(&moves), "{moves} moves");
}
