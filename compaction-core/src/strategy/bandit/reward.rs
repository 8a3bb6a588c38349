//! What a merge was worth: latency saved x heat / bytes written, brought to a scale from 0 to 1.
//!
//! Rewards as they come lie orders of magnitude below the exploration bonus, and a bandit that is fed with them never learns.
//! So the runs saved per byte written are taken relative to their running mean and the heat relative to the mean slot; the
//! product x, 1 for a middling merge, is squeezed to x^2 / (1 + x^2). The square keeps hot and cold well apart: four hot of
//! sixteen slots with 80 % of the reads earn 0.91 a merge, the others 0.07.

/// The reward of one merge, for logs and metrics.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reward {
    /// The slot.
    pub slot: u32,
    /// The reward, 0 to 1.
    pub reward: f64,
    /// Bytes that the merge wrote.
    pub bytes: u64,
    /// Heat of the slot against the mean slot.
    pub heat: f64,
}

/// Weight of a merge in the running mean.
const SCALE_ALPHA: f64 = 0.05;

/// The running mean of runs saved per byte written, as a logarithm: one outlier moves it little.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Scale {
    /// Mean logarithm of runs per byte; `None` before the first merge.
    pub(crate) log_mean: Option<f64>,
}

impl Scale {
    /// The reward of a merge that took `saved` runs out of the way of reads and wrote `bytes`, in a slot of heat `heat`
    /// against the mean. A merge that wrote nothing earns 1, one that saved nothing 0.
    pub(crate) fn reward(&mut self, saved: u64, bytes: u64, heat: f64) -> f64 {
        if saved == 0 {
            return 0.0;
        }
        if bytes == 0 {
            return 1.0;
        }
        let log = libm::log(saved as f64) - libm::log(bytes as f64);
        let mean = self.log_mean.map_or(log, |mean| mean + SCALE_ALPHA * (log - mean));
        self.log_mean = Some(mean);
        // Bounded so that the square below stays finite.
        let worth = (heat * libm::exp(log - mean)).clamp(0.0, 1e6);
        worth * worth / (1.0 + worth * worth)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_middling_merge_earns_a_half_and_a_hot_one_nearly_all() {
        let mut scale = Scale::default();
        assert_eq!(scale.reward(2, 1 << 20, 1.0), 0.5);
        assert!((scale.reward(2, 1 << 20, 3.2) - 0.91).abs() < 0.01);
        assert!((scale.reward(2, 1 << 20, 0.8 / 3.0) - 0.07).abs() < 0.01);
    }

    #[test]
    fn more_runs_or_fewer_bytes_earn_more() {
        let mut scale = Scale::default();
        let middling = scale.reward(2, 1 << 20, 1.0);
        assert!(scale.reward(4, 1 << 20, 1.0) > middling);
        assert!(scale.reward(2, 1 << 24, 1.0) < middling);
    }

    #[test]
    fn rewards_lie_between_0_and_1_whatever_the_sizes() {
        let mut scale = Scale::default();
        for bytes in [0, 1, 1 << 30, u64::MAX] {
            for saved in [0, 1, u64::MAX] {
                for heat in [0.0, 1.0, 1e300, f64::INFINITY] {
                    let reward = scale.reward(saved, bytes, heat);
                    assert!((0.0..=1.0).contains(&reward), "{saved} {bytes} {heat}: {reward}");
                }
            }
        }
        assert_eq!(scale.reward(0, 5, 1.0), 0.0);
        assert_eq!(scale.reward(1, 0, 1.0), 1.0);
    }
}
