//! Merges sorted sources into one: a binary heap over their heads.
//!
//! A source may say from which key on it goes on instead of going on: that is known of a table without opening it. It is asked
//! again, and reads, only when the merge has come to that key. So a scan that ends early leaves unread what lies behind.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use bytes::Bytes;

use crate::error::Result;
use crate::iter::Direction;
use crate::types::Entry;

/// What a source says when it is asked.
#[derive(Clone, Debug)]
pub(crate) enum Next {
    /// Its next entry.
    Entry(Entry),
    /// No entry comes before this key, in the direction of the walk. Whether one comes at all is read when it is asked again.
    From(Bytes),
}

/// All entries of several sources, in order: ascending as tables are sorted, or in exactly the opposite order.
///
/// Each source must be sorted that way, and no two entries have both the same key and the same sequence number.
/// O(log sources) an entry. Ends after the first error.
#[derive(Debug)]
pub(crate) struct Merge<I> {
    sources: Vec<I>,
    /// Of each source what comes next, but for the one that gave the last entry.
    heads: BinaryHeap<Head>,
    /// The source that gave the last entry: it is asked for more when the next entry is wanted, if it ever is.
    current: Option<usize>,
    direction: Direction,
    state: State,
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    Unstarted,
    Running,
    Failed,
}

#[derive(Debug)]
struct Head {
    next: Next,
    source: usize,
    direction: Direction,
}

impl<I: Iterator<Item = Result<Next>>> Merge<I> {
    /// Merges `sources`; nothing is read before the first entry is asked for.
    pub(crate) fn new(sources: Vec<I>, direction: Direction) -> Self {
        let heads = BinaryHeap::with_capacity(sources.len());
        Self { heads, sources, current: None, direction, state: State::Unstarted }
    }

    fn start(&mut self) -> Result<()> {
        for (source, entries) in self.sources.iter_mut().enumerate() {
            if let Some(next) = entries.next() {
                self.heads.push(Head { next: next?, source, direction: self.direction });
            }
        }
        Ok(())
    }

    fn step(&mut self) -> Option<Result<Entry>> {
        loop {
            let head = match self.current.take().map(|source| (source, self.sources[source].next())) {
                Some((_, Some(Err(error)))) => return Some(Err(error)),
                Some((source, Some(Ok(next)))) => {
                    let mut head = Head { next, source, direction: self.direction };
                    // Mostly one source goes on for a while, and the heap stays as it is.
                    if let Some(mut first) = self.heads.peek_mut()
                        && *first > head
                    {
                        std::mem::swap(&mut *first, &mut head);
                    }
                    head
                }
                Some((_, None)) | None => self.heads.pop()?,
            };
            self.current = Some(head.source);
            if let Next::Entry(entry) = head.next {
                return Some(Ok(entry));
            }
        }
    }
}

impl<I: Iterator<Item = Result<Next>>> Iterator for Merge<I> {
    type Item = Result<Entry>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.state == State::Unstarted {
            self.state = State::Running;
            if let Err(error) = self.start() {
                self.state = State::Failed;
                return Some(Err(error));
            }
        }
        if self.state == State::Failed {
            return None;
        }
        let entry = self.step()?;
        if entry.is_err() {
            self.state = State::Failed;
        }
        Some(entry)
    }
}

impl Head {
    /// The key at which, or behind which, the source goes on; and its entry, if that is known.
    fn parts(&self) -> (&Bytes, Option<&Entry>) {
        match &self.next {
            Next::Entry(entry) => (&entry.key, Some(entry)),
            Next::From(key) => (key, None),
        }
    }
}

/// The heap's largest head is the one that comes next. What is not known yet comes before what is known of the same key.
impl Ord for Head {
    fn cmp(&self, other: &Self) -> Ordering {
        let ((key, entry), (other_key, other_entry)) = (self.parts(), other.parts());
        let by_seqno = || match (entry, other_entry) {
            (Some(entry), Some(other)) => entry.seqno.cmp(&other.seqno),
            _ => Ordering::Equal,
        };
        let unknown_first = || other_entry.is_some().cmp(&entry.is_some());
        match self.direction {
            Direction::Forward => other_key.cmp(key).then_with(unknown_first).then_with(by_seqno),
            Direction::Backward => key.cmp(other_key).then_with(unknown_first).then_with(|| by_seqno().reverse()),
        }
    }
}

impl PartialOrd for Head {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Head {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Head {}
