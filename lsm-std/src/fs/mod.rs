//! The one door to the disk.
//!
//! Everything the engine does to files goes through [`Fs`]: the operating system's ([`RealFs`]), one in memory ([`MemFs`]), one
//! over another that is only read ([`Overlay`]), or a test's own that cuts the power. Nothing is durable by itself: a file's
//! bytes are after [`WriteFile::sync`], its name is after [`Fs::sync_dir`] of its directory.
//!
//! Every error is [`Error::Io`](crate::Error::Io) with the operation and the path, except where said otherwise.

mod counting;
mod direct;
mod dirs;
mod mapped;
mod mem;
pub(crate) mod names;
mod overlay;
mod pages;
mod real;
mod replace;

use std::fmt;
use std::path::Path;
use std::sync::Arc;

pub(crate) use counting::CountingFs;
pub use counting::IoStats;
pub(crate) use dirs::make_dir;
pub use mapped::MappedFile;
pub(crate) use mapped::roomy;
pub use mem::MemFs;
pub(crate) use names::FileName;
pub use overlay::Overlay;
pub(crate) use pages::{PAGE_BYTES, read_pages};
pub use real::RealFs;
pub(crate) use replace::{prepare_small, publish_small, read_small, replace_small};

use crate::error::Result;

/// Smallest unit that a device takes or loses, in bytes.
pub const SECTOR_BYTES: u64 = 512;

/// True if what lies from `at` to `end` reaches into a second sector, not up to its end, and its first `head` bytes do not.
///
/// A device takes a sector as it is at some moment, two of them at two. Has it taken the first one when all was written and the
/// second one in the midst of the writing, then nothing that came later is in the second, and a zero stands at `end`.
pub(crate) fn reaches_next_sector(at: u64, head: u64, end: u64) -> bool {
    let next = at - at % SECTOR_BYTES + SECTOR_BYTES;
    at + head <= next && next < end && end < next + SECTOR_BYTES
}

/// What a file is opened for. Bytes are counted by it, so that amplification can be computed from what the disk saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// The write-ahead log.
    Log,
    /// Tables written from a memtable.
    Flush,
    /// Tables read and written by merges.
    Merge,
    /// The manifest and the file that names it.
    Manifest,
    /// Tables read for the user.
    Read,
    /// All else: checkpoints, checks, learned state.
    Other,
}

impl Purpose {
    /// Every purpose, in order of its index.
    pub const ALL: [Self; 6] = [Self::Log, Self::Flush, Self::Merge, Self::Manifest, Self::Read, Self::Other];
}

/// Files and directories.
///
/// Paths are used as they are given. A directory holds names in UTF-8; others are not listed.
pub trait Fs: Send + Sync + fmt::Debug {
    /// A new, empty file. Fails with `AlreadyExists` if the name is taken.
    fn create(&self, path: &Path, purpose: Purpose) -> Result<Box<dyn WriteFile>>;

    /// A new, empty file `to` in the room of `from`, a file of no more use that nobody has open; the name `from` goes. Bytes of
    /// the old file may follow those appended until [`WriteFile::end`]. As little durable as a removal and a creation, which it
    /// is unless the file layer knows something cheaper.
    ///
    /// Other names of the old file keep its bytes.
    fn reuse(&self, from: &Path, to: &Path, purpose: Purpose) -> Result<Box<dyn WriteFile>> {
        self.remove(from)?;
        self.create(to, purpose)
    }

    /// Cuts an existing file to `len` bytes, syncs the cut, and goes on writing there.
    ///
    /// Fails with `InvalidInput` if the file is shorter than `len`: a cut never grows a file.
    fn append(&self, path: &Path, len: u64, purpose: Purpose) -> Result<Box<dyn WriteFile>>;

    /// Writes `bytes` once more where an existing file holds them, at `at`; cuts off what follows, syncs, and goes on writing there.
    ///
    /// After a sync that failed the system may show bytes that are not on the disk, and call them synced the next time: what
    /// was read is made durable by writing it again. Without an implementation of its own a file layer says that it shows none.
    ///
    /// Fails with `InvalidInput` if the file ends before `at`.
    fn rewrite(&self, path: &Path, at: u64, bytes: &[u8], purpose: Purpose) -> Result<Box<dyn WriteFile>> {
        self.append(path, at.saturating_add(bytes.len() as u64), purpose)
    }

    /// An existing file, for reading. It stays readable through this handle after it has been removed.
    fn open(&self, path: &Path, purpose: Purpose) -> Result<Arc<dyn ReadFile>>;

    /// As [`open`](Self::open), and what is read does not go through the system's cache, as far as file layer, file system and
    /// device can do that.
    fn open_direct(&self, path: &Path, purpose: Purpose) -> Result<Arc<dyn ReadFile>> {
        self.open(path, purpose)
    }

    /// An existing file as memory that is shared with the system, to be read by the engine alone. `None` where that cannot be had.
    fn map(&self, path: &Path) -> Option<MappedFile> {
        let _ = path;
        None
    }

    /// Gives a file another name, in one step, replacing what had that name. Durable after `sync_dir` of the directory.
    fn rename(&self, from: &Path, to: &Path) -> Result<()>;

    /// Removes a file's name.
    fn remove(&self, path: &Path) -> Result<()>;

    /// Names of all files and directories in `dir`, in no order.
    fn list(&self, dir: &Path) -> Result<Vec<String>>;

    /// Makes `dir` and the directories above it that are missing. Durable after `sync_dir` of the directory above.
    fn create_dir_all(&self, dir: &Path) -> Result<()>;

    /// Makes creations, renames and removals in `dir` durable.
    fn sync_dir(&self, dir: &Path) -> Result<()>;

    /// Takes the lock file `path`, making it if need be; free again when the guard is dropped or the process ends.
    ///
    /// [`Error::Locked`](crate::Error::Locked) if another process or another guard has it.
    fn lock(&self, path: &Path) -> Result<Box<dyn FileLock>>;

    /// Bytes that may still be written to the device of `dir`.
    fn free_bytes(&self, dir: &Path) -> Result<u64>;

    /// A second name `to` for the file `from`, or a synced copy where the device has no hard links. Fails with `AlreadyExists` if
    /// `to` is taken.
    fn link(&self, from: &Path, to: &Path) -> Result<()>;

    /// True if there is a file or directory of this name.
    fn exists(&self, path: &Path) -> Result<bool>;

    /// Length of a file in bytes.
    fn file_len(&self, path: &Path) -> Result<u64>;
}

/// A file that grows at its end.
pub trait WriteFile: Send + fmt::Debug {
    /// Hands all of `bytes` to the operating system, in one call at most where the system allows.
    ///
    /// After an error an unknown part of them has been written.
    fn append(&mut self, bytes: &[u8]) -> Result<()>;

    /// As [`append`](Self::append), for a reader who knows from the first `head` bytes where the last ones end, and takes these for
    /// unfinished where a zero stands behind them. Without an implementation of its own a file layer makes no use of that.
    fn append_headed(&mut self, bytes: &[u8], head: usize) -> Result<()> {
        let _ = head;
        self.append(bytes)
    }

    /// Makes the file `len` bytes long, with zeros behind the bytes appended, over which the next ones are written: syncs have less
    /// to do then. [`end`](Self::end) cuts off what is left. Without an implementation of its own a file layer does nothing.
    ///
    /// After an error the file may be as it was or `len` bytes long.
    fn reserve(&mut self, len: u64) -> Result<()> {
        let _ = len;
        Ok(())
    }

    /// As [`reserve`](Self::reserve), and room on the device is taken at once. An append that fits and lies within one
    /// [sector](SECTOR_BYTES), or [behind its head](Self::append_headed) in a part of the next one too, is handed over through memory
    /// shared with the system, which costs no call: as good as one if the process dies. Its first byte comes last: the power may go
    /// in between. A device that then fails to read a page back ends the process.
    ///
    /// Fails with `Unsupported` where the file system does not promise that what has room can be written.
    fn reserve_mapped(&mut self, len: u64) -> Result<()> {
        self.reserve(len)
    }

    /// Cuts off what a [reused](Fs::reuse) or [reserved](Self::reserve) file still holds behind the bytes appended. To be called
    /// before a reused one is read.
    fn end(&mut self) -> Result<()> {
        Ok(())
    }

    /// Makes every byte appended so far survive a power cut, and what [`end`](Self::end) has done.
    ///
    /// After an error nothing is known of any byte since the last good sync, and trying again proves nothing.
    fn sync(&mut self) -> Result<()>;

    /// Bytes in the file so far, those it was opened with included, and reserved ones left out.
    fn len(&self) -> u64;

    /// True if nothing has been written.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A file to read at any place, from any thread.
pub trait ReadFile: Send + Sync + fmt::Debug {
    /// Fills `buf` from `offset`. Fails with `UnexpectedEof` if the file ends before.
    fn read_at(&self, buf: &mut [u8], offset: u64) -> Result<()>;

    /// Length of the file when it was opened.
    fn len(&self) -> u64;

    /// True if the file was empty when it was opened.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Holds a lock file until it is dropped.
pub trait FileLock: Send + Sync + fmt::Debug {}

#[cfg(test)]
pub(crate) mod faulty;
#[cfg(test)]
mod tests;
