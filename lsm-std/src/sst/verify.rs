//! Reads every byte of a table and checks that its parts agree.

use std::cmp::Ordering;

use super::entries::Entries;
use super::filter::key_hash;
use super::footer::Tail;
use super::iter::Ahead;
use super::reader::TableReader;
use crate::error::{Error, Result};
use crate::fs::Purpose;
use crate::types::{Entry, Kind};

impl TableReader {
    /// Reads every byte of the file from the disk, past the cache, and checks all checksums, the order of the entries, and that index, filter
    /// and properties agree with them. [`Error::Corrupt`] names the first block that does not.
    pub fn verify(&self) -> Result<()> {
        let file = self.open_file(Purpose::Other)?;
        let tail = Tail::read(&*file, self.path(), self.meta().id)?;
        let mut ahead = Ahead::open(self, Purpose::Other)?;
        let mut check = Check::new(tail);
        let mut index = 0;
        while let Some(handle) = self.handle(index) {
            let block = ahead.block(self, handle)?;
            let entries = Entries::decode(&block).map_err(|e| e.in_file(self.path(), handle.offset))?;
            let law = entries.into_iter().try_for_each(|entry| check.entry(index, entry));
            law.map_err(|what| Error::corrupt(self.path(), handle.offset, what))?;
            index += 1;
        }
        check.finish().map_err(|what| Error::corrupt(self.path(), self.tail().data_end, what))
    }
}

/// What the entries so far add up to.
struct Check {
    tail: Tail,
    last: Option<Entry>,
    entries: u64,
    tombstones: u64,
}

impl Check {
    fn new(tail: Tail) -> Self {
        Self { tail, last: None, entries: 0, tombstones: 0 }
    }

    fn entry(&mut self, block: usize, entry: Entry) -> Result<(), String> {
        let meta = &self.tail.meta;
        let at = format_args!("{:?} at {}", entry.key, entry.seqno).to_string();
        if self.last.as_ref().is_some_and(|last| last.order(&entry) != Ordering::Less) {
            return Err(format!("{at} is out of order"));
        }
        if self.last.is_none() && entry.key != meta.min {
            return Err(format!("{at} is first, the properties say {:?}", meta.min));
        }
        if !(meta.oldest_seqno..=meta.newest_seqno).contains(&entry.seqno) {
            return Err(format!("{at} is outside the sequence numbers of the properties"));
        }
        if self.tail.index.find(&entry.key, entry.seqno) != block {
            return Err(format!("{at} is not where the index says"));
        }
        if self.tail.filter.as_ref().is_some_and(|filter| !filter.may_contain(key_hash(&entry.key))) {
            return Err(format!("{at} is denied by the filter"));
        }
        self.entries += 1;
        self.tombstones += u64::from(entry.kind == Kind::Delete);
        self.last = Some(entry);
        Ok(())
    }

    fn finish(self) -> Result<(), String> {
        let meta = &self.tail.meta;
        let max = self.last.map(|last| last.key);
        if max.as_ref() != Some(&meta.max) || (self.entries, self.tombstones) != (meta.entries, meta.tombstones) {
            let found = format!("{} entries, {} tombstones, last key {max:?}", self.entries, self.tombstones);
            return Err(format!("{found}: the properties say otherwise"));
        }
        Ok(())
    }
}
