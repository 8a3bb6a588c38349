//! The strategies of the scenario, with settings small enough that each has work to do.

use crate::over_stores;

pub fn each(report: &mut dyn FnMut(&'static str, u64)) {
    #[cfg(feature = "idle")]
    over_stores(["idle-array", "idle-lent", "idle-heapless"], || compaction_core::Idle, report);
    #[cfg(feature = "tiered")]
    over_stores(["tiered-array", "tiered-lent", "tiered-heapless"], tiered, report);
    let _ = report;
}

#[cfg(feature = "tiered")]
fn tiered() -> compaction_core::Tiered {
    use compaction_core::{Tiered, TieredSettings};
    Tiered::new(TieredSettings { runs_max: 8, table_bytes_max: 16 << 10, ..TieredSettings::default() })
        .unwrap_or_default()
}
