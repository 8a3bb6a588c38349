//! The walk over candidates: admits the first lawful one, remembers why others were refused.

use crate::decision::{Candidate, Choice, Decision, Job, Moment, Reason, Rule, Verdict, Work};
use crate::version::{Plan, Planned, Version, output_bytes_max};

/// One decision in the making.
///
/// A strategy offers candidates, best first; the search refuses those that meet running jobs or do not fit, tells the
/// visitor, and keeps what a final [`wait`](Self::wait) has to say.
///
/// Strategies of this crate name a trigger once, `answer` it with candidates until one is admitted, and `conclude`: nothing
/// large is handed around, which on a small processor is a good part of the code.
#[repr(C)] // The large field last: a small processor reaches only so far from the start of a struct in one instruction.
pub struct Search<'v, 'f, K> {
    pub(super) version: Version<'v, K>,
    pub(super) moment: Moment,
    visit: Option<&'f mut dyn FnMut(&Candidate)>,
    /// The cap on the input bytes of a merge.
    pub(super) bytes_max: u64,
    busy: bool,
    no_room: bool,
    needed: u64,
    until_ms: Option<u64>,
    /// The candidate that was admitted; its rule is that of the trigger which is being answered.
    decision: Decision,
}

impl<'v, 'f, K: Ord> Search<'v, 'f, K> {
    /// Starts a decision; `visit` is told each candidate.
    pub fn new(version: Version<'v, K>, moment: Moment, visit: &'f mut dyn FnMut(&Candidate)) -> Self {
        Self { visit: Some(visit), ..Self::silent(version, moment) }
    }

    /// Starts a decision that nobody watches.
    #[must_use]
    pub fn silent(version: Version<'v, K>, moment: Moment) -> Self {
        let reason = Reason { rule: Rule::AtRest, bytes: 0, bytes_max: u64::MAX };
        Self {
            version,
            moment,
            visit: None,
            decision: Decision { choice: Choice::Wait { until_ms: None }, reason },
            bytes_max: u64::MAX,
            busy: false,
            no_room: false,
            needed: u64::MAX,
            until_ms: None,
        }
    }

    /// Names the trigger that the next candidates answer, as the rule of their reasons.
    pub(super) fn answer(&mut self, rule: Rule) {
        self.decision.reason.rule = rule;
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
        let written = if planned.job.work() == Work::Merge { planned.bytes } else { 0 };
        self.judge_bytes(busy, written, bytes_max)
    }

    #[inline(never)]
    fn judge_bytes(&self, busy: bool, bytes: u64, bytes_max: u64) -> Verdict {
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

    /// What would become, under the present cap, of a job that writes `bytes` bytes anew.
    pub(super) fn verdict(&self, busy: bool, bytes: u64) -> Verdict {
        self.judge_bytes(busy, bytes, self.bytes_max)
    }

    /// Whether a merge of `bytes` bytes keeps to the cap and finds room.
    pub(super) fn fits(&self, bytes: u64) -> bool {
        self.verdict(false, bytes) == Verdict::Chosen
    }

    /// Tells the visitor what became of a candidate, and remembers why it was refused.
    pub fn note(&mut self, planned: &Planned, rule: Rule, verdict: Verdict) {
        self.answer(rule);
        self.tell(&planned.job, planned.bytes, verdict);
    }

    /// As [`note`](Self::note), under the present rule.
    #[inline(never)]
    pub(super) fn tell(&mut self, job: &Job, bytes: u64, verdict: Verdict) {
        self.remember(verdict);
        if let Some(visit) = &mut self.visit {
            visit(&Candidate { job: *job, rule: self.decision.reason.rule, bytes, verdict });
        }
    }

    /// Remembers why a candidate was refused.
    pub(super) fn remember(&mut self, verdict: Verdict) {
        match verdict {
            Verdict::Busy => self.busy = true,
            Verdict::NoRoom { needed } => (self.no_room, self.needed) = (true, self.needed.min(needed)),
            Verdict::OverCap { .. } => self.busy = self.busy || !self.version.running().is_empty(),
            Verdict::Chosen | Verdict::Outscored => {}
        }
    }

    /// Offers a candidate; the decision, if it is admitted.
    ///
    /// With `smallest` the candidate is the smallest of its trigger: it may exceed the cap, and then starts
    /// only when nothing else runs.
    pub fn offer(&mut self, planned: &Planned, rule: Rule, bytes_max: u64, smallest: bool) -> Option<Decision> {
        self.answer(rule);
        self.bytes_max = bytes_max;
        let busy = self.version.conflicts(&planned.job);
        self.admit(&planned.job, planned.bytes, busy, smallest).then(|| self.conclude())
    }

    /// Offers a job of `bytes` input bytes to the present trigger, `busy` when it meets running work; whether it is admitted.
    #[inline(never)]
    pub(super) fn admit(&mut self, job: &Job, bytes: u64, busy: bool, smallest: bool) -> bool {
        let written = if job.work() == Work::Merge { bytes } else { 0 };
        let alone = smallest && self.version.running.is_empty();
        let verdict = self.judge_bytes(busy, written, if alone { u64::MAX } else { self.bytes_max });
        self.tell(job, bytes, verdict);
        let admitted = verdict == Verdict::Chosen;
        if admitted {
            self.decision.choice = Choice::from(*job);
            self.decision.reason.bytes = bytes;
        }
        admitted
    }

    /// Plans a job and offers it; a merge that would rewrite nothing becomes a move, and an output that meets nothing in its
    /// level lands as deep in it as it can. Whether it is admitted.
    #[inline(never)]
    pub(super) fn propose(&mut self, plan: &Plan, smallest: bool) -> bool {
        let Some(planned) = self.version.plan_landed(plan) else { return false };
        let busy = self.version.conflicts(&planned.job);
        self.admit(&planned.job, planned.bytes, busy, smallest)
    }

    /// Remembers that a trigger may fire at `due_ms`, unless that time has come.
    pub fn due(&mut self, due_ms: u64) {
        if due_ms > self.moment.now_ms {
            self.until_ms = Some(self.until_ms.map_or(due_ms, |until| until.min(due_ms)));
        }
    }

    /// Remembers that a trigger may fire `wait_ms` after `start_ms`; never, when the clock does not go that far. Answers with
    /// whether it fires now.
    #[inline(never)]
    pub(super) fn due_after(&mut self, start_ms: u64, wait_ms: u64) -> bool {
        let Some(due_ms) = start_ms.checked_add(wait_ms) else { return false };
        self.due(due_ms);
        due_ms <= self.moment.now_ms
    }

    /// Remembers that a trigger fires but that running work bars it.
    pub fn barred(&mut self) {
        self.busy = true;
    }

    /// Gives up: nothing offered was admitted.
    pub fn wait(&self) -> Decision {
        let reason = Reason { rule: self.obstacle(), bytes: 0, bytes_max: u64::MAX };
        Decision { choice: Choice::Wait { until_ms: self.until_ms }, reason }
    }

    /// What stands in the way, when nothing was admitted.
    fn obstacle(&self) -> Rule {
        if self.no_room {
            Rule::NoRoom { needed: self.needed, free: self.moment.free_bytes }
        } else if self.busy {
            Rule::Busy
        } else {
            Rule::AtRest
        }
    }

    /// The decision: the candidate that was admitted, or to wait.
    pub(super) fn conclude(&mut self) -> Decision {
        match self.decision.choice {
            Choice::Wait { .. } => {
                self.decision.choice = Choice::Wait { until_ms: self.until_ms };
                self.decision.reason.rule = self.obstacle();
            }
            Choice::Merge(_) => self.decision.reason.bytes_max = self.bytes_max,
            Choice::Move(_) | Choice::Drop(_) => {}
        }
        self.decision
    }
}

/// A sum over runs as the figures of a reason show it.
#[inline(never)]
pub(crate) fn clamp(bytes: u128) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}
