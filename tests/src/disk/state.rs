//! The device: files, directories, the process that uses them, and what is to go wrong.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, ErrorKind};
use std::path::{Component, Path, PathBuf};

use compaction_core::sim::SplitMix;
use lsm_std::{Error, Result};

use super::dir::{Dir, Node};
use super::fault::{Fault, Hits, Op};
use super::file::File;
use super::{Left, STORE};

/// How a call goes.
#[derive(Debug)]
pub enum Fate {
    /// As it should.
    Works,
    /// The power goes while it is being carried out.
    Dies,
    /// With this error.
    Fails(Error),
}

/// The device.
#[derive(Clone, Debug)]
pub struct State {
    pub files: Vec<File>,
    pub dirs: Vec<Dir>,
    pub locks: BTreeSet<PathBuf>,
    /// The process that may use it; those before are gone.
    pub life: u64,
    /// Calls that change something, ever.
    pub calls: u64,
    /// The power goes in this one.
    pub cut_at: u64,
    /// The power goes so many calls after the next file is made whose path has this in it.
    pub cut_near: Option<(&'static str, u64)>,
    pub is_dead: bool,
    /// The file last written to.
    pub last: Option<usize>,
    pub faults: Vec<Fault>,
    pub hits: Hits,
    /// Room in bytes.
    pub capacity: u64,
    /// What is written over takes room besides, until it is written.
    pub copies: bool,
    /// What is written to mapped files may reach the disk in part.
    pub in_pieces: bool,
    /// The most bytes that files have had.
    pub peak: u64,
    /// The most bytes that tables of the store have had since that was last asked for.
    pub tables_peak: u64,
    pub reused: u64,
    /// Manifests that were made beside one in use.
    pub rewritten: u64,
    pub rng: SplitMix,
    pub numbers: Numbers,
    /// A number that goes into the pictures.
    pub mark: usize,
    /// The device before every changing call, if that is wanted.
    pub pictures: Option<Vec<State>>,
}

/// The numbers of the store's files.
#[derive(Clone, Debug, Default)]
pub struct Numbers {
    /// All that were there when some process had opened the store are below.
    floor: u64,
    /// All that were there when this process started are below.
    seen: u64,
    /// Made by this process.
    made: BTreeSet<u64>,
    /// The first that was used twice.
    pub twice: Option<String>,
}

/// The root directory.
const ROOT: usize = 0;

impl State {
    pub fn new(seed: u64) -> Self {
        Self {
            files: Vec::new(),
            dirs: vec![Dir::default()],
            locks: BTreeSet::new(),
            life: 0,
            calls: 0,
            cut_at: u64::MAX,
            cut_near: None,
            is_dead: false,
            last: None,
            faults: Vec::new(),
            hits: Hits::default(),
            capacity: u64::MAX,
            copies: false,
            in_pieces: false,
            peak: 0,
            tables_peak: 0,
            reused: 0,
            rewritten: 0,
            rng: SplitMix::new(seed),
            numbers: Numbers::default(),
            mark: 0,
            pictures: None,
        }
    }

    /// Begins a call of process `life`. An error if the process is gone.
    pub fn begin(&mut self, life: u64, op: Op, path: &Path) -> Result<Fate> {
        if self.is_dead || life != self.life {
            return Err(gone(op, path));
        }
        if op.changes() {
            self.take_picture();
            self.calls += 1;
            let is_near = |near: &mut (&str, u64)| op == Op::Create && path.to_string_lossy().contains(near.0);
            if let Some((_, calls)) = self.cut_near.take_if(is_near) {
                self.cut_at = self.calls + calls;
            }
            if self.calls == self.cut_at {
                self.is_dead = true;
                return Ok(Fate::Dies);
            }
        }
        let name = path.to_string_lossy();
        let hit = |fault: &&mut Fault| fault.ops.contains(&op) && name.ends_with(fault.suffix) && fault.times > 0;
        let Some(fault) = self.faults.iter_mut().find(hit) else { return Ok(Fate::Works) };
        if fault.after > 0 {
            fault.after -= 1;
            return Ok(Fate::Works);
        }
        fault.times = if fault.times == u64::MAX { u64::MAX } else { fault.times - 1 };
        let kind = fault.kind;
        match op {
            _ if kind == ErrorKind::StorageFull => self.hits.full += 1,
            Op::Sync | Op::SyncDir if path.starts_with(STORE) => self.hits.syncs += 1,
            Op::Open | Op::Read | Op::Look => self.hits.reads += 1,
            _ => self.hits.others += 1,
        }
        Ok(Fate::Fails(Error::io(op.name(), path, kind.into())))
    }

    /// Keeps the device as it is now, if that is wanted.
    pub fn take_picture(&mut self) {
        if let Some(mut pictures) = self.pictures.take() {
            pictures.push(self.clone());
            self.pictures = Some(pictures);
        }
    }

    /// As [`begin`](Self::begin), where a call that fails has no effect. True if the power goes in this call.
    pub fn call(&mut self, life: u64, op: Op, path: &Path) -> Result<bool> {
        match self.begin(life, op, path)? {
            Fate::Works => Ok(false),
            Fate::Dies => Ok(true),
            Fate::Fails(error) => Err(error),
        }
    }

    fn lookup(&self, path: &Path) -> Option<Node> {
        path.components().try_fold(Node::Dir(ROOT), |node, part| match (node, part) {
            (Node::Dir(dir), Component::Normal(name)) => self.dirs[dir].live.get(name.to_str()?).copied(),
            (node, Component::CurDir | Component::RootDir) => Some(node),
            _ => None,
        })
    }

    pub fn exists(&self, path: &Path) -> bool {
        self.lookup(path).is_some()
    }

    pub fn dir(&self, op: Op, path: &Path) -> Result<usize> {
        match self.lookup(path) {
            Some(Node::Dir(dir)) => Ok(dir),
            _ => Err(Error::io(op.name(), path, ErrorKind::NotFound.into())),
        }
    }

    pub fn file(&self, op: Op, path: &Path) -> Result<usize> {
        match self.lookup(path) {
            Some(Node::File(file)) => Ok(file),
            _ => Err(Error::io(op.name(), path, ErrorKind::NotFound.into())),
        }
    }

    /// Gives the name `path` to `node`, or to nothing.
    pub fn name(&mut self, op: Op, path: &Path, node: Option<Node>) -> Result<()> {
        let not_found = || Error::io(op.name(), path, ErrorKind::NotFound.into());
        let dir = self.dir(op, path.parent().ok_or_else(not_found)?)?;
        let name = path.file_name().and_then(|name| name.to_str()).ok_or_else(not_found)?;
        if let Some(Node::File(old)) = self.dirs[dir].live.get(name) {
            self.files[*old].names -= 1;
        }
        if let Some(Node::File(new)) = node {
            self.files[new].names += 1;
        }
        self.dirs[dir].set(name, node);
        Ok(())
    }

    /// A new, empty file.
    pub fn create(&mut self, op: Op, path: &Path) -> Result<usize> {
        self.vacant(op, path)?;
        let file = self.files.len();
        self.files.push(File::default());
        self.name(op, path, Some(Node::File(file)))?;
        Ok(file)
    }

    /// Checks that a new name may be made.
    pub fn vacant(&self, op: Op, path: &Path) -> Result<()> {
        if self.exists(path) {
            return Err(Error::io(op.name(), path, ErrorKind::AlreadyExists.into()));
        }
        self.dir(op, path.parent().unwrap_or(Path::new(""))).map(drop)
    }

    /// Bytes of all files that have a name.
    pub fn used(&self) -> u64 {
        self.files.iter().filter(|file| file.names > 0).map(|file| file.live.len() as u64).sum()
    }

    /// Bytes that may still be written.
    pub fn room(&self) -> u64 {
        if self.capacity == u64::MAX { u64::MAX } else { self.capacity.saturating_sub(self.used()) }
    }

    /// Bytes of the store's tables.
    pub fn tables(&self) -> u64 {
        let Some(Node::Dir(dir)) = self.lookup(Path::new(STORE)) else { return 0 };
        let tables = self.dirs[dir].live.iter().filter(|(name, _)| name.ends_with(".sst"));
        let len = |node: &Node| if let Node::File(file) = node { self.files[*file].live.len() as u64 } else { 0 };
        tables.map(|(_, node)| len(node)).sum()
    }

    /// Notes that a file of the store is made.
    pub fn numbered(&mut self, path: &Path) {
        let Some(number) = number(path) else { return };
        let is_manifest = path.to_string_lossy().contains("MANIFEST");
        self.rewritten += u64::from(is_manifest && self.exists(&Path::new(STORE).join("CURRENT")));
        if number < self.numbers.floor || !self.numbers.made.insert(number) {
            self.numbers.twice.get_or_insert_with(|| path.display().to_string());
        }
    }

    /// The store was opened.
    pub fn opened(&mut self) {
        self.numbers.floor = self.numbers.floor.max(self.numbers.seen);
    }

    /// The power has gone: decides what is left.
    pub fn survive(&mut self, left: Left) {
        let last = self.last.take();
        let mut rng = self.rng.clone();
        for (at, file) in self.files.iter_mut().enumerate() {
            file.survive(left, Some(at) == last, &mut rng);
        }
        self.dirs.iter_mut().for_each(|dir| dir.survive(left, &mut rng));
        self.rng = rng;
        self.count_names();
    }

    /// Counts the names of files anew, from the root on, and forgets files that have none.
    fn count_names(&mut self) {
        self.files.iter_mut().for_each(|file| file.names = 0);
        let mut dirs = vec![ROOT];
        while let Some(dir) = dirs.pop() {
            for node in self.dirs[dir].live.values() {
                match node {
                    Node::File(file) => self.files[*file].names += 1,
                    Node::Dir(dir) => dirs.push(*dir),
                }
            }
        }
        self.files.iter_mut().filter(|file| file.names == 0).for_each(|file| *file = File::default());
    }

    /// A new process starts; the one before is gone.
    pub fn boot(&mut self) {
        self.life += 1;
        self.is_dead = false;
        (self.cut_at, self.cut_near) = (u64::MAX, None);
        self.locks.clear();
        for file in &mut self.files {
            file.boot(&mut self.rng);
        }
        self.dirs.iter_mut().for_each(Dir::evict);
        self.count_names();
        let names = self.names(Path::new(STORE));
        let highest = names.keys().filter_map(|name| number(&Path::new(STORE).join(name))).max();
        self.numbers.seen = highest.map_or(0, |highest| highest + 1);
        self.numbers.made.clear();
    }

    /// The names in a directory; none if there is no such directory.
    pub fn names(&self, dir: &Path) -> BTreeMap<String, Node> {
        self.dir(Op::Look, dir).map(|dir| self.dirs[dir].live.clone()).unwrap_or_default()
    }
}

/// What a call of a process that is gone is told.
pub fn gone(op: Op, path: &Path) -> Error {
    Error::io(op.name(), path, io::Error::other("the power is gone"))
}

/// The number of a file of the store.
fn number(path: &Path) -> Option<u64> {
    let name = path.strip_prefix(STORE).ok()?.to_str()?;
    let digits = name.strip_prefix("MANIFEST-").or(name.strip_suffix(".sst")).or(name.strip_suffix(".log"))?;
    digits.parse().ok()
}
