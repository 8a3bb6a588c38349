//! Upper confidence bound: mean + c sqrt(ln(total) / picks), arms never picked first.
//!
//! Source: Auer, Cesa-Bianchi, Fischer, "Finite-time analysis of the multiarmed bandit problem", 2002 (UCB1).

use super::{Estimator, Seen, ratio, smooth};
use crate::strategy::bandit::arm::Arm;
use crate::strategy::bandit::settings::BanditSettings;

/// See the head of this file.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Ucb {
    /// Weight of the second term.
    pub(crate) c: f64,
    /// Weight of a new reward.
    pub(crate) alpha: f64,
}

impl Ucb {
    pub(super) fn new(settings: &BanditSettings) -> Self {
        Self { c: ratio(settings.ucb_c_ppm), alpha: ratio(settings.alpha_ppm) }
    }
}

impl Estimator for Ucb {
    fn score(&self, arm: &Arm, seen: &Seen) -> f64 {
        if arm.picks == 0 || seen.picks <= 0.0 {
            return f64::INFINITY;
        }
        arm.mean + self.c * libm::sqrt(libm::log(seen.total.max(1.0)) / seen.picks)
    }

    fn update(&mut self, arm: &mut Arm, reward: f64, _: &Seen) {
        smooth(arm, reward, self.alpha);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec;

    const UCB: Ucb = Ucb { c: 2.0, alpha: 0.1 };

    fn seen(picks: f64, total: f64) -> Seen {
        Seen { picks, total, ..Seen::default() }
    }

    fn taught(rewards: &[f64]) -> Arm {
        let (mut arm, mut ucb) = (Arm::default(), UCB);
        for reward in rewards {
            ucb.update(&mut arm, *reward, &Seen::default());
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
        let arm = Arm { picks: 4, weight: 4.0, mean: 0.5, ..Arm::default() };
        let expected = 0.5 + 2.0 * (100f64.ln() / 4.0).sqrt();
        assert!((UCB.score(&arm, &seen(4.0, 100.0)) - expected).abs() < 1e-12);
        assert!(UCB.score(&arm, &seen(40.0, 100.0)) < expected);
    }

    #[test]
    fn an_arm_never_picked_stands_before_all_others() {
        assert_eq!(UCB.score(&Arm::default(), &seen(0.0, 10.0)), f64::INFINITY);
    }

    #[test]
    fn no_figures_make_a_score_that_is_not_a_number() {
        let arm = Arm { picks: 1, weight: 1e-300, ..Arm::default() };
        for total in [0.0, 1e-300, 1.0, 1e300] {
            assert!(!UCB.score(&arm, &seen(1e-300, total)).is_nan());
        }
    }

    #[test]
    fn an_arm_whose_picks_are_all_forgotten_stands_first() {
        let arm = Arm { picks: 1, mean: 0.5, ..Arm::NEW };
        assert_eq!(UCB.score(&arm, &seen(0.0, 10.0)), f64::INFINITY);
    }
}
