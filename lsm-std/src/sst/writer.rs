//! Writes a table.

use std::cmp::Ordering;
use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::TableOptions;
use super::builder::BlockBuilder;
use super::filter::{Filter, Hashes, key_hash};
use super::footer::{FOOTER_BYTES, Footer};
use super::index::{IndexBuilder, separator};
use super::seal::Sealer;
use crate::error::{Error, Result};
use crate::fs::{FileName, Fs, Purpose, WriteFile};
use crate::types::{FileId, KEY_BYTES_MAX, Kind, SeqNo, TableMeta, VALUE_BYTES_MAX, order};

/// Blocks are handed to the system in writes of at least this many bytes.
const WRITE_BYTES: usize = 256 << 10;

/// An index is packed if it is longer than this part of the data: below that there is little to be had, and how long a table
/// will be is known without its bytes.
const INDEX_SHARE: u64 = 64;

/// Writes a table, entry by entry in order.
///
/// Dropped before [`Self::finish`] it leaves an unfinished file behind, for the caller to remove.
pub struct TableWriter {
    file: Box<dyn WriteFile>,
    path: PathBuf,
    options: TableOptions,
    sealer: Sealer,
    block: BlockBuilder,
    index: IndexBuilder,
    hashes: Hashes,
    /// Sealed, not yet written.
    pending: Vec<u8>,
    last_key: Vec<u8>,
    last_seqno: SeqNo,
    min: Vec<u8>,
    meta: TableMeta,
}

impl TableWriter {
    /// A new, empty table. `purpose` is [`Purpose::Flush`] or [`Purpose::Merge`].
    pub fn new(fs: &dyn Fs, dir: &Path, id: FileId, options: &TableOptions, purpose: Purpose) -> Result<Self> {
        let path = dir.join(FileName::Table(id).to_string());
        let file = fs.create(&path, purpose)?;
        Ok(Self::onto(file, path, id, options))
    }

    /// As [`new`](Self::new), into a `file` that was made for it at `path`, empty or [reused](Fs::reuse).
    pub fn onto(file: Box<dyn WriteFile>, path: PathBuf, id: FileId, options: &TableOptions) -> Self {
        let meta = TableMeta {
            id,
            bytes: 0,
            entries: 0,
            tombstones: 0,
            min: Bytes::new(),
            max: Bytes::new(),
            newest_ms: 0,
            oldest_tombstone_ms: None,
            oldest_seqno: SeqNo::MAX,
            newest_seqno: 0,
        };
        Self {
            file,
            path,
            options: *options,
            sealer: Sealer::new(id, options.lz4),
            block: BlockBuilder::default(),
            index: IndexBuilder::default(),
            hashes: Hashes::default(),
            pending: Vec::new(),
            last_key: Vec::new(),
            last_seqno: 0,
            min: Vec::new(),
            meta,
        }
    }

    /// Appends an entry. [`Error::Law`] if it does not come after the last one: keys ascend, and of one key the newest
    /// version comes first.
    pub fn add(&mut self, key: &[u8], seqno: SeqNo, kind: Kind, value: &[u8]) -> Result<()> {
        if key.len() > KEY_BYTES_MAX {
            return Err(Error::KeyTooLong { len: key.len(), max: KEY_BYTES_MAX });
        }
        if value.len() > VALUE_BYTES_MAX {
            return Err(Error::ValueTooLong { len: value.len(), max: VALUE_BYTES_MAX });
        }
        let is_first = self.meta.entries == 0;
        if !is_first && order(&self.last_key, self.last_seqno, key, seqno) != Ordering::Less {
            let (last, seqno_last, id) = (Bytes::copy_from_slice(&self.last_key), self.last_seqno, self.meta.id);
            let key = Bytes::copy_from_slice(key);
            return Err(Error::law(format!("table {id}: {key:?} at {seqno} comes after {last:?} at {seqno_last}")));
        }
        let is_large = key.len() + value.len() >= self.options.block_bytes;
        if !self.block.is_empty() && (is_large || self.block.is_full(self.options.block_bytes)) {
            self.close_block(Some(key))?;
        }
        self.block.add(key, seqno, kind, value);
        if is_first {
            self.min = key.to_vec();
        }
        if is_first || key != self.last_key {
            self.last_key.clear();
            self.last_key.extend_from_slice(key);
            if self.options.filter_bits > 0 {
                self.hashes.push(key_hash(key));
            }
        }
        self.last_seqno = seqno;
        self.meta.entries += 1;
        self.meta.tombstones += u64::from(kind == Kind::Delete);
        self.meta.oldest_seqno = self.meta.oldest_seqno.min(seqno);
        self.meta.newest_seqno = self.meta.newest_seqno.max(seqno);
        Ok(())
    }

    /// About how long the file would be if it were finished now.
    pub fn bytes_so_far(&self) -> u64 {
        let filter = self.hashes.len() * usize::from(self.options.filter_bits) / 8;
        self.end() + (self.block.len() + filter + self.index.len() + FOOTER_BYTES) as u64
    }

    /// Entries so far.
    pub fn entries(&self) -> u64 {
        self.meta.entries
    }

    /// The last key added; empty before the first.
    pub fn last_key(&self) -> &[u8] {
        &self.last_key
    }

    /// Path of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes the rest and syncs the file; its name is durable after a sync of the directory. As [`Self::finish_unsynced`].
    pub fn finish(self, newest_ms: u64, oldest_tombstone_ms: u64) -> Result<TableMeta> {
        let (meta, mut file) = self.finish_unsynced(newest_ms, oldest_tombstone_ms)?;
        file.sync()?;
        Ok(meta)
    }

    /// Writes the rest. The table can be read; it survives a power cut once the file is synced, and its name after a sync
    /// of the directory.
    ///
    /// The times go into the [`TableMeta`] as they are, the second only if the table has a tombstone. [`Error::Law`] if it
    /// has no entry.
    pub fn finish_unsynced(
        mut self,
        newest_ms: u64,
        oldest_tombstone_ms: u64,
    ) -> Result<(TableMeta, Box<dyn WriteFile>)> {
        if self.meta.entries == 0 {
            return Err(Error::law(format!("table {} has no entry", self.meta.id)));
        }
        self.close_block(None)?;
        let filter_at = self.end();
        if self.options.filter_bits > 0 {
            let filter = Filter::build(&self.hashes, self.options.filter_bits);
            self.sealer.seal_raw(&filter, filter_at, &mut self.pending);
        }
        let index_at = self.end();
        let index = std::mem::take(&mut self.index).finish();
        if index.len() as u64 > filter_at / INDEX_SHARE {
            self.sealer.seal(&index, index_at, &mut self.pending);
        } else {
            self.sealer.seal_raw(&index, index_at, &mut self.pending);
        }
        let properties_at = self.end();
        self.meta.min = std::mem::take(&mut self.min).into();
        self.meta.max = std::mem::take(&mut self.last_key).into();
        self.meta.newest_ms = newest_ms;
        self.meta.oldest_tombstone_ms = (self.meta.tombstones > 0).then_some(oldest_tombstone_ms);
        self.seal_properties(properties_at);
        Footer { filter_at, index_at, properties_at }.encode(self.meta.id, &mut self.pending);
        self.file.append(&self.pending)?;
        self.file.end()?;
        Ok((self.meta, self.file))
    }

    /// The properties hold the length of the file, which depends on theirs; so they are never packed.
    fn seal_properties(&mut self, properties_at: u64) {
        let before = self.pending.len();
        for _ in 0..2 {
            self.pending.truncate(before);
            let mut properties = Vec::new();
            self.meta.encode(&mut properties);
            self.sealer.seal_raw(&properties, properties_at, &mut self.pending);
            self.meta.bytes = self.end() + FOOTER_BYTES as u64;
        }
    }

    /// Where the next block will start.
    fn end(&self) -> u64 {
        self.file.len() + self.pending.len() as u64
    }

    /// Seals the block; `next` is the key that the next block starts with.
    fn close_block(&mut self, next: Option<&[u8]>) -> Result<()> {
        let offset = self.end();
        let too_long = || Error::law(format!("table {}: a block of 4 GiB", self.meta.id));
        let block = self.block.finish().ok_or_else(too_long)?;
        self.sealer.seal(block, offset, &mut self.pending);
        self.block.clear();
        let len = (self.end() - offset) as usize;
        let mut buffer = Vec::new();
        match next.filter(|next| *next != self.last_key) {
            Some(next) => self.index.add(separator(&self.last_key, next, &mut buffer), 0, len),
            None => self.index.add(&self.last_key, self.last_seqno, len),
        }
        if self.pending.len() >= WRITE_BYTES {
            self.file.append(&self.pending)?;
            if self.pending.capacity() > 4 * WRITE_BYTES {
                self.pending = Vec::new();
            }
            self.pending.clear();
        }
        Ok(())
    }
}
