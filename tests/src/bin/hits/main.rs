//! How often reads find their block in memory: in stores of several sizes, by Zipf's law with exponent 0.99, the ranks scattered
//! over the keys, beginning with nothing in memory; and where each block is read once.

use std::path::{Path, PathBuf};

use clap::Parser;
use lsm_std::compaction_core::sim::{SplitMix, Zipf};
use lsm_std::{Db, Options, Result, SyncPolicy};

/// Bytes of a value that is read by Zipf's law.
const VALUE_BYTES: usize = 100;

/// Bytes of a value that has a block of its own.
const BLOCK_BYTES: usize = 4096;

/// For so many keys of the one store the other, where each block is read once, has one.
const KEYS_A_BLOCK: u64 = 40;

/// Say how often reads find their block in memory
#[derive(Parser)]
struct Args {
    /// Keys of the stores
    #[arg(long, value_delimiter = ',', default_values_t = [100_000, 250_000, 500_000, 1_000_000])]
    entries: Vec<u64>,
    /// Reads for each key
    #[arg(long, default_value_t = 2)]
    reads: u64,
    /// MiB of the caches
    #[arg(long, value_delimiter = ',', default_values_t = [16, 64])]
    cache_mib: Vec<u64>,
    /// Empty directory for the stores
    dir: PathBuf,
}

fn main() -> Result<()> {
    let args = Args::parse();
    println!("{:>9} {:>8} {:>9} {:>14} {:>14}", "entries", "data MiB", "cache MiB", "Zipf 0.99 hits", "read once hits");
    for &entries in &args.entries {
        let (small, large) = (args.dir.join(format!("{entries}-zipf")), args.dir.join(format!("{entries}-once")));
        let blocks = entries / KEYS_A_BLOCK;
        fill(&small, all(entries), VALUE_BYTES)?;
        fill(&large, 0..blocks, BLOCK_BYTES)?;
        for &mib in &args.cache_mib {
            let skewed = hits(&small, mib << 20, zipf(entries, entries * args.reads))?;
            let once = hits(&large, mib << 20, all(blocks))?;
            let data_mib = (entries * (8 + VALUE_BYTES as u64)) >> 20;
            println!("{entries:>9} {data_mib:>8} {mib:>9} {:>13.1}% {:>13.1}%", skewed * 100.0, once * 100.0);
        }
    }
    Ok(())
}

/// So many keys of `entries`, few of them often.
fn zipf(entries: u64, reads: u64) -> impl Iterator<Item = u64> {
    let (mut random, zipf) = (SplitMix::new(1), Zipf::new(entries, 0.99));
    (0..reads).map(move |_| scattered(zipf.next(&mut random), entries))
}

/// All numbers below `count`, in no order.
fn all(count: u64) -> impl Iterator<Item = u64> {
    (0..count).map(move |at| scattered(at, count))
}

/// Number `at` of [`all`] numbers below `count`.
fn scattered(at: u64, count: u64) -> u64 {
    ((u128::from(at) * 1_000_000_000_039 + 12_345) % u128::from(count.max(1))) as u64
}

fn open(dir: &Path, cache_bytes: u64) -> Result<Db> {
    Options::new().sync(SyncPolicy::Never).lz4(false).cache_bytes(cache_bytes).open(dir)
}

/// A store of these keys. If they come in order no two of its runs meet, so none is asked in vain for a key that another has.
fn fill(dir: &Path, keys: impl Iterator<Item = u64>, value_bytes: usize) -> Result<()> {
    let db = open(dir, 0)?;
    for key in keys {
        db.put(&key.to_be_bytes(), &vec![key as u8; value_bytes])?;
    }
    db.flush()?;
    db.wait_idle()?;
    db.close()
}

/// The part of the blocks asked for that were in memory when `keys` were read.
fn hits(dir: &Path, cache_bytes: u64, keys: impl Iterator<Item = u64>) -> Result<f64> {
    let db = open(dir, cache_bytes)?;
    for key in keys {
        db.get(&key.to_be_bytes())?;
    }
    let cache = db.stats().cache;
    db.close()?;
    Ok(cache.hits as f64 / (cache.hits + cache.misses).max(1) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_often_is_found_in_memory_and_what_is_read_once_never_was() {
        let dir = tempfile::tempdir().unwrap();
        let (small, large) = (dir.path().join("zipf"), dir.path().join("once"));
        fill(&small, all(20_000), VALUE_BYTES).unwrap();
        fill(&large, 0..500, BLOCK_BYTES).unwrap();
        let skewed = |bytes| hits(&small, bytes, zipf(20_000, 40_000)).unwrap();
        // All of it, a quarter, nothing.
        let (whole, part, none) = (skewed(4 << 20), skewed(1 << 19), skewed(0));
        assert!(whole > 0.95 && (0.5..whole).contains(&part) && none == 0.0, "{whole} {part} {none}");
        assert_eq!(hits(&large, 4 << 20, all(500)).unwrap(), 0.0);
    }
}
