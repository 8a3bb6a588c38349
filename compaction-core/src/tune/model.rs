//! What a layout costs under a load: the tree flush by flush, in numbers of entries only.
//!
//! A run holds all that was written in a stretch of time, so its entries follow from the number of writes alone, and
//! so does the chance that a read finds its key in it. A tree of runs is then a list of such stretches, and a strategy is played
//! out on it: the tree is loaded with every key once, then six times as many writes follow, over which figures are averaged.
//! - Tiered: the rules of [`Tiered`](crate::Tiered) on those sizes.
//! - Leveled, lazy: the levels, targets and triggers of [`Leveled`](crate::Leveled); from a level of one run the densest part
//!   sinks, what has waited longest, with the tables below that it meets (three constants in `sink.rs`, fitted to the simulator).
//!
//! Sources: O'Neil et al., Acta Informatica 1996 (levels, ratios); Dayan and Idreos, "Dostoevsky", SIGMOD 2018 (lazy leveling,
//! runs per level); Dong et al., CIDR 2017 (targets from the deepest level). What differs from their closed forms: level 0,
//! overwrites, and skew, which change costs by tens of percent.

use super::TuneError;
use super::keys::{Keys, Popularity};
use super::play::Tree;

/// What an entry of a memtable takes beside key and value, in `lsm-std`.
const MEMTABLE_ENTRY_BYTES: f64 = 64.0;

/// Trees of more memtables are not played out.
const MEMTABLES_MAX: f64 = 2_000.0;

/// What is done to a store, and what its parts cost.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Load {
    /// Share of operations that write.
    pub writes: f64,
    /// Share that read a key that is there.
    pub reads: f64,
    /// Share that read a key that is not.
    pub misses: f64,
    /// Share that scan.
    pub scans: f64,
    /// Keys.
    pub entries: f64,
    /// Which of them are touched more often.
    pub popularity: Popularity,
    /// Writes that fill a memtable.
    pub memtable_entries: f64,
    /// Bytes of an entry in a table.
    pub table_entry_bytes: f64,
    /// Bytes of an entry as the user gives it.
    pub user_entry_bytes: f64,
    /// How often a filter says yes to an absent key.
    pub false_positives: f64,
}

/// Prices in bytes, as those of the simulator.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Charges {
    /// Per byte that a merge writes or reads.
    pub compaction_byte: f64,
    /// Per data block that a point read fetches.
    pub get_block: f64,
    /// Per run whose filter a point read asks.
    pub filter: f64,
    /// Per run that a scan opens.
    pub scan_run: f64,
}

impl Default for Charges {
    fn default() -> Self {
        Self { compaction_byte: 1.0, get_block: 4_096.0, filter: 512.0, scan_run: 4_096.0 }
    }
}

/// A layout of the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Runs of similar size are merged, so many at least.
    Tiered {
        /// The least number of runs of a merge.
        width: u32,
        /// By how many percent all runs may outweigh the largest one.
        space_pct: u64,
    },
    /// One run a level.
    Leveled {
        /// Ratio of neighbouring levels.
        fanout: u32,
        /// Target of the shallowest level, in memtables.
        base_memtables: u32,
    },
    /// Several runs a level, one in the deepest.
    Lazy {
        /// Ratio of neighbouring levels.
        fanout: u32,
        /// Runs of a level.
        runs: u32,
        /// Target of a run of the shallowest level, in memtables.
        base_memtables: u32,
    },
}

/// What a layout comes to.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Expected {
    /// Table bytes written per byte that the user writes, flushes counted.
    pub write_amp: f64,
    /// Runs that a point read asks.
    pub read_amp: f64,
    /// Bytes of tables per live byte, on average.
    pub space_amp: f64,
    /// The most of it between two flushes.
    pub space_amp_max: f64,
    /// Runs, which a scan opens all.
    pub runs: f64,
    /// Bytes that merges write and read for an operation.
    pub merge_cost: f64,
    /// Price of an operation's reads and scans in bytes.
    pub read_cost: f64,
    /// Price of an operation in bytes: the sum of both.
    pub cost: f64,
}

impl Load {
    fn check(&self) -> Result<Keys, TuneError> {
        let shares = [
            ("share of writes", self.writes),
            ("share of reads", self.reads),
            ("share of misses", self.misses),
            ("share of scans", self.scans),
        ];
        for (name, share) in shares {
            TuneError::within(name, share, 0.0, 1.0)?;
        }
        let sum = self.writes + self.reads + self.misses + self.scans;
        if libm::fabs(sum - 1.0) > 1e-6 {
            return Err(TuneError::Shares { sum });
        }
        TuneError::within("memtable entries", self.memtable_entries, 1.0, f64::MAX)?;
        TuneError::within("bytes of an entry in a table", self.table_entry_bytes, 1.0, 1e12)?;
        TuneError::within("bytes of an entry", self.user_entry_bytes, 1.0, 1e12)?;
        TuneError::within("share of false positives", self.false_positives, 0.0, 1.0)?;
        Keys::new(self.entries, self.popularity)
    }
}

/// What `layout` costs under `load`.
///
/// O(entries / memtable) up to 2 000 memtables; from there on figures go on with the logarithm of the size, as the number of
/// levels does.
///
/// # Errors
/// Values that make no sense.
pub fn expect(load: &Load, layout: Layout, charges: &Charges) -> Result<Expected, TuneError> {
    load.check()?;
    let memtables = load.entries / load.memtable_entries;
    if memtables <= MEMTABLES_MAX {
        return played(load, layout, charges);
    }
    let small = |memtables: f64| Load { entries: load.memtable_entries * memtables, ..*load };
    let less = played(&small(MEMTABLES_MAX / 10.0), layout, charges)?;
    let more = played(&small(MEMTABLES_MAX), layout, charges)?;
    Ok(more.onward(&less, libm::log10(memtables / MEMTABLES_MAX)))
}

fn played(load: &Load, layout: Layout, charges: &Charges) -> Result<Expected, TuneError> {
    let keys = load.check()?;
    let mut tree = Tree::new(load, keys, layout);
    tree.run();
    Ok(expected(&tree, charges))
}

impl Expected {
    /// As far beyond `self` as `self` is beyond `less`, times `steps`; never less.
    fn onward(&self, less: &Self, steps: f64) -> Self {
        let onward = |of: fn(&Self) -> f64| of(self) + steps * (of(self) - of(less)).max(0.0);
        Self {
            write_amp: onward(|of| of.write_amp),
            read_amp: onward(|of| of.read_amp),
            space_amp: self.space_amp,
            space_amp_max: self.space_amp_max,
            runs: onward(|of| of.runs),
            merge_cost: onward(|of| of.merge_cost),
            read_cost: onward(|of| of.read_cost),
            cost: onward(|of| of.merge_cost) + onward(|of| of.read_cost),
        }
    }
}

/// The figures that follow from what was summed up.
fn expected(tree: &Tree<'_>, charges: &Charges) -> Expected {
    let (sums, given) = (&tree.sums, tree.given);
    let per_write = |entries: f64| entries * given.table_entry_bytes / sums.writes;
    let write_amp = per_write(sums.flushed + sums.merge_written) / given.user_entry_bytes;
    let merge_cost = given.writes * charges.compaction_byte * per_write(sums.merge_written + sums.merge_read);
    let (runs, asked, found) = (sums.runs / sums.flushes, sums.asked / sums.samples, sums.found / sums.samples);
    let hit = charges.filter * asked + charges.get_block * (found + given.false_positives * (asked - found));
    let miss = runs * (charges.filter + charges.get_block * given.false_positives);
    let read_cost = given.reads * hit + given.misses * miss + given.scans * charges.scan_run * runs;
    let overhead = given.table_entry_bytes / given.user_entry_bytes;
    let gets = given.reads + given.misses;
    let read_amp = if gets > 0.0 { (given.reads * asked + given.misses * runs) / gets } else { asked };
    Expected {
        write_amp,
        read_amp,
        space_amp: overhead * sums.space / sums.flushes,
        space_amp_max: overhead * sums.space_max,
        runs,
        merge_cost,
        read_cost,
        cost: merge_cost + read_cost,
    }
}

impl Load {
    /// Entries of a table that takes as many bytes as a full memtable does in memory.
    pub(super) fn base_memtable(&self) -> f64 {
        self.memtable_entries * (self.user_entry_bytes + MEMTABLE_ENTRY_BYTES) / self.table_entry_bytes
    }
}
