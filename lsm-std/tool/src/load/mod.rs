//! What is done to a store: the same steps for every strategy, and what each read must find.

mod live;
mod recency;

use std::io::BufRead;

use crate::trace::{self, TraceError, TraceReader, value_of};
use crate::workload::{self, Ops, SplitMix, Workload, Zipf, key_bytes, value_bytes};

pub use live::{Live, Mark};
pub use recency::Recency;

/// Which reads follow the batches of a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reads {
    /// Point reads of live keys after each batch.
    pub gets: u64,
    /// Point reads of absent keys after each batch.
    pub misses: u64,
    /// Batches from one scan to the next; 0 for no scans.
    pub batches_per_scan: u64,
}

impl Reads {
    /// Those of a comparison.
    pub const COMPARE: Self = Self { gets: 4, misses: 1, batches_per_scan: 50 };
}

/// Keys that a scan after a batch reads.
const SCAN_KEYS: u64 = 20;
/// Skew of the point reads over recency.
const RECENCY_THETA: f64 = 0.99;

/// One call to the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// One atomic write: keys with their new value, or `None` to delete them.
    Write(Vec<(Vec<u8>, Option<Vec<u8>>)>),
    /// A point read of this key; what it must find is what is alive.
    Get(Vec<u8>),
    /// A scan forward.
    Scan {
        /// Where it starts, inclusive.
        from: Vec<u8>,
        /// How many keys it reads at most.
        keys: u64,
    },
}

/// A stream of steps that knows what must be alive.
pub trait Load {
    /// The next step, or `None` at the end.
    ///
    /// # Errors
    /// What is wrong with the trace.
    fn next(&mut self) -> Result<Option<Step>, TraceError>;

    /// What is alive after the steps given out so far.
    fn live(&self) -> &Live;
}

/// A trace's batches, and seeded reads after each: gets of live keys (Zipf 0.99 over recency), misses, and now and then a
/// scan of 20 keys.
#[derive(Debug)]
pub struct TraceLoad<R> {
    reader: TraceReader<R>,
    reads: Reads,
    live: Live,
    recency: Recency,
    zipf: Zipf,
    rng: SplitMix,
    /// Steps that follow the last batch, the next one last.
    pending: Vec<Step>,
}

impl<R: BufRead> TraceLoad<R> {
    /// Starts at the first batch.
    pub fn new(reader: TraceReader<R>, reads: Reads, seed: u64) -> Self {
        Self {
            reader,
            reads,
            live: Live::default(),
            recency: Recency::default(),
            zipf: Zipf::new(1, RECENCY_THETA),
            rng: SplitMix::new(seed),
            pending: Vec::new(),
        }
    }

    fn write(&mut self, ops: Vec<trace::Op>) -> Step {
        let mut write = Vec::with_capacity(ops.len());
        for op in ops {
            match op {
                trace::Op::Put { path, blob, bytes } => {
                    let mut value = Vec::new();
                    value_of(&blob, bytes, &mut value);
                    self.live.set(&path, &value);
                    self.recency.touch(&path);
                    write.push((path, Some(value)));
                }
                trace::Op::Delete { path } => {
                    self.live.remove(&path);
                    self.recency.remove(&path);
                    write.push((path, None));
                }
            }
        }
        Step::Write(write)
    }

    fn recent_key(&mut self) -> Option<Vec<u8>> {
        self.zipf.resize(self.recency.len());
        let rank = self.zipf.next(&mut self.rng);
        self.recency.nth(rank).map(<[u8]>::to_vec)
    }

    fn follow_up(&mut self, batch: u64) {
        let every = self.reads.batches_per_scan;
        if every > 0 && (batch + 1).is_multiple_of(every) {
            let from = self.recent_key();
            self.pending.extend(from.map(|from| Step::Scan { from, keys: SCAN_KEYS }));
        }
        for _ in 0..self.reads.misses {
            if let Some(mut key) = self.recent_key() {
                // In the midst of the live keys, and hardly ever one of them.
                key.push(1);
                self.pending.push(Step::Get(key));
            }
        }
        for _ in 0..self.reads.gets {
            let key = self.recent_key();
            self.pending.extend(key.map(Step::Get));
        }
    }
}

impl<R: BufRead> Load for TraceLoad<R> {
    fn next(&mut self) -> Result<Option<Step>, TraceError> {
        if let Some(step) = self.pending.pop() {
            return Ok(Some(step));
        }
        let Some(batch) = self.reader.next_batch()? else { return Ok(None) };
        let step = self.write(batch.ops);
        self.follow_up(batch.number);
        Ok(Some(step))
    }

    fn live(&self) -> &Live {
        &self.live
    }
}

/// The operations of a workload, each a step of its own.
#[derive(Debug)]
pub struct WorkloadLoad<'a> {
    ops: Ops<'a>,
    live: Live,
    written: u64,
}

impl<'a> WorkloadLoad<'a> {
    /// Starts at the first operation.
    pub fn new(workload: &'a Workload) -> Self {
        Self { ops: Ops::new(workload), live: Live::default(), written: 0 }
    }
}

impl Load for WorkloadLoad<'_> {
    fn next(&mut self) -> Result<Option<Step>, TraceError> {
        let Some(op) = self.ops.next() else { return Ok(None) };
        Ok(Some(match op {
            workload::Op::Put { key, value_bytes: length } => {
                let (key, mut value) = (key_bytes(key), Vec::new());
                self.written += 1;
                value_bytes(self.written, length, &mut value);
                self.live.set(&key, &value);
                Step::Write(vec![(key, Some(value))])
            }
            workload::Op::Delete { key } => {
                let key = key_bytes(key);
                self.live.remove(&key);
                Step::Write(vec![(key, None)])
            }
            workload::Op::Get { key } => Step::Get(key_bytes(key)),
            workload::Op::Miss { key } => {
                let mut key = key_bytes(key);
                key.push(b'+');
                Step::Get(key)
            }
            workload::Op::Scan { key, keys } => Step::Scan { from: key_bytes(key), keys },
        }))
    }

    fn live(&self) -> &Live {
        &self.live
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::workload::named;

    const END: &str = "E\t0\t60624318045b41e2123c89f37e1364fca49e5c487d7dad6358043b4b100df9a1\n";

    fn all_steps(load: &mut dyn Load) -> Vec<Step> {
        std::iter::from_fn(|| load.next().expect("a good load")).collect()
    }

    fn trace_text() -> String {
        let mut text = String::new();
        for batch in 0u64..120 {
            text.push_str(&format!("B\t{batch}\n"));
            let blob = format!("{:040x}", batch * 977);
            text.push_str(&format!("P\tfile{}\t{blob}\t{}\n", batch % 17, batch * 3));
            if batch % 10 == 9 {
                text.push_str(&format!("D\tfile{}\n", batch % 7));
            }
        }
        text + END
    }

    /// Applies the steps to a map and checks that what is said to be alive is what the map holds. Answers how many gets found
    /// something, and how many nothing.
    fn check_against_map(load: &mut dyn Load) -> (usize, usize) {
        let mut map: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
        let (mut hits, mut misses) = (0, 0);
        while let Some(step) = load.next().expect("a good load") {
            match step {
                Step::Write(ops) => {
                    for (key, value) in ops {
                        match value {
                            Some(value) => map.insert(key, value),
                            None => map.remove(&key),
                        };
                    }
                }
                Step::Get(key) => {
                    assert_eq!(load.live().check(&key, map.get(&key).map(Vec::as_slice)), Ok(()));
                    if map.contains_key(&key) { hits += 1 } else { misses += 1 }
                }
                Step::Scan { from, .. } => assert!(!from.is_empty()),
            }
        }
        let live = load.live();
        assert_eq!(live.keys(), map.len() as u64);
        assert_eq!(live.bytes(), map.iter().map(|(key, value)| (key.len() + value.len()) as u64).sum::<u64>());
        (hits, misses)
    }

    #[test]
    fn a_trace_is_followed_by_the_documented_reads_and_each_knows_what_it_must_find() {
        let text = trace_text();
        let load = || TraceLoad::new(TraceReader::new(text.as_bytes(), "t"), Reads::COMPARE, 1);
        assert_eq!(check_against_map(&mut load()), (480, 120));
        let steps = all_steps(&mut load());
        let count = |wanted: fn(&Step) -> bool| steps.iter().filter(|step| wanted(step)).count();
        assert_eq!(count(|step| matches!(step, Step::Write(_))), 120);
        assert_eq!(count(|step| matches!(step, Step::Scan { keys: 20, .. })), 2);
        assert_eq!(steps, all_steps(&mut load()));
    }

    #[test]
    fn a_key_that_looks_like_a_miss_may_be_alive() {
        let blob = "0".repeat(40);
        let text = format!("B\t1\nP\ta\t{blob}\t1\nP\ta\u{1}\t{blob}\t1\nB\t2\n{END}");
        let reads = Reads { gets: 0, misses: 50, batches_per_scan: 0 };
        let (hits, misses) = check_against_map(&mut TraceLoad::new(TraceReader::new(text.as_bytes(), "t"), reads, 1));
        assert!(hits > 0 && misses > 0, "{hits} {misses}");
    }

    #[test]
    fn a_workload_knows_what_each_of_its_reads_must_find() {
        let mut workload = named("deletes").expect("built in");
        workload.phases[0].ops = 5_000;
        workload.phases[0].keys = 100;
        assert_eq!(all_steps(&mut WorkloadLoad::new(&workload)).len(), 5_000);
        let (hits, misses) = check_against_map(&mut WorkloadLoad::new(&workload));
        assert!(hits > 0 && misses > 0, "{hits} {misses}");
    }
}
