//! The next piece of a growing file as memory that is shared with the operating system. The only unsafe code of this crate.

#![expect(unsafe_code, reason = "a log record handed over by a call takes ten times as long as one copied")]

use std::fs::File;
use std::io::{self, ErrorKind};
use std::sync::atomic::{AtomicU8, Ordering};

use memmap2::{MmapMut, MmapOptions};
use rustix::fs::{FallocateFlags, fallocate, fstatfs};

use super::{SECTOR_BYTES, reaches_next_sector};

/// A map starts at a multiple of this, which every page size divides.
const ALIGNED_BYTES: u64 = 1 << 16;

/// ext2 to ext4, xfs and tmpfs: on these a page that has room on the device can be written, however full it gets.
const KEEP_THEIR_PROMISE: [u32; 3] = [0xef53, 0x5846_5342, 0x0102_1994];

/// Memory in which some bytes of a file lie.
#[derive(Debug)]
pub(super) struct Mapped {
    map: MmapMut,
    /// Where it starts in the file.
    at: u64,
}

impl Mapped {
    /// The bytes of `file` from `from` to `to`, and perhaps some before. It is made so long, with room on the device for all.
    ///
    /// # Errors
    /// `Unsupported` for file systems of which it is not known that they keep their word; no room.
    pub(super) fn new(file: &File, from: u64, to: u64) -> io::Result<Self> {
        if !KEEP_THEIR_PROMISE.contains(&(fstatfs(file)?.f_type as u32)) {
            return Err(ErrorKind::Unsupported.into());
        }
        let at = from - from % ALIGNED_BYTES;
        let len = usize::try_from(to.saturating_sub(at)).map_err(|_| ErrorKind::OutOfMemory)?;
        fallocate(file, FallocateFlags::empty(), at, len as u64)?;
        // SAFETY: a map is sound as long as nobody else changes its bytes while they are borrowed, and none ever are: this module
        // only copies into it, and drops it. Bytes beyond the end of a file that somebody cuts off raise a signal, which ends the
        // process; this process cuts a file off only when it has dropped its map, or will write no more to it.
        let map = unsafe { MmapOptions::new().offset(at).len(len).map_mut(file)? };
        Ok(Self { map, at })
    }

    /// Puts `bytes` at `at` of the file, if they fit and lie within one sector, the first of them last, so that whoever finds it
    /// finds all. The first `head` of them say where they end, so they may [reach into the next](reaches_next_sector) before a zero.
    pub(super) fn write(&mut self, bytes: &[u8], head: usize, at: u64) -> bool {
        let Some((first, rest)) = bytes.split_first() else { return true };
        let (end, room_end) = (at + bytes.len() as u64, self.at + self.map.len() as u64);
        let lies_in_one = at % SECTOR_BYTES + bytes.len() as u64 <= SECTOR_BYTES;
        if !(lies_in_one || end < room_end && reaches_next_sector(at, head as u64, end)) {
            return false;
        }
        let start = at.checked_sub(self.at).and_then(|start| usize::try_from(start).ok());
        let place = start.and_then(|start| self.map.get_mut(start..start.checked_add(bytes.len())?));
        let Some((first_place, rest_place)) = place.and_then(<[u8]>::split_first_mut) else { return false };
        rest_place.copy_from_slice(rest);
        // SAFETY: the byte is borrowed for writing, has the alignment of every byte, and is used by nobody else meanwhile.
        unsafe { AtomicU8::from_ptr(first_place) }.store(*first, Ordering::Release);
        true
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;
    use std::sync::atomic::AtomicU64;
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn all_that_is_mapped_has_room_on_the_device() {
        let file = tempfile::tempfile().unwrap();
        match Mapped::new(&file, 0, 1 << 20) {
            Err(error) if error.kind() == ErrorKind::Unsupported => return,
            map => drop(map.unwrap()),
        }
        let found = file.metadata().unwrap();
        assert!(found.len() == 1 << 20 && found.blocks() * 512 >= 1 << 20, "{} blocks", found.blocks());
    }

    /// Another map of the file sees the bytes come in the order in which they are put there.
    #[test]
    fn whoever_finds_the_first_byte_of_a_record_finds_all_of_it() {
        const RECORDS: u64 = 1 << 15;
        let file = tempfile::tempfile().unwrap();
        let map = || Mapped::new(&file, 0, RECORDS * SECTOR_BYTES);
        let (mut writer, mut reader) = match (map(), map()) {
            (Err(error), _) if error.kind() == ErrorKind::Unsupported => return,
            (writer, reader) => (writer.unwrap(), reader.unwrap()),
        };
        let mut byte = |at: u64| {
            let place = &mut reader.map[at as usize];
            // SAFETY: the byte is borrowed for writing, has the alignment of every byte, and is read by this thread alone.
            unsafe { AtomicU8::from_ptr(place) }.load(Ordering::Acquire)
        };
        let looked_for = AtomicU64::new(0);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for record in 0..RECORDS {
                    while looked_for.load(Ordering::Acquire) < record {
                        std::thread::yield_now();
                    }
                    assert!(writer.write(&[1; SECTOR_BYTES as usize], 0, record * SECTOR_BYTES));
                }
            });
            let (begun, mut torn) = (Instant::now(), None);
            for record in (0..RECORDS).take_while(|_| begun.elapsed() < Duration::from_millis(500)) {
                let at = record * SECTOR_BYTES;
                looked_for.store(record, Ordering::Release);
                let is_begun = |look: &u32| {
                    if look.is_multiple_of(1 << 15) {
                        std::thread::yield_now();
                    }
                    byte(at + SECTOR_BYTES - 1);
                    byte(at) != 0
                };
                (1..).find(is_begun);
                if byte(at + SECTOR_BYTES - 1) == 0 {
                    torn = Some(record);
                    break;
                }
            }
            looked_for.store(RECORDS, Ordering::Release);
            assert_eq!(torn, None, "its first byte came before its last");
        });
    }
}
