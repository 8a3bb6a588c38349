//! A trace through the simulator: its keys are numbered in their order, its batches stay whole.

use std::rc::Rc;
use std::time::Instant;

use compaction_core::sim::{KeyName, Simulation, StoreSettings};

use super::watch::{Seen, Watched};
use super::{Candidate, Simulated};
use crate::Failure;
use crate::compare::Source;
use crate::load::Step;

/// The keys of a trace, in order.
struct Keys {
    sorted: Vec<Vec<u8>>,
}

impl Keys {
    fn of(source: &Source) -> Result<Self, Failure> {
        let (mut load, mut sorted) = (source.load()?, std::collections::BTreeSet::new());
        while let Some(step) = load.next()? {
            if let Step::Write(ops) = step {
                sorted.extend(ops.into_iter().map(|(key, _)| key));
            }
        }
        Ok(Self { sorted: sorted.into_iter().collect() })
    }

    /// What they look like.
    fn names(&self) -> Vec<KeyName> {
        let before = std::iter::once(&[][..]).chain(self.sorted.iter().map(Vec::as_slice));
        let name = |(before, key): (&[u8], &Vec<u8>)| {
            let shared = before.iter().zip(key).take_while(|(a, b)| a == b).count();
            KeyName { bytes: narrow(key.len()), shared: narrow(shared) }
        };
        before.zip(&self.sorted).map(name).collect()
    }

    /// The number of `key`, and whether it is one of the trace's; else that of the key before it.
    fn number(&self, key: &[u8]) -> (u32, bool) {
        match self.sorted.binary_search_by(|known| known.as_slice().cmp(key)) {
            Ok(at) => (narrow(at), true),
            Err(at) => (narrow(at.saturating_sub(1)), false),
        }
    }
}

fn narrow(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// Simulates a trace, with the reads of a comparison, under one strategy. Holds all its keys in memory.
///
/// # Errors
/// What is wrong with the trace; what the simulator refuses.
pub fn simulate_trace(source: &Source, candidate: Candidate, store: &StoreSettings) -> Result<Simulated, Failure> {
    let start = Instant::now();
    let failed = |error: &dyn std::fmt::Display| Failure::Wrong(format!("{}: {error}", candidate.name));
    let keys = Keys::of(source)?;
    let seen = Rc::new(Seen::default());
    let strategy = Watched::new(candidate.settings, &seen).map_err(|error| failed(&error))?;
    let mut simulation = Simulation::new(strategy, store, 1);
    simulation.name_keys(keys.names());
    let (mut load, mut batch, mut batches) = (source.load()?, Vec::new(), 0);
    let every = source.length().checked_div(store.samples).unwrap_or(0).max(1);
    while let Some(step) = load.next()? {
        match step {
            Step::Write(ops) => {
                let written = |(key, value): &(Vec<u8>, Option<Vec<u8>>)| {
                    (keys.number(key).0, value.as_ref().map(|value| narrow(value.len())))
                };
                batch.clear();
                batch.extend(ops.iter().map(written));
                simulation.write(&batch).map_err(|error| failed(&error))?;
                batches += 1;
                if batches % every == 0 {
                    simulation.sample();
                }
            }
            Step::Get(key) => {
                let read = match keys.number(&key) {
                    (number, true) => simulation.get(number),
                    (number, false) => simulation.miss(number),
                };
                read.map_err(|error| failed(&error))?;
            }
            Step::Scan { from, keys: count } => {
                simulation.scan(keys.number(&from).0, count).map_err(|error| failed(&error))?;
            }
        }
    }
    let report = simulation.finish().map_err(|error| failed(&error))?;
    Ok(Simulated { candidate, report, seconds: start.elapsed().as_secs_f64(), seen })
}
