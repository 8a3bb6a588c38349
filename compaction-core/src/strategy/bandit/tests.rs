//! Scheduler, heat and reward together: do the picks go where the reads are?

#[cfg(feature = "alloc")]
mod kept;

use super::arm::Arm;
use super::estimator::FEATURES;
use super::heat::{Heat, read_cost};
use super::reward::Scale;
use super::scheduler::Scheduler;
use super::settings::{BanditSettings, EstimatorKind};
use crate::strategy::PPM;
use std::vec;
use std::vec::Vec;

const SLOTS: usize = 16;

/// Sixteen slots that all want a merge all the time, of which a few are read more than the others.
struct Loop {
    scheduler: Scheduler,
    heat: Heat,
    scale: Scale,
    arms: Vec<Arm>,
    heats: Vec<f64>,
    step: u64,
}

impl Loop {
    fn new(settings: BanditSettings) -> Self {
        Self {
            scheduler: Scheduler::new(&settings),
            heat: Heat::default(),
            scale: Scale::default(),
            arms: vec![Arm::default(); SLOTS],
            heats: vec![0.0; SLOTS],
            step: 0,
        }
    }

    /// A number below `below`, by a linear congruential generator (Knuth's).
    fn random(&mut self, below: u64) -> u64 {
        self.step = self.step.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.step >> 33) % below
    }

    /// Between two merges a thousand reads come, `hot_pct` of them to the four slots from `hot` on. Answers with the share of
    /// `picks` merges that go to these, in percent.
    fn hot_share(&mut self, hot: usize, hot_pct: u64, picks: usize) -> usize {
        let mut hits = 0;
        for _ in 0..picks {
            for _ in 0..1_000 {
                let at =
                    if self.random(100) < hot_pct { hot + self.random(4) as usize } else { self.random(16) as usize };
                self.heat.add(&mut self.heats[at], read_cost(1, 0), 0);
            }
            let entropy = self.random(u64::MAX);
            let scores: Vec<f64> = self.arms.iter().map(|arm| self.scheduler.score(arm, &[0.0; FEATURES])).collect();
            let best = (0..SLOTS).rev().max_by(|a, b| scores[*a].total_cmp(&scores[*b])).unwrap();
            let at = self.scheduler.explore(entropy, SLOTS).unwrap_or(best);
            hits += usize::from((hot..hot + 4).contains(&at));
            // Merges differ: one to three runs saved, one to two MiB written.
            let (saved, bytes) = (1 + self.random(3), (1 << 20) + self.random(1 << 20));
            let heat = self.heat.relative(self.heats[at], SLOTS);
            let reward = self.scale.reward(saved, bytes, heat);
            self.scheduler.reward(&mut self.arms[at], reward, &[0.0; FEATURES]);
        }
        hits * 100 / picks
    }
}

#[test]
fn four_hot_of_sixteen_slots_get_most_picks_and_again_after_they_move() {
    for hot_pct in [80, 95] {
        let mut run = Loop::new(BanditSettings::default());
        let first = run.hot_share(4, hot_pct, 500);
        let moved = run.hot_share(10, hot_pct, 300);
        std::println!(
            "{hot_pct} % of the reads hot: {first} % of the first 500 picks, {moved} % of the 300 after the move"
        );
        assert!(first >= 60 && moved >= 60, "{first} % before the move, {moved} % after it");
    }
}

#[test]
fn a_scheduler_that_only_explores_picks_evenly() {
    let share = Loop::new(BanditSettings { epsilon_ppm: PPM, ..BanditSettings::default() }).hot_share(4, 80, 2_000);
    assert!((22..=28).contains(&share), "{share} %");
}

#[test]
fn greedy_takes_the_hot_slots_nearly_always() {
    let settings = BanditSettings { estimator: EstimatorKind::Greedy, ..BanditSettings::default() };
    let mut run = Loop::new(settings);
    run.hot_share(4, 80, 200);
    assert!(run.hot_share(4, 80, 300) >= 85);
}

/// With slots in an array that grows.
#[cfg(feature = "alloc")]
mod many_slots {
    use std::vec;
    use std::vec::Vec;

    use crate::strategy::PPM;
    use crate::strategy::bandit::policy::BanditVec;
    use crate::strategy::bandit::settings::BanditSettings;
    use crate::strategy::bandit::slot::Slot;
    use crate::strategy::bandit::wish::Want;
    use crate::strategy::{CompactionStrategy, Event};
    use crate::version::{Run, Table, Version};

    /// By how much the best of all slots beats the one that is taken for it, at most, while `picks` of 1 000 slots are rewarded.
    fn worst_gap(settings: BanditSettings, picks: u32) -> f64 {
        let mut bandit = BanditVec::<u32>::new(BanditSettings { slots_max: 1_000, ..settings }, vec![]).unwrap();
        for at in 0..1_000 {
            let mut slot = Slot { guard: (at > 0).then_some(at), id: at, ..Slot::EMPTY };
            slot.shape.want = Want { threshold: 0, bytes: 1 };
            bandit.slots.push(slot);
        }
        bandit.refresh();
        let mut worst = 0.0f64;
        for step in 0..picks {
            let at = bandit.board.best()[0] as usize;
            let score = |slot: &Slot<u32>| bandit.scheduler.score(&slot.arm, &slot.context);
            let (taken, best) = (score(&bandit.slots[at]), bandit.slots.iter().map(score).fold(0.0, f64::max));
            worst = worst.max(if taken < best { best / taken - 1.0 } else { 0.0 });
            let slot = &mut bandit.slots[at];
            let reward = f64::from(slot.id.wrapping_mul(2_654_435_761) >> 16 & 0xFF) / 255.0;
            bandit.scheduler.reward(&mut slot.arm, if step % 3 == 0 { reward } else { reward / 2.0 }, &slot.context);
            bandit.renew(at);
        }
        worst
    }

    #[test]
    fn among_many_slots_the_one_taken_is_nearly_as_good_as_the_best() {
        let plain = BanditSettings::default();
        let gap = worst_gap(plain, 20_000);
        let fading = worst_gap(BanditSettings { discount_ppm: PPM - PPM / 1_000, ..plain }, 20_000);
        std::println!("the best of 1 000 slots beats the one taken by at most {gap:.4}, with a discount {fading:.4}");
        assert!(gap < 0.02 && fading < 0.1, "{gap} {fading}");
    }
    #[test]
    fn of_arrays_that_are_lent_nothing_is_kept_from_one_question_to_the_next() {
        let version_of = |runs: usize, use_it: &mut dyn FnMut(Version<'_, u32>)| {
            let mut tables: Vec<_> = (0..8).map(|at| Table::new(at.into(), 1_000, at * 10, at * 10 + 9)).collect();
            tables.extend((8..7 + runs as u64).map(|id| Table::new(id, 10, 0, 9)));
            let mut sealed = vec![Run::seal(1, 0, &mut tables[..8]).unwrap()];
            sealed.extend((1..runs).map(|run| Run::seal(0, 7 + run, &mut tables[7 + run..8 + run]).unwrap()));
            use_it(Version::new(&sealed, &tables).unwrap());
        };
        let settings = BanditSettings { slots_max: 4, table_bytes_max: 500, ..BanditSettings::default() };
        let mut bandit = BanditVec::<u32>::new(settings, vec![]).unwrap();
        version_of(4, &mut |version| {
            bandit.observe(&Event::Flushed { version, now_ms: 0, bytes: 0 });
            assert!(bandit.slots.len() > 1);
            assert_eq!(bandit.own_runs(&version), 4);
        });
        version_of(2, &mut |version| assert_eq!(bandit.own_runs(&version), 2, "the other tree had more runs"));
    }
}
