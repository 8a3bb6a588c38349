//! Where a get's time goes: what each of its parts takes, the clock's own time taken off, and beside their sum the same gets
//! measured as a whole.
//!
//! By turns some gets are measured by parts and some as a whole, so what else the machine does falls on both alike.

use std::hint::black_box;
use std::path::{Path, PathBuf};

use clap::Parser;
use lsm_std::compaction_core::sim::{SplitMix, Zipf};
use lsm_std::timing::{Part, Stopwatch, mark, taken};
use lsm_std::{Db, Options, Result, SyncPolicy};

/// Bytes of a value.
const VALUE_BYTES: usize = 100;

/// One key in so many is in the memtable.
const NEWEST_EVERY: u64 = 100;

/// So many gets in a row are measured alike.
const STRETCH: u64 = 1_600;

/// One stretch in so many, the slowest, is left out: the machine did something else meanwhile. As many of the fastest are.
const LEFT_OUT: usize = 20;

/// Say where a get's time goes, in nanoseconds
#[derive(Parser)]
struct Args {
    /// Keys of the store
    #[arg(long, default_value_t = 1_000_000)]
    entries: u64,
    /// Gets of a row
    #[arg(long, default_value_t = 10_000_000)]
    gets: u64,
    /// MiB of the caches
    #[arg(long, value_delimiter = ',', default_values_t = [1024, 16])]
    cache_mib: Vec<u64>,
    /// Empty directory for the store
    dir: PathBuf,
}

/// Which keys are read.
#[derive(Clone, Copy, Debug)]
enum Keys {
    /// Keys that are there, all alike.
    Hits,
    /// Keys between them.
    Misses,
    /// Keys that are there, by Zipf's law with exponent 0.99.
    Zipf,
    /// Keys that are in the memtable.
    Newest,
}

impl Keys {
    fn draw(self, random: &mut SplitMix, zipf: &Zipf, entries: u64) -> [u8; 8] {
        let key = match self {
            Self::Hits => 2 * random.below(entries),
            Self::Misses => 2 * random.below(entries) + 1,
            Self::Zipf => 2 * (zipf.next(random).wrapping_mul(0x9E37_79B9_7F4A_7C15) % entries),
            Self::Newest => 2 * NEWEST_EVERY * random.below(entries / NEWEST_EVERY),
        };
        key.to_be_bytes()
    }
}

fn main() -> Result<()> {
    let args = Args::parse();
    fill(&args.dir, args.entries)?;
    print!("{:>9} {:>6}", "cache MiB", "gets");
    for part in Part::ALL {
        print!(" {:>8}", format!("{part:?}"));
    }
    println!(" {:>8} {:>8} {:>7}", "sum", "whole", "apart");
    for &mib in &args.cache_mib {
        let db = open_warm(&args.dir, mib << 20, args.entries)?;
        for keys in [Keys::Hits, Keys::Misses, Keys::Zipf, Keys::Newest] {
            let (parts, whole) = measure(&db, keys, args.entries, args.gets)?;
            let sum: f64 = parts.iter().sum();
            print!("{mib:>9} {:>6}", format!("{keys:?}"));
            parts.iter().for_each(|nanos| print!(" {nanos:>8.1}"));
            println!(" {sum:>8.1} {whole:>8.1} {:>6.1}%", (sum / whole - 1.0) * 100.0);
        }
        db.close()?;
    }
    Ok(())
}

fn open(dir: &Path, cache_bytes: u64) -> Result<Db> {
    Options::new().sync(SyncPolicy::Never).lz4(false).cache_bytes(cache_bytes).open(dir)
}

/// A store of the even numbers below twice `entries`, written in no order.
fn fill(dir: &Path, entries: u64) -> Result<()> {
    let db = open(dir, 0)?;
    for at in 0..entries {
        let number = (u128::from(at) * 1_000_000_000_039 + 12_345) % u128::from(entries);
        db.put(&(2 * number as u64).to_be_bytes(), &[number as u8; VALUE_BYTES])?;
    }
    db.flush()?;
    db.wait_idle()?;
    db.close()
}

/// The store with one key in a hundred written again, which stays in the memtable, and every key read once.
fn open_warm(dir: &Path, cache_bytes: u64, entries: u64) -> Result<Db> {
    let db = open(dir, cache_bytes)?;
    for number in (0..2 * entries).step_by(2 * NEWEST_EVERY as usize) {
        db.put(&number.to_be_bytes(), &[1; VALUE_BYTES])?;
    }
    for number in (0..2 * entries).step_by(2) {
        black_box(db.get(&number.to_be_bytes())?);
    }
    Ok(db)
}

/// What each part of a get takes, and a get as a whole, in nanoseconds.
fn measure(db: &Db, keys: Keys, entries: u64, gets: u64) -> Result<([f64; Part::ALL.len()], f64)> {
    let (mut random, zipf) = (SplitMix::new(1), Zipf::new(entries, 0.99));
    let (mut by_parts, mut wholes) = (Vec::new(), Vec::new());
    for stretch in 0..gets / STRETCH {
        let is_by_parts = stretch.is_multiple_of(2);
        mark(is_by_parts);
        let mut whole = 0;
        for _ in 0..STRETCH {
            let key = keys.draw(&mut random, &zipf, entries);
            let watch = (!is_by_parts).then(Stopwatch::start);
            let found = db.get(&key)?;
            whole += watch.map_or(0, Stopwatch::nanos);
            black_box(found);
        }
        match is_by_parts {
            true => by_parts.push(taken()),
            false => wholes.push([whole]),
        }
    }
    let [whole] = mean(wholes);
    Ok((mean(by_parts), whole))
}

/// The mean get of all stretches but the slowest and the fastest.
fn mean<const N: usize>(mut stretches: Vec<[i64; N]>) -> [f64; N] {
    stretches.sort_by_key(|parts| parts.iter().sum::<i64>());
    let left_out = stretches.len() / LEFT_OUT;
    let stretches = &stretches[left_out..stretches.len() - left_out];
    let gets = (stretches.len() as u64 * STRETCH).max(1) as f64;
    std::array::from_fn(|part| stretches.iter().map(|parts| parts[part]).sum::<i64>() as f64 / gets)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENTRIES: u64 = 20_000;

    #[test]
    fn time_goes_to_the_parts_that_a_get_has_and_adds_up() {
        let dir = tempfile::tempdir().unwrap();
        fill(dir.path(), ENTRIES).unwrap();
        for cache_bytes in [0, 64 << 20] {
            let db = open_warm(dir.path(), cache_bytes, ENTRIES).unwrap();
            let parts = |keys| {
                let (parts, whole) = measure(&db, keys, ENTRIES, 100 * STRETCH).unwrap();
                let sum: f64 = parts.iter().sum();
                // With much else on the machine.
                assert!((0.5..2.0).contains(&(sum / whole)), "{keys:?}: {sum} of {whole} in {parts:?}");
                parts
            };
            let of = |parts: &[f64], part: Part| parts[part as usize];
            let hits = parts(Keys::Hits);
            assert!([Part::Memtable, Part::Filter, Part::Decode].iter().all(|&part| of(&hits, part) > 0.0), "{hits:?}");
            assert_eq!(of(&hits, Part::Disk) > 0.0, cache_bytes == 0, "{hits:?}");
            let newest = parts(Keys::Newest);
            assert!(Part::ALL[2..].iter().all(|&part| of(&newest, part) == 0.0), "{newest:?}");
            db.close().unwrap();
        }
    }
}
