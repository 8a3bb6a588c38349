//! What the log adds to the tables.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;

use crate::batch::{Op, Ops};
use crate::codec::Malformed;
use crate::engine::repair::tables::Catalogue;
use crate::engine::repair::{Old, whole_file};
use crate::error::{Error, Result};
use crate::fs::{FileName, Fs};
use crate::memtable::Memtable;
use crate::repaired::{Lost, Repaired};
use crate::types::{FileId, NUMBERS_END, SeqNo};
use crate::wal::{self, Gap, WalRecord};

/// Which writes are not known to be in a whole table.
pub(super) struct Holes {
    settled_seqno: SeqNo,
    /// Keys between which something is lost; `None` for all.
    spans: Vec<Option<(Bytes, Bytes)>>,
}

impl Holes {
    pub(super) fn new(settled_seqno: SeqNo, lost: &[Lost]) -> Self {
        let is_table = |lost: &&Lost| lost.path.extension().is_some_and(|suffix| suffix == "sst");
        let spans = lost.iter().filter(is_table).filter(|lost| lost.entries != Some(0));
        Self { settled_seqno, spans: spans.map(|lost| lost.keys.clone()).collect() }
    }

    fn holds(&self, key: &[u8], seqno: SeqNo) -> bool {
        let within = |(min, max): &(Bytes, Bytes)| **min <= *key && *key <= **max;
        seqno > self.settled_seqno || self.spans.iter().any(|span| span.as_ref().is_none_or(within))
    }
}

/// The log being read.
struct Reading<'a> {
    fs: &'a dyn Fs,
    dir: &'a Path,
    holes: &'a Holes,
    memtable: Memtable,
    /// The write that was read last; 0 if none is known.
    last_seqno: SeqNo,
    repaired: &'a mut Repaired,
}

/// Reads all that is whole of the log into memory, as opening a store does.
pub(super) fn read(
    fs: &dyn Fs,
    dir: &Path,
    old: &Old,
    catalogue: &Catalogue,
    holes: &Holes,
    repaired: &mut Repaired,
) -> Result<Arc<Memtable>> {
    let last_seqno = catalogue.settled_seqno;
    let mut reading = Reading { fs, dir, holes, memtable: Memtable::new(0, 0), last_seqno, repaired };
    let mut expected = catalogue.first_log;
    for &id in &old.logs {
        // What is left of segments before the first says nothing of those that must be there.
        let counts = catalogue.first_log.is_none_or(|first| first <= id);
        if let Some(missing) = expected.filter(|&missing| counts && missing < id) {
            reading.missing(missing);
        }
        let next = reading.segment(id)?.filter(|&next| next > id);
        if counts {
            expected = next;
        }
    }
    if let Some(missing) = expected.filter(|missing| old.logs.binary_search(missing).is_err()) {
        reading.missing(missing);
    }
    Ok(Arc::new(reading.memtable))
}

impl Reading<'_> {
    /// Reads one segment. Answers with the one that goes on where it ends.
    fn segment(&mut self, id: FileId) -> Result<Option<FileId>> {
        let path = wal::segment_path(self.dir, id);
        let segment = match wal::salvage(self.fs, self.dir, id) {
            Ok(segment) => segment,
            Err(error @ Error::NewerFormat { .. }) => return Err(error),
            Err(error) => {
                self.repaired.lost.push(whole_file(self.fs, &path, &error, None));
                return Ok(None);
            }
        };
        let mut gaps = segment.gaps.into_iter().peekable();
        for record in &segment.batches {
            let missing = record.first_seqno.saturating_sub(self.last_seqno.saturating_add(1));
            let missing = (self.last_seqno > 0 || self.repaired.is_manifest_whole).then_some(missing);
            let mut explained = false;
            while let Some(gap) = gaps.next_if(|gap| gap.offset < record.offset) {
                self.lose(&path, gap.offset, gap.bytes, missing.filter(|_| !explained), why(&gap));
                explained = true;
            }
            if let (false, Some(count @ 1..)) = (explained, missing) {
                let what = format!("writes {} to {} are missing", self.last_seqno + 1, record.first_seqno - 1);
                self.lose(&path, record.offset, 0, Some(count), what);
            }
            if let Err(error) = self.batch(record) {
                let what = error.in_file(&path, record.offset).what();
                self.lose(&path, record.offset, record.payload.len() as u64, None, what);
            }
        }
        for gap in gaps {
            self.lose(&path, gap.offset, gap.bytes, None, why(&gap));
        }
        Ok(segment.next)
    }

    /// Takes one batch, all of it or nothing.
    fn batch(&mut self, record: &WalRecord) -> Result<(), Malformed> {
        let ops: Vec<Op<'_>> = Ops::new(&record.payload)?.collect::<Result<_, _>>()?;
        let last = record.first_seqno.checked_add(ops.len() as u64).filter(|&end| end < NUMBERS_END);
        let last = last.ok_or(Malformed { at: 0, what: "sequence numbers beyond all limits" })?.saturating_sub(1);
        for (op, seqno) in ops.into_iter().zip(record.first_seqno..) {
            if self.holes.holds(op.key, seqno) {
                self.memtable.insert(&op, seqno);
            }
        }
        self.last_seqno = self.last_seqno.max(last);
        self.repaired.log_batches += 1;
        Ok(())
    }

    fn lose(&mut self, path: &Path, offset: u64, bytes: u64, entries: Option<u64>, what: String) {
        self.repaired.lost.push(Lost { path: path.to_path_buf(), offset, bytes, entries, keys: None, what });
    }

    fn missing(&mut self, id: FileId) {
        let path = self.dir.join(FileName::Log(id).to_string());
        self.lose(&path, 0, 0, None, "this log segment is named, but the file is missing".into());
    }
}

fn why(gap: &Gap) -> String {
    if gap.is_unread { "no whole batch: pages of it cannot be read" } else { "no whole batch" }.into()
}
