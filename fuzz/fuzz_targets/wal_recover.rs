//! A damaged log: what is read back is a prefix of what was written, and a tear that was cut off stays gone.
#![no_main]

use std::path::Path;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use lsm_fuzz::Damage;
use lsm_std::fs::MemFs;
use lsm_std::fuzzing::{Room, Torn, Unsynced, WalReader, WalWriter};
use lsm_std::{Error, Result};

const ID: u64 = 12;
const NAME: &str = "000012.log";

#[derive(Arbitrary, Debug)]
struct Input {
    batches: Vec<Vec<u8>>,
    /// How many of the batches are synced before the others are written; from 128 on the file is made longer at once.
    synced: u8,
    damage: Damage,
}

fuzz_target!(|input: Input| {
    let fs = MemFs::new();
    let synced_len = write(&fs, &input).expect("memory does not fail");
    let mut bytes = fs.bytes(NAME).expect("the log is there");
    let whole = bytes.len();
    input.damage.apply(&mut bytes);
    fs.set_bytes(NAME, bytes);

    match read(&fs, &input.batches) {
        Err(error) => {
            let placed = matches!(error, Error::Corrupt { .. } | Error::NewerFormat { .. });
            assert!(placed, "damage is reported as something else: {error}");
            let cut = input.damage.cut_only();
            assert!(cut.is_none_or(|cut| cut < synced_len), "a lost end that was never synced is no damage: {error}");
        }
        Ok((count, torn, unsynced)) => {
            if input.damage.cut_only().is_some_and(|cut| cut >= whole) {
                assert_eq!((count, torn), (input.batches.len(), None), "an intact log");
            }
            if torn.is_none() {
                return;
            }
            WalWriter::mend(&fs, Path::new(""), ID, &unsynced).expect("memory does not fail");
            let (again, torn, _) = read(&fs, &input.batches).expect("a log that was cut at its tear is whole");
            assert_eq!((again, torn), (count, None));
        }
    }
});

/// Writes the batches, the first ones synced; the length that is synced.
fn write(fs: &MemFs, input: &Input) -> Result<usize> {
    let mut wal =
        WalWriter::create(fs, Path::new(""), ID, if input.synced < 128 { Room::None } else { Room::Zeros(4096) })?;
    let (synced, rest) = input.batches.split_at(usize::from(input.synced & 127).min(input.batches.len()));
    let group = |from: usize, batches| {
        let numbered = move |(at, batch): (usize, &'_ Vec<u8>)| ((from + at) as u64 + 1, batch.clone());
        <[Vec<u8>]>::iter(batches).enumerate().map(numbered).collect::<Vec<_>>()
    };
    let first = group(0, synced);
    wal.append_group(first.iter().map(|(seqno, batch)| (*seqno, batch.as_slice())))?;
    wal.sync()?;
    let synced_len = wal.len() as usize;
    for (seqno, batch) in group(synced.len(), rest) {
        wal.append_group([(seqno, batch.as_slice())])?;
    }
    Ok(synced_len)
}

/// How many batches come back, all as they were written, whether the end is torn, and what may not be durable.
fn read(fs: &MemFs, batches: &[Vec<u8>]) -> Result<(usize, Option<Torn>, Unsynced)> {
    let mut reader = WalReader::open(fs, Path::new(""), ID)?;
    let mut count = 0;
    for record in reader.by_ref() {
        let record = record?;
        let written = batches.get(count).expect("a batch that was never written");
        assert_eq!(record.first_seqno, count as u64 + 1);
        assert_eq!(record.payload, *written);
        count += 1;
    }
    Ok((count, reader.torn(), reader.unsynced()))
}
