//! Reads every byte of a table and checks that its parts agree.

use std::cmp::Ordering;

use super::entries::Entries;
use super::filter::key_hash;
use super::footer::Tail;
use super::iter::Ahead;
use super::reader::TableReader;
use crate::error::{Error, Result};
use crate::fs::Purpose;
use crate::types::{Entry, Kind, SeqNo};

impl TableReader {
    /// Reads every byte of the file from the disk, past the cache, and checks all checksums, the order of the entries, and
    /// that index, filter and properties agree with them. [`Error::Corrupt`] names the first block that does not.
    pub fn verify(&self) -> Result<()> {
        let file = self.open_file(Purpose::Other)?;
        let tail = Tail::read(&*file, self.path(), self.meta().id)?;
        let mut ahead = Ahead::new(Purpose::Other, 1);
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
    seqnos: Option<(SeqNo, SeqNo)>,
}

impl Check {
    fn new(tail: Tail) -> Self {
        Self { tail, last: None, entries: 0, tombstones: 0, seqnos: None }
    }

    fn entry(&mut self, block: usize, entry: Entry) -> Result<(), String> {
        let meta = &self.tail.meta;
        let wrong = |what: &str| Err(format!("{:?} at {} {what}", entry.key, entry.seqno));
        if self.last.as_ref().is_some_and(|last| last.order(&entry) != Ordering::Less) {
            return wrong("is out of order");
        }
        if self.last.is_none() && entry.key != meta.min {
            return wrong("is first, the properties say otherwise");
        }
        if self.tail.index.find(&entry.key, entry.seqno) != block {
            return wrong("is not where the index says");
        }
        if self.tail.filter.as_ref().is_some_and(|filter| !filter.may_contain(key_hash(&entry.key))) {
            return wrong("is denied by the filter");
        }
        let (oldest, newest) = self.seqnos.unwrap_or((entry.seqno, entry.seqno));
        self.seqnos = Some((oldest.min(entry.seqno), newest.max(entry.seqno)));
        self.entries += 1;
        self.tombstones += u64::from(entry.kind == Kind::Delete);
        self.last = Some(entry);
        Ok(())
    }

    fn finish(self) -> Result<(), String> {
        let meta = &self.tail.meta;
        let found = (self.last.map(|last| last.key), self.entries, self.tombstones, self.seqnos);
        let seqnos = Some((meta.oldest_seqno, meta.newest_seqno));
        if found == (Some(meta.max.clone()), meta.entries, meta.tombstones, seqnos) {
            return Ok(());
        }
        let (last, entries, tombstones, _) = found;
        Err(format!("{entries} entries, {tombstones} tombstones, last key {last:?}: the properties say otherwise"))
    }
}
