//! A store checked as it lies there, without opening it.

use std::path::Path;
use std::sync::Arc;

use crate::cache::Cache;
use crate::db::Verified;
use crate::engine::recover::Listing;
use crate::engine::repair::lock;
use crate::engine::replay::replay;
use crate::error::{Error, Result};
use crate::fs::{FileName, Purpose, read_small};
use crate::manifest::Manifest;
use crate::options::Options;
use crate::recovery::Cut;
use crate::strategy;
use crate::view::{Files, TableHandle};

/// Reads every byte of the store in `dir`, under its lock, and changes nothing.
pub(crate) fn inspect(options: &Options, dir: &Path) -> Result<Verified> {
    let fs = &options.fs;
    let missing = || Error::NotAStore { path: dir.to_path_buf(), why: "CURRENT is missing".into() };
    if !fs.exists(&dir.join(FileName::Current.to_string()))? {
        return Err(missing());
    }
    let _lock = lock(&**fs, dir)?;
    let manifest = Manifest::read(&**fs, dir)?.ok_or_else(missing)?;
    let state = &manifest.state;
    let mut strategy = strategy::start(&strategy::decode(&state.strategy, dir)?)?;
    if let Some(torn) = manifest.torn {
        let path = dir.join(FileName::Manifest(manifest.id).to_string());
        return Err(cut_short(&Cut::of(path, torn)));
    }
    if let Some(learned) = read_small(&**fs, dir, FileName::Strategy, Purpose::Other)? {
        strategy::load(&mut strategy, &learned, &dir.join(FileName::Strategy.to_string()))?;
    }
    let listing = Listing::read(&**fs, dir, manifest.id, state)?;
    let cache = Cache::new(0, options.open_files_max);
    let files = Arc::new(Files::new(Arc::clone(fs), dir.to_path_buf(), cache, listing.next_id, 0));
    let mut found = Verified::default();
    for table in state.tables() {
        TableHandle::new(&files, table.clone()).reader()?.verify()?;
        found.tables += 1;
        found.table_bytes += table.bytes;
    }
    let log = replay(&files, options.memtable_bytes, state, &listing.logs)?.recovery;
    if let Some(cut) = log.cuts.first() {
        return Err(cut_short(cut));
    }
    (found.log_segments, found.log_batches) = (log.segments, log.batches);
    Ok(found)
}

fn cut_short(cut: &Cut) -> Error {
    let Cut { bytes, records, .. } = cut;
    let what = format!(
        "{bytes} bytes from here on, {records} whole records among them, would be cut off by opening the store"
    );
    Error::corrupt(&cut.path, cut.offset, what)
}
