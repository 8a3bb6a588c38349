//! How each part of a table is stored: packed, and under a checksum.

use std::borrow::Cow;
use std::sync::Arc;

use byteorder::{ByteOrder, LE};
use bytes::Bytes;
use lz4_flex::block::{CompressTable, compress_into, compress_into_with_table, get_maximum_output_size};

use crate::codec::Malformed;
use crate::types::FileId;

/// Bytes behind the payload: how it is packed, and the checksum.
pub(super) const TRAILER_BYTES: usize = 5;

const RAW: u8 = 0;
const LZ4: u8 = 1;

/// Bytes before an LZ4 payload: its unpacked length.
const LZ4_HEAD: usize = 4;

/// LZ4 cannot pack a byte into less than this part of one: bounds what damaged lengths can make us allocate.
const LZ4_RATIO_MAX: usize = 256;

/// No data block is longer, packed or not: it holds one entry of any length, or several in about as many bytes as one may
/// be told to hold. A longer filter or index is never packed, so that no few bytes can claim to be more.
pub(super) const BLOCK_BYTES_MAX: usize = 128 << 20;

/// Blocks below this length share one small table while packing.
const SMALL_TABLE_BYTES: usize = u16::MAX as usize;

/// For more than this memory is asked for before it is taken, so that damage is an error and not the end.
const ASKED_FIRST_BYTES: usize = 1 << 20;

/// Packs and seals blocks.
pub(super) struct Sealer {
    id: FileId,
    table: Option<CompressTable>,
    packed: Vec<u8>,
}

impl Sealer {
    pub(super) fn new(id: FileId, lz4: bool) -> Self {
        Self { id, table: lz4.then(CompressTable::small), packed: Vec::new() }
    }

    /// Appends the stored form of `raw`, which will lie at `offset`, to `out`.
    pub(super) fn seal(&mut self, raw: &[u8], offset: u64, out: &mut Vec<u8>) {
        match self.pack(raw) {
            Some(packed) => frame(&self.packed[..packed], LZ4, (self.id, offset), out),
            None => self.seal_raw(raw, offset, out),
        }
    }

    /// As [`seal`](Self::seal), never packed: as many bytes as `raw` has, and [`TRAILER_BYTES`].
    pub(super) fn seal_raw(&self, raw: &[u8], offset: u64, out: &mut Vec<u8>) {
        frame(raw, RAW, (self.id, offset), out);
    }

    /// Packs into `self.packed` if it pays, and tells how long that is.
    fn pack(&mut self, raw: &[u8]) -> Option<usize> {
        let table = self.table.as_mut()?;
        let raw_len = u32::try_from(raw.len()).ok().filter(|_| raw.len() <= BLOCK_BYTES_MAX)?;
        let room = LZ4_HEAD + get_maximum_output_size(raw.len());
        if self.packed.len() < room {
            self.packed.resize(room, 0);
        }
        LE::write_u32(&mut self.packed[..LZ4_HEAD], raw_len);
        let body = &mut self.packed[LZ4_HEAD..room];
        let small = raw.len() < SMALL_TABLE_BYTES;
        let len = if small { compress_into_with_table(raw, body, table) } else { compress_into(raw, body) };
        let len = LZ4_HEAD + len.ok()?;
        (len <= raw.len() - raw.len() / 8).then_some(len)
    }
}

fn frame(payload: &[u8], packing: u8, (id, offset): (FileId, u64), out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(payload);
    out.push(packing);
    let crc = crc(id, offset, &out[start..]);
    out.extend_from_slice(&crc.to_le_bytes());
}

/// The payload of a stored block, checked and unpacked, `raw_max` bytes at most. A slice of `stored` if it was not packed.
pub(super) fn unseal(stored: &Bytes, id: FileId, offset: u64, raw_max: usize) -> Result<Bytes, Malformed> {
    let Some(packed) = Packed::of(stored, id, offset, raw_max)? else {
        return Ok(stored.slice(..stored.len() - TRAILER_BYTES));
    };
    let mut raw = zeros(packed.raw_len).ok_or(CANNOT)?;
    packed.unpack(&mut raw)?;
    Ok(raw.into())
}

/// The payload of a stored block that was not packed; it is not checked.
pub(super) fn unpacked(stored: &[u8]) -> Option<&[u8]> {
    let (payload, [packing, ..]) = stored.split_last_chunk::<TRAILER_BYTES>()?;
    (*packing == RAW).then_some(payload)
}

/// As [`unseal`], of a data block. Copied only if it was packed.
pub(super) fn unseal_lent(stored: &[u8], id: FileId, offset: u64) -> Result<Cow<'_, [u8]>, Malformed> {
    let Some(packed) = Packed::of(stored, id, offset, BLOCK_BYTES_MAX)? else {
        return Ok(Cow::Borrowed(&stored[..stored.len() - TRAILER_BYTES]));
    };
    let mut raw = zeros(packed.raw_len).ok_or(CANNOT)?;
    packed.unpack(&mut raw)?;
    Ok(Cow::Owned(raw))
}

/// As [`unseal`], in memory to be shared. [`TRAILER_BYTES`] of no meaning follow the payload: so a block that was not packed
/// stays where it was read.
pub(super) fn unseal_shared(stored: Arc<[u8]>, id: FileId, offset: u64) -> Result<Arc<[u8]>, Malformed> {
    let Some(packed) = Packed::of(&stored, id, offset, BLOCK_BYTES_MAX)? else { return Ok(stored) };
    let mut raw = shared_zeros(packed.raw_len + TRAILER_BYTES).ok_or(CANNOT)?;
    packed.unpack(&mut Arc::make_mut(&mut raw)[..packed.raw_len])?;
    Ok(raw)
}

const CANNOT: Malformed = Malformed { at: 0, what: "a packed block that cannot be so long" };

/// What LZ4 made of a block.
struct Packed<'a> {
    packed: &'a [u8],
    raw_len: usize,
}

impl<'a> Packed<'a> {
    /// Checks a stored block; `None` if it was not packed.
    fn of(stored: &'a [u8], id: FileId, offset: u64, raw_max: usize) -> Result<Option<Self>, Malformed> {
        let bad = |at, what| Malformed { at, what };
        let body_len = stored.len().checked_sub(TRAILER_BYTES).ok_or(bad(0, "a block too short"))?;
        let (body, sum) = stored.split_at(body_len + 1);
        if crc(id, offset, body) != LE::read_u32(sum) {
            return Err(bad(0, "a checksum that does not match"));
        }
        match body[body_len] {
            RAW => Ok(None),
            LZ4 => {
                let packed = body[..body_len].split_at_checked(LZ4_HEAD);
                let (head, packed) = packed.ok_or(bad(0, "a packed block too short"))?;
                let raw_len = LE::read_u32(head) as usize;
                let is_possible = raw_len <= raw_max.min(packed.len().saturating_mul(LZ4_RATIO_MAX));
                if is_possible { Ok(Some(Self { packed, raw_len })) } else { Err(CANNOT) }
            }
            _ => Err(bad(body_len, "an unknown packing")),
        }
    }

    fn unpack(&self, raw: &mut [u8]) -> Result<(), Malformed> {
        match lz4_flex::block::decompress_into(self.packed, raw) {
            Ok(len) if len == self.raw_len => Ok(()),
            _ => Err(Malformed { at: LZ4_HEAD, what: "a packed block that does not unpack" }),
        }
    }
}

/// So many zeros, if memory has room for them.
pub(super) fn zeros(len: usize) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(len).ok()?;
    bytes.resize(len, 0);
    Some(bytes)
}

/// So many zeros to be shared, if memory has room for them.
pub(super) fn shared_zeros(len: usize) -> Option<Arc<[u8]>> {
    if len > ASKED_FIRST_BYTES {
        Vec::<u8>::new().try_reserve_exact(len).ok()?;
    }
    Some(std::iter::repeat_n(0, len).collect())
}

/// The checksum of `bytes` at `offset` of the table `id`.
pub(super) fn crc(id: FileId, offset: u64, bytes: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&id.to_le_bytes());
    crc.update(&offset.to_le_bytes());
    crc.update(bytes);
    crc.finalize()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sealed(raw: &[u8], lz4: bool) -> Bytes {
        let mut out = Vec::new();
        Sealer::new(7, lz4).seal(raw, 4096, &mut out);
        out.into()
    }

    proptest! {
        #[test]
        fn blocks_come_back(raw: Vec<u8>, byte: u8, repeat in 0usize..200_000, lz4: bool) {
            for raw in [raw, vec![byte; repeat]] {
                let stored = sealed(&raw, lz4);
                let shared = unseal_shared(stored[..].into(), 7, 4096).unwrap();
                prop_assert_eq!(&shared[..shared.len() - TRAILER_BYTES], &raw);
                prop_assert_eq!(unseal(&stored, 7, 4096, BLOCK_BYTES_MAX).unwrap(), raw);
            }
        }

        #[test]
        fn a_flipped_bit_is_an_error(raw in prop::collection::vec(0u8..3, 0..300), lz4: bool, bit: prop::sample::Index) {
            let mut bad = sealed(&raw, lz4).to_vec();
            let bit = bit.index(bad.len() * 8);
            bad[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(unseal_shared(bad[..].into(), 7, 4096).is_err());
            prop_assert!(unseal(&bad.into(), 7, 4096, BLOCK_BYTES_MAX).is_err());
        }

        #[test]
        fn any_packed_bytes_unpack_without_a_panic(mut body: Vec<u8>) {
            body.push(LZ4);
            let sum = crc(7, 4096, &body);
            body.extend(sum.to_le_bytes());
            let _ = unseal_shared(body[..].into(), 7, 4096);
            let _ = unseal(&body.into(), 7, 4096, BLOCK_BYTES_MAX);
        }
    }

    #[test]
    fn a_packed_length_that_cannot_be_is_refused_before_memory_is_taken() {
        let mut body = u32::MAX.to_le_bytes().to_vec();
        body.extend([0; 100]);
        body.push(LZ4);
        let sum = crc(7, 4096, &body);
        body.extend(sum.to_le_bytes());
        let what = "a packed block that cannot be so long";
        assert_eq!(unseal(&body.into(), 7, 4096, BLOCK_BYTES_MAX), Err(Malformed { at: 0, what }));
    }

    #[test]
    fn a_block_does_not_unpack_to_more_than_is_allowed_nor_to_more_than_fits_memory() {
        let block = sealed(&[0; 5000], true);
        assert!(unseal(&block, 7, 4096, 5000).is_ok());
        assert!(unseal(&block, 7, 4096, 4999).is_err());
        // Memory that nobody looks at need not be asked for.
        let is_refused = |len| std::hint::black_box(zeros(len)).is_none();
        assert!(is_refused(usize::MAX) && is_refused(isize::MAX as usize));
    }

    #[test]
    fn what_is_longer_than_any_data_block_is_not_packed() {
        let zeros = vec![0; BLOCK_BYTES_MAX + 1];
        assert_eq!(sealed(&zeros, true).len(), zeros.len() + TRAILER_BYTES);
        assert!(sealed(&zeros[1..], true).len() < zeros.len() / 100);
    }

    #[test]
    fn a_block_is_valid_only_where_it_was_written() {
        let block = sealed(b"payload", false);
        assert!(unseal(&block, 7, 4096, BLOCK_BYTES_MAX).is_ok());
        assert!(unseal(&block, 7, 4097, BLOCK_BYTES_MAX).is_err());
        assert!(unseal(&block, 8, 4096, BLOCK_BYTES_MAX).is_err());
    }

    #[test]
    fn a_block_that_does_not_shrink_is_stored_as_it_is() {
        let zeros = vec![0; 4096];
        assert!(sealed(&zeros, true).len() < 100);
        assert_eq!(sealed(&zeros, false).len(), zeros.len() + TRAILER_BYTES);
        assert_eq!(sealed(b"abcdefgh", true).len(), 8 + TRAILER_BYTES);
    }
}
