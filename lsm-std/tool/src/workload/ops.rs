//! The stream of operations that a workload describes.

use super::{Hot, Phase, ScrambledZipf, Skew, Workload, Zipf};
use crate::rng::SplitMix;

/// The constant of [`Skew::Latest`], as in YCSB.
const LATEST_THETA: f64 = 0.99;

/// One operation; keys are numbers, see [`key_bytes`].
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

/// The key of number `key`: 16 bytes, in the order of the numbers up to 10^13.
pub fn key_bytes(key: u64) -> Vec<u8> {
    format!("key{key:013}").into_bytes()
}

/// Writes a value into `out`, which is cleared first: `value_bytes` pseudo-random bytes, told by `seed`.
pub fn value_bytes(seed: u64, value_bytes: u64, out: &mut Vec<u8>) {
    let length = usize::try_from(value_bytes).unwrap_or(usize::MAX);
    out.clear();
    out.reserve(length);
    let mut stream = SplitMix::new(seed);
    while out.len() < length {
        let word = stream.next_u64().to_le_bytes();
        let part = word.len().min(length - out.len());
        out.extend_from_slice(&word[..part]);
    }
}

/// The operations of a workload, in order. Memory O(1), time O(1) per operation.
#[derive(Clone, Debug)]
pub struct Ops<'a> {
    phases: &'a [Phase],
    done_in_phase: u64,
    rng: SplitMix,
    scrambled: Option<(f64, ScrambledZipf)>,
    by_age: Zipf,
    /// Next key to insert in order, shared by sequential and latest phases.
    insert: u64,
    /// Keys inserted in order so far; at most all of them.
    inserted: u64,
    /// Where the next sequential delete, get, miss and scan go.
    walks: [u64; 4],
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
    pub fn new(workload: &'a Workload) -> Self {
        Self {
            phases: &workload.phases,
            done_in_phase: 0,
            rng: SplitMix::new(workload.seed),
            scrambled: None,
            by_age: Zipf::new(1, LATEST_THETA),
            insert: 0,
            inserted: 0,
            walks: [0; 4],
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
        match phase.skew {
            Skew::Uniform => self.rng.below(phase.keys),
            Skew::Zipf(theta) => {
                if self.scrambled.as_ref().is_none_or(|(built_for, _)| *built_for != theta) {
                    self.scrambled = Some((theta, ScrambledZipf::new(theta)));
                }
                self.scrambled.as_ref().map_or(0, |(_, zipf)| zipf.next(phase.keys, &mut self.rng))
            }
            Skew::Hot(hot) => hot_key(hot, phase.keys, &mut self.rng),
            Skew::Latest | Skew::Sequential if matches!(kind, Kind::Put) => self.next_insert(phase.keys),
            Skew::Latest => {
                self.by_age.resize(self.inserted.min(phase.keys));
                let newest = self.insert.min(phase.keys) + phase.keys - 1;
                (newest - self.by_age.next(&mut self.rng)) % phase.keys
            }
            Skew::Sequential => {
                let walk = &mut self.walks[match kind {
                    Kind::Put | Kind::Delete => 0,
                    Kind::Get => 1,
                    Kind::Miss => 2,
                    Kind::Scan => 3,
                }];
                let key = *walk % phase.keys;
                *walk = key + 1;
                key
            }
        }
    }

    fn next_insert(&mut self, keys: u64) -> u64 {
        let key = if self.insert >= keys { 0 } else { self.insert };
        self.insert = key + 1;
        self.inserted = self.inserted.saturating_add(1);
        key
    }
}

fn hot_key(hot: Hot, keys: u64, rng: &mut SplitMix) -> u64 {
    let hot_keys = ((keys as f64 * hot.share_of_keys) as u64).min(keys);
    let start = (keys as f64 * hot.at) as u64;
    let chosen = rng.next_f64() < hot.share_of_ops;
    let offset = match (chosen, hot_keys) {
        (_, 0) => rng.below(keys),
        (true, _) => rng.below(hot_keys),
        (false, all) if all == keys => rng.below(keys),
        (false, _) => hot_keys + rng.below(keys - hot_keys),
    };
    (start + offset) % keys
}

impl Iterator for Ops<'_> {
    type Item = Op;

    fn next(&mut self) -> Option<Op> {
        let phase = loop {
            let (phase, rest) = self.phases.split_first()?;
            if self.done_in_phase < phase.ops {
                break phase;
            }
            self.phases = rest;
            self.done_in_phase = 0;
        };
        self.done_in_phase += 1;
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
mod tests {
    use super::super::Mix;
    use super::*;

    fn phase(ops: u64, keys: u64, skew: Skew, mix: Mix) -> Phase {
        Phase { ops, keys, skew, value_bytes: 8, mix, scan_keys: 5 }
    }

    fn workload(phases: Vec<Phase>) -> Workload {
        Workload { seed: 1, ttl_ms: None, phases }
    }

    fn key_of(op: &Op) -> u64 {
        match *op {
            Op::Put { key, .. } | Op::Delete { key } | Op::Get { key } | Op::Miss { key } | Op::Scan { key, .. } => key,
        }
    }

    const PUTS: Mix = Mix { put: 1.0, delete: 0.0, get: 0.0, miss: 0.0, scan: 0.0 };
    const GETS: Mix = Mix { put: 0.0, delete: 0.0, get: 1.0, miss: 0.0, scan: 0.0 };

    #[test]
    fn the_same_seed_gives_the_same_stream_and_another_seed_another() {
        let mix = Mix { put: 0.4, delete: 0.1, get: 0.3, miss: 0.1, scan: 0.1 };
        let mut workload = workload(vec![phase(500, 100, Skew::Zipf(0.99), mix), phase(500, 200, Skew::Latest, mix)]);
        let first: Vec<Op> = Ops::new(&workload).collect();
        assert_eq!(first.len(), 1_000);
        assert_eq!(first, Ops::new(&workload).collect::<Vec<_>>());
        workload.seed = 2;
        assert_ne!(first, Ops::new(&workload).collect::<Vec<_>>());
    }

    #[test]
    fn the_mix_is_kept_within_two_percent() {
        let mix = Mix { put: 0.5, delete: 0.1, get: 0.2, miss: 0.15, scan: 0.05 };
        let workload = workload(vec![phase(50_000, 10, Skew::Uniform, mix)]);
        let mut seen = [0u32; 5];
        for op in Ops::new(&workload) {
            seen[match op {
                Op::Put { .. } => 0,
                Op::Delete { .. } => 1,
                Op::Get { .. } => 2,
                Op::Miss { .. } => 3,
                Op::Scan { .. } => 4,
            }] += 1;
        }
        for (count, share) in seen.into_iter().zip([0.5, 0.1, 0.2, 0.15, 0.05]) {
            assert!((f64::from(count) / 50_000.0 - share).abs() < 0.02, "{count} for {share}");
        }
    }

    #[test]
    fn sequential_puts_walk_through_the_keys_and_go_on_in_the_next_phase() {
        let workload = workload(vec![phase(3, 5, Skew::Sequential, PUTS), phase(4, 5, Skew::Sequential, PUTS)]);
        let keys: Vec<u64> = Ops::new(&workload).map(|op| key_of(&op)).collect();
        assert_eq!(keys, [0, 1, 2, 3, 4, 0, 1]);
    }

    #[test]
    fn latest_reads_what_was_inserted_last_most_often() {
        let workload =
            workload(vec![phase(1_000, 2_000, Skew::Sequential, PUTS), phase(20_000, 2_000, Skew::Latest, GETS)]);
        let mut hits = vec![0u32; 2_000];
        for op in Ops::new(&workload).skip(1_000) {
            hits[key_of(&op) as usize] += 1;
        }
        assert_eq!(hits[1_000..].iter().sum::<u32>(), 0, "keys never inserted were read");
        let top = hits.iter().max().copied().unwrap_or_default();
        assert_eq!(hits[999], top);
        assert!(hits[999] > hits[998] && hits[998] > hits[900]);
    }

    #[test]
    fn the_hot_range_takes_its_share_and_moves_and_wraps_with_at() {
        for at in [0.0, 0.5, 0.9, 1.0] {
            let hot = Hot { share_of_keys: 0.2, share_of_ops: 0.8, at };
            let workload = workload(vec![phase(20_000, 1_000, Skew::Hot(hot), GETS)]);
            let start = (1_000.0 * at) as u64;
            let inside = Ops::new(&workload).filter(|op| (key_of(op) + 1_000 - start % 1_000) % 1_000 < 200).count();
            assert!((inside as f64 / 20_000.0 - 0.8).abs() < 0.02, "at {at}: {inside}");
        }
    }

    #[test]
    fn keys_sort_as_their_numbers_and_values_follow_the_seed() {
        assert!(key_bytes(9) < key_bytes(10) && key_bytes(99_999) < key_bytes(100_000));
        let (mut a, mut b) = (Vec::new(), Vec::new());
        value_bytes(1, 13, &mut a);
        value_bytes(2, 13, &mut b);
        assert_eq!((a.len(), b.len()), (13, 13));
        assert_ne!(a, b);
    }
}
