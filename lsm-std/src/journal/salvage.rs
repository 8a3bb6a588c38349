//! What is left of a damaged journal.

use std::path::Path;

use super::{HEADER_BYTES, JournalKind, JournalReader, JournalRecord, MARK, RECORD_HEADER_BYTES, header_is_whole};
use crate::error::Result;
use crate::fs::{Fs, PAGE_BYTES, read_pages};
use crate::types::FileId;

/// Bytes that hold nothing whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// Where they start in the file.
    pub offset: u64,
    /// How many.
    pub bytes: u64,
    /// Whether some of them cannot be read.
    pub is_unread: bool,
}

/// The whole records of a journal, and what lies between them.
#[derive(Debug, Default)]
pub struct Salvaged {
    /// In the order of the file.
    pub records: Vec<JournalRecord>,
    /// In the order of the file; damage of the file's header included.
    pub gaps: Vec<Gap>,
}

impl JournalReader {
    /// Every whole record of a file, damage between them or not, and pages that cannot be read. O(length).
    ///
    /// [`Error::Corrupt`](crate::Error::Corrupt) for a file of another kind or number,
    /// [`Error::NewerFormat`](crate::Error::NewerFormat).
    pub fn salvage(fs: &dyn Fs, path: &Path, id: FileId, kind: &JournalKind) -> Result<Salvaged> {
        let mut unread = Vec::new();
        let reader = Self::load(fs, path, id, kind, |file, bytes| {
            read_pages(file, bytes, 0, &mut unread);
            Ok(())
        })?;
        let len = reader.bytes.len();
        let mut salvaged = Salvaged::default();
        // Where the last whole part ends; and as elsewhere, no more is hashed than the file has.
        let mut end = if header_is_whole(kind, path, id, &reader.bytes)? { HEADER_BYTES } else { 0 };
        let (mut at, mut unhashed) = (end, len);
        while at < len {
            let Some(head) = reader.head(at) else {
                let rest = &reader.bytes[at + 1..];
                at = rest.windows(MARK.len()).position(|four| four == MARK).map_or(len, |skip| at + 1 + skip);
                continue;
            };
            let fits = len - at - RECORD_HEADER_BYTES >= head.len as usize;
            let Some(left) = unhashed.checked_sub(if fits { head.len as usize } else { 0 }) else { break };
            unhashed = left;
            let Some((head, payload)) = reader.record(at) else {
                at += 1;
                continue;
            };
            salvaged.gap(end, at, &unread);
            end = at + RECORD_HEADER_BYTES + payload.len();
            salvaged.records.push(JournalRecord { offset: at as u64, tag: head.tag, payload });
            at = end;
        }
        // Room that was never filled is no gap, unless it cannot be read.
        salvaged.gap(end, reader.filled.max(unread_end(&unread, len)), &unread);
        Ok(salvaged)
    }
}

/// Where the last of the pages `unread` ends, in a file of `len` bytes; 0 if all were read.
fn unread_end(unread: &[usize], len: usize) -> usize {
    unread.last().map_or(0, |page| len.min(page + PAGE_BYTES))
}

impl Salvaged {
    fn gap(&mut self, start: usize, end: usize, unread: &[usize]) {
        if end > start {
            let is_unread = unread.iter().any(|page| *page < end && start < page + PAGE_BYTES);
            self.gaps.push(Gap { offset: start as u64, bytes: (end - start) as u64, is_unread });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_is_unread_if_a_page_in_it_is() {
        let is_unread = |start, end, unread: &[usize]| {
            let mut salvaged = Salvaged::default();
            salvaged.gap(start, end, unread);
            salvaged.gaps.first().map(|gap| gap.is_unread)
        };
        let (page, second) = (PAGE_BYTES, 2 * PAGE_BYTES);
        assert_eq!(is_unread(7, 7, &[0]), None);
        assert_eq!([is_unread(0, page, &[page]), is_unread(0, page + 1, &[page])], [Some(false), Some(true)]);
        assert_eq!(
            [is_unread(second, 9_000, &[page]), is_unread(second - 1, 9_000, &[page])],
            [Some(false), Some(true)]
        );
        assert_eq!(is_unread(second, second + 1, &[0, second]), Some(true));
    }

    #[test]
    fn what_cannot_be_read_ends_with_its_last_page_or_the_file() {
        let len = 2 * PAGE_BYTES + 100;
        assert_eq!(unread_end(&[], len), 0);
        assert_eq!(unread_end(&[0, PAGE_BYTES], len), 2 * PAGE_BYTES);
        assert_eq!(unread_end(&[0, 2 * PAGE_BYTES], len), len);
    }
}
