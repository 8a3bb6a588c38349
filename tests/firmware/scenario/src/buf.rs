//! A tree that lives: flushes come in, jobs begin, finish (some late, so that others are chosen beside them) or are given up.

use core::hint::black_box;

use compaction_core::{
    Choice, CompactionStrategy, Event, Job, Moment, Outcome, ReadSample, Reason, Run, Running, Storage, Table, Ticket,
    VersionBuf, Work,
};

use crate::Key;
use crate::checksum::Checksum;
use crate::rng::Rng;

const STEPS: u32 = 96;
const CHOICES_PER_STEP: u32 = 4;
const TABLES_MAX: usize = 28;
const RUNS_MAX: usize = 10;
const RUNNING_MAX: usize = 2;
const OUTPUTS_MAX: usize = 8;
const KEYS: u32 = 1 << 16;
const FLUSH_BYTES: u32 = 1 << 12;

type Outputs = heapless::Vec<Table<Key>, OUTPUTS_MAX>;

/// The checksum of what `strategy` decides over a tree in slices that this function lends.
#[cfg(feature = "lent")]
#[inline(never)]
pub fn decisions_lent<S: CompactionStrategy<Key>>(strategy: &mut S) -> u64 {
    use compaction_core::Lent;

    let mut tables = [const { Table::new(0, 0, 0, 0) }; TABLES_MAX];
    let (mut runs, mut running) = ([Run::EMPTY; RUNS_MAX], [Running::NONE; RUNNING_MAX]);
    let buf = VersionBuf::new(Lent::new(&mut tables, 0), Lent::new(&mut runs, 0), Lent::new(&mut running, 0));
    buf.map_or(0, |mut buf| live(&mut buf, strategy))
}

/// The checksum of what `strategy` decides over a tree in vectors of fixed capacity.
#[cfg(feature = "heapless")]
#[inline(never)]
pub fn decisions_heapless<S: CompactionStrategy<Key>>(strategy: &mut S) -> u64 {
    type Tables = heapless::Vec<Table<Key>, TABLES_MAX>;
    type Runs = heapless::Vec<Run, RUNS_MAX>;
    type Jobs = heapless::Vec<Running, RUNNING_MAX>;

    let mut buf = VersionBuf::<Key, Tables, Runs, Jobs>::default();
    live(&mut buf, strategy)
}

fn live<S, T, R, J>(buf: &mut VersionBuf<Key, T, R, J>, strategy: &mut S) -> u64
where
    S: CompactionStrategy<Key>,
    T: Storage<Table<Key>>,
    R: Storage<Run>,
    J: Storage<Running>,
{
    let mut life =
        Life { buf, strategy, rng: Rng::new(0x1ce), checksum: Checksum::new(), now_ms: 0, next_id: 1, late: None };
    for step in 0..STEPS {
        life.now_ms = u64::from(step) << 8;
        life.flush();
        life.read();
        for _ in 0..CHOICES_PER_STEP {
            if !life.work() {
                break;
            }
        }
        life.finish_late();
    }
    life.checksum.value()
}

struct Life<'s, S, T, R, J> {
    buf: &'s mut VersionBuf<Key, T, R, J>,
    strategy: &'s mut S,
    rng: Rng,
    checksum: Checksum,
    now_ms: u64,
    next_id: u64,
    late: Option<(Ticket, Reason)>,
}

impl<S, T, R, J> Life<'_, S, T, R, J>
where
    S: CompactionStrategy<Key>,
    T: Storage<Table<Key>>,
    R: Storage<Run>,
    J: Storage<Running>,
{
    fn flush(&mut self) {
        let min = self.rng.below(KEYS >> 2);
        let max = KEYS - 1 - self.rng.below(KEYS >> 2);
        let bytes = u64::from(self.rng.below(FLUSH_BYTES >> 2)) + u64::from(FLUSH_BYTES);
        let tables = self.cut(min, max, bytes, u64::from(FLUSH_BYTES), false);
        let flushed = self.buf.flush(tables).is_ok();
        self.checksum.word(u32::from(flushed));
        if flushed {
            self.strategy.observe(&Event::Flushed { version: self.buf.view(), now_ms: self.now_ms, bytes });
        }
    }

    fn read(&mut self) {
        let key = self.rng.below(KEYS >> 3);
        let sample = ReadSample { key: &key, gets: 100, scans: 1, runs: 8, now_ms: self.now_ms };
        self.strategy.observe(&Event::Reads(sample));
    }

    /// Takes one decision and does what it says; false when there is nothing to do.
    fn work(&mut self) -> bool {
        let moment = Moment { now_ms: self.now_ms, entropy: self.rng.next(), ..Moment::default() };
        let version = self.buf.view();
        let (version, moment) = (black_box(&version), black_box(&moment));
        let decision = self.strategy.choose(version, moment);
        let decision = black_box(&decision);
        self.checksum.decision(version, decision, self.strategy.debt_bytes(version));
        let reason = decision.reason;
        let (Choice::Merge(job) | Choice::Move(job) | Choice::Drop(job)) = decision.choice else {
            return false;
        };
        let Ok(ticket) = self.buf.begin(job) else {
            self.checksum.word(1);
            return false;
        };
        match self.rng.below(8) {
            0 => {
                self.buf.abort(ticket);
                self.strategy.observe(&Event::Aborted { version: self.buf.view(), job, reason });
            }
            1 | 2 if self.late.is_none() => self.late = Some((ticket, reason)),
            _ => self.finish(ticket, reason),
        }
        true
    }

    fn finish_late(&mut self) {
        if let Some((ticket, reason)) = self.late.take() {
            self.finish(ticket, reason);
        }
    }

    fn finish(&mut self, ticket: Ticket, reason: Reason) {
        let Some(job) = self.buf.job(&ticket) else {
            return;
        };
        let (outputs, bytes_read, bytes_written) = self.merge(&job);
        let runs_before = self.buf.view().runs().len();
        match self.buf.finish(ticket, outputs) {
            Ok(job) => {
                let version = self.buf.view();
                let runs_removed = runs_before.saturating_sub(version.runs().len()) as u32;
                let micros = bytes_read >> 6;
                let outcome =
                    Outcome { job, reason, bytes_read, bytes_written, micros, now_ms: self.now_ms, runs_removed };
                self.strategy.observe(&Event::Done { version, outcome });
            }
            Err((ticket, _)) => {
                self.checksum.word(2);
                self.buf.abort(ticket);
            }
        }
    }

    /// What merging the job's inputs yields: seven eighths of their bytes; nothing for a move or a drop.
    fn merge(&mut self, job: &Job) -> (Outputs, u64, u64) {
        if job.work() != Work::Merge {
            return (Outputs::new(), 0, 0);
        }
        let (mut min, mut max, mut bytes) = (Key::MAX, 0, 0u64);
        let version = self.buf.view();
        for span in version.inputs(job) {
            for table in version.tables().get(span.range()).unwrap_or(&[]) {
                (min, max) = (min.min(table.min), max.max(table.max));
                bytes = bytes.saturating_add(table.bytes);
            }
        }
        let written = bytes - (bytes >> 3);
        (self.cut(min, max, written, job.table_bytes_max(), true), bytes, written)
    }

    /// Tables over the keys from `min` to `max`, of about `table_bytes` each and, if `guarded`, none across one of the
    /// strategy's guards.
    fn cut(&mut self, min: Key, max: Key, bytes: u64, table_bytes: u64, guarded: bool) -> Outputs {
        let mut outputs = Outputs::new();
        let mut tables = 1u32;
        while tables < OUTPUTS_MAX as u32 / 2 && u64::from(tables) * table_bytes < bytes {
            tables += 1;
        }
        let width = (max - min) / tables + 1;
        let mut start = min;
        while start <= max {
            let last = outputs.len() + 1 == OUTPUTS_MAX;
            let mut end = if last { max } else { max.min(start.saturating_add(width - 1)) };
            if let Some(guard) = self.strategy.guard_above(&start).filter(|_| guarded) {
                end = end.min(guard - 1);
            }
            let entries = u64::from(self.rng.below(64)) + 8;
            let table = Table::new(self.next_id, bytes / u64::from(tables), start, end)
                .entries(entries)
                .tombstones(entries >> 3)
                .newest_ms(self.now_ms)
                .oldest_tombstone_ms(Some(self.now_ms))
                .newest_seqno(self.next_id);
            self.next_id += 1;
            if outputs.push(table).is_err() {
                break;
            }
            start = end + 1;
        }
        outputs
    }
}
