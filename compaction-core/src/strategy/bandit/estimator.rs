//! Estimators: how good an arm looks, and what a reward teaches.
//!
//! A new one is a type with these two functions, a kind in the settings, and a line in [`AnyEstimator`].

use super::arm::Arm;
use super::settings::{BanditSettings, EstimatorKind};
use crate::strategy::PPM;

/// What a scheduler asks of an estimator.
pub(crate) trait Estimator {
    /// The score of `arm`, which holds `picks` of `total` picks, both discounted. Infinite: before all others.
    fn score(&self, arm: &Arm, picks: f64, total: f64) -> f64;

    /// Takes in a reward from 0 to 1, before the pick is counted.
    fn update(&self, arm: &mut Arm, reward: f64);
}

/// Moves the mean towards `reward` by the share `alpha`; the first reward sets it.
fn smooth(arm: &mut Arm, reward: f64, alpha: f64) {
    arm.mean = if arm.picks == 0 { reward } else { arm.mean + alpha * (reward - arm.mean) };
}

/// Upper confidence bound: mean + c sqrt(ln(total) / picks), arms never picked first.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Ucb {
    /// Weight of the second term.
    pub(crate) c: f64,
    /// Weight of a new reward.
    pub(crate) alpha: f64,
}

impl Estimator for Ucb {
    fn score(&self, arm: &Arm, picks: f64, total: f64) -> f64 {
        if arm.picks == 0 || picks <= 0.0 {
            return f64::INFINITY;
        }
        let bonus = libm::sqrt(libm::log(total.max(1.0)) / picks);
        arm.mean + self.c * bonus
    }

    fn update(&self, arm: &mut Arm, reward: f64) {
        smooth(arm, reward, self.alpha);
    }
}

/// The mean alone; arms never picked first.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Greedy {
    /// Weight of a new reward.
    pub(crate) alpha: f64,
}

impl Estimator for Greedy {
    fn score(&self, arm: &Arm, _: f64, _: f64) -> f64 {
        if arm.picks == 0 { f64::INFINITY } else { arm.mean }
    }

    fn update(&self, arm: &mut Arm, reward: f64) {
        smooth(arm, reward, self.alpha);
    }
}

/// The estimator that the settings name.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum AnyEstimator {
    Ucb(Ucb),
    Greedy(Greedy),
}

impl AnyEstimator {
    pub(crate) fn new(settings: &BanditSettings) -> Self {
        let alpha = ratio(settings.alpha_ppm);
        match settings.estimator {
            EstimatorKind::Ucb => Self::Ucb(Ucb { c: ratio(settings.ucb_c_ppm), alpha }),
            EstimatorKind::Greedy => Self::Greedy(Greedy { alpha }),
        }
    }

    fn inner(&self) -> &dyn Estimator {
        match self {
            Self::Ucb(ucb) => ucb,
            Self::Greedy(greedy) => greedy,
        }
    }
}

impl Estimator for AnyEstimator {
    fn score(&self, arm: &Arm, picks: f64, total: f64) -> f64 {
        self.inner().score(arm, picks, total)
    }

    fn update(&self, arm: &mut Arm, reward: f64) {
        self.inner().update(arm, reward);
    }
}

/// Parts per million as a number.
pub(crate) fn ratio(ppm: u64) -> f64 {
    ppm as f64 / PPM as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec;

    const UCB: Ucb = Ucb { c: 2.0, alpha: 0.1 };

    fn taught(rewards: &[f64]) -> Arm {
        let mut arm = Arm::default();
        for reward in rewards {
            UCB.update(&mut arm, *reward);
            arm.picks += 1;
        }
        arm
    }

    #[test]
    fn the_first_reward_sets_the_mean_and_the_second_moves_it_by_a_tenth() {
        assert_eq!(taught(&[1.0]).mean, 1.0);
        assert!((taught(&[1.0, 0.5]).mean - 0.95).abs() < 1e-12);
    }

    #[test]
    fn the_mean_is_65_percent_there_after_10_rewards_and_88_percent_after_20() {
        let after = |count: usize| taught(&[&[0.0], vec![1.0; count].as_slice()].concat()).mean;
        assert!((after(10) - 0.651).abs() < 0.001, "{}", after(10));
        assert!((after(20) - 0.878).abs() < 0.001, "{}", after(20));
    }

    #[test]
    fn the_score_is_the_mean_and_a_bonus_that_shrinks_with_picks() {
        let arm = Arm { picks: 4, weight: 4.0, mean: 0.5 };
        let expected = 0.5 + 2.0 * (100f64.ln() / 4.0).sqrt();
        assert!((UCB.score(&arm, 4.0, 100.0) - expected).abs() < 1e-12);
        assert!(UCB.score(&arm, 40.0, 100.0) < expected);
        assert_eq!(Greedy { alpha: 0.1 }.score(&arm, 4.0, 100.0), 0.5);
    }

    #[test]
    fn an_arm_never_picked_stands_before_all_others() {
        assert_eq!(UCB.score(&Arm::default(), 0.0, 10.0), f64::INFINITY);
        assert_eq!(Greedy { alpha: 0.1 }.score(&Arm::default(), 0.0, 10.0), f64::INFINITY);
    }

    #[test]
    fn no_figures_make_a_score_that_is_not_a_number() {
        let arm = Arm { picks: 1, weight: 1e-300, mean: 0.0 };
        for total in [0.0, 1e-300, 1.0, 1e300] {
            assert!(!UCB.score(&arm, 1e-300, total).is_nan());
        }
    }
}
