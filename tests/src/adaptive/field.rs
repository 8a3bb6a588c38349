//! Who takes part: six static strategies and the bandit, in the same store and under the same limits.

use compaction_core::sim::{StoreSettings, TableFormat};
use compaction_core::{AnySettings, BanditSettings, Layout, LeveledSettings, TieredSettings};

/// Bytes of a key.
pub const KEY_BYTES: u64 = 16;
/// Bytes of a value: an entry has 100.
pub const VALUE_BYTES: u64 = 84;
/// Entries of a memtable.
pub const MEMTABLE_ENTRIES: u64 = 4_000;
/// Bytes that an entry takes in a memtable beside its key and value, as the engine counts it.
const ENTRY_BYTES: u64 = 64;
/// Bytes at which a memtable is full.
pub const MEMTABLE_BYTES: u64 = MEMTABLE_ENTRIES * (KEY_BYTES + VALUE_BYTES + ENTRY_BYTES);
/// By how many percent all runs may outweigh the largest: space amplification 2.
const SPACE_PCT: u64 = 100;

/// A strategy that takes part.
#[derive(Clone, Debug)]
pub struct Entrant {
    /// Its name in tables.
    pub name: String,
    /// Its settings.
    pub settings: AnySettings,
}

impl Entrant {
    /// One of that name.
    pub fn new(name: impl Into<String>, settings: AnySettings) -> Self {
        Self { name: name.into(), settings }
    }
}

/// The store that all run in. `read_weight` is how many reads one simulated one stands for.
pub fn store(read_weight: u64) -> StoreSettings {
    StoreSettings {
        memtable_bytes: MEMTABLE_BYTES,
        memtable_entry_bytes: ENTRY_BYTES,
        table_bytes: MEMTABLE_BYTES,
        format: TableFormat { key_bytes: KEY_BYTES, ..TableFormat::default() },
        scale: Some(1),
        read_weight,
        samples: 100,
        ..StoreSettings::default()
    }
}

/// The six static strategies that regret is measured against.
pub fn six(job_bytes_max: u64) -> Vec<Entrant> {
    let tiered = |width: u32| tiered(width, job_bytes_max);
    let leveled = |fanout: u32| leveled(fanout, 1, job_bytes_max);
    let lazy = |fanout: u32| self::leveled(fanout, fanout.saturating_sub(1), job_bytes_max);
    vec![
        Entrant::new("tiered 4", AnySettings::Tiered(tiered(4))),
        Entrant::new("tiered 8", AnySettings::Tiered(tiered(8))),
        Entrant::new("leveled 4", AnySettings::from(leveled(4))),
        Entrant::new("leveled 10", AnySettings::from(leveled(10))),
        Entrant::new("lazy 4", AnySettings::from(lazy(4))),
        Entrant::new("lazy 10", AnySettings::from(lazy(10))),
    ]
}

/// Every layout that the bandit chooses from, for all slots and for good, and no merge for the sake of reads: what of a win is
/// owed to the layouts alone.
pub fn arms(job_bytes_max: u64) -> Vec<Entrant> {
    let fixed = |layout: Layout| {
        let settings = BanditSettings { layout: Some(layout), rent_ppm: u64::MAX, ..BanditSettings::default() };
        bandit(&format!("all {}", layout.name()), settings, job_bytes_max)
    };
    Layout::ALL.map(fixed).to_vec()
}

/// Runs of similar size merge when there are `width` of them.
pub fn tiered(width: u32, job_bytes_max: u64) -> TieredSettings {
    TieredSettings {
        min_merge_width: width,
        max_space_amp_pct: SPACE_PCT,
        table_bytes_max: MEMTABLE_BYTES,
        job_bytes_max,
        ..TieredSettings::default()
    }
}

/// Levels `fanout` times as large as the one above, those between level 0 and the deepest of `runs_max` runs.
pub fn leveled(fanout: u32, runs_max: u32, job_bytes_max: u64) -> LeveledSettings {
    LeveledSettings {
        fanout,
        runs_max,
        base_bytes: 4 * MEMTABLE_BYTES,
        table_bytes_max: MEMTABLE_BYTES,
        job_bytes_max,
        ..LeveledSettings::default()
    }
}

/// The bandit with `settings`, but for its sizes, which follow the memtable as everybody's do.
pub fn bandit(name: &str, settings: BanditSettings, job_bytes_max: u64) -> Entrant {
    let sized = BanditSettings { table_bytes_max: MEMTABLE_BYTES, job_bytes_max, ..settings };
    Entrant::new(name, AnySettings::Bandit(sized))
}
