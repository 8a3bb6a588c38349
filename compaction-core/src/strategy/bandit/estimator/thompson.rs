//! Thompson sampling: each arm's mean is drawn from what it may well be, a normal distribution, and the best draw wins.
//!
//! The draw comes from the moment's entropy and the arm's name, so a decision stays a pure function. Drawn are the arms that
//! stand best by their mean and one standard error; that is the order in which the others follow.
//!
//! Source: Thompson, "On the likelihood that one unknown probability exceeds another", 1933.

use super::{Estimator, Seen, ratio, smooth};
use crate::strategy::bandit::arm::Arm;
use crate::strategy::bandit::settings::BanditSettings;

/// The variance of a reward as long as nothing is known: that of an even spread over 0 to 1 is a twelfth.
const PRIOR: f64 = 1.0 / 12.0;

/// See the head of this file.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Thompson {
    /// Weight of a new reward.
    pub(crate) alpha: f64,
}

/// Standard error of an arm's mean.
fn error(arm: &Arm, seen: &Seen) -> f64 {
    libm::sqrt((arm.variance * seen.picks + PRIOR) / ((seen.picks + 1.0) * (seen.picks + 1.0)))
}

impl Thompson {
    pub(super) fn new(settings: &BanditSettings) -> Self {
        Self { alpha: ratio(settings.alpha_ppm) }
    }
}

impl Estimator for Thompson {
    fn score(&self, arm: &Arm, seen: &Seen) -> f64 {
        if arm.picks == 0 { f64::INFINITY } else { arm.mean + error(arm, seen) }
    }

    fn update(&mut self, arm: &mut Arm, reward: f64, _: &Seen) {
        smooth(arm, reward, self.alpha);
    }

    fn draw(&self, arm: &Arm, seen: &Seen, bits: u64) -> Option<f64> {
        let luck = super::normal(bits);
        Some(if arm.picks == 0 { f64::INFINITY } else { arm.mean + luck * error(arm, seen) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_scatter_about_the_mean_less_the_more_is_known() {
        let arm = Arm { picks: 9, mean: 0.5, variance: 0.04, ..Arm::default() };
        let scatter = |picks: f64| {
            let seen = Seen { picks, ..Seen::default() };
            let off = |bits: u64| {
                let bits = crate::strategy::bandit::scheduler::mix(bits);
                Thompson { alpha: 0.1 }.draw(&arm, &seen, bits).unwrap() - 0.5
            };
            ((0..10_000).map(off).sum::<f64>() / 1e4, (0..10_000).map(|bits| off(bits) * off(bits)).sum::<f64>() / 1e4)
        };
        let ((mean, few), (_, many)) = (scatter(4.0), scatter(400.0));
        assert!(mean.abs() < 0.01 && (few / 0.00973 - 1.0).abs() < 0.1, "{mean} {few}");
        assert!((many / 0.0001 - 1.0).abs() < 0.1, "{many}");
    }

    #[test]
    fn an_arm_never_picked_stands_first_and_one_little_known_before_its_equal() {
        let thompson = Thompson { alpha: 0.5 };
        let seen = Seen { picks: 3.0, ..Seen::default() };
        assert_eq!(thompson.score(&Arm::NEW, &seen), f64::INFINITY);
        assert_eq!(thompson.draw(&Arm::NEW, &seen, 7), Some(f64::INFINITY));
        let mut arm = Arm { picks: 3, mean: 0.5, variance: 0.25, ..Arm::NEW };
        let error = libm::sqrt((0.75 + 1.0 / 12.0) / 16.0);
        assert_eq!(thompson.score(&arm, &seen), 0.5 + error);
        // The highest draw of all: the upper half of the bits zero, and the lower one too.
        assert!(thompson.draw(&arm, &seen, 0).is_some_and(|draw| (draw - 0.5 - 6.76 * error).abs() < 0.01));
        Thompson { alpha: 0.5 }.update(&mut arm, 1.0, &seen);
        assert_eq!(arm.mean, 0.75);
    }
}
