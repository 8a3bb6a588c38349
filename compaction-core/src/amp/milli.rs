//! Exact fractions, and figures in thousandths.

use core::cmp::Ordering;
use core::fmt;

/// A figure in thousandths: 1 500 is 1.5. `u64::MAX` also stands for everything above it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Milli(pub u64);

impl Milli {
    /// One, the amplification of a tree that wastes nothing.
    pub const ONE: Self = Self(1_000);
}

impl fmt::Display for Milli {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03}", self.0 / 1_000, self.0 % 1_000)
    }
}

/// An exact fraction with a denominator above 0. 2/4 and 1/2 are equal.
///
/// Comparing multiplies crosswise in `u128`; where a product exceeds it, in 256 bits. The answer is always exact.
///
/// ```
/// use compaction_core::amp::{Milli, Ratio};
/// let written = Ratio::new(700, 300).unwrap();
/// assert!(written > Ratio::new(7, 4).unwrap());
/// assert_eq!((written.milli_floor(), written.milli_ceil()), (Milli(2_333), Milli(2_334)));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Ratio {
    num: u128,
    den: u128,
}

impl Ratio {
    /// `num / den`; `None` for a denominator of 0, which has no meaning here.
    #[must_use]
    pub fn new(num: u128, den: u128) -> Option<Self> {
        (den > 0).then_some(Self { num, den })
    }

    /// The numerator as given.
    #[must_use]
    pub fn num(&self) -> u128 {
        self.num
    }

    /// The denominator as given.
    #[must_use]
    pub fn den(&self) -> u128 {
        self.den
    }

    /// The most thousandths that do not exceed it. Saturates at `u64::MAX`.
    #[must_use]
    pub fn milli_floor(&self) -> Milli {
        let whole = self.num.checked_div(self.den).unwrap_or(0);
        let rest = Self { num: self.num.checked_rem(self.den).unwrap_or(0), den: self.den };
        // Bisection for the part below one: `low` never exceeds it, `high` always does.
        let (mut low, mut high) = (0u128, 1_000u128);
        while high.saturating_sub(low) > 1 {
            let middle = u128::midpoint(low, high);
            if (Self { num: middle, den: 1_000 }) <= rest { low = middle } else { high = middle }
        }
        Milli(crate::strategy::clamp(whole.saturating_mul(1_000).saturating_add(low)))
    }

    /// The fewest thousandths that are not below it. Saturates at `u64::MAX`.
    #[must_use]
    pub fn milli_ceil(&self) -> Milli {
        let Milli(floor) = self.milli_floor();
        let exact = Self { num: u128::from(floor), den: 1_000 } == *self;
        Milli(if exact { floor } else { floor.saturating_add(1) })
    }
}

impl PartialEq for Ratio {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Ratio {}

impl PartialOrd for Ratio {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Ratio {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self.num.checked_mul(other.den), other.num.checked_mul(self.den)) {
            (Some(a), Some(b)) => a.cmp(&b),
            _ => wide_product(self.num, other.den).cmp(&wide_product(other.num, self.den)),
        }
    }
}

/// All 256 bits of `a * b`, the upper half first. Schoolbook multiplication with digits of 64 bits.
fn wide_product(a: u128, b: u128) -> (u128, u128) {
    let halves = |n: u128| (n >> 64, n & u128::from(u64::MAX));
    let ((a_high, a_low), (b_high, b_low)) = (halves(a), halves(b));
    // No product of two digits overflows, nor does adding one or two digits to it.
    let (carry, lowest) = halves(a_low.saturating_mul(b_low));
    let (carry_1, middle) = halves(a_high.saturating_mul(b_low).saturating_add(carry));
    let (carry_2, middle) = halves(a_low.saturating_mul(b_high).saturating_add(middle));
    let upper = a_high.saturating_mul(b_high).saturating_add(carry_1).saturating_add(carry_2);
    (upper, middle << 64 | lowest)
}
