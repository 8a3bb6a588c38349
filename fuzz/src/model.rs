//! A tree that knows its data: every key is read by first hit after every edit and must show its newest value.

use std::collections::{BTreeMap, HashMap};

use arbitrary::Arbitrary;
use compaction_core::{
    CompactionStrategy, Cut, Event, Job, Moment, Outcome, Place, Plan, Run, Running, Storage, Table, Ticket, Version,
    VersionBuf, Work, check, check_decision,
};

use crate::{Key, Size};

const KEYS: u8 = 64;
const STRATEGY_JOBS_MAX: usize = 3;

/// What happens to the tree.
#[derive(Arbitrary, Clone, Debug)]
pub enum Op {
    /// A memtable becomes the newest run; `true` is a put, `false` a delete.
    Flush { entries: Vec<(Key, bool)>, tables: u8, bytes: Size },
    /// A job of any shape begins, if it is lawful.
    Begin { oldest: u8, newest: u8, cut: CutSpec, work: u8, new_level: Option<u8> },
    /// The strategy decides, and what it says begins.
    Choose { now_ms: Size, entropy: u64 },
    /// A running job finishes, its output cut into so many tables.
    Finish { job: u8, tables: u8, bytes: Size },
    /// A running job would finish with tables that are not its own: refused.
    FinishWrong { job: u8, min: Key, max: Key },
    /// A running job is given up.
    Abort { job: u8 },
}

/// How a job's window starts.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub enum CutSpec {
    /// Whole runs.
    Whole,
    /// Whole runs from here.
    From(u8),
    /// Tables of the newest run.
    Tables { first: u8, len: u8 },
}

/// The newest state of a key within one table: a version, or a tombstone.
type Data = BTreeMap<Key, Option<u32>>;

struct Begun {
    ticket: Ticket,
    job: Job,
    inputs: Vec<u64>,
    merged: Data,
}

/// A tree in storages `T`, `R` and `J`, with its data and what a reader must see.
pub struct Model<T, R, J> {
    buf: VersionBuf<Key, T, R, J>,
    data: HashMap<u64, Data>,
    truth: BTreeMap<Key, u32>,
    begun: Vec<Begun>,
    next_id: u64,
    next_version: u32,
    strategy: Box<dyn CompactionStrategy<Key>>,
}

impl<T, R, J> Model<T, R, J>
where
    T: Storage<Table<Key>> + Default,
    R: Storage<Run> + Default,
    J: Storage<Running> + Default,
{
    /// An empty tree.
    pub fn new(strategy: Box<dyn CompactionStrategy<Key>>) -> Self {
        let buf = VersionBuf::new(T::default(), R::default(), J::default()).expect("an empty tree is lawful");
        Self {
            buf,
            data: HashMap::new(),
            truth: BTreeMap::new(),
            begun: Vec::new(),
            next_id: 1,
            next_version: 1,
            strategy,
        }
    }

    /// Does one thing, then checks the laws and reads every key.
    pub fn step(&mut self, op: &Op) {
        match op {
            Op::Flush { entries, tables, bytes } => self.flush(entries, *tables, bytes.value()),
            Op::Begin { oldest, newest, cut, work, new_level } => self.begin(*oldest, *newest, *cut, *work, *new_level),
            Op::Choose { now_ms, entropy } => self.choose(now_ms.value(), *entropy),
            Op::Finish { job, tables, bytes } => self.finish(*job, *tables, bytes.value()),
            Op::FinishWrong { job, min, max } => self.finish_wrong(*job, *min, *max),
            Op::Abort { job } => {
                if let Some(begun) = self.take(*job) {
                    self.unchanged(|model| model.buf.abort(begun.ticket));
                }
            }
        }
        self.verify();
    }

    /// Finishes what still runs.
    pub fn drain(&mut self) {
        while !self.begun.is_empty() {
            self.finish(0, 1, 1_000);
            self.verify();
        }
    }

    fn flush(&mut self, entries: &[(Key, bool)], tables: u8, bytes: u64) {
        let mut data = Data::new();
        for (key, put) in entries {
            data.insert(key % KEYS, put.then_some(self.next_version));
            self.next_version += 1;
        }
        let parts = self.parts(&data, tables, bytes);
        let before = self.shape();
        match self.buf.flush(parts.iter().map(|(table, _)| table.clone())) {
            Err(_) => assert!(self.shape() == before, "a refused flush changed the tree"),
            Ok(()) => {
                for (key, version) in data {
                    match version {
                        Some(version) => self.truth.insert(key, version),
                        None => self.truth.remove(&key),
                    };
                }
                self.adopt(parts);
                self.strategy.observe(&Event::Flushed { version: self.buf.view(), now_ms: 0, bytes });
            }
        }
    }

    fn begin(&mut self, oldest: u8, newest: u8, cut: CutSpec, work: u8, new_level: Option<u8>) {
        let view = self.buf.view();
        let Some(count) = view.runs().len().checked_sub(1) else { return };
        let (a, b) = (usize::from(oldest) % (count + 1), usize::from(newest) % (count + 1));
        let first = view.runs()[a.max(b)].first() as u32;
        let plan = Plan {
            runs: a.min(b)..=a.max(b),
            cut: match cut {
                CutSpec::Whole => Cut::Whole,
                CutSpec::From(run) => Cut::From(u32::from(run) % (count as u32 + 1)),
                CutSpec::Tables { first: at, len } => {
                    let first = first + u32::from(at % 8);
                    Cut::Tables { first, last: first + u32::from(len % 4) }
                }
            },
            work: [Work::Merge, Work::Move, Work::Drop][usize::from(work % 3)],
            place: new_level.map_or(Place::Join, |level| Place::New { level: level % 8 }),
            table_bytes_max: 1_000,
        };
        if let Some(planned) = view.plan(&plan) {
            let conflicts = view.conflicts(&planned.job);
            let began = self.start(planned.job);
            assert!(!(began && conflicts), "a job began that meets a running one");
        }
    }

    fn choose(&mut self, now_ms: u64, entropy: u64) {
        for _ in 0..STRATEGY_JOBS_MAX {
            let moment = Moment { now_ms, entropy, ..Moment::default() };
            let view = self.buf.view();
            let decision = self.strategy.choose(&view, &moment);
            check_decision(&view, &moment, &decision).expect("the decision is lawful");
            let Some(job) = decision.choice.job() else { return };
            if !self.start(job) {
                return;
            }
        }
    }

    /// Lets a job run and merges its inputs' data as they are now.
    fn start(&mut self, job: Job) -> bool {
        let view = self.buf.view();
        let inputs = ids(&view, &job);
        assert!(!inputs.is_empty(), "a job without inputs");
        let mut merged = Data::new();
        for id in &inputs {
            for (key, version) in &self.data[id] {
                merged.entry(*key).or_insert(*version);
            }
        }
        if job.bottommost() {
            merged.retain(|_, version| version.is_some());
        }
        let Ok(ticket) = self.buf.begin(job) else { return false };
        self.begun.push(Begun { ticket, job, inputs, merged });
        true
    }

    fn finish(&mut self, job: u8, tables: u8, bytes: u64) {
        let Some(Begun { ticket, job, inputs, merged }) = self.take(job) else { return };
        let present = self.buf.job(&ticket).expect("a begun job runs");
        assert_eq!(ids(&self.buf.view(), &present), inputs, "a running job lost its inputs");
        let parts = if job.work() == Work::Merge { self.parts(&merged, tables, bytes) } else { Vec::new() };
        let outputs: Vec<Table<Key>> = parts.iter().map(|(table, _)| table.clone()).collect();
        let before = self.shape();
        let runs = before.1.len();
        match self.buf.finish(ticket, outputs) {
            Err((ticket, _)) => {
                assert!(self.shape() == before, "a refused finish changed the tree");
                self.buf.abort(ticket);
            }
            Ok(done) => {
                if job.work() == Work::Drop {
                    let dropped: Vec<u32> =
                        inputs.iter().flat_map(|id| self.data[id].values().flatten().copied()).collect();
                    self.truth.retain(|_, version| !dropped.contains(version));
                }
                if job.work() != Work::Move {
                    inputs.iter().for_each(|id| drop(self.data.remove(id)));
                }
                self.adopt(parts);
                self.observe_done(done, runs);
            }
        }
    }

    fn observe_done(&mut self, job: Job, runs: usize) {
        let version = self.buf.view();
        let reason = self.strategy.choose(&version, &Moment::default()).reason;
        let runs_removed = runs.saturating_sub(version.runs().len()) as u32;
        let outcome = Outcome { job, reason, bytes_read: 2, bytes_written: 1, micros: 1, now_ms: 0, runs_removed };
        self.strategy.observe(&Event::Done { version, outcome });
    }

    fn finish_wrong(&mut self, job: u8, min: Key, max: Key) {
        let Some(begun) = self.take(job) else { return };
        let inputs = &begun.inputs;
        let view = self.buf.view();
        let hull = view.tables().iter().filter(|table| inputs.contains(&table.id));
        let (lo, hi) = hull.fold((Key::MAX, 0), |(lo, hi), table| (lo.min(table.min), hi.max(table.max)));
        let outside = min < lo || max > hi || min > max || begun.job.work() != Work::Merge;
        let id = self.next_id;
        let before = self.shape();
        let outputs = vec![Table::new(id, 1, min, max), Table::new(id + 1, 1, max, max)];
        // Two tables that share a key are never lawful, inside the job or not.
        let (ticket, _) = self.buf.finish(begun.ticket, outputs).expect_err("overlapping outputs are refused");
        assert!(self.shape() == before, "a refused finish changed the tree");
        let ticket = if outside {
            let refused = self.buf.finish(ticket, vec![Table::new(id, 1, min, max)]);
            refused.expect_err("outputs outside the job are refused").0
        } else {
            ticket
        };
        self.begun.push(Begun { ticket, ..begun });
    }

    fn unchanged(&mut self, act: impl FnOnce(&mut Self)) {
        let before = self.shape();
        act(self);
        assert!(self.shape() == before, "the tree changed");
    }

    fn take(&mut self, job: u8) -> Option<Begun> {
        let count = self.begun.len();
        (count > 0).then(|| self.begun.remove(usize::from(job) % count))
    }

    /// Cuts data into at most `tables` tables of `bytes` bytes each.
    fn parts(&mut self, data: &Data, tables: u8, bytes: u64) -> Vec<(Table<Key>, Data)> {
        let entries: Vec<(Key, Option<u32>)> = data.iter().map(|(key, version)| (*key, *version)).collect();
        let size = entries.len().div_ceil(usize::from(tables % 4) + 1).max(1);
        let mut parts = Vec::new();
        for chunk in entries.chunks(size) {
            let tombstones = chunk.iter().filter(|(_, version)| version.is_none()).count() as u64;
            let table = Table::new(self.next_id, bytes, chunk[0].0, chunk[chunk.len() - 1].0)
                .entries(chunk.len() as u64)
                .tombstones(tombstones)
                .oldest_tombstone_ms((tombstones > 0).then_some(0));
            parts.push((table, chunk.iter().copied().collect()));
            self.next_id += 1;
        }
        parts
    }

    fn adopt(&mut self, parts: Vec<(Table<Key>, Data)>) {
        self.data.extend(parts.into_iter().map(|(table, data)| (table.id, data)));
    }

    fn shape(&self) -> (Vec<Table<Key>>, Vec<Run>) {
        let view = self.buf.view();
        (view.tables().to_vec(), view.runs().to_vec())
    }

    fn verify(&self) {
        let view = self.buf.view();
        check(&view).expect("the tree is lawful");
        assert_eq!(view.tables().len(), self.data.len(), "tables and data differ");
        for key in 0..KEYS {
            assert_eq!(self.read(&view, key), self.truth.get(&key).copied(), "key {key} shows the wrong version");
        }
    }

    /// First hit, newest run first.
    fn read(&self, view: &Version<'_, Key>, key: Key) -> Option<u32> {
        (0..view.runs().len()).rev().find_map(|run| {
            let table = view.run_tables(run).iter().find(|table| table.min <= key && key <= table.max)?;
            self.data[&table.id].get(&key).copied()
        })?
    }
}

fn ids(view: &Version<'_, Key>, job: &Job) -> Vec<u64> {
    view.inputs(job).flat_map(|span| &view.tables()[span.range()]).map(|table| table.id).collect()
}
