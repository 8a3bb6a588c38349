//! Which tables count, and what of each can be read.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use compaction_core::AnySettings;

use crate::engine::repair::{Old, whole_file};
use crate::error::{Error, Result};
use crate::fs::{FileName, Fs, Purpose, read_small};
use crate::manifest::{Known, Manifest, State};
use crate::repaired::{Lost, Repaired};
use crate::sst::SalvagedTable;
use crate::strategy;
use crate::types::{FileId, SeqNo, TableMeta};

/// What the manifests say.
pub(super) struct Catalogue {
    /// Tables that are part of the store.
    live: BTreeMap<FileId, TableMeta>,
    /// Tables that are not.
    dead: BTreeSet<FileId>,
    /// Whether `live` is all that counts, but for tables that are newer than the manifest.
    is_whole: bool,
    /// All writes up to this one are in `live`; 0 if that is not known.
    pub(super) settled_seqno: SeqNo,
    /// No write had a larger number when the manifest was written.
    pub(super) last_seqno: SeqNo,
    /// The first segment of the log, if there is one.
    pub(super) first_log: Option<FileId>,
    /// The deepest level.
    pub(super) level: u8,
    /// The strategy's settings as they are stored.
    pub(super) strategy: Vec<u8>,
}

impl Catalogue {
    /// Reads the manifest in use, or the newest if it is not known which that is. If it is not whole, what is left of all of them.
    pub(super) fn read(fs: &dyn Fs, dir: &Path, old: &Old, repaired: &mut Repaired) -> Result<Self> {
        let newest = old.manifests.last().copied();
        let read = match (current(fs, dir, repaired)?, newest) {
            (true, _) => Manifest::read(fs, dir),
            (false, Some(id)) => Manifest::read_file(fs, dir, id).map(Some),
            (false, None) => Ok(None),
        };
        let whole = match read {
            Err(error @ Error::NewerFormat { .. }) => return Err(error),
            Err(Error::Corrupt { path, what, .. }) if path.ends_with(FileName::Current.to_string()) => {
                let (bytes, what) = (fs.file_len(&path).unwrap_or(0), what.into_owned());
                repaired.lost.push(Lost { path, offset: 0, bytes, entries: Some(0), keys: None, what });
                None
            }
            Ok(Some(read)) if read.torn.is_none() => Some(read.state),
            _ => None,
        };
        match whole {
            Some(state) if state.tables().all(|table| old.tables.contains_key(&table.id)) => {
                repaired.is_manifest_whole = true;
                Ok(Self::whole(state))
            }
            _ => Self::salvage(fs, dir, old, repaired),
        }
    }

    /// The strategy's settings; the default if they cannot be used.
    pub(super) fn settings(&self) -> AnySettings {
        AnySettings::decode(&self.strategy).unwrap_or_else(|_| strategy::default_settings())
    }

    fn whole(state: State) -> Self {
        Self {
            level: state.runs.iter().map(|run| run.level).max().unwrap_or(0),
            live: state.runs.into_iter().flat_map(|run| run.tables).map(|table| (table.id, table)).collect(),
            dead: BTreeSet::new(),
            is_whole: true,
            settled_seqno: state.last_seqno,
            last_seqno: state.last_seqno,
            first_log: state.has_log.then_some(state.log_floor),
            strategy: state.strategy,
        }
    }

    fn salvage(fs: &dyn Fs, dir: &Path, old: &Old, repaired: &mut Repaired) -> Result<Self> {
        let mut known = Known::default();
        for &id in &old.manifests {
            let path = dir.join(FileName::Manifest(id).to_string());
            match known.add(fs, dir, id) {
                Err(error @ Error::NewerFormat { .. }) => return Err(error),
                Err(error) => repaired.lost.push(whole_file(fs, &path, &error, Some(0))),
                Ok(gaps) => repaired.lost.extend(gaps.into_iter().map(|gap| Lost {
                    path: path.clone(),
                    offset: gap.offset,
                    bytes: gap.bytes,
                    entries: Some(0),
                    keys: None,
                    what: "no whole edit".into(),
                })),
            }
        }
        let Known { live, dead, level, strategy, last_seqno } = known;
        Ok(Self { live, dead, is_whole: false, settled_seqno: 0, last_seqno, first_log: None, level, strategy })
    }

    /// Reads every block of every table that counts.
    pub(super) fn survey(
        &self,
        fs: &Arc<dyn Fs>,
        dir: &Path,
        old: &Old,
        repaired: &mut Repaired,
    ) -> Result<Vec<SalvagedTable>> {
        let mut tables = Vec::new();
        for (&id, &named) in &old.tables {
            let meta = self.live.get(&id);
            if self.dead.contains(&id) {
                repaired.tables_obsolete += 1;
                continue;
            }
            let path = dir.join(FileName::Table(named).to_string());
            let table = match SalvagedTable::survey(fs, path.clone(), id, meta) {
                Ok(table) => table,
                Err(error @ Error::NewerFormat { .. }) => return Err(error),
                Err(error) => {
                    repaired.lost.push(lost_table(whole_file(&**fs, &path, &error, None), meta));
                    continue;
                }
            };
            if self.is_whole && meta.is_none() {
                if !self.is_newer(&table) {
                    repaired.tables_obsolete += 1;
                    continue;
                }
                // Where there is no log, all that was ever written is in tables that the manifest names, unless its end is lost.
                repaired.is_manifest_whole &= self.first_log.is_some();
            }
            // What a flush has left without a footer, the log has whole.
            let is_half_written = self.is_whole && meta.is_none() && table.meta.is_none();
            if !is_half_written {
                repaired.lost.extend(lost_parts(&table));
            }
            repaired.tables += u64::from(table.keys.is_some());
            tables.push(table);
        }
        for (id, meta) in self.live.iter().filter(|(id, _)| !old.tables.contains_key(id)) {
            let path = dir.join(FileName::Table(*id).to_string());
            let what = "the manifest names this table, but the file is missing".into();
            let lost = Lost { path, offset: 0, bytes: meta.bytes, entries: None, keys: None, what };
            repaired.lost.push(lost_table(lost, Some(meta)));
        }
        Ok(tables)
    }

    /// Whether a table that no edit names holds writes that the manifest does not know. A merge may have put them together with older
    /// ones; a table without a footer may have such ones from the file that it was written over, which deletes have hidden.
    fn is_newer(&self, table: &SalvagedTable) -> bool {
        match &table.meta {
            Some(meta) => meta.newest_seqno > self.settled_seqno,
            None => table.keys.is_some() && table.oldest_seqno > self.settled_seqno,
        }
    }
}

/// Whether `CURRENT` is whole; noted as lost if not.
fn current(fs: &dyn Fs, dir: &Path, repaired: &mut Repaired) -> Result<bool> {
    let path = dir.join(FileName::Current.to_string());
    match read_small(fs, dir, FileName::Current, Purpose::Manifest) {
        Err(error @ Error::NewerFormat { .. }) => return Err(error),
        Err(error) => repaired.lost.push(whole_file(fs, &path, &error, Some(0))),
        Ok(None) => {
            let what = "the file is missing".into();
            repaired.lost.push(Lost { path, offset: 0, bytes: 0, entries: Some(0), keys: None, what });
        }
        Ok(Some(_)) => return Ok(true),
    }
    Ok(false)
}

/// A table of which nothing is left.
fn lost_table(lost: Lost, meta: Option<&TableMeta>) -> Lost {
    let Some(meta) = meta else { return lost };
    Lost { entries: Some(meta.entries), keys: Some((meta.min.clone(), meta.max.clone())), ..lost }
}

fn lost_parts(table: &SalvagedTable) -> impl Iterator<Item = Lost> + '_ {
    let of_data = table.lost.iter().filter(|part| part.is_data).count();
    table.lost.iter().map(move |part| {
        let (entries, what) = match (part.is_data, table.entries_lost()) {
            (false, _) => (Some(0), part.what.clone()),
            (true, Some(lost)) if of_data > 1 => {
                (None, format!("{}; {lost} entries are lost in the {of_data} places of this file", part.what))
            }
            (true, lost) => (lost, part.what.clone()),
        };
        let path = table.path().to_path_buf();
        Lost { path, offset: part.offset, bytes: part.bytes, entries, keys: part.keys.clone(), what }
    })
}
