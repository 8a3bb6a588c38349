//! What is done with an open store.

use std::sync::Arc;

use lsm_std::fs::Fs;
use lsm_std::{Batch, Db, Error, Result, SyncPolicy, Value};

use super::Run;
use super::history::{Map, Writes};
use super::setup::value;
use crate::disk::STORE;

/// Snapshots open at once.
const SNAPSHOTS_MAX: usize = 3;

type Pair = (Vec<u8>, Vec<u8>);

/// A pair as vectors, or the error.
fn pair(found: Result<(Value, Value)>) -> Result<Pair> {
    found.map(|(key, value)| (key.to_vec(), value.to_vec()))
}

impl Run {
    /// One step, drawn from the seed.
    pub(super) fn step(&mut self, db: &Db, fs: &Arc<dyn Fs>) {
        match self.rng.below(64) {
            0..=23 => self.write(db, 1),
            24..=33 => {
                let writes = self.rng.below(9);
                self.write(db, writes);
            }
            34..=39 => self.get(db),
            40..=45 => self.scan(db),
            46 | 47 => self.open_snapshot(db),
            48 | 49 => self.close_snapshot(),
            50..=52 => self.durably("flush", db, Db::flush),
            53 => self.durably("compact_all", db, Db::compact_all),
            54 => {
                let (low, high) = (self.setup.key(&mut self.rng), self.setup.key(&mut self.rng));
                self.durably("compact_range", db, |db| db.compact_range(low.min(high.clone())..=high));
            }
            55 => {
                let idle = db.wait_idle();
                self.passed("wait_idle", idle);
            }
            56 | 57 => self.durably("sync", db, Db::sync),
            58 => self.checkpoint(db, fs),
            59 => {
                let verified = db.verify();
                self.passed("verify", verified);
            }
            60 => self.look(db),
            _ => self.clock.set(self.rng.next_u64() >> self.rng.below(64)),
        }
    }

    fn draw(&mut self, count: u64) -> Writes {
        let mut writes = Writes::new();
        for _ in 0..count {
            let key = self.setup.key(&mut self.rng);
            let value = (self.rng.below(4) > 0).then(|| value(&mut self.rng));
            writes.push((key, value));
        }
        writes
    }

    /// Writes a batch. Only a full disk refuses it; any other failure makes the store read-only.
    pub(super) fn write(&mut self, db: &Db, count: u64) {
        let writes = self.draw(count);
        let done = match &writes[..] {
            [(key, Some(value))] => db.put(key, value),
            [(key, None)] => db.delete(key),
            writes => {
                let mut batch = Batch::new();
                for (key, value) in writes {
                    match value {
                        Some(value) => batch.put(key, value),
                        None => batch.delete(key),
                    }
                }
                db.write(batch)
            }
        };
        let is_dead = self.disk.is_dead();
        if writes.is_empty() {
            return;
        }
        match self.passed("write", done.clone()) {
            Some(()) if self.trouble.is_read_only => self.broken("a write to a store that is read-only"),
            Some(()) => {
                self.tally.batches += 1;
                self.history.acknowledged(writes);
                if self.setup.sync == SyncPolicy::Always {
                    self.history.all_durable();
                }
            }
            None if is_dead => self.history.doubted(writes),
            None => match done {
                Err(error) if error.is_no_space() && !self.trouble.is_read_only => {}
                Err(Error::ReadOnly { .. }) => {
                    self.trouble.is_read_only = true;
                    self.history.doubted(writes);
                }
                other => self.broken(&format!("a write that is neither refused nor the last: {other:?}")),
            },
        }
    }

    /// A call after which everything is durable.
    fn durably(&mut self, what: &str, db: &Db, call: impl FnOnce(&Db) -> Result<()>) {
        let done = call(db);
        if self.passed(what, done).is_some() {
            if self.trouble.is_read_only {
                self.broken(&format!("{what} is well though the store is read-only"));
            }
            self.history.all_durable();
        }
    }

    fn get(&mut self, db: &Db) {
        let key = self.setup.key(&mut self.rng);
        let found = db.get(&key);
        if let Some(found) = self.passed("get", found) {
            self.same("get", &found.map(|value| value.to_vec()), &self.history.map.get(&key).cloned());
        }
        for (snapshot, map) in &self.snapshots {
            if let Some(found) = self.passed("get", snapshot.get(&key)) {
                self.same("get of a snapshot", &found.map(|value| value.to_vec()), &map.get(&key).cloned());
            }
        }
    }

    /// A range, from both ends by turns.
    fn scan(&mut self, db: &Db) {
        let (low, high) = (self.setup.key(&mut self.rng), self.setup.key(&mut self.rng));
        let mut found = db.range(low.as_slice()..high.as_slice());
        let expected = self.history.map.iter().filter(|(key, _)| **key >= low && **key < high);
        let mut expected: std::collections::VecDeque<Pair> =
            expected.map(|(key, value)| (key.clone(), value.clone())).collect();
        for _ in 0..self.rng.below(20) {
            let is_front = self.rng.below(2) == 0;
            let next = if is_front { found.next() } else { found.next_back() };
            let Some(next) = self.passed("scan", next.map(pair).transpose()) else { return };
            let expected = if is_front { expected.pop_front() } else { expected.pop_back() };
            self.same("scan", &next, &expected);
        }
    }

    fn open_snapshot(&mut self, db: &Db) {
        if self.snapshots.len() < SNAPSHOTS_MAX {
            self.snapshots.push((db.snapshot(), self.history.map.clone()));
        }
    }

    fn close_snapshot(&mut self) {
        if !self.snapshots.is_empty() {
            let at = self.rng.below(self.snapshots.len() as u64) as usize;
            self.snapshots.swap_remove(at);
        }
    }

    /// Holds all of the store against the map, from both ends, and so every snapshot.
    pub(super) fn look(&self, db: &Db) {
        self.all("the store", db.iter(), &self.history.map);
        self.all("the store, backwards", db.iter().rev(), &self.history.map);
        for (snapshot, map) in &self.snapshots {
            self.all("a snapshot", snapshot.iter(), map);
        }
    }

    fn all(&self, what: &str, found: impl Iterator<Item = Result<(Value, Value)>>, map: &Map) {
        let Some(mut found) = self.passed(what, found.map(pair).collect::<Result<Vec<_>>>()) else { return };
        found.sort();
        let expected: Vec<_> = map.clone().into_iter().collect();
        self.same(what, &found, &expected);
    }

    fn same<T: PartialEq + std::fmt::Debug>(&self, what: &str, found: &T, expected: &T) {
        if found != expected {
            let (mut found, mut expected) = (format!("{found:?}"), format!("{expected:?}"));
            for text in [&mut found, &mut expected] {
                text.truncate(400);
            }
            self.broken(&format!("{what} holds {found} instead of {expected}"));
        }
    }

    /// Makes a checkpoint, in place of the one before, and opens it.
    fn checkpoint(&mut self, db: &Db, fs: &Arc<dyn Fs>) {
        if let Some((old, _)) = self.copy.take() {
            for (path, _) in self.disk.files(&old) {
                let removed = fs.remove(&path);
                self.passed("remove", removed);
            }
        }
        self.copies += 1;
        let dir = format!("copy-{}", self.copies);
        let mut made = db.checkpoint(&dir);
        if made.is_err() && !self.disk.is_dead() && self.trouble.is_over() && !self.trouble.is_read_only {
            made = db.checkpoint(&dir);
        }
        if self.passed("checkpoint", made).is_some() {
            self.tally.checkpoints += 1;
            self.history.all_durable();
            self.copy = Some((dir, self.history.map.clone()));
            self.open_copy(fs);
        }
    }

    /// The checkpoint holds what the store held.
    fn open_copy(&self, fs: &Arc<dyn Fs>) {
        let Some((dir, map)) = &self.copy else { return };
        let opened = self.setup.options(Arc::clone(fs), &self.clock).open(dir);
        if let Some(copy) = self.passed("open a checkpoint", opened) {
            self.all("a checkpoint", copy.iter(), map);
            self.passed("verify a checkpoint", copy.verify());
        }
    }

    /// The checkpoint outlives whatever has ended the life.
    pub(super) fn look_at_copy(&mut self) {
        if self.copy.is_some() && self.trouble.is_over() && self.rng.below(3) == 0 {
            let fs = self.disk.boot();
            self.open_copy(&fs);
        }
    }

    /// Flips a bit of a closed store, in a copy of the disk: what it then answers is right, or an error.
    pub(super) fn flip(&mut self) {
        let files: Vec<_> = self.disk.files(STORE).into_iter().filter(|(_, len)| *len > 0).collect();
        // After a fault a file may be left that nobody needs.
        let is_whole = !self.trouble.has_hit(self.disk.hits());
        if files.is_empty() || !is_whole || self.rng.below(2) == 0 {
            return;
        }
        let (path, len) = &files[self.rng.below(files.len() as u64) as usize];
        let image = self.disk.image();
        image.heal();
        image.flip(path, self.rng.below(*len as u64 * 8) as usize);
        self.tally.flips += 1;
        let fs = image.boot();
        let is_seen = self.setup.options(Arc::clone(&fs), &self.clock).verify(STORE).is_err();
        if !is_seen {
            self.broken(&format!("verify does not see a flipped bit of {}", path.display()));
        }
        let Ok(db) = self.setup.options(fs, &self.clock).open(STORE) else { return };
        for at in [false, true] {
            let found: Result<Vec<_>> =
                if at { db.iter().rev().map(pair).collect() } else { db.iter().map(pair).collect() };
            if let Ok(mut found) = found {
                found.sort();
                self.same("a store with a flipped bit", &found, &self.history.map.clone().into_iter().collect());
            }
        }
    }
}
