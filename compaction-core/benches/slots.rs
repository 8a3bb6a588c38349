//! What the number of slots costs the bandit: one decision, and what it learns from a merge, a flush and a read.
//!
//! `cargo bench -p compaction-core --features alloc,bandit --bench slots`. A store of 16, 256 or 4 096 slots is at work: flushes, cut at
//! the guards where the bandit wants that, and after each whatever it wants, merged at once. Only the call of the name is timed.
//! Every other time tiered is asked first, in the bandit's place: what the edit before costs by moving the whole tree through the
//! cache shows there, for tiered looks at hardly anything. Criterion's figures are means; the median and the 90th percentile of all
//! calls of a store follow them.

use std::hint::black_box;
use std::time::{Duration, Instant};

use compaction_core::{
    BanditSettings, BanditVec, CompactionStrategy, Decision, Event, Job, Moment, Outcome, ReadSample, Table, Tiered,
    VersionVec,
};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};

const SLOTS: [u64; 3] = [16, 256, 4_096];
/// Keys of a slot, in steps of so many.
const WIDTH: u64 = 10_000;
const STEP: u64 = 100;
const FLUSH_BYTES: u64 = 16 << 20;
const TABLE_BYTES: u64 = 1 << 20;
/// Tables of the oldest run in each slot.
const DEEP: u64 = 4;

#[derive(Clone, Copy, PartialEq)]
enum Call {
    Choose,
    Again,
    Tiered,
    Flushed,
    Done,
    Reads,
}

/// A store without data under a bandit with so many slots.
struct Store {
    tree: VersionVec<u64>,
    bandit: BanditVec<u64>,
    slots: u64,
    id: u64,
    step: u64,
    /// What each call took.
    spent: [Vec<Duration>; 6],
}

impl Store {
    fn new(slots: u64) -> Self {
        let settings = BanditSettings {
            slots_max: u32::try_from(slots * 2).expect("few"),
            table_bytes_max: TABLE_BYTES,
            job_bytes_max: u64::MAX,
            ..BanditSettings::default()
        };
        let bandit = BanditVec::new(settings, vec![]).expect("sound settings");
        let mut store =
            Self { tree: VersionVec::default(), bandit, slots, id: 0, step: 0, spent: [const { Vec::new() }; 6] };
        let tables = store.tables((0, slots * WIDTH - STEP), WIDTH / DEEP, TABLE_BYTES);
        store.tree.push_run(1, tables).expect("a lawful run");
        store.bandit.observe(&Event::Flushed { version: store.tree.view(), now_ms: 0, bytes: 0 });
        assert_eq!(store.bandit.slots().len() as u64, slots);
        for _ in 0..2_000 {
            store.step();
        }
        store.spent.iter_mut().for_each(Vec::clear);
        store
    }

    /// Tables of `bytes` bytes over the keys of `range`, cut at the guards, each over `width` keys at most.
    fn tables(&mut self, (min, max): (u64, u64), width: u64, bytes: u64) -> Vec<Table<u64>> {
        let (mut from, mut tables) = (min, Vec::new());
        while from <= max {
            let guard = self.bandit.guard_above(&from).copied().unwrap_or(u64::MAX);
            let next = guard.min((from / width + 1) * width).min(max + STEP);
            self.id += 1;
            tables.push(Table::new(self.id, bytes, from, next - STEP).entries(100));
            from = next;
        }
        tables
    }

    /// A memtable with keys of all slots: cut at the guards, or not cut at all.
    fn flush(&mut self) {
        let range = (0, self.slots * WIDTH - STEP);
        let tables = if self.bandit.cuts_flushes() {
            self.tables(range, u64::MAX / 2, FLUSH_BYTES / self.slots)
        } else {
            self.id += 1;
            vec![Table::new(self.id, FLUSH_BYTES, range.0, range.1).entries(100)]
        };
        self.tree.flush(tables).expect("lawful");
    }

    fn timed<T>(&mut self, call: Call, work: impl FnOnce(&mut Self) -> T) -> T {
        let start = Instant::now();
        let answer = black_box(work(self));
        self.spent[call as usize].push(start.elapsed());
        answer
    }

    /// Reads of one slot, a decision, and what it says; where that is nothing, a flush.
    fn step(&mut self) {
        self.step += 1;
        let step = self.step;
        // Two thirds of the reads meet a quarter of the slots.
        let hot = if step.is_multiple_of(3) { self.slots } else { self.slots / 4 };
        let key = step.wrapping_mul(0x9E37_79B9_7F4A_7C15) % hot * WIDTH;
        let sample = ReadSample { key: &key, gets: 64, scans: 0, runs: 3, now_ms: step };
        self.timed(Call::Reads, |store| store.bandit.observe(&Event::Reads(sample)));
        let moment = Moment { now_ms: step, entropy: step, ..Moment::default() };
        let decision = if step.is_multiple_of(2) {
            self.timed(Call::Tiered, |store| Tiered::default().choose(&store.tree.view(), &moment));
            self.bandit.choose(&self.tree.view(), &moment)
        } else {
            self.timed(Call::Choose, |store| store.bandit.choose(&store.tree.view(), &moment))
        };
        // The same once more: what it takes where the edit before has not just moved the whole tree through the cache.
        self.timed(Call::Again, |store| store.bandit.choose(&store.tree.view(), &moment));
        match decision.choice.job() {
            Some(job) => self.carry_out(decision, job),
            None => {
                self.flush();
                self.timed(Call::Flushed, |store| {
                    let version = store.tree.view();
                    store.bandit.observe(&Event::Flushed { version, now_ms: step, bytes: TABLE_BYTES });
                });
            }
        }
    }

    fn carry_out(&mut self, decision: Decision, job: Job) {
        let version = self.tree.view();
        let runs_before = version.runs().len();
        let inputs = || version.inputs(&job).flat_map(|span| &version.tables()[span.range()]);
        let (min, max) = (inputs().map(|table| table.min).min(), inputs().map(|table| table.max).max());
        let bytes: u64 = inputs().map(|table| table.bytes).sum();
        let (min, max) = (min.expect("a table"), max.expect("a table"));
        let mut outputs = Vec::new();
        if decision.choice.name() == "merge" {
            outputs = self.tables((min, max), WIDTH / DEEP, TABLE_BYTES / 2);
        }
        let bytes_written = outputs.iter().map(|table| table.bytes).sum();
        let ticket = self.tree.begin(job).expect("chosen from this tree");
        let job = self.tree.finish(ticket, outputs).expect("within the inputs");
        let removed = runs_before.saturating_sub(self.tree.view().runs().len()) as u32;
        let outcome = Outcome {
            job,
            reason: decision.reason,
            bytes_read: bytes,
            bytes_written,
            micros: 1,
            now_ms: self.step,
            runs_removed: removed,
        };
        self.timed(Call::Done, |store| {
            store.bandit.observe(&Event::Done { version: store.tree.view(), outcome });
        });
    }
}

fn slots(criterion: &mut Criterion) {
    let calls = [
        ("choose", Call::Choose),
        ("choose_again", Call::Again),
        ("choose_tiered", Call::Tiered),
        ("done", Call::Done),
        ("reads", Call::Reads),
        ("flushed", Call::Flushed),
    ];
    for slots in SLOTS {
        let mut store = Store::new(slots);
        for (name, call) in calls {
            criterion.bench_with_input(BenchmarkId::new(format!("bandit/{name}"), slots), &call, |bencher, call| {
                bencher.iter_custom(|calls| {
                    let at = *call as usize;
                    let before = store.spent[at].len();
                    while ((store.spent[at].len() - before) as u64) < calls {
                        store.step();
                    }
                    store.spent[at][before..].iter().sum()
                });
            });
        }
        // Beside the means above, which what else the machine does spoils.
        for (name, call) in calls {
            let spent = &mut store.spent[call as usize];
            spent.sort_unstable();
            let (half, most) = (spent[spent.len() / 2], spent[spent.len() * 9 / 10]);
            println!("bandit/{name}/{slots}: half of {} calls within {half:?}, 90 % within {most:?}", spent.len());
        }
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(10).warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1));
    targets = slots
}
criterion_main!(benches);
