//! The log, read back into memtables. What may be missing at its end, and what may not, is said in [`crate::wal`].

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::batch::Ops;
use crate::codec::Malformed;
use crate::error::{Error, Result};
use crate::fs::FileName;
use crate::manifest::State;
use crate::memtable::Memtable;
use crate::recovery::{Cut, Recovery};
use crate::types::{FileId, SeqNo};
use crate::view::Files;
use crate::wal::{self, Survey, Torn, Unsynced, WalReader, WalRecord, WalWriter};

/// What the log held.
pub(super) struct Replayed {
    /// Oldest first.
    pub(super) memtables: Vec<Arc<Memtable>>,
    pub(super) logs: BTreeSet<FileId>,
    pub(super) last_seqno: SeqNo,
    pub(super) recovery: Recovery,
    /// The segments of the log, oldest first, and what of each is not known to be durable.
    kept: Vec<(FileId, Unsynced)>,
    /// Segments that are not part of the log.
    stray: Vec<FileId>,
}

impl Replayed {
    /// Cuts off what is torn, and removes what lies behind it. Answers with the last segment, to be gone on with.
    ///
    /// On return all that is left of the log is durable.
    pub(super) fn cut_log(&self, files: &Files) -> Result<Option<WalWriter>> {
        let (fs, dir) = (&*files.fs, &files.dir);
        let Some(((last, read), full)) = self.kept.split_last() else {
            self.stray.iter().for_each(|&id| files.remove(FileName::Log(id)));
            return Ok(None);
        };
        for (id, read) in full {
            WalWriter::mend(fs, dir, *id, read)?;
        }
        let wal = WalWriter::mend(fs, dir, *last, read)?;
        for &id in &self.stray {
            fs.remove(&wal::segment_path(dir, id))?;
        }
        fs.sync_dir(dir)?;
        Ok(Some(wal))
    }
}

/// The log being read.
struct Replay<'a> {
    files: &'a Files,
    memtable_bytes: u64,
    memtables: Vec<Arc<Memtable>>,
    last_seqno: SeqNo,
    recovery: Recovery,
}

/// How a segment ends.
enum End {
    /// With the name of the next one.
    Sealed { read: Unsynced, next: FileId },
    /// Without: it is the last, or the log breaks off here.
    Open { read: Unsynced, torn: Option<Torn> },
}

/// Reads the log of a store with this `state`, whose segments in the directory are `found`, ascending. Changes nothing.
///
/// # Errors
/// [`Error::Corrupt`] for whatever a power cut does not explain.
pub(super) fn replay(files: &Files, memtable_bytes: u64, state: &State, found: &[FileId]) -> Result<Replayed> {
    let last_seqno = state.last_seqno;
    let replay = Replay { files, memtable_bytes, memtables: Vec::new(), last_seqno, recovery: Recovery::default() };
    if state.has_log { replay.chain(state.log_floor, found) } else { replay.nothing(found) }
}

impl Replay<'_> {
    /// There is no log. A crash may have left a segment that the manifest was to name next; it cannot hold a batch.
    fn nothing(self, found: &[FileId]) -> Result<Replayed> {
        for &id in found {
            if self.survey(id)?.records > 0 {
                return Err(self.damage(id, 0, "it holds batches, but the manifest names no log"));
            }
        }
        Ok(self.done(Vec::new(), found))
    }

    /// Follows the chain of segments from `floor` on.
    fn chain(mut self, floor: FileId, found: &[FileId]) -> Result<Replayed> {
        let mut kept = Vec::new();
        let mut expected = floor;
        let mut by = "the manifest".to_owned();
        let stray = loop {
            let at = kept.len();
            if found.get(at) != Some(&expected) {
                return Err(self.damage(expected, 0, format!("{by} names this log segment, but the file is missing")));
            }
            match self.segment(expected)? {
                End::Sealed { read, next } => {
                    kept.push((expected, read));
                    by = FileName::Log(expected).to_string();
                    expected = next;
                }
                End::Open { read, torn } => {
                    let later = found.get(at + 1..).unwrap_or(&[]);
                    self.break_off(expected, read.end(), torn, later)?;
                    kept.push((expected, read));
                    break later;
                }
            }
        };
        Ok(self.done(kept, stray))
    }

    fn done(self, kept: Vec<(FileId, Unsynced)>, stray: &[FileId]) -> Replayed {
        let Self { memtables, last_seqno, mut recovery, .. } = self;
        recovery.segments = kept.len();
        let logs = kept.iter().map(|(id, _)| *id).collect();
        Replayed { memtables, logs, last_seqno, recovery, kept, stray: stray.to_vec() }
    }

    /// Judges the end of the log: segment `id` ends at `end` without naming a next one.
    fn break_off(&mut self, id: FileId, end: u64, torn: Option<Torn>, later: &[FileId]) -> Result<()> {
        let surveys: Vec<_> = later.iter().map(|&id| Ok((id, self.survey(id)?))).collect::<Result<_>>()?;
        let whole = surveys.iter().find(|(_, survey)| survey.records > 0);
        let synced = surveys.iter().find(|(_, survey)| survey.is_synced);
        let is_cut = torn.is_none_or(|torn| torn.is_cut);
        if let Some((witness, survey)) = synced.or(whole.filter(|_| !is_cut)) {
            let name = FileName::Log(*witness);
            let how = if survey.is_synced { "it was synced before" } else { "no power cut does that to it" };
            return Err(self.damage(id, end, format!("the log breaks off here, but {name} goes on, and {how}")));
        }
        if let Some(torn) = torn {
            self.cut(id, torn.offset, torn.bytes_lost, torn.records_lost);
        }
        for (id, survey) in surveys.iter().filter(|(_, survey)| survey.records > 0) {
            self.cut(*id, 0, survey.bytes, survey.records);
        }
        Ok(())
    }

    fn cut(&mut self, id: FileId, offset: u64, bytes: u64, records: u64) {
        let path = wal::segment_path(&self.files.dir, id);
        tracing::warn!(path = %path.display(), offset, bytes, records, "torn end of the log");
        self.recovery.cuts.push(Cut { path, offset, bytes, records });
    }

    fn survey(&self, id: FileId) -> Result<Survey> {
        WalReader::survey(&*self.files.fs, &self.files.dir, id)
    }

    fn damage(&self, id: FileId, offset: u64, what: impl Into<std::borrow::Cow<'static, str>>) -> Error {
        Error::corrupt(&wal::segment_path(&self.files.dir, id), offset, what)
    }

    fn segment(&mut self, id: FileId) -> Result<End> {
        let mut reader = WalReader::open(&*self.files.fs, &self.files.dir, id)?;
        while let Some(record) = reader.next().transpose()? {
            self.batch(id, &record, reader.end() - record.offset)?;
        }
        let read = reader.unsynced();
        Ok(match reader.next_segment() {
            Some(next) => End::Sealed { read, next },
            None => End::Open { read, torn: reader.torn() },
        })
    }

    fn batch(&mut self, id: FileId, record: &WalRecord, bytes: u64) -> Result<()> {
        let path = wal::segment_path(&self.files.dir, id);
        let bad = |error: Malformed| error.in_file(&path, record.offset);
        let ops = Ops::new(&record.payload).map_err(bad)?;
        let last = record.first_seqno.saturating_add(u64::from(ops.left())).saturating_sub(1);
        if last <= self.last_seqno {
            return Ok(());
        }
        if record.first_seqno != self.last_seqno + 1 {
            let what = format!("batch {} follows batch {}: writes are missing", record.first_seqno, self.last_seqno);
            return Err(self.damage(id, record.offset, what));
        }
        let memtable = self.memtable(id);
        for (op, seqno) in ops.zip(record.first_seqno..) {
            memtable.insert(&op.map_err(bad)?, seqno);
        }
        self.last_seqno = last;
        self.recovery.batches += 1;
        self.recovery.bytes += bytes;
        Ok(())
    }

    /// The memtable that takes the batches of segment `id`: a new one once the last is full.
    fn memtable(&mut self, id: FileId) -> Arc<Memtable> {
        match self.memtables.last() {
            Some(last) if last.bytes() < self.memtable_bytes => Arc::clone(last),
            _ => {
                let fresh = Arc::new(Memtable::new(id, self.memtable_bytes));
                self.memtables.push(Arc::clone(&fresh));
                fresh
            }
        }
    }
}
