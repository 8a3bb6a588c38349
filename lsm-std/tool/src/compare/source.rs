//! What is compared on: a trace or a workload, how much it writes, and the memtable that suits it.

use std::path::{Path, PathBuf};

use crate::Failure;
use crate::human::{bytes, count, grouped};
use crate::load::{Load, Reads, TraceLoad, WorkloadLoad};
use crate::strategies::Strategy;
use crate::trace::{Summary, Survey, TraceReader};
use crate::workload::{KEY_BYTES, Workload, load};

/// The memtable is chosen so that there are at least this many flushes.
pub const FLUSHES_MIN: u64 = 200;

/// The trace that the tool brings along, the change history of a public repository, and its name.
const BUNDLED: (&str, &[u8]) = ("redb.tsv", include_bytes!("../../../../tests/traces/redb.tsv"));

/// Seed of the reads that follow a trace's batches.
const SEED: u64 = 1;
/// What the engine adds to an entry when it measures a memtable, in bytes.
const ENTRY_BYTES: u64 = 64;

/// A load that can be had again and again.
#[derive(Clone, Debug)]
pub enum Source {
    /// A trace.
    Trace {
        /// Where it lies; `None`: in the tool itself.
        path: Option<PathBuf>,
        /// What it holds.
        survey: Survey,
    },
    /// A workload.
    Workload {
        /// Its name or file.
        name: String,
        /// What it is.
        workload: Workload,
    },
}

impl Source {
    /// The trace at `path`, read once to see that it is whole.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn trace(path: &Path) -> Result<Self, Failure> {
        Ok(Self::Trace { path: Some(path.to_path_buf()), survey: Survey::of(path)? })
    }

    /// The trace that the tool brings along: the change history of redb, 118 MiB in 1 691 batches.
    ///
    /// # Errors
    /// None, unless the tool was built with a damaged trace.
    pub fn bundled() -> Result<Self, Failure> {
        let (name, text) = BUNDLED;
        Ok(Self::Trace { path: None, survey: Survey::read(text, name)? })
    }

    /// The workload of this name or, if there is none, in this file.
    ///
    /// # Errors
    /// What is wrong with the file.
    pub fn workload(name: &str) -> Result<Self, Failure> {
        Ok(Self::Workload { name: name.to_owned(), workload: load(name)? })
    }

    /// The strategies to run it under, unless told otherwise: fifo only where entries expire.
    pub fn strategies(&self) -> Vec<Strategy> {
        let mut all = vec![Strategy::Tiered, Strategy::Leveled, Strategy::Lazy, Strategy::Bandit];
        all.extend(self.ttl_ms().map(|_| Strategy::Fifo));
        all
    }

    /// Its name, for headings.
    pub fn name(&self) -> String {
        match self {
            Self::Trace { path: None, .. } => BUNDLED.0.to_owned(),
            Self::Trace { path: Some(path), .. } => {
                path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned())
            }
            Self::Workload { name, .. } => name.clone(),
        }
    }

    /// The steps, from the beginning.
    ///
    /// # Errors
    /// The trace cannot be opened again.
    pub fn load(&self) -> Result<Box<dyn Load + '_>, Failure> {
        Ok(match self {
            Self::Trace { path: Some(path), .. } => {
                Box::new(TraceLoad::new(TraceReader::open(path)?, Reads::COMPARE, SEED))
            }
            Self::Trace { path: None, .. } => {
                Box::new(TraceLoad::new(TraceReader::new(BUNDLED.1, BUNDLED.0), Reads::COMPARE, SEED))
            }
            Self::Workload { workload, .. } => Box::new(WorkloadLoad::new(workload)),
        })
    }

    /// Writes of a trace, operations of a workload: what a progress bar counts.
    pub fn length(&self) -> u64 {
        match self {
            Self::Trace { survey, .. } => survey.batches,
            Self::Workload { workload, .. } => workload.ops(),
        }
    }

    /// The largest memtable with which there should be at least [`FLUSHES_MIN`] flushes, in bytes: 1 KiB to 64 MiB.
    pub fn memtable_bytes(&self) -> u64 {
        let wanted = FLUSHES_MIN + FLUSHES_MIN / 40;
        let enough = |kib: u64| match self {
            Self::Trace { survey, .. } => flushes(&survey.sizes, kib << 10) >= wanted,
            Self::Workload { workload, .. } => {
                let written = workload.expected_put_bytes(KEY_BYTES) + workload.expected_puts() * ENTRY_BYTES;
                written / (kib << 10) >= wanted
            }
        };
        let (mut good, mut bad) = (1, (64 << 10) + 1);
        while bad - good > 1 {
            let middle = good + (bad - good) / 2;
            if enough(middle) { good = middle } else { bad = middle }
        }
        good << 10
    }

    /// The answer that must come out, if the source knows it.
    pub fn answer(&self) -> Option<&Summary> {
        match self {
            Self::Trace { survey, .. } => Some(&survey.end),
            Self::Workload { .. } => None,
        }
    }

    /// How long entries live, in milliseconds, if they expire.
    pub fn ttl_ms(&self) -> Option<u64> {
        match self {
            Self::Trace { .. } => None,
            Self::Workload { workload, .. } => workload.ttl_ms,
        }
    }

    /// What it is, a sentence each.
    pub fn notes(&self) -> Vec<String> {
        match self {
            Self::Trace { survey, .. } => vec![
                format!(
                    "{} batches write {} of keys and values; {} are alive at the end.",
                    grouped(survey.batches),
                    bytes(survey.put_bytes),
                    count(survey.end.keys, "key")
                ),
                "After each batch: four point reads of live keys (Zipf 0.99 over recency), one of an absent key; \
                 every 50 batches a scan of 20 keys."
                    .to_owned(),
            ],
            Self::Workload { workload, .. } => {
                let mut notes = vec![format!(
                    "{} operations in {} put about {} of keys and values.",
                    grouped(workload.ops()),
                    count(workload.phases.len() as u64, "phase"),
                    bytes(workload.expected_put_bytes(KEY_BYTES))
                )];
                notes.extend(workload.ttl_ms.map(|ttl| format!("Entries expire after {}.", count(ttl, "write"))));
                notes
            }
        }
    }
}

/// How often a memtable fills up. It takes batches whole, and is full once it holds `memtable_bytes`.
fn flushes(batches: &[(u64, u64)], memtable_bytes: u64) -> u64 {
    let (mut held, mut flushes) = (0, 0);
    for (bytes, ops) in batches {
        held += bytes + ops * ENTRY_BYTES;
        if held >= memtable_bytes {
            (held, flushes) = (0, flushes + 1);
        }
    }
    flushes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::named;

    #[test]
    fn the_bundled_trace_is_whole_and_the_one_of_the_repository() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/traces/redb.tsv");
        let (bundled, file) = (Source::bundled().expect("whole"), Source::trace(&path).expect("there"));
        let (Source::Trace { survey: bundled_survey, .. }, Source::Trace { survey, .. }) = (&bundled, &file) else {
            panic!("both are traces");
        };
        assert_eq!((bundled_survey, bundled.name()), (survey, file.name()));
    }

    #[test]
    fn the_memtable_is_the_largest_that_fills_often_enough() {
        let sizes: Vec<(u64, u64)> = (0..10_000).map(|at| (at % 977 * 31, 2)).collect();
        let end = Summary { keys: 0, sha256: String::new() };
        let survey = Survey { hash: [0; 32], batches: 10_000, put_bytes: 0, sizes: sizes.clone(), end };
        let bytes = Source::Trace { path: None, survey }.memtable_bytes();
        assert!(flushes(&sizes, bytes) >= FLUSHES_MIN, "{bytes}");
        assert!(flushes(&sizes, bytes * 11 / 10) < FLUSHES_MIN + FLUSHES_MIN / 40, "{bytes} is too small");
        let workload = named("latest").expect("built in");
        let bytes = Source::Workload { name: String::new(), workload: workload.clone() }.memtable_bytes();
        assert!(workload.expected_put_bytes(KEY_BYTES) / bytes >= FLUSHES_MIN * 6 / 10, "{bytes}");
    }
}
