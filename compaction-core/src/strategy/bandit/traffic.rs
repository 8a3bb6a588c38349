//! What flows in and out of a slot: the size of the pieces that flushes bring, and what reads pay for each run.
//!
//! Both fade from flush to flush, so the figures are those of the last four flushes or so. Reads are sampled, and of few samples
//! not many fall into one slot: what all slots pay together is known sooner than how it is shared out. So the shares fade more
//! slowly where samples are few, and while there are hardly any, a slot counts for a mean one.

/// What is known of a flush is still worth this much one flush later.
const KEPT: f64 = 0.75;
/// Weight of a new piece in the base size.
const BASE_ALPHA: f64 = 0.25;
/// Shares are those of the last so many samples for each slot, or of the last four flushes if that is more.
const SAMPLES_SEEN: f64 = 8.0;
/// With so many samples in the mean slot a slot's own figure counts for a half.
const SAMPLES_HALF: f64 = 0.01;

/// What flows in and out of one slot.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Traffic {
    /// Bytes of a piece as flushes bring it; 0 before the first.
    pub(crate) base: f64,
    /// Bytes that came, older ones fading.
    pub(crate) came: f64,
    /// What reads paid for each run, in bytes, older ones fading.
    pub(crate) paid: f64,
    /// The same, fading more slowly where samples are few.
    pub(crate) seen: f64,
    /// Samples of reads, fading as `seen` does.
    pub(crate) samples: f64,
    /// What reads paid for each run since the last flush.
    pub(crate) fresh: f64,
    /// Samples since the last flush.
    pub(crate) fresh_samples: f64,
}

impl Traffic {
    /// Of a slot that nothing is known of.
    pub(crate) const NONE: Self =
        Self { base: 0.0, came: 0.0, paid: 0.0, seen: 0.0, samples: 0.0, fresh: 0.0, fresh_samples: 0.0 };

    /// A sample of reads that would pay `cost` bytes for one run more.
    pub(crate) fn read(&mut self, cost: f64) {
        self.fresh += cost;
        self.fresh_samples += 1.0;
    }

    /// What shares are still worth after a flush before which the mean slot had so many samples.
    pub(crate) fn kept(samples: f64) -> f64 {
        libm::exp(-samples / SAMPLES_SEEN).max(KEPT)
    }

    /// A flush comes; `kept` is what shares are still worth.
    pub(crate) fn fade(&mut self, kept: f64) {
        self.paid = self.paid * KEPT + self.fresh;
        self.seen = self.seen * kept + self.fresh;
        self.samples = self.samples * kept + self.fresh_samples;
        (self.fresh, self.fresh_samples) = (0.0, 0.0);
    }

    /// It brought `bytes`, perhaps none.
    pub(crate) fn bring(&mut self, bytes: u64) {
        let bytes = bytes as f64;
        if bytes > 0.0 {
            self.base = if self.base > 0.0 { self.base + BASE_ALPHA * (bytes - self.base) } else { bytes };
        }
        self.came = self.came * KEPT + bytes;
    }

    /// What reads pay for one run more, in bytes for each byte that comes; `mean` is the traffic of the mean slot. Infinite
    /// where reads come and writes do not.
    pub(crate) fn run_price(&self, mean: &Self) -> f64 {
        let paid = self.share(mean);
        if paid > 0.0 { paid / self.came } else { 0.0 }
    }

    /// What reads pay for one run more from one flush to the next, in bytes.
    pub(crate) fn usual(&self, mean: &Self) -> f64 {
        self.share(mean) * (1.0 - KEPT)
    }

    /// Its share of what reads paid.
    fn share(&self, mean: &Self) -> f64 {
        let own = mean.samples / (mean.samples + SAMPLES_HALF);
        let share = if mean.seen > 0.0 { self.seen / mean.seen } else { 1.0 };
        mean.paid * (own * share + 1.0 - own)
    }

    /// A part of it.
    pub(crate) fn scaled(self, share: f64) -> Self {
        let Self { base, came, paid, seen, samples, fresh, fresh_samples } = self;
        Self {
            base: base * share,
            came: came * share,
            paid: paid * share,
            seen: seen * share,
            samples: samples * share,
            fresh: fresh * share,
            fresh_samples: fresh_samples * share,
        }
    }

    /// That of two slots that became one.
    pub(crate) fn joined(self, other: Self) -> Self {
        Self {
            base: self.base + other.base,
            came: self.came + other.came,
            paid: self.paid + other.paid,
            seen: self.seen + other.seen,
            samples: self.samples + other.samples,
            fresh: self.fresh + other.fresh,
            fresh_samples: self.fresh_samples + other.fresh_samples,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_costs_what_reads_paid_for_each_byte_that_came() {
        let mut traffic = Traffic::default();
        for _ in 0..100 {
            (0..10).for_each(|_| traffic.read(500.0));
            traffic.fade(KEPT);
            traffic.bring(1_000);
        }
        assert!((traffic.base - 1_000.0).abs() < 1e-6);
        let price = traffic.run_price(&traffic);
        assert!((price - 5.0).abs() < 1e-6, "{price}");
    }

    #[test]
    fn where_samples_are_few_a_slot_is_taken_for_a_mean_one() {
        let mut traffic = Traffic::default();
        assert_eq!(traffic.run_price(&Traffic::NONE), 0.0);
        traffic.fade(KEPT);
        traffic.bring(1_000);
        let mean = |samples| Traffic { paid: 3_000.0, seen: 3_000.0, samples, ..Traffic::NONE };
        assert_eq!(traffic.run_price(&mean(0.0)), 3.0);
        assert!(traffic.run_price(&mean(400.0)) < 0.05, "it would have had some of so many");
    }

    #[test]
    fn what_was_long_ago_is_forgotten() {
        let mut traffic = Traffic::default();
        traffic.read(1e6);
        for _ in 0..60 {
            traffic.fade(KEPT);
            traffic.bring(1_000);
        }
        assert!(traffic.run_price(&traffic) < 0.001);
    }

    #[test]
    fn split_and_joined_again_it_is_the_same() {
        let traffic =
            Traffic { base: 3.0, came: 4.0, paid: 5.0, seen: 5.0, samples: 6.0, fresh: 7.0, fresh_samples: 8.0 };
        assert_eq!(traffic.scaled(0.5).joined(traffic.scaled(0.5)), traffic);
    }

    #[test]
    fn each_figure_fades_at_its_own_pace() {
        let mut traffic = Traffic::NONE;
        [100.0, 100.0].into_iter().for_each(|cost| traffic.read(cost));
        traffic.fade(0.9);
        traffic.read(50.0);
        traffic.fade(0.9);
        assert_eq!((traffic.paid, traffic.seen, traffic.samples), (200.0, 230.0, 2.0 * 0.9 + 1.0));
        assert_eq!((traffic.fresh, traffic.fresh_samples), (0.0, 0.0));
        [1_000, 2_000, 0].into_iter().for_each(|bytes| traffic.bring(bytes));
        assert_eq!((traffic.base, traffic.came), (1_250.0, (1_000.0 * 0.75 + 2_000.0) * 0.75));
        assert!((Traffic::kept(1.0) - 0.8825).abs() < 1e-4 && Traffic::kept(100.0) == KEPT);
    }

    #[test]
    fn a_slot_counts_half_for_itself_and_half_for_a_mean_one_where_that_has_a_hundredth_of_a_sample() {
        let mean = Traffic { paid: 1_000.0, seen: 400.0, samples: 0.01, ..Traffic::NONE };
        let slot = Traffic { seen: 800.0, came: 3_000.0, ..Traffic::NONE };
        assert_eq!((slot.run_price(&mean), slot.usual(&mean)), (0.5, 375.0));
    }
}
