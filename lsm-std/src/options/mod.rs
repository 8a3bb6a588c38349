//! How a store is opened: one builder, checked as a whole.

mod check;

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use compaction_core::AnySettings;

use crate::clock::{Clock, LogicalClock, SystemClock};
use crate::db::{Db, Verified};
use crate::engine::{inspect, repair};
use crate::error::Result;
use crate::fs::{Fs, RealFs};
use crate::repaired::Repaired;
use crate::report::Report;
use crate::sst::TableOptions;

/// When the log is synced. Whatever is chosen, a write that has returned was handed to the operating system: it survives the
/// death of the process. The choice is about power cuts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncPolicy {
    /// Before a write returns: it survives a power cut. Writers that come together share a sync.
    Always,
    /// In the background, this long after a write at the latest, if the disk keeps up; in a
    /// [`deterministic`](Options::deterministic) store by the next write, a millisecond being a batch. A power cut
    /// takes what came after the last sync: what survives is a prefix of the batches.
    Interval(Duration),
    /// When the operating system sees fit. A power cut may take everything since the last flush; what survives is a prefix of
    /// the batches.
    Never,
}

/// Called with each [`Report`].
pub(crate) type ReportHook = Arc<dyn Fn(&Report) + Send + Sync>;

/// How a store is opened.
///
/// ```no_run
/// # fn main() -> Result<(), lsm_std::Error> {
/// let db = lsm_std::Options::new().memtable_bytes(8 << 20).sync(lsm_std::SyncPolicy::Never).open("store")?;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Options {
    pub(crate) strategy: Option<AnySettings>,
    pub(crate) sync: SyncPolicy,
    pub(crate) memtable_bytes: u64,
    pub(crate) log_segment_bytes: u64,
    pub(crate) mapped_log: bool,
    pub(crate) frozen_memtables_max: usize,
    pub(crate) table_bytes: u64,
    pub(crate) cache_bytes: u64,
    pub(crate) open_files_max: usize,
    pub(crate) direct_reads: bool,
    pub(crate) mapped_reads: bool,
    pub(crate) block_bytes: usize,
    pub(crate) lz4: bool,
    pub(crate) filter_bits: u8,
    pub(crate) workers: usize,
    pub(crate) debt_bytes_max: Option<u64>,
    pub(crate) unsettled_bytes_max: u64,
    pub(crate) seed: Option<u64>,
    pub(crate) fs: Arc<dyn Fs>,
    pub(crate) clock: Option<Arc<dyn Clock>>,
    pub(crate) on_report: Option<ReportHook>,
}

impl Default for Options {
    fn default() -> Self {
        let table = TableOptions::default();
        Self {
            strategy: None,
            sync: SyncPolicy::Always,
            memtable_bytes: 16 << 20,
            log_segment_bytes: 4 << 20,
            mapped_log: true,
            frozen_memtables_max: 4,
            table_bytes: 64 << 20,
            cache_bytes: 64 << 20,
            open_files_max: 512,
            direct_reads: false,
            mapped_reads: false,
            block_bytes: table.block_bytes,
            lz4: table.lz4,
            filter_bits: table.filter_bits,
            workers: 2,
            debt_bytes_max: None,
            unsettled_bytes_max: 64 << 20,
            seed: None,
            fs: Arc::new(RealFs),
            clock: None,
            on_report: None,
        }
    }
}

impl Options {
    /// The defaults: see each setting.
    pub fn new() -> Self {
        Self::default()
    }

    /// The strategy and its settings. They are stored; without this call a store runs what it was last opened with, a new one
    /// tiered. Any strategy may follow any other.
    #[must_use]
    pub fn strategy(mut self, settings: AnySettings) -> Self {
        self.strategy = Some(settings);
        self
    }

    /// When the log is synced. Default: [`SyncPolicy::Always`].
    #[must_use]
    pub fn sync(mut self, policy: SyncPolicy) -> Self {
        self.sync = policy;
        self
    }

    /// A memtable of this many bytes is frozen and flushed. Keys, values and 64 bytes an entry count. Default: 16 MiB. Room for keys
    /// and values, and as much for their places, is asked of the system at once, up to 64 MiB each; memory that was never
    /// written to is not taken. A filter takes a 128th of it, at most 8 MiB.
    #[must_use]
    pub fn memtable_bytes(mut self, bytes: u64) -> Self {
        self.memtable_bytes = bytes;
        self
    }

    /// A memtable that is frozen closes the log segment in use if that has this many bytes; else the next one shares the segment.
    /// A segment goes when all its memtables are in durable tables, so this bounds the bytes of log that are kept for nothing.
    /// Small segments cost files and syncs. Default: 4 MiB.
    #[must_use]
    pub fn log_segment_bytes(mut self, bytes: u64) -> Self {
        self.log_segment_bytes = bytes;
        self
    }

    /// So many frozen memtables may wait for their flush before writers wait for it too. While there are so many, writers are
    /// slowed, more the fuller the active one gets, to what flushes keep up with. Default: 4.
    #[must_use]
    pub fn frozen_memtables_max(mut self, count: usize) -> Self {
        self.frozen_memtables_max = count;
        self
    }

    /// Tables written by a flush are cut at about this many bytes; those of a merge follow the strategy. Default: 64 MiB.
    #[must_use]
    pub fn table_bytes(mut self, bytes: u64) -> Self {
        self.table_bytes = bytes;
        self
    }

    /// Whether the log is written through memory that is shared with the system, where not every write is synced: a put takes about
    /// half as long. A device that fails to read a page of the log back then ends the process, where without it the store would
    /// turn read-only; what was written is there either way when it is opened again. File systems other than ext4, xfs and tmpfs
    /// are written to by calls. Default: true.
    #[must_use]
    pub fn mapped_log(mut self, mapped: bool) -> Self {
        self.mapped_log = mapped;
        self
    }

    /// Memory for blocks of tables, in bytes; 0 for none. Beside it the filters and indexes of open tables are in memory, and 33
    /// bytes for each of their blocks. Long scans use what is there and leave nothing. Default: 64 MiB.
    #[must_use]
    pub fn cache_bytes(mut self, bytes: u64) -> Self {
        self.cache_bytes = bytes;
        self
    }

    /// So many table files are kept open for reads. Default: 512.
    #[must_use]
    pub fn open_files_max(mut self, count: usize) -> Self {
        self.open_files_max = count;
        self
    }

    /// Whether tables are read past the system's cache (`O_DIRECT`), by merges too: the system then keeps no second copy of what
    /// [`cache_bytes`](Self::cache_bytes) is for, and each block that is not in memory is waited for until the device has it. Where the
    /// file system refuses, tables are read as ever, and one warning says so. Default: false.
    #[must_use]
    pub fn direct_reads(mut self, direct: bool) -> Self {
        self.direct_reads = direct;
        self
    }

    /// Whether gets look for blocks of tables that are not packed where the system has them, in its own cache, mapped into this
    /// process. There is no second copy, and where tables do not fit into [`cache_bytes`](Self::cache_bytes) gets are 1.7 times as fast; but
    /// the process holds as much memory as the system sees fit, and a device that fails to read a block ends the process with a
    /// signal, where without it the get would fail. So does another process that cuts a table off. A block is checked when it is first
    /// looked into, not again. Scans and merges read by calls; so do gets where files cannot be mapped, and one warning
    /// says so. Not together with [`direct_reads`](Self::direct_reads). Default: false.
    #[must_use]
    pub fn mapped_reads(mut self, mapped: bool) -> Self {
        self.mapped_reads = mapped;
        self
    }

    /// A block of a table is closed at this many bytes before compression. Default: 4096.
    #[must_use]
    pub fn block_bytes(mut self, bytes: usize) -> Self {
        self.block_bytes = bytes;
        self
    }

    /// Whether blocks are compressed with LZ4 where that makes them smaller. Default: true.
    #[must_use]
    pub fn lz4(mut self, on: bool) -> Self {
        self.lz4 = on;
        self
    }

    /// Bits per key in a table's filter; 0 for no filter. Default: 10, about 1 % false positives.
    #[must_use]
    pub fn filter_bits(mut self, bits: u8) -> Self {
        self.filter_bits = bits;
        self
    }

    /// Threads that merge; one more flushes. Default: 2.
    #[must_use]
    pub fn workers(mut self, count: usize) -> Self {
        self.workers = count;
        self
    }

    /// From this many bytes of merge debt on, writers are slowed while merges run. Default: 64 memtables.
    #[must_use]
    pub fn debt_bytes_max(mut self, bytes: u64) -> Self {
        self.debt_bytes_max = Some(bytes);
        self
    }

    /// Tables become durable together, once this many bytes of them were written or merged away, or of memtables flushed, or after a
    /// pause. The log and the merged tables stay on disk until then, so this bounds the extra space, and what is read back from
    /// the log after a crash. 0 makes each flush and each merge durable by itself, at the cost of several syncs each. Where
    /// less than this many bytes are free on the disk, those count in its place. Default: 64 MiB.
    #[must_use]
    pub fn unsettled_bytes_max(mut self, bytes: u64) -> Self {
        self.unsettled_bytes_max = bytes;
        self
    }

    /// Reproducible runs: no background threads, flushes and merges happen within the write that makes them due, entropy comes
    /// from `seed`, and time counts batches unless a clock is given. The same calls from one thread give the same files.
    #[must_use]
    pub fn deterministic(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// The file layer. Default: the operating system's.
    #[must_use]
    pub fn fs(mut self, fs: Arc<dyn Fs>) -> Self {
        self.fs = fs;
        self
    }

    /// Where the time of day comes from. Default: the system's clock.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = Some(clock);
        self
    }

    /// Called for every flush and every decision, start and end. Runs within the engine's lock: it must be quick and must not
    /// call the store.
    #[must_use]
    pub fn on_report(mut self, hook: impl Fn(&Report) + Send + Sync + 'static) -> Self {
        self.on_report = Some(Arc::new(hook));
        self
    }

    /// Opens the store in `dir`, making it if there is none, and recovers what a crash left in its log.
    ///
    /// # Errors
    /// [`BadOptions`](crate::Error::BadOptions); [`Locked`](crate::Error::Locked) if it is open already;
    /// [`Corrupt`](crate::Error::Corrupt) or [`NewerFormat`](crate::Error::NewerFormat) if its files cannot be trusted;
    /// [`NotAStore`](crate::Error::NotAStore) if something else is in the way.
    pub fn open(self, dir: impl AsRef<Path>) -> Result<Db> {
        self.check()?;
        Db::open_with(self, dir.as_ref())
    }

    /// Reads every byte of the store in `dir` and checks it: tables, log, manifest and what the strategy has learned. Unlike
    /// [`Db::verify`] it does not open the store, so nothing on disk changes: what a crash left torn is an error here, and stays.
    ///
    /// # Errors
    /// The first damage or torn end found, with file and offset; [`Locked`](crate::Error::Locked) if the store is open;
    /// [`NotAStore`](crate::Error::NotAStore).
    pub fn verify(&self, dir: impl AsRef<Path>) -> Result<Verified> {
        inspect(self, dir.as_ref())
    }

    /// Saves what is whole of the damaged store in `dir` into a new store in `into`, a directory that is made or empty. In `dir`
    /// nothing changes. Reads every table twice, writes all keys once; holds the log in memory, as opening a store does.
    ///
    /// Each key gets the newest version found in a whole block of a table or a whole batch of the log. Where a newer one, or a
    /// delete, is among what is [lost](Repaired::lost), an older one may show. If the manifest is not whole, a deleted key may come
    /// back from a table that a merge had made obsolete and that was not removed yet. Of a batch, what lies in tables may be
    /// lost in part.
    ///
    /// # Errors
    /// [`NotAStore`](crate::Error::NotAStore) if `dir` holds no file of a store; [`BadTarget`](crate::Error::BadTarget) if `into`
    /// holds anything or lies within `dir`;
    /// [`Locked`](crate::Error::Locked) if the store is open; [`NewerFormat`](crate::Error::NewerFormat); a full disk, and
    /// whatever else the file layer says of `into`: the files made there are removed again.
    pub fn repair(&self, dir: impl AsRef<Path>, into: impl AsRef<Path>) -> Result<Repaired> {
        self.check()?;
        repair(self, dir.as_ref(), into.as_ref())
    }

    pub(crate) fn table_options(&self) -> TableOptions {
        TableOptions { block_bytes: self.block_bytes, lz4: self.lz4, filter_bits: self.filter_bits }
    }

    pub(crate) fn debt_limit(&self) -> u64 {
        self.debt_bytes_max.unwrap_or_else(|| self.memtable_bytes.saturating_mul(64))
    }

    pub(crate) fn make_clock(&self) -> Arc<dyn Clock> {
        match (&self.clock, self.seed) {
            (Some(clock), _) => Arc::clone(clock),
            (None, Some(_)) => Arc::new(LogicalClock::counting_batches()),
            (None, None) => Arc::new(SystemClock),
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("strategy", &self.strategy)
            .field("sync", &self.sync)
            .field("memtable_bytes", &self.memtable_bytes)
            .field("frozen_memtables_max", &self.frozen_memtables_max)
            .field("table_bytes", &self.table_bytes)
            .field("cache_bytes", &self.cache_bytes)
            .field("block_bytes", &self.block_bytes)
            .field("lz4", &self.lz4)
            .field("filter_bits", &self.filter_bits)
            .field("workers", &self.workers)
            .field("seed", &self.seed)
            .finish_non_exhaustive()
    }
}
