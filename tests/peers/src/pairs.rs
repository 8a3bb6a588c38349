//! Keys and values, and which key comes next: the same for every engine.

/// Bytes of a key.
pub const KEY_BYTES: usize = 16;

/// The key of this number: its digits, so that keys are in the order of their numbers.
pub fn key(number: u64) -> [u8; KEY_BYTES] {
    ending(number, b':')
}

/// A key between those of `number` and the next, which is never written.
pub fn missing(number: u64) -> [u8; KEY_BYTES] {
    ending(number, b'~')
}

fn ending(mut number: u64, end: u8) -> [u8; KEY_BYTES] {
    let mut key = [b'0'; KEY_BYTES];
    key[KEY_BYTES - 1] = end;
    for digit in key[..KEY_BYTES - 1].iter_mut().rev() {
        *digit += (number % 10) as u8;
        number /= 10;
    }
    key
}

/// Fills `value` for the key of `number`: the key, so that it can be told whose it is, then what no compressor shortens.
pub fn fill(value: &mut [u8], number: u64, version: u64) {
    let (head, rest) = value.split_at_mut(KEY_BYTES.min(value.len()));
    head.copy_from_slice(&key(number)[..head.len()]);
    let mut random = Random::new(number ^ version.rotate_left(40));
    for bytes in rest.chunks_mut(8) {
        bytes.copy_from_slice(&random.next().to_le_bytes()[..bytes.len()]);
    }
}

/// Whether `value` is one of `key`, of this length.
pub fn is_value_of(key: &[u8], value: &[u8], bytes: usize) -> bool {
    let head = KEY_BYTES.min(bytes);
    value.len() == bytes && value[..head] == key[..head]
}

/// All numbers below `count` in an order without order: the `at`th of them.
pub fn scattered(at: u64, count: u64) -> u64 {
    // A prime larger than any count, so that no number comes twice.
    const STEP: u128 = 1_000_000_000_039;
    ((u128::from(at) * STEP + 12_345) % u128::from(count)) as u64
}

/// SplitMix64.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// From 0 to below `count`, which is not 0.
    pub fn below(&mut self, count: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(count)) >> 64) as u64
    }

    /// From 0 to below 1.
    pub fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// Ranks by Zipf's law with exponent 0.99, as YCSB draws them (Gray et al., SIGMOD 1994).
pub struct Zipf {
    count: f64,
    zeta: f64,
    eta: f64,
    alpha: f64,
}

impl Zipf {
    const THETA: f64 = 0.99;

    /// Ranks below `count`. O(count).
    pub fn new(count: u64) -> Self {
        let zeta = |n: u64| (1..=n).map(|rank| (rank as f64).powf(-Self::THETA)).sum::<f64>();
        let (all, two) = (zeta(count), zeta(2));
        let n = count as f64;
        let eta = (1.0 - (2.0 / n).powf(1.0 - Self::THETA)) / (1.0 - two / all);
        Self { count: n, zeta: all, eta, alpha: 1.0 / (1.0 - Self::THETA) }
    }

    pub fn rank(&self, random: &mut Random) -> u64 {
        let unit = random.unit();
        let scaled = unit * self.zeta;
        if scaled < 1.0 {
            return 0;
        }
        if scaled < 1.0 + 0.5_f64.powf(Self::THETA) {
            return 1;
        }
        let rank = self.count * (self.eta * unit - self.eta + 1.0).powf(self.alpha);
        (rank as u64).min(self.count as u64 - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_comes_once() {
        for count in [1, 7, 1000, 4096] {
            let mut seen: Vec<_> = (0..count).map(|at| scattered(at, count)).collect();
            seen.sort_unstable();
            assert!(seen.into_iter().eq(0..count), "{count}");
        }
    }

    #[test]
    fn keys_are_in_the_order_of_their_numbers_and_values_are_told_apart() {
        assert!(key(9) < missing(9) && missing(9) < key(10) && key(99) < key(100));
        let mut value = vec![0; 100];
        fill(&mut value, 7, 3);
        assert!(is_value_of(&key(7), &value, 100) && !is_value_of(&key(8), &value, 100));
    }

    #[test]
    fn half_of_the_draws_fall_on_few_ranks() {
        let (zipf, mut random) = (Zipf::new(100_000), Random::new(1));
        let few = (0..100_000).filter(|_| zipf.rank(&mut random) < 500).count();
        assert!((50_000..60_000).contains(&few), "{few}");
    }
}
