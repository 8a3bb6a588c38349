//! Lawful trees of any shape, from arbitrary bytes.

use arbitrary::Arbitrary;
use compaction_core::{Moment, Table, VersionVec};

use crate::Key;

const RUNS_MAX: usize = 24;
const TABLES_MAX: usize = 24;

/// A tree, run by run; levels are sorted and runs that break a law are left out when it is built.
#[derive(Arbitrary, Clone, Debug)]
pub struct TreeSpec {
    runs: Vec<RunSpec>,
}

#[derive(Arbitrary, Clone, Debug)]
struct RunSpec {
    level: u8,
    tables: Vec<TableSpec>,
}

#[derive(Arbitrary, Clone, Debug)]
struct TableSpec {
    gap: u8,
    width: u8,
    bytes: Size,
    entries: Size,
    tombstones: u8,
    newest_ms: Size,
    tombstone_age_ms: Option<Size>,
    newest_seqno: Size,
}

/// Sizes, times and limits: small ones often, and every extreme.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub enum Size {
    /// Up to 255.
    Tiny(u8),
    /// Up to 64 Ki.
    Small(u16),
    /// Up to 4 Gi.
    Large(u32),
    /// Anything.
    Any(u64),
    /// As far below the maximum.
    BelowMax(u8),
}

impl Size {
    /// The number.
    pub fn value(self) -> u64 {
        match self {
            Self::Tiny(value) => value.into(),
            Self::Small(value) => value.into(),
            Self::Large(value) => value.into(),
            Self::Any(value) => value,
            Self::BelowMax(value) => u64::MAX - u64::from(value),
        }
    }
}

/// The circumstances of a decision.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub struct MomentSpec {
    now_ms: Size,
    entropy: u64,
    free_bytes: Option<Size>,
    snapshot_floor: Option<Size>,
}

impl MomentSpec {
    /// As the core takes it.
    pub fn moment(&self) -> Moment {
        Moment {
            now_ms: self.now_ms.value(),
            entropy: self.entropy,
            free_bytes: self.free_bytes.map_or(u64::MAX, Size::value),
            snapshot_floor: self.snapshot_floor.map_or(u64::MAX, Size::value),
        }
    }
}

impl TreeSpec {
    /// Builds the tree, oldest run first.
    pub fn build(&self) -> VersionVec<Key> {
        let mut runs: Vec<&RunSpec> = self.runs.iter().take(RUNS_MAX).collect();
        runs.sort_by_key(|run| std::cmp::Reverse(run.level));
        let mut tree = VersionVec::default();
        let mut next_id = 1;
        for run in runs {
            // A run whose sums do not fit, or without tables, is refused: the tree is then as before.
            let _ = tree.push_run(run.level, run.tables(&mut next_id));
        }
        tree
    }
}

impl RunSpec {
    fn tables(&self, next_id: &mut u64) -> Vec<Table<Key>> {
        let mut tables = Vec::new();
        let mut free = Some(0u8);
        for spec in self.tables.iter().take(TABLES_MAX) {
            let Some(min) = free.and_then(|free| free.checked_add(spec.gap % 16)) else { break };
            let max = min.saturating_add(spec.width % 32);
            free = max.checked_add(1);
            let entries = spec.entries.value();
            let newest_ms = spec.newest_ms.value();
            let oldest_ms = spec.tombstone_age_ms.map(|age| newest_ms.saturating_sub(age.value()));
            let table = Table::new(*next_id, spec.bytes.value(), min, max)
                .entries(entries)
                .tombstones((u128::from(entries) * u128::from(spec.tombstones) / 255) as u64)
                .newest_ms(newest_ms)
                .oldest_tombstone_ms(oldest_ms)
                .newest_seqno(spec.newest_seqno.value());
            tables.push(table);
            *next_id += 1;
        }
        tables
    }
}
