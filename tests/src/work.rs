//! A seeded life of a tree: flushes, jobs that overlap in time, reads, snapshots, a clock, scarce room.

use compaction_core::sim::SplitMix;
use compaction_core::{
    AnyStrategyVec, Choice, CompactionStrategy, Decision, Event, Moment, Outcome, ReadSample, Reason, Table, Ticket,
    Version, VersionVec, Work, check_decision,
};

/// A tree, the strategy that shapes it, and the jobs that run.
pub struct Life {
    /// The tree.
    pub tree: VersionVec<u32>,
    /// The strategy.
    pub strategy: AnyStrategyVec<u32>,
    /// The circumstances of the next decision.
    pub moment: Moment,
    running: Vec<(Ticket, Reason)>,
    random: SplitMix,
    next_id: u64,
    seqno: u64,
}

/// Keys lie below this.
const KEYS: u64 = 4_096;
/// Jobs that may run at once.
const RUNNING_MAX: usize = 3;

impl Life {
    /// An empty tree.
    #[must_use]
    pub fn new(strategy: AnyStrategyVec<u32>, seed: u64) -> Self {
        let (tree, running) = (VersionVec::default(), vec![]);
        Self { tree, strategy, moment: Moment::default(), running, random: SplitMix::new(seed), next_id: 1, seqno: 1 }
    }

    /// A random number below `end`.
    fn below(&mut self, end: u64) -> u64 {
        self.random.next_u64() % end.max(1)
    }

    /// One step: something happens, the strategy learns of it, and is asked; `ask` gets the question with the lawful answer
    /// that will be followed.
    pub fn step(&mut self, mut ask: impl FnMut(&AnyStrategyVec<u32>, &Version<'_, u32>, &Moment, &Decision)) {
        match self.below(8) {
            0..=2 => self.flush(),
            3..=5 => self.finish(),
            6 => self.read(),
            _ => self.abort(),
        }
        self.moment = Moment {
            now_ms: self.moment.now_ms + self.below(1_000),
            entropy: self.random.next_u64(),
            free_bytes: if self.below(4) == 0 { 1 << self.below(18) } else { u64::MAX },
            snapshot_floor: if self.below(4) == 0 { self.below(self.seqno) } else { u64::MAX },
        };
        let view = self.tree.view();
        let decision = self.strategy.choose(&view, &self.moment);
        check_decision(&view, &self.moment, &decision).unwrap_or_else(|law| panic!("{law}\n{view}\n{decision:?}"));
        ask(&self.strategy, &view, &self.moment, &decision);
        if let Some(job) = decision.choice.job().filter(|_| self.running.len() < RUNNING_MAX) {
            let ticket = self.tree.begin(job).unwrap_or_else(|error| panic!("{error}: {decision:?}"));
            self.running.push((ticket, decision.reason));
        }
    }

    fn table(&mut self, bytes: u64, min: u32, max: u32) -> Table<u32> {
        self.next_id += 1;
        self.seqno += 1;
        let tombstones = self.below(bytes / 20 + 1);
        Table::new(self.next_id, bytes, min, max)
            .entries(bytes / 10 + 1)
            .tombstones(tombstones)
            .newest_ms(self.moment.now_ms)
            .oldest_tombstone_ms((tombstones > 0).then_some(self.moment.now_ms))
            .newest_seqno(self.seqno)
    }

    fn flush(&mut self) {
        let (mut tables, mut min) = (vec![], self.below(KEYS / 2) as u32);
        for _ in 0..=self.below(3) {
            let max = min + self.below(KEYS / 6) as u32;
            let bytes = 500 + self.below(1_000);
            tables.push(self.table(bytes, min, max));
            min = max + 1 + self.below(KEYS / 8) as u32;
        }
        let bytes = tables.iter().map(|table| table.bytes).sum();
        self.tree.flush(tables).expect("a lawful run");
        self.strategy.observe(&Event::Flushed { version: self.tree.view(), now_ms: self.moment.now_ms, bytes });
    }

    fn read(&mut self) {
        let key = (self.below(KEYS) * self.below(KEYS) / KEYS) as u32;
        let sample =
            ReadSample { key: &key, gets: 1 + self.below(64) as u32, scans: 1, runs: 8, now_ms: self.moment.now_ms };
        self.strategy.observe(&Event::Reads(sample));
    }

    fn abort(&mut self) {
        if self.running.is_empty() || self.below(4) > 0 {
            return;
        }
        let (ticket, reason) = self.running.swap_remove(0);
        let job = self.tree.job(&ticket).expect("a running job");
        self.tree.abort(ticket);
        self.strategy.observe(&Event::Aborted { version: self.tree.view(), job, reason });
    }

    fn finish(&mut self) {
        if self.running.is_empty() {
            return;
        }
        let at = self.below(self.running.len() as u64) as usize;
        let (ticket, reason) = self.running.swap_remove(at);
        let view = self.tree.view();
        let job = self.tree.job(&ticket).expect("a running job");
        let inputs: Vec<Table<u32>> = view.inputs(&job).flat_map(|span| view.tables()[span.range()].to_vec()).collect();
        let runs = view.runs().len();
        let outputs = if job.work() == Work::Merge { self.merged(&inputs, job.table_bytes_max()) } else { vec![] };
        let bytes_written = outputs.iter().map(|table| table.bytes).sum();
        let job = self.tree.finish(ticket, outputs).unwrap_or_else(|(_, error)| panic!("{error}"));
        let version = self.tree.view();
        let outcome = Outcome {
            job,
            reason,
            bytes_read: inputs.iter().map(|table| table.bytes).sum(),
            bytes_written,
            micros: bytes_written / 100,
            now_ms: self.moment.now_ms,
            runs_removed: runs.saturating_sub(version.runs().len()) as u32,
        };
        self.strategy.observe(&Event::Done { version, outcome });
    }

    /// What a merge leaves: nine tenths of the bytes, half of the tombstones, spread evenly over the keys and cut at the guards.
    fn merged(&mut self, inputs: &[Table<u32>], table_bytes_max: u64) -> Vec<Table<u32>> {
        let (Some(min), Some(max)) = (inputs.iter().map(|table| table.min).min(), inputs.iter().map(|t| t.max).max())
        else {
            return vec![];
        };
        let bytes = inputs.iter().map(|table| table.bytes).sum::<u64>() / 10 * 9;
        let width = u64::from(max - min) + 1;
        let step = (width * table_bytes_max / bytes.max(1)).clamp(1, width);
        let (mut tables, mut from) = (vec![], min);
        loop {
            let guard = self.strategy.guard_above(&from).map_or(u32::MAX, |guard| guard - 1);
            let to = max.min(guard).min(from.saturating_add(step as u32 - 1));
            let share = bytes * (u64::from(to - from) + 1) / width;
            let table = self.table(share, from, to);
            let newest_ms = inputs.iter().map(|table| table.newest_ms).max().unwrap_or(0);
            let newest_seqno = inputs.iter().map(|table| table.newest_seqno).max().unwrap_or(0);
            let written_ms = inputs.iter().filter_map(|table| table.oldest_tombstone_ms).min();
            let tombstones = inputs.iter().map(|table| table.tombstones).sum::<u64>() / 2 * share / bytes.max(1);
            let table = table.tombstones(tombstones).newest_ms(newest_ms).newest_seqno(newest_seqno);
            tables.push(table.oldest_tombstone_ms(written_ms.filter(|_| tombstones > 0)));
            if to == max {
                return tables;
            }
            from = to + 1;
        }
    }

    /// Lets every job end and follows the strategy until it waits.
    pub fn rest(&mut self, jobs_max: usize) -> bool {
        self.moment = Moment { now_ms: self.moment.now_ms, ..Moment::default() };
        for _ in 0..jobs_max {
            while !self.running.is_empty() {
                self.finish();
            }
            let decision = self.strategy.choose(&self.tree.view(), &self.moment);
            match decision.choice {
                Choice::Wait { .. } => return true,
                Choice::Merge(job) | Choice::Move(job) | Choice::Drop(job) => {
                    self.running.push((self.tree.begin(job).expect("a free job"), decision.reason));
                }
            }
        }
        false
    }
}
