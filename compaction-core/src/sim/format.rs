//! How many bytes a table takes, from what is in it: a formula in place of a file.

use super::size::TableSize;

/// An index is packed if it is longer than this part of the data.
const INDEX_SHARE: u64 = 64;

/// What a table file costs beside its keys and values. The defaults are those of `lsm-std`; another engine puts in its own.
///
/// ```text
/// entry   entry_bytes, its lengths and sequence number as varints if `varints`, the rest of its key, the value
/// block   entries until they take block_bytes; restart_bytes every restart_entries; block_end_bytes; part_bytes
/// index   a separator and index_entry_bytes a block; if `packs`, and it is longer than a 64th of the data, the first of them,
///         and for each further block index_packed_bytes and what of its last key differs from that of the block before
/// filter  filter_bits a key, in whole lines; one byte
/// table   data blocks, index, filter (part_bytes each), table_bytes, footer_bytes, its first and last key, and if `varints`
///         its id, the numbers of its entries and tombstones, two times, its oldest and newest sequence number
/// ```
/// Values are taken as incompressible.
///
/// ```
/// use compaction_core::sim::{KeyPrefix, TableFormat};
/// let plain = TableFormat { varints: false, entry_bytes: 13, prefix: KeyPrefix::Whole, ..TableFormat::default() };
/// // 1 000 entries with keys of 16 and values of 100 bytes.
/// let bytes = plain.table_bytes(1_000, 100);
/// assert!((129_000..136_000).contains(&bytes));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableFormat {
    /// Length of a key that has no [name](super::KeyName).
    pub key_bytes: u64,
    /// How much of a key a block leaves out because the key before starts alike.
    pub prefix: KeyPrefix,
    /// Fixed bytes of an entry.
    pub entry_bytes: u64,
    /// Whether lengths and sequence numbers take a varint each, on top of `entry_bytes`.
    pub varints: bool,
    /// A block is closed when it has this many bytes.
    pub block_bytes: u64,
    /// Every so many entries of a block one stands with its whole key.
    pub restart_entries: u64,
    /// Bytes for that.
    pub restart_bytes: u64,
    /// Whether blocks are packed where that makes them an eighth smaller: keys at even distances pack well, values never.
    pub packs: bool,
    /// Bytes at the end of a block.
    pub block_end_bytes: u64,
    /// Bytes around each part of a file: its checksum, say.
    pub part_bytes: u64,
    /// Bytes of the index for a block, beside the separator key.
    pub index_entry_bytes: u64,
    /// The same in an index that is packed, beside the end of a key.
    pub index_packed_bytes: u64,
    /// Bits of the filter for a key; 0 for no filter.
    pub filter_bits: u64,
    /// The filter's length is a multiple of this.
    pub filter_line_bytes: u64,
    /// Of a million reads of an absent key, how many the filter lets pass.
    pub filter_pass_ppm: u64,
    /// Bytes at the very end of a file: counts where a writer decides to cut.
    pub footer_bytes: u64,
    /// Everything else in a file.
    pub table_bytes: u64,
}

/// How much of its key an entry takes in a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyPrefix {
    /// The whole key.
    Whole,
    /// Keys end in their numbers, in decimal digits: what differs from the key before.
    Digits,
    /// So many bytes are shared, on average.
    Shared(u64),
}

impl Default for TableFormat {
    fn default() -> Self {
        Self {
            key_bytes: 16,
            prefix: KeyPrefix::Digits,
            entry_bytes: 2,
            varints: true,
            block_bytes: 4_096,
            restart_entries: 16,
            restart_bytes: 8,
            packs: true,
            block_end_bytes: 8,
            part_bytes: 5,
            index_entry_bytes: 4,
            index_packed_bytes: 5,
            filter_bits: 10,
            filter_line_bytes: 64,
            filter_pass_ppm: 10_000,
            footer_bytes: 48,
            table_bytes: 16,
        }
    }
}

impl TableFormat {
    /// Bytes of a table of `entries` puts of neighbouring keys with values of `value_bytes`. O(entries).
    #[must_use]
    pub fn table_bytes(&self, entries: u64, value_bytes: u64) -> u64 {
        let mut size = TableSize::new(*self, 1);
        for at in 0..entries {
            size.add((at, None), at, Some(value_bytes));
        }
        size.finish(1, (0, 0)).bytes
    }

    /// Bytes of the key behind `shared` of them, at most all.
    pub(crate) fn rest(&self, differing: u64) -> u64 {
        match self.prefix {
            KeyPrefix::Whole => self.key_bytes,
            KeyPrefix::Digits => differing.min(self.key_bytes),
            KeyPrefix::Shared(bytes) => self.key_bytes.saturating_sub(bytes),
        }
    }

    /// Bytes of the key that stands for a block in the index: one more than what its neighbours have in common, where so many
    /// digits of them differ.
    pub(super) fn separator(&self, differing: u64) -> u64 {
        match self.prefix {
            KeyPrefix::Digits => self.key_bytes.saturating_sub(differing).saturating_add(1),
            KeyPrefix::Shared(bytes) => bytes.saturating_add(1),
            KeyPrefix::Whole => self.key_bytes,
        }
    }

    /// Bytes of the index in the file, `raw` or `packed`: packed where it is long beside the data and that makes it an eighth smaller.
    pub(super) fn index(&self, data: u64, (raw, packed): (u64, u64)) -> u64 {
        let is_long = self.packs && raw > data / INDEX_SHARE;
        if is_long && packed <= raw.saturating_sub(raw / 8) { packed } else { raw }
    }

    /// Bytes of an entry with `rest` bytes of key.
    pub(crate) fn entry(&self, rest: u64, seqno: u64, value: Option<u64>) -> u64 {
        let value = value.unwrap_or(0);
        let numbers = if self.varints {
            let cell = varint(seqno).saturating_add(value);
            varint(seqno).saturating_add(varint(cell.saturating_mul(2)))
        } else {
            0
        };
        self.entry_bytes.saturating_add(numbers).saturating_add(rest).saturating_add(value)
    }

    pub(crate) fn filter(&self, keys: u64) -> u64 {
        if self.filter_bits == 0 {
            return 0;
        }
        let line = self.filter_line_bytes.max(1);
        let lines = keys.saturating_mul(self.filter_bits).div_ceil(line.saturating_mul(8)).max(1);
        lines.saturating_mul(line).saturating_add(self.part_bytes).saturating_add(1)
    }
}

/// Bytes of `n` in groups of seven bits.
pub(super) fn varint(n: u64) -> u64 {
    u64::from(n.max(1).ilog2() / 7).saturating_add(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_key_an_entry_takes_what_differs_and_the_index_what_tells_two_blocks_apart() {
        let format = |prefix| TableFormat { key_bytes: 16, prefix, ..TableFormat::default() };
        let of = |prefix, differing| (format(prefix).rest(differing), format(prefix).separator(differing));
        assert_eq!([of(KeyPrefix::Digits, 4), of(KeyPrefix::Digits, 20)], [(4, 13), (16, 1)]);
        assert_eq!([of(KeyPrefix::Shared(5), 4), of(KeyPrefix::Whole, 4)], [(11, 6), (16, 16)]);
    }

    #[test]
    fn an_index_is_packed_where_it_is_long_and_that_makes_it_an_eighth_smaller() {
        let format = TableFormat { packs: true, ..TableFormat::default() };
        let at = |data, packed| format.index(data, (100, packed));
        assert_eq!([at(6_400, 50), at(6_399, 50), at(0, 88), at(0, 89)], [100, 50, 88, 100]);
        assert_eq!(TableFormat { packs: false, ..format }.index(0, (100, 50)), 100);
    }

    #[test]
    fn an_entry_has_its_numbers_and_a_filter_whole_lines() {
        let format = TableFormat { entry_bytes: 3, varints: false, ..TableFormat::default() };
        assert_eq!((format.entry(10, 1 << 20, Some(100)), format.entry(10, 1, None)), (113, 13));
        // Three bytes of number, and two for twice what these and the value come to.
        assert_eq!(TableFormat { varints: true, ..format }.entry(10, 1 << 20, Some(100)), 113 + 3 + 2);
        let filtered = |filter_bits| TableFormat { filter_bits, filter_line_bytes: 64, part_bytes: 4, ..format };
        assert_eq!([0, 1, 51, 52].map(|keys| filtered(10).filter(keys)), [69, 69, 69, 133]);
        assert_eq!(filtered(0).filter(100), 0);
    }
}
