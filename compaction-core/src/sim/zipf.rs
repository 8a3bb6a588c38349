//! Zipf-distributed ranks as YCSB draws them.
//!
//! The method is Gray et al., "Quickly generating billion-record synthetic databases", SIGMOD 1994, as in YCSB's
//! `ZipfianGenerator`; [`ScrambledZipf`] is its `ScrambledZipfianGenerator`: a rank out of 10^10 items, hashed by
//! 64-bit FNV onto the keys, so that hot keys lie scattered and stay hot when the number of keys grows little.

use super::SplitMix;

/// Items of YCSB's scrambled generator, whatever the number of keys.
const SCRAMBLED_ITEMS: u64 = 10_000_000_000;
/// Terms of zeta that are summed one by one; the rest is an integral with corrections, exact to about 1e-14.
const TERMS_MAX: u64 = 10_000;
/// So many ranks are added or removed term by term; more by the integral, where it is exact.
const STEPS_MAX: u64 = 8;

/// Draws ranks 0, 1, 2, .. with probability proportional to `1 / (rank + 1)^theta`.
///
/// ```
/// use compaction_core::sim::{SplitMix, Zipf};
/// let (zipf, mut rng) = (Zipf::new(1_000, 0.99), SplitMix::new(1));
/// assert!((0..100).all(|_| zipf.next(&mut rng) < 1_000));
/// ```
#[derive(Clone, Debug)]
pub struct Zipf {
    items: u64,
    theta: f64,
    zeta_two: f64,
    zeta_items: f64,
    eta: f64,
    /// `1 / (1 - theta)`.
    alpha: f64,
}

impl Zipf {
    /// A generator over `items` ranks (at least one is assumed); `theta` lies in 0..1, both exclusive.
    #[must_use]
    pub fn new(items: u64, theta: f64) -> Self {
        let items = items.max(1);
        let (zeta_two, zeta_items, alpha) = (zeta(2, theta), zeta(items, theta), 1.0 / (1.0 - theta));
        let mut zipf = Self { items, theta, zeta_two, zeta_items, eta: 0.0, alpha };
        zipf.set_eta();
        zipf
    }

    /// Changes the number of ranks; never more than a new generator costs, and O(1) for many ranks.
    pub fn resize(&mut self, items: u64) {
        let items = items.max(1);
        let (low, high) = (items.min(self.items), items.max(self.items));
        let added = match high.saturating_sub(low) {
            0 => return,
            1..=STEPS_MAX => (low..high).map(|rank| term(rank.saturating_add(1), self.theta)).sum(),
            _ if low >= TERMS_MAX => zeta_between(low, high, self.theta),
            _ => zeta(high, self.theta) - zeta(low, self.theta),
        };
        self.zeta_items += if items > self.items { added } else { -added };
        self.items = items;
        self.set_eta();
    }

    /// The next rank, below the number of items; rank 0 is the most frequent.
    pub fn next(&self, rng: &mut SplitMix) -> u64 {
        let u = rng.next_f64();
        let uz = u * self.zeta_items;
        if uz < 1.0 {
            return 0;
        }
        let last = self.items.saturating_sub(1);
        if uz < self.zeta_two {
            return 1.min(last);
        }
        let rank = self.items as f64 * libm::pow(self.eta * u - self.eta + 1.0, self.alpha);
        (rank as u64).min(last)
    }

    fn set_eta(&mut self) {
        let n = self.items as f64;
        self.eta = (1.0 - libm::pow(2.0 / n, 1.0 - self.theta)) / (1.0 - self.zeta_two / self.zeta_items);
    }
}

fn term(k: u64, theta: f64) -> f64 {
    libm::pow(k as f64, -theta)
}

/// `sum of k^-theta for k in 1..=n`, by Euler-Maclaurin beyond the first terms.
fn zeta(n: u64, theta: f64) -> f64 {
    let exact = n.min(TERMS_MAX);
    let head: f64 = (1..=exact).map(|k| term(k, theta)).sum();
    if exact == n { head } else { head + zeta_between(exact, n, theta) }
}

/// `sum of k^-theta for k in a+1..=b` by Euler-Maclaurin; exact to about 1e-14 from a few thousand on.
fn zeta_between(a: u64, b: u64, theta: f64) -> f64 {
    let (a, b) = (a as f64, b as f64);
    let integral = (libm::pow(b, 1.0 - theta) - libm::pow(a, 1.0 - theta)) / (1.0 - theta);
    let ends = (libm::pow(b, -theta) - libm::pow(a, -theta)) / 2.0;
    let slopes = theta / 12.0 * (libm::pow(a, -theta - 1.0) - libm::pow(b, -theta - 1.0));
    integral + ends + slopes
}

/// Draws keys by Zipf, the hot ones scattered over the key space.
#[derive(Clone, Debug)]
pub struct ScrambledZipf(Zipf);

impl ScrambledZipf {
    /// A generator with the constant `theta`, in 0..1, both exclusive.
    #[must_use]
    pub fn new(theta: f64) -> Self {
        Self(Zipf::new(SCRAMBLED_ITEMS, theta))
    }

    /// The next key, below `keys` (at least one is assumed).
    pub fn next(&self, keys: u64, rng: &mut SplitMix) -> u64 {
        self.next_group(1, keys, rng)
    }

    /// The next group of keys, below `groups` (at least one is assumed), where a group is drawn as often as `scale`
    /// neighbouring ranks together: its keys are about equally hot.
    pub fn next_group(&self, scale: u64, groups: u64, rng: &mut SplitMix) -> u64 {
        let group = self.0.next(rng).checked_div(scale).unwrap_or(0);
        fnv_hash(group).checked_rem(groups).unwrap_or(0)
    }
}

/// YCSB's `fnvhash64`: FNV-1a over the eight bytes, lowest first, and the absolute value of that as a signed number.
fn fnv_hash(value: u64) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in value.to_le_bytes() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(1_099_511_628_211);
    }
    hash.cast_signed().unsigned_abs()
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use alloc::vec::Vec;

    #[test]
    fn zeta_over_ten_billion_items_is_the_constant_that_ycsb_carries() {
        assert!((zeta(SCRAMBLED_ITEMS, 0.99) - 26.469_028_201_783_02).abs() < 1e-7);
    }

    #[test]
    fn zeta_beyond_the_first_terms_is_their_sum() {
        for items in [TERMS_MAX - 1, TERMS_MAX, TERMS_MAX + 1, 10 * TERMS_MAX] {
            let sum: f64 = (1..=items).map(|rank| term(rank, 0.6)).sum();
            assert!((zeta(items, 0.6) / sum - 1.0).abs() < 1e-12, "{items} items");
        }
    }

    #[test]
    fn the_first_ranks_come_as_often_as_the_formula_says() {
        let zipf = Zipf::new(1_000, 0.99);
        let mut rng = SplitMix::new(3);
        let draws = 200_000;
        let mut hits = [0u32; 1_000];
        for _ in 0..draws {
            hits[zipf.next(&mut rng) as usize] += 1;
        }
        for rank in [0usize, 1] {
            let share = f64::from(hits[rank]) / f64::from(draws);
            let wanted = term(rank as u64 + 1, 0.99) / zeta(1_000, 0.99);
            assert!((share / wanted - 1.0).abs() < 0.03, "rank {rank}: {share} against {wanted}");
        }
        let hundred: u32 = hits[..100].iter().sum();
        let wanted = zeta(100, 0.99) / zeta(1_000, 0.99);
        assert!((f64::from(hundred) / f64::from(draws) / wanted - 1.0).abs() < 0.05);
        assert!(hits[900..].iter().sum::<u32>() > 0);
    }

    #[test]
    fn resizing_by_steps_of_any_size_equals_a_new_generator() {
        let mut stepped = Zipf::new(1, 0.99);
        let small = (1..=5_000).chain((100..5_000).rev());
        for items in small.chain((100..60_000).step_by(300)).chain([1_000_000, 200, 123_456]) {
            stepped.resize(items);
        }
        let fresh = Zipf::new(123_456, 0.99);
        assert!((stepped.zeta_items - fresh.zeta_items).abs() < 1e-9);
        assert!((stepped.eta - fresh.eta).abs() < 1e-9);
    }

    #[test]
    fn one_and_two_items_never_leave_their_range() {
        let mut rng = SplitMix::new(1);
        for items in [0, 1, 2, 3] {
            let zipf = Zipf::new(items, 0.99);
            for _ in 0..1_000 {
                assert!(zipf.next(&mut rng) < items.max(1));
            }
        }
    }

    #[test]
    fn scrambled_hot_keys_are_few_and_far_apart() {
        let zipf = ScrambledZipf::new(0.99);
        let mut rng = SplitMix::new(9);
        let mut hits = vec![0u32; 10_000];
        for _ in 0..100_000 {
            hits[zipf.next(10_000, &mut rng) as usize] += 1;
        }
        let mut order: Vec<usize> = (0..hits.len()).collect();
        order.sort_by_key(|&key| core::cmp::Reverse(hits[key]));
        assert!(f64::from(hits[order[0]]) / 100_000.0 > 0.03, "the hottest key should take 1/26.5 of all");
        assert!(order[0].abs_diff(order[1]) > 1 && order[1].abs_diff(order[2]) > 1);
    }
}
