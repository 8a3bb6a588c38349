//! Heat: which slots are read, with older reads fading.
//!
//! Heat fades in two ways: by half in every [`HALF_LIFE_MS`], and by reads, over a window of [`WINDOW_GETS`] point reads, so
//! that it follows a moving load even on a clock that stands still. Instead of fading all slots at each sample, each new
//! sample weighs more than the one before, by `unit`; only shares count, and these are the same.

use crate::strategy::ReadSample;

/// What one run more costs a point read, in bytes read: a filter asked, and a block fetched for nothing now and then.
pub(crate) const GET_COST: u64 = 553;
/// What one run more costs a range scan, in bytes read: a block.
pub(crate) const SCAN_COST: u64 = 4_096;
/// Without reads heat is half gone after this time.
const HALF_LIFE_MS: f64 = 600_000.0;
/// After this many point reads elsewhere, little more than a third is left.
const WINDOW_GETS: f64 = 16_384.0;
/// Beyond this the unit is set back to 1, so that it stays finite.
const UNIT_MAX: f64 = 1e100;

/// The unit and the sum of all slots' heat.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Heat {
    /// What a read weighs now.
    pub(crate) unit: f64,
    /// Heat of all slots.
    pub(crate) total: f64,
    /// When the last sample came.
    pub(crate) last_ms: u64,
}

impl Default for Heat {
    fn default() -> Self {
        Self { unit: 1.0, total: 0.0, last_ms: 0 }
    }
}

/// What `gets` point reads and `scans` range scans pay for each run more, in bytes.
pub(crate) fn read_cost(gets: u32, scans: u32) -> u64 {
    let gets = u64::from(gets).saturating_mul(GET_COST);
    u64::from(scans).saturating_mul(SCAN_COST).saturating_add(gets)
}

/// Of the runs there are, how many point reads look into: fewer than all where they find what they look for.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Met {
    /// Runs beyond the first that were asked, older samples fading.
    pub(crate) asked: f64,
    /// Runs beyond the first that there were.
    pub(crate) stood: f64,
}

/// What a sample is still worth one sample later.
const MET_KEPT: f64 = 0.995;
/// So many runs asked of as many are taken for known at the start.
const MET_PRIOR: f64 = 4.0;

impl Met {
    /// What these reads would have paid for one run more, in a slot that has `runs` of them. Learns from point reads.
    pub(crate) fn cost<K>(&mut self, sample: &ReadSample<'_, K>, runs: u32) -> f64 {
        if runs > 1 && sample.gets > 0 {
            self.asked = self.asked * MET_KEPT + f64::from(sample.runs.min(runs).saturating_sub(1));
            self.stood = self.stood * MET_KEPT + f64::from(runs.saturating_sub(1));
        }
        let share = (self.asked + MET_PRIOR) / (self.stood + MET_PRIOR);
        read_cost(sample.gets, 0) as f64 * share + read_cost(0, sample.scans) as f64
    }
}

impl Heat {
    /// Adds reads of `cost` to the heat of one slot. A clock that steps back fades nothing. Answers true when the unit grew so
    /// large that [`rescale`](Self::rescale) is due.
    pub(crate) fn add(&mut self, slot: &mut f64, cost: u64, now_ms: u64) -> bool {
        let elapsed = now_ms.saturating_sub(self.last_ms) as f64;
        self.last_ms = now_ms;
        let cost = cost as f64;
        self.unit *= libm::exp2((elapsed / HALF_LIFE_MS).min(64.0));
        self.unit *= 1.0 + cost / (WINDOW_GETS * GET_COST as f64);
        *slot += self.unit * cost;
        self.total += self.unit * cost;
        self.unit > UNIT_MAX
    }

    /// Sets the unit back to 1 and the heat of all slots with it.
    pub(crate) fn rescale<'a>(&mut self, slots: impl Iterator<Item = &'a mut f64>) {
        self.total = 0.0;
        for slot in slots {
            *slot /= self.unit;
            self.total += *slot;
        }
        self.unit = 1.0;
    }

    /// The heat of one of `slots` slots against their mean: 1 when all are alike or nothing was read.
    pub(crate) fn relative(&self, slot: f64, slots: usize) -> f64 {
        if self.total > 0.0 { slot / self.total * slots as f64 } else { 1.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(heat: &mut Heat, slots: &mut [f64], at: usize, gets: u32, now_ms: u64) {
        if heat.add(&mut slots[at], read_cost(gets, 0), now_ms) {
            heat.rescale(slots.iter_mut());
        }
    }

    #[test]
    fn heat_is_measured_against_the_mean_slot() {
        let (mut heat, mut slots) = (Heat::default(), [0.0; 4]);
        assert_eq!(heat.relative(slots[0], 4), 1.0);
        for at in [0, 0, 0, 1] {
            add(&mut heat, &mut slots, at, 1, 0);
        }
        assert!((heat.relative(slots[0], 4) - 3.0).abs() < 0.01 && (heat.relative(slots[1], 4) - 1.0).abs() < 0.01);
        assert_eq!(heat.relative(slots[2], 4), 0.0);
    }

    #[test]
    fn a_slot_read_long_ago_is_cool_beside_one_read_now() {
        let (mut heat, mut slots) = (Heat::default(), [0.0; 2]);
        add(&mut heat, &mut slots, 0, 100, 0);
        add(&mut heat, &mut slots, 1, 100, 600_000);
        let shares = (heat.relative(slots[0], 2), heat.relative(slots[1], 2));
        assert!((shares.0 / shares.1 - 0.5).abs() < 0.01, "{shares:?}");
    }

    #[test]
    fn on_a_clock_that_stands_still_reads_elsewhere_cool_a_slot() {
        let (mut heat, mut slots) = (Heat::default(), [0.0; 2]);
        for at in 0..40_000 {
            add(&mut heat, &mut slots, usize::from(at >= 20_000), 1, 0);
        }
        assert!(heat.relative(slots[0], 2) < 0.6, "{}", heat.relative(slots[0], 2));
    }

    #[test]
    fn a_clock_that_steps_back_or_leaps_leaves_the_shares_finite() {
        let (mut heat, mut slots) = (Heat::default(), [0.0; 2]);
        for now_ms in [u64::MAX, 0, 5, 0, u64::MAX, u64::MAX - 1, 0] {
            add(&mut heat, &mut slots, 0, u32::MAX, now_ms);
            add(&mut heat, &mut slots, 1, u32::MAX, now_ms);
            let shares = (heat.relative(slots[0], 2), heat.relative(slots[1], 2));
            assert!((shares.0 + shares.1 - 2.0).abs() < 1e-6, "{shares:?}");
        }
    }

    #[test]
    fn reads_and_time_raise_what_the_next_read_weighs() {
        assert_eq!(read_cost(2, 3), 2 * 553 + 3 * 4_096);
        let (mut heat, mut slots) = (Heat::default(), [0.0; 2]);
        add(&mut heat, &mut slots, 0, 1, 600_000);
        let grown = 2.0 * (1.0 + 1.0 / 16_384.0);
        assert_eq!((heat.unit, slots[0], heat.last_ms), (grown, grown * 553.0, 600_000));
        add(&mut heat, &mut slots, 1, 1, 1_200_000);
        assert_eq!((heat.unit, slots[1]), (grown * grown, grown * grown * 553.0));
        assert_eq!(heat.total, slots[0] + slots[1]);
        let (unit, before) = (heat.unit, slots);
        heat.rescale(slots.iter_mut());
        assert_eq!((slots, heat.unit), (before.map(|slot| slot / unit), 1.0));
        assert_eq!(heat.total, slots[0] + slots[1]);
    }

    #[test]
    fn point_reads_pay_for_the_share_of_the_runs_that_they_look_into_and_scans_for_all() {
        let mut met = Met::default();
        let mut cost = |gets, scans, asked, runs| {
            let cost = met.cost(&ReadSample { key: &1, gets, scans, runs: asked, now_ms: 0 }, runs);
            (cost, met.asked, met.stood)
        };
        // Two of four runs beyond the first, and four of four that are taken for known.
        assert_eq!(cost(10, 1, 3, 5), (5_530.0 * 6.0 / 8.0 + 4_096.0, 2.0, 4.0));
        let (asked, stood) = (2.0 * 0.995 + 4.0, 4.0 * 0.995 + 4.0);
        assert_eq!(cost(10, 0, 9, 5), (5_530.0 * ((asked + 4.0) / (stood + 4.0)), asked, stood));
        assert_eq!(cost(0, 2, 1, 5), (8_192.0, asked, stood), "scans teach nothing");
        assert_eq!(cost(1, 0, 1, 1), (553.0 * ((asked + 4.0) / (stood + 4.0)), asked, stood), "nor does one run");
    }
}
