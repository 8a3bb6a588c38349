//! Tables: sorted, immutable files of entries.
//!
//! ```text
//! file    data block*  filter  index  properties  footer
//! block   payload  packing u8  crc u32        every part but the footer has this form
//! ```
//! The checksum of a block also covers the table's number and the block's offset, so a block is valid only where it was
//! written. Data blocks hold entries in order, prefix-compressed, about [`TableOptions::block_bytes`] each; a large value
//! has a block of its own. The filter answers "not here" for a key without reading a block; the index tells the one block
//! in which a key can lie; the properties are the [`TableMeta`].
//!
//! [`TableMeta`]: crate::TableMeta

mod block;
mod builder;
mod crc;
mod entries;
mod filter;
mod footer;
mod index;
mod iter;
mod mapped;
mod reader;
mod salvage;
mod seal;
mod verify;
mod walk;
mod writer;

pub use filter::key_hash;
pub use iter::TableCursor;
pub use reader::{Access, TableReader};
pub use salvage::{LostPart, SalvagedEntries, SalvagedTable};
pub use writer::TableWriter;

/// How a table is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableOptions {
    /// A data block is closed when it has this many bytes, before compression.
    pub block_bytes: usize,
    /// Compress blocks that LZ4 makes at least an eighth smaller. So is an index that is longer than a 64th of its data; filters
    /// and properties never are.
    pub lz4: bool,
    /// Bits of the filter per key; 0 for none. 10 let about 1 % of absent keys pass.
    pub filter_bits: u8,
}

impl Default for TableOptions {
    fn default() -> Self {
        Self { block_bytes: 4096, lz4: true, filter_bits: 10 }
    }
}

#[cfg(test)]
mod damage_tests;
#[cfg(test)]
mod tests;
