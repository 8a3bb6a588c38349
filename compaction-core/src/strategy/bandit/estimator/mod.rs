//! Estimators: how good an arm looks, and what a reward teaches.
//!
//! A new one is a file here with a type that implements [`Estimator`] and has a `new`, a line for it here (`mod` and its place among
//! `estimators`), and a line with its stored name and what it is in the settings (`kinds`).

mod contextual;
mod greedy;
mod thompson;
mod ucb;
mod variance;

use super::arm::Arm;
use super::settings::{BanditSettings, EstimatorKind};
use crate::strategy::PPM;

/// Length of a context.
pub(crate) const FEATURES: usize = 8;

/// What is known when an arm is judged, beside the arm itself.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Seen {
    /// Picks of the arm, older ones discounted.
    pub(crate) picks: f64,
    /// Picks of all arms.
    pub(crate) total: f64,
    /// What is known of the slot beside its arm.
    pub(crate) context: [f64; FEATURES],
}

/// What a scheduler asks of an estimator.
pub(crate) trait Estimator {
    /// The score of `arm`. Infinite: before all others.
    fn score(&self, arm: &Arm, seen: &Seen) -> f64;

    /// Takes in a reward from 0 to 1, before the pick is counted.
    fn update(&mut self, arm: &mut Arm, reward: f64, seen: &Seen);

    /// A score by luck, for estimators that explore so; `bits` are even.
    fn draw(&self, arm: &Arm, seen: &Seen, bits: u64) -> Option<f64> {
        let _ = (arm, seen, bits);
        None
    }

    /// How often any arm is picked instead of the best, when the settings say `base`.
    fn epsilon(&self, base: f64) -> f64 {
        base
    }

    /// What it has learned beside the arms, to be saved and loaded: at most [`FEATURES`] numbers.
    fn memory(&mut self) -> &mut [f64] {
        &mut []
    }
}

/// Moves the mean and the variance towards `reward` by the share `alpha`; the first reward sets the mean.
fn smooth(arm: &mut Arm, reward: f64, alpha: f64) {
    let off = reward - arm.mean;
    if arm.picks == 0 {
        (arm.mean, arm.variance) = (reward, 0.0);
    } else {
        arm.mean += alpha * off;
        arm.variance += alpha * (off * off * (1.0 - alpha) - arm.variance);
    }
}

/// A draw from the standard normal distribution (Box and Muller, 1958).
fn normal(bits: u64) -> f64 {
    let unit = |bits: u32| (f64::from(bits) + 0.5) / 4_294_967_296.0;
    let (first, second) = (unit((bits >> 32) as u32), unit(bits as u32));
    libm::sqrt(-2.0 * libm::log(first)) * libm::cos(2.0 * core::f64::consts::PI * second)
}

/// The estimators: the module of each and its type, which has the name of its kind.
macro_rules! estimators {
    ($($module:ident::$kind:ident),+ $(,)?) => {
        /// The estimator that the settings name.
        #[derive(Clone, Copy, Debug, PartialEq)]
        pub(crate) enum AnyEstimator {
            $($kind($module::$kind)),+
        }

        impl AnyEstimator {
            pub(crate) fn new(settings: &BanditSettings) -> Self {
                match settings.estimator {
                    $(EstimatorKind::$kind => Self::$kind($module::$kind::new(settings))),+
                }
            }

            fn inner(&self) -> &dyn Estimator {
                match self {
                    $(Self::$kind(one) => one),+
                }
            }

            fn inner_mut(&mut self) -> &mut dyn Estimator {
                match self {
                    $(Self::$kind(one) => one),+
                }
            }
        }
    };
}

estimators!(ucb::Ucb, greedy::Greedy, variance::Variance, thompson::Thompson, contextual::Contextual);

impl Estimator for AnyEstimator {
    fn score(&self, arm: &Arm, seen: &Seen) -> f64 {
        self.inner().score(arm, seen)
    }

    fn update(&mut self, arm: &mut Arm, reward: f64, seen: &Seen) {
        self.inner_mut().update(arm, reward, seen);
    }

    fn draw(&self, arm: &Arm, seen: &Seen, bits: u64) -> Option<f64> {
        self.inner().draw(arm, seen, bits)
    }

    fn epsilon(&self, base: f64) -> f64 {
        self.inner().epsilon(base)
    }

    fn memory(&mut self) -> &mut [f64] {
        self.inner_mut().memory()
    }
}

/// Parts per million as a number.
pub(crate) fn ratio(ppm: u64) -> f64 {
    ppm as f64 / PPM as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rewards_move_the_mean_and_the_variance_about_it() {
        let mut arm = Arm::NEW;
        let mut after = |reward| {
            smooth(&mut arm, reward, 0.5);
            arm.picks += 1;
            (arm.mean, arm.variance)
        };
        assert_eq!([after(0.0), after(1.0), after(1.0)], [(0.0, 0.0), (0.5, 0.25), (0.75, 0.1875)]);
    }

    #[test]
    fn one_half_of_the_bits_says_how_far_off_a_draw_is_and_the_other_half_which_way() {
        let far = libm::sqrt(2.0 * core::f64::consts::LN_2);
        for (bits, expected) in [(0, far), (1 << 30, 0.0), (1 << 31, -far)] {
            assert!((normal(1 << 63 | bits) - expected).abs() < 1e-6, "{bits:x}: {}", normal(1 << 63 | bits));
        }
        assert!((normal(u64::MAX >> 32) - 6.76).abs() < 0.01, "{}", normal(u64::MAX >> 32));
    }
}
