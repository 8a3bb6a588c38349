//! The checksum of a block, byte by byte: for finding blocks whose length nobody knows.

use crate::types::FileId;

/// What each value of a byte does to the running checksum: CRC-32 as in IEEE 802.3, low bits first.
const TABLE: [u32; 256] = table();

const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0xEDB8_8320 } else { crc >> 1 };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
}

/// The checksum of a block that grows.
#[derive(Clone, Copy, Debug)]
pub(super) struct RunningCrc(u32);

impl RunningCrc {
    /// That of no byte at `offset` of the table `id`.
    pub(super) fn new(id: FileId, offset: u64) -> Self {
        let mut crc = Self(!0);
        id.to_le_bytes().into_iter().chain(offset.to_le_bytes()).for_each(|byte| crc.add(byte));
        crc
    }

    /// Adds one byte.
    #[inline]
    pub(super) fn add(&mut self, byte: u8) {
        self.0 = self.0 >> 8 ^ TABLE[usize::from(self.0 as u8 ^ byte)];
    }

    /// The checksum of what was added, as it is stored.
    #[inline]
    pub(super) fn value(self) -> u32 {
        !self.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::seal::crc;
    use super::*;

    proptest! {
        #[test]
        fn it_is_the_checksum_of_blocks(id: u64, offset: u64, bytes: Vec<u8>) {
            let mut running = RunningCrc::new(id, offset);
            bytes.iter().for_each(|&byte| running.add(byte));
            prop_assert_eq!(running.value(), crc(id, offset, &bytes));
        }
    }
}
