//! The size of a table as its entries come.

use super::format::varint;
use super::names::{Beside, Named};
use super::{KeyPrefix, TableFormat};

/// After so many weighted entries the share of blocks in the bytes is computed anew.
const ENTRIES_PER_SHARE: u64 = 32;

/// The size of a table, block by block as a table writer lays them out.
///
/// With a weight above 1 each entry stands for so many neighbours, and blocks are counted in fractions: thousandths of bytes
/// and millionths of blocks.
#[derive(Clone, Debug)]
pub(crate) struct TableSize {
    format: TableFormat,
    weight: u64,
    entries: u64,
    tombstones: u64,
    /// Key and sequence number of the last entry.
    last: Option<(u64, u64)>,
    /// Bytes of closed blocks.
    closed: u64,
    blocks: u64,
    /// Bytes of the index, before it is packed.
    index: u64,
    /// What all blocks but the first add to it when it is packed.
    index_packed: u64,
    /// Last key of the last closed block, and its bytes in the file.
    last_block: Option<(u64, u64)>,
    /// Oldest and newest sequence number.
    seqnos: (u64, u64),
    /// Bytes of the open block without its end.
    open: u64,
    open_entries: u64,
    alike: Alike,
    named: Named,
    weighted: Weighted,
}

/// Neighbours that differ from each other as those before them did: their keys pack to next to nothing.
#[derive(Clone, Copy, Debug, Default)]
struct Alike {
    /// How far the last key lay from the one before, and how long its entry was beside the key.
    last: (u64, u64),
    /// Whether the last entry was one of them.
    streak: bool,
    /// Tenths of bytes that packing takes off the open block.
    saved_deci: u64,
}

/// Keys further apart than this do not count as alike: their digits come again too late.
const ALIKE_GAP_MAX: u64 = 9;
/// A packed block says how long it was.
const PACKED_HEAD_BYTES: u64 = 4;
/// So many digits of neighbouring separators differ where blocks are not looked at one by one.
const SEPARATOR_DIGITS: u64 = 3;
/// What a block as long as the one before saves in the packed index.
const ALIKE_BLOCK_BYTES: u64 = 2;
/// 10, 100, 1 000, ..
const POWERS: [u64; 19] = {
    let (mut powers, mut at) = ([10u64; 19], 1);
    while at < powers.len() {
        powers[at] = powers[at - 1] * 10;
        at += 1;
    }
    powers
};
/// What packing takes off each of them, in tenths of bytes: measured.
const ALIKE_DECI: u64 = 32;
/// What each stretch of them takes when it is packed, in tenths of bytes.
const STREAK_DECI: u64 = 30;

/// The part of weighted entries.
#[derive(Clone, Copy, Debug, Default)]
struct Weighted {
    added: u64,
    payload_milli: u64,
    blocks_ppm: u64,
    /// Blocks in millionths for one entry of weight 1, by the entries so far.
    share_ppm: u64,
}

/// What a table came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sizes {
    /// The whole file.
    pub(crate) bytes: u64,
    /// The data blocks alone.
    pub(crate) data_bytes: u64,
}

impl TableSize {
    /// An empty table of entries that stand for `weight` each.
    pub(crate) fn new(format: TableFormat, weight: u64) -> Self {
        Self {
            format,
            weight,
            entries: 0,
            tombstones: 0,
            last: None,
            closed: 0,
            blocks: 0,
            index: 0,
            index_packed: 0,
            last_block: None,
            seqnos: (u64::MAX, 0),
            open: 0,
            open_entries: 0,
            alike: Alike::default(),
            named: Named::default(),
            weighted: Weighted::default(),
        }
    }

    /// Adds the next entry by key, which is known by its number and perhaps by name; `value` is its length, `None` for a tombstone.
    pub(crate) fn add(&mut self, (key, name): (u64, Option<Beside>), seqno: u64, value: Option<u64>) {
        match name {
            _ if self.weight > 1 => self.add_many(key, seqno, value),
            Some(name) => self.add_named(name, seqno, value),
            None => self.add_numbered(key, seqno, value),
        }
        self.entries = self.entries.saturating_add(self.weight);
        self.tombstones = self.tombstones.saturating_add(if value.is_none() { self.weight } else { 0 });
        self.seqnos = (self.seqnos.0.min(seqno), self.seqnos.1.max(seqno));
        self.last = Some((key, seqno));
    }

    fn add_numbered(&mut self, key: u64, seqno: u64, value: Option<u64>) {
        let differing = self.last.map_or(u64::MAX, |(last, _)| digits_differing(last, key));
        let separator = self.format.separator(differing);
        let (entry, rest) =
            self.add_one((self.format.key_bytes, self.format.rest(differing)), separator, (seqno, value));
        if self.format.packs {
            self.note_alike(key, entry.saturating_sub(rest));
        }
    }

    fn add_named(&mut self, name: Beside, seqno: u64, value: Option<u64>) {
        let separator = self.named.come(name);
        self.add_one((name.bytes, name.bytes.saturating_sub(name.shared)), separator, (seqno, value));
        self.named.last = name.bytes;
    }

    /// Adds an entry whose key has so many bytes, and so many beyond what the one before has in common with it, and before it
    /// closes a block that is full. The bytes of the entry, and those of its key.
    fn add_one(
        &mut self,
        (key_bytes, rest): (u64, u64),
        separator: u64,
        (seqno, value): (u64, Option<u64>),
    ) -> (u64, u64) {
        let large = key_bytes.saturating_add(value.unwrap_or(0)) >= self.format.block_bytes;
        if self.open_entries > 0 && (large || self.block() >= self.format.block_bytes) {
            self.close(separator);
        }
        let restart = self.open_entries.checked_rem(self.format.restart_entries).is_none_or(|rest| rest == 0);
        let rest = if restart { key_bytes } else { rest };
        let extra = if restart { self.format.restart_bytes } else { 0 };
        let entry = self.format.entry(rest, seqno, value);
        self.open = self.open.saturating_add(entry).saturating_add(extra);
        self.open_entries = self.open_entries.saturating_add(1);
        (entry, rest)
    }

    fn note_alike(&mut self, key: u64, beside_key: u64) {
        let gap = self.last.map_or(u64::MAX, |(last, _)| key.saturating_sub(last));
        let now = (gap, beside_key);
        let alike = gap <= ALIKE_GAP_MAX && now == self.alike.last;
        if alike {
            let start = if self.alike.streak { 0 } else { STREAK_DECI };
            self.alike.saved_deci = self.alike.saved_deci.saturating_add(ALIKE_DECI).saturating_sub(start);
        }
        (self.alike.last, self.alike.streak) = (now, alike);
    }

    /// Bytes of the open block in the file: packed where that makes it an eighth smaller.
    fn stored(&self) -> u64 {
        let raw = self.block();
        let packed = raw.saturating_sub(self.alike.saved_deci / 10).saturating_add(PACKED_HEAD_BYTES);
        if packed <= raw.saturating_sub(raw / 8) { packed } else { raw }
    }

    /// Bytes of the open block.
    fn block(&self) -> u64 {
        self.open.saturating_add(self.format.block_end_bytes)
    }

    fn close(&mut self, separator: u64) {
        let (key, stored) = (self.last.map_or(0, |(key, _)| key), self.stored());
        if self.named.first > 0 {
            let entry = self.named.pack(separator, self.format.index_entry_bytes);
            self.index_packed = self.index_packed.saturating_add(entry);
        } else if let Some((before, bytes)) = self.last_block {
            let differing = self.format.rest(digits_differing(before, key));
            let alike = if bytes == stored { ALIKE_BLOCK_BYTES } else { 0 };
            let packed = self.format.index_packed_bytes.saturating_add(differing).saturating_sub(alike);
            self.index_packed = self.index_packed.saturating_add(packed);
        }
        self.last_block = Some((key, stored));
        self.closed = self.closed.saturating_add(stored).saturating_add(self.format.part_bytes);
        (self.alike.saved_deci, self.alike.streak) = (0, false);
        let length = if self.format.varints {
            varint(stored.saturating_add(self.format.part_bytes)).saturating_sub(2)
        } else {
            0
        };
        let entry = self.format.index_entry_bytes.saturating_add(length);
        self.index = self.index.saturating_add(separator).saturating_add(entry);
        self.blocks = self.blocks.saturating_add(1);
        (self.open, self.open_entries) = (0, 0);
    }

    /// The bytes of `weight` neighbours.
    fn add_many(&mut self, key: u64, seqno: u64, value: Option<u64>) {
        let format = &self.format;
        let rest_milli = match format.prefix {
            KeyPrefix::Digits => {
                let gap = self.last.map_or(1, |(last, _)| key.saturating_sub(last));
                mean_digits_milli(gap).min(format.key_bytes.saturating_mul(1_000))
            }
            _ => format.rest(0).saturating_mul(1_000),
        };
        let entry = format.entry(0, seqno, value).saturating_mul(1_000).saturating_add(rest_milli);
        let weighted = &mut self.weighted;
        weighted.payload_milli = weighted.payload_milli.saturating_add(entry.saturating_mul(self.weight));
        if weighted.added.is_multiple_of(ENTRIES_PER_SHARE) {
            let entries = self.entries.saturating_add(self.weight);
            weighted.share_ppm = format.blocks_ppm(weighted.payload_milli, entries);
        }
        weighted.added = weighted.added.saturating_add(1);
        let blocks = weighted.share_ppm.saturating_mul(self.weight);
        weighted.blocks_ppm = weighted.blocks_ppm.saturating_add(blocks);
    }

    /// Bytes of weighted entries: those in blocks, and their blocks.
    fn weighted(&self) -> (u64, u64) {
        let (format, weighted) = (&self.format, &self.weighted);
        let blocks = weighted.blocks_ppm / 1_000_000;
        let ends = format.block_end_bytes.saturating_add(format.part_bytes).saturating_mul(blocks);
        // Entries with whole keys: one in so many, and as a rule one more a block than that.
        let restarts = self.entries.checked_div(format.restart_entries).unwrap_or(0).saturating_add(blocks / 2);
        let whole = format.key_bytes.saturating_add(format.restart_bytes);
        let restarts = if weighted.added > 0 { restarts.saturating_mul(whole.saturating_sub(2)) } else { 0 };
        let bytes = (weighted.payload_milli / 1_000).saturating_add(ends).saturating_add(restarts);
        (bytes, blocks)
    }

    /// About how long the file would be if it were finished now: what a writer cuts its tables by.
    pub(crate) fn bytes_so_far(&self) -> u64 {
        let open = if self.open_entries > 0 { self.block() } else { 0 };
        let (bytes, blocks) = if self.weight > 1 { self.weighted() } else { (self.closed.saturating_add(open), 0) };
        let filter = self.entries.saturating_mul(self.format.filter_bits) / 8;
        let separator = self.format.key_bytes.saturating_add(self.format.index_entry_bytes);
        let index = self.index.saturating_add(blocks.saturating_mul(separator));
        bytes.saturating_add(filter).saturating_add(index).saturating_add(self.format.footer_bytes)
    }

    /// Bytes of the index in the file.
    fn stored_index(&self) -> u64 {
        // The last block stands with the sequence number of its last key.
        let last =
            if self.format.varints { varint(self.last.map_or(0, |(_, seqno)| seqno)).saturating_sub(1) } else { 0 };
        let raw = self.index.saturating_add(last);
        let first = self.format.key_bytes.saturating_add(self.format.index_entry_bytes);
        let first = if self.named.first > 0 { 0 } else { first };
        let packed = first.saturating_add(self.index_packed).saturating_add(PACKED_HEAD_BYTES);
        self.format.index(self.closed, (raw, packed))
    }

    /// Bytes of weighted entries, and of the index of their blocks.
    fn weighted_index(&self) -> (u64, u64) {
        let (bytes, blocks) = self.weighted();
        let raw = self.format.separator(1).saturating_add(self.format.index_entry_bytes);
        let packed = self.format.index_packed_bytes.saturating_add(self.format.rest(SEPARATOR_DIGITS));
        (bytes, self.format.index(bytes, (blocks.saturating_mul(raw), blocks.saturating_mul(packed))))
    }

    /// Bytes of the numbers that table `id` tells of itself.
    fn numbers(&self, id: u64, (newest_ms, oldest_tombstone_ms): (u64, u64)) -> u64 {
        if !self.format.varints || self.entries == 0 {
            return 0;
        }
        let oldest_ms = if self.tombstones > 0 { oldest_tombstone_ms } else { 0 };
        let (oldest, newest) = self.seqnos;
        let all = [id, self.entries, self.tombstones, newest_ms, oldest_ms, oldest, newest];
        all.iter().map(|number| varint(*number)).fold(0, u64::saturating_add)
    }

    /// The size of the whole table, of this id, with the time of its newest entry and that of its oldest tombstone.
    pub(crate) fn finish(mut self, id: u64, times: (u64, u64)) -> Sizes {
        if self.open_entries > 0 {
            self.close(if self.named.first > 0 { self.named.last } else { self.format.key_bytes });
        }
        let (data_bytes, index) =
            if self.weight > 1 { self.weighted_index() } else { (self.closed, self.stored_index()) };
        let keys = if self.named.first > 0 {
            self.named.first.saturating_add(self.named.last)
        } else {
            self.format.key_bytes.saturating_mul(2)
        };
        let bytes = data_bytes
            .saturating_add(index)
            .saturating_add(self.format.part_bytes)
            .saturating_add(self.format.filter(self.entries))
            .saturating_add(self.format.table_bytes)
            .saturating_add(self.format.footer_bytes)
            .saturating_add(self.numbers(id, times))
            .saturating_add(keys);
        Sizes { bytes, data_bytes }
    }
}

impl TableFormat {
    /// Blocks, in millionths, that an entry takes where `entries` have so many thousandths of bytes in all.
    fn blocks_ppm(&self, payload_milli: u64, entries: u64) -> u64 {
        let every = self.restart_entries.max(1);
        let restart = self.key_bytes.saturating_add(self.restart_bytes).saturating_mul(1_000).checked_div(every);
        let entry = payload_milli.checked_div(entries).unwrap_or(0).saturating_add(restart.unwrap_or(0));
        // A block takes entries until it is full.
        let room = self.block_bytes.saturating_sub(self.block_end_bytes).saturating_mul(1_000);
        1_000_000u64.checked_div(room.div_ceil(entry.max(1)).max(1)).unwrap_or(0)
    }
}

/// How many decimal digits of two numbers, from the last on, must go until they are alike.
fn digits_differing(mut a: u64, mut b: u64) -> u64 {
    let mut digits = 0u64;
    while a != b {
        (a, b) = (a / 10, b / 10);
        digits = digits.saturating_add(1);
    }
    digits
}

/// The mean of [`digits_differing`] over all pairs of numbers `gap` apart, in thousandths: the digit of value 10^p and those
/// behind it must go with the probability `gap / 10^p`, at most 1.
fn mean_digits_milli(gap: u64) -> u64 {
    let Some(digits) = gap.checked_ilog10() else { return 0 };
    // All digits up to that of the gap, and one in ten, a hundred, .. of those beyond: a geometric series.
    let above = POWERS.get(digits as usize).copied().unwrap_or(u64::MAX);
    let beyond = gap.saturating_mul(10_000 / 9).checked_div(above).unwrap_or(0);
    u64::from(digits).saturating_add(1).saturating_mul(1_000).saturating_add(beyond)
}

#[cfg(test)]
#[path = "size_tests.rs"]
mod tests;
