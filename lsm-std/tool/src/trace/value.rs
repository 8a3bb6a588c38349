//! The value that stands for a blob: its id, then pseudo-random bytes seeded by the id.

use compaction_core::sim::SplitMix;

use crate::workload::fill;

/// Length of a blob id in bytes (hex characters).
pub const BLOB_ID_BYTES: usize = 40;

/// The 40 hex characters that name a blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlobId([u8; BLOB_ID_BYTES]);

impl BlobId {
    /// Takes `text` if it is exactly 40 hex characters.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let id: [u8; BLOB_ID_BYTES] = text.try_into().ok()?;
        id.iter().all(u8::is_ascii_hexdigit).then_some(Self(id))
    }

    /// The characters.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The stream of bytes behind the id, seeded by all of its characters.
    fn stream(&self) -> SplitMix {
        let mut seed = 0u64;
        for word in self.0.chunks_exact(8) {
            let word = word.iter().fold(0u64, |sum, &byte| (sum << 8) | u64::from(byte));
            seed = SplitMix::new(seed ^ word).next_u64();
        }
        SplitMix::new(seed)
    }
}

/// Writes the value of `blob` into `out`, which is cleared first: `max(40, bytes)` bytes.
pub fn value_of(blob: &BlobId, bytes: u64, out: &mut Vec<u8>) {
    out.clear();
    out.extend_from_slice(&blob.0);
    fill(&mut blob.stream(), bytes, out);
}

/// The blob id of `value`, if every byte of `value` is what [`value_of`] writes for that id and length.
pub fn blob_of_value(value: &[u8]) -> Option<BlobId> {
    let (id, rest) = value.split_at_checked(BLOB_ID_BYTES)?;
    let blob = BlobId::parse(id)?;
    let mut stream = blob.stream();
    let good = rest.chunks(8).all(|part| stream.next_u64().to_le_bytes().starts_with(part));
    good.then_some(blob)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_the_id_and_bytes_that_can_be_checked_back() {
        let blob = BlobId::parse(b"088ba6ba7d345b76aa2b8dc021dd25e1323189b3").expect("40 hex characters");
        let mut value = Vec::new();
        for (bytes, length) in [(0, 40), (40, 40), (41, 41), (103, 103), (4096, 4096)] {
            value_of(&blob, bytes, &mut value);
            assert_eq!(value.len(), length);
            assert!(value.starts_with(blob.as_bytes()));
            assert_eq!(blob_of_value(&value), Some(blob));
        }
        for at in [0, 39, 40, 4095] {
            let mut bad = value.clone();
            bad[at] ^= 1;
            assert_eq!(blob_of_value(&bad), None, "a flipped bit at {at} was not seen");
        }
        assert_eq!(blob_of_value(&value[..39]), None);
    }

    #[test]
    fn two_ids_that_differ_in_one_character_have_different_bytes() {
        let (mut a, mut b) = (Vec::new(), Vec::new());
        value_of(&BlobId::parse(&[b'0'; 40]).expect("hex"), 56, &mut a);
        let mut id = [b'0'; 40];
        id[39] = b'1';
        value_of(&BlobId::parse(&id).expect("hex"), 56, &mut b);
        assert_ne!(a[40..], b[40..]);
    }
}
