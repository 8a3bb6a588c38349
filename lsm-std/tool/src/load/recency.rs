//! Live keys by the age of their last write, so that reads can favour what was written last.

use std::collections::HashMap;

/// Live keys, ordered by their last write. Every operation is O(log keys), amortised.
///
/// Each write takes the next position of a log; a Fenwick tree counts the positions that are still a key's latest.
#[derive(Clone, Debug, Default)]
pub struct Recency {
    position: HashMap<Vec<u8>, usize>,
    log: Vec<Option<Vec<u8>>>,
    counts: Vec<u32>,
}

impl Recency {
    /// Number of live keys.
    pub fn len(&self) -> u64 {
        self.position.len() as u64
    }

    /// Whether no key is alive.
    pub fn is_empty(&self) -> bool {
        self.position.is_empty()
    }

    /// Makes `key` the most recently written one.
    pub fn touch(&mut self, key: &[u8]) {
        self.remove(key);
        if self.log.len() > 64 && self.log.len() > 2 * self.position.len() {
            self.squeeze();
        }
        self.append(key.to_vec());
    }

    /// Forgets `key`.
    pub fn remove(&mut self, key: &[u8]) {
        if let Some(at) = self.position.remove(key) {
            self.log[at] = None;
            self.uncount(at);
        }
    }

    /// The key of the given rank: 0 is the one written last.
    pub fn nth(&self, rank: u64) -> Option<&[u8]> {
        let live = self.position.len() as u64;
        let mut left = u32::try_from(live.checked_sub(rank)?).ok()?;
        if left == 0 {
            return None;
        }
        let (mut at, mut step) = (0, self.counts.len().next_power_of_two());
        while step > 0 {
            match self.counts.get(at + step - 1) {
                Some(&count) if count < left => {
                    left -= count;
                    at += step;
                }
                _ => {}
            }
            step /= 2;
        }
        self.log.get(at)?.as_deref()
    }

    fn append(&mut self, key: Vec<u8>) {
        let at = self.log.len();
        self.position.insert(key.clone(), at);
        self.log.push(Some(key));
        // A new node of the Fenwick tree covers the (at+1) & -(at+1) positions that end with it.
        let node = at + 1;
        let covered = node & node.wrapping_neg();
        let before: u32 = (1..covered).filter(|back| self.log[at - back].is_some()).count() as u32;
        self.counts.push(before + 1);
    }

    fn uncount(&mut self, at: usize) {
        let mut node = at + 1;
        while let Some(count) = self.counts.get_mut(node - 1) {
            *count -= 1;
            node += node & node.wrapping_neg();
        }
    }

    fn squeeze(&mut self) {
        let keys: Vec<Vec<u8>> = self.log.drain(..).flatten().collect();
        self.counts.clear();
        self.position.clear();
        for key in keys {
            self.append(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Recency;
    use crate::workload::SplitMix;

    #[test]
    fn every_rank_equals_that_of_a_plain_list() {
        let mut rng = SplitMix::new(11);
        let mut recency = Recency::default();
        let mut list: Vec<Vec<u8>> = Vec::new();
        for step in 0..3_000u64 {
            let key = rng.below(120).to_le_bytes().to_vec();
            list.retain(|have| *have != key);
            if rng.below(4) == 0 {
                recency.remove(&key);
            } else {
                recency.touch(&key);
                list.insert(0, key);
            }
            assert_eq!(recency.len(), list.len() as u64);
            if step % 7 == 0 {
                for (rank, wanted) in list.iter().enumerate() {
                    assert_eq!(recency.nth(rank as u64), Some(wanted.as_slice()), "step {step} rank {rank}");
                }
            }
            assert_eq!(recency.nth(list.len() as u64), None);
        }
        assert!(recency.log.len() <= 2 * 120 + 64 + 1, "the log grew to {}", recency.log.len());
    }
}
