//! The mean reward alone; arms never picked first.

use super::{Estimator, Seen, ratio, smooth};
use crate::strategy::bandit::arm::Arm;
use crate::strategy::bandit::settings::BanditSettings;

/// See the head of this file.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Greedy {
    /// Weight of a new reward.
    pub(crate) alpha: f64,
}

impl Greedy {
    pub(super) fn new(settings: &BanditSettings) -> Self {
        Self { alpha: ratio(settings.alpha_ppm) }
    }
}

impl Estimator for Greedy {
    fn score(&self, arm: &Arm, _: &Seen) -> f64 {
        if arm.picks == 0 { f64::INFINITY } else { arm.mean }
    }

    fn update(&mut self, arm: &mut Arm, reward: f64, _: &Seen) {
        smooth(arm, reward, self.alpha);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_score_is_the_mean_and_an_arm_never_picked_stands_first() {
        let (mut greedy, mut arm) = (Greedy { alpha: 0.1 }, Arm::default());
        assert_eq!(greedy.score(&arm, &Seen::default()), f64::INFINITY);
        greedy.update(&mut arm, 0.5, &Seen::default());
        arm.picks += 1;
        assert_eq!(greedy.score(&arm, &Seen::default()), 0.5);
    }
}
