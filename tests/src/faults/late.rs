//! A log of which the disk took one sector earlier than the others.

use std::sync::Arc;

use compaction_core::sim::SplitMix;
use lsm_std::{LogicalClock, Options, Result, SyncPolicy};

use super::history::Map;
use super::script::pairs;
use crate::disk::{Disk, Left, STORE};

/// Batches of one put each.
const PUTS: u64 = 40;

fn options(disk: &Disk) -> Options {
    let options = Options::new().fs(disk.boot()).clock(Arc::new(LogicalClock::at(7))).sync(SyncPolicy::Never);
    options.deterministic(1).memtable_bytes(1 << 16)
}

/// Writes what is not synced, then cuts the power once for each sector of the log and each moment of it at which the disk may have
/// taken it, all others being up to date. Returns how many cuts there were, and how many of them took something.
///
/// # Panics
/// If a store cannot be opened afterwards, or holds something else than the first so many of the batches.
#[must_use]
pub fn lag(seed: u64) -> (u64, u64) {
    let disk = Disk::new(seed);
    disk.take_pieces();
    let maps = write(&disk, seed).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
    let (writes, sectors) = disk.last_writes().unwrap_or_default();
    let (mut cuts, mut losses) = (0, 0);
    for left in (0..sectors).flat_map(|sector| (0..writes).map(move |writes| Left::Late { sector, writes })) {
        let disk = disk.image();
        disk.cut(left);
        let found = options(&disk).open(STORE).and_then(|db| Ok((db.stats().last_seqno as usize, pairs(&db)?)));
        let (batches, map) = found.unwrap_or_else(|error| panic!("seed {seed}, {left:?}: {error}"));
        assert_eq!(map, maps[batches], "seed {seed}, {left:?}: after {batches} batches");
        cuts += 1;
        losses += u64::from(batches < maps.len() - 1);
    }
    (cuts, losses)
}

/// Writes the batches. Returns what the store holds after each, the empty store first.
fn write(disk: &Disk, seed: u64) -> Result<Vec<Map>> {
    let (mut rng, mut maps) = (SplitMix::new(seed), vec![Map::new()]);
    let db = options(disk).open(STORE)?;
    for at in 0..PUTS {
        let (key, value) = (vec![b'a' + rng.below(9) as u8], vec![1 + at as u8; rng.below(220) as usize]);
        db.put(&key, &value)?;
        let mut map = maps.last().cloned().unwrap_or_default();
        map.insert(key, value);
        maps.push(map);
    }
    // What the store would do as it closes is not on the disk.
    drop(disk.boot());
    drop(db);
    Ok(maps)
}
