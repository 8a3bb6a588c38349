//! Sorted entries into tables of bounded size, cut only between keys.

use std::sync::Arc;

use bytes::Bytes;

use crate::error::Result;
use crate::fs::{FileName, Purpose};
use crate::sst::{TableOptions, TableWriter};
use crate::types::{Entry, FileId, TableMeta};
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

/// Tables being written. Dropped before [`finish`](Self::finish), they are removed.
pub(super) struct Output {
    files: Arc<Files>,
    options: OutputOptions,
    writer: Option<TableWriter>,
    last_key: Bytes,
    next_cut: usize,
    ids: Vec<FileId>,
    done: Vec<TableMeta>,
}

impl Output {
    pub(super) fn new(files: &Arc<Files>, options: OutputOptions) -> Self {
        let files = Arc::clone(files);
        Self { files, options, writer: None, last_key: Bytes::new(), next_cut: 0, ids: Vec::new(), done: Vec::new() }
    }

    /// Adds the next entry in table order.
    pub(super) fn add(&mut self, entry: &Entry) -> Result<()> {
        if let Some(writer) = &self.writer
            && entry.key != self.last_key
        {
            let full = writer.bytes_so_far() >= self.options.bytes_max;
            if self.passes_cut(&entry.key) || full {
                self.close_table()?;
            }
        } else if self.writer.is_none() {
            self.passes_cut(&entry.key);
        }
        let writer = match &mut self.writer {
            Some(writer) => writer,
            None => {
                let id = self.files.new_id();
                self.ids.push(id);
                let (fs, dir) = (&*self.files.fs, &self.files.dir);
                self.writer.insert(TableWriter::new(fs, dir, id, &self.options.table, self.options.purpose)?)
            }
        };
        writer.add(&entry.key, entry.seqno, entry.kind, &entry.value)?;
        self.last_key = entry.key.clone();
        Ok(())
    }

    /// Whether a cut lies between the last key and `key`.
    fn passes_cut(&mut self, key: &Bytes) -> bool {
        let cuts = self.options.cuts.get(self.next_cut..).unwrap_or(&[]);
        let passed = cuts.iter().take_while(|cut| *cut <= key).count();
        self.next_cut += passed;
        passed > 0
    }

    fn close_table(&mut self) -> Result<()> {
        if let Some(writer) = self.writer.take() {
            self.done.push(writer.finish(self.options.newest_ms, self.options.oldest_tombstone_ms)?);
        }
        Ok(())
    }

    /// Closes the last table and makes all of them durable, names included.
    pub(super) fn finish(mut self) -> Result<Vec<TableMeta>> {
        self.close_table()?;
        if !self.done.is_empty() {
            self.files.fs.sync_dir(&self.files.dir)?;
        }
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
