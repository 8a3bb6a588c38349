//! How much stack a run took: fill what is free with a pattern, look later how much of it is left.

const PATTERN: u32 = 0xCCCC_CCCC;
/// Bytes below the caller's frame that are left alone: `paint` itself runs there.
const MARGIN: usize = 256;

unsafe extern "C" {
    /// Placed by the runtimes' linker scripts.
    #[link_name = "__sheap"]
    static END_OF_STATICS: u32;
}

/// The painted part of RAM, from the end of the statics up to the caller's frame.
pub struct Painted {
    low: *mut u32,
    high: *mut u32,
}

/// Fills the free stack below the caller with the pattern.
#[inline(never)]
pub fn paint() -> Painted {
    let here = 0u32;
    let low = (&raw const END_OF_STATICS).cast_mut();
    let top = (&raw const here) as usize;
    let high = ((top - MARGIN) & !3) as *mut u32;
    let mut at = low;
    while at < high {
        // SAFETY: between the end of the statics and the stack pointer nothing is stored: there is no heap.
        unsafe {
            at.write_volatile(PATTERN);
            at = at.add(1);
        }
    }
    Painted { low, high }
}

impl Painted {
    /// Bytes between the lowest word that was written and the frame that painted.
    pub fn used_bytes(&self) -> usize {
        let mut at = self.low;
        // SAFETY: the same words as in `paint`.
        while at < self.high && unsafe { at.read_volatile() } == PATTERN {
            at = at.wrapping_add(1);
        }
        self.high as usize - at as usize + MARGIN
    }
}
