use std::ops::Bound;
use std::sync::Arc;

use byteorder::{ByteOrder, LE};
use proptest::prelude::*;

use super::builder::BlockBuilder;
use super::filter::Filter;
use super::footer::Footer;
use super::index::IndexBuilder;
use super::seal::{Sealer, TRAILER_BYTES, crc};
use super::tests::{entries, key, model, open, options, plain, write};
use super::*;
use crate::error::{Error, Result};
use crate::fs::MemFs;
use crate::iter::Direction;
use crate::types::{Entry, SeqNo, TableMeta};

const NAME: &str = "000007.sst";

/// All that a reader sees of a table: its entries, and what point reads of some keys find.
fn everything(fs: &Arc<MemFs>, keys: &[bytes::Bytes]) -> Result<(Vec<Entry>, Vec<Option<crate::types::Found>>)> {
    let table = open(fs, 7)?;
    let walk = |direction| entries(table.range(Bound::Unbounded, Bound::Unbounded, direction, Access::Read));
    let all = walk(Direction::Forward)?;
    walk(Direction::Backward)?;
    let found = keys.iter().map(|key| table.get(key, key_hash(key), SeqNo::MAX)).collect::<Result<_>>()?;
    Ok((all, found))
}

/// True if the error names the file and a place in it.
fn is_placed(error: &Error, len: usize) -> bool {
    matches!(error, Error::Corrupt { path, offset, .. } if path.as_os_str() == NAME && *offset <= len as u64)
}

#[test]
fn every_flipped_bit_is_an_error_that_names_the_place() {
    for options in [
        TableOptions { block_bytes: 64, ..TableOptions::default() },
        TableOptions { lz4: false, ..TableOptions::default() },
    ] {
        let fs = Arc::new(MemFs::new());
        write(&*fs, 7, &options, &plain(20)).unwrap();
        let good = fs.bytes(NAME).unwrap();
        everything(&fs, &[]).unwrap();
        for bit in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            fs.set_bytes(NAME, bad);
            let read = everything(&fs, &[]);
            assert!(read.as_ref().is_err_and(|e| is_placed(e, good.len())), "bit {bit}: {read:?}");
            let verified = open(&fs, 7).and_then(|table| table.verify());
            assert!(verified.as_ref().is_err_and(|e| is_placed(e, good.len())), "bit {bit}: {verified:?}");
        }
    }
}

#[test]
fn a_table_cut_at_any_byte_does_not_open() {
    let fs = Arc::new(MemFs::new());
    write(&*fs, 7, &TableOptions::default(), &plain(20)).unwrap();
    let good = fs.bytes(NAME).unwrap();
    for len in 0..good.len() {
        fs.set_bytes(NAME, good[..len].to_vec());
        let opened = open(&fs, 7).map(drop);
        assert!(opened.as_ref().is_err_and(|e| is_placed(e, len)), "{len} bytes: {opened:?}");
    }
}

#[test]
fn a_table_of_a_later_format_or_another_number_is_refused() {
    let fs = Arc::new(MemFs::new());
    write(&*fs, 7, &TableOptions::default(), &plain(20)).unwrap();
    let good = fs.bytes(NAME).unwrap();
    let footer = good.len() - 48;
    let mut newer = good.clone();
    LE::write_u32(&mut newer[footer + 32..], 2);
    let sum = crc(7, 0, &newer[footer..footer + 36]);
    LE::write_u32(&mut newer[footer + 36..], sum);
    fs.set_bytes(NAME, newer);
    assert!(matches!(open(&fs, 7), Err(Error::NewerFormat { found: 2, known: 1, .. })));
    fs.set_bytes("000008.sst", good);
    let refused = open(&fs, 8).unwrap_err().to_string();
    assert!(refused.ends_with("table 7 under the name of 8"), "{refused}");
}

#[test]
fn a_block_in_the_place_of_another_is_an_error() {
    let fs = Arc::new(MemFs::new());
    let options = TableOptions { block_bytes: 1, lz4: false, filter_bits: 0 };
    write(&*fs, 7, &options, &plain(2)).unwrap();
    let table = open(&fs, 7).unwrap();
    let len = table.handle(0).unwrap().len;
    assert_eq!(table.handle(1).unwrap().len, len);
    let mut bytes = fs.bytes(NAME).unwrap();
    let (first, second) = bytes.split_at_mut(len);
    first.swap_with_slice(&mut second[..len]);
    fs.set_bytes(NAME, bytes);
    assert!(everything(&fs, &[]).is_err_and(|e| is_placed(&e, 0)));
}

/// The stored form of properties for a table of `bytes` bytes.
fn properties(bytes: u64, change: impl FnOnce(&mut TableMeta)) -> Vec<u8> {
    let mut meta = TableMeta {
        id: 7,
        bytes,
        entries: 2,
        tombstones: 0,
        min: "k".into(),
        max: "l".into(),
        newest_ms: 0,
        oldest_tombstone_ms: None,
        oldest_seqno: 3,
        newest_seqno: 3,
    };
    change(&mut meta);
    let mut out = Vec::new();
    meta.encode(&mut out);
    out
}

/// A table of these parts, whatever they hold, with right checksums.
fn table_of_parts(block: &[u8], filter: &[u8], index: &[u8], properties: &[u8]) -> Vec<u8> {
    let mut sealer = Sealer::new(7, false);
    let mut out = Vec::new();
    let [_, filter_at, index_at, properties_at] = [block, filter, index, properties].map(|part| {
        let start = out.len() as u64;
        sealer.seal(part, start, &mut out);
        start
    });
    Footer { filter_at, index_at, properties_at }.encode(7, &mut out);
    out
}

/// What `verify` says of a table of two entries, of which one part is changed.
fn verified(keys: [&str; 2], filter: &[u8], separator: &str, change: impl Fn(&mut TableMeta)) -> Result<(), String> {
    let mut block = BlockBuilder::default();
    keys.iter().for_each(|key| block.add(key.as_bytes(), 3, crate::types::Kind::Put, b"v"));
    let block = block.finish().unwrap();
    let mut index = IndexBuilder::default();
    index.add(separator.as_bytes(), 0, block.len() + TRAILER_BYTES);
    let index = index.finish();
    let table = |bytes| table_of_parts(block, filter, &index, &properties(bytes, &change));
    let fs = Arc::new(MemFs::new());
    fs.set_bytes(NAME, table(table(0).len() as u64));
    open(&fs, 7).unwrap().verify().map_err(|e| e.to_string())
}

#[test]
fn parts_that_contradict_each_other_are_found_though_every_checksum_is_right() {
    let right = Filter::build(&[key_hash(b"k"), key_hash(b"l")].into_iter().collect(), 10);
    let none = |_: &mut TableMeta| {};
    assert_eq!(verified(["k", "l"], &right, "l", none), Ok(()));
    let wrong =
        |found: Result<(), String>, what: &str| assert!(found.as_ref().is_err_and(|e| e.contains(what)), "{found:?}");
    wrong(verified(["k", "k"], &right, "l", none), "is out of order");
    wrong(
        verified(["k", "l"], &Filter::build(&[key_hash(b"k")].into_iter().collect(), 10), "l", none),
        "is denied by the filter",
    );
    wrong(verified(["k", "l"], &right, "k", none), "is not where the index says");
    wrong(verified(["k", "l"], &right, "l", |meta| meta.min = "j".into()), "is first");
    wrong(verified(["k", "l"], &right, "l", |meta| meta.max = "m".into()), "the properties say otherwise");
    wrong(verified(["k", "l"], &right, "l", |meta| meta.entries = 3), "the properties say otherwise");
    wrong(verified(["k", "l"], &right, "l", |meta| meta.newest_seqno = 4), "the properties say otherwise");
    wrong(verified(["k", "l"], &right, "l", |meta| meta.oldest_seqno = 2), "the properties say otherwise");
    let tombstone = |meta: &mut TableMeta| (meta.tombstones, meta.oldest_tombstone_ms) = (1, Some(0));
    wrong(verified(["k", "l"], &right, "l", tombstone), "the properties say otherwise");
}

/// Seals a damaged part again, so that the damage gets past the checksum: the part must still be read without a panic or a runaway.
fn reseal(bytes: &mut [u8], start: usize, end: usize) {
    let sum = crc(7, start as u64, &bytes[start..end - 4]);
    LE::write_u32(&mut bytes[end - 4..end], sum);
}

proptest! {
    #[test]
    fn damage_behind_a_right_checksum_is_an_error_or_other_data_but_no_panic(
        model in model(),
        options in options(),
        keys in prop::collection::vec(key(), 5),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        part in 0..4usize,
    ) {
        let fs = Arc::new(MemFs::new());
        write(&*fs, 7, &options, &model).unwrap();
        let mut bytes = fs.bytes(NAME).unwrap();
        let footer = bytes.len() - 48;
        let at = |i: usize| LE::read_u64(&bytes[footer + 8 * i..]) as usize;
        let first_block = open(&fs, 7).unwrap().handle(0).unwrap().len;
        let parts = [(0, first_block), (at(0), at(1)), (at(1), at(2)), (at(2), footer)];
        let (start, end) = parts[part];
        if end - start > 5 {
            for (index, byte) in damage {
                bytes[start + index.index(end - start - 4)] = byte;
            }
            reseal(&mut bytes, start, end);
            fs.set_bytes(NAME, bytes);
            let _ = everything(&fs, &keys);
            let _ = open(&fs, 7).and_then(|table| table.verify());
        }
    }
}
