//! One strategy under one load: calls are timed, answers checked, the tree is sampled, and the engine's reports collected.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use indicatif::ProgressBar;
use lsm_std::compaction_core::AnySettings;
use lsm_std::{Batch, Chosen, Db, LogicalClock, Options, Report, SyncPolicy, What};

use super::{Outcome, Source};
use crate::Failure;
use crate::figures::{Counts, Job, Latency, LevelShape, Pick, Sample};
use crate::load::{Live, Load, Step};
use crate::strategies::Strategy;
use crate::trace::{Answer, blob_of_value};

/// States that are kept per run, about.
const SAMPLES: u64 = 400;

/// Seed of the strategies' entropy.
const SEED: u64 = 1;

/// One run to be made.
#[derive(Clone, Debug)]
pub struct Run<'a> {
    /// The load.
    pub source: &'a Source,
    /// The strategy.
    pub strategy: Strategy,
    /// Its settings.
    pub settings: AnySettings,
    /// The settings in words.
    pub described: String,
    /// Bytes of a memtable.
    pub memtable_bytes: u64,
    /// When the log is synced.
    pub sync: SyncPolicy,
    /// Whether flushes and merges go on in background threads, as in a store in use. Otherwise they are done within the
    /// write that makes them due: every run gives the same trees.
    pub background: bool,
    /// Where the store is made; must be empty.
    pub dir: PathBuf,
}

/// What the engine reports while it works. It is filled under the engine's lock.
#[derive(Default)]
struct Seen {
    jobs: Vec<Job>,
    written_by_level: Vec<u64>,
    peak_disk_bytes: u64,
    /// Bytes that the user had written at the last step.
    user_bytes: u64,
}

/// Runs the load under the strategy, and checks that everything that was read is right.
///
/// # Errors
/// What the store or the trace says; a read that did not find what it must.
pub fn run(run: &Run<'_>, bar: &ProgressBar) -> Result<Outcome, Failure> {
    let start = Instant::now();
    let seen = Arc::new(Mutex::new(Seen::default()));
    let hook = {
        let (seen, dir) = (Arc::clone(&seen), run.dir.clone());
        move |report: &Report| note(&mut seen.lock().unwrap_or_else(PoisonError::into_inner), report, &dir)
    };
    let mut options = Options::new();
    if !run.background {
        options = options.deterministic(SEED);
    }
    // Time passes with the writes, a millisecond each, so that what expires does not depend on the machine.
    let db = options
        .clock(Arc::new(LogicalClock::counting_batches()))
        .strategy(run.settings)
        .memtable_bytes(run.memtable_bytes)
        .table_bytes(run.memtable_bytes)
        .sync(run.sync)
        .on_report(hook)
        .open(&run.dir)?;
    let mut driver = Driver {
        db,
        seen,
        counts: Counts::default(),
        samples: Vec::new(),
        put_nanos: Vec::new(),
        get_nanos: Vec::new(),
        every: (run.source.length() / SAMPLES).max(1),
        ttl_ms: run.source.ttl_ms(),
    };
    let mut load = run.source.load()?;
    driver.all_steps(load.as_mut(), matches!(run.source, Source::Trace { .. }), bar)?;
    driver.db.flush()?;
    driver.db.wait_idle()?;
    driver.sample(load.live());
    if driver.ttl_ms.is_none() {
        read_back(&driver.db, load.live(), run.source)?;
    }
    driver.db.close()?;
    let seen = std::mem::take(&mut *driver.seen.lock().unwrap_or_else(PoisonError::into_inner));
    Ok(Outcome {
        strategy: run.strategy,
        settings: run.described.clone(),
        samples: driver.samples,
        jobs: seen.jobs,
        written_by_level: seen.written_by_level,
        put: Latency::of(&mut driver.put_nanos),
        get: Latency::of(&mut driver.get_nanos),
        seconds: start.elapsed().as_secs_f64(),
        peak_disk_bytes: seen.peak_disk_bytes.max(disk_bytes(&run.dir)),
    })
}

/// As [`run`], unseen.
///
/// # Errors
/// As [`run`].
pub fn run_unseen(job: &Run<'_>) -> Result<Outcome, Failure> {
    run(job, &ProgressBar::hidden())
}

struct Driver {
    db: Db,
    seen: Arc<Mutex<Seen>>,
    counts: Counts,
    samples: Vec<Sample>,
    put_nanos: Vec<u64>,
    get_nanos: Vec<u64>,
    every: u64,
    /// How long entries live, if they expire; a write takes a millisecond.
    ttl_ms: Option<u64>,
}

impl Driver {
    fn all_steps(&mut self, load: &mut dyn Load, is_trace: bool, bar: &ProgressBar) -> Result<(), Failure> {
        let mut progress = 0;
        while let Some(step) = load.next()? {
            let counted = !is_trace || matches!(step, Step::Write(_));
            self.counts.ops += 1;
            match step {
                Step::Write(ops) => self.write(&ops)?,
                Step::Get(key) => self.get(&key, load.live())?,
                Step::Scan { from, keys } => self.scan(&from, keys, load.live())?,
            }
            if counted {
                progress += 1;
                if progress % self.every == 0 {
                    bar.inc(self.every);
                    self.sample(load.live());
                }
            }
        }
        Ok(())
    }

    fn write(&mut self, ops: &[(Vec<u8>, Option<Vec<u8>>)]) -> Result<(), Failure> {
        let mut batch = Batch::new();
        for (key, value) in ops {
            self.counts.user_bytes += key.len() as u64 + value.as_ref().map_or(0, |value| value.len() as u64);
            match value {
                Some(value) => batch.put(key, value),
                None => batch.delete(key),
            }
        }
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).user_bytes = self.counts.user_bytes;
        let start = Instant::now();
        self.db.write(batch)?;
        self.put_nanos.push(nanos(start));
        Ok(())
    }

    fn get(&mut self, key: &[u8], live: &Live) -> Result<(), Failure> {
        let start = Instant::now();
        let found = self.db.get(key)?;
        self.get_nanos.push(nanos(start));
        if self.ttl_ms.is_some() && found.is_none() {
            return Ok(());
        }
        live.check(key, found.as_deref()).map_err(Failure::Wrong)
    }

    fn scan(&mut self, from: &[u8], keys: u64, live: &Live) -> Result<(), Failure> {
        let keys = usize::try_from(keys).unwrap_or(usize::MAX);
        let mut wanted = live.range(from);
        let mut seen = 0;
        for pair in self.db.range(from..).take(keys) {
            let (key, value) = pair?;
            live.check(&key, Some(&value)).map_err(Failure::Wrong)?;
            let next = wanted.find(|(wanted, _)| self.ttl_ms.is_none() || *wanted == &*key);
            if next.is_none_or(|(wanted, _)| wanted != &*key) {
                return Err(out_of_order(from, &key, next.map(|(wanted, _)| wanted)));
            }
            seen += 1;
        }
        match wanted.next() {
            Some((missing, _)) if seen < keys && self.ttl_ms.is_none() => {
                Err(Failure::Wrong(format!("a scan ends before key \"{}\"", missing.escape_ascii())))
            }
            _ => Ok(()),
        }
    }

    fn sample(&mut self, live: &Live) {
        let stats = self.db.stats();
        self.counts.take_writes(&stats);
        self.counts.take_reads(&stats, &Counts::default());
        let level = |level: &lsm_std::LevelShape| LevelShape {
            level: level.level,
            runs: level.runs as u64,
            tables: level.tables as u64,
            bytes: level.bytes,
        };
        self.samples.push(Sample {
            counts: self.counts,
            live_bytes: self.ttl_ms.map_or(live.bytes(), |ttl_ms| live.young_bytes(ttl_ms)),
            table_bytes: stats.table_bytes(),
            levels: stats.levels.iter().map(level).collect(),
        });
    }
}

fn out_of_order(from: &[u8], found: &[u8], wanted: Option<&[u8]>) -> Failure {
    let wanted = wanted.map_or("its end".to_owned(), |key| format!("key \"{}\"", key.escape_ascii()));
    let (from, found) = (from.escape_ascii(), found.escape_ascii());
    Failure::Wrong(format!("a scan from \"{from}\" finds key \"{found}\" where {wanted} must come"))
}

fn nanos(start: Instant) -> u64 {
    u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

fn note(seen: &mut Seen, report: &Report, dir: &Path) {
    match &report.what {
        What::Flushed { bytes, .. } => add(&mut seen.written_by_level, 0, *bytes),
        What::Done { chosen, bytes_read, bytes_written, micros } => {
            add(&mut seen.written_by_level, chosen.level, *bytes_written);
            let job = job(seen.user_bytes, chosen, (*bytes_read, *bytes_written), *micros);
            seen.jobs.push(job);
        }
        _ => return,
    }
    // The outputs are there and the inputs not gone yet: the moment at which most is on disk.
    seen.peak_disk_bytes = seen.peak_disk_bytes.max(disk_bytes(dir));
}

fn add(by_level: &mut Vec<u64>, level: u8, bytes: u64) {
    let level = usize::from(level);
    if by_level.len() <= level {
        by_level.resize(level + 1, 0);
    }
    by_level[level] += bytes;
}

fn job(at_user_bytes: u64, chosen: &Chosen, (read_bytes, written_bytes): (u64, u64), micros: u64) -> Job {
    Job {
        at_user_bytes,
        what: chosen.choice,
        rule: chosen.rule,
        reason: chosen.text.clone(),
        tables: chosen.tables as u64,
        runs: chosen.runs as u64,
        level: (chosen.choice != "drop").then_some(chosen.level),
        read_bytes,
        written_bytes,
        micros,
        pick: chosen.reason.and_then(|reason| Pick::of(&reason.rule)),
    }
}

/// Bytes of all files in `dir`; what vanishes meanwhile counts nothing.
fn disk_bytes(dir: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(dir) else { return 0 };
    entries.flatten().filter_map(|entry| entry.metadata().ok()).map(|file| file.len()).sum()
}

/// Scans the whole store and holds it against what must be alive, and a trace's store against the trace's answer.
fn read_back(db: &Db, live: &Live, source: &Source) -> Result<(), Failure> {
    let (mut keys, mut answer) = (0, Answer::default());
    for pair in db.iter() {
        let (key, value) = pair?;
        keys += 1;
        live.check(&key, Some(&value)).map_err(Failure::Wrong)?;
        if source.answer().is_some() {
            let blob = blob_of_value(&value);
            let damaged = || Failure::Wrong(format!("the value of key \"{}\" is damaged", key.escape_ascii()));
            answer.push(&key, &blob.ok_or_else(damaged)?);
        }
    }
    if keys != live.keys() {
        return Err(Failure::Wrong(format!("{keys} keys are alive, must be {}", live.keys())));
    }
    match source.answer() {
        Some(wanted) if *wanted != answer.finish() => Err(Failure::Wrong("the trace's answer did not come out".into())),
        _ => Ok(()),
    }
}
