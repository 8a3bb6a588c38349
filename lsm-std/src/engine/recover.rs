//! Opening a store: what the manifest names, what the log adds, and nothing else.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use compaction_core::{CompactionStrategy, Event};

use crate::cache::Cache;
use crate::clock::Entropy;
use crate::engine::replay::{Replayed, replay};
use crate::engine::settle::unsettled_files_max;
use crate::engine::{Engine, Flush, Frozen, Health, Memory, Tree};
use crate::error::{Error, Result};
use crate::fs::{CountingFs, FileLock, FileName, Fs, make_dir};
use crate::heat::Heat;
use crate::manifest::{Edit, Manifest, State};
use crate::memtable::Memtable;
use crate::options::Options;
use crate::recovery::Cut;
use crate::sst::TableReader;
use crate::strategy;
use crate::sync::{ArcSwap, AtomicU64, Mutex, Ordering};
use crate::types::FileId;
use crate::view::{Files, View};
use crate::wal::WalWriter;

/// Files of obsolete tables are kept for new ones up to this many bytes.
const SPARE_BYTES_MAX: u64 = 32 << 20;

/// Opens the store in `dir`, or makes one. Answers with the engine and the log segment for new writes, if there is a log.
pub(crate) fn recover(options: Options, dir: &Path) -> Result<(Arc<Engine>, Option<WalWriter>)> {
    let counting = CountingFs::new(Arc::clone(&options.fs)).direct_reads(options.direct_reads);
    let counting = Arc::new(counting.mapped_reads(options.mapped_reads));
    let fs: Arc<dyn Fs> = counting.clone();
    let lock = take_lock(&*fs, dir)?;
    let manifest = match Manifest::open(Arc::clone(&fs), dir)? {
        Some(manifest) => manifest,
        None => create(&fs, dir)?,
    };
    let listing = Listing::read(&*fs, dir, manifest.id(), manifest.state())?;
    let cache = Cache::new(options.cache_bytes, options.open_files_max);
    let spare_bytes_max = options.unsettled_bytes_max.min(SPARE_BYTES_MAX);
    let files = Arc::new(Files::new(Arc::clone(&fs), dir.to_path_buf(), cache, listing.next_id, spare_bytes_max));
    let settings = match options.strategy {
        Some(settings) => settings,
        None => strategy::decode(&manifest.state().strategy, dir)?,
    };
    let mut replayed = replay(&files, options.memtable_bytes, manifest.state(), &listing.logs)?;
    if let Some(torn) = manifest.torn() {
        let path = dir.join(FileName::Manifest(manifest.id()).to_string());
        replayed.recovery.cuts.push(Cut::of(path, torn));
    }
    let entropy = options.seed.map_or_else(Entropy::random, Entropy::seeded);
    let mut tree = Tree::load(&files, manifest, &settings, entropy)?;
    // Up to here a store that is there has lost at most the torn end of its manifest. From here on more changes, and all of it but
    // what the strategy has learned was read and judged: that comes last, and is dropped where it is damaged.
    keep_numbers(&mut tree.manifest, listing.next_id)?;
    // First: to write the log again takes room where a file system copies what is written over, and this may be all there is.
    listing.clean(&files);
    let wal = replayed.cut_log(&files)?;

    let active = Arc::new(Memtable::new(0, options.memtable_bytes));
    let view = View { active, frozen: Vec::new(), runs: tree.shown() };
    let engine = Engine {
        clock: options.make_clock(),
        view: ArcSwap::from_pointee(view),
        visible: AtomicU64::new(replayed.last_seqno),
        logs: Mutex::new(replayed.logs.clone()),
        tree: Mutex::new(tree),
        unsettled_files_max: unsettled_files_max(&options),
        health: Health::new(options.seed.is_some()),
        heat: Heat::new(options.seed.is_some()),
        options,
        files,
        counting,
        snapshots: Default::default(),
        counters: Default::default(),
        bell: Default::default(),
        stopping: Default::default(),
        memory: Default::default(),
        inline: Default::default(),
        debt_bytes: Default::default(),
        merging: Default::default(),
        pace: Default::default(),
        manual: Default::default(),
        saving: Default::default(),
        syncing: Default::default(),
        settling: Default::default(),
        recovery: std::mem::take(&mut replayed.recovery),
        _lock: lock,
    };
    engine.adopt(replayed, wal.as_ref());
    engine.start_strategy(&strategy::encode(&settings)?)?;
    Ok((Arc::new(engine), wal))
}

fn take_lock(fs: &dyn Fs, dir: &Path) -> Result<Box<dyn FileLock>> {
    if !fs.exists(&dir.join(FileName::Current.to_string()))? {
        make_dir(fs, dir)?;
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

/// Notes durably that all numbers below `next_id` were used: the files of some of them are about to go.
fn keep_numbers(manifest: &mut Manifest, next_id: FileId) -> Result<()> {
    if next_id <= manifest.state().next_id {
        return Ok(());
    }
    match manifest.append(&Edit { next_id: Some(next_id), ..Edit::default() }) {
        // A store on a full disk must open: the room of what goes may be all there is.
        Err(error) if error.is_no_space() && manifest.broken().is_none() => {
            tracing::warn!(%error, next_id, "file numbers not noted");
            Ok(())
        }
        noted => noted,
    }
}

/// What lies in the directory.
pub(super) struct Listing {
    /// All numbers from this one on are unused.
    pub(super) next_id: FileId,
    /// Log segments that are still needed, oldest first.
    pub(super) logs: Vec<FileId>,
    /// Files that no manifest names: left by a crash.
    strays: Vec<PathBuf>,
}

impl Listing {
    /// Lists `dir`, the store that is in `state` by the manifest of this number.
    pub(super) fn read(fs: &dyn Fs, dir: &Path, manifest: FileId, state: &State) -> Result<Self> {
        let live: BTreeSet<FileId> = state.tables().map(|table| table.id).collect();
        let (mut next_id, mut logs, mut strays, mut found) = (state.next_id, Vec::new(), Vec::new(), 0);
        let mut unnamed = Vec::new();
        for text in fs.list(dir)? {
            let Some(name) = FileName::parse(&text) else { continue };
            next_id = next_id.max(name.id().map_or(0, |id| id.saturating_add(1)));
            let is_stray = match name {
                FileName::Table(id) => {
                    let is_live = live.contains(&id);
                    found += usize::from(is_live);
                    unnamed.extend((!is_live).then_some(id));
                    !is_live
                }
                FileName::Log(id) if id >= state.log_floor => {
                    logs.push(id);
                    false
                }
                FileName::Log(_) | FileName::Temp => true,
                FileName::Manifest(id) => id != manifest,
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
        if !state.has_log {
            unnamed.iter().try_for_each(|id| known_to(state, fs, dir, *id))?;
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

/// Whether the table `id`, which the manifest does not name, may be what a crash has left. Where there is no log, all that was
/// ever written is in tables that the manifest names: one with later writes was named by an edit that is lost.
fn known_to(state: &State, fs: &dyn Fs, dir: &Path, id: FileId) -> Result<()> {
    match TableReader::properties(fs, dir, id) {
        Ok(table) if table.newest_seqno > state.last_seqno => {
            let what = format!(
                "it holds writes up to number {}, but the manifest knows none after {} and names neither it nor a log",
                table.newest_seqno, state.last_seqno
            );
            Err(Error::corrupt(&dir.join(FileName::Table(id).to_string()), 0, what))
        }
        // One that was not written to its end is no loss.
        Ok(_) | Err(Error::Corrupt { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

impl Engine {
    /// Takes over what the log held: full memtables wait for their flush, the last goes on as the active one.
    fn adopt(&self, replayed: Replayed, wal: Option<&WalWriter>) {
        let mut frozen = replayed.memtables;
        let active = match frozen.pop_if(|last| last.bytes() < self.options.memtable_bytes) {
            Some(last) => last,
            None => self.new_memtable(wal.map_or(0, WalWriter::id)),
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
        if tree.strategy.bandit().is_some() {
            self.heat.want();
        }
        let tree = &mut *tree;
        self.load_learned(tree)?;
        let (version, now_ms) = (tree.buf.view(), self.clock.now_ms());
        tree.strategy.observe(&Event::Flushed { version, now_ms, bytes: 0 });
        self.note_debt(tree);
        Ok(())
    }
}
