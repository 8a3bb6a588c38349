//! A new store from what is whole of a damaged one.
//!
//! Every whole block of every table and every whole batch of the log is read; the newest version of each key, by its sequence
//! number, is written into new tables. So no part of a damaged store needs to be trusted to say where others belong.
//!
//! What a manifest adds is which tables count: a merge that leaves out deletes has made its inputs obsolete, and one of them that
//! is still there would bring deleted keys back. If the manifest is whole, only the tables that it names count, and those with writes
//! that it does not know: their flush or merge was not noted yet, or what noted it is lost. If it is not, all tables count but those
//! that a whole edit calls obsolete.
//!
//! The log counts from where the manifest says that tables end, and where the lost part of a table may have held the same.

mod log;
mod sources;
mod tables;
mod write;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use compaction_core::AnySettings;

use crate::engine::repair::log::Holes;
use crate::engine::repair::tables::Catalogue;
use crate::engine::repair::write::NewStore;
use crate::error::{Error, Result};
use crate::fs::{FileLock, FileName, Fs, Purpose, make_dir, read_small};
use crate::options::Options;
use crate::repaired::{Lost, Repaired};
use crate::sst::SalvagedTable;
use crate::strategy;
use crate::types::FileId;

/// Makes a new store in `into` from what is whole of the one in `dir`, in which nothing changes.
pub(crate) fn repair(options: &Options, dir: &Path, into: &Path) -> Result<Repaired> {
    let fs = &options.fs;
    let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    if absolute(into).starts_with(absolute(dir)) {
        let why = "it lies within the store that is to be repaired".into();
        return Err(Error::BadTarget { path: into.to_path_buf(), why });
    }
    let _lock = lock(&**fs, dir)?;
    let old = Old::list(&**fs, dir)?;
    let mut repaired = Repaired::default();
    let catalogue = Catalogue::read(&**fs, dir, &old, &mut repaired)?;
    let tables = catalogue.survey(fs, dir, &old, &mut repaired)?;
    let holes = Holes::new(catalogue.settled_seqno, &repaired.lost);
    let memtable = log::read(&**fs, dir, &old, &catalogue, &holes, &mut repaired)?;
    let learned = learned(&**fs, dir, &catalogue.settings(), &mut repaired)?;
    let mut store = NewStore::create(options, &catalogue, into)?;
    let made = store.fill(tables, memtable, learned, &mut repaired);
    if made.is_err() {
        store.remove();
    }
    made.map(|()| repaired)
}

/// Files of the old store by their numbers, ascending.
struct Old {
    manifests: Vec<FileId>,
    logs: Vec<FileId>,
    /// The tables, and the numbers in the names of their files: a footer that is whole knows better.
    tables: BTreeMap<FileId, FileId>,
}

impl Old {
    fn list(fs: &dyn Fs, dir: &Path) -> Result<Self> {
        let mut old = Self { manifests: Vec::new(), logs: Vec::new(), tables: BTreeMap::new() };
        let mut tables = Vec::new();
        for name in fs.list(dir)?.iter().filter_map(|name| FileName::parse(name)) {
            match name {
                FileName::Manifest(id) => old.manifests.push(id),
                FileName::Log(id) => old.logs.push(id),
                FileName::Table(named) => {
                    let id = SalvagedTable::number(fs, &dir.join(name.to_string())).unwrap_or(named);
                    tables.push((id != named, id, named));
                }
                FileName::Lock | FileName::Current | FileName::Strategy | FileName::Temp => {}
            }
        }
        // Beside a table under its own name, and else the first, others are copies of it.
        tables.sort_unstable_by(|one, other| other.cmp(one));
        old.tables.extend(tables.into_iter().map(|(_, id, named)| (id, named)));
        if old.manifests.is_empty() && old.logs.is_empty() && old.tables.is_empty() {
            let why = "no manifest, no log and no table is in it".into();
            return Err(Error::NotAStore { path: dir.to_path_buf(), why });
        }
        [&mut old.manifests, &mut old.logs].into_iter().for_each(|ids| ids.sort_unstable());
        Ok(old)
    }
}

/// Holds a store, so that nobody writes to it meanwhile. One without a lock file is not open; none is made.
pub(super) fn lock(fs: &dyn Fs, dir: &Path) -> Result<Option<Box<dyn FileLock>>> {
    let path = dir.join(FileName::Lock.to_string());
    if !fs.exists(&path)? {
        return Ok(None);
    }
    fs.lock(&path).map(Some)
}

/// What the strategy of these settings had learned, if that is whole.
fn learned(fs: &dyn Fs, dir: &Path, settings: &AnySettings, repaired: &mut Repaired) -> Result<Option<Vec<u8>>> {
    let path = dir.join(FileName::Strategy.to_string());
    match read_small(fs, dir, FileName::Strategy, Purpose::Other) {
        Err(error @ Error::NewerFormat { .. }) => Err(error),
        Err(error) => {
            repaired.lost.push(whole_file(fs, &path, &error, Some(0)));
            Ok(None)
        }
        Ok(Some(learned)) => strategy::load(&mut *strategy::start(settings)?, &learned, &path).map(|()| Some(learned)),
        Ok(None) => Ok(None),
    }
}

/// A directory for the new store, made if there is none.
fn prepare(fs: &Arc<dyn Fs>, dir: &Path) -> Result<()> {
    make_dir(&**fs, dir)?;
    match fs.list(dir)?.first() {
        None => Ok(()),
        Some(name) => {
            let why = format!("it holds {name}: a repair needs an empty directory").into();
            Err(Error::BadTarget { path: dir.to_path_buf(), why })
        }
    }
}

/// All of a file, which cannot be read for this reason.
fn whole_file(fs: &dyn Fs, path: &Path, error: &Error, entries: Option<u64>) -> Lost {
    let bytes = fs.file_len(path).unwrap_or(0);
    Lost { path: path.to_path_buf(), offset: 0, bytes, entries, keys: None, what: error.what() }
}
