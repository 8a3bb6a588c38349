//! Arithmetic that 64 bits cannot hold.

use core::cmp::Ordering;

/// `a * b`, exactly. One copy of the code: it is long on a processor without a wide multiplier.
#[inline(never)]
pub(crate) fn product(a: u64, b: u64) -> u128 {
    // Never wraps: both factors are below 2^64.
    u128::from(a).wrapping_mul(u128::from(b))
}

/// `a * b`, at most `u64::MAX`.
#[inline(never)]
pub(crate) fn saturating_product(a: u64, b: u64) -> u64 {
    u64::try_from(product(a, b)).unwrap_or(u64::MAX)
}

/// Compares `a * b` with `c * d`, exactly: `a / d` with `c / b`, where a division by 0 is the largest.
#[inline(never)]
pub(crate) fn compare_products((a, b): (u64, u64), (c, d): (u64, u64)) -> Ordering {
    product(a, b).cmp(&product(c, d))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_are_exact_at_the_ends() {
        assert_eq!(product(u64::MAX, u64::MAX), u128::MAX - 2 * u128::from(u64::MAX));
        assert_eq!(compare_products((u64::MAX, u64::MAX - 1), (u64::MAX - 1, u64::MAX)), Ordering::Equal);
        assert_eq!(compare_products((u64::MAX, u64::MAX), (u64::MAX, u64::MAX - 1)), Ordering::Greater);
        assert_eq!(compare_products((0, 5), (1, 1)), Ordering::Less);
    }
}
