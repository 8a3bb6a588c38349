//! A damaged table answers as the intact one did or with an error; damage under right checksums never panics or runs away.
#![no_main]

use std::ops::Bound;
use std::path::Path;
use std::sync::Arc;

use arbitrary::Arbitrary;
use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use lsm_fuzz::Damage;
use lsm_std::fs::{MemFs, Purpose};
use lsm_std::fuzzing::{
    Access, Cache, Cursor, Direction, Entry, EntryRef, Kind, Step, TableOptions, TableReader, TableWriter, key_hash,
};
use lsm_std::{Error, Result};

const ID: u64 = 7;
const NAME: &str = "000007.sst";
const FOOTER_BYTES: usize = 48;
const ENTRIES_MAX: usize = 64;

#[derive(Arbitrary, Debug)]
struct Input {
    entries: Vec<(Vec<u8>, u8, Option<Vec<u8>>)>,
    block_bytes: u8,
    lz4: bool,
    filter_bits: u8,
    probe: Vec<u8>,
    damage: Damage,
    /// Damage only one part (data, filter, index, properties), and make its checksum right again.
    resealed: Option<u8>,
}

fuzz_target!(|input: Input| {
    let fs = Arc::new(MemFs::new());
    let entries = entries(&input);
    write(&fs, &input, &entries).expect("a lawful table is written");
    let mut bytes = fs.bytes(NAME).expect("the table is there");
    assert_eq!(read(&fs, &input.probe).expect("an intact table is read"), entries);
    match input.resealed {
        None => input.damage.apply(&mut bytes),
        Some(part) => reseal(&mut bytes, part, &input.damage),
    }
    fs.set_bytes(NAME, bytes);
    match read(&fs, &input.probe) {
        Ok(found) if input.resealed.is_none() => assert_eq!(found, entries, "damage changed an answer"),
        Ok(_) => {}
        Err(error) => assert!(matches!(error, Error::Corrupt { .. } | Error::NewerFormat { .. }), "{error}"),
    }
});

fn entries(input: &Input) -> Vec<Entry> {
    let entry = |(key, seqno, value): &(Vec<u8>, u8, Option<Vec<u8>>)| Entry {
        key: Bytes::copy_from_slice(key),
        seqno: u64::from(*seqno),
        kind: if value.is_some() { Kind::Put } else { Kind::Delete },
        value: value.as_deref().map(Bytes::copy_from_slice).unwrap_or_default(),
    };
    let mut entries: Vec<Entry> = input.entries.iter().take(ENTRIES_MAX).map(entry).collect();
    if entries.is_empty() {
        entries.push(entry(&(Vec::new(), 0, None)));
    }
    entries.sort_by(Entry::order);
    entries.dedup_by(|a, b| a.key == b.key && a.seqno == b.seqno);
    entries
}

fn write(fs: &MemFs, input: &Input, entries: &[Entry]) -> Result<()> {
    // One block when it is to be damaged behind its checksum, so that its place is known.
    let block_bytes = if input.resealed.is_some() { usize::MAX } else { usize::from(input.block_bytes) + 1 };
    let options = TableOptions { block_bytes, lz4: input.lz4, filter_bits: input.filter_bits % 20 };
    let mut table = TableWriter::new(fs, Path::new(""), ID, &options, Purpose::Flush)?;
    for entry in entries {
        table.add(&entry.key, entry.seqno, entry.kind, &entry.value)?;
    }
    table.finish(1, 1).map(drop)
}

/// Everything the table can be asked: all entries, forward and backward; each by its key; one key more; all bytes verified.
fn read(fs: &Arc<MemFs>, probe: &[u8]) -> Result<Vec<Entry>> {
    let table = TableReader::open(fs.clone(), Path::new(""), ID, Cache::new(1 << 16, 4))?;
    let all =
        |direction| entries_of(table.range(Bound::Unbounded, Bound::Unbounded, direction, Access::Read), usize::MAX);
    let forward = all(Direction::Forward)?;
    let mut backward = all(Direction::Backward)?;
    backward.reverse();
    for entry in &forward {
        let _ = table.get(&entry.key, key_hash(&entry.key), entry.seqno)?;
    }
    let key = Bytes::copy_from_slice(probe);
    let _ = table.get(&key, key_hash(&key), u64::MAX)?;
    let above = (Bound::Excluded(key.clone()), Bound::Unbounded);
    entries_of(table.range(above.0, above.1, Direction::Forward, Access::Merge { inputs: 1 }), 1)?;
    entries_of(table.range(Bound::Unbounded, Bound::Included(key), Direction::Backward, Access::Read), 1)?;
    table.verify()?;
    assert_eq!(forward, backward, "forward and backward differ in a table that verifies");
    Ok(forward)
}

/// The first entries that a walk comes to.
fn entries_of(mut walk: impl Cursor, most: usize) -> Result<Vec<Entry>> {
    let mut entries = Vec::new();
    while entries.len() < most && walk.step()? == Step::Entry {
        let EntryRef { key, seqno, kind, .. } = walk.entry();
        entries.push(Entry { key: Bytes::copy_from_slice(key), seqno, kind, value: walk.value() });
    }
    Ok(entries)
}

/// Damages one part of a table of one data block and seals it again.
fn reseal(bytes: &mut [u8], part: u8, damage: &Damage) {
    let footer = bytes.len() - FOOTER_BYTES;
    let offset =
        |at: usize| u64::from_le_bytes(bytes[footer + at..footer + at + 8].try_into().expect("eight bytes")) as usize;
    let ends = [0, offset(0), offset(8), offset(16), footer];
    let part = usize::from(part % 4);
    let (start, end) = (ends[part], ends[part + 1]);
    if start == end {
        return;
    }
    damage.patch(&mut bytes[start..end - 4]);
    let mut sum = crc32fast::Hasher::new();
    sum.update(&ID.to_le_bytes());
    sum.update(&(start as u64).to_le_bytes());
    sum.update(&bytes[start..end - 4]);
    bytes[end - 4..end].copy_from_slice(&sum.finalize().to_le_bytes());
}
