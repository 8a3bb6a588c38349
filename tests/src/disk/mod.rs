//! A simulated disk, to be put under the engine.
//!
//! It keeps what was written apart from what is durable: a file's bytes sector by sector, its length, and each of its names.
//! Bytes and length are durable after a sync of the file, names after a sync of their directory, and nothing else is. When the
//! power goes, of all that is not durable any part may be left, in any order: a name without bytes, a length without bytes
//! (zeros, or what a file that is written over held before), a sector of the third write without the first two, the new name
//! of a renamed file with or without the old one, a removed file. The last write may be torn at any byte. What is taken for
//! granted: a sector is written as a whole or not at all where a later write survives, and what was never written reads as
//! zeros.
//!
//! Any call can be the one in which the power goes, or fail: once, several times or from then on. A sync that fails loses what it
//! was to make durable, whatever later syncs say; the process that called it and those after it may find that there or not, until
//! the power goes; names only that process. Everything follows from one seed and the calls made.

mod calls;
mod dir;
mod fault;
mod file;
mod state;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lsm_std::fs::Fs;

pub use calls::Process;
pub use fault::{Fault, Hits, Op};
pub use file::SECTOR_BYTES;
use state::State;

/// The directory of the store under test.
pub const STORE: &str = "store";

/// What a power cut leaves of what was not durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// Nothing.
    Nothing,
    /// Everything.
    Everything,
    /// Every other sector, and every other step of a directory.
    Alternating,
    /// Everything, but of the last write of all only so many bytes.
    Torn(usize),
    /// Everything, but of the file last written to one sector as it was after so many of the writes that are not durable.
    Late {
        /// The sector.
        sector: usize,
        /// The writes.
        writes: usize,
    },
    /// What the seed says, differently for every file and name.
    Random,
}

/// A disk. Clones are the same disk.
#[derive(Clone, Debug)]
pub struct Disk(Arc<Mutex<State>>);

impl Disk {
    /// An empty disk. What is left to chance follows from `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(State::new(seed))))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts a process that uses the disk. The one before is gone, as by SIGKILL: nothing that it still does has an effect, what
    /// it did is there.
    #[must_use]
    pub fn boot(&self) -> Arc<dyn Fs> {
        let mut state = self.state();
        state.boot();
        Arc::new(Process { disk: self.clone(), life: state.life })
    }

    /// Cuts the power in the changing call of this number from now on, the next one being 1: it may happen or not, in part or
    /// wholly, and no later one does.
    pub fn cut_in(&self, calls: u64) {
        let mut state = self.state();
        state.cut_at = state.calls.saturating_add(calls);
    }

    /// Cuts the power so many calls after the next file is made whose path has `part` in it; 0 for that call.
    pub fn cut_near(&self, part: &'static str, calls: u64) {
        self.state().cut_near = Some((part, calls));
    }

    /// Cuts the power now, if that has not happened yet, and decides what is left.
    pub fn cut(&self, left: Left) {
        let mut state = self.state();
        state.is_dead = true;
        state.survive(left);
    }

    /// Whether the power is gone.
    #[must_use]
    pub fn is_dead(&self) -> bool {
        self.state().is_dead
    }

    /// Makes calls fail.
    pub fn fail(&self, fault: Fault) {
        self.state().faults.push(fault);
    }

    /// From now on no call fails, and there is room without limit.
    pub fn heal(&self) {
        let mut state = self.state();
        state.faults.clear();
        state.capacity = u64::MAX;
    }

    /// Leaves room for so many bytes more.
    pub fn fill(&self, room: u64) {
        let mut state = self.state();
        state.capacity = state.used().saturating_add(room);
    }

    /// From now on the disk copies: what is written over needs as much room besides while it is written.
    pub fn copy_on_write(&self) {
        self.state().copies = true;
    }

    /// From now on the disk may take files that are written through shared memory in the midst of a write.
    pub fn take_pieces(&self) {
        self.state().in_pieces = true;
    }

    /// Calls that have failed, ever.
    #[must_use]
    pub fn hits(&self) -> Hits {
        self.state().hits
    }

    /// Calls that change something, ever.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.state().calls
    }

    /// Bytes of the files that have a name, and the most that there ever were.
    #[must_use]
    pub fn used(&self) -> (u64, u64) {
        let state = self.state();
        (state.used(), state.peak)
    }

    /// The most bytes that tables of the store have had since the last call.
    #[must_use]
    pub fn tables_peak(&self) -> u64 {
        let mut state = self.state();
        let now = state.tables();
        std::mem::replace(&mut state.tables_peak, now)
    }

    /// Files that were written over for new ones, and manifests that were made beside one in use.
    #[must_use]
    pub fn rewritten(&self) -> (u64, u64) {
        let state = self.state();
        (state.reused, state.rewritten)
    }

    /// Tells that the process has opened the store: the numbers of the files that it found are not to be used again.
    pub fn opened(&self) {
        self.state().opened();
    }

    /// A file of the store whose number an earlier one has had.
    #[must_use]
    pub fn used_twice(&self) -> Option<String> {
        self.state().numbers.twice.clone()
    }

    /// The files in `dir`, each with its length in bytes.
    #[must_use]
    pub fn files(&self, dir: impl AsRef<Path>) -> Vec<(PathBuf, usize)> {
        let (dir, state) = (dir.as_ref(), self.state());
        let len = |node| match node {
            dir::Node::File(file) => Some(state.files[file].live.len()),
            dir::Node::Dir(_) => None,
        };
        state.names(dir).into_iter().filter_map(|(name, node)| Some((dir.join(name), len(node)?))).collect()
    }

    /// Flips one bit of a file, on disk and for readers.
    pub fn flip(&self, path: impl AsRef<Path>, bit: usize) {
        let mut state = self.state();
        if let Ok(file) = state.file(Op::Look, path.as_ref()) {
            state.files[file].flip(bit);
        }
    }

    /// A disk of its own that is as this one is now.
    #[must_use]
    pub fn image(&self) -> Self {
        Self(Arc::new(Mutex::new(self.state().clone())))
    }

    /// From now on the disk is kept as it is before every changing call, with the [mark](Self::mark) of that moment.
    pub fn film(&self) {
        self.state().pictures = Some(Vec::new());
    }

    /// Marks the calls from now on.
    pub fn mark(&self, mark: usize) {
        self.state().mark = mark;
    }

    /// The disks before every changing call since [`film`](Self::film), and as it is now; each with its mark.
    #[must_use]
    pub fn pictures(&self) -> Vec<(usize, Self)> {
        let mut state = self.state();
        state.take_picture();
        let pictures = state.pictures.take().unwrap_or_default();
        pictures.into_iter().map(|state| (state.mark, Self(Arc::new(Mutex::new(state))))).collect()
    }

    /// Bytes of the last write of all, if it is not durable.
    #[must_use]
    pub fn last_write(&self) -> Option<usize> {
        let state = self.state();
        state.files[state.last?].last_write()
    }

    /// Writes to the file last written to that are not durable, and sectors that it has.
    #[must_use]
    pub fn last_writes(&self) -> Option<(usize, usize)> {
        let state = self.state();
        Some(state.files[state.last?].writes())
    }
}
