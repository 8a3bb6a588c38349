//! How long a store of many tables takes to open: makes one in a temporary directory, every table a run of its own, and opens
//! it a few times.

use std::path::PathBuf;
use std::time::Instant;

use clap::Parser;
use lsm_std::compaction_core::AnySettings;
use lsm_std::fs::Purpose;
use lsm_std::{Options, SyncPolicy};

/// Open a store of many tables and say how long it takes.
#[derive(Parser)]
struct Args {
    /// How many tables
    #[arg(long, default_value_t = 10_000)]
    tables: u64,
    /// Directory of the store; must be empty or hold one that was made by this program
    dir: PathBuf,
}

fn main() -> lsm_std::Result<()> {
    let args = Args::parse();
    let options = || Options::new().strategy(AnySettings::Idle).memtable_bytes(1024).sync(SyncPolicy::Never);
    let db = options().deterministic(1).open(&args.dir)?;
    let made = db.runs().len() as u64;
    let mut at = 0u64;
    while made + db.stats().flushes < args.tables {
        db.put(&(at * 7919 % 1_000_003).to_be_bytes(), &[1; 100])?;
        at += 1;
    }
    db.close()?;
    for _ in 0..5 {
        let start = Instant::now();
        let db = options().open(&args.dir)?;
        let opened = start.elapsed();
        let first = Instant::now();
        db.get(b"absent")?;
        let (got, tables) = (first.elapsed(), db.runs().len());
        let reads = db.stats().io(Purpose::Read).reads;
        println!("{tables} tables: opened in {opened:.1?}; a first get in {got:.1?} with {reads} reads of tables");
        db.close()?;
    }
    Ok(())
}
