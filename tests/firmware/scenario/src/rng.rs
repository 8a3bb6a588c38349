//! The scenario's own random numbers: xorshift, cheap on a processor without a 64-bit multiplier.

pub struct Rng(u64);

impl Rng {
    pub const fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    #[inline(never)]
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number below `bound`, which is a power of two.
    pub fn below(&mut self, bound: u32) -> u32 {
        (self.next() >> 32) as u32 & bound.wrapping_sub(1)
    }
}
