//! One small script, and a power cut at every place of it: in every changing call, with nothing, everything or every other part
//! left of what was not durable, and at every byte of every write.

use std::sync::Arc;

use compaction_core::{AnySettings, BanditSettings, LeveledSettings, TieredSettings};
use lsm_std::{Batch, Db, LogicalClock, Options, Result, Snapshot, SyncPolicy};

use super::history::{History, Map, Writes};
use crate::disk::{Disk, Left, STORE};

/// What is done, step by step: 52 steps.
const SCRIPT: &str = "put 1 40; put 2 90; put 3 0; delete 2; batch 4 5 6; put 7 200; put 1 130; snapshot; delete 3; put 8 300;
    put 9 250; flush; put 2 60; batch 1 3 9; delete 7; sync; put 5 220; put 6 210; put 4 230; scan; release; put 7 80;
    kill leveled; put 1 10; delete 8; put 3 250; put 9 240; put 2 260; batch 4 6 8; flush; snapshot; delete 1; delete 2; compact;
    checkpoint; put 5 190; range; put 6 20; release; close bandit; put 7 150; put 8 240; delete 9; put 1 230; put 2 280; flush;
    kill tiered; delete 4; put 3 170; compact; scan; put 9 60";

/// How many pictures of the disk there were, how many times a store was opened on one of them with something lost, and how many of
/// those times a write was torn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exhausted {
    /// Moments at which the power went.
    pub moments: u64,
    /// Stores opened after that.
    pub cuts: u64,
    /// Of them those whose last write was torn.
    pub torn: u64,
}

/// The script, being played.
struct Play {
    disk: Disk,
    sync: SyncPolicy,
    history: History,
    /// What must hold while each step runs.
    moments: Vec<History>,
    db: Option<Db>,
    snapshot: Option<(Snapshot, Map)>,
    at: u64,
}

fn options(disk: &Disk, sync: SyncPolicy) -> Options {
    let options = Options::new().fs(disk.boot()).clock(Arc::new(LogicalClock::at(7))).sync(sync).deterministic(7);
    let options = options.memtable_bytes(1024).table_bytes(1024).log_segment_bytes(1500).frozen_memtables_max(2);
    options.unsettled_bytes_max(2500).filter_bits(4)
}

fn strategy(name: &str) -> AnySettings {
    match name {
        "leveled" => {
            let small = LeveledSettings { l0_runs_max: 2, base_bytes: 1500, fanout: 2, ..Default::default() };
            AnySettings::Leveled(LeveledSettings { table_bytes_max: 700, ..small })
        }
        "bandit" => AnySettings::Bandit(BanditSettings { l0_runs_max: 2, table_bytes_max: 900, ..Default::default() }),
        _ => AnySettings::Tiered(TieredSettings { min_merge_width: 2, table_bytes_max: 900, ..Default::default() }),
    }
}

fn key(text: &str) -> Vec<u8> {
    format!("key{text}").into_bytes()
}

/// Another value for each step.
fn value(at: u64, len: usize) -> Vec<u8> {
    (0..len as u64).map(|byte| (at * 31 + byte * (at + 3) % 251) as u8).collect()
}

pub(super) fn pairs(db: &Db) -> Result<Map> {
    db.iter().map(|pair| pair.map(|(key, value)| (key.to_vec(), value.to_vec()))).collect()
}

impl Play {
    fn run(&mut self) -> Result<()> {
        self.db = Some(options(&self.disk, self.sync).strategy(strategy("tiered")).open(STORE)?);
        self.disk.film();
        for (at, step) in (1..).zip(SCRIPT.split(';')) {
            self.at = at;
            let mut words = step.split_whitespace();
            let (name, rest) = (words.next().unwrap_or(""), words.collect::<Vec<_>>());
            self.step(name, &rest)?;
        }
        self.begin(self.history.clone());
        Ok(())
    }

    /// A step begins, while which the store must hold this, whatever happens.
    fn begin(&mut self, mut history: History) {
        history.cut();
        self.disk.mark(self.moments.len());
        self.moments.push(history);
    }

    fn step(&mut self, name: &str, rest: &[&str]) -> Result<()> {
        let writes: Writes = match (name, rest) {
            ("put", [at, len]) => vec![(key(at), Some(value(self.at, len.parse().unwrap_or(0))))],
            ("delete", [at]) => vec![(key(at), None)],
            ("batch", keys) => {
                let puts = keys.iter().zip([50, 0, 90]).map(|(at, len)| (key(at), Some(value(self.at, len))));
                puts.chain([(key("1"), None)]).collect()
            }
            _ => Writes::new(),
        };
        let mut during = self.history.clone();
        if !writes.is_empty() {
            during.doubted(writes.clone());
        }
        self.begin(during);
        let Some(db) = self.db.take() else { return Ok(()) };
        let is_durable = match name {
            "flush" => db.flush().map(|()| true)?,
            "sync" => db.sync().map(|()| true)?,
            "compact" => db.compact_all().map(|()| true)?,
            "range" => db.compact_range(key("3")..key("6")).map(|()| true)?,
            "checkpoint" => db.checkpoint("copy").map(|()| true)?,
            "close" | "kill" => return self.reopen(db, name == "close", rest),
            "snapshot" => {
                self.snapshot = Some((db.snapshot(), self.history.map.clone()));
                false
            }
            "scan" | "release" => {
                assert_eq!(pairs(&db)?, self.history.map, "step {}", self.at);
                let snapshot = self.snapshot.take_if(|_| name == "release");
                assert!(snapshot.is_none_or(|(snapshot, map)| snapshot.iter().count() == map.len()));
                false
            }
            _ => {
                let mut batch = Batch::new();
                for (key, value) in &writes {
                    match value {
                        Some(value) => batch.put(key, value),
                        None => batch.delete(key),
                    }
                }
                db.write(batch)?;
                self.history.acknowledged(writes);
                self.sync == SyncPolicy::Always
            }
        };
        if is_durable {
            self.history.all_durable();
        }
        self.db = Some(db);
        Ok(())
    }

    fn reopen(&mut self, db: Db, close: bool, rest: &[&str]) -> Result<()> {
        self.snapshot = None;
        let options = |disk: &Disk| options(disk, self.sync).strategy(strategy(rest.first().unwrap_or(&"")));
        let db = if close {
            db.close()?;
            options(&self.disk).open(STORE)?
        } else {
            let options = options(&self.disk);
            drop(db);
            options.open(STORE)?
        };
        self.history.killed();
        let opened = self.history.opened(db.stats().last_seqno);
        assert_eq!(opened, Ok(0), "step {}", self.at);
        self.db = Some(db);
        Ok(())
    }
}

/// Opens what `left` leaves of the disk: it must hold what `history` says, go on from there, and hold that too.
fn open(picture: &Disk, left: Left, sync: SyncPolicy, history: &History) -> Result<(), String> {
    let disk = picture.image();
    disk.cut(left);
    let look = |history: &mut History| {
        let db = options(&disk, sync).open(STORE).map_err(|error| error.to_string())?;
        history.opened(db.stats().last_seqno)?;
        let found = pairs(&db).map_err(|error| error.to_string())?;
        if found == history.map { Ok(db) } else { Err(format!("it holds {found:?} instead of {:?}", history.map)) }
    };
    let mut history = history.clone();
    let db = look(&mut history)?;
    if matches!(left, Left::Torn(_)) {
        return Ok(());
    }
    db.put(b"more", b"and more").and_then(|()| db.sync()).map_err(|error| error.to_string())?;
    history.acknowledged(vec![(b"more".to_vec(), Some(b"and more".to_vec()))]);
    history.all_durable();
    history.cut();
    disk.cut(left);
    drop(db);
    look(&mut history).map(drop).map_err(|error| format!("after one more batch and one more cut: {error}"))
}

/// Plays the script, then cuts the power at every place of it.
///
/// # Panics
/// If a store breaks a promise after any of the cuts.
#[must_use]
pub fn exhaust(sync: SyncPolicy) -> Exhausted {
    let (disk, history) = (Disk::new(1), History::default());
    let mut play = Play { disk, sync, history, moments: Vec::new(), db: None, snapshot: None, at: 0 };
    play.run().unwrap_or_else(|error| panic!("{sync:?}, step {}: {error}", play.at));
    let mut exhausted = Exhausted::default();
    for (mark, picture) in play.disk.pictures() {
        exhausted.moments += 1;
        let torn = picture.last_write().map_or(0..0, |bytes| 0..bytes);
        let ways = [Left::Nothing, Left::Everything, Left::Alternating].into_iter().chain(torn.map(Left::Torn));
        for left in ways {
            exhausted.cuts += 1;
            exhausted.torn += u64::from(matches!(left, Left::Torn(_)));
            if let Err(broken) = open(&picture, left, sync, &play.moments[mark]) {
                let calls = picture.calls();
                panic!("{sync:?}, the power goes in call {calls}, in or before step {mark}, {left:?}: {broken}");
            }
        }
    }
    exhausted
}
