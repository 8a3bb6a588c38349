//! What is known of one arm: here, of the merges of one slot.

/// How often an arm was picked and how well that paid.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Arm {
    /// How often it was picked.
    pub(crate) picks: u64,
    /// The same with older picks discounted, in the scheduler's unit.
    pub(crate) weight: f64,
    /// Mean reward, 0 to 1; 0 before the first.
    pub(crate) mean: f64,
    /// Variance of its rewards.
    pub(crate) variance: f64,
    /// By how much its rewards have lately stood above the mean, summed up.
    pub(crate) risen: f64,
    /// The same below the mean.
    pub(crate) fallen: f64,
}

impl Arm {
    /// One that was never picked.
    pub(crate) const NEW: Self = Self { picks: 0, weight: 0.0, mean: 0.0, variance: 0.0, risen: 0.0, fallen: 0.0 };
}

impl Arm {
    /// Half of what is known, for each half of a slot that was split: the mean stays.
    pub(crate) fn halved(self) -> Self {
        Self { weight: self.weight / 2.0, ..self }
    }

    /// What is known of two slots that became one.
    pub(crate) fn joined(self, other: Self) -> Self {
        let weight = self.weight + other.weight;
        let mean = if weight > 0.0 { (self.mean * self.weight + other.mean * other.weight) / weight } else { 0.0 };
        let (variance, risen) = (self.variance.max(other.variance), self.risen.max(other.risen));
        let fallen = self.fallen.max(other.fallen);
        Self { picks: self.picks.saturating_add(other.picks), weight, mean, variance, risen, fallen }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_arm_was_never_picked() {
        assert_eq!(Arm::default(), Arm::NEW);
    }

    #[test]
    fn split_and_joined_again_it_knows_the_same() {
        let arm = Arm { picks: 3, weight: 3.0, mean: 0.25, ..Arm::NEW };
        let again = arm.halved().joined(arm.halved());
        assert_eq!((again.weight, again.mean), (3.0, 0.25));
        assert_eq!(Arm::default().joined(Arm::default()), Arm::default());
    }

    #[test]
    fn of_two_arms_that_become_one_the_mean_is_weighed_and_the_rest_the_larger() {
        let left = Arm { picks: 1, weight: 1.0, mean: 0.8, variance: 0.3, risen: 0.1, fallen: 0.4 };
        let right = Arm { picks: 3, weight: 3.0, mean: 0.4, variance: 0.2, risen: 0.5, fallen: 0.2 };
        let both = Arm { picks: 4, weight: 4.0, mean: 0.5, variance: 0.3, risen: 0.5, fallen: 0.4 };
        assert_eq!([left.joined(right), right.joined(left)], [both, both]);
    }
}
