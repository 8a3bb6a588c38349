//! A store in memory against a map: whatever is done to it, it holds what the map holds; killed, it loses nothing; with the
//! end of its log lost, it holds what the map held after some earlier batch.
#![no_main]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use lsm_fuzz::Settings;
use lsm_std::fs::{Fs, MemFs};
use lsm_std::fuzzing::FileName;
use lsm_std::{Batch, Db, Options, Range, Snapshot, SyncPolicy};

const DIR: &str = "store";
const STEPS_MAX: usize = 64;
const SNAPSHOTS_MAX: usize = 4;
const KEYS: u8 = 32;

#[derive(Arbitrary, Debug)]
enum Step {
    Write(Vec<(u8, Option<u16>)>),
    Flush,
    WaitIdle,
    Snapshot,
    DropSnapshot(u8),
    Range {
        low: u8,
        high: u8,
        turns: Vec<bool>,
    },
    /// Closed or killed, then opened with perhaps another strategy.
    Reopen {
        close: bool,
        settings: Option<Settings>,
    },
    /// Killed, and the last bytes of the newest log are gone.
    PowerCut {
        lost: u16,
    },
}

#[derive(Arbitrary, Debug)]
struct Input {
    settings: Settings,
    seed: u64,
    steps: Vec<Step>,
}

type Map = BTreeMap<Vec<u8>, Vec<u8>>;

struct Run {
    fs: MemFs,
    seed: u64,
    db: Option<Db>,
    snapshots: Vec<(Snapshot, Map)>,
    /// What the store held after each batch, the newest last.
    history: Vec<Map>,
}

fuzz_target!(|input: Input| {
    let fs = MemFs::new();
    let Some(db) = open(&fs, input.seed, Some(&input.settings)) else { return };
    let mut run = Run { fs, seed: input.seed, db: Some(db), snapshots: Vec::new(), history: vec![Map::new()] };
    for step in input.steps.iter().take(STEPS_MAX) {
        run.step(step);
    }
    run.check();
    run.db().wait_idle().expect("memory does not fail");
    run.check();
});

/// Opens the store; `None` when the settings are refused, or forget data that the map keeps.
fn open(fs: &MemFs, seed: u64, settings: Option<&Settings>) -> Option<Db> {
    let options = Options::new().fs(Arc::new(fs.clone())).memtable_bytes(1_500).table_bytes(2_000).block_bytes(256);
    let options = options.sync(SyncPolicy::Never).cache_bytes(4_096).open_files_max(3).deterministic(seed);
    let options = match settings {
        Some(settings) if settings.forgets() => return None,
        Some(settings) => options.strategy(settings.stored()?),
        None => options,
    };
    Some(options.open(DIR).expect("the store opens"))
}

impl Run {
    fn db(&self) -> &Db {
        self.db.as_ref().expect("open between two steps")
    }

    fn now(&self) -> &Map {
        self.history.last().expect("it starts with an empty map")
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Write(ops) => self.write(ops),
            Step::Flush => self.db().flush().expect("memory does not fail"),
            Step::WaitIdle => self.db().wait_idle().expect("memory does not fail"),
            Step::Snapshot if self.snapshots.len() < SNAPSHOTS_MAX => {
                self.snapshots.push((self.db().snapshot(), self.now().clone()));
            }
            Step::Snapshot => {}
            Step::DropSnapshot(at) if !self.snapshots.is_empty() => {
                let at = usize::from(*at) % self.snapshots.len();
                self.snapshots.swap_remove(at);
            }
            Step::DropSnapshot(_) => {}
            Step::Range { low, high, turns } => self.range(*low % KEYS, *high % KEYS, turns),
            Step::Reopen { close, settings } => self.reopen(*close, settings.as_ref()),
            Step::PowerCut { lost } => self.power_cut(usize::from(*lost)),
        }
        for (snapshot, map) in &self.snapshots {
            assert!(pairs(snapshot.iter()).eq(owned(map)), "a snapshot changed");
        }
    }

    fn write(&mut self, ops: &[(u8, Option<u16>)]) {
        let (mut batch, mut map) = (Batch::new(), self.now().clone());
        for (at, size) in ops.iter().take(16) {
            let key = key(at % KEYS);
            match size {
                Some(size) => {
                    let value = size.to_be_bytes().repeat(usize::from(size % 120));
                    batch.put(&key, &value);
                    map.insert(key, value);
                }
                None => {
                    batch.delete(&key);
                    map.remove(&key);
                }
            }
        }
        self.db().write(batch).expect("memory does not fail");
        self.history.push(map);
    }

    /// Walks a range from both ends, as `turns` say, forward when they are used up.
    fn range(&self, low: u8, high: u8, turns: &[bool]) {
        let (low, high) = (key(low.min(high)), key(low.max(high)));
        let mut found = self.db().range(low.clone()..high.clone());
        let mut wanted = self.now().range(low..high);
        for front in turns.iter().copied().chain(std::iter::repeat(true)) {
            let (pair, expected) =
                if front { (found.next(), wanted.next()) } else { (found.next_back(), wanted.next_back()) };
            let pair = pair.transpose().expect("memory does not fail");
            assert_eq!(pair.as_ref().map(|(key, value)| (key.to_vec(), value.to_vec())), expected.map(owned_pair));
            if pair.is_none() {
                break;
            }
        }
    }

    fn reopen(&mut self, close: bool, settings: Option<&Settings>) {
        if close {
            self.snapshots.clear();
            self.db.take().expect("open between two steps").close().expect("memory does not fail");
        } else {
            self.kill();
        }
        let reopened = open(&self.fs, self.seed, settings).or_else(|| open(&self.fs, self.seed, None));
        self.db = reopened;
        self.check();
    }

    fn power_cut(&mut self, lost: usize) {
        self.kill();
        let names = self.fs.list(Path::new(DIR)).expect("the directory is there");
        let logs =
            names.iter().filter_map(|name| FileName::parse(name)).filter(|name| matches!(name, FileName::Log(_)));
        if let Some(log) = logs.max_by_key(|name| name.id()) {
            let path = Path::new(DIR).join(log.to_string());
            let mut bytes = self.fs.bytes(&path).expect("it is listed");
            bytes.truncate(bytes.len().saturating_sub(lost));
            self.fs.set_bytes(&path, bytes);
        }
        self.db = open(&self.fs, self.seed, None);
        let found: Map = pairs(self.db().iter()).collect();
        let at = self.history.iter().rposition(|map| *map == found).expect("a state that it never had");
        self.history.truncate(at + 1);
        self.check();
    }

    /// The process dies: the files stay as they are, the locks go.
    fn kill(&mut self) {
        let copy = MemFs::new();
        copy.create_dir_all(Path::new(DIR)).expect("memory does not fail");
        for name in self.fs.list(Path::new(DIR)).expect("the directory is there") {
            let path = Path::new(DIR).join(name);
            if let Some(bytes) = self.fs.bytes(&path) {
                copy.set_bytes(&path, bytes);
            }
        }
        self.snapshots.clear();
        self.db = None;
        self.fs = copy;
    }

    fn check(&self) {
        let db = self.db();
        assert!(pairs(db.iter()).eq(owned(self.now())), "a scan differs from the map");
        let mut backward: Vec<_> = pairs(db.iter().rev()).collect();
        backward.reverse();
        assert!(backward.into_iter().eq(owned(self.now())), "a scan backward differs from the map");
        for at in 0..KEYS {
            let found = db.get(&key(at)).expect("memory does not fail");
            assert_eq!(found.as_deref(), self.now().get(&key(at)).map(Vec::as_slice), "key {at}");
        }
    }
}

fn key(at: u8) -> Vec<u8> {
    vec![at / 8, at]
}

fn pairs<I>(range: I) -> impl Iterator<Item = (Vec<u8>, Vec<u8>)>
where
    I: Iterator<Item = <Range as Iterator>::Item>,
{
    range.map(|pair| pair.map(|(key, value)| (key.to_vec(), value.to_vec())).expect("memory does not fail"))
}

fn owned(map: &Map) -> impl Iterator<Item = (Vec<u8>, Vec<u8>)> {
    map.iter().map(owned_pair)
}

fn owned_pair((key, value): (&Vec<u8>, &Vec<u8>)) -> (Vec<u8>, Vec<u8>) {
    (key.clone(), value.clone())
}
