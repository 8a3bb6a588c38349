//! Merges sorted sources into one: a binary heap over their heads.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use crate::error::Result;
use crate::iter::Direction;
use crate::types::Entry;

/// All entries of several sources, in order: ascending as tables are sorted, or in exactly the opposite order.
///
/// Each source must be sorted that way, and no two entries have both the same key and the same sequence number.
/// O(log sources) an entry. Ends after the first error.
#[derive(Debug)]
pub(crate) struct Merge<I> {
    sources: Vec<I>,
    heads: BinaryHeap<Head>,
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
    entry: Entry,
    source: usize,
    direction: Direction,
}

impl<I: Iterator<Item = Result<Entry>>> Merge<I> {
    /// Merges `sources`; nothing is read before the first entry is asked for.
    pub(crate) fn new(sources: Vec<I>, direction: Direction) -> Self {
        Self { heads: BinaryHeap::with_capacity(sources.len()), sources, direction, state: State::Unstarted }
    }

    fn start(&mut self) -> Result<()> {
        for source in 0..self.sources.len() {
            if let Some(entry) = self.sources[source].next() {
                self.heads.push(Head { entry: entry?, source, direction: self.direction });
            }
        }
        Ok(())
    }

    fn step(&mut self) -> Option<Result<Entry>> {
        let mut head = self.heads.peek_mut()?;
        match self.sources[head.source].next() {
            Some(Ok(next)) => Some(Ok(std::mem::replace(&mut head.entry, next))),
            Some(Err(error)) => Some(Err(error)),
            None => Some(Ok(std::collections::binary_heap::PeekMut::pop(head).entry)),
        }
    }
}

impl<I: Iterator<Item = Result<Entry>>> Iterator for Merge<I> {
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

/// The heap's largest head is the one that comes next.
impl Ord for Head {
    fn cmp(&self, other: &Self) -> Ordering {
        let order = self.entry.order(&other.entry);
        match self.direction {
            Direction::Forward => order.reverse(),
            Direction::Backward => order,
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
