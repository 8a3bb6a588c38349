//! A fixed sequence of trees, fed to every strategy: each decision goes into a checksum that must be the same everywhere.
//!
//! Nothing here allocates. Three ways to keep a tree: arrays of the engine's own, checked by `Version::new`; a `VersionBuf`
//! over lent slices; a `VersionBuf` over `heapless::Vec`.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(feature = "array")]
mod array;
#[cfg(any(feature = "lent", feature = "heapless"))]
mod buf;
mod checksum;
mod rng;
mod strategies;

use compaction_core::CompactionStrategy;

/// Keys of the scenario: what a firmware's record numbers look like.
pub type Key = u32;

/// Runs every strategy that is built in over every store that is built in, and reports a checksum for each.
pub fn run(report: &mut dyn FnMut(&'static str, u64)) {
    strategies::each(report);
}

/// Runs one strategy, made afresh for each store; nothing is reported for settings that were refused.
fn over_stores<S: CompactionStrategy<Key>>(
    names: [&'static str; 3],
    make: impl Fn() -> Option<S>,
    report: &mut dyn FnMut(&'static str, u64),
) {
    let [array, lent, heapless] = names;
    let mut over = |name, decisions: fn(&mut S) -> u64| {
        if let Some(mut strategy) = make() {
            report(name, decisions(&mut strategy));
        }
    };
    #[cfg(feature = "array")]
    over(array, array::decisions);
    #[cfg(feature = "lent")]
    over(lent, buf::decisions_lent);
    #[cfg(feature = "heapless")]
    over(heapless, buf::decisions_heapless);
    let _ = (array, lent, heapless);
}
