//! A bandit that is saved and loaded in the midst of a run decides as one that never stopped.
#![cfg(all(feature = "alloc", feature = "bandit"))]

use compaction_core::{
    BanditSettings, BanditVec, CompactionStrategy, Decision, EstimatorKind, Event, Moment, Outcome, PlainKeys,
    ReadSample, Table, VersionVec,
};

/// Keys of a slot, in steps of so many.
const WIDTH: u64 = 10_000;
const STEP: u64 = 100;
const TABLE_BYTES: u64 = 1 << 20;

/// A store without data, under a bandit and a twin of it that was restarted.
struct Store {
    tree: VersionVec<u64>,
    bandits: [BanditVec<u64>; 2],
    slots: u64,
    id: u64,
    step: u64,
    merges: u64,
    /// What was saved at the restart before.
    before: Vec<u8>,
}

fn saved(bandit: &BanditVec<u64>) -> Vec<u8> {
    let needed = bandit.save(&PlainKeys, &mut []).unwrap_err().needed;
    let mut bytes = vec![0; needed];
    assert_eq!(bandit.save(&PlainKeys, &mut bytes), Ok(needed));
    bytes
}

impl Store {
    fn new(slots: u64, settings: BanditSettings) -> Self {
        let settings = BanditSettings {
            slots_max: u32::try_from(slots * 2).unwrap(),
            table_bytes_max: TABLE_BYTES,
            job_bytes_max: 40 * TABLE_BYTES,
            ..settings
        };
        let bandit = || BanditVec::new(settings, vec![]).unwrap();
        let mut store = Self {
            tree: VersionVec::default(),
            bandits: [bandit(), bandit()],
            slots,
            id: 0,
            step: 0,
            merges: 0,
            before: vec![],
        };
        let tables = store.tables((0, slots * WIDTH - STEP), WIDTH / 4, TABLE_BYTES);
        store.tree.push_run(1, tables).unwrap();
        store.flushed();
        assert!(store.bandits[0].slots().len() as u64 >= slots);
        store
    }

    /// So many bits by luck.
    fn random(&self, salt: u64) -> u64 {
        let mut bits = (self.step * 31 + salt).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        (bits ^ (bits >> 27)) >> 16
    }

    /// Tables over the keys of `range`, cut at the guards, each over `width` keys at most.
    fn tables(&mut self, (min, max): (u64, u64), width: u64, bytes: u64) -> Vec<Table<u64>> {
        let (mut from, mut tables) = (min, Vec::new());
        while from <= max {
            let guard = self.bandits[0].guard_above(&from).copied().unwrap_or(u64::MAX);
            let next = guard.min((from / width + 1) * width).min(max + STEP);
            self.id += 1;
            tables.push(Table::new(self.id, bytes + self.random(self.id) % bytes, from, next - STEP).entries(100));
            from = next;
        }
        tables
    }

    fn flushed(&mut self) {
        let event = Event::Flushed { version: self.tree.view(), now_ms: self.step, bytes: 0 };
        self.bandits.iter_mut().for_each(|bandit| bandit.observe(&event));
    }

    /// A memtable with keys of a quarter of the slots or all.
    fn flush(&mut self) {
        let part = if self.random(1).is_multiple_of(4) { self.slots } else { self.slots / 4 };
        let from = self.random(2) % (self.slots - part + 1) * WIDTH;
        let range = (from, from + part * WIDTH - STEP);
        let width = if self.bandits[0].cuts_flushes() { WIDTH } else { u64::MAX / 2 };
        let bytes = if width == WIDTH { TABLE_BYTES / 8 } else { TABLE_BYTES * part / 8 };
        let tables = if width == WIDTH {
            self.tables(range, width, bytes)
        } else {
            self.id += 1;
            vec![Table::new(self.id, bytes, range.0, range.1).entries(100)]
        };
        self.tree.flush(tables).unwrap();
        self.flushed();
    }

    /// Reads, and what both bandits say to that; where that is nothing, a flush.
    fn step(&mut self) {
        self.step += 1;
        let (now_ms, entropy) = (self.step, self.random(3));
        for nth in 0..4 {
            let hot = if nth == 0 { self.slots } else { self.slots / 8 };
            let key = self.random(4 + nth) % hot * WIDTH;
            let sample =
                ReadSample { key: &key, gets: 64, scans: u32::from(nth == 2), runs: 1 + entropy as u32 % 6, now_ms };
            self.bandits.iter_mut().for_each(|bandit| bandit.observe(&Event::Reads(sample)));
        }
        let moment = Moment { now_ms, entropy, ..Moment::default() };
        let [decision, twin] = [0, 1].map(|at| self.bandits[at].choose(&self.tree.view(), &moment));
        assert_eq!(decision, twin, "step {now_ms} with {} slots", self.slots);
        match decision.choice.job() {
            Some(_) => self.carry_out(decision),
            None => self.flush(),
        }
    }

    fn carry_out(&mut self, Decision { choice, reason }: Decision) {
        let (version, job) = (self.tree.view(), choice.job().unwrap());
        let inputs = || version.inputs(&job).flat_map(|span| &version.tables()[span.range()]);
        let (min, max) = (inputs().map(|table| table.min).min(), inputs().map(|table| table.max).max());
        let bytes_read = inputs().map(|table| table.bytes).sum();
        let range = (min.unwrap(), max.unwrap());
        let mut outputs = Vec::new();
        if choice.name() == "merge" {
            outputs = self.tables(range, WIDTH / 4, TABLE_BYTES / 4);
            self.merges += 1;
        }
        let bytes_written = outputs.iter().map(|table| table.bytes).sum();
        let ticket = self.tree.begin(job).unwrap();
        let job = self.tree.finish(ticket, outputs).unwrap();
        let outcome = Outcome { job, reason, bytes_read, bytes_written, micros: 1, now_ms: self.step, runs_removed: 1 };
        let event = Event::Done { version: self.tree.view(), outcome };
        self.bandits.iter_mut().for_each(|bandit| bandit.observe(&event));
    }

    /// The twin is stopped and started again.
    fn restart(&mut self) {
        let bytes = saved(&self.bandits[1]);
        assert_eq!(bytes, saved(&self.bandits[0]), "what was learned after step {}", self.step);
        let mut again = BanditVec::new(self.bandits[1].settings(), vec![]).unwrap();
        again.load(&PlainKeys, &bytes).unwrap();
        again.observe(&Event::Flushed { version: self.tree.view(), now_ms: self.step, bytes: 0 });
        self.bandits[1] = again;
        self.crash();
        self.before = bytes;
    }

    /// One that starts with what was saved before much else happened takes all slots for new.
    fn crash(&self) {
        let event = Event::Flushed { version: self.tree.view(), now_ms: self.step, bytes: 0 };
        let mut late = BanditVec::new(self.bandits[1].settings(), vec![]).unwrap();
        if late.load(&PlainKeys, &self.before).is_ok() {
            late.observe(&event);
            let of = |bandit: &BanditVec<u64>| -> Vec<_> {
                bandit.slots().iter().map(|slot| (slot.guard().copied(), (slot.runs(), slot.bytes()))).collect()
            };
            let (known, found) = (of(&self.bandits[0]), of(&late));
            let guards = |slots: &[(Option<u64>, (u32, u64))]| slots.iter().map(|slot| slot.0).collect::<Vec<_>>();
            assert!(guards(&known) != guards(&found) || known == found, "after step {}", self.step);
            late.choose(&self.tree.view(), &Moment::default());
        }
    }
}

#[test]
fn restarted_at_any_moment_with_few_slots_it_decides_as_if_it_had_not_been() {
    EstimatorKind::ALL.into_iter().for_each(|estimator| run(16, 500, estimator));
}

#[test]
fn restarted_at_any_moment_with_many_slots_it_decides_as_if_it_had_not_been() {
    run(256, 600, EstimatorKind::Ucb);
}

#[test]
fn restarted_at_any_moment_with_many_slots_every_estimator_decides_as_if_it_had_not_been() {
    let others = EstimatorKind::ALL.into_iter().filter(|kind| *kind != EstimatorKind::Ucb);
    others.for_each(|estimator| run(256, 600, estimator));
}

#[test]
fn restarted_at_any_moment_with_a_thousand_slots_it_decides_as_if_it_had_not_been() {
    run(1_000, 500, EstimatorKind::Ucb);
}

fn run(slots: u64, steps: u64, estimator: EstimatorKind) {
    let mut store = Store::new(slots, BanditSettings { estimator, ..BanditSettings::default() });
    for step in 1..=steps {
        store.step();
        if step % 53 == 0 || step % 200 == 199 {
            store.restart();
        }
    }
    store.restart();
    assert!(store.merges > steps / 10, "{} merges among {slots} slots", store.merges);
}
