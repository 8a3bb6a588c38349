//! `lsm replay`: a trace into a store, one atomic batch each, and everything read back.
//!
//! Where it stands is kept in the store itself: [`MARKER_KEY`] holds the number of the next batch and the trace's hash, and is
//! written in the same atomic batch. So a replay that was killed goes on exactly where its last batch ended.

use std::path::Path;
use std::time::{Duration, Instant};

use indicatif::ProgressBar;
use lsm_std::{Batch, Db, Options};
use serde::Serialize;

use crate::Failure;
use crate::figures::{Counts, ratio};
use crate::human;
use crate::load::{Live, Load, Reads, Step, TraceLoad};
use crate::strategies::short_name;
use crate::trace::{Answer, MARKER_KEY, Survey, TraceReader, blob_of_value, hex};

/// Seed of the reads between batches.
const SEED: u64 = 1;
/// Differences that are said one by one; the rest are only counted.
const PROBLEMS_MAX: usize = 5;

/// What a replay has done and found.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// Keys alive.
    pub keys: u64,
    /// SHA-256 over the live keys and their blob ids, in hex.
    pub sha256: String,
    /// Batches of the trace.
    pub batches: u64,
    /// Batches that the store held already.
    pub resumed_from: u64,
    /// Whether keys and hash are those of the trace, and every value is whole.
    pub right: bool,
    /// What was not right.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<String>,
    /// Name of the store's strategy.
    pub strategy: String,
    /// Table bytes written per byte of keys and values that this call wrote or found in the log.
    pub write_amp: f64,
    /// Runs that a point read of this call asked.
    pub read_amp: f64,
    /// Bytes of tables per byte of live keys and values, at rest.
    pub space_amp: f64,
    /// Bytes of tables at rest.
    pub table_bytes: u64,
    /// Bytes of live keys and values.
    pub live_bytes: u64,
    /// What this call counted; the search for the marker and the scan of the check are left out.
    pub counts: Counts,
    /// Wall-clock seconds of this call.
    pub seconds: f64,
}

/// Replays the trace at `path` into the store in `dir`, which is made if there is none, and reads it back.
///
/// `gets` point reads of live keys follow each batch. A trace that is not well formed is refused before the store is touched.
///
/// # Errors
/// What is wrong with the trace or the store; a store that holds another trace, or anything else; a read that did not find
/// what it must.
pub fn replay(path: &Path, dir: &Path, options: Options, gets: u64, bar: &ProgressBar) -> Result<Outcome, Failure> {
    let start = Instant::now();
    let survey = Survey::of(path)?;
    let db = crate::store::open(options, dir)?;
    let resumed_from = resume_at(&db, &survey)?;
    let mut before = Counts::default();
    before.take_reads(&db.stats(), &Counts::default());
    bar.set_length(survey.batches);
    bar.set_position(resumed_from);
    let reads = Reads { gets, misses: 0, batches_per_scan: 0 };
    let mut load = TraceLoad::new(TraceReader::open(path)?, reads, SEED);
    let mut counts = Counts::default();
    let mut batch = 0;
    while let Some(step) = load.next()? {
        match step {
            Step::Write(ops) => {
                batch += 1;
                if batch > resumed_from {
                    counts.user_bytes += write(&db, ops, batch, &survey)?;
                    counts.ops += 1;
                    bar.inc(1);
                }
            }
            Step::Get(key) if batch > resumed_from => {
                let found = db.get(&key)?;
                let checked = load.live().check(&key, found.as_deref());
                checked.map_err(|wrong| Failure::Wrong(format!("after batch {batch}: {wrong}")))?;
                counts.ops += 1;
            }
            Step::Get(_) | Step::Scan { .. } => {}
        }
    }
    // What follows reads for the check, not for the replay.
    counts.take_reads(&db.stats(), &before);
    db.flush()?;
    db.wait_idle()?;
    let stats = db.stats();
    counts.take_writes(&stats);
    // What the log held is flushed by this call too.
    counts.user_bytes += db.recovery().bytes;
    let mut outcome = read_back(&db, load.live(), &survey)?;
    outcome.resumed_from = resumed_from;
    outcome.strategy = short_name(stats.strategy).to_owned();
    (outcome.write_amp, outcome.read_amp) = (counts.write_amp(), counts.read_amp());
    outcome.table_bytes = stats.table_bytes();
    outcome.space_amp = ratio(outcome.table_bytes, outcome.live_bytes);
    outcome.counts = counts;
    db.close()?;
    outcome.seconds = start.elapsed().as_secs_f64();
    Ok(outcome)
}

/// The number of batches that the store holds already.
fn resume_at(db: &Db, survey: &Survey) -> Result<u64, Failure> {
    let Some(marker) = db.get(MARKER_KEY)? else {
        return match db.iter().next().transpose()? {
            None => Ok(0),
            Some(_) => Err(Failure::Wrong("the store holds keys that no replay has put there".into())),
        };
    };
    let (next, hash) = marker.split_at_checked(8).ok_or_else(|| damaged_marker(&marker))?;
    let next = u64::from_le_bytes(next.try_into().map_err(|_| damaged_marker(&marker))?);
    if hash != survey.hash {
        let text =
            format!("the store holds another trace, with hash {}; this one has {}", hex(hash), hex(&survey.hash));
        return Err(Failure::Wrong(text));
    }
    if next > survey.batches {
        return Err(damaged_marker(&marker));
    }
    Ok(next)
}

fn damaged_marker(marker: &[u8]) -> Failure {
    Failure::Wrong(format!("the store's replay marker makes no sense: {}", hex(marker)))
}

/// Writes one batch and the marker behind it, together; the bytes of its keys and values.
fn write(db: &Db, ops: Vec<(Vec<u8>, Option<Vec<u8>>)>, next: u64, survey: &Survey) -> Result<u64, Failure> {
    let (mut batch, mut bytes) = (Batch::new(), 0);
    for (key, value) in &ops {
        bytes += key.len() as u64 + value.as_ref().map_or(0, |value| value.len() as u64);
        match value {
            Some(value) => batch.put(key, value),
            None => batch.delete(key),
        }
    }
    let marker = [next.to_le_bytes().as_slice(), survey.hash.as_slice()].concat();
    batch.put(MARKER_KEY, &marker);
    db.write(batch)?;
    Ok(bytes)
}

/// Scans the whole store and holds it against what the trace says.
fn read_back(db: &Db, live: &Live, survey: &Survey) -> Result<Outcome, Failure> {
    let (mut answer, mut problems, mut unsaid) = (Answer::default(), Vec::new(), 0u64);
    let mut problem = |text: String| {
        if problems.len() < PROBLEMS_MAX { problems.push(text) } else { unsaid += 1 }
    };
    for entry in db.iter() {
        let (key, value) = entry?;
        if *key == *MARKER_KEY {
            continue;
        }
        match blob_of_value(&value) {
            Some(blob) => answer.push(&key, &blob),
            None => problem(format!("{}: its {} bytes are not those of a blob", show(&key), value.len())),
        }
        if let Err(wrong) = live.check(&key, Some(&value)) {
            problem(wrong);
        }
    }
    let found = answer.finish();
    if found != survey.end {
        let said = |keys, sha256| format!("{keys} keys, sha256 {sha256}");
        let (is, must) = (said(found.keys, &found.sha256), said(survey.end.keys, &survey.end.sha256));
        problem(format!("read back {is}; the trace says {must}"));
    }
    if unsaid > 0 {
        problems.push(format!("and {unsaid} more differences"));
    }
    Ok(Outcome {
        keys: found.keys,
        sha256: found.sha256,
        batches: survey.batches,
        right: problems.is_empty(),
        problems,
        live_bytes: live.bytes(),
        resumed_from: 0,
        strategy: String::new(),
        write_amp: 0.0,
        read_amp: 0.0,
        space_amp: 0.0,
        table_bytes: 0,
        counts: Counts::default(),
        seconds: 0.0,
    })
}

fn show(key: &[u8]) -> String {
    format!("key \"{}\"", key.escape_ascii())
}

impl Outcome {
    /// The outcome for people.
    pub fn text(&self) -> String {
        let took = Duration::from_secs_f64(self.seconds);
        format!(
            "{} batches, {} of them now, in {}: {} keys, sha256 {}, {}\n\
             {}: write amplification {}, read {}, space {} ({} of tables)",
            self.batches,
            self.batches - self.resumed_from,
            human::micros(took.as_micros() as f64),
            self.keys,
            self.sha256,
            if self.right { "as the trace says" } else { "WRONG" },
            self.strategy,
            human::three_digits(self.write_amp),
            human::three_digits(self.read_amp),
            human::three_digits(self.space_amp),
            human::bytes(self.table_bytes)
        )
    }
}
