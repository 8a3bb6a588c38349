//! How much of the disk a store takes.
//!
//! Between two calls: the tables of the tree; obsolete ones that the manifest on disk still names, at most `unsettled_bytes_max`, and
//! as much of them that wait to be written over; the log of what is not in durable tables, `unsettled_bytes_max` too, with the
//! memtables and what a segment keeps for nothing; a manifest and small files. While a job runs, its output besides.

use lsm_std::Db;

use super::{Kind, Run};
use crate::disk::STORE;

/// What a log record and a file's header and footer may add to what a memtable counts as its bytes, in percent.
const OVERHEAD_PCT: u64 = 25;

/// The most that a table takes beside its entries, and a batch or a manifest of the runs here.
const SMALL_BYTES: u64 = 4096;

impl Run {
    /// Holds what lies on disk against the bound. Faults aside: a file whose removal failed stays until the next opening.
    pub(super) fn check_room(&self, db: &Db) {
        let is_exact = self.kind == Kind::Cuts && !self.disk.is_dead() && !self.setup.has_long_keys;
        if !is_exact {
            return;
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
