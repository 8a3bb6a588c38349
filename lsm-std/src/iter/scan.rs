//! The iterator behind `range`: two one-way walks that end where they meet.

use std::fmt;

use crate::error::Result;
use crate::iter::{Bounds, Cursor, Direction, Merge, Visible};
use crate::types::SeqNo;
use crate::value::Value;

/// Something that can be read in order from either end, as many times as wanted, and does not change: one state of a store.
pub(crate) trait Sources: fmt::Debug {
    /// Walks over one source: entries of a memtable or of a run.
    type Cursor: Cursor;

    /// All sources, cut to `bounds`, going in `direction`. What a reader as of `seqno` does not see may be left out.
    fn sources(&self, bounds: &Bounds, direction: Direction, seqno: SeqNo) -> Vec<Self::Cursor>;
}

type Walk<S> = Visible<Merge<<S as Sources>::Cursor>>;

/// Live pairs of a range of keys, from both ends. Ends after the first error.
pub(crate) struct Scan<S: Sources> {
    sources: S,
    bounds: Bounds,
    seqno: SeqNo,
    forward: Option<Walk<S>>,
    backward: Option<Walk<S>>,
    done: bool,
}

impl<S: Sources> Scan<S> {
    /// Reads what `sources` hold within `bounds` as of `seqno`. Reads nothing yet.
    pub(crate) fn new(sources: S, bounds: Bounds, seqno: SeqNo) -> Self {
        let done = bounds.is_empty();
        Self { sources, bounds, seqno, forward: None, backward: None, done }
    }

    fn walk(&self, direction: Direction) -> Walk<S> {
        let merge = Merge::new(self.sources.sources(&self.bounds, direction, self.seqno), direction);
        Visible::new(merge, self.seqno, direction)
    }

    fn end<T>(&mut self) -> Option<T> {
        self.done = true;
        self.forward = None;
        self.backward = None;
        None
    }
}

impl<S: Sources> Iterator for Scan<S> {
    type Item = Result<(Value, Value)>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        if self.forward.is_none() {
            self.forward = Some(self.walk(Direction::Forward));
        }
        let (forward, back) = (self.forward.as_mut()?, self.backward.as_ref().and_then(Visible::last));
        match forward.step() {
            Ok(true) if back.is_none_or(|back| Some(back) > forward.last()) => Some(Ok(forward.take())),
            Ok(_) => self.end(),
            Err(error) => self.end().or(Some(Err(error))),
        }
    }
}

impl<S: Sources> DoubleEndedIterator for Scan<S> {
    fn next_back(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        if self.backward.is_none() {
            self.backward = Some(self.walk(Direction::Backward));
        }
        let (backward, front) = (self.backward.as_mut()?, self.forward.as_ref().and_then(Visible::last));
        match backward.step() {
            Ok(true) if front.is_none_or(|front| Some(front) < backward.last()) => Some(Ok(backward.take())),
            Ok(_) => self.end(),
            Err(error) => self.end().or(Some(Err(error))),
        }
    }
}

impl<S: Sources> fmt::Debug for Scan<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scan").field("bounds", &self.bounds).field("seqno", &self.seqno).finish_non_exhaustive()
    }
}
