//! Blocks found by their checksums alone.

use bytes::Bytes;

use super::super::block::Block;
use super::super::crc::RunningCrc;
use super::super::entries::Entries;
use super::super::index::BlockHandle;
use super::super::seal::{BLOCK_BYTES_MAX, TRAILER_BYTES, unseal, zeros};
use super::{LostPart, Survey};
use crate::codec::Reader;
use crate::fs::read_pages;
use crate::types::TableMeta;

/// Behind damage, a block is looked for that is at most twice as long as the longest found so far, and at least this long.
const WINDOW_BYTES_MIN: usize = 16 << 10;

/// Bytes that are looked at behind damage before the rest is given up: some ten seconds of work; as many as the file has
/// come to that twice.
const STEPS_MAX: u64 = 4 << 30;

/// What a whole block holds.
enum Part {
    Data(Vec<crate::types::Entry>),
    Properties(TableMeta),
    /// The filter, the index, or data that does not decode.
    Other,
}

impl Survey {
    /// Finds the data blocks that lie before `data_end`, or before the properties.
    pub(super) fn scan(&mut self, data_end: u64) -> Vec<BlockHandle> {
        let Some(mut bytes) = usize::try_from(data_end).ok().and_then(zeros) else {
            self.lose(0, data_end, None, "it does not fit memory".into());
            return Vec::new();
        };
        read_pages(&*self.file, &mut bytes, 0, &mut Vec::new());
        let bytes = Bytes::from(bytes);
        let (mut found, mut at, mut gap) = (Vec::new(), 0, None);
        let (mut window, mut ended) = (WINDOW_BYTES_MIN, data_end < self.file.len());
        let mut steps = STEPS_MAX.saturating_add(2 * data_end);
        while at < bytes.len() {
            let limit = if gap.is_none() { bytes.len() } else { bytes.len().min(at + window) };
            let before = self.last.as_ref().map(|last| last.key.clone());
            let Some((end, part)) = self.part_at(&bytes, at, limit, &mut steps) else {
                gap.get_or_insert((at, before));
                at += 1;
                if steps == 0 {
                    break;
                }
                continue;
            };
            let next = match &part {
                Part::Data(entries) => entries.first().map(|entry| entry.key.clone()),
                _ => None,
            };
            if let Some(gap) = gap.take() {
                self.lose_gap(gap, at, next);
            }
            match part {
                Part::Data(_) => {
                    found.push(BlockHandle { offset: at as u64, len: end - at });
                    window = window.max(2 * (end - at));
                }
                Part::Properties(meta) => {
                    self.meta.get_or_insert(meta);
                    ended = true;
                    break;
                }
                Part::Other => {}
            }
            at = end;
        }
        if let Some(gap) = gap {
            self.lose_gap(gap, bytes.len(), None);
        }
        self.settle(at as u64, ended);
        found
    }

    /// The whole block at `at` that ends at `limit` or before, and where it ends.
    fn part_at(&mut self, bytes: &Bytes, at: usize, limit: usize, steps: &mut u64) -> Option<(usize, Part)> {
        let mut crc = RunningCrc::new(self.id, at as u64);
        let limit = limit.min(at.saturating_add(BLOCK_BYTES_MAX + TRAILER_BYTES));
        for (&byte, sum_at) in bytes[at..limit].iter().zip(at + 1..) {
            let stored = bytes.get(sum_at..sum_at + 4)?;
            *steps = steps.checked_sub(1)?;
            crc.add(byte);
            if byte <= 1 && *stored == crc.value().to_le_bytes() {
                let end = sum_at + 4;
                let raw = unseal(&bytes.slice(at..end), self.id, at as u64, BLOCK_BYTES_MAX);
                if let Ok(raw) = raw {
                    return Some((end, self.judge(raw)));
                }
            }
        }
        None
    }

    fn judge(&mut self, raw: Bytes) -> Part {
        let mut reader = Reader::new(&raw);
        if let Ok(meta) = TableMeta::decode(&mut reader)
            && reader.is_empty()
            && meta.id == self.id
        {
            return Part::Properties(meta);
        }
        let entries = Block::parse(raw).and_then(|block| Entries::decode(&block)).map_err(|error| error.what.into());
        entries.and_then(|entries| self.accept(entries)).map_or(Part::Other, Part::Data)
    }

    /// Notes that nothing whole lies between two places, each with the key on its far side.
    fn lose_gap(&mut self, (start, before): (usize, Option<Bytes>), end: usize, next: Option<Bytes>) {
        let meta = self.meta.as_ref();
        let low = before.or_else(|| meta.map(|meta| meta.min.clone()));
        let high = next.or_else(|| meta.map(|meta| meta.max.clone()));
        self.lose(start as u64, (end - start) as u64, low.zip(high), "no whole block".into());
    }

    fn lose(&mut self, offset: u64, bytes: u64, keys: Option<(Bytes, Bytes)>, what: String) {
        self.table.lost.push(LostPart { offset, bytes, is_data: true, keys, what });
    }

    /// A file that ends too early, or lacks a block without a gap to show for it.
    fn settle(&mut self, at: u64, ended: bool) {
        let is_short = match &self.meta {
            Some(meta) => self.table.entries < meta.entries,
            None => !ended,
        };
        if is_short && !self.table.lost.iter().any(|part| part.is_data) {
            let low = self.last.as_ref().map(|last| last.key.clone());
            let meta = self.meta.as_ref();
            let bytes = meta.map_or(0, |meta| meta.bytes.saturating_sub(self.file.len()));
            let keys = low.or_else(|| meta.map(|meta| meta.min.clone())).zip(meta.map(|meta| meta.max.clone()));
            self.lose(at, bytes, keys, "the file ends too early".into());
        }
    }
}
