//! What the threads of an open store share, and the work they do.
//!
//! Two locks, taken in this order: `tree` (the shape, the strategy, the manifest; held over a manifest sync) and `memory` (the
//! list of memtables and the swap of the view; held briefly). Writers take `tree` only for the first write of a log, readers take neither.

mod close;
mod flush;
mod health;
mod inspect;
mod learned;
mod log;
mod merge;
mod output;
mod range;
mod recover;
mod repair;
mod replay;
mod room;
mod settle;
mod shown;
mod tree;
mod unsynced;
mod worker;

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::clock::Clock;
use crate::engine::output::NewTable;
use crate::fs::{CountingFs, FileLock};
use crate::heat::Heat;
use crate::memtable::Memtable;
use crate::options::Options;
use crate::recovery::Recovery;
use crate::snapshot::OpenSnapshots;
use crate::stats::Counters;
use crate::sync::{ArcSwap, AtomicBool, AtomicU64, Bell, Mutex, MutexGuard, lock};
use crate::types::FileId;
use crate::view::{Files, View};

pub(crate) use health::Health;
pub(crate) use inspect::inspect;
pub(crate) use log::LogSink;
pub(crate) use recover::recover;
pub(crate) use repair::repair;
use room::Pace;
pub(crate) use tree::Tree;
pub(crate) use worker::Workers;

/// What the threads of an open store share.
#[derive(Debug)]
pub(crate) struct Engine {
    pub(crate) options: Options,
    pub(crate) files: Arc<Files>,
    pub(crate) counting: Arc<CountingFs>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) view: ArcSwap<View>,
    /// Largest sequence number that readers see. Everything up to it is in the memtables or tables.
    pub(crate) visible: AtomicU64,
    pub(crate) snapshots: OpenSnapshots,
    pub(crate) health: Health,
    pub(crate) heat: Heat,
    pub(crate) counters: Counters,
    /// Rung whenever there may be new work, or work was done.
    pub(crate) bell: Bell,
    pub(crate) stopping: AtomicBool,
    /// Calls of `compact_range` that run; background workers start no job meanwhile.
    manual: AtomicU64,
    tree: Mutex<Tree>,
    memory: Mutex<Memory>,
    /// Log segments in the directory that are still needed.
    logs: Mutex<BTreeSet<FileId>>,
    /// Held while work is done inline, in deterministic mode.
    inline: Mutex<()>,
    /// Held while the log is synced in the background or on demand.
    syncing: Mutex<()>,
    /// So many new tables may wait to be synced.
    unsettled_files_max: u64,
    /// Held while the tree settles in the background. Taken before `tree`.
    settling: Mutex<()>,
    /// What the strategy has learned, as last written. Held while it is written.
    saving: Mutex<Option<Vec<u8>>>,
    /// Merge debt in bytes and running merges, for backpressure.
    debt_bytes: AtomicU64,
    merging: AtomicU64,
    pace: Pace,
    /// What opening the store has found.
    pub(crate) recovery: Recovery,
    _lock: Box<dyn FileLock>,
}

/// The memtables. The active one is in the view alone.
#[derive(Debug, Default)]
struct Memory {
    /// Oldest first.
    frozen: Vec<Frozen>,
}

/// A memtable on its way into tables.
#[derive(Debug)]
struct Frozen {
    memtable: Arc<Memtable>,
    flush: Flush,
}

#[derive(Debug)]
enum Flush {
    Waiting,
    Building,
    /// Part of the flush that begins with an older memtable.
    Joined,
    Built {
        tables: Vec<NewTable>,
        micros: u64,
    },
}

impl Engine {
    pub(crate) fn tree(&self) -> MutexGuard<'_, Tree> {
        lock(&self.tree)
    }

    /// The log segments that are still needed, oldest first.
    pub(crate) fn log_segments(&self) -> Vec<FileId> {
        lock(&self.logs).iter().copied().collect()
    }

    /// Number of frozen memtables.
    pub(crate) fn frozen(&self) -> usize {
        lock(&self.memory).frozen.len()
    }

    /// An empty memtable whose writes go to log segment `first_log` and those behind it.
    fn new_memtable(&self, first_log: FileId) -> Arc<Memtable> {
        Arc::new(Memtable::new(first_log, self.options.memtable_bytes))
    }

    /// Freezes the active memtable and puts `fresh` in its place.
    fn freeze(&self, fresh: Arc<Memtable>) {
        let mut memory = lock(&self.memory);
        let old = self.view.load_full();
        memory.frozen.push(Frozen { memtable: Arc::clone(&old.active), flush: Flush::Waiting });
        let mut view = View { active: fresh, ..(*old).clone() };
        view.frozen.push(Arc::clone(&old.active));
        self.view.store(Arc::new(view));
        drop(memory);
        self.bell.ring();
    }

    /// Puts `fresh` in the place of the active memtable, which must be empty.
    fn replace_active(&self, fresh: Arc<Memtable>) {
        let _memory = lock(&self.memory);
        let old = self.view.load_full();
        debug_assert!(old.active.is_empty(), "writes would be lost");
        self.view.store(Arc::new(View { active: fresh, ..(*old).clone() }));
    }

    /// Shows readers the runs of `tree`; takes the `flushed` oldest frozen memtables out, which these runs hold. Under the tree's
    /// lock, so that runs are shown in the order in which they came to be.
    fn show(&self, tree: &Tree, flushed: usize) {
        let mut memory = lock(&self.memory);
        let old = self.view.load_full();
        let mut view = View { runs: tree.shown(), ..(*old).clone() };
        memory.frozen.drain(..flushed);
        view.frozen.drain(..flushed);
        self.view.store(Arc::new(view));
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Barrier;
    use std::time::Duration;

    use compaction_core::{AnySettings, FifoSettings};

    use super::*;
    use crate::fs::MemFs;
    use crate::report::What;

    /// What two threads do to the view at once, whoever comes first at each moment, is all done.
    #[test]
    fn no_view_is_lost_while_memtables_freeze_and_runs_are_shown() {
        let options = Options::new().fs(Arc::new(MemFs::new())).deterministic(1);
        let (engine, _) = recover(options, Path::new("store")).unwrap();
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !stop.load(crate::sync::Ordering::Acquire) {
                    let flushed = engine.frozen().min(1);
                    engine.show(&engine.tree(), flushed);
                }
            });
            for round in 0..20_000 {
                let fresh = Arc::new(Memtable::new(round, 0));
                if round % 2 == 0 {
                    engine.freeze(Arc::clone(&fresh))
                } else {
                    engine.replace_active(Arc::clone(&fresh))
                }
                let is_shown = Arc::ptr_eq(&engine.view.load().active, &fresh);
                stop.store(!is_shown, crate::sync::Ordering::Release);
                assert!(is_shown, "round {round}: writes would go where no reader looks");
            }
            stop.store(true, crate::sync::Ordering::Release);
        });
        let memory = lock(&engine.memory);
        let frozen = memory.frozen.iter().map(|frozen| Arc::as_ptr(&frozen.memtable));
        assert!(engine.view.load().frozen.iter().map(Arc::as_ptr).eq(frozen));
    }

    /// To settle takes as long as syncing many files.
    #[test]
    fn what_is_flushed_is_freed_before_the_tree_settles() {
        let db = Options::new().fs(Arc::new(MemFs::new())).unsettled_bytes_max(1).open("store").unwrap();
        db.put(b"key", b"value").unwrap();
        let flushed = Arc::downgrade(&db.engine.view.load().active);
        let settles = lock(&db.engine.settling);
        db.committer.sink().rotate(true).unwrap();
        let start = std::time::Instant::now();
        while flushed.strong_count() > 0 && start.elapsed() < Duration::from_secs(20) {
            std::thread::sleep(Duration::from_millis(1));
        }
        let left = flushed.strong_count();
        drop(settles);
        assert_eq!(left, 0, "the memtable is still in memory");
    }

    /// While a drop waits to be shown, whoever opens a snapshot waits too.
    #[test]
    fn no_snapshot_is_opened_while_a_drop_is_done_but_not_shown() {
        let fs = Arc::new(MemFs::new());
        let options = || Options::new().fs(Arc::<MemFs>::clone(&fs)).deterministic(1);
        options().strategy(AnySettings::Idle).open("store").unwrap().put(b"key", b"1").unwrap();
        let forgets = AnySettings::Fifo(FifoSettings { bytes_max: 1, ..FifoSettings::default() });
        let chosen = Arc::new(Barrier::new(2));
        let waits = Arc::clone(&chosen);
        let options = options().strategy(forgets).on_report(move |report| {
            if let What::Chosen(_) = report.what {
                waits.wait();
                waits.wait();
            }
        });
        let db = options.open("store").unwrap();
        std::thread::scope(|scope| {
            let drops = scope.spawn(|| db.engine.compact_one());
            chosen.wait();
            let memory = lock(&db.engine.memory);
            chosen.wait();
            std::thread::sleep(Duration::from_millis(100));
            let opens = scope.spawn(|| {
                let snapshot = db.snapshot();
                (snapshot.get(b"key").unwrap().is_some(), snapshot)
            });
            std::thread::sleep(Duration::from_millis(100));
            drop(memory);
            drops.join().unwrap();
            let (was_there, snapshot) = opens.join().unwrap();
            assert_eq!(db.get(b"key").unwrap(), None, "nothing was dropped");
            assert_eq!(snapshot.get(b"key").unwrap().is_some(), was_there, "a snapshot has changed");
        });
    }
}
