//! Memory that is shared with the operating system: the next piece of a growing file, and all of one that is only read; and memory in
//! large pages. The only unsafe code of this crate.

#![expect(
    unsafe_code,
    reason = "a log record handed over by a call takes ten times as long as one copied, a get by one 1.7 times"
)]

use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::atomic::{AtomicU8, Ordering};

use memmap2::{Mmap, MmapMut, MmapOptions};
use rustix::fs::{FallocateFlags, fallocate, fstatfs};
use rustix::mm::{Advice, madvise};

use super::real::open_file;
use super::{SECTOR_BYTES, reaches_next_sector};

/// A map starts at a multiple of this, which every page size divides.
const ALIGNED_BYTES: u64 = 1 << 16;

/// ext2 to ext4, xfs and tmpfs: on these a page that has room on the device can be written, however full it gets.
const KEEP_THEIR_PROMISE: [u32; 3] = [0xef53, 0x5846_5342, 0x0102_1994];

/// Less memory is not worth asking for large pages.
const LARGE_BYTES_MIN: usize = 16 << 20;

/// An empty array with room for so many. The system is asked to give the memory, as it is written to, in large pages where it can.
pub(crate) fn roomy<T>(capacity: usize) -> Vec<T> {
    let array = Vec::<T>::with_capacity(capacity);
    let (start, bytes) = (array.as_ptr().cast::<u8>(), capacity.saturating_mul(size_of::<T>()));
    let skipped = start.align_offset(ALIGNED_BYTES as usize);
    if bytes >= LARGE_BYTES_MIN && skipped < bytes {
        let whole = (bytes - skipped) / ALIGNED_BYTES as usize * ALIGNED_BYTES as usize;
        // SAFETY: these pages are the array's, and the advice changes nothing of what is in them.
        let _ = unsafe { madvise(start.wrapping_add(skipped).cast_mut().cast(), whole, Advice::LinuxHugepage) };
    }
    array
}

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
        // All at once: a page that is first met by a write costs an interruption. Linux before 5.14 cannot do it, and need not.
        let _ = map.advise(memmap2::Advice::PopulateWrite);
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

/// A file as memory that is shared with the system. Only the engine looks into it, and only while nothing is written to the file.
#[derive(Debug)]
pub struct MappedFile {
    map: Mmap,
}

impl MappedFile {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let (file, _) = open_file(path)?;
        // SAFETY: a map is sound as long as nobody changes its bytes while they are borrowed. Only this crate can borrow them, does
        // so in `sst/mapped.rs` alone, for no longer than a table's reader lives, and writes to no table that has a reader. That
        // no other process writes to the files of a store is taken for granted; should one cut a file off, the bytes beyond its
        // end raise a signal, which ends the process.
        let map = unsafe { MmapOptions::new().map(&file)? };
        // What lies beside a block is not wanted with it.
        let _ = map.advise(memmap2::Advice::Random);
        Ok(Self { map })
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.map
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;
    use std::sync::atomic::AtomicU64;
    use std::time::{Duration, Instant};

    use super::*;

    /// What Linux says of `field` for the memory in which `place` lies.
    fn told<T>(place: *const T, field: &str) -> String {
        let maps = std::fs::read_to_string("/proc/self/smaps").unwrap();
        let number = |hex: &str| usize::from_str_radix(hex, 16).ok();
        let mut is_meant = false;
        for line in maps.lines() {
            let (word, rest) = line.split_once(' ').unwrap();
            if let Some((Some(from), Some(to))) = word.split_once('-').map(|(from, to)| (number(from), number(to))) {
                is_meant = (from..to).contains(&place.addr());
            } else if is_meant && word == field {
                return rest.trim().to_owned();
            }
        }
        String::new()
    }

    #[test]
    fn much_memory_is_asked_for_in_large_pages() {
        if Path::new("/sys/kernel/mm/transparent_hugepage").exists() {
            let mut array = roomy::<u64>(1 << 22);
            assert_eq!(array.capacity(), 1 << 22);
            let flags = told(&raw const array.spare_capacity_mut()[1 << 21], "VmFlags:");
            assert!(flags.split(' ').any(|flag| flag == "hg"), "{flags}");
        }
        assert!(roomy::<u8>(0).is_empty() && roomy::<u8>(LARGE_BYTES_MIN - 1).capacity() < LARGE_BYTES_MIN);
    }

    #[test]
    fn what_is_mapped_is_there_before_it_is_written_to() {
        let file = tempfile::tempfile().unwrap();
        match Mapped::new(&file, 0, 1 << 20) {
            Err(error) if error.kind() == ErrorKind::Unsupported => {}
            made => {
                let made = made.unwrap();
                assert_eq!(told(made.map.as_ptr(), "Rss:"), "1024 kB");
            }
        }
    }

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
