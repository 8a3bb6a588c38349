//! How much of the disk a store takes.
//!
//! Between two calls: the tables of the tree; obsolete ones that the manifest on disk still names, at most `unsettled_bytes_max`, and
//! as much of them that wait to be written over; the log of what is not in durable tables, `unsettled_bytes_max` too, with the
//! memtables and what a segment keeps for nothing; a manifest and small files. While a job runs, its output besides.

use std::sync::{Arc, PoisonError};

use lsm_std::{Db, Options, Report, What};

use super::{Kind, Run};
use crate::disk::{Disk, STORE};

/// What a log record and a file's header and footer may add to what a memtable counts as its bytes, in percent.
const OVERHEAD_PCT: u64 = 25;

/// The most that a table takes beside its entries, and a batch or a manifest of the runs here.
const SMALL_BYTES: u64 = 4096;

/// What the tables on disk come to while jobs run, one at a time.
#[derive(Debug, Default)]
pub struct Watch {
    /// The most that they may while this one runs.
    tables_max: u64,
    /// Jobs that were watched.
    pub jobs: u64,
    broken: Option<String>,
}

impl Watch {
    /// Without power no file goes, and jobs that touch none, moves above all, may be done for a while: that is no room taken.
    fn report(&mut self, report: &Report, disk: &Disk, unsettled_bytes_max: u64) {
        if disk.is_dead() {
            return;
        }
        let tables = disk.tables_peak();
        match &report.what {
            What::Chosen(job) => {
                let tree: u64 = report.shape.iter().map(|level| level.bytes).sum();
                let output = job.bytes + job.bytes / 16 + job.tables as u64 * SMALL_BYTES;
                self.tables_max = tree + 2 * unsettled_bytes_max + output;
            }
            What::Done { chosen, .. } => {
                self.jobs += 1;
                if tables > self.tables_max {
                    let what = format!("{tables} bytes of tables, at most {} while {chosen:?} runs", self.tables_max);
                    self.broken.get_or_insert(what);
                }
            }
            _ => {}
        }
    }
}

impl Run {
    /// Whether what lies on disk can be told: a file whose removal failed stays until the next opening, and threads come and go.
    fn is_exact(&self) -> bool {
        self.kind == Kind::Cuts && !self.setup.has_long_keys
    }

    /// Has the disk watched while jobs run.
    pub(super) fn watched(&self, options: Options) -> Options {
        if !self.is_exact() {
            return options;
        }
        let (watch, disk, unsettled) = (Arc::clone(&self.watch), self.disk.clone(), self.setup.unsettled_bytes_max);
        options.on_report(move |report| {
            watch.lock().unwrap_or_else(PoisonError::into_inner).report(report, &disk, unsettled);
        })
    }

    /// Holds what lies on disk against the bound.
    pub(super) fn check_room(&self, db: &Db) {
        if !self.is_exact() || self.disk.is_dead() {
            return;
        }
        if let Some(broken) = self.watch.lock().unwrap_or_else(PoisonError::into_inner).broken.take() {
            self.broken(&broken);
        }
        let setup = &self.setup;
        let on_disk = |suffix: &str| -> u64 {
            let files = self.disk.files(STORE).into_iter();
            files.filter(|(path, _)| path.to_string_lossy().ends_with(suffix)).map(|(_, len)| len as u64).sum()
        };
        let tree: u64 = db.runs().iter().flat_map(|(_, run)| run).map(|table| table.bytes).sum();
        let (tables, log) = (on_disk(".sst"), on_disk(".log"));
        let tables_max = tree + 2 * setup.unsettled_bytes_max;
        let memtables = (setup.frozen_memtables_max as u64 + 2) * (setup.memtable_bytes + SMALL_BYTES);
        let log_max = setup.unsettled_bytes_max + setup.log_segment_bytes + memtables;
        let log_max = log_max + log_max * OVERHEAD_PCT / 100;
        if tables > tables_max || log > log_max {
            let what = format!("{tables} bytes of tables, {log} of log");
            self.broken(&format!("{what}; at most {tables_max} and {log_max}, {tree} of them in the tree"));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use compaction_core::{AnySettings, LeveledSettings};

    use super::*;

    #[test]
    fn files_that_stay_because_the_power_went_are_not_held_against_the_bound() {
        let (mut jobs, mut deaths) = (0, 0);
        for calls in 1.. {
            let (disk, watch) = (Disk::new(7), Arc::new(Mutex::new(Watch::default())));
            let small = LeveledSettings { l0_runs_max: 2, base_bytes: 20_000, fanout: 2, ..Default::default() };
            let small = AnySettings::Leveled(LeveledSettings { table_bytes_max: 12_000, ..small });
            let options = Options::new().fs(disk.boot()).deterministic(1).memtable_bytes(24_000).unsettled_bytes_max(0);
            let (hook, on) = (Arc::clone(&watch), disk.clone());
            let options = options.on_report(move |report| hook.lock().unwrap().report(report, &on, 0));
            disk.cut_in(calls);
            if let Ok(db) = options.lz4(false).strategy(small).open(STORE) {
                let _ = (0..40u8).try_for_each(|at| db.put(&[at % 30 * 7 % 30], &[at; 8_000]));
            }
            let watch = watch.lock().unwrap();
            assert_eq!(watch.broken, None, "the power goes in call {calls}");
            (jobs, deaths) = (jobs + watch.jobs, calls);
            if !disk.is_dead() {
                break;
            }
        }
        assert!(jobs > 1000 && deaths > 100, "{jobs} jobs, {deaths} deaths");
    }
}
