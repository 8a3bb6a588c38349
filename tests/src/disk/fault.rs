//! Which calls fail, and how.

use std::io::ErrorKind;

/// A call to the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// A new file.
    Create,
    /// Bytes at the end of a file.
    Append,
    /// Zeros ahead of what will be written.
    Reserve,
    /// The end of a file written over.
    End,
    /// A file cut and synced.
    Cut,
    /// Sync of a file.
    Sync,
    /// Sync of a directory.
    SyncDir,
    /// Another name for a file, the first of the two calls of a reuse too.
    Rename,
    /// A name removed.
    Remove,
    /// A second name for a file.
    Link,
    /// A new directory.
    MakeDir,
    /// A file opened for reading.
    Open,
    /// Bytes read.
    Read,
    /// A directory listed, a name looked up, a length asked for.
    Look,
}

impl Op {
    /// The calls that a full disk fails.
    pub const ROOM: &[Self] = &[Self::Create, Self::Append, Self::Reserve, Self::Link, Self::MakeDir];
    /// The calls whose failure leaves it unknown what the disk holds.
    pub const SYNCS: &[Self] = &[Self::Sync, Self::SyncDir];
    /// The calls that change nothing.
    pub const READS: &[Self] = &[Self::Open, Self::Read, Self::Look];
    /// The calls that change something, syncs apart.
    pub const WRITES: &[Self] = &[
        Self::Create,
        Self::Append,
        Self::Reserve,
        Self::End,
        Self::Cut,
        Self::Rename,
        Self::Remove,
        Self::Link,
        Self::MakeDir,
    ];

    /// Its name in errors: as the operating system's files have it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Create | Self::MakeDir => "create",
            Self::Append => "append",
            Self::Reserve => "reserve",
            Self::End | Self::Cut => "cut",
            Self::Sync | Self::SyncDir => "sync",
            Self::Rename => "rename",
            Self::Remove => "remove",
            Self::Link => "link",
            Self::Open => "open",
            Self::Read => "read",
            Self::Look => "stat",
        }
    }

    /// Whether it changes what is on disk: a moment at which the power may go.
    pub(super) fn changes(self) -> bool {
        !Self::READS.contains(&self)
    }
}

/// Calls that fail.
#[derive(Clone, Debug)]
pub struct Fault {
    /// Of these kinds.
    pub ops: &'static [Op],
    /// On paths that end so.
    pub suffix: &'static str,
    /// With this error.
    pub kind: ErrorKind,
    /// After so many that pass.
    pub after: u64,
    /// So many of them; `u64::MAX` for all from then on.
    pub times: u64,
}

/// Calls that have failed by a [`Fault`], or for want of room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hits {
    /// For want of room.
    pub full: u64,
    /// Syncs in the directory of the store.
    pub syncs: u64,
    /// Reads and the like.
    pub reads: u64,
    /// Others.
    pub others: u64,
}

impl Hits {
    /// All of them.
    #[must_use]
    pub fn all(&self) -> u64 {
        self.full + self.syncs + self.reads + self.others
    }
}
