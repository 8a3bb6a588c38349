//! The inputs of a job, run by run.

use super::{Run, Version};
use crate::decision::{Cut, Hull, Job};
use core::ops::Range;

/// Tables of one run that stand together: positions `first..end` in the array of all tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Position of the run.
    pub run: usize,
    /// Position of the first table.
    pub first: usize,
    /// Position behind the last table.
    pub end: usize,
}

impl Span {
    /// Number of tables.
    #[must_use]
    pub fn len(&self) -> usize {
        self.end.saturating_sub(self.first)
    }

    /// Whether it holds no table.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.end <= self.first
    }

    /// The positions.
    #[must_use]
    pub fn range(&self) -> Range<usize> {
        self.first..self.end.max(self.first)
    }
}

/// Walks a closed job from its newest run to its oldest and yields one [`Span`] per run.
///
/// Each run gives up the tables that meet the window; the window then widens to their hull before the next older run.
/// O(log tables) a run.
#[derive(Debug)]
pub struct Inputs<'a, K> {
    version: Version<'a, K>,
    cut: Cut,
    oldest: usize,
    next: Option<usize>,
    hull: Option<Hull>,
    /// The window of a job that is already planned; runs taken whole give up just what lies in it, so that tables which
    /// other jobs put beside it meanwhile stay where they are.
    planned: Option<Hull>,
}

impl<K> Clone for Inputs<'_, K> {
    fn clone(&self) -> Self {
        let Self { version, cut, oldest, next, hull, planned } = *self;
        Self { version, cut, oldest, next, hull, planned }
    }
}

impl<'a, K: Ord> Inputs<'a, K> {
    pub(crate) fn of(version: Version<'a, K>, job: &Job) -> Self {
        Self { planned: job.window, ..Self::new(version, job.oldest(), job.newest(), job.cut) }
    }

    pub(crate) fn new(version: Version<'a, K>, oldest: usize, newest: usize, cut: Cut) -> Self {
        Self { version, cut, oldest, next: Some(newest), hull: None, planned: None }
    }

    /// The hull of what has been yielded so far.
    pub(crate) fn hull(&self) -> Option<Hull> {
        self.hull
    }
}

impl<'a, K: Ord> Version<'a, K> {
    /// What run `run` gives up to a job, `hull` being that of what the newer runs gave.
    pub(crate) fn span_of(&self, cut: Cut, planned: Option<Hull>, run: usize, hull: Option<Hull>) -> Span {
        let whole = match cut {
            Cut::Whole => true,
            Cut::From(from) => run >= from as usize,
            Cut::Tables { first, last } if hull.is_none() => {
                return Span { run, first: first as usize, end: (last as usize).saturating_add(1) };
            }
            Cut::Tables { .. } => false,
        };
        match (whole, planned, hull) {
            (true, Some(hull), _) | (false, _, Some(hull)) => self.meeting(run, hull),
            (true, None, _) => {
                let place = self.runs.get(run);
                Span { run, first: place.map_or(0, Run::first), end: place.map_or(0, Run::end) }
            }
            (false, _, None) => Span { run, first: 0, end: 0 },
        }
    }

    fn meeting(&self, run: usize, hull: Hull) -> Span {
        match (self.tables.get(hull.lo()), self.tables.get(hull.hi())) {
            (Some(lo), Some(hi)) => self.overlap(run, &lo.min, &hi.max),
            _ => Span { run, first: 0, end: 0 },
        }
    }

    /// The hull of `hull` and the tables of `span`.
    pub(crate) fn widened(&self, hull: Option<Hull>, span: &Span) -> Option<Hull> {
        let Some(last) = span.end.checked_sub(1).filter(|last| *last >= span.first) else { return hull };
        let own = Hull::new(span.first, last);
        let Some(hull) = hull else { return Some(own) };
        let (min, max) = (
            |at: usize| self.tables.get(at).map(|table| &table.min),
            |at: usize| self.tables.get(at).map(|table| &table.max),
        );
        Some(Hull {
            lo: if min(own.lo()) < min(hull.lo()) { own.lo } else { hull.lo },
            hi: if max(own.hi()) > max(hull.hi()) { own.hi } else { hull.hi },
        })
    }
}

impl<K: Ord> Iterator for Inputs<'_, K> {
    type Item = Span;

    #[inline(never)]
    fn next(&mut self) -> Option<Span> {
        let run = self.next?;
        self.next = run.checked_sub(1).filter(|older| *older >= self.oldest);
        let span = self.version.span_of(self.cut, self.planned, run, self.hull);
        self.hull = self.version.widened(self.hull, &span);
        Some(span)
    }
}
