//! The walk over candidates: admits the first lawful one, remembers why others were refused.

use crate::decision::{Candidate, Choice, Decision, Moment, Reason, Rule, Verdict, Work};
use crate::version::{Plan, Planned, Version, output_bytes_max};

/// One decision in the making.
///
/// A strategy offers candidates, best first; the search refuses those that meet running jobs or do not fit, tells the
/// visitor, and keeps what a final [`wait`](Self::wait) has to say.
pub struct Search<'v, 'f, K> {
    version: Version<'v, K>,
    moment: Moment,
    visit: Option<&'f mut dyn FnMut(&Candidate)>,
    busy: bool,
    needed: Option<u64>,
    until_ms: Option<u64>,
}

impl<'v, 'f, K: Ord> Search<'v, 'f, K> {
    /// Starts a decision; `visit` is told each candidate.
    pub fn new(version: Version<'v, K>, moment: Moment, visit: &'f mut dyn FnMut(&Candidate)) -> Self {
        Self { visit: Some(visit), ..Self::silent(version, moment) }
    }

    /// Starts a decision that nobody watches.
    #[must_use]
    pub fn silent(version: Version<'v, K>, moment: Moment) -> Self {
        Self { version, moment, visit: None, busy: false, needed: None, until_ms: None }
    }

    /// Whether a visitor is told each candidate; if not, those that are merely outscored need not be noted.
    #[must_use]
    pub fn is_watched(&self) -> bool {
        self.visit.is_some()
    }

    /// The tree.
    #[must_use]
    pub fn version(&self) -> Version<'v, K> {
        self.version
    }

    /// The circumstances.
    #[must_use]
    pub fn moment(&self) -> Moment {
        self.moment
    }

    /// What would become of a candidate under a cap of `bytes_max` on a job's input, `u64::MAX` for none.
    ///
    /// A cap binds merges only: moves and drops write nothing.
    #[must_use]
    pub fn judge(&self, planned: &Planned, bytes_max: u64) -> Verdict {
        let busy = self.version.conflicts(&planned.job);
        let written = if planned.job.work() == Work::Merge { clamp(planned.bytes) } else { 0 };
        self.judge_bytes(busy, written, bytes_max)
    }

    /// As [`judge`](Self::judge), for a job that reads `bytes` bytes, saturated, to write them anew.
    pub(crate) fn judge_bytes(&self, busy: bool, bytes: u64, bytes_max: u64) -> Verdict {
        let needed = output_bytes_max(bytes);
        if busy {
            Verdict::Busy
        } else if needed > self.moment.free_bytes {
            Verdict::NoRoom { needed }
        } else if bytes > bytes_max {
            Verdict::OverCap { bytes_max }
        } else {
            Verdict::Chosen
        }
    }

    /// Tells the visitor what became of a candidate, and remembers why it was refused.
    pub fn note(&mut self, planned: &Planned, rule: Rule, verdict: Verdict) {
        self.remember(verdict);
        if let Some(visit) = &mut self.visit {
            visit(&Candidate { job: planned.job, rule, bytes: clamp(planned.bytes), verdict });
        }
    }

    /// Remembers why a candidate was refused.
    pub(crate) fn remember(&mut self, verdict: Verdict) {
        match verdict {
            Verdict::Busy => self.busy = true,
            Verdict::NoRoom { needed } => self.needed = Some(self.needed.map_or(needed, |least| least.min(needed))),
            Verdict::OverCap { .. } => self.busy = self.busy || !self.version.running().is_empty(),
            Verdict::Chosen | Verdict::Outscored => {}
        }
    }

    /// Offers a candidate; the decision, if it is admitted.
    ///
    /// With `smallest` the candidate is the smallest of its trigger: it may exceed the cap, and then runs alone.
    pub fn offer(&mut self, planned: &Planned, rule: Rule, bytes_max: u64, smallest: bool) -> Option<Decision> {
        let mut verdict = self.judge(planned, bytes_max);
        if matches!(verdict, Verdict::OverCap { .. }) && smallest && self.version.running().is_empty() {
            verdict = Verdict::Chosen;
        }
        self.note(planned, rule, verdict);
        let bytes_max = if planned.job.work() == Work::Merge { bytes_max } else { u64::MAX };
        let reason = Reason { rule, bytes: clamp(planned.bytes), bytes_max };
        (verdict == Verdict::Chosen).then(|| Decision { choice: Choice::from(planned.job), reason })
    }

    /// Plans a job and offers it; a merge that would rewrite nothing becomes a move.
    pub(crate) fn propose(&mut self, plan: &Plan, rule: Rule, bytes_max: u64, smallest: bool) -> Option<Decision> {
        let planned = self.version.plan_cheapest(plan)?;
        self.offer(&planned, rule, bytes_max, smallest)
    }

    /// Remembers that a trigger may fire at `due_ms`, unless that time has come.
    pub fn due(&mut self, due_ms: u64) {
        if due_ms > self.moment.now_ms {
            self.until_ms = Some(self.until_ms.map_or(due_ms, |until| until.min(due_ms)));
        }
    }

    /// Remembers that a trigger may fire `wait_ms` after `start_ms`; never, when the clock does not go that far. Answers with
    /// whether it fires now.
    pub(crate) fn due_after(&mut self, start_ms: u64, wait_ms: u64) -> bool {
        let due_ms = start_ms.checked_add(wait_ms);
        self.due(due_ms.unwrap_or(0));
        due_ms.is_some_and(|due_ms| due_ms <= self.moment.now_ms)
    }

    /// Remembers that a trigger fires but that running work bars it.
    pub fn barred(&mut self) {
        self.busy = true;
    }

    /// Gives up: nothing offered was admitted.
    pub fn wait(&self) -> Decision {
        let rule = match self.needed {
            Some(needed) if !self.busy => Rule::NoRoom { needed, free: self.moment.free_bytes },
            _ if self.busy => Rule::Busy,
            _ => Rule::AtRest,
        };
        let reason = Reason { rule, bytes: 0, bytes_max: u64::MAX };
        Decision { choice: Choice::Wait { until_ms: self.until_ms }, reason }
    }
}

/// A sum over runs as the figures of a reason show it.
pub(crate) fn clamp(bytes: u128) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}
