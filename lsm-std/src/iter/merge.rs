//! Merges sorted cursors into one: they stand in line by what each has come to.
//!
//! One that has not come to an entry yet, but [knows](Step::From) where it goes on, goes on when it is first in line. So a scan
//! that ends early leaves unread what lies behind.

use std::cmp::Ordering;

use bytes::Bytes;

use crate::error::Result;
use crate::iter::{Cursor, Direction, Step};
use crate::types::EntryRef;

/// All entries of several sources, in order: ascending as tables are sorted, or in exactly the opposite order.
///
/// Each source must be sorted that way, and no two entries have both the same key and the same sequence number.
/// O(log sources) comparisons an entry, one where a source goes on for a while.
#[derive(Debug)]
pub(crate) struct Merge<C> {
    sources: Vec<C>,
    /// The sources that are not at their end, the one that comes next last.
    line: Vec<Place>,
    direction: Direction,
    state: State,
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    Unstarted,
    Running,
    Failed,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    source: usize,
    /// It has come to an entry.
    is_entry: bool,
}

impl<C: Cursor> Merge<C> {
    /// Merges `sources`; nothing is read before the first step.
    pub(crate) fn new(sources: Vec<C>, direction: Direction) -> Self {
        Self { line: Vec::with_capacity(sources.len()), sources, direction, state: State::Unstarted }
    }

    /// One step of a source; `None` at its end.
    fn place(&mut self, source: usize) -> Result<Option<Place>> {
        let step = self.sources.get_mut(source).map_or(Ok(Step::End), Cursor::step)?;
        Ok((step != Step::End).then_some(Place { source, is_entry: step == Step::Entry }))
    }

    fn start(&mut self) -> Result<()> {
        for source in 0..self.sources.len() {
            if let Some(place) = self.place(source)? {
                self.line.push(place);
                self.line_up();
            }
        }
        Ok(())
    }

    /// The source at the end of the line makes a step and goes where it belongs.
    fn step_first(&mut self) -> Result<()> {
        let Some(first) = self.line.pop() else { return Ok(()) };
        if let Some(place) = self.place(first.source)? {
            self.line.push(place);
            self.line_up();
        }
        Ok(())
    }

    /// Puts the last in line where it belongs; all others are.
    #[inline]
    fn line_up(&mut self) {
        let Some((&last, others)) = self.line.split_last() else { return };
        // Mostly one source goes on for a while.
        if others.last().is_none_or(|&other| self.order(last, other) == Ordering::Less) {
            return;
        }
        let at = others.partition_point(|&other| self.order(last, other) == Ordering::Less);
        if let Some(behind) = self.line.get_mut(at..) {
            behind.rotate_right(1);
        }
    }

    /// Which of two sources comes first. Of the same key, what is not known yet comes before what is.
    #[inline]
    fn order(&self, a: Place, b: Place) -> Ordering {
        let (Some(one), Some(other)) = (self.sources.get(a.source), self.sources.get(b.source)) else {
            return Ordering::Equal;
        };
        let keys = one.key().cmp(other.key());
        let newest_first = || match a.is_entry && b.is_entry {
            true => other.entry().seqno.cmp(&one.entry().seqno),
            false => Ordering::Equal,
        };
        let unknown_first = || a.is_entry.cmp(&b.is_entry);
        match self.direction {
            Direction::Forward => keys.then_with(unknown_first).then_with(newest_first),
            Direction::Backward => keys.reverse().then_with(unknown_first).then_with(|| newest_first().reverse()),
        }
    }

    fn go_on(&mut self) -> Result<()> {
        match self.state {
            State::Unstarted => {
                self.state = State::Running;
                self.start()?;
            }
            State::Running => self.step_first()?,
            State::Failed => {}
        }
        while self.line.last().is_some_and(|place| !place.is_entry) {
            self.step_first()?;
        }
        Ok(())
    }

    #[inline]
    fn first(&self) -> Option<&C> {
        self.line.last().and_then(|place| self.sources.get(place.source))
    }
}

/// Comes to entries only. The source of the last one goes on when the next is wanted, if it ever is.
impl<C: Cursor> Cursor for Merge<C> {
    #[inline]
    fn step(&mut self) -> Result<Step> {
        self.go_on().inspect_err(|_| {
            self.state = State::Failed;
            self.line.clear();
        })?;
        Ok(if self.line.is_empty() { Step::End } else { Step::Entry })
    }

    #[inline]
    fn key(&self) -> &[u8] {
        self.first().map_or(&[], Cursor::key)
    }

    #[inline]
    fn entry(&self) -> EntryRef<'_> {
        self.first().map_or(EntryRef::NONE, Cursor::entry)
    }

    #[inline]
    fn value(&self) -> Bytes {
        self.first().map_or(Bytes::new(), Cursor::value)
    }
}
