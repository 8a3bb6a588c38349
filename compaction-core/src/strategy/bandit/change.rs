//! Change detection: what an arm earned long ago is worth little once its rewards have shifted.
//!
//! Page's test, two-sided: the deviations of rewards from the arm's mean, less a tolerance, are summed up as long as they point
//! one way; a sum above the limit is a change. Then most of the arm's picks are forgotten and its mean starts from the new reward.
//!
//! Sources: Page, "Continuous inspection schemes", 1954; Hartland et al., "Change point detection and meta-bandits", 2006.

use super::arm::Arm;

/// Deviations up to this are noise.
const TOLERANCE: f64 = 0.05;
/// What is left of an arm's picks after a change.
const LEFT: f64 = 0.25;

/// Takes in a reward that `arm`, not yet taught by it, had. Above `limit` (0: never) the arm forgets; whether it did.
pub(crate) fn detect(arm: &mut Arm, reward: f64, limit: f64) -> bool {
    if limit <= 0.0 || arm.picks == 0 {
        return false;
    }
    let off = reward - arm.mean;
    arm.risen = (arm.risen + off - TOLERANCE).max(0.0);
    arm.fallen = (arm.fallen - off - TOLERANCE).max(0.0);
    let changed = arm.risen > limit || arm.fallen > limit;
    if changed {
        (arm.risen, arm.fallen, arm.mean) = (0.0, 0.0, reward);
        arm.weight *= LEFT;
    }
    changed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shift_is_noticed_soon_noise_never_and_a_limit_of_zero_is_off() {
        let mut arm = Arm { picks: 9, weight: 8.0, mean: 0.8, ..Arm::default() };
        for at in 0..1_000 {
            assert!(!detect(&mut arm, 0.8 + 0.04 * f64::from(at % 3 - 1), 1.0));
        }
        assert!(!(0..100).any(|_| detect(&mut arm.clone(), 0.1, 0.0)));
        assert_eq!((0..10).position(|_| detect(&mut arm, 0.1, 1.0)), Some(1));
        assert_eq!((arm.mean, arm.weight), (0.1, 2.0));
    }

    #[test]
    fn a_rise_is_noticed_like_a_fall_and_small_ones_are_summed_up() {
        let mut arm = Arm { picks: 9, weight: 8.0, mean: 0.5, ..Arm::default() };
        assert!(!detect(&mut arm, 0.75, 0.4) && !detect(&mut arm, 0.25, 0.4));
        assert_eq!((arm.risen, arm.fallen), (0.0, 0.2), "each forgets as the other goes");
        assert!(!detect(&mut arm, 0.75, 0.4) && detect(&mut arm, 0.8, 0.4));
        assert_eq!((arm.mean, arm.weight, arm.risen, arm.fallen), (0.8, 2.0, 0.0, 0.0));
    }
}
