//! Epsilon-greedy scheduling: the arm with the best score, or now and then any one.

use super::arm::Arm;
use super::change;
use super::estimator::{AnyEstimator, Estimator, FEATURES, Seen, ratio};
use super::settings::BanditSettings;

/// Beyond this the unit is set back to 1, so that it stays finite.
const UNIT_MAX: f64 = 1e100;

/// Scores arms and takes rewards in.
///
/// Discounting all arms at each pick would cost a walk over them; instead each new pick weighs more than the one before, by
/// `unit`, and every ratio of weights is the same.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Scheduler {
    pub(crate) estimator: AnyEstimator,
    /// The sum of deviations that is a change; 0: none is.
    change: f64,
    epsilon: f64,
    discount: f64,
    /// What the present pick weighs.
    pub(crate) unit: f64,
    /// Weight of all picks.
    pub(crate) total: f64,
}

impl Scheduler {
    pub(crate) fn new(settings: &BanditSettings) -> Self {
        Self {
            estimator: AnyEstimator::new(settings),
            change: ratio(settings.change_ppm),
            epsilon: ratio(settings.epsilon_ppm),
            discount: ratio(settings.discount_ppm),
            unit: 1.0,
            total: 0.0,
        }
    }

    /// What is known when `arm` is judged in this context.
    fn seen(&self, arm: &Arm, context: &[f64; FEATURES]) -> Seen {
        Seen { picks: arm.weight / self.unit, total: self.total / self.unit, context: *context }
    }

    /// The present score of an arm.
    pub(crate) fn score(&self, arm: &Arm, context: &[f64; FEATURES]) -> f64 {
        self.estimator.score(arm, &self.seen(arm, context))
    }

    /// Its score by luck, for estimators that go by it; `name` tells the arms apart.
    pub(crate) fn draw(&self, arm: &Arm, context: &[f64; FEATURES], entropy: u64, name: u32) -> Option<f64> {
        self.estimator.draw(arm, &self.seen(arm, context), mix(entropy ^ mix(name.into())))
    }

    /// Counts a pick of `arm` and its reward. Answers true when the unit grew so large that [`rescale`](Self::rescale) is due.
    pub(crate) fn reward(&mut self, arm: &mut Arm, reward: f64, context: &[f64; FEATURES]) -> bool {
        change::detect(arm, reward, self.change);
        let seen = self.seen(arm, context);
        self.estimator.update(arm, reward, &seen);
        arm.picks = arm.picks.saturating_add(1);
        self.unit /= self.discount;
        arm.weight += self.unit;
        self.total += self.unit;
        self.unit > UNIT_MAX
    }

    /// Sets the unit back to 1 and the weights of all arms with it.
    pub(crate) fn rescale<'a>(&mut self, arms: impl Iterator<Item = &'a mut Arm>) {
        for arm in arms {
            arm.weight /= self.unit;
        }
        self.total /= self.unit;
        self.unit = 1.0;
    }

    /// With the chance epsilon: one of `count`, each alike. A pure function of `entropy`.
    pub(crate) fn explore(&self, entropy: u64, count: usize) -> Option<usize> {
        let bits = mix(entropy);
        // The upper 53 bits as a fraction; the index comes from a second draw.
        let chance = (bits >> 11) as f64 / (1u64 << 53) as f64;
        let wide = u128::from(mix(bits)).saturating_mul(u128::try_from(count).unwrap_or(u128::MAX));
        (chance < self.estimator.epsilon(self.epsilon) && count > 0).then_some(usize::try_from(wide >> 64).unwrap_or(0))
    }
}

/// The output function of SplitMix64 (Steele, Lea, Flood, OOPSLA 2014): even poor entropy, such as a counter, becomes even.
pub(crate) fn mix(bits: u64) -> u64 {
    let mut bits = bits.wrapping_add(0x9E37_79B9_7F4A_7C15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::strategy::PPM;

    fn scheduler(epsilon_ppm: u64, discount_ppm: u64) -> Scheduler {
        Scheduler::new(&BanditSettings { epsilon_ppm, discount_ppm, ..BanditSettings::default() })
    }

    #[test]
    fn a_new_scheduler_knows_nothing_and_scores_every_arm_first() {
        let scheduler = scheduler(PPM / 10, PPM);
        assert_eq!((scheduler.total, scheduler.unit), (0.0, 1.0));
        assert_eq!(scheduler.score(&Arm::default(), &[0.0; FEATURES]), f64::INFINITY);
    }

    #[test]
    fn a_reward_counts_the_pick_and_moves_the_score() {
        let (mut scheduler, mut arm) = (scheduler(PPM / 10, PPM), Arm::default());
        scheduler.reward(&mut arm, 0.75, &[0.0; FEATURES]);
        assert_eq!(arm, Arm { picks: 1, weight: 1.0, mean: 0.75, ..Arm::NEW });
        assert_eq!(scheduler.score(&arm, &[0.0; FEATURES]), 0.75, "ln 1 = 0: no bonus yet");
    }

    #[test]
    fn a_tenth_of_ten_thousand_picks_explores_evenly_whatever_the_entropy() {
        let scheduler = scheduler(PPM / 10, PPM);
        for step in [1, 1 << 40, 0x9E37_79B9_7F4A_7C15] {
            let mut found = [0u32; 16];
            for at in 0..10_000u64 {
                if let Some(arm) = scheduler.explore(at.wrapping_mul(step), found.len()) {
                    found[arm] += 1;
                }
            }
            let explored: u32 = found.iter().sum();
            assert!((900..=1_100).contains(&explored), "{explored} of 10 000");
            assert!(found.iter().all(|arm| (35..=95).contains(arm)), "{found:?}");
        }
    }

    #[test]
    fn epsilon_0_never_explores_and_epsilon_1_always() {
        assert!((0..1_000).all(|at| scheduler(0, PPM).explore(at, 4).is_none()));
        assert!((0..1_000).all(|at| scheduler(PPM, PPM).explore(at, 4).is_some_and(|arm| arm < 4)));
        assert_eq!(scheduler(PPM, PPM).explore(7, 0), None);
    }

    #[test]
    fn discounted_picks_fade_and_a_rescaled_unit_changes_no_score() {
        let (mut scheduler, mut old, mut new) = (scheduler(0, PPM / 2), Arm::default(), Arm::default());
        scheduler.reward(&mut old, 0.5, &[0.0; FEATURES]);
        for _ in 0..10 {
            scheduler.reward(&mut new, 0.5, &[0.0; FEATURES]);
        }
        assert!(old.weight / scheduler.unit < 0.001 && new.weight / scheduler.unit > 1.99);
        let before = (scheduler.score(&old, &[0.0; FEATURES]), scheduler.score(&new, &[0.0; FEATURES]));
        scheduler.rescale([&mut old, &mut new].into_iter());
        assert_eq!((scheduler.score(&old, &[0.0; FEATURES]), scheduler.score(&new, &[0.0; FEATURES])), before);
    }

    #[test]
    fn the_unit_asks_to_be_set_back_before_it_overflows() {
        let (mut scheduler, mut arm) = (scheduler(0, PPM / 2), Arm::default());
        for _ in 0..5_000 {
            if scheduler.reward(&mut arm, 1.0, &[0.0; FEATURES]) {
                scheduler.rescale(core::iter::once(&mut arm));
            }
        }
        assert!(scheduler.unit.is_finite() && scheduler.score(&arm, &[0.0; FEATURES]).is_finite());
    }
}
