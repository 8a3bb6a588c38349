//! The calls of the engine's file layer.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use compaction_core::sim::SplitMix;
use lsm_std::fs::{FileLock, Fs, Purpose, ReadFile, WriteFile};
use lsm_std::{Error, Result};

use super::Disk;
use super::dir::{Dir, Node};
use super::fault::Op;
use super::file::File;
use super::state::{Fate, State, gone};

/// The disk as one process sees it.
#[derive(Clone, Debug)]
pub struct Process {
    pub(super) disk: Disk,
    pub(super) life: u64,
}

/// Cutting or rewriting a file is durable when it works; what of it stays after a failure is open.
fn end_of_change(content: &mut File, fate: Fate, rng: &mut SplitMix, path: &Path) -> Result<()> {
    match fate {
        Fate::Works => content.sync(),
        Fate::Dies => return Err(gone(Op::Cut, path)),
        Fate::Fails(error) => {
            content.lose(rng, false);
            return Err(error);
        }
    }
    Ok(())
}

impl Process {
    /// A call that changes something, has no effect if it fails, and one that is not durable otherwise.
    fn change<T>(&self, op: Op, path: &Path, effect: impl FnOnce(&mut State) -> Result<T>) -> Result<T> {
        let mut state = self.disk.state();
        let dies = state.call(self.life, op, path)?;
        let done = effect(&mut state)?;
        if dies { Err(gone(op, path)) } else { Ok(done) }
    }

    /// A call that changes nothing.
    fn look<T>(&self, op: Op, path: &Path, look: impl FnOnce(&State) -> Result<T>) -> Result<T> {
        let mut state = self.disk.state();
        state.call(self.life, op, path)?;
        look(&state)
    }

    fn writer(&self, path: &Path, file: usize, len: u64) -> Box<dyn WriteFile> {
        Box::new(Writer { process: self.clone(), path: path.into(), file, len, is_mapped: false })
    }
}

impl Fs for Process {
    fn create(&self, path: &Path, _: Purpose) -> Result<Box<dyn WriteFile>> {
        let file = self.change(Op::Create, path, |state| {
            let file = state.create(Op::Create, path)?;
            state.numbered(path);
            Ok(file)
        })?;
        Ok(self.writer(path, file, 0))
    }

    /// As the operating system's: renames the file and writes over it, unless it has other names.
    fn reuse(&self, from: &Path, to: &Path, purpose: Purpose) -> Result<Box<dyn WriteFile>> {
        self.rename(from, to)?;
        let (file, names) = self
            .look(Op::Open, to, |state| {
                let file = state.file(Op::Open, to)?;
                Ok((file, state.files[file].names))
            })
            .map_err(|error| match error {
                // Only reads are tried again after a failed opening.
                Error::Io { source, .. } => Error::io(Op::Create.name(), to, source.kind().into()),
                error => error,
            })?;
        if names > 1 {
            self.remove(to)?;
            return self.create(to, purpose);
        }
        let mut state = self.disk.state();
        state.numbered(to);
        state.reused += 1;
        drop(state);
        Ok(self.writer(to, file, 0))
    }

    fn append(&self, path: &Path, len: u64, _: Purpose) -> Result<Box<dyn WriteFile>> {
        let mut state = self.disk.state();
        let fate = state.begin(self.life, Op::Cut, path)?;
        let file = state.file(Op::Cut, path)?;
        let State { files, rng, .. } = &mut *state;
        let content = &mut files[file];
        if (content.live.len() as u64) < len {
            return Err(Error::io("cut", path, ErrorKind::InvalidInput.into()));
        }
        content.cut(len as usize);
        end_of_change(content, fate, rng, path)?;
        drop(state);
        Ok(self.writer(path, file, len))
    }

    fn rewrite(&self, path: &Path, at: u64, bytes: &[u8], _: Purpose) -> Result<Box<dyn WriteFile>> {
        let mut state = self.disk.state();
        let fate = state.begin(self.life, Op::Cut, path)?;
        let file = state.file(Op::Cut, path)?;
        if state.copies && state.room() < bytes.len() as u64 {
            state.hits.full += 1;
            return Err(Error::io("rewrite", path, ErrorKind::StorageFull.into()));
        }
        state.last = Some(file);
        let State { files, rng, .. } = &mut *state;
        let (content, len) = (&mut files[file], at as usize + bytes.len());
        if content.live.len() < at as usize {
            return Err(Error::io("rewrite", path, ErrorKind::InvalidInput.into()));
        }
        content.write(at as usize, bytes);
        if content.live.len() > len {
            content.cut(len);
        }
        end_of_change(content, fate, rng, path)?;
        drop(state);
        Ok(self.writer(path, file, len as u64))
    }

    fn open(&self, path: &Path, _: Purpose) -> Result<Arc<dyn ReadFile>> {
        let (file, len) = self.look(Op::Open, path, |state| {
            let file = state.file(Op::Open, path)?;
            Ok((file, state.files[file].live.len() as u64))
        })?;
        Ok(Arc::new(Reader { process: self.clone(), path: path.into(), file, len }))
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        self.change(Op::Rename, from, |state| {
            let file = state.file(Op::Rename, from)?;
            state.name(Op::Rename, to, Some(Node::File(file)))?;
            state.name(Op::Rename, from, None)
        })
    }

    fn remove(&self, path: &Path) -> Result<()> {
        self.change(Op::Remove, path, |state| {
            state.file(Op::Remove, path)?;
            state.name(Op::Remove, path, None)
        })
    }

    fn list(&self, dir: &Path) -> Result<Vec<String>> {
        self.look(Op::Look, dir, |state| {
            let dir = state.dir(Op::Look, dir)?;
            Ok(state.dirs[dir].live.keys().cloned().collect())
        })
    }

    fn create_dir_all(&self, path: &Path) -> Result<()> {
        self.change(Op::MakeDir, path, |state| {
            let mut above: Vec<_> = path.ancestors().filter(|dir| !state.exists(dir)).collect();
            while let Some(dir) = above.pop() {
                let node = Node::Dir(state.dirs.len());
                state.dirs.push(Dir::default());
                state.name(Op::MakeDir, dir, Some(node))?;
            }
            Ok(())
        })
    }

    fn sync_dir(&self, path: &Path) -> Result<()> {
        let mut state = self.disk.state();
        let fate = state.begin(self.life, Op::SyncDir, path)?;
        let dir = state.dir(Op::SyncDir, path)?;
        let State { dirs, rng, .. } = &mut *state;
        match fate {
            Fate::Works => dirs[dir].sync(),
            Fate::Dies => return Err(gone(Op::SyncDir, path)),
            Fate::Fails(error) => {
                dirs[dir].lose(rng);
                return Err(error);
            }
        }
        Ok(())
    }

    fn lock(&self, path: &Path) -> Result<Box<dyn FileLock>> {
        self.change(Op::Create, path, |state| {
            if !state.exists(path) {
                state.create(Op::Create, path)?;
            }
            let is_free = state.locks.insert(path.into());
            if is_free { Ok(()) } else { Err(Error::Locked { path: path.into() }) }
        })?;
        Ok(Box::new(Lock { process: self.clone(), path: path.into() }))
    }

    fn free_bytes(&self, dir: &Path) -> Result<u64> {
        self.look(Op::Look, dir, |state| Ok(state.room()))
    }

    fn link(&self, from: &Path, to: &Path) -> Result<()> {
        self.change(Op::Link, to, |state| {
            let file = state.file(Op::Link, from)?;
            state.vacant(Op::Link, to)?;
            state.name(Op::Link, to, Some(Node::File(file)))
        })
    }

    fn exists(&self, path: &Path) -> Result<bool> {
        self.look(Op::Look, path, |state| Ok(state.exists(path)))
    }

    fn file_len(&self, path: &Path) -> Result<u64> {
        self.look(Op::Look, path, |state| {
            let file = state.file(Op::Look, path)?;
            Ok(state.files[file].live.len() as u64)
        })
    }
}

#[derive(Debug)]
struct Writer {
    process: Process,
    path: PathBuf,
    file: usize,
    len: u64,
    /// What is appended is written bit by bit.
    is_mapped: bool,
}

impl WriteFile for Writer {
    /// A full disk takes what it has room for; an append that fails otherwise leaves any part of its bytes.
    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.append_headed(bytes, bytes.len())
    }

    fn append_headed(&mut self, bytes: &[u8], head: usize) -> Result<()> {
        let mut state = self.process.disk.state();
        let mut fate = state.begin(self.process.life, Op::Append, &self.path)?;
        let at = self.len as usize;
        let grows = (at + bytes.len()).saturating_sub(state.files[self.file].live.len());
        let room = state.room();
        let mut taken = bytes.len();
        if matches!(fate, Fate::Works) && grows as u64 > room {
            taken -= grows - room as usize;
            state.hits.full += 1;
            fate = Fate::Fails(Error::io("append", &self.path, ErrorKind::StorageFull.into()));
        } else if matches!(fate, Fate::Fails(_)) {
            taken = state.rng.below(bytes.len() as u64 + 1) as usize;
        }
        let State { files, rng, .. } = &mut *state;
        match self.is_mapped {
            true => files[self.file].write_mapped(at, &bytes[..taken], head, rng),
            false => files[self.file].write(at, &bytes[..taken]),
        }
        state.last = Some(self.file);
        state.peak = state.peak.max(state.used());
        state.tables_peak = state.tables_peak.max(state.tables());
        self.len += taken as u64;
        match fate {
            Fate::Works => Ok(()),
            Fate::Dies => Err(gone(Op::Append, &self.path)),
            Fate::Fails(error) => Err(error),
        }
    }

    fn reserve(&mut self, len: u64) -> Result<()> {
        let file = self.file;
        self.process.change(Op::Reserve, &self.path, |state| {
            let at = state.files[file].live.len();
            let more = (len as usize).saturating_sub(at);
            if more as u64 > state.room() {
                state.hits.full += 1;
                return Err(Error::io("reserve", &self.path, ErrorKind::StorageFull.into()));
            }
            state.files[file].write(at, &vec![0; more]);
            state.peak = state.peak.max(state.used());
            Ok(())
        })
    }

    fn reserve_mapped(&mut self, len: u64) -> Result<()> {
        self.reserve(len)?;
        self.is_mapped = self.process.disk.state().in_pieces;
        Ok(())
    }

    fn end(&mut self) -> Result<()> {
        let (file, len) = (self.file, self.len as usize);
        self.process.change(Op::End, &self.path, |state| {
            if state.files[file].live.len() > len {
                state.files[file].cut(len);
            }
            Ok(())
        })
    }

    fn sync(&mut self) -> Result<()> {
        let mut state = self.process.disk.state();
        let fate = state.begin(self.process.life, Op::Sync, &self.path)?;
        let State { files, rng, .. } = &mut *state;
        match fate {
            Fate::Works => files[self.file].sync(),
            Fate::Dies => return Err(gone(Op::Sync, &self.path)),
            Fate::Fails(error) => {
                let evict = rng.below(2) == 0;
                files[self.file].lose(rng, evict);
                return Err(error);
            }
        }
        Ok(())
    }

    fn len(&self) -> u64 {
        self.len
    }
}

#[derive(Debug)]
struct Reader {
    process: Process,
    path: PathBuf,
    file: usize,
    len: u64,
}

impl ReadFile for Reader {
    /// A read that fails may have filled a part of the buffer.
    fn read_at(&self, buf: &mut [u8], offset: u64) -> Result<()> {
        let mut state = self.process.disk.state();
        let fate = state.begin(self.process.life, Op::Read, &self.path)?;
        let part = state.rng.below(buf.len() as u64 + 1) as usize;
        let bytes = state.files[self.file].live.get(offset as usize..).unwrap_or(&[]);
        let wanted = if matches!(fate, Fate::Fails(_)) { part } else { buf.len() };
        let found = wanted.min(bytes.len());
        buf[..found].copy_from_slice(&bytes[..found]);
        match fate {
            Fate::Fails(error) => Err(error),
            _ if found < buf.len() => Err(Error::io("read", &self.path, ErrorKind::UnexpectedEof.into())),
            _ => Ok(()),
        }
    }

    fn len(&self) -> u64 {
        self.len
    }
}

#[derive(Debug)]
struct Lock {
    process: Process,
    path: PathBuf,
}

impl FileLock for Lock {}

impl Drop for Lock {
    fn drop(&mut self) {
        let mut state = self.process.disk.state();
        if state.life == self.process.life {
            state.locks.remove(&self.path);
        }
    }
}
