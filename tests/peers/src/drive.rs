//! Drives one workload through one engine: times each call, checks each answer.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use crate::engines::{Engine, Result, Session};
use crate::pairs::{KEY_BYTES, Random, Zipf, fill, is_value_of, key, missing, scattered};
use crate::process::disk_bytes;
use crate::workload::{Mix, Phase, Skew, Workload};

/// A workload and its sizes.
#[derive(Clone, Copy, Debug)]
pub struct Task {
    pub workload: Workload,
    pub entries: u64,
    pub value_bytes: usize,
    pub threads: u64,
    pub seed: u64,
}

/// What a stretch of operations took.
pub struct Timed {
    /// Pairs written, reads, and scans; of a scan over everything, pairs shown.
    pub ops: u64,
    /// Pairs written, of all operations.
    pub written: u64,
    /// The longest that any thread spent in calls.
    pub in_calls: Duration,
    /// Nanoseconds of each call.
    pub latency: Histogram<u64>,
}

/// What the threads of a stretch share.
struct Shared<'a> {
    task: &'a Task,
    phase: Phase,
    zipf: Option<Zipf>,
    /// Keys there are.
    keys: &'a AtomicU64,
}

/// Writes all keys in no order, untimed and several at once, so that every engine begins with the same.
///
/// # Errors
/// The engine's.
pub fn load(engine: &dyn Engine, task: &Task) -> Result<()> {
    let mut session = engine.session()?;
    let mut pairs = Vec::new();
    for at in 0..task.entries {
        pairs.push(pair(scattered(at, task.entries), 0, task));
        if pairs.len() == 100 || at + 1 == task.entries {
            session.write(&pairs)?;
            pairs.clear();
        }
    }
    Ok(())
}

fn pair(number: u64, version: u64, task: &Task) -> ([u8; KEY_BYTES], Vec<u8>) {
    let mut value = vec![0; task.value_bytes];
    fill(&mut value, number, version);
    (key(number), value)
}

/// Does one stretch of operations with all threads.
///
/// # Errors
/// The engine's; an answer that is wrong.
pub fn run(engine: &dyn Engine, task: &Task, phase: Phase, keys: &AtomicU64) -> Result<Timed> {
    let is_skewed = matches!(phase.skew, Skew::Zipf | Skew::Latest);
    let zipf = is_skewed.then(|| Zipf::new(task.entries));
    let shared = Shared { task, phase, zipf, keys };
    let timed = thread::scope(|scope| {
        let threads: Vec<_> = (0..task.threads)
            .map(|of| {
                scope.spawn({
                    let shared = &shared;
                    move || shared.work(engine, of)
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().map_err(|_| "a thread panicked")?).collect::<Result<Vec<_>>>()
    })?;
    let mut all = Timed { ops: 0, written: 0, in_calls: Duration::ZERO, latency: Histogram::new(3)? };
    for one in timed {
        all.ops += one.ops;
        all.written += one.written;
        all.in_calls = all.in_calls.max(one.in_calls);
        all.latency.add(one.latency)?;
    }
    Ok(all)
}

impl Shared<'_> {
    fn work(&self, engine: &dyn Engine, thread: u64) -> Result<Timed> {
        let batch = self.phase.batch as u64;
        let is_whole_scan = self.phase.mix.scan == 100 && self.phase.scan_pairs == 0;
        let calls = match is_whole_scan {
            true => 1,
            false => (self.task.entries * self.phase.percent / 100 / self.task.threads / batch).max(1),
        };
        let mut worker = Worker {
            shared: self,
            session: engine.session()?,
            random: Random::new(self.task.seed ^ (thread << 32)),
            timed: Timed { ops: 0, written: 0, in_calls: Duration::ZERO, latency: Histogram::new(3)? },
            found: Vec::new(),
            next: thread * calls,
        };
        for call in 0..calls {
            worker.step(call)?;
        }
        Ok(worker.timed)
    }
}

struct Worker<'a> {
    shared: &'a Shared<'a>,
    session: Box<dyn Session + 'a>,
    random: Random,
    timed: Timed,
    found: Vec<u8>,
    /// The next key where they come in order.
    next: u64,
}

impl Worker<'_> {
    fn step(&mut self, call: u64) -> Result<()> {
        let Mix { insert, update, read, miss, scan } = self.shared.phase.mix;
        let mut at = self.random.below(100);
        let mut falls = |share: u64| {
            let falls = at < share;
            at = at.wrapping_sub(share);
            falls
        };
        if falls(insert) {
            self.insert()
        } else if falls(update) {
            let number = self.number();
            self.put(number, call + 1)
        } else if falls(read) {
            let number = self.number();
            self.read(number)
        } else if falls(miss) {
            self.miss()
        } else if falls(scan) {
            self.scan()
        } else {
            let number = self.number();
            self.read(number)?;
            self.put(number, call + 1)
        }
    }

    fn number(&mut self) -> u64 {
        let entries = self.shared.task.entries;
        match (&self.shared.zipf, self.shared.phase.skew) {
            (_, Skew::InOrder) => {
                self.next += 1;
                (self.next - 1) % entries
            }
            (Some(zipf), Skew::Latest) => {
                // What is just being inserted by others may not be there yet.
                let newest = self.shared.keys.load(Ordering::Relaxed).saturating_sub(self.shared.task.threads);
                let at = newest.saturating_sub(1 + zipf.rank(&mut self.random));
                if at < entries { scattered(at, entries) } else { at }
            }
            (Some(zipf), _) => scattered(zipf.rank(&mut self.random), entries),
            (None, _) => self.random.below(entries),
        }
    }

    fn insert(&mut self) -> Result<()> {
        let task = self.shared.task;
        let batch = self.shared.phase.batch;
        let first = self.shared.keys.fetch_add(batch as u64, Ordering::Relaxed);
        let order =
            |at: u64| if task.workload.is_in_order() || at >= task.entries { at } else { scattered(at, task.entries) };
        if batch == 1 {
            return self.put(order(first), 0);
        }
        let pairs: Vec<_> = (first..first + batch as u64).map(|at| pair(order(at), 0, task)).collect();
        let begun = Instant::now();
        self.session.write(&pairs)?;
        self.timed.written += batch as u64;
        self.note(begun, batch as u64)
    }

    fn put(&mut self, number: u64, version: u64) -> Result<()> {
        let (key, value) = pair(number, version, self.shared.task);
        let begun = Instant::now();
        self.session.put(&key, &value)?;
        self.timed.written += 1;
        self.note(begun, 1)
    }

    fn read(&mut self, number: u64) -> Result<()> {
        let key = key(number);
        self.found.clear();
        let found = &mut self.found;
        let begun = Instant::now();
        self.session.get(&key, &mut |value| found.extend_from_slice(value.unwrap_or_default()))?;
        self.note(begun, 1)?;
        match is_value_of(&key, &self.found, self.shared.task.value_bytes) {
            true => Ok(()),
            false => Err(format!("key {number}: a wrong value of {} bytes", self.found.len()).into()),
        }
    }

    fn miss(&mut self) -> Result<()> {
        let key = missing(self.number());
        let mut is_found = false;
        let begun = Instant::now();
        self.session.get(&key, &mut |value| is_found = value.is_some())?;
        self.note(begun, 1)?;
        if is_found { Err("a key was found that was never written".into()) } else { Ok(()) }
    }

    fn scan(&mut self) -> Result<()> {
        let (task, most) = (self.shared.task, self.shared.phase.scan_pairs);
        let is_whole = most == 0;
        let from = if is_whole { 0 } else { self.number() };
        let least = if self.shared.phase.mix.insert > 0 { 1 + self.random.below(most) } else { most };
        let count = if is_whole { u64::MAX } else { least };
        let (mut shown, mut wrong, mut last) = (0, 0_u64, [0; KEY_BYTES]);
        let begun = Instant::now();
        self.session.scan(&key(from), usize::try_from(count).unwrap_or(usize::MAX), &mut |key, value| {
            let is_right = key > last.as_slice() && is_value_of(key, value, task.value_bytes);
            wrong += u64::from(!is_right);
            shown += 1;
            last.copy_from_slice(key);
        })?;
        self.note(begun, if is_whole { shown } else { 1 })?;
        let expected = count.min(task.entries - from.min(task.entries));
        match wrong == 0 && shown >= expected {
            true => Ok(()),
            false => Err(format!("a scan from {from} showed {shown} pairs of {expected}, {wrong} wrong").into()),
        }
    }

    fn note(&mut self, begun: Instant, ops: u64) -> Result<()> {
        let took = begun.elapsed();
        self.timed.in_calls += took;
        self.timed.ops += ops;
        self.timed.latency.record(u64::try_from(took.as_nanos())?.max(1))?;
        Ok(())
    }
}

/// Looks at the size of `dir` while `work` is done; answers with what it says and the largest size. Calls `too_long` if it
/// takes longer than `most`.
pub fn watched<T>(dir: &Path, most: Duration, too_long: impl Fn() + Sync, work: impl FnOnce() -> T) -> (T, u64) {
    let begun = Instant::now();
    let (is_done, peak) = (AtomicBool::new(false), AtomicU64::new(0));
    let done = thread::scope(|scope| {
        scope.spawn(|| {
            while !is_done.load(Ordering::Relaxed) {
                peak.fetch_max(disk_bytes(dir), Ordering::Relaxed);
                if begun.elapsed() > most {
                    too_long();
                }
                thread::sleep(Duration::from_millis(200));
            }
        });
        let done = work();
        is_done.store(true, Ordering::Relaxed);
        done
    });
    (done, peak.into_inner().max(disk_bytes(dir)))
}
