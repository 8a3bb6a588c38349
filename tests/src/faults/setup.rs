//! The store under test: its settings, its keys and its values, all drawn from a seed.

use std::sync::Arc;
use std::time::Duration;

use compaction_core::sim::SplitMix;
use compaction_core::{AnySettings, BanditSettings, FifoSettings, Full, LeveledSettings, TieredSettings};
use lsm_std::fs::Fs;
use lsm_std::{LogicalClock, Options, SyncPolicy};

/// Keys of a store.
pub const KEYS: u64 = 24;

/// Keys of a store whose manifest is to be rewritten: it has to grow to a mebibyte.
const LONG_KEYS: u64 = 5;
const LONG_KEY_BYTES: usize = 50_000;

/// How a store is opened, but for its strategy.
#[derive(Clone, Debug)]
pub struct Setup {
    /// When the log is synced.
    pub sync: SyncPolicy,
    /// Whether flushes and merges run in threads.
    pub threads: bool,
    seed: u64,
    /// See [`Options`].
    pub memtable_bytes: u64,
    table_bytes: u64,
    /// See [`Options`].
    pub log_segment_bytes: u64,
    /// See [`Options`].
    pub unsettled_bytes_max: u64,
    /// See [`Options`].
    pub frozen_memtables_max: usize,
    cache_bytes: u64,
    open_files_max: usize,
    block_bytes: usize,
    lz4: bool,
    filter_bits: u8,
    /// The manifest grows fast enough to be rewritten.
    pub has_long_keys: bool,
}

impl Setup {
    /// Settings that make much happen with few writes.
    pub fn draw(rng: &mut SplitMix, threads: bool) -> Self {
        let interval = SyncPolicy::Interval(Duration::from_millis(1));
        let sync = match rng.below(5) {
            0 | 1 => SyncPolicy::Never,
            2 => interval,
            _ => SyncPolicy::Always,
        };
        Self {
            sync,
            threads,
            seed: rng.next_u64(),
            memtable_bytes: 1024 + rng.below(2) * rng.below(3000),
            table_bytes: 1024 + rng.below(3000),
            log_segment_bytes: rng.below(3) * rng.below(4000),
            unsettled_bytes_max: rng.below(3) * rng.below(8000),
            frozen_memtables_max: 1 + rng.below(3) as usize,
            cache_bytes: rng.below(2) * 8192,
            open_files_max: 1 + rng.below(20) as usize,
            block_bytes: 128 << rng.below(4),
            lz4: rng.below(2) == 0,
            filter_bits: [0, 10][rng.below(2) as usize],
            has_long_keys: rng.below(16) == 0,
        }
    }

    /// The options, for a process on `fs` at the time of `clock`.
    #[must_use]
    pub fn options(&self, fs: Arc<dyn Fs>, clock: &Arc<LogicalClock>) -> Options {
        let options = Options::new().fs(fs).clock(Arc::<LogicalClock>::clone(clock)).sync(self.sync);
        let options = options.memtable_bytes(self.memtable_bytes).table_bytes(self.table_bytes);
        let options = options.log_segment_bytes(self.log_segment_bytes).unsettled_bytes_max(self.unsettled_bytes_max);
        let options = options.frozen_memtables_max(self.frozen_memtables_max).cache_bytes(self.cache_bytes);
        let options = options.open_files_max(self.open_files_max).block_bytes(self.block_bytes);
        let options = options.lz4(self.lz4).filter_bits(self.filter_bits);
        if self.threads { options } else { options.deterministic(self.seed) }
    }

    /// Any key.
    pub fn key(&self, rng: &mut SplitMix) -> Vec<u8> {
        if self.has_long_keys {
            let mut key = vec![b'k'; LONG_KEY_BYTES];
            key[0] = rng.below(LONG_KEYS) as u8;
            return key;
        }
        match rng.below(KEYS) {
            0 => Vec::new(),
            at => format!("key{:02}", at).into_bytes(),
        }
    }
}

/// Any value, another one each time.
pub fn value(rng: &mut SplitMix) -> Vec<u8> {
    let len = match rng.below(16) {
        0 => 0,
        1..=10 => rng.below(100),
        11..=14 => rng.below(600),
        _ => rng.below(3000),
    };
    let half = len / 2;
    (0..len).map(|at| if at < half { rng.next_u64() as u8 } else { b'v' }).collect()
}

/// Any strategy that drops nothing.
pub fn strategy(rng: &mut SplitMix) -> AnySettings {
    let leveled = LeveledSettings { l0_runs_max: 2, base_bytes: 3000, fanout: 2, ..Default::default() };
    let bandit = BanditSettings { l0_runs_max: 2, table_bytes_max: 900, slots_max: 4, ..Default::default() };
    let (width, table_bytes_max) = (2 + rng.below(3) as u32, 600 + rng.below(2000));
    match rng.below(8) {
        0 | 1 => AnySettings::Tiered(TieredSettings { min_merge_width: width, table_bytes_max, ..Default::default() }),
        2 | 3 => AnySettings::Leveled(LeveledSettings { table_bytes_max, ..leveled }),
        4 => {
            let lazy = LeveledSettings { base_bytes: 3000, fanout: 3, table_bytes_max, ..LeveledSettings::lazy() };
            AnySettings::Lazy(lazy)
        }
        5 => AnySettings::Bandit(bandit),
        6 => AnySettings::Full(Full { table_bytes_max }),
        _ if rng.below(2) == 0 => AnySettings::Idle,
        _ => AnySettings::Fifo(FifoSettings { bytes_max: u64::MAX, ..Default::default() }),
    }
}
