//! What static strategies paid in an earlier run, so that only what learns is run anew.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use compaction_core::AnySettings;
use serde_json::Value;

use super::case::Case;
use super::field::Entrant;
use super::race::Paid;

/// Figures of earlier runs, by what was run.
#[derive(Clone, Debug, Default)]
pub struct Known {
    paid: HashMap<String, Paid>,
}

/// A checksum of everything that the figures of a run follow from, but for the program: FNV-1a of workload and settings.
pub fn key(case: &Case, entrant: &Entrant) -> String {
    let text = format!("{:?} {:?}", case.workload, entrant.settings);
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(1_099_511_628_211);
    format!("{:016x}", text.bytes().fold(0xcbf2_9ce4_8422_2325, step))
}

impl Known {
    /// Reads the output of an earlier run with `--json`.
    ///
    /// # Errors
    /// The file that cannot be read, or the line that is no such object.
    pub fn read(path: &Path) -> Result<Self, String> {
        let failed = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
        let mut known = Self::default();
        for line in fs::read_to_string(path).map_err(|error| failed(&error))?.lines() {
            let row: Value = serde_json::from_str(line).map_err(|error| failed(&error))?;
            let entrants = row.get("entrants").and_then(Value::as_array);
            known.paid.extend(entrants.into_iter().flatten().filter_map(paid));
        }
        Ok(known)
    }

    /// What this entrant paid for this case; `None` if it was not run, or learns.
    pub fn paid(&self, case: &Case, entrant: &Entrant) -> Option<Paid> {
        let learns = matches!(entrant.settings, AnySettings::Bandit(_));
        if learns || self.paid.is_empty() { None } else { self.paid.get(&key(case, entrant)).copied() }
    }
}

fn paid(entrant: &Value) -> Option<(String, Paid)> {
    let number = |name: &str| entrant.get(name).and_then(Value::as_f64);
    let paid = Paid {
        cost: number("cost")?,
        merges: number("merges")?,
        write_amp: number("write_amp")?,
        space_amp: number("space_amp")?,
        runs: entrant.get("runs").and_then(Value::as_u64)?,
    };
    Some((entrant.get("run")?.as_str()?.to_owned(), paid))
}
