use std::path::Path;

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::error::Error;
use crate::fs::{Fs, MemFs};

pub(super) const KIND: JournalKind =
    JournalKind { magic: *b"journal\n", version: 3, purpose: Purpose::Other, cuts_damage: false };
pub(super) const PATH: &str = "j";

/// The work of a power cut: what lies from `end` to `len` is lost.
fn lost(end: usize, len: usize, records: u64) -> Torn {
    Torn { offset: end as u64, bytes_lost: (len - end) as u64, records_lost: records, is_cut: true }
}

/// What a journal of these bytes says.
pub(super) fn read(bytes: &[u8]) -> Result<(Vec<Bytes>, Option<Torn>)> {
    read_as(&KIND, bytes)
}

pub(super) fn read_as(kind: &JournalKind, bytes: &[u8]) -> Result<(Vec<Bytes>, Option<Torn>)> {
    let fs = MemFs::new();
    fs.set_bytes(PATH, bytes.to_vec());
    let mut reader = JournalReader::open(&fs, Path::new(PATH), 9, kind)?;
    let payloads = reader.by_ref().map(|r| r.map(|r| r.payload)).collect::<Result<_>>()?;
    Ok((payloads, reader.torn()))
}

/// A journal of these payloads, each its own group, and where each record ends. Synced after those groups where `sync` says so.
fn journal(payloads: &[Vec<u8>], sync: impl Fn(usize) -> bool) -> (Vec<u8>, Vec<usize>) {
    with_room(payloads, Room::None, sync)
}

/// The same, with this room.
pub(super) fn with_room(payloads: &[Vec<u8>], room: Room, sync: impl Fn(usize) -> bool) -> (Vec<u8>, Vec<usize>) {
    let fs = MemFs::new();
    let mut journal = JournalWriter::create(&fs, Path::new(PATH), 9, &KIND, room).unwrap();
    let mut ends = vec![journal.len() as usize];
    for (i, payload) in payloads.iter().enumerate() {
        journal.append_group([(i as u64, payload.as_slice())]).unwrap();
        ends.push(journal.len() as usize);
        if sync(i) {
            journal.sync().unwrap();
        }
    }
    (fs.bytes(PATH).unwrap(), ends)
}

pub(super) fn payloads() -> impl Strategy<Value = Vec<Vec<u8>>> {
    prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 1..8)
}

proptest! {
    #[test]
    fn a_journal_cut_at_any_byte_holds_the_whole_records_before(payloads in payloads()) {
        let (bytes, ends) = journal(&payloads, |i| i % 2 == 0);
        for len in 0..=bytes.len() {
            let whole = ends.iter().rposition(|&end| end <= len);
            let (found, torn) = read(&bytes[..len]).unwrap();
            prop_assert_eq!(found.len(), whole.unwrap_or(0));
            prop_assert!(found.iter().zip(&payloads).all(|(a, b)| a == b));
            let end = whole.map_or(0, |i| ends[i]);
            prop_assert_eq!(torn, (len > end).then_some(lost(end, len, 0)));
        }
    }

    #[test]
    fn every_flipped_bit_is_an_error_at_the_start_of_its_record(payloads in payloads(), bit in 0..8u32, sync: bool) {
        let (bytes, ends) = journal(&payloads, |_| sync);
        for at in 0..bytes.len() {
            let mut bad = bytes.clone();
            bad[at] ^= 1u8 << bit;
            let record = ends.iter().position(|&end| at < end).unwrap();
            let start = if record == 0 { 0 } else { ends[record - 1] as u64 };
            let found = read(&bad);
            prop_assert!(matches!(found, Err(Error::Corrupt { offset, .. }) if offset == start), "byte {at}: {found:?}");
        }
    }

    #[test]
    fn damage_is_cut_off_where_nothing_whole_lies_behind_and_nothing_says_that_it_was_synced(
        payloads in payloads(), bit in 0..8u32, sync: bool, tail in prop::collection::vec(any::<u8>(), 0..50),
    ) {
        let kind = JournalKind { cuts_damage: true, ..KIND };
        let (bytes, ends) = journal(&payloads, |_| sync);
        let last = ends[ends.len() - 2];
        for at in 0..bytes.len() {
            let mut bad = bytes.clone();
            bad[at] ^= 1u8 << bit;
            bad.extend(&tail);
            let record = ends.iter().position(|&end| at < end).unwrap();
            let start = if record == 0 { 0 } else { ends[record - 1] as u64 };
            match read_as(&kind, &bad) {
                Err(Error::Corrupt { offset, .. }) => prop_assert!(offset == start && at < last, "byte {at}: {offset}"),
                Ok((found, Some(torn))) => {
                    prop_assert!(at >= last && torn.offset == start && torn.records_lost == 0, "byte {at}: {torn:?}");
                    prop_assert_eq!(found.len(), payloads.len() - 1);
                }
                other => prop_assert!(false, "byte {at}: {other:?}"),
            }
        }
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(bytes: Vec<u8>, tail: Vec<u8>) {
        let _ = read(&bytes);
        let (mut whole, _) = journal(&[bytes], |_| false);
        whole.extend(tail);
        let _ = read(&whole);
    }
}

#[test]
fn a_group_is_one_write_of_many_records() {
    let fs = crate::fs::CountingFs::new(std::sync::Arc::new(MemFs::new()));
    let mut journal = JournalWriter::create(&fs, Path::new(PATH), 9, &KIND, Room::None).unwrap();
    let before = fs.counts().of(KIND.purpose).writes;
    let payloads: Vec<_> = (0..100u8).map(|i| vec![i; i.into()]).collect();
    journal.append_group(payloads.iter().enumerate().map(|(i, p)| (i as u64, p.as_slice()))).unwrap();
    assert_eq!(fs.counts().of(KIND.purpose).writes, before + 1);
    let reader = JournalReader::open(&fs, Path::new(PATH), 9, &KIND).unwrap();
    let found: Vec<_> = reader.map(|r| r.map(|r| (r.tag as usize, r.payload)).unwrap()).collect();
    assert!(found.iter().enumerate().all(|(i, (tag, p))| *tag == i && *p == payloads[i]));
    assert_eq!(found.len(), 100);
}

#[test]
fn records_after_a_cut_are_found_at_the_next_open() {
    let (mut bytes, ends) = journal(&[b"a".to_vec(), b"b".to_vec()], |_| true);
    bytes.truncate(ends[2] - 1);
    let fs = MemFs::new();
    fs.set_bytes(PATH, bytes);
    let mut journal = JournalWriter::resume(&fs, Path::new(PATH), 9, &KIND, ends[1] as u64).unwrap();
    journal.append_group([(7, b"c".as_slice())]).unwrap();
    assert_eq!(read(&fs.bytes(PATH).unwrap()).unwrap(), (vec![Bytes::from("a"), Bytes::from("c")], None));
}

#[test]
fn whole_records_are_salvaged_and_what_lies_between_them_is_named() {
    let (mut bytes, ends) = journal(&[vec![1; 50], vec![2; 60], vec![3; 70]], |_| false);
    let salvaged = |bytes: &[u8]| {
        let fs = MemFs::new();
        fs.set_bytes(PATH, bytes.to_vec());
        let salvaged = JournalReader::salvage(&fs, Path::new(PATH), 9, &KIND).unwrap();
        let gaps: Vec<_> = salvaged.gaps.iter().map(|gap| (gap.offset as usize, gap.bytes as usize)).collect();
        (salvaged.records.iter().map(|record| record.tag).collect::<Vec<_>>(), gaps)
    };
    assert_eq!(salvaged(&bytes), (vec![0, 1, 2], vec![]));
    bytes[ends[1] + 40] ^= 1;
    assert_eq!(salvaged(&bytes), (vec![0, 2], vec![(ends[1], ends[2] - ends[1])]));
    bytes[3] ^= 1;
    let cut = ends[3] - 1;
    assert_eq!(salvaged(&bytes[..cut]), (vec![0], vec![(0, HEADER_BYTES), (ends[1], cut - ends[1])]));
}

#[test]
fn what_no_record_says_was_synced_is_to_be_written_again() {
    let payloads = [vec![1; 50], vec![2; 60], vec![3; 70]];
    for synced in 0..3 {
        let (bytes, ends) = journal(&payloads, |i| i < synced);
        let fs = MemFs::new();
        fs.set_bytes(PATH, [&bytes[..], &[0; 9]].concat());
        let mut reader = JournalReader::open(&fs, Path::new(PATH), 9, &KIND).unwrap();
        while reader.next().transpose().unwrap().is_some() {}
        let (unsynced, end) = (reader.unsynced(), ends[3]);
        // What the last sync but one has reached, the records behind it say.
        let start = if synced == 0 { 0 } else { ends[synced] };
        assert_eq!((unsynced.offset, unsynced.end()), (start as u64, end as u64), "{synced} synced");
        assert_eq!(unsynced.bytes, bytes[start..end]);
        let mended = JournalWriter::mend(&fs, Path::new(PATH), 9, &KIND, &unsynced).unwrap();
        assert_eq!((mended.len(), mended.synced()), (end as u64, end as u64));
        assert_eq!(fs.bytes(PATH).unwrap(), bytes);
    }
}

/// Three records of a page and more, of which the device lost one sector of the second, and wrote the third.
fn with_a_lost_sector(sync: impl Fn(usize) -> bool) -> (Vec<u8>, Vec<usize>) {
    let (mut bytes, ends) = journal(&[vec![1; 4000], vec![2; 4000], vec![3; 4000]], sync);
    bytes[4096..4608].fill(0);
    (bytes, ends)
}

#[test]
fn a_sector_that_was_never_synced_may_be_lost_though_later_ones_were_written() {
    let (bytes, ends) = with_a_lost_sector(|i| i == 0);
    let torn = lost(ends[1], bytes.len(), 1);
    assert_eq!(read(&bytes).unwrap(), (vec![Bytes::from(vec![1; 4000])], Some(torn)));
}

#[test]
fn a_lost_sector_at_the_end_is_a_torn_tail() {
    let (mut bytes, ends) = journal(&[vec![1; 4000], vec![2; 4000]], |i| i == 0);
    let from = ends[2] / 512 * 512;
    bytes[from..].fill(0);
    assert_eq!(read(&bytes).unwrap().1.unwrap().offset, ends[1] as u64);
    bytes[ends[1]..].fill(0);
    assert_eq!(read(&bytes).unwrap().1.unwrap().offset, ends[1] as u64);
    bytes.fill(0);
    assert_eq!(read(&bytes).unwrap().1, Some(lost(0, bytes.len(), 0)));
}

#[test]
fn a_lost_sector_that_was_synced_is_damage() {
    let (bytes, ends) = with_a_lost_sector(|i| i == 1);
    assert!(matches!(read(&bytes), Err(Error::Corrupt { offset, .. }) if offset == ends[1] as u64));
}

#[test]
fn what_a_header_says_was_synced_is_not_cut_off_though_the_last_payload_is_damaged() {
    let kind = JournalKind { cuts_damage: true, ..KIND };
    for sync in [false, true] {
        let (mut bytes, ends) = journal(&[vec![1; 50], vec![2; 50], vec![3; 50]], |_| sync);
        bytes[ends[2] - 1] ^= 1;
        bytes[ends[3] - 1] ^= 1;
        match read_as(&kind, &bytes) {
            Ok((found, Some(torn))) => assert!(!sync && found.len() == 1 && !torn.is_cut, "{torn:?}"),
            Err(error @ Error::Corrupt { offset, .. }) => {
                assert!(sync && offset == ends[1] as u64);
                assert!(error.to_string().contains("it is known to have been synced"), "{error}");
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_journal_that_lost_its_header_gets_it_again() {
    let fs = MemFs::new();
    fs.set_bytes(PATH, vec![0; 7]);
    let mut journal = JournalWriter::resume(&fs, Path::new(PATH), 9, &KIND, 0).unwrap();
    assert!(journal.is_empty() && journal.synced() == 0);
    journal.append_group([(7, b"c".as_slice())]).unwrap();
    assert_eq!(read(&fs.bytes(PATH).unwrap()).unwrap(), (vec![Bytes::from("c")], None));
}

#[test]
fn a_journal_inside_a_value_is_not_taken_for_records() {
    let (inner, _) = journal(&[b"inner".to_vec(), b"inner".to_vec()], |_| true);
    let (bytes, ends) = journal(&[b"a".to_vec(), inner.clone(), inner], |_| true);
    assert_eq!(read(&bytes[..bytes.len() - 1]).unwrap().0.len(), 2);
    assert_eq!(read(&bytes[..ends[2] - 1]).unwrap().0.len(), 1);
}

#[test]
fn other_files_under_this_name_are_refused() {
    let (bytes, _) = journal(&[], |_| true);
    let fs = MemFs::new();
    fs.set_bytes(PATH, bytes);
    let open = |id, kind| JournalReader::open(&fs, Path::new(PATH), id, kind).map(drop);
    assert!(open(9, &KIND).is_ok());
    assert!(matches!(open(8, &KIND), Err(Error::Corrupt { offset: 0, .. })));
    let other = JournalKind { magic: *b"journal2", ..KIND };
    assert!(matches!(open(9, &other), Err(Error::Corrupt { offset: 0, .. })));
    let older = JournalKind { version: 2, ..KIND };
    assert!(matches!(open(9, &older), Err(Error::NewerFormat { found: 3, known: 2, .. })));
    assert!(fs.remove(Path::new(PATH)).is_ok() && open(9, &KIND).is_err_and(|e| e.is_not_found()));
}

#[test]
fn headers_whose_payloads_overlap_are_an_error_found_in_linear_time() {
    let (mut bytes, ends) = journal(&[b"whole".to_vec()], |_| false);
    let len = 4 << 20;
    bytes.push(1);
    while bytes.len() + RECORD_HEADER_BYTES <= len {
        let rest = (len - bytes.len() - RECORD_HEADER_BYTES) as u32;
        let head = RecordHeader { len: rest, tag: 1, synced: 0, payload_crc: 0 };
        bytes.extend_from_slice(&head.encode(9, bytes.len() as u64));
    }
    bytes.resize(len, 0);
    let found = read_as(&JournalKind { cuts_damage: true, ..KIND }, &bytes);
    assert!(matches!(&found, Err(Error::Corrupt { offset, .. }) if *offset == ends[1] as u64), "{found:?}");
    assert!(found.unwrap_err().to_string().contains("the records that follow overlap"));
    let fs = MemFs::new();
    fs.set_bytes(PATH, bytes);
    assert_eq!(JournalReader::salvage(&fs, Path::new(PATH), 9, &KIND).unwrap().records.len(), 1);
}

#[test]
fn a_payload_longer_than_the_file_overlaps_with_nothing() {
    let (mut bytes, ends) = journal(&[vec![1; 50], vec![2; 9_000]], |_| false);
    bytes[ends[1] - 1] ^= 1;
    bytes.truncate(ends[1] + RECORD_HEADER_BYTES + 100);
    let (found, torn) = read_as(&JournalKind { cuts_damage: true, ..KIND }, &bytes).unwrap();
    assert_eq!((found.len(), torn.unwrap().offset), (0, ends[0] as u64));
    let error = read(&bytes).unwrap_err().to_string();
    assert!(error.contains("no record follows"), "{error}");
    let third = RecordHeader { len: 3, tag: 1, synced: 0, payload_crc: crc32fast::hash(b"new") };
    bytes.extend(third.encode(9, bytes.len() as u64));
    bytes.extend(b"new");
    let fs = MemFs::new();
    fs.set_bytes(PATH, bytes);
    assert_eq!(JournalReader::salvage(&fs, Path::new(PATH), 9, &KIND).unwrap().records.len(), 1);
}

#[test]
fn headers_whose_payloads_reach_beyond_the_end_overlap_with_nothing() {
    let (mut bytes, _) = journal(&[b"whole".to_vec()], |_| false);
    let last = RecordHeader { len: 3, tag: 2, synced: 0, payload_crc: crc32fast::hash(b"new") };
    let end = bytes.len() + 5 * RECORD_HEADER_BYTES + 4;
    bytes.push(1);
    for _ in 0..4 {
        let len = (end - bytes.len() - RECORD_HEADER_BYTES + 1) as u32;
        let head = RecordHeader { len, tag: 1, synced: 0, payload_crc: 0 };
        bytes.extend(head.encode(9, bytes.len() as u64));
    }
    bytes.extend(last.encode(9, bytes.len() as u64));
    bytes.extend(b"new");
    assert_eq!(bytes.len(), end);
    let error = read(&bytes).unwrap_err().to_string();
    assert!(!error.contains("overlap"), "{error}");
    let fs = MemFs::new();
    fs.set_bytes(PATH, bytes);
    assert_eq!(JournalReader::salvage(&fs, Path::new(PATH), 9, &KIND).unwrap().records.len(), 2);
}

#[test]
fn records_of_another_file_or_from_another_place_are_none() {
    let (bytes, ends) = journal(&[vec![7; 30], vec![8; 30]], |_| false);
    let whole = |id, parts: [&[u8]; 2]| {
        let fs = MemFs::new();
        fs.set_bytes(PATH, parts.concat());
        JournalReader::salvage(&fs, Path::new(PATH), id, &KIND).unwrap().records.len()
    };
    assert_eq!(whole(9, [&bytes, &[]]), 2);
    assert_eq!(whole(12, [&header(&KIND, 12, 0), &bytes[HEADER_BYTES..]]), 0, "written to file 9");
    assert_eq!(whole(9, [&bytes[..ends[0]], &bytes[ends[1]..]]), 0, "written further behind");
}

#[test]
fn what_no_power_cut_explains_is_damage() {
    let is_damage =
        |bytes: &[u8], offset| matches!(read(bytes), Err(Error::Corrupt { offset: at, .. }) if at == offset as u64);
    let (bytes, ends) = journal(&[vec![7; 30], vec![8; 30]], |_| false);
    let mut header = bytes[..HEADER_BYTES].to_vec();
    header[3] ^= 1;
    assert!(is_damage(&header, 0), "a whole header, alone");
    let mut first = bytes.clone();
    first[ends[0]] = 0;
    assert!(is_damage(&first, ends[0]), "the first byte of a record, where there was no room");
    let (mut room, ends) = with_room(&[vec![7; 30]], Room::Zeros(2000), |_| false);
    room[ends[1] - 1] ^= 1;
    assert!(is_damage(&room, ends[0]), "the zeros behind it are room");
}

#[test]
fn a_sector_lost_behind_a_damaged_record_explains_it_where_there_was_no_room() {
    let (mut bytes, ends) = journal(&[vec![7; 30], vec![8; 2_000]], |_| false);
    bytes[ends[0] + 40] ^= 1;
    bytes[1024..1536].fill(0);
    let (found, torn) = read(&bytes).unwrap();
    assert_eq!((found.len(), torn), (0, Some(lost(ends[0], bytes.len(), 0))));
}

#[test]
fn a_journal_that_is_cut_within_its_header_gets_it_again() {
    let (bytes, _) = journal(&[vec![7; 30]], |_| false);
    for len in 0..HEADER_BYTES as u64 {
        let fs = MemFs::new();
        fs.set_bytes(PATH, bytes.clone());
        drop(JournalWriter::resume(&fs, Path::new(PATH), 9, &KIND, len).unwrap());
        assert_eq!(fs.bytes(PATH).unwrap(), bytes[..HEADER_BYTES], "{len}");
    }
}
