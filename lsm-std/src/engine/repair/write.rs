//! The new store.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use compaction_core::AnySettings;

use crate::engine::repair::prepare;
use crate::engine::repair::sources::{Source, chains};
use crate::engine::repair::tables::Catalogue;
use crate::error::Result;
use crate::fs::{FileName, Fs, Purpose, replace_small};
use crate::iter::{Cursor, Direction, Each, Merge, Step};
use crate::manifest::{Manifest, RunState, State};
use crate::memtable::Memtable;
use crate::options::Options;
use crate::repaired::{Lost, Repaired};
use crate::sst::{SalvagedTable, TableOptions, TableWriter};
use crate::strategy;
use crate::types::{EntryRef, FileId, Kind, SeqNo, TableMeta};

/// A store being filled. Its tables are one run without old versions and deletes.
pub(super) struct NewStore {
    fs: Arc<dyn Fs>,
    dir: PathBuf,
    table: TableOptions,
    table_bytes_max: u64,
    level: u8,
    strategy: Vec<u8>,
    strategy_problem: Option<String>,
    last_seqno: SeqNo,
    now_ms: u64,
    newest_ms: u64,
    writer: Option<TableWriter>,
    done: Vec<TableMeta>,
    /// Files made so far.
    made: Vec<PathBuf>,
}

impl NewStore {
    /// An empty directory for it.
    pub(super) fn create(options: &Options, catalogue: &Catalogue, dir: &Path) -> Result<Self> {
        let (strategy, strategy_problem) = match AnySettings::decode(&catalogue.strategy) {
            Ok(_) => (catalogue.strategy.clone(), None),
            Err(_) if catalogue.strategy.is_empty() => (Vec::new(), None),
            Err(error) => (Vec::new(), Some(error.to_string())),
        };
        prepare(&options.fs, dir)?;
        Ok(Self {
            fs: Arc::clone(&options.fs),
            dir: dir.to_path_buf(),
            table: options.table_options(),
            table_bytes_max: strategy::table_bytes_max(&catalogue.settings()),
            level: catalogue.level,
            strategy,
            strategy_problem,
            last_seqno: catalogue.last_seqno,
            now_ms: options.make_clock().now_ms(),
            newest_ms: 0,
            writer: None,
            done: Vec::new(),
            made: Vec::new(),
        })
    }

    /// Writes the newest version of every key, then the manifest. Durable on return.
    pub(super) fn fill(
        &mut self,
        tables: Vec<SalvagedTable>,
        log: Arc<Memtable>,
        learned: Option<Vec<u8>>,
        repaired: &mut Repaired,
    ) -> Result<()> {
        let newest_ms = tables.iter().filter_map(|table| table.meta.as_ref()).map(|meta| meta.newest_ms).max();
        let all_known = log.is_empty() && tables.iter().all(|table| table.meta.is_some());
        self.newest_ms = newest_ms.filter(|_| all_known).unwrap_or(self.now_ms);
        let mut sources = chains(tables);
        sources.push(Source::Log(log.entries()));
        let mut last_key: Option<Vec<u8>> = None;
        let mut merge = Merge::new(sources.into_iter().map(Each::of).collect(), Direction::Forward);
        while merge.step()? != Step::End {
            let entry = merge.entry();
            self.last_seqno = self.last_seqno.max(entry.seqno);
            // Of one key the newest version comes first. Nothing older lies elsewhere, so deletes have done their work.
            if last_key.as_deref() == Some(entry.key) {
                continue;
            }
            entry.key.clone_into(last_key.get_or_insert_default());
            if entry.kind == Kind::Put {
                self.add(&entry)?;
                repaired.keys += 1;
            }
        }
        self.close_table()?;
        repaired.table_bytes = self.done.iter().map(|table| table.bytes).sum();
        if let Some(what) = self.strategy_problem.take() {
            let (path, what) = (self.dir.clone(), format!("the strategy's settings, not usable: {what}"));
            repaired.lost.push(Lost { path, offset: 0, bytes: 0, entries: Some(0), keys: None, what });
        }
        self.finish(learned)
    }

    fn add(&mut self, entry: &EntryRef<'_>) -> Result<()> {
        if self.writer.as_ref().is_some_and(|writer| writer.bytes_so_far() >= self.table_bytes_max) {
            self.close_table()?;
        }
        let writer = match &mut self.writer {
            Some(writer) => writer,
            None => {
                let id = self.done.len() as FileId + 1;
                self.made.push(self.dir.join(FileName::Table(id).to_string()));
                self.writer.insert(TableWriter::new(&*self.fs, &self.dir, id, &self.table, Purpose::Other)?)
            }
        };
        writer.add(entry.key, entry.seqno, entry.kind, entry.value)
    }

    fn close_table(&mut self) -> Result<()> {
        if let Some(writer) = self.writer.take() {
            self.done.push(writer.finish(self.newest_ms, self.newest_ms)?);
        }
        Ok(())
    }

    fn finish(&mut self, learned: Option<Vec<u8>>) -> Result<()> {
        let mut path = |name: FileName| {
            self.made.extend([format!("{name}.tmp"), name.to_string()].map(|name| self.dir.join(name)))
        };
        if let Some(learned) = learned {
            path(FileName::Strategy);
            replace_small(&*self.fs, &self.dir, FileName::Strategy, &learned, Purpose::Other)?;
        }
        let id = self.done.len() as FileId + 1;
        path(FileName::Manifest(id));
        path(FileName::Current);
        let tables = std::mem::take(&mut self.done);
        let runs = if tables.is_empty() { Vec::new() } else { vec![RunState { level: self.level, tables }] };
        let state = State {
            runs,
            next_id: id + 1,
            log_floor: id,
            has_log: false,
            last_seqno: self.last_seqno,
            strategy: std::mem::take(&mut self.strategy),
        };
        Manifest::create(Arc::clone(&self.fs), &self.dir, id, state).map(drop)
    }

    /// Removes what was made.
    pub(super) fn remove(&mut self) {
        self.writer = None;
        for path in self.made.iter().rev() {
            // Best effort: what stays is named when the next repair is refused.
            let _ = self.fs.remove(path);
        }
    }
}
