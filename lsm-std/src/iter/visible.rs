//! Which versions count: for a reader, and for a merge.

use std::iter::Peekable;

use bytes::Bytes;

use crate::error::Result;
use crate::iter::Direction;
use crate::types::{Entry, Kind, SeqNo};

/// What a reader at one sequence number sees of a merged stream: the newest version of each key, deletes taken out.
#[derive(Debug)]
pub(crate) struct Visible<I: Iterator<Item = Result<Entry>>> {
    entries: Peekable<I>,
    seqno: SeqNo,
    direction: Direction,
}

impl<I: Iterator<Item = Result<Entry>>> Visible<I> {
    /// Reads `entries`, which come in `direction`, as of `seqno`.
    pub(crate) fn new(entries: I, seqno: SeqNo, direction: Direction) -> Self {
        Self { entries: entries.peekable(), seqno, direction }
    }

    /// The version that counts of the next key; `None` within if none does.
    fn next_key(&mut self) -> Option<Result<Option<Entry>>> {
        let first = match self.entries.next()? {
            Ok(entry) => entry,
            Err(error) => return Some(Err(error)),
        };
        let key = first.key.clone();
        let mut best = (first.seqno <= self.seqno).then_some(first);
        while let Some(entry) = self.entries.next_if(|entry| matches!(entry, Ok(entry) if entry.key == key)) {
            let Ok(entry) = entry else { break };
            // Forward, versions come newest first and the first one that is old enough counts; backward, the last one.
            let better = self.direction == Direction::Backward || best.is_none();
            if entry.seqno <= self.seqno && better {
                best = Some(entry);
            }
        }
        Some(Ok(best.filter(|entry| entry.kind == Kind::Put)))
    }
}

impl<I: Iterator<Item = Result<Entry>>> Iterator for Visible<I> {
    type Item = Result<(Bytes, Bytes)>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.next_key()? {
                Ok(Some(entry)) => return Some(Ok((entry.key, entry.value))),
                Ok(None) => {}
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
