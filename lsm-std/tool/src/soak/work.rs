//! What is written: each batch follows from the seed, the writer and its number.

use std::collections::BTreeMap;

use lsm_std::Batch;

/// Keys of a writer.
const KEYS: u64 = 500;

/// Writes in a batch, at most.
const WRITES_MAX: u64 = 8;

/// Numbers that follow from a seed: SplitMix64.
#[derive(Clone, Debug)]
pub struct Draw(u64);

impl Draw {
    /// Those of a part of what has this seed.
    pub fn part(seed: u64, parts: [u64; 2]) -> Self {
        let [first, second] = parts;
        let mut draw = Self(seed ^ first.wrapping_mul(0xA076_1D64_78BD_642F));
        let mixed = draw.next() ^ second.wrapping_mul(0xE703_7ED1_A0B4_28DB);
        Self(mixed)
    }

    /// The next one.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ z >> 31
    }

    /// The next one below `end`, which must not be 0.
    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}

/// One write: the key, and the value or nothing for a delete.
pub type Write = (Vec<u8>, Option<Vec<u8>>);

/// All keys of a writer start with this byte.
pub fn prefix(writer: usize) -> [u8; 1] {
    [b'a' + writer as u8]
}

/// Under this key a writer keeps how many batches it has written, in the batches themselves.
pub fn counter(writer: usize) -> Vec<u8> {
    [&prefix(writer)[..], b"#"].concat()
}

/// The writes of one batch. The last is the counter.
pub fn batch(seed: u64, writer: usize, index: u64) -> Vec<Write> {
    let mut draw = Draw::part(seed, [writer as u64, index]);
    let mut writes = Vec::new();
    for _ in 0..=draw.below(WRITES_MAX) {
        let key = [&prefix(writer)[..], format!("{:04}", draw.below(KEYS)).as_bytes()].concat();
        let value = (draw.below(4) > 0).then(|| {
            let len = if draw.below(40) == 0 { 4000 } else { draw.below(200) };
            let byte = draw.next() as u8;
            // Half of it compresses.
            (0..len).map(|at| if at % 2 == 0 { byte } else { draw.next() as u8 }).collect()
        });
        writes.push((key, value));
    }
    writes.push((counter(writer), Some((index + 1).to_le_bytes().to_vec())));
    writes
}

/// The same for the store.
pub fn encoded(writes: &[Write]) -> Batch {
    let mut batch = Batch::new();
    for (key, value) in writes {
        match value {
            Some(value) => batch.put(key, value),
            None => batch.delete(key),
        }
    }
    batch
}

/// What a writer's keys must hold after so many of its batches.
#[derive(Clone, Debug, Default)]
pub struct Model {
    /// Batches so far.
    pub batches: u64,
    /// Keys and values.
    pub pairs: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Model {
    /// Goes on to `batches`, which is no less than there are.
    pub fn advance(&mut self, seed: u64, writer: usize, batches: u64) {
        for index in self.batches..batches {
            for (key, value) in batch(seed, writer, index) {
                match value {
                    Some(value) => self.pairs.insert(key, value),
                    None => self.pairs.remove(&key),
                };
            }
        }
        self.batches = self.batches.max(batches);
    }
}
