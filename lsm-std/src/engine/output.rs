//! Sorted entries into tables of bounded size, cut only between keys.

use std::sync::Arc;

use bytes::Bytes;

use crate::error::Result;
use crate::fs::{FileName, Purpose, WriteFile};
use crate::sst::{TableOptions, TableWriter};
use crate::types::{EntryRef, FileId, TableMeta};
use crate::view::Files;

/// How tables are written.
#[derive(Clone, Debug)]
pub(super) struct OutputOptions {
    pub(super) table: TableOptions,
    pub(super) purpose: Purpose,
    /// A table is closed, between keys, when it has reached this many bytes.
    pub(super) bytes_max: u64,
    /// No table holds keys on both sides of one of these; each belongs to the right side. Ascending.
    pub(super) cuts: Vec<Bytes>,
    /// When the newest entry was flushed.
    pub(super) newest_ms: u64,
    /// When the oldest tombstone was flushed, if there is any.
    pub(super) oldest_tombstone_ms: u64,
}

/// A table that is written, but would not survive a power cut before its file and its directory are synced.
#[derive(Debug)]
pub(super) struct NewTable {
    pub(super) meta: TableMeta,
    pub(super) file: Box<dyn WriteFile>,
}

/// Tables being written. Dropped before [`finish`](Self::finish), they are removed.
pub(super) struct Output {
    files: Arc<Files>,
    options: OutputOptions,
    writer: Option<TableWriter>,
    last_key: Vec<u8>,
    next_cut: usize,
    ids: Vec<FileId>,
    done: Vec<NewTable>,
}

impl Output {
    pub(super) fn new(files: &Arc<Files>, options: OutputOptions) -> Self {
        let files = Arc::clone(files);
        Self { files, options, writer: None, last_key: Vec::new(), next_cut: 0, ids: Vec::new(), done: Vec::new() }
    }

    /// Adds the next entry in table order.
    pub(super) fn add(&mut self, entry: &EntryRef<'_>) -> Result<()> {
        if let Some(writer) = &self.writer
            && entry.key != self.last_key
        {
            let full = writer.bytes_so_far() >= self.options.bytes_max;
            if self.passes_cut(entry.key) || full {
                self.close_table()?;
            }
        } else if self.writer.is_none() {
            self.passes_cut(entry.key);
        }
        let writer = match &mut self.writer {
            Some(writer) => writer,
            None => {
                let id = self.files.new_id();
                self.ids.push(id);
                let (file, path) = self.files.create_table(id, self.options.purpose)?;
                self.writer.insert(TableWriter::onto(file, path, id, &self.options.table))
            }
        };
        writer.add(entry.key, entry.seqno, entry.kind, entry.value)?;
        entry.key.clone_into(&mut self.last_key);
        Ok(())
    }

    /// Whether a cut lies between the last key and `key`.
    fn passes_cut(&mut self, key: &[u8]) -> bool {
        let cuts = self.options.cuts.get(self.next_cut..).unwrap_or(&[]);
        let passed = cuts.iter().take_while(|cut| ***cut <= *key).count();
        self.next_cut += passed;
        passed > 0
    }

    fn close_table(&mut self) -> Result<()> {
        if let Some(writer) = self.writer.take() {
            let (newest_ms, oldest_tombstone_ms) = (self.options.newest_ms, self.options.oldest_tombstone_ms);
            let (meta, file) = writer.finish_unsynced(newest_ms, oldest_tombstone_ms)?;
            self.done.push(NewTable { meta, file });
        }
        Ok(())
    }

    /// Closes the last table.
    pub(super) fn finish(mut self) -> Result<Vec<NewTable>> {
        self.close_table()?;
        self.ids.clear();
        Ok(std::mem::take(&mut self.done))
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        drop(self.writer.take());
        for id in &self.ids {
            self.files.remove(FileName::Table(*id));
        }
    }
}
