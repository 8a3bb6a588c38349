//! The mean reward alone, and picks at random the more often the more rewards vary: epsilon = base + k x variance.

use super::{Estimator, Seen, ratio, smooth};
use crate::strategy::bandit::arm::Arm;
use crate::strategy::bandit::settings::BanditSettings;

/// See the head of this file.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Variance {
    /// What a unit of variance adds to epsilon.
    pub(crate) k: f64,
    /// Weight of a new reward.
    pub(crate) alpha: f64,
    /// Mean of the squared distance of rewards from what their arm had led to expect.
    pub(crate) spread: f64,
}

impl Variance {
    pub(super) fn new(settings: &BanditSettings) -> Self {
        Self { k: ratio(settings.variance_k_ppm), alpha: ratio(settings.alpha_ppm), spread: 0.0 }
    }
}

impl Estimator for Variance {
    fn score(&self, arm: &Arm, _: &Seen) -> f64 {
        if arm.picks == 0 { f64::INFINITY } else { arm.mean }
    }

    fn update(&mut self, arm: &mut Arm, reward: f64, _: &Seen) {
        if arm.picks > 0 {
            let off = reward - arm.mean;
            self.spread += self.alpha * (off * off - self.spread);
        }
        smooth(arm, reward, self.alpha);
    }

    fn epsilon(&self, base: f64) -> f64 {
        (base + self.k * self.spread).min(1.0)
    }

    fn memory(&mut self) -> &mut [f64] {
        core::slice::from_mut(&mut self.spread)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rewards_that_vary_make_it_explore_and_steady_ones_do_not() {
        let epsilon = |rewards: [f64; 2]| {
            let (mut variance, mut arm) = (Variance { k: 1.0, alpha: 0.1, spread: 0.0 }, Arm::default());
            for at in 0..200 {
                variance.update(&mut arm, rewards[at % 2], &Seen::default());
                arm.picks += 1;
            }
            variance.epsilon(0.05)
        };
        assert!((epsilon([0.5, 0.5]) - 0.05).abs() < 1e-9);
        assert!(epsilon([0.0, 1.0]) > 0.25, "{}", epsilon([0.0, 1.0]));
    }

    #[test]
    fn each_reward_moves_the_spread_a_share_of_the_way() {
        let (mut variance, mut arm) = (Variance { k: 2.0, alpha: 0.5, spread: 0.0 }, Arm::default());
        for reward in [0.0, 1.0, 1.0] {
            variance.update(&mut arm, reward, &Seen::default());
            arm.picks += 1;
        }
        // Means of 0, 0.5 and 0.75: off by 1 and by 0.5.
        assert_eq!((variance.spread, arm.mean), (0.5 + 0.5 * (0.25 - 0.5), 0.75));
        assert_eq!((variance.epsilon(0.1), variance.epsilon(0.5)), (0.1 + 0.75, 1.0));
        assert_eq!((variance.score(&arm, &Seen::default()), variance.memory().len()), (0.75, 1));
    }

    #[test]
    fn an_arm_never_picked_stands_first_and_its_first_reward_is_no_surprise() {
        let (mut variance, mut arm) = (Variance { k: 1.0, alpha: 0.5, spread: 0.0 }, Arm::default());
        assert_eq!(variance.score(&arm, &Seen::default()), f64::INFINITY);
        variance.update(&mut arm, 1.0, &Seen::default());
        assert_eq!((variance.spread, arm.mean), (0.0, 1.0));
    }
}
