//! Strategies under watch: what a simulated one did, job by job.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use compaction_core::{
    AnySettings, AnyStrategyVec, Choice, CompactionStrategy, ConfigError, Decision, Event, Moment, Reason, Search,
    Version,
};

use crate::figures::{Job, Pick};

/// A job that was done.
#[derive(Clone, Copy, Debug)]
pub struct Done {
    /// When: after so many writes.
    at: u64,
    what: &'static str,
    reason: Reason,
    tables: u64,
    runs: u64,
    level: u8,
    read_bytes: u64,
    written_bytes: u64,
    micros: u64,
}

/// What was seen of a strategy.
#[derive(Debug, Default)]
pub struct Seen {
    /// Tables and runs of the job that was chosen last.
    chosen: Cell<(u64, u64)>,
    /// Writes so far.
    writes: Cell<u64>,
    done: RefCell<Vec<Done>>,
}

/// Is told what a strategy under watch does.
pub trait Watcher {
    /// It has decided.
    fn chosen(&self, version: &Version<'_, u32>, moment: &Moment, decision: &Decision);

    /// It has learned of an event.
    fn observed(&self, strategy: &AnyStrategyVec<u32>, event: &Event<'_, u32>);
}

/// A strategy under watch.
pub struct Watched<W> {
    strategy: AnyStrategyVec<u32>,
    watcher: Rc<W>,
}

impl<W> Watched<W> {
    /// The strategy of these settings; what it does is told to `watcher`.
    ///
    /// # Errors
    /// What makes no sense in the settings.
    pub fn new(settings: AnySettings, watcher: &Rc<W>) -> Result<Self, ConfigError> {
        Ok(Self { strategy: AnyStrategyVec::from_settings(settings)?, watcher: Rc::clone(watcher) })
    }
}

impl<W: Watcher> CompactionStrategy<u32> for Watched<W> {
    fn name(&self) -> &'static str {
        self.strategy.name()
    }

    fn decide(&self, search: &mut Search<'_, '_, u32>) -> Decision {
        self.strategy.decide(search)
    }

    fn choose(&self, version: &Version<'_, u32>, moment: &Moment) -> Decision {
        let decision = self.strategy.choose(version, moment);
        self.watcher.chosen(version, moment, &decision);
        decision
    }

    fn guard_above(&self, key: &u32) -> Option<&u32> {
        self.strategy.guard_above(key)
    }

    fn cuts_flushes(&self) -> bool {
        self.strategy.cuts_flushes()
    }

    fn observe(&mut self, event: &Event<'_, u32>) {
        self.strategy.observe(event);
        self.watcher.observed(&self.strategy, event);
    }

    fn debt_bytes(&self, version: &Version<'_, u32>) -> u64 {
        self.strategy.debt_bytes(version)
    }
}

impl Watcher for Seen {
    fn chosen(&self, version: &Version<'_, u32>, _: &Moment, decision: &Decision) {
        if let Some(job) = decision.choice.job() {
            let spans = || version.inputs(&job).filter(|span| !span.is_empty());
            let tables: usize = spans().map(|span| span.range().len()).sum();
            self.chosen.set((tables as u64, spans().count() as u64));
        }
    }

    fn observed(&self, _: &AnyStrategyVec<u32>, event: &Event<'_, u32>) {
        match event {
            Event::Flushed { now_ms, .. } => self.writes.set(*now_ms),
            Event::Done { outcome, .. } => {
                let (tables, runs) = self.chosen.get();
                self.done.borrow_mut().push(Done {
                    at: outcome.now_ms,
                    what: Choice::from(outcome.job).name(),
                    reason: outcome.reason,
                    tables,
                    runs,
                    level: outcome.job.level(),
                    read_bytes: outcome.bytes_read,
                    written_bytes: outcome.bytes_written,
                    micros: outcome.micros,
                });
            }
            _ => {}
        }
    }
}

impl Seen {
    /// The jobs in the order they were done, where the user had written `user_bytes` in the end.
    pub fn jobs(&self, user_bytes: u64) -> Vec<Job> {
        let writes = u128::from(self.writes.get().max(1));
        let job = |done: &Done| Job {
            at_user_bytes: (u128::from(user_bytes) * u128::from(done.at) / writes) as u64,
            what: done.what,
            rule: done.reason.rule.name(),
            reason: done.reason.to_string(),
            tables: done.tables,
            runs: done.runs,
            level: (done.what != "drop").then_some(done.level),
            read_bytes: done.read_bytes,
            written_bytes: done.written_bytes,
            micros: done.micros,
            pick: Pick::of(&done.reason.rule),
        };
        self.done.borrow().iter().map(job).collect()
    }
}
