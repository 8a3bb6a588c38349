//! Opening a store: what the manifest names, what the log adds, and nothing else.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use compaction_core::{CompactionStrategy, Event};

use crate::batch::Ops;
use crate::cache::Cache;
use crate::clock::Entropy;
use crate::engine::log::new_segment;
use crate::engine::{Engine, Flush, Frozen, Memory, Tree};
use crate::error::{Error, Result};
use crate::fs::{CountingFs, FileLock, FileName, Fs};
use crate::manifest::{Edit, Manifest, State};
use crate::memtable::Memtable;
use crate::options::{Options, SyncPolicy};
use crate::strategy;
use crate::sync::{AtomicU64, Mutex, Ordering};
use crate::types::{FileId, SeqNo};
use crate::view::{Files, View};
use crate::wal::{WalReader, WalWriter};

/// Opens the store in `dir`, or makes one. Answers with the engine and the log segment for new writes.
pub(crate) fn recover(options: Options, dir: &Path) -> Result<(Arc<Engine>, WalWriter)> {
    let counting = Arc::new(CountingFs::new(Arc::clone(&options.fs)));
    let fs: Arc<dyn Fs> = counting.clone();
    let lock = take_lock(&*fs, dir)?;
    let manifest = match Manifest::open(Arc::clone(&fs), dir)? {
        Some(manifest) => manifest,
        None => create(&fs, dir)?,
    };
    let listing = Listing::read(&*fs, dir, &manifest)?;
    let cache = Cache::new(options.cache_bytes, options.open_files_max);
    let files = Arc::new(Files::new(Arc::clone(&fs), dir.to_path_buf(), cache, listing.next_id));
    let settings = match options.strategy {
        Some(settings) => settings,
        None => strategy::decode(&manifest.state().strategy, dir)?,
    };
    let replayed = Replay::new(&files, &options, &manifest).run(&listing.logs)?;
    let entropy = options.seed.map_or_else(Entropy::random, Entropy::seeded);
    let tree = Tree::load(&files, manifest, &settings, entropy)?;
    listing.clean(&files);

    let active = Arc::new(Memtable::new(FileId::MAX));
    let view = View { active, frozen: Vec::new(), runs: tree.shown() };
    let engine = Engine {
        clock: options.make_clock(),
        view: ArcSwap::from_pointee(view),
        visible: AtomicU64::new(replayed.last_seqno),
        logs: Mutex::new(replayed.logs.clone()),
        tree: Mutex::new(tree),
        options,
        files,
        counting,
        snapshots: Default::default(),
        health: Default::default(),
        heat: Default::default(),
        counters: Default::default(),
        bell: Default::default(),
        stopping: Default::default(),
        memory: Default::default(),
        inline: Default::default(),
        debt_bytes: Default::default(),
        merging: Default::default(),
        manual: Default::default(),
        saving: Default::default(),
        syncing: Default::default(),
        _lock: lock,
    };
    let wal = new_segment(&engine, engine.options.sync)?;
    engine.adopt(replayed, &wal);
    engine.start_strategy(&strategy::encode(&settings)?)?;
    Ok((Arc::new(engine), wal))
}

fn take_lock(fs: &dyn Fs, dir: &Path) -> Result<Box<dyn FileLock>> {
    let is_new = !fs.exists(dir)?;
    fs.create_dir_all(dir)?;
    if is_new && let Some(above) = dir.parent().filter(|above| !above.as_os_str().is_empty()) {
        fs.sync_dir(above)?;
    }
    fs.lock(&dir.join(FileName::Lock.to_string()))
}

/// A new store. A directory that holds tables or a log but no `CURRENT` is a damaged one, not a new one.
fn create(fs: &Arc<dyn Fs>, dir: &Path) -> Result<Manifest> {
    let mut id = 0;
    for name in fs.list(dir)?.iter().filter_map(|name| FileName::parse(name)) {
        match name {
            FileName::Table(_) | FileName::Log(_) => {
                let why = format!("it holds {name}, but CURRENT is missing").into();
                return Err(Error::NotAStore { path: dir.to_path_buf(), why });
            }
            FileName::Manifest(left) => {
                fs.remove(&dir.join(name.to_string()))?;
                id = id.max(left);
            }
            _ => {}
        }
    }
    id += 1;
    Manifest::create(Arc::clone(fs), dir, id, State { next_id: id + 1, ..State::default() })
}

/// What lies in the directory.
struct Listing {
    next_id: FileId,
    /// Log segments that are still needed, oldest first.
    logs: Vec<FileId>,
    /// Files that no manifest names: left by a crash.
    strays: Vec<PathBuf>,
}

impl Listing {
    fn read(fs: &dyn Fs, dir: &Path, manifest: &Manifest) -> Result<Self> {
        let state = manifest.state();
        let live: BTreeSet<FileId> = state.tables().map(|table| table.id).collect();
        let (mut next_id, mut logs, mut strays, mut found) = (state.next_id, Vec::new(), Vec::new(), 0);
        for text in fs.list(dir)? {
            let Some(name) = FileName::parse(&text) else { continue };
            next_id = next_id.max(name.id().map_or(0, |id| id.saturating_add(1)));
            let is_stray = match name {
                FileName::Table(id) => {
                    found += usize::from(live.contains(&id));
                    !live.contains(&id)
                }
                FileName::Log(id) if id >= state.log_floor => {
                    logs.push(id);
                    false
                }
                FileName::Log(_) | FileName::Temp => true,
                FileName::Manifest(id) => id != manifest.id(),
                FileName::Lock | FileName::Current | FileName::Strategy => false,
            };
            if is_stray {
                strays.push(dir.join(text));
            }
        }
        if found < live.len() {
            let missing = state.tables().map(|table| FileName::Table(table.id).to_string());
            let missing = missing.map(|name| dir.join(name)).find(|path| !fs.exists(path).unwrap_or(true));
            let path = missing.unwrap_or_else(|| dir.to_path_buf());
            return Err(Error::corrupt(&path, 0, "the manifest names this table, but the file is missing"));
        }
        logs.sort_unstable();
        Ok(Self { next_id, logs, strays })
    }

    fn clean(&self, files: &Files) {
        for path in &self.strays {
            if let Err(error) = files.fs.remove(path) {
                tracing::warn!(path = %path.display(), %error, "stray file not removed");
            }
        }
    }
}

/// The log, read back into memtables.
struct Replay<'a> {
    files: &'a Files,
    options: &'a Options,
    memtables: Vec<Arc<Memtable>>,
    /// Segments that hold a batch.
    logs: BTreeSet<FileId>,
    last_seqno: SeqNo,
}

/// What the log held.
struct Replayed {
    /// Oldest first.
    memtables: Vec<Arc<Memtable>>,
    logs: BTreeSet<FileId>,
    last_seqno: SeqNo,
}

impl<'a> Replay<'a> {
    fn new(files: &'a Files, options: &'a Options, manifest: &Manifest) -> Self {
        let last_seqno = manifest.state().last_seqno;
        Self { files, options, memtables: Vec::new(), logs: BTreeSet::new(), last_seqno }
    }

    /// Reads the segments in order. Segments without a batch are removed.
    fn run(mut self, logs: &[FileId]) -> Result<Replayed> {
        let mut rest = logs.iter().copied();
        for id in rest.by_ref() {
            match self.segment(id)? {
                Segment::Held => {
                    self.logs.insert(id);
                }
                Segment::Empty => self.files.remove(FileName::Log(id)),
                Segment::AfterGap => {
                    self.files.remove(FileName::Log(id));
                    break;
                }
            }
        }
        for id in rest {
            self.files.remove(FileName::Log(id));
        }
        self.files.fs.sync_dir(&self.files.dir)?;
        Ok(Replayed { memtables: self.memtables, logs: self.logs, last_seqno: self.last_seqno })
    }

    fn segment(&mut self, id: FileId) -> Result<Segment> {
        let path = self.files.dir.join(FileName::Log(id).to_string());
        let mut reader = WalReader::open(&*self.files.fs, &self.files.dir, id)?;
        let mut segment = Segment::Empty;
        for record in reader.by_ref() {
            let record = record?;
            let bad = |error: crate::codec::Malformed| error.in_file(&path, record.offset);
            let ops = Ops::new(record.payload.clone()).map_err(bad)?;
            let last = record.first_seqno.saturating_add(u64::from(ops.left())).saturating_sub(1);
            if last > self.last_seqno && record.first_seqno != self.last_seqno + 1 {
                // Segments before this one were never synced and a power cut took their end. What is left is a prefix.
                if segment == Segment::Empty && self.options.sync != SyncPolicy::Always {
                    tracing::warn!(
                        segment = id,
                        first_seqno = record.first_seqno,
                        last_seqno = self.last_seqno,
                        "a power cut took the end of an unsynced log segment; the segments after it are dropped"
                    );
                    return Ok(Segment::AfterGap);
                }
                let what =
                    format!("batch {} follows batch {}: writes are missing", record.first_seqno, self.last_seqno);
                return Err(Error::corrupt(&path, record.offset, what));
            }
            segment = Segment::Held;
            if last <= self.last_seqno {
                continue;
            }
            let memtable = self.memtable(id);
            for (op, seqno) in ops.zip(record.first_seqno..) {
                memtable.insert(op.map_err(bad)?, seqno);
            }
            self.last_seqno = last;
        }
        if let Some(torn) = reader.torn() {
            tracing::warn!(path = %path.display(), offset = torn.offset, bytes = torn.bytes_lost, "torn end of the log dropped");
        }
        Ok(segment)
    }

    /// The memtable that takes the batches of segment `id`: a new one once the last is full.
    fn memtable(&mut self, id: FileId) -> Arc<Memtable> {
        let full = |last: &Arc<Memtable>| last.bytes() >= self.options.memtable_bytes;
        match self.memtables.last() {
            Some(last) if !full(last) => Arc::clone(last),
            _ => {
                let fresh = Arc::new(Memtable::new(id));
                self.memtables.push(Arc::clone(&fresh));
                fresh
            }
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Segment {
    Held,
    Empty,
    AfterGap,
}

impl Engine {
    /// Takes over what the log held: full memtables wait for their flush, the last goes on as the active one.
    fn adopt(&self, replayed: Replayed, wal: &WalWriter) {
        let mut frozen = replayed.memtables;
        let active = match frozen.pop_if(|last| last.bytes() < self.options.memtable_bytes) {
            Some(last) => last,
            None => Arc::new(Memtable::new(wal.id())),
        };
        let waiting = |memtable: &Arc<Memtable>| Frozen { memtable: Arc::clone(memtable), flush: Flush::Waiting };
        *crate::sync::lock(&self.memory) = Memory { frozen: frozen.iter().map(waiting).collect() };
        let runs = self.view.load().runs.clone();
        self.view.store(Arc::new(View { active, frozen, runs }));
        self.visible.store(replayed.last_seqno, Ordering::Release);
    }

    /// Notes the strategy's settings in the manifest if they are new, and shows the strategy its tree.
    fn start_strategy(&self, settings: &[u8]) -> Result<()> {
        let mut tree = self.tree();
        if tree.manifest.state().strategy != settings {
            tree.stage(self, Edit { strategy: Some(settings.to_vec()), ..Edit::default() })?;
            tree.commit(self)?;
        }
        let tree = &mut *tree;
        self.load_learned(tree)?;
        let (version, now_ms) = (tree.buf.view(), self.clock.now_ms());
        tree.strategy.observe(&Event::Flushed { version, now_ms, bytes: 0 });
        self.note_debt(tree);
        Ok(())
    }
}
