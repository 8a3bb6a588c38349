//! Which versions count: for a reader, and for a merge.

use std::iter::Peekable;

use bytes::Bytes;

use crate::error::Result;
use crate::iter::Direction;
use crate::types::{Entry, Kind, SeqNo};

/// What a reader at one sequence number sees of a merged stream: the newest version of each key, deletes taken out.
///
/// Forward it asks for no entry behind the one it gives.
#[derive(Debug)]
pub(crate) struct Visible<I: Iterator<Item = Result<Entry>>> {
    entries: Peekable<I>,
    seqno: SeqNo,
    direction: Direction,
    /// Of this key the version that counts is known.
    decided: Option<Bytes>,
}

impl<I: Iterator<Item = Result<Entry>>> Visible<I> {
    /// Reads `entries`, which come in `direction`, as of `seqno`.
    pub(crate) fn new(entries: I, seqno: SeqNo, direction: Direction) -> Self {
        Self { entries: entries.peekable(), seqno, direction, decided: None }
    }

    /// The last key of which the version that counts is known; it was given, or is deleted.
    pub(crate) fn last(&self) -> Option<&Bytes> {
        self.decided.as_ref()
    }

    /// The next version that counts, a delete perhaps. Forward, versions come newest first: the first that is old enough counts.
    fn next_forward(&mut self) -> Option<Result<Entry>> {
        loop {
            let entry = match self.entries.next()? {
                Ok(entry) => entry,
                Err(error) => return Some(Err(error)),
            };
            if entry.seqno <= self.seqno && self.decided.as_ref() != Some(&entry.key) {
                self.decided = Some(entry.key.clone());
                return Some(Ok(entry));
            }
        }
    }

    /// The same backward: the last that is old enough counts.
    fn next_backward(&mut self) -> Option<Result<Entry>> {
        loop {
            let first = match self.entries.next()? {
                Ok(entry) => entry,
                Err(error) => return Some(Err(error)),
            };
            let key = first.key.clone();
            let mut best = (first.seqno <= self.seqno).then_some(first);
            while let Some(Ok(entry)) = self.entries.next_if(|entry| matches!(entry, Ok(entry) if entry.key == key)) {
                if entry.seqno <= self.seqno {
                    best = Some(entry);
                }
            }
            // What could not be read may be a newer version of this key.
            if let Some(unread) = self.entries.next_if(Result::is_err) {
                return Some(unread);
            }
            if let Some(best) = best {
                self.decided = Some(key);
                return Some(Ok(best));
            }
        }
    }
}

impl<I: Iterator<Item = Result<Entry>>> Iterator for Visible<I> {
    type Item = Result<(Bytes, Bytes)>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let entry = match self.direction {
                Direction::Forward => self.next_forward()?,
                Direction::Backward => self.next_backward()?,
            };
            match entry {
                Ok(entry) if entry.kind == Kind::Put => return Some(Ok((entry.key, entry.value))),
                Ok(_) => {}
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

/// Which versions a flush or a merge must keep.
///
/// Snapshots cut the sequence numbers into stripes; of each key the newest version of each stripe stays, so that every
/// snapshot, and every reader to come, finds what it found before. Entries are asked about in table order.
#[derive(Debug)]
pub(crate) struct Keep {
    /// Sequence numbers of the open snapshots, ascending.
    snapshots: Vec<SeqNo>,
    /// Whether no older version of any key lies outside the merge.
    bottommost: bool,
    key: Option<Bytes>,
    stripe: usize,
}

impl Keep {
    /// `snapshots`: sequence numbers of the open ones, in any order. `bottommost`: nothing older lies outside the merge.
    pub(crate) fn new(mut snapshots: Vec<SeqNo>, bottommost: bool) -> Self {
        snapshots.sort_unstable();
        Self { snapshots, bottommost, key: None, stripe: 0 }
    }

    /// Whether `entry` stays.
    pub(crate) fn keeps(&mut self, entry: &Entry) -> bool {
        let stripe = self.snapshots.partition_point(|snapshot| *snapshot < entry.seqno);
        if self.key.as_ref() == Some(&entry.key) {
            if stripe == self.stripe {
                return false;
            }
        } else {
            self.key = Some(entry.key.clone());
        }
        self.stripe = stripe;
        // A delete that every snapshot sees hides only versions that go too.
        !(entry.kind == Kind::Delete && self.bottommost && stripe == 0)
    }
}
