//! A linear model of the reward over what is known of a slot before it is merged, learned as rewards come.
//!
//! Normalised least mean squares: each reward moves the weights by a share of its error, divided by the length of the context,
//! so that no scale of the features can make it diverge. A new slot is judged by what others like it have earned.
//!
//! Source: Widrow and Hoff, "Adaptive switching circuits", 1960.

use super::{Estimator, FEATURES, Seen, ratio, smooth};
use crate::strategy::bandit::arm::Arm;
use crate::strategy::bandit::settings::BanditSettings;

/// See the head of this file.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Contextual {
    /// Weight of a new reward.
    pub(crate) alpha: f64,
    /// What each feature adds to the reward.
    pub(crate) weights: [f64; FEATURES],
}

impl Contextual {
    pub(super) fn new(settings: &BanditSettings) -> Self {
        Self { alpha: ratio(settings.alpha_ppm), weights: [0.0; FEATURES] }
    }

    fn expected(&self, seen: &Seen) -> f64 {
        self.weights.iter().zip(&seen.context).map(|(weight, feature)| weight * feature).sum()
    }
}

impl Estimator for Contextual {
    fn score(&self, _: &Arm, seen: &Seen) -> f64 {
        self.expected(seen)
    }

    fn update(&mut self, arm: &mut Arm, reward: f64, seen: &Seen) {
        smooth(arm, reward, self.alpha);
        let length: f64 = seen.context.iter().map(|feature| feature * feature).sum();
        let step = self.alpha * (reward - self.expected(seen)) / (length + 1e-9);
        for (weight, feature) in self.weights.iter_mut().zip(&seen.context) {
            *weight = (*weight + step * feature).clamp(-1e6, 1e6);
        }
    }

    fn memory(&mut self) -> &mut [f64] {
        &mut self.weights
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_learns_which_feature_pays_and_applies_it_to_a_slot_never_picked() {
        let mut contextual = Contextual { alpha: 0.1, weights: [0.0; FEATURES] };
        let with = |hot: f64, runs: f64| {
            let mut seen = Seen::default();
            (seen.context[0], seen.context[1], seen.context[2]) = (1.0, hot, runs);
            seen
        };
        let mut arm = Arm::default();
        for at in 0..3_000 {
            let (hot, runs) = (f64::from(at % 5) / 4.0, f64::from(at % 7) / 6.0);
            contextual.update(&mut arm, 0.1 + 0.6 * hot, &with(hot, runs));
        }
        let new = Arm::default();
        assert!((contextual.score(&new, &with(1.0, 0.3)) - 0.7).abs() < 0.02);
        assert!((contextual.score(&new, &with(0.0, 0.9)) - 0.1).abs() < 0.02);
    }

    #[test]
    fn a_reward_moves_each_weight_by_its_part_of_the_error() {
        let mut contextual = Contextual { alpha: 0.5, weights: [0.0; FEATURES] };
        let (mut seen, mut arm) = (Seen::default(), Arm::default());
        (seen.context[0], seen.context[1]) = (1.0, 0.5);
        contextual.update(&mut arm, 1.0, &seen);
        assert_eq!(arm.mean, 1.0);
        let near = |weights: [f64; 2]| contextual.weights.iter().zip(weights).all(|(a, b)| (a - b).abs() < 1e-6);
        assert!(near([0.4, 0.2]) && contextual.weights[2..].iter().all(|weight| *weight == 0.0));
        assert!((contextual.score(&arm, &seen) - 0.5).abs() < 1e-6 && contextual.memory().len() == FEATURES);
        contextual.update(&mut arm, 1.0, &seen);
        assert!((contextual.weights[0] - 0.6).abs() < 1e-6, "half of the error is left, and half of that goes");
    }
}
