//! An engine that keeps its own arrays and lends them: a new tree each time, one decision for it.

use core::hint::black_box;

use compaction_core::{CompactionStrategy, Event, Moment, Run, Table, TreeError, Version};

use crate::Key;
use crate::checksum::Checksum;
use crate::rng::Rng;

const TREES: u32 = 48;
const RUNS_MAX: usize = 10;
const TABLES_MAX: usize = 28;
const LEVELS: u32 = 4;
const KEYS: u32 = 1 << 16;

/// The checksum of what `strategy` decides for each tree.
#[inline(never)]
pub fn decisions<S: CompactionStrategy<Key>>(strategy: &mut S) -> u64 {
    let mut arrays = Arrays {
        runs: [Run::EMPTY; RUNS_MAX],
        tables: [const { Table::new(0, 0, 0, 0) }; TABLES_MAX],
        runs_len: 0,
        tables_len: 0,
    };
    let mut rng = Rng::new(0x5eed);
    let mut checksum = Checksum::new();
    for tree in 0..TREES {
        let _ = arrays.grow(&mut rng);
        let runs = arrays.runs.get(..arrays.runs_len).unwrap_or(&[]);
        let tables = arrays.tables.get(..arrays.tables_len).unwrap_or(&[]);
        let Ok(version) = Version::new(runs, tables) else {
            checksum.word(u32::MAX);
            continue;
        };
        let free_bytes = if rng.below(4) == 0 { u64::from(rng.below(1 << 20)) } else { u64::MAX };
        let snapshot_floor = if rng.below(4) == 0 { u64::from(rng.below(64)) } else { u64::MAX };
        let moment = Moment { now_ms: u64::from(tree) << 10, entropy: rng.next(), free_bytes, snapshot_floor };
        let (version, moment) = (black_box(&version), black_box(&moment));
        strategy.observe(&Event::Flushed { version: *version, now_ms: moment.now_ms, bytes: 1 << 13 });
        let decision = strategy.choose(version, moment);
        checksum.decision(version, black_box(&decision), strategy.debt_bytes(version));
    }
    checksum.value()
}

struct Arrays {
    runs: [Run; RUNS_MAX],
    tables: [Table<Key>; TABLES_MAX],
    runs_len: usize,
    tables_len: usize,
}

impl Arrays {
    /// Fills the arrays with a tree: deep levels of one run of several tables, then flushes of one table.
    fn grow(&mut self, rng: &mut Rng) -> Result<(), TreeError> {
        (self.runs_len, self.tables_len) = (0, 0);
        for level in (1..LEVELS).rev() {
            let tables = rng.below(8);
            let width = KEYS >> 3;
            self.push(rng, level as u8, tables, width, 1 << (12 + 2 * level))?;
        }
        for _ in 0..rng.below(8) {
            self.push(rng, 0, 1, KEYS, 1 << 13)?;
        }
        Ok(())
    }

    /// Adds a run of up to `tables` tables, each within its own stretch of `width` keys, of up to `bytes` bytes each.
    fn push(&mut self, rng: &mut Rng, level: u8, tables: u32, width: u32, bytes: u32) -> Result<(), TreeError> {
        let first = self.tables_len;
        for stretch in 0..tables {
            let Some(slot) = self.tables.get_mut(self.tables_len) else {
                break;
            };
            let min = stretch * width + rng.below(width >> 1);
            let max = stretch * width + (width >> 1) + rng.below(width >> 1);
            let entries = u64::from(rng.below(256)) + 1;
            let tombstones = u64::from(rng.below(256)).min(entries);
            let newest_ms = u64::from(rng.below(1 << 16));
            self.tables_len += 1;
            *slot = Table::new(self.tables_len as u64, u64::from(rng.below(bytes)) + 1, min, max)
                .entries(entries)
                .tombstones(tombstones)
                .newest_ms(newest_ms)
                .oldest_tombstone_ms((tombstones > 0).then_some(newest_ms >> 1))
                .newest_seqno(u64::from(rng.below(64)));
        }
        let (Some(slot), Some(tables)) =
            (self.runs.get_mut(self.runs_len), self.tables.get_mut(first..self.tables_len))
        else {
            return Ok(());
        };
        if !tables.is_empty() {
            *slot = Run::seal(level, first, tables)?;
            self.runs_len += 1;
        }
        Ok(())
    }
}
