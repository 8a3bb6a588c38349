//! CRC-32 as Ethernet and zlib have it, bit by bit: no table, the least code, fit for short records.

/// The reflected polynomial.
const POLYNOMIAL: u32 = 0xEDB8_8320;

/// The CRC-32 of `bytes`. O(bytes), eight steps a byte.
pub(crate) fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| shift_byte(crc ^ u32::from(*byte)))
}

fn shift_byte(crc: u32) -> u32 {
    (0..8).fold(crc, |crc, _| (crc >> 1) ^ if crc & 1 == 1 { POLYNOMIAL } else { 0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_check_value_comes_out() {
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
        assert_eq!(crc32(b""), 0);
    }

    #[test]
    fn every_flipped_bit_shows() {
        let whole = [0x5Au8; 64];
        for bit in 0..whole.len() * 8 {
            let mut flipped = whole;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_ne!(crc32(&flipped), crc32(&whole), "bit {bit}");
        }
    }
}
