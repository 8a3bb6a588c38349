//! Keeps the number of runs small where slots hold different ones.
//!
//! Every merge of level 0 makes a run, and a run stands as long as one slot has tables in it. Where writes fall on few slots
//! at a time there would be as many runs as slots times their depth. So where there are more runs than the deepest slot
//! has, the pieces of a slot sink, oldest first, until nothing of the slot is missing below them: a move, nothing is
//! written. Neighbours go along where they can.

use super::policy::Bandit;
use super::slot::Slot;
use super::{guards, stack::Stack};
use crate::decision::{Cut, Decision, Job, Place, Rule, Work};
use crate::storage::Storage;
use crate::strategy::Search;
use crate::version::{Plan, Planned, Table, Version};

/// Neighbours of a piece that sink with it, at most.
const NEIGHBOURS_MAX: usize = 16;
/// Runs that may stand beyond those of the deepest slot.
const SLACK: usize = 4;

impl<K: Ord + Clone, S: Storage<Slot<K>>> Bandit<K, S> {
    /// Offers to let a piece of some slot sink when there are too many runs.
    pub(super) fn pack(&self, search: &mut Search<'_, '_, K>, runs: usize) -> Option<Decision> {
        let version = search.version();
        let max = (self.board.deepest as usize).saturating_add(SLACK);
        if runs <= max || self.is_blind() {
            return None;
        }
        let slots = self.slots.as_slice();
        for at in self.board.loose().iter().map(|at| *at as usize) {
            let Some(planned) = sunk(&version, &guards::stack(slots, at, &version, runs)) else { continue };
            let rule = Rule::LevelRuns { level: 1, runs, max: u64::try_from(max).unwrap_or(u64::MAX) };
            let decision = search.offer(&planned, rule, self.settings.job_bytes_max, true);
            if decision.is_some() {
                return decision;
            }
        }
        None
    }

    /// A piece of one of the slots that `pack` looked at has sunk by `job`, perhaps with neighbours: these slots, and those between
    /// them, are looked at.
    pub(super) fn packed(&mut self, version: &Version<'_, K>, job: &Job) {
        let Cut::Tables { first, last } = job.cut else { return };
        let more = last.saturating_sub(first) as usize;
        let (board, mut from) = (self.board, 0);
        for at in board.loose().iter().map(|at| *at as usize) {
            let slots = self.slots.as_slice();
            let stack = guards::stack(slots, at, version, self.own);
            // What went along stands behind it in the run that it joined.
            let piece = stack.pieces().iter().find(|piece| piece.run == job.oldest());
            let along = piece.and_then(|piece| version.tables().get(piece.first.saturating_add(more)));
            let until = along.map_or(at, |table| guards::slot_of(slots, &table.max)).max(at).saturating_add(1);
            for at in at.max(from)..until {
                guards::survey(self.slots.as_mut_slice(), at, version, self.own, &self.settings);
            }
            self.judge_again(at.max(from)..until.max(from).max(at));
            from = from.max(until);
        }
    }
}

/// The oldest piece of a slot that has a free run below it, moved to the oldest such run, and the tables behind it that the
/// runs between are free for too.
fn sunk<K: Ord>(version: &Version<'_, K>, stack: &Stack) -> Option<Planned> {
    let (piece, to) = stack.lowest_gap()?;
    let run = version.runs().get(piece.run)?;
    let behind = version.tables().get(piece.last..run.end())?.windows(2).take(NEIGHBOURS_MAX);
    // The keys between two tables go along, so they must be free too.
    let is_free = |pair: &&[Table<K>]| match pair {
        [left, right] => !version.overlaps(to..piece.run, &left.max, &right.max),
        _ => false,
    };
    let more = behind.take_while(is_free).count();
    let last = piece.last.saturating_add(more);
    version.plan_landed(&Plan {
        runs: to..=piece.run,
        cut: Cut::Tables { first: u32::try_from(piece.first).ok()?, last: u32::try_from(last).ok()? },
        work: Work::Move,
        place: Place::Join,
        table_bytes_max: u64::MAX,
    })
}
