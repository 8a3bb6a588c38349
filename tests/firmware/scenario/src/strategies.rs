//! The strategies of the scenario, with settings small enough that each has work to do.

use crate::over_stores;

pub fn each(report: &mut dyn FnMut(&'static str, u64)) {
    #[cfg(feature = "idle")]
    over_stores(["idle-array", "idle-lent", "idle-heapless"], || Some(compaction_core::Idle), report);
    #[cfg(feature = "tiered")]
    over_stores(["tiered-array", "tiered-lent", "tiered-heapless"], tiered, report);
    #[cfg(feature = "leveled")]
    over_stores(["leveled-array", "leveled-lent", "leveled-heapless"], leveled, report);
    #[cfg(feature = "bandit")]
    over_stores(["bandit-array", "bandit-lent", "bandit-heapless"], bandit, report);
}

#[cfg(feature = "tiered")]
fn tiered() -> Option<compaction_core::Tiered> {
    use compaction_core::{Tiered, TieredSettings};
    Tiered::new(TieredSettings { runs_max: 8, table_bytes_max: 16 << 10, ..TieredSettings::default() }).ok()
}

#[cfg(feature = "leveled")]
fn leveled() -> Option<compaction_core::Leveled> {
    use compaction_core::{Leveled, LeveledSettings};
    Leveled::new(LeveledSettings {
        l0_runs_max: 3,
        base_bytes: 16 << 10,
        fanout: 4,
        levels_max: 4,
        table_bytes_max: 8 << 10,
        job_bytes_max: 64 << 10,
        ..LeveledSettings::default()
    })
    .ok()
}

#[cfg(feature = "bandit")]
type Bandit = compaction_core::Bandit<crate::Key, heapless::Vec<compaction_core::Slot<crate::Key>, 8>>;

#[cfg(feature = "bandit")]
fn bandit() -> Option<Bandit> {
    use compaction_core::BanditSettings;
    let settings = BanditSettings {
        l0_runs_max: 3,
        table_bytes_max: 8 << 10,
        job_bytes_max: 64 << 10,
        slots_max: 8,
        cold_runs_max: 3,
        ..BanditSettings::default()
    };
    Bandit::new(settings, heapless::Vec::new()).ok()
}
