//! The stream of operations that a workload describes.

use super::{Hot, Phase, ScrambledZipf, Skew, SplitMix, Workload, Zipf};

/// The constant of [`Skew::Latest`], as in YCSB.
const LATEST_THETA: f64 = 0.99;

/// One operation; keys are numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// Writes `value_bytes` bytes under `key`.
    Put {
        /// The key's number.
        key: u64,
        /// Length of the value in bytes.
        value_bytes: u64,
    },
    /// Deletes `key`.
    Delete {
        /// The key's number.
        key: u64,
    },
    /// Reads `key`.
    Get {
        /// The key's number.
        key: u64,
    },
    /// Reads a key just above `key` that is never written.
    Miss {
        /// The key's number.
        key: u64,
    },
    /// Reads `keys` keys from `key` on.
    Scan {
        /// The first key's number.
        key: u64,
        /// How many keys to read.
        keys: u64,
    },
}

/// The operations of a workload, in order. Memory O(1), time O(1) per operation.
///
/// Sampled at a scale of `s`, one operation stands for `s` of them and one key number for `s` keys that are about equally
/// hot; so what happens to one key number happens as often, against the size of the whole, as to a key of the full workload.
#[derive(Clone, Debug)]
pub struct Ops<'a> {
    phases: &'a [Phase],
    scale: u64,
    /// Operations, unscaled, of the phases before the present one.
    before: u64,
    done_in_phase: u64,
    rng: SplitMix,
    /// Of the writes and of the reads.
    scrambled: [Option<(f64, ScrambledZipf)>; 2],
    by_age: Zipf,
    /// Next key to insert in order, shared by sequential and latest phases.
    insert: u64,
    /// Keys inserted in order so far; at most all of them.
    inserted: u64,
    /// Where the next sequential delete, get, miss and scan go.
    walks: [u64; 4],
    /// Of so many keys scattered last, the step from one to the next.
    step: (u64, u64),
}

#[derive(Clone, Copy)]
enum Kind {
    Put,
    Delete,
    Get,
    Miss,
    Scan,
}

impl<'a> Ops<'a> {
    /// Starts at the first operation of `workload`, which has been checked.
    #[must_use]
    pub fn new(workload: &'a Workload) -> Self {
        Self::sampled(workload, 1)
    }

    /// As [`new`](Self::new), with one operation in `scale`, at least 1, on one key number in `scale`.
    #[must_use]
    pub fn sampled(workload: &'a Workload, scale: u64) -> Self {
        Self {
            phases: &workload.phases,
            scale: scale.max(1),
            before: 0,
            done_in_phase: 0,
            rng: SplitMix::new(workload.seed),
            scrambled: [None, None],
            by_age: Zipf::new(1, LATEST_THETA),
            insert: 0,
            inserted: 0,
            walks: [0; 4],
            step: (0, 1),
        }
    }

    /// `n` divided by the scale, rounded down.
    fn scaled(&self, n: u64) -> u64 {
        n.checked_div(self.scale).unwrap_or(n)
    }

    /// The phase that the next operation belongs to.
    fn phase(&mut self) -> Option<&'a Phase> {
        loop {
            let (phase, rest) = self.phases.split_first()?;
            let end = self.before.saturating_add(phase.ops);
            let ops = self.scaled(end).saturating_sub(self.scaled(self.before));
            if self.done_in_phase < ops {
                return Some(phase);
            }
            (self.phases, self.before, self.done_in_phase) = (rest, end, 0);
        }
    }

    fn kind(&mut self, phase: &Phase) -> Kind {
        let mix = phase.mix;
        let mut left = self.rng.next_f64();
        for (share, kind) in
            [(mix.put, Kind::Put), (mix.delete, Kind::Delete), (mix.get, Kind::Get), (mix.miss, Kind::Miss)]
        {
            if left < share {
                return kind;
            }
            left -= share;
        }
        // The shares add up to 1 within 1e-6: what is left over falls to the last kind that the mix has.
        match mix {
            _ if mix.scan > 0.0 => Kind::Scan,
            _ if mix.miss > 0.0 => Kind::Miss,
            _ if mix.get > 0.0 => Kind::Get,
            _ if mix.delete > 0.0 => Kind::Delete,
            _ => Kind::Put,
        }
    }

    fn key(&mut self, phase: &Phase, kind: Kind) -> u64 {
        let keys = self.scaled(phase.keys).max(1);
        let [of_writes, of_reads] = &mut self.scrambled;
        let (skew, scrambled) = match kind {
            Kind::Put | Kind::Delete => (phase.skew, of_writes),
            Kind::Get | Kind::Miss | Kind::Scan => (phase.read_skew.unwrap_or(phase.skew), of_reads),
        };
        match skew {
            Skew::Uniform => self.rng.below(keys),
            Skew::Zipf(theta) => {
                if scrambled.as_ref().is_none_or(|(built_for, _)| *built_for != theta) {
                    *scrambled = Some((theta, ScrambledZipf::new(theta)));
                }
                scrambled.as_ref().map_or(0, |(_, zipf)| zipf.next_group(self.scale, keys, &mut self.rng))
            }
            Skew::Hot(hot) => hot_key(hot, keys, &mut self.rng),
            Skew::Latest | Skew::Sequential if matches!(kind, Kind::Put) => self.next_insert(keys),
            Skew::Scattered if matches!(kind, Kind::Put) => {
                if self.step.0 != keys {
                    self.step = (keys, scatter_step(keys));
                }
                let at = u128::from(self.next_insert(keys));
                let place = at.saturating_mul(self.step.1.into()).checked_rem(keys.into());
                place.and_then(|place| u64::try_from(place).ok()).unwrap_or(0)
            }
            Skew::Scattered => self.rng.below(keys),
            Skew::Latest => self.recent(keys),
            Skew::Series(series) => {
                let at = if matches!(kind, Kind::Put) { self.next_insert(keys) } else { self.recent(keys) };
                key_of_series(at, series, keys)
            }
            Skew::Sequential => {
                let [deletes, gets, misses, scans] = &mut self.walks;
                let walk = match kind {
                    Kind::Put | Kind::Delete => deletes,
                    Kind::Get => gets,
                    Kind::Miss => misses,
                    Kind::Scan => scans,
                };
                let key = walk.checked_rem(keys).unwrap_or(0);
                *walk = key.saturating_add(1);
                key
            }
        }
    }

    /// A key inserted in order, newer ones oftener.
    fn recent(&mut self, keys: u64) -> u64 {
        self.by_age.resize(self.inserted.min(keys).saturating_mul(self.scale));
        let age = self.by_age.next(&mut self.rng);
        let newest = self.insert.min(keys).saturating_add(keys).saturating_sub(1);
        newest.saturating_sub(self.scaled(age)).checked_rem(keys).unwrap_or(0)
    }

    fn next_insert(&mut self, keys: u64) -> u64 {
        let key = if self.insert >= keys { 0 } else { self.insert };
        self.insert = key.saturating_add(1);
        self.inserted = self.inserted.saturating_add(1);
        key
    }
}

/// The key of insert `at` of `keys` where `series` take turns, each in a range of its own; a bijection.
fn key_of_series(at: u64, series: u64, keys: u64) -> u64 {
    let series = series.clamp(1, keys.max(1));
    let (nth, place) = (at.checked_rem(series).unwrap_or(0), at.checked_div(series).unwrap_or(0));
    let (each, longer) = (keys.checked_div(series).unwrap_or(0), keys.checked_rem(series).unwrap_or(0));
    nth.saturating_mul(each).saturating_add(nth.min(longer)).saturating_add(place)
}

/// How far apart neighbours of `keys` are put: about the golden section, and so that no two come to lie on one place.
fn scatter_step(keys: u64) -> u64 {
    let mut step = ((keys as f64 * 0.618_033_988_749_895) as u64).max(1);
    while common_divisor(step, keys) > 1 {
        step = step.saturating_add(1);
    }
    step
}

fn common_divisor(mut a: u64, mut b: u64) -> u64 {
    while b > 0 {
        (a, b) = (b, a.checked_rem(b).unwrap_or(0));
    }
    a
}

fn hot_key(hot: Hot, keys: u64, rng: &mut SplitMix) -> u64 {
    let hot_keys = ((keys as f64 * hot.share_of_keys) as u64).min(keys);
    let start = (keys as f64 * hot.at) as u64;
    let chosen = rng.next_f64() < hot.share_of_ops;
    let offset = match (chosen, hot_keys) {
        (_, 0) => rng.below(keys),
        (true, _) => rng.below(hot_keys),
        (false, all) if all == keys => rng.below(keys),
        (false, _) => hot_keys.saturating_add(rng.below(keys.saturating_sub(hot_keys))),
    };
    start.saturating_add(offset).checked_rem(keys).unwrap_or(0)
}

impl Iterator for Ops<'_> {
    type Item = Op;

    fn next(&mut self) -> Option<Op> {
        let phase = self.phase()?;
        self.done_in_phase = self.done_in_phase.saturating_add(1);
        let kind = self.kind(phase);
        let key = self.key(phase, kind);
        Some(match kind {
            Kind::Put => Op::Put { key, value_bytes: phase.value_bytes },
            Kind::Delete => Op::Delete { key },
            Kind::Get => Op::Get { key },
            Kind::Miss => Op::Miss { key },
            Kind::Scan => Op::Scan { key, keys: phase.scan_keys },
        })
    }
}

#[cfg(test)]
#[path = "ops_tests.rs"]
mod tests;
