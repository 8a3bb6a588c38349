//! What is left of a damaged table.
//!
//! Blocks are found through the index. Without one they are found by their checksums: from where the last whole block ends, a
//! block ends wherever the checksum of all bytes so far follows. Behind damage every byte is tried as a start, within bounds.

mod scan;

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::vec::IntoIter;

use bytes::Bytes;

use super::block::Block;
use super::entries::Entries;
use super::filter::Filter;
use super::footer::{FOOTER_BYTES, Footer, decode_meta, read_range};
use super::index::{BlockHandle, Index};
use super::seal::{BLOCK_BYTES_MAX, unseal};
use crate::error::{Error, Result};
use crate::fs::{Fs, Purpose, ReadFile};
use crate::types::{Entry, FileId, KEY_BYTES_MAX, NUMBERS_END, SeqNo, TableMeta, VALUE_BYTES_MAX};

/// A part of a table that cannot be read.
#[derive(Clone, Debug)]
pub struct LostPart {
    /// Where it starts in the file.
    pub offset: u64,
    /// How long it is.
    pub bytes: u64,
    /// Whether it held entries. If not, nothing but speed is lost.
    pub is_data: bool,
    /// Keys between which all its entries lie, both included, if that is known.
    pub keys: Option<(Bytes, Bytes)>,
    /// What is wrong with it.
    pub what: String,
}

/// A table of which every block was tried.
#[derive(Debug)]
pub struct SalvagedTable {
    fs: Arc<dyn Fs>,
    path: PathBuf,
    id: FileId,
    blocks: Blocks,
    /// Smallest and largest key of what can be read; `None` if nothing can.
    pub keys: Option<(Bytes, Bytes)>,
    /// Entries that can be read.
    pub entries: u64,
    /// Smallest sequence number of what can be read.
    pub oldest_seqno: SeqNo,
    /// What the table was, by its own properties or by the manifest.
    pub meta: Option<TableMeta>,
    /// What cannot be read.
    pub lost: Vec<LostPart>,
}

/// Which blocks can be read.
#[derive(Debug)]
enum Blocks {
    /// Those of the index but these.
    Indexed { bad: BTreeSet<usize> },
    /// These.
    Found(Vec<BlockHandle>),
}

impl SalvagedTable {
    /// The number of the table in the file `path`, whatever that is called, if its footer is whole.
    pub fn number(fs: &dyn Fs, path: &Path) -> Option<FileId> {
        let file = fs.open(path, Purpose::Other).ok()?;
        let at = file.len().checked_sub(FOOTER_BYTES as u64)?;
        Footer::table_of(&read_range(&*file, path, at, file.len()).ok()?)
    }

    /// Tries every block of the table `id` in the file `path`; `expected` is what a manifest says of it. Holds a block at a time, or the
    /// whole file if its index is damaged.
    ///
    /// [`Error::NewerFormat`]; [`Error::Corrupt`] if it is another table than expected; [`Error::Io`] if the file cannot be opened.
    pub fn survey(fs: &Arc<dyn Fs>, path: PathBuf, id: FileId, expected: Option<&TableMeta>) -> Result<Self> {
        let file = fs.open(&path, Purpose::Other)?;
        let mut survey = Survey { file, path, id, meta: None, last: None, first: None, table: Counted::default() };
        let frame = survey.frame()?;
        if let (Some(meta), Some(expected)) = (&survey.meta, expected)
            && meta != expected
        {
            return Err(Error::corrupt(&survey.path, frame.data_end, "not the table that the manifest names"));
        }
        survey.meta = survey.meta.take().or_else(|| expected.cloned());
        let blocks = match frame.index {
            Some(index) => Blocks::Indexed { bad: survey.by_index(&index, frame.data_end) },
            None => Blocks::Found(survey.scan(frame.data_end)),
        };
        let Survey { path, meta, last, first, table, .. } = survey;
        let Counted { entries, oldest_seqno, lost } = table;
        let keys = first.zip(last.map(|last| last.key));
        Ok(Self { fs: Arc::clone(fs), path, id, blocks, keys, entries, oldest_seqno, meta, lost })
    }

    /// Path of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Entries that it held and that cannot be read, if that is known.
    pub fn entries_lost(&self) -> Option<u64> {
        self.meta.as_ref().map(|meta| meta.entries.saturating_sub(self.entries))
    }

    /// All that can be read, in order. `keeps_open`: the file stays open meanwhile.
    pub fn entries(self, keeps_open: bool) -> Result<SalvagedEntries> {
        let file = self.fs.open(&self.path, Purpose::Other)?;
        let blocks = match self.blocks {
            Blocks::Found(blocks) => blocks,
            Blocks::Indexed { bad } => {
                let footer = read_footer(&*file, &self.path, self.id)?;
                let index = read_index(&*file, &self.path, self.id, &footer)?;
                let all = (0..index.blocks()).filter(|at| !bad.contains(at));
                all.filter_map(|at| index.block(at, footer.filter_at)).collect()
            }
        };
        let Self { fs, path, id, .. } = self;
        let file = keeps_open.then_some(file);
        Ok(SalvagedEntries { fs, path, id, file, blocks: blocks.into_iter(), front: Entries::default() })
    }
}

/// The entries of a table that can be read.
#[derive(Debug)]
pub struct SalvagedEntries {
    fs: Arc<dyn Fs>,
    path: PathBuf,
    id: FileId,
    file: Option<Arc<dyn ReadFile>>,
    blocks: IntoIter<BlockHandle>,
    front: Entries,
}

impl SalvagedEntries {
    fn read(&self, handle: BlockHandle) -> Result<Entries> {
        match &self.file {
            Some(file) => read_block(&**file, &self.path, self.id, handle),
            None => read_block(&*self.fs.open(&self.path, Purpose::Other)?, &self.path, self.id, handle),
        }
    }
}

impl Iterator for SalvagedEntries {
    type Item = Result<Entry>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(entry) = self.front.next() {
                return Some(Ok(entry));
            }
            let handle = self.blocks.next()?;
            match self.read(handle) {
                Ok(entries) => self.front = entries,
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

fn read_footer(file: &dyn ReadFile, path: &Path, id: FileId) -> Result<Footer> {
    let len = file.len();
    let Some(at) = len.checked_sub(FOOTER_BYTES as u64) else {
        return Err(Error::corrupt(path, 0, format!("{len} bytes are too few for a table")));
    };
    Footer::decode(path, id, &read_range(file, path, at, len)?, at)
}

fn read_index(file: &dyn ReadFile, path: &Path, id: FileId, footer: &Footer) -> Result<Index> {
    let stored = read_part(file, path, id, footer.index_at, footer.properties_at)?;
    Index::parse(&stored, footer.filter_at).map_err(|e| e.in_file(path, footer.index_at))
}

fn read_part(file: &dyn ReadFile, path: &Path, id: FileId, start: u64, end: u64) -> Result<Bytes> {
    let stored = read_range(file, path, start, end)?;
    unseal(&stored, id, start, BLOCK_BYTES_MAX).map_err(|e| e.in_file(path, start))
}

fn read_block(file: &dyn ReadFile, path: &Path, id: FileId, handle: BlockHandle) -> Result<Entries> {
    let raw = read_part(file, path, id, handle.offset, handle.offset + handle.len as u64)?;
    let entries = Block::parse(raw).and_then(|block| Entries::decode(&block));
    entries.map_err(|e| e.in_file(path, handle.offset))
}

/// What is known once footer, index, filter and properties were tried.
struct Frame {
    data_end: u64,
    index: Option<Index>,
}

#[derive(Debug)]
struct Counted {
    entries: u64,
    oldest_seqno: SeqNo,
    lost: Vec<LostPart>,
}

impl Default for Counted {
    fn default() -> Self {
        Self { entries: 0, oldest_seqno: SeqNo::MAX, lost: Vec::new() }
    }
}

/// A table being tried.
struct Survey {
    file: Arc<dyn ReadFile>,
    path: PathBuf,
    id: FileId,
    meta: Option<TableMeta>,
    first: Option<Bytes>,
    last: Option<Entry>,
    table: Counted,
}

impl Survey {
    /// Tries all but the data blocks.
    fn frame(&mut self) -> Result<Frame> {
        let len = self.file.len();
        let footer = match read_footer(&*self.file, &self.path, self.id) {
            Ok(footer) => footer,
            Err(error @ Error::NewerFormat { .. }) => return Err(error),
            Err(error) => {
                let bytes = len.min(FOOTER_BYTES as u64);
                self.lose_frame(len - bytes, bytes, &error);
                return Ok(Frame { data_end: len, index: None });
            }
        };
        let Footer { filter_at, index_at, properties_at } = footer;
        let part = |start, end| read_part(&*self.file, &self.path, self.id, start, end);
        let filter = match filter_at == index_at {
            true => Ok(()),
            false => part(filter_at, index_at)
                .and_then(|raw| Filter::parse(&raw).map(drop).map_err(|e| e.in_file(&self.path, filter_at))),
        };
        let end = len - FOOTER_BYTES as u64;
        let meta = part(properties_at, end)
            .and_then(|raw| decode_meta(&raw, self.id, len).map_err(|e| e.in_file(&self.path, properties_at)));
        let index = read_index(&*self.file, &self.path, self.id, &footer);
        for (start, end, error) in [
            (filter_at, index_at, filter.err()),
            (index_at, properties_at, index.as_ref().err().cloned()),
            (properties_at, end, meta.as_ref().err().cloned()),
        ] {
            if let Some(error) = error {
                self.lose_frame(start, end - start, &error);
            }
        }
        self.meta = meta.ok();
        Ok(Frame { data_end: filter_at, index: index.ok() })
    }

    fn lose_frame(&mut self, offset: u64, bytes: u64, error: &Error) {
        let what = error.what();
        self.table.lost.push(LostPart { offset, bytes, is_data: false, keys: None, what });
    }

    /// Tries every block that the index names. Answers with those that cannot be read.
    fn by_index(&mut self, index: &Index, data_end: u64) -> BTreeSet<usize> {
        let mut bad = BTreeSet::new();
        let min = self.meta.as_ref().map(|meta| meta.min.clone());
        for at in 0..index.blocks() {
            let Some(handle) = index.block(at, data_end) else { break };
            let entries = read_block(&*self.file, &self.path, self.id, handle).map_err(|error| error.what());
            let Err(what) = entries.and_then(|entries| self.accept(entries)) else { continue };
            let low = if at == 0 { min.clone() } else { Some(index.separator(at - 1)) };
            let keys = low.zip(Some(index.separator(at)));
            let (offset, bytes) = (handle.offset, handle.len as u64);
            match self.table.lost.last_mut() {
                Some(last) if bad.contains(&at.wrapping_sub(1)) => {
                    last.bytes += bytes;
                    last.keys = last.keys.take().zip(keys).map(|((low, _), (_, high))| (low, high));
                }
                _ => self.table.lost.push(LostPart { offset, bytes, is_data: true, keys, what }),
            }
            bad.insert(at);
        }
        bad
    }

    /// Takes the entries of the next block, or says what is wrong with them.
    fn accept(&mut self, entries: Entries) -> Result<Vec<Entry>, String> {
        let entries: Vec<Entry> = entries.collect();
        let mut last = self.last.as_ref();
        for entry in &entries {
            if last.is_some_and(|last| last.order(entry) != Ordering::Less) {
                return Err(format!("{:?} at {} is out of order", entry.key, entry.seqno));
            }
            let fits = entry.key.len() <= KEY_BYTES_MAX && entry.value.len() <= VALUE_BYTES_MAX;
            if !fits || entry.seqno >= NUMBERS_END {
                return Err(format!("an entry beyond all limits, at {}", entry.seqno));
            }
            last = Some(entry);
        }
        let Some(end) = last else { return Err("a block without entries".into()) };
        // A copy: a slice would keep the block.
        let end = Entry { key: Bytes::copy_from_slice(&end.key), value: Bytes::new(), ..end.clone() };
        if let Some(first) = entries.first() {
            self.first.get_or_insert_with(|| Bytes::copy_from_slice(&first.key));
        }
        self.last = Some(end);
        self.table.entries += entries.len() as u64;
        let oldest = entries.iter().map(|entry| entry.seqno).min().unwrap_or(SeqNo::MAX);
        self.table.oldest_seqno = self.table.oldest_seqno.min(oldest);
        Ok(entries)
    }
}
