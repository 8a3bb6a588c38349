//! Damage to a file: flipped bits, a lost end, foreign bytes behind it.

use arbitrary::Arbitrary;

const PATCHES_MAX: usize = 8;

/// What befalls a file.
#[derive(Arbitrary, Clone, Debug)]
pub struct Damage {
    patches: Vec<(u16, u8)>,
    cut: Option<u16>,
    append: Vec<u8>,
}

impl Damage {
    /// Flips the bits, cuts the end off, appends.
    pub fn apply(&self, bytes: &mut Vec<u8>) {
        self.patch(bytes);
        if let Some(cut) = self.cut {
            bytes.truncate(usize::from(cut));
        }
        bytes.extend_from_slice(&self.append);
    }

    /// Only flips bits.
    pub fn patch(&self, bytes: &mut [u8]) {
        let len = bytes.len();
        for (at, flip) in self.patches.iter().take(PATCHES_MAX).filter(|_| len > 0) {
            bytes[usize::from(*at) % len] ^= flip;
        }
    }

    /// Whether nothing is left of it but a lost end, and where that starts.
    pub fn cut_only(&self) -> Option<usize> {
        let intact = self.append.is_empty() && self.patches.iter().take(PATCHES_MAX).all(|(_, flip)| *flip == 0);
        self.cut.map(usize::from).filter(|_| intact)
    }
}
