//! Which versions count: for a reader, and for a merge.

use bytes::Bytes;

use crate::error::Result;
use crate::iter::{Cursor, Direction, Step};
use crate::types::{EntryRef, Kind, SeqNo};
use crate::value::Value;

/// What a reader at one sequence number sees of sorted entries: the newest version of each key, deletes taken out.
///
/// Forward it asks for no entry behind the one it gives.
#[derive(Debug)]
pub(crate) struct Visible<C> {
    entries: C,
    seqno: SeqNo,
    direction: Direction,
    /// Of this key the version that counts is known.
    decided: Option<Vec<u8>>,
    /// Backward: the value of that version, and whether `entries` stand at the first entry of the next key.
    value: Bytes,
    is_ahead: bool,
}

impl<C: Cursor> Visible<C> {
    /// Reads `entries`, which come in `direction`, as of `seqno`.
    pub(crate) fn new(entries: C, seqno: SeqNo, direction: Direction) -> Self {
        Self { entries, seqno, direction, decided: None, value: Bytes::new(), is_ahead: false }
    }

    /// The last key of which the version that counts is known; it was given, or is deleted.
    pub(crate) fn last(&self) -> Option<&[u8]> {
        self.decided.as_deref()
    }

    /// Comes to the next entry. False at the end.
    #[inline]
    fn come(&mut self) -> Result<bool> {
        loop {
            match self.entries.step()? {
                Step::Entry => return Ok(true),
                Step::From => {}
                Step::End => return Ok(false),
            }
        }
    }

    /// Goes to the next pair; false at the end.
    #[inline]
    pub(crate) fn step(&mut self) -> Result<bool> {
        match self.direction {
            Direction::Forward => self.step_forward(),
            Direction::Backward => self.step_backward(),
        }
    }

    /// The pair that the last step came to. Made where it is wanted: on its way through several hands it would be copied each time.
    #[inline]
    pub(crate) fn take(&mut self) -> (Value, Value) {
        let value = match self.direction {
            Direction::Forward => self.entries.value(),
            Direction::Backward => std::mem::take(&mut self.value),
        };
        (Value::copied(self.last().unwrap_or_default()), Value::new(value))
    }

    /// Versions come newest first: the first that is old enough counts.
    #[inline]
    fn step_forward(&mut self) -> Result<bool> {
        while self.come()? {
            let EntryRef { key, seqno, kind, .. } = self.entries.entry();
            if seqno > self.seqno || self.decided.as_deref() == Some(key) {
                continue;
            }
            note(&mut self.decided, key);
            if kind == Kind::Put {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The same backward: the last that is old enough counts.
    fn step_backward(&mut self) -> Result<bool> {
        while std::mem::take(&mut self.is_ahead) || self.come()? {
            let key = Value::copied(self.entries.key());
            let mut best = None;
            // What cannot be read may be a newer version of this key.
            while !self.is_ahead {
                let EntryRef { seqno, kind, .. } = self.entries.entry();
                if seqno <= self.seqno {
                    best = Some((kind, self.entries.value()));
                }
                if !self.come()? {
                    break;
                }
                self.is_ahead = *self.entries.key() != *key;
            }
            let Some((kind, value)) = best else { continue };
            note(&mut self.decided, &key);
            if kind == Kind::Put {
                self.value = value;
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Makes `key` the key that is remembered.
fn note(place: &mut Option<Vec<u8>>, key: &[u8]) {
    key.clone_into(place.get_or_insert_default());
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
    key: Option<Vec<u8>>,
    stripe: usize,
}

impl Keep {
    /// `snapshots`: sequence numbers of the open ones, in any order. `bottommost`: nothing older lies outside the merge.
    pub(crate) fn new(mut snapshots: Vec<SeqNo>, bottommost: bool) -> Self {
        snapshots.sort_unstable();
        Self { snapshots, bottommost, key: None, stripe: 0 }
    }

    /// Whether `entry` stays.
    pub(crate) fn keeps(&mut self, entry: &EntryRef<'_>) -> bool {
        let stripe = self.snapshots.partition_point(|snapshot| *snapshot < entry.seqno);
        if self.key.as_deref() == Some(entry.key) {
            if stripe == self.stripe {
                return false;
            }
        } else {
            note(&mut self.key, entry.key);
        }
        self.stripe = stripe;
        // A delete that every snapshot sees hides only versions that go too.
        !(entry.kind == Kind::Delete && self.bottommost && stripe == 0)
    }
}
