//! Where the bandit works when a quarter of the key range is hot, and how soon it follows when that moves.

use std::cell::RefCell;
use std::rc::Rc;

use compaction_core::sim::{Mix, Phase, Skew, simulate_with};
use compaction_core::{AnyStrategyVec, BanditSettings, CompactionStrategy, Decision, Event, Moment, Version, Work};
use lsm_tool::sim::{Watched, Watcher};
use serde_json::{Value, json};

use super::case::{Case, Set, hot, load, memtables, phase};
use super::field::{bandit, store};

/// Slots that the key range is cut into.
const SLOTS: u32 = 16;
/// Picks after which the bandit must have learned.
const LEARNED: usize = 500;
/// Picks within which it must have followed.
const FOLLOWED: usize = 300;

/// A job of the strategy below level 0.
#[derive(Clone, Copy, Debug)]
struct Pick {
    now_ms: u64,
    /// The key in the middle of it.
    key: u32,
}

/// What is seen of a strategy.
#[derive(Debug)]
struct Seen {
    picks: RefCell<Vec<Pick>>,
    /// Where its slots begin, but for the first, as of the last flush.
    guards: RefCell<Vec<u32>>,
    /// Wider jobs are no slot's.
    width_max: u32,
}

impl Watcher for Seen {
    fn chosen(&self, version: &Version<'_, u32>, moment: &Moment, decision: &Decision) {
        if let Some(job) = decision.choice.job().filter(|job| job.work() == Work::Merge) {
            let tables = || version.inputs(&job).flat_map(|span| &version.tables()[span.range()]);
            let (min, max) = (tables().map(|table| table.min).min(), tables().map(|table| table.max).max());
            if let (Some(min), Some(max)) = (min, max)
                && max - min <= self.width_max
            {
                self.picks.borrow_mut().push(Pick { now_ms: moment.now_ms, key: min + (max - min) / 2 });
            }
        }
    }

    fn observed(&self, strategy: &AnyStrategyVec<u32>, event: &Event<'_, u32>) {
        if let Event::Flushed { .. } = event {
            let next = |key: &u32| strategy.guard_above(key).copied();
            *self.guards.borrow_mut() = std::iter::successors(next(&0), next).collect();
        }
    }
}

/// How the picks are spread.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Picks {
    /// Picks while the first quarter was hot, and after it had moved.
    pub count: (usize, usize),
    /// Share of the hot quarter in the first 500 picks.
    pub learning: f64,
    /// Share of the hot quarter after those.
    pub learned: f64,
    /// Share of the new hot quarter in the 300 picks after the move.
    pub following: f64,
    /// Picks after the move until six of ten of the last 50 went to the new hot quarter.
    pub followed_after: Option<usize>,
}

/// Runs a store of 16 slots, 4 of which take nearly all reads, and writes go everywhere alike; then 4 others are read. Which keys
/// these are is found by a run of the load alone.
///
/// # Errors
/// What the simulator refuses.
pub fn run(set: Set, settings: BanditSettings) -> Result<Picks, String> {
    let keys = memtables(set.pick(64.0, 80.0));
    let (_, guards) = watched(set, settings, vec![load(keys)])?;
    let border = |slot: usize| if slot == 0 { Some(0) } else { guards.get(slot - 1).copied() };
    let range = |slot: usize| (border(slot).unwrap_or(0), border(slot + 4).map_or(keys, u64::from));
    let (first, second) = set.pick((4, guards.len().saturating_sub(3)), (8, 0));
    let (first, second) = (range(first), range(second));
    let mix = Mix { put: 0.5, get: 0.3, miss: 0.1, scan: 0.1, ..Mix::default() };
    let stay = |(from, until): (u32, u64)| {
        let share = |part: u64| part as f64 / keys as f64;
        let reads = hot(share(until - u64::from(from)), set.pick(0.98, 0.97), share(from.into()));
        Phase { read_skew: Some(reads), ..phase(memtables(set.pick(3_000.0, 3_600.0)), keys, Skew::Uniform, mix) }
    };
    let phases = vec![load(keys), stay(first), stay(second)];
    // Time passes with the writes, one millisecond each.
    let puts = |at: usize| phases.get(at).map_or(0.0, |phase: &Phase| phase.ops as f64 * phase.mix.put);
    let (loaded, moved) = (puts(0) as u64, (puts(0) + puts(1)) as u64);
    let (all, _) = watched(set, settings, phases)?;
    let (before, after): (Vec<Pick>, Vec<Pick>) =
        all.iter().filter(|pick| pick.now_ms > loaded).partition(|pick| pick.now_ms <= moved);
    Ok(spread((first, &before), (second, &after)))
}

/// The picks of a bandit with 16 slots, and where these begin in the end.
fn watched(set: Set, settings: BanditSettings, phases: Vec<Phase>) -> Result<(Vec<Pick>, Vec<u32>), String> {
    let keys = phases.first().map_or(0, |phase| phase.keys);
    let case = Case::new("hot slots", "hot", set.pick(3, 9), phases);
    let entrant = bandit("bandit", BanditSettings { slots_max: SLOTS, ..settings }, u64::MAX);
    let failed = |error: &dyn std::fmt::Display| format!("{}: {error}", case.name);
    let width_max = u32::try_from(keys * 2 / u64::from(SLOTS)).unwrap_or(u32::MAX);
    let seen = Rc::new(Seen { picks: RefCell::default(), guards: RefCell::default(), width_max });
    let strategy = Watched::new(entrant.settings, &seen).map_err(|error| failed(&error))?;
    simulate_with(&case.workload, strategy, &store(4)).map_err(|error| failed(&error))?;
    Ok((seen.picks.take(), seen.guards.take()))
}

fn spread((first, before): ((u32, u64), &[Pick]), (second, after): ((u32, u64), &[Pick])) -> Picks {
    let is_hot = |(from, until): (u32, u64), pick: &Pick| (u64::from(from)..until).contains(&u64::from(pick.key));
    let share = |range: (u32, u64), picks: &[Pick]| {
        picks.iter().filter(|pick| is_hot(range, pick)).count() as f64 / picks.len() as f64
    };
    let last = 50;
    let followed = after.windows(last).position(|picks| share(second, picks) >= 0.6);
    Picks {
        count: (before.len(), after.len()),
        learning: share(first, &before[..before.len().min(LEARNED)]),
        learned: share(first, &before[before.len().min(LEARNED)..]),
        following: share(second, &after[..after.len().min(FOLLOWED)]),
        followed_after: followed.map(|at| at + last),
    }
}

impl Picks {
    /// As one object.
    pub fn json(&self) -> Value {
        json!({
            "picks": self.count.0, "picks_after_move": self.count.1, "hot_share_first_500": self.learning,
            "hot_share_after_500": self.learned, "new_hot_share_within_300": self.following,
            "followed_after": self.followed_after,
        })
    }

    /// In words.
    pub fn text(&self) -> String {
        let Self { count: (before, after), learning, learned, following, followed_after } = self;
        let followed = followed_after.map_or("never".to_owned(), |picks| format!("after {picks} picks"));
        format!(
            "4 hot of 16 slots, {before} picks: {:.0} % of the first 500 are hot, {:.0} % of those that follow.\n\
             The hot set moves, {after} picks: {:.0} % of the next 300 are in the new one; six of ten of the last 50 {followed}.\n",
            100.0 * learning,
            100.0 * learned,
            100.0 * following
        )
    }
}
