//! The walk over candidates: admits the first lawful one, remembers why others were refused.

use crate::decision::{Choice, Decision, Job, Moment, Reason, Rule, Verdict, Work};
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
    pub(super) version: &'v Version<'v, K>,
    pub(super) moment: &'v Moment,
    visit: Option<Visit<'f>>,
    /// What became of the candidate that was looked at last.
    pub(super) verdict: Verdict,
    /// What stands in the way when nothing is admitted: the room before running work.
    obstacle: Rule,
    /// The candidate that was admitted, or to wait; its rule is that of the trigger which is being answered.
    pub(super) decision: Decision,
}

/// Told each candidate, the rule that proposed it, its input bytes and what became of it.
pub(super) type Visit<'f> = &'f mut dyn FnMut(&Job, &Rule, u64, &Verdict);

impl<'v, 'f, K: Ord> Search<'v, 'f, K> {
    /// Starts a decision; `visit`, if there is one, is told each candidate.
    pub(super) fn new(version: &'v Version<'v, K>, moment: &'v Moment, visit: Option<Visit<'f>>) -> Self {
        Self {
            version,
            moment,
            visit,
            verdict: Verdict::Outscored,
            obstacle: Rule::AtRest,
            decision: Decision {
                choice: Choice::Wait { until_ms: None },
                reason: Reason { rule: Rule::AtRest, bytes: 0, bytes_max: u64::MAX },
            },
        }
    }

    /// Sets the cap on the input bytes of a merge.
    pub(super) fn cap(&mut self, bytes_max: u64) {
        self.decision.reason.bytes_max = bytes_max;
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
        *self.version
    }

    /// The circumstances.
    #[must_use]
    pub fn moment(&self) -> Moment {
        *self.moment
    }

    /// What would become of a candidate under a cap of `bytes_max` on a job's input, `u64::MAX` for none.
    ///
    /// A cap binds merges only: moves and drops write nothing.
    #[must_use]
    pub fn judge(&self, planned: &Planned, bytes_max: u64) -> Verdict {
        let busy = self.version.may_conflict(&planned.job);
        self.judge_bytes(busy, written(&planned.job, planned.bytes), bytes_max)
    }

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

    /// Sets the verdict on a job that writes `bytes` bytes anew; whether it may be chosen. The cap does not bind one that runs
    /// `alone`.
    #[inline(never)]
    pub(super) fn weigh(&mut self, busy: bool, bytes: u64, alone: bool) -> bool {
        self.verdict = self.judge_bytes(busy, bytes, if alone { u64::MAX } else { self.decision.reason.bytes_max });
        self.verdict == Verdict::Chosen
    }

    /// Whether a merge of `bytes` bytes keeps to the cap and finds room.
    pub(super) fn fits(&mut self, bytes: u64) -> bool {
        self.weigh(false, bytes, false)
    }

    /// Tells the visitor what became of a candidate, and remembers why it was refused.
    pub fn note(&mut self, planned: &Planned, rule: Rule, verdict: Verdict) {
        self.answer(rule);
        self.verdict = verdict;
        self.remember();
        self.show(&planned.job, planned.bytes);
    }

    /// Remembers why the job of `plan` was passed over, and tells the visitor.
    pub(super) fn pass_over(&mut self, plan: &Plan) {
        self.remember();
        if self.is_watched()
            && let Some(planned) = &self.version.plan_cheapest(plan)
        {
            self.show(&planned.job, planned.bytes);
        }
    }

    /// Sets the verdict on a job that another one of its trigger outdoes, whether it `fits` the cap or not.
    pub(super) fn outdo(&mut self, fits: bool) {
        let bytes_max = self.decision.reason.bytes_max;
        self.verdict = if fits { Verdict::Outscored } else { Verdict::OverCap { bytes_max } };
    }

    /// Remembers why the last candidate was refused.
    fn remember(&mut self) {
        match self.verdict {
            Verdict::Busy => self.barred(),
            Verdict::OverCap { .. } if !self.version.running.is_empty() => self.barred(),
            Verdict::NoRoom { needed } => match &mut self.obstacle {
                Rule::NoRoom { needed: least, .. } => *least = needed.min(*least),
                _ => self.obstacle = Rule::NoRoom { needed, free: self.moment.free_bytes },
            },
            Verdict::Chosen | Verdict::Outscored | Verdict::OverCap { .. } => {}
        }
    }

    /// Tells the visitor of a candidate, under the present rule and verdict.
    pub(super) fn show(&mut self, job: &Job, bytes: u64) {
        if let Some(visit) = &mut self.visit {
            visit(job, &self.decision.reason.rule, bytes, &self.verdict);
        }
    }

    /// Offers a candidate; the decision, if it is admitted.
    ///
    /// With `smallest` the candidate is the smallest of its trigger: it may exceed the cap, and then starts
    /// only when nothing else runs.
    pub fn offer(&mut self, planned: &Planned, rule: Rule, bytes_max: u64, smallest: bool) -> Option<Decision> {
        self.answer(rule);
        self.cap(bytes_max);
        let busy = self.version.may_conflict(&planned.job);
        self.admit(&planned.job, planned.bytes, busy, smallest).then(|| self.conclude())
    }

    /// Offers a job of `bytes` input bytes to the present trigger, `busy` when it meets running work; whether it is admitted.
    pub(super) fn admit(&mut self, job: &Job, bytes: u64, busy: bool, smallest: bool) -> bool {
        let alone = smallest && self.version.running.is_empty();
        let admitted = self.weigh(busy, written(job, bytes), alone);
        self.remember();
        self.show(job, bytes);
        if admitted {
            self.decision.choice = Choice::from(*job);
            self.decision.reason.bytes = bytes;
        }
        admitted
    }

    /// Plans a job and offers it; a merge that would rewrite nothing becomes a move, and an output that meets nothing in its
    /// level lands as deep in it as it can, to which the plan is changed. Whether it is admitted.
    #[inline(never)]
    pub(super) fn propose(&mut self, plan: &mut Plan, smallest: bool) -> bool {
        let version = self.version;
        let mut planned = version.plan_cheapest(plan);
        if planned.as_ref().is_some_and(|planned| version.land(plan, planned)) {
            planned = version.plan_cheapest(plan);
        }
        let Some(Planned { job, bytes, .. }) = &planned else { return false };
        self.admit(job, *bytes, version.conflicts(job), smallest)
    }

    /// Remembers that a trigger may fire at `due_ms`, unless that time has come or a candidate was admitted.
    pub fn due(&mut self, due_ms: u64) {
        if due_ms > self.moment.now_ms
            && let Choice::Wait { until_ms } = &mut self.decision.choice
            && until_ms.is_none_or(|until| due_ms < until)
        {
            *until_ms = Some(due_ms);
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
        if let Rule::AtRest = self.obstacle {
            self.obstacle = Rule::Busy;
        }
    }

    /// Gives up: nothing offered was admitted.
    pub fn wait(&self) -> Decision {
        let until_ms = if let Choice::Wait { until_ms } = self.decision.choice { until_ms } else { None };
        let reason = Reason { rule: self.obstacle, bytes: 0, bytes_max: u64::MAX };
        Decision { choice: Choice::Wait { until_ms }, reason }
    }

    /// The decision: the candidate that was admitted, or to wait.
    pub(super) fn conclude(&mut self) -> Decision {
        if let Choice::Wait { .. } = self.decision.choice {
            self.decision.reason.rule = self.obstacle;
        }
        if !matches!(self.decision.choice, Choice::Merge(_)) {
            self.cap(u64::MAX);
        }
        self.decision
    }
}

/// What a job of `bytes` input bytes writes anew: moves and drops nothing.
fn written(job: &Job, bytes: u64) -> u64 {
    if job.work == Work::Merge { bytes } else { 0 }
}

/// A sum over runs as the figures of a reason show it.
#[inline(never)]
pub(crate) fn clamp(bytes: u128) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}
