//! Which keys are touched how often, and how many different ones a number of writes touches.
//!
//! Keys fall into classes that are about equally popular. Of `n` keys that take the share `s` of the operations,
//! `n (1 - exp(-w s / n))` are different after `w` operations on all keys: the Poisson form of drawing with repetition.

use super::TuneError;
#[cfg(feature = "sim")]
use crate::sim::{Hot, Skew};

/// Classes that a skew is cut into at most.
const CLASSES: usize = 24;
/// Items that YCSB's scrambled Zipfian generator draws from before it hashes them onto the keys.
const ZIPF_ITEMS: f64 = 1e10;

/// Which keys are touched more often.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Popularity {
    /// Every key alike.
    #[default]
    Uniform,
    /// YCSB's scrambled Zipfian with this constant, between 0 and 1.
    Zipf(f64),
    /// Some keys take a share of the operations, all alike; the others share the rest.
    Hot {
        /// Share of the keys.
        keys: f64,
        /// Share of the operations.
        ops: f64,
    },
}

/// The skew that the simulator knows it by; hot keys are the first.
#[cfg(feature = "sim")]
impl From<Popularity> for Skew {
    fn from(popularity: Popularity) -> Self {
        match popularity {
            Popularity::Uniform => Self::Uniform,
            Popularity::Zipf(theta) => Self::Zipf(theta),
            Popularity::Hot { keys, ops } => Self::Hot(Hot { share_of_keys: keys, share_of_ops: ops, at: 0.0 }),
        }
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Class {
    keys: f64,
    share: f64,
}

/// Keys in classes of one popularity each.
#[derive(Clone, Copy, Debug)]
pub(super) struct Keys {
    classes: [Class; CLASSES],
    pub(super) count: f64,
}

impl Keys {
    pub(super) fn new(count: f64, popularity: Popularity) -> Result<Self, TuneError> {
        TuneError::within("entries", count, 1.0, 1e15)?;
        let mut keys = Self { classes: [Class::default(); CLASSES], count };
        match popularity {
            Popularity::Uniform => keys.set(0, count, 1.0),
            Popularity::Hot { keys: hot, ops } => {
                TuneError::within("share of hot keys", hot, 0.0, 1.0)?;
                TuneError::within("share of operations on hot keys", ops, 0.0, 1.0)?;
                keys.set(0, count * hot, ops);
                keys.set(1, count * (1.0 - hot), 1.0 - ops);
            }
            Popularity::Zipf(theta) => {
                TuneError::within("constant of the Zipf distribution", theta, 0.0, 0.9999)?;
                keys.zipf(theta);
            }
        }
        Ok(keys)
    }

    fn set(&mut self, at: usize, keys: f64, share: f64) {
        if let Some(class) = self.classes.get_mut(at) {
            *class = Class { keys, share };
        }
    }

    /// Ranks in steps of one ratio up to as many as there are keys; all less popular items are spread over all keys.
    fn zipf(&mut self, theta: f64) {
        let zeta = |ranks: f64| {
            // Euler and Maclaurin from rank 1: the integral and half the ends.
            let power = libm::pow(ranks, 1.0 - theta);
            (power - 1.0) / (1.0 - theta) + (1.0 + libm::pow(ranks, -theta)) / 2.0 + theta / 12.0
        };
        let items = ZIPF_ITEMS.max(self.count);
        let all = zeta(items);
        let background = (all - zeta(self.count)).max(0.0) / all / self.count;
        let ratio = libm::pow(self.count, 1.0 / CLASSES as f64);
        let (mut rank, mut below) = (0.0, 0.0);
        for at in 0..CLASSES {
            let step = at as f64 + 1.0;
            let last = if step < CLASSES as f64 { libm::pow(ratio, step) } else { self.count };
            let sum = if last < 1.0 { 0.0 } else { zeta(last) };
            self.set(at, last - rank, (sum - below) / all + (last - rank) * background);
            (rank, below) = (last, sum);
        }
    }

    /// Expected number of different keys in so many writes.
    pub(super) fn distinct(&self, writes: f64) -> f64 {
        let class = |class: &Class| {
            if class.keys > 0.0 { -class.keys * libm::expm1(-writes * class.share / class.keys) } else { 0.0 }
        };
        self.classes.iter().map(class).sum()
    }

    /// Chance that a key, drawn as the writes are, is none of the last so many written.
    pub(super) fn missed(&self, writes: f64) -> f64 {
        let class = |class: &Class| {
            if class.keys > 0.0 { class.share * libm::exp(-writes * class.share / class.keys) } else { 0.0 }
        };
        self.classes.iter().map(class).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_hold_all_keys_and_all_operations() {
        for popularity in [
            Popularity::Uniform,
            Popularity::Zipf(0.99),
            Popularity::Zipf(0.5),
            Popularity::Hot { keys: 0.2, ops: 0.8 },
        ] {
            for count in [1.0, 30.0, 1e5, 1e9, 1e11] {
                let keys = Keys::new(count, popularity).unwrap();
                let (n, s) = keys.classes.iter().fold((0.0, 0.0), |(n, s), class| (n + class.keys, s + class.share));
                assert!((n / count - 1.0).abs() < 1e-9 && (s - 1.0).abs() < 1e-6, "{popularity:?} {count}: {n} {s}");
                assert!(keys.distinct(1e18) <= count * (1.0 + 1e-9) && keys.missed(0.0) > 0.999_999);
            }
        }
    }
}
