//! Reads what can be read of a file on a failing disk.

use super::ReadFile;

/// The least that is read at a time where reads fail, in bytes.
pub const PAGE_BYTES: usize = 4096;

/// Fills `bytes` from `offset` of `file`. Pages that cannot be read become zeros; where they start is noted.
///
/// One read if all is well, else about two for each page around the bad ones.
pub fn read_pages(file: &dyn ReadFile, bytes: &mut [u8], offset: usize, unread: &mut Vec<usize>) {
    if file.read_at(bytes, offset as u64).is_ok() {
        return;
    }
    if bytes.len() <= PAGE_BYTES {
        // What a read has left before it failed is not to be believed.
        bytes.fill(0);
        unread.push(offset);
        return;
    }
    let half = (bytes.len() / 2).next_multiple_of(PAGE_BYTES);
    let (low, high) = bytes.split_at_mut(half);
    read_pages(file, low, offset, unread);
    read_pages(file, high, offset + half, unread);
}
