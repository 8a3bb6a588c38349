//! Journals that were made longer than they are filled.

use std::path::Path;

use bytes::Bytes;
use proptest::prelude::*;

use super::tests::{KIND, PATH, payloads, read, read_as, with_room};
use super::*;
use crate::fs::{MemFs, SECTOR_BYTES, WriteFile};

/// What is appended, as the length and the head of each append.
#[derive(Debug)]
struct Appends(std::sync::mpsc::Sender<(usize, usize)>);

impl WriteFile for Appends {
    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.append_headed(bytes, bytes.len())
    }

    fn append_headed(&mut self, bytes: &[u8], head: usize) -> Result<()> {
        self.0.send((bytes.len(), head)).unwrap();
        Ok(())
    }

    fn sync(&mut self) -> Result<()> {
        Ok(())
    }

    fn len(&self) -> u64 {
        HEADER_BYTES as u64
    }
}

#[test]
fn only_the_last_payload_of_a_group_may_be_taken_in_two_parts_and_not_that_of_the_last_record() {
    let (sender, appends) = std::sync::mpsc::channel();
    let mut journal = JournalWriter::new(Box::new(Appends(sender)), Path::new(PATH), 9, 0);
    journal.append_group([(1, b"one".as_slice())]).unwrap();
    journal.append_group([(1, b"one".as_slice()), (2, b""), (3, b"three")]).unwrap();
    journal.end(4, b"the end").unwrap();
    assert_eq!(appends.try_iter().collect::<Vec<_>>(), [(35, 32), (104, 99), (39, 39)]);
}

#[test]
fn no_memory_is_made_for_a_group_that_is_too_long_to_go_through_it() {
    const STEP: usize = 4_000;
    let long = 2 * SECTOR_BYTES as usize;
    for (last, lies_behind) in [(long, 0), (60, STEP)] {
        let payloads: Vec<_> = [long; 5].iter().chain([&last]).map(|&len| vec![1; len]).collect();
        let (bytes, ends) = with_room(&payloads, Room::Mapped(STEP as u64), |_| false);
        assert!(ends[5] > STEP + HEADER_BYTES);
        assert_eq!(bytes.len() - ends[6], lies_behind);
        assert_eq!(read(&bytes).unwrap().0.len(), 6);
    }
}

/// The device took the sector in which a record ends in the midst of its writing, and the others later.
#[test]
fn a_record_is_cut_off_whose_second_sector_was_taken_too_early_and_other_damage_before_whole_records_is_an_error() {
    let kind = JournalKind { cuts_damage: true, ..KIND };
    let payloads: Vec<_> = (1..=60).map(|byte| vec![byte; 123]).collect();
    let (mut taken, mut damaged) = (0, 0);
    for (which, sync) in (0..50).flat_map(|which| [(which, false), (which, true)]) {
        let (mut bytes, ends) = with_room(&payloads, Room::Mapped(20_000), |at| sync && at == which);
        let (at, end) = (ends[which], ends[which + 1]);
        bytes[end - 1] = 0;
        let damage = read_as(&kind, &bytes);
        assert!(matches!(damage, Err(Error::Corrupt { offset, .. }) if offset == at as u64), "{which}: {damage:?}");
        let next = (at / 512 + 1) * 512;
        bytes[end..end.next_multiple_of(512)].fill(0);
        match read_as(&kind, &bytes) {
            Ok((found, Some(torn))) => {
                taken += 1;
                assert!(!sync && at + RECORD_HEADER_BYTES <= next && next < end && end % 512 > 0, "{which}: {torn:?}");
                assert!(torn.is_cut && torn.offset == at as u64 && found.len() == which, "{which}: {torn:?}");
            }
            Err(Error::Corrupt { offset, .. }) => {
                damaged += 1;
                assert!(sync || at + RECORD_HEADER_BYTES > next || next >= end, "{which}");
                assert_eq!(offset, at as u64);
            }
            other => panic!("{which}: {other:?}"),
        }
    }
    assert!(taken >= 10 && damaged >= 50, "{taken} taken, {damaged} damaged");
}

proptest! {
    #[test]
    fn room_that_was_not_filled_is_no_damage_and_what_lies_in_it_is(payloads in payloads(), at in 700..2000usize, bit in 0..8u32) {
        let (mut bytes, ends) = with_room(&payloads, Room::Zeros(2000 - HEADER_BYTES as u64), |_| false);
        prop_assert_eq!(bytes.len(), 2000);
        prop_assert_eq!(read(&bytes).unwrap(), (payloads.iter().map(|p| Bytes::from(p.clone())).collect(), None));
        let fs = MemFs::new();
        fs.set_bytes(PATH, bytes.clone());
        prop_assert_eq!(JournalReader::salvage(&fs, Path::new(PATH), 9, &KIND).unwrap().gaps, []);
        let end = ends[payloads.len()];
        bytes[at] |= 1u8 << bit;
        let (found, torn) = read_as(&JournalKind { cuts_damage: true, ..KIND }, &bytes).unwrap();
        let torn = torn.map(|torn| (torn.offset as usize, torn.bytes_lost as usize));
        prop_assert_eq!((found.len(), torn), (payloads.len(), Some((end, at + 1 - end))));
    }

    #[test]
    fn a_record_that_was_taken_before_its_first_byte_is_cut_off_and_one_that_was_synced_is_damage(
        payloads in payloads(), sync in any::<bool>(), which in any::<prop::sample::Index>(), seed in any::<u8>(),
    ) {
        let which = which.index(payloads.len());
        let (mut bytes, ends) = with_room(&payloads, Room::Mapped(2000), |at| sync && at == which);
        bytes[ends[which]] = 0;
        // Any part of the rest may have been taken.
        let (start, end) = (ends[which] + 1 + usize::from(seed) % (ends[which + 1] - ends[which]), ends[which + 1]);
        bytes[start..end.max(start)].fill(0);
        let found = read_as(&JournalKind { cuts_damage: true, ..KIND }, &bytes);
        if sync && which + 1 < payloads.len() {
            prop_assert!(matches!(&found, Err(Error::Corrupt { offset, .. }) if *offset == ends[which] as u64), "{found:?}");
        } else {
            let (found, torn) = found.unwrap();
            prop_assert_eq!(found.len(), which);
            let is_left = bytes[ends[which]..].iter().any(|&byte| byte != 0);
            prop_assert_eq!(torn.map(|torn| torn.offset as usize), is_left.then_some(ends[which]));
        }
    }

    #[test]
    fn whole_records_come_back_of_mapped_room_whose_sectors_a_device_took_at_different_moments(
        lens in prop::collection::vec(0..300usize, 10..25), which in any::<prop::sample::Index>(),
        moments in prop::collection::vec(any::<prop::sample::Index>(), 20), half in any::<bool>(), seed in any::<u8>(),
    ) {
        let payloads: Vec<_> = (1..).zip(&lens).map(|(byte, len)| vec![byte; *len]).collect();
        let (bytes, ends) = with_room(&payloads, Room::Mapped(9_000), |_| false);
        // What is written at once. Of what goes through memory any part comes first, the first byte last.
        let (mut steps, mut halves) = (vec![], vec![]);
        for (at, end) in ends.iter().copied().zip(ends.iter().copied().skip(1)) {
            let reaches = crate::fs::reaches_next_sector(at as u64, RECORD_HEADER_BYTES as u64, end as u64);
            if !reaches && (end - 1) / 512 > at / 512 {
                steps.push(at..end);
                continue;
            }
            let middle = at + 1 + usize::from(seed) % (end - at - 1);
            let parts = [at + 1..middle, middle..end];
            steps.extend(if half { parts } else { [parts[1].clone(), parts[0].clone()] });
            halves.extend(reaches.then_some((end / 512, steps.len() - 1)));
            steps.push(at..at + 1);
        }
        let mut moments: Vec<_> = moments.iter().map(|moment| moment.index(steps.len() + 1)).collect();
        moments[0] = steps.len();
        if !halves.is_empty() {
            let (sector, moment) = halves[which.index(halves.len())];
            (moments[sector - 1], moments[sector]) = (steps.len(), moment);
        }
        let mut image = vec![0; bytes.len()];
        image[..HEADER_BYTES].copy_from_slice(&bytes[..HEADER_BYTES]);
        for (sector, moment) in moments.iter().enumerate() {
            for at in steps[..*moment].iter().cloned().flatten().filter(|at| at / 512 == sector) {
                image[at] = bytes[at];
            }
        }
        let whole = ends.windows(2).take_while(|end| image[end[0]..end[1]] == bytes[end[0]..end[1]]).count();
        let found = read_as(&JournalKind { cuts_damage: true, ..KIND }, &image);
        prop_assert!(found.as_ref().is_ok_and(|(found, _)| found[..] == payloads[..whole]), "{whole} whole: {found:?}");
    }

    #[test]
    fn a_power_cut_that_leaves_the_length_leaves_whole_records(mut payloads in payloads()) {
        payloads.iter_mut().for_each(|payload| payload.push(7));
        let (bytes, ends) = with_room(&payloads, Room::Zeros(2000 - HEADER_BYTES as u64), |_| false);
        for len in HEADER_BYTES..ends[payloads.len()] {
            let mut left = bytes.clone();
            left[len..].fill(0);
            let whole = ends.iter().rposition(|&end| end <= len).unwrap();
            let (found, torn) = read(&left).unwrap();
            prop_assert_eq!(found.len(), whole);
            prop_assert_eq!(torn.is_some(), left[ends[whole]..].iter().any(|&byte| byte != 0), "cut at {}", len);
        }
    }
}
