//! What an estimator may go by when it judges a slot: eight numbers from 0 to 1.

use super::estimator::FEATURES;
use super::slot::Slot;

/// What presses on all slots alike.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pressure {
    /// Bytes of the merges that are due.
    pub(crate) debt_bytes: u128,
    /// Cap on a job.
    pub(crate) job_bytes_max: u64,
    /// Runs of the slot that has most.
    pub(crate) runs: u32,
}

/// The context of a slot of heat `heat` against the mean slot: 1; heat; runs; size against the cap on a job; what reads pay against
/// what comes; what is owed against the bytes held; runs of the deepest slot; bytes due against the cap on a job.
pub(crate) fn of<K>(slot: &Slot<K>, heat: f64, pressure: &Pressure) -> [f64; FEATURES] {
    let against = |value: f64, unit: f64| value / (value + unit.max(1.0));
    let cap = pressure.job_bytes_max as f64;
    [
        1.0,
        against(heat, 1.0),
        against(f64::from(slot.shape.runs), 4.0),
        against(slot.shape.bytes as f64, cap),
        against(slot.traffic.paid, slot.traffic.came),
        against(slot.owed as f64, slot.shape.bytes as f64),
        against(f64::from(pressure.runs), 4.0),
        against(pressure.debt_bytes as f64, cap),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_feature_lies_between_0_and_1_and_rises_with_what_it_stands_for() {
        let pressure = Pressure { debt_bytes: u128::MAX, job_bytes_max: 1, runs: u32::MAX };
        let mut slot = Slot::<u32>::EMPTY;
        let rest = of(&slot, 0.0, &Pressure { debt_bytes: 0, job_bytes_max: u64::MAX, runs: 0 });
        assert_eq!(rest, [1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
        (slot.owed, slot.shape.runs, slot.shape.bytes, slot.traffic.paid) = (u64::MAX, 9, u64::MAX, 1e300);
        let full = of(&slot, 1e300, &pressure);
        assert!(full.iter().zip(rest).all(|(now, before)| *now >= before && *now <= 1.0), "{full:?}");
        assert!(full.iter().all(|feature| *feature >= 0.5));
    }

    #[test]
    fn what_is_as_large_as_its_measure_is_a_half_and_three_times_as_large_three_quarters() {
        for (times, expected) in [(1u32, 0.5), (3, 0.75)] {
            let pressure = Pressure { debt_bytes: u128::from(times) * 1_000, job_bytes_max: 1_000, runs: 4 * times };
            let mut slot = Slot::<u32>::EMPTY;
            (slot.shape.runs, slot.shape.bytes) = (4 * times, 1_000 * u64::from(times));
            (slot.traffic.paid, slot.traffic.came) = (500.0 * f64::from(times), 500.0);
            slot.owed = slot.shape.bytes * u64::from(times);
            let context = of(&slot, f64::from(times), &pressure);
            assert_eq!(context, [1.0, expected, expected, expected, expected, expected, expected, expected]);
        }
    }
}
