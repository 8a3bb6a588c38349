//! What is kept of each slot against a look at all of them.

use std::vec;
use std::vec::Vec;

use crate::decision::Rule;
use crate::strategy::bandit::guards;
use crate::strategy::bandit::keys::PlainKeys;
use crate::strategy::bandit::policy::BanditVec;
use crate::strategy::bandit::settings::BanditSettings;
use crate::strategy::bandit::slot::Slot;
use crate::strategy::bandit::sums;
use crate::strategy::{CompactionStrategy, Event, Moment, PPM, ReadSample};
use crate::version::Table;
use crate::{SettleError, VersionVec, settle};

/// Bytes of a table.
const TABLE: u64 = 1_000;

struct Store {
    tree: VersionVec<u32>,
    bandit: BanditVec<u32>,
    id: u64,
    luck: u64,
    jobs: usize,
    packs: usize,
    now_ms: u64,
    /// What was saved some time ago.
    before: Vec<u8>,
}

/// Whether a piece could sink, of each slot.
fn loose(slots: &[Slot<u32>]) -> Vec<bool> {
    slots.iter().map(|slot| slot.shape.loose).collect()
}

impl Store {
    fn new(slots: u32, discount_ppm: u64) -> Self {
        let settings = BanditSettings {
            slots_max: 2 * slots,
            table_bytes_max: TABLE,
            job_bytes_max: 40 * TABLE,
            discount_ppm,
            ..BanditSettings::default()
        };
        let mut tree = VersionVec::default();
        let tables = (0..4 * slots).map(|at| Table::new(at.into(), TABLE, at * 10, at * 10 + 9));
        tree.push_run(1, tables).unwrap();
        let bandit = BanditVec::new(settings, vec![]).unwrap();
        Self { tree, bandit, id: 1_000_000, luck: slots.into(), jobs: 0, packs: 0, now_ms: 0, before: vec![] }
    }

    fn random(&mut self, below: u32) -> u32 {
        self.luck = self.luck.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.luck >> 33) % u64::from(below)) as u32
    }

    fn assert_up_to_date(&self) {
        let shapes = |slots: &[Slot<u32>]| -> Vec<_> {
            let shapes = slots.iter().map(|slot| slot.shape);
            shapes.map(|shape| (shape.runs, shape.bytes, shape.dead, shape.crossed, shape.want)).collect()
        };
        let mut fresh = self.bandit.slots.clone();
        guards::survey_all(&mut fresh, &self.tree.view(), &self.bandit.settings());
        assert_eq!(shapes(&self.bandit.slots), shapes(&fresh), "\n{}", self.tree.view());
        let board = self.bandit.board;
        let due: Vec<bool> = self.bandit.slots.iter().map(|slot| slot.is_due(board.bloat_max)).collect();
        assert_eq!(board.due(), due.iter().filter(|due| **due).count());
        assert!(board.best().iter().all(|at| due[*at as usize]));
        let sum = sums::of(&self.bandit.slots, &(0..due.len()));
        assert_eq!((sum.bytes, sum.dead), sums::held(&self.bandit.slots));
        let (scheduler, heat) = (&self.bandit.scheduler, &self.bandit.heat);
        assert!(scheduler.unit <= 1e100 && heat.unit <= 1e100, "{} {}", scheduler.unit, heat.unit);
        let weights: f64 = self.bandit.slots.iter().map(|slot| slot.arm.weight).sum();
        assert!((weights - scheduler.total).abs() <= 1e-6 * scheduler.total, "{weights} {}", scheduler.total);
        for slot in self.bandit.slots.iter().filter(|slot| slot.rank.is_due) {
            assert!(slot.rank.heat <= slot.heat * (1.0 + 1e-6), "{} {}", slot.rank.heat, slot.heat);
        }
    }

    /// What starts again in this tree with what was saved by it knows the same, and with what was saved before it looks at all anew.
    fn restart(&mut self) {
        let event = Event::Flushed { version: self.tree.view(), now_ms: self.now_ms, bytes: 0 };
        let started = |bytes: &[u8]| {
            let mut again = BanditVec::new(self.bandit.settings(), vec![]).unwrap();
            again.load(&PlainKeys, bytes).unwrap();
            again.observe(&event);
            again
        };
        let mut bytes = vec![0; 1 << 20];
        let len = self.bandit.save(&PlainKeys, &mut bytes).unwrap();
        bytes.truncate(len);
        let again = started(&bytes);
        assert_eq!(again.board, self.bandit.board);
        assert_eq!(loose(&again.slots), loose(&self.bandit.slots));
        if !self.before.is_empty() {
            let late = started(&self.before);
            let mut fresh = late.slots.clone();
            guards::survey_all(&mut fresh, &self.tree.view(), &late.settings());
            assert_eq!(loose(&late.slots), loose(&fresh));
        }
        self.before = bytes;
    }

    /// What was planned ahead makes no other choice. Answers with the keys that are moved, if runs are packed next.
    fn assert_ready(&mut self, moment: &Moment) -> Option<(u32, u32)> {
        let mut plain = self.bandit.clone();
        plain.ready = None;
        let view = self.tree.view();
        let decision = plain.choose(&view, moment);
        assert_eq!(self.bandit.choose(&view, moment), decision, "\n{view}");
        let job = decision.choice.job().filter(|_| matches!(decision.reason.rule, Rule::LevelRuns { .. }))?;
        self.packs += 1;
        let moved = || view.inputs(&job).flat_map(|span| &view.tables()[span.range()]);
        Some((moved().map(|table| table.min).min()?, moved().map(|table| table.max).max()?))
    }

    /// Slots of which something was packed are known to sink further or not.
    fn assert_packed(&self, (min, max): (u32, u32)) {
        let mut fresh = self.bandit.slots.clone();
        guards::survey_all(&mut fresh, &self.tree.view(), &self.bandit.settings());
        let touched = guards::slot_of(&fresh, &min)..=guards::slot_of(&fresh, &max);
        assert_eq!(loose(&self.bandit.slots[touched.clone()]), loose(&fresh[touched]));
        let loose = (0..fresh.len() as u32).filter(|at| self.bandit.slots[*at as usize].shape.loose);
        assert_eq!(self.bandit.board.loose(), loose.take(8).collect::<Vec<_>>());
    }

    /// A memtable of the keys from `min` to `max`, cut as the bandit asks.
    fn flush(&mut self, min: u32, max: u32) {
        let (mut from, mut tables) = (min, vec![]);
        while from <= max {
            let guard = self.bandit.guard_above(&from).copied().filter(|_| self.bandit.cuts_flushes());
            let next = guard.unwrap_or(u32::MAX).min(max + 1);
            self.id += 1;
            tables.push(Table::new(self.id, 30 * u64::from(next - from), from, next - 1).entries(10));
            from = next;
        }
        self.tree.flush(tables).unwrap();
        let event = Event::Flushed { version: self.tree.view(), now_ms: self.now_ms, bytes: 0 };
        self.bandit.observe(&event);
        self.assert_up_to_date();
    }

    /// Reads, and jobs one by one.
    fn settle(&mut self, keys: u32) {
        // Long enough for heat to be counted in another unit at times.
        self.now_ms += 86_400_000;
        for _ in 0..8 {
            let key = self.random(keys / 8);
            let sample = ReadSample { key: &key, gets: 64, scans: 8, runs: 4, now_ms: self.now_ms };
            self.bandit.observe(&Event::Reads(sample));
        }
        self.assert_up_to_date();
        let moment = Moment { entropy: self.luck, ..Moment::default() };
        let mut packed = self.assert_ready(&moment);
        while let Err(SettleError::Restless { .. }) = settle(&mut self.bandit, &mut self.tree, &moment, &mut vec![], 1)
        {
            self.jobs += 1;
            self.assert_up_to_date();
            packed.into_iter().for_each(|keys| self.assert_packed(keys));
            packed = self.assert_ready(&moment);
        }
    }
}

#[test]
fn after_every_event_the_slots_are_known_as_if_all_had_been_looked_at() {
    for slots in [4, 16, 80, 300] {
        for discount_ppm in [PPM, PPM / 2] {
            let mut store = Store::new(slots, discount_ppm);
            // After a few picks it is too large, and all that is counted in it is counted anew.
            store.bandit.scheduler.unit = if discount_ppm < PPM { 1e99 } else { 1.0 };
            let keys = 40 * slots;
            store.flush(0, keys - 1);
            for round in 0..120 {
                // At times flushes reach into few slots only, and none over whole ones.
                let is_narrow = discount_ppm < PPM && round / 20 % 2 == 1;
                let narrow = if store.bandit.cuts_flushes() { [10, keys / 4] } else { [10, 20] };
                let width = if is_narrow { narrow[round % 2] } else { [keys, keys / 4, 40][store.random(3) as usize] };
                let from = store.random(keys - width + 1);
                store.flush(from, from + width - 1);
                if round % 3 > 0 {
                    store.settle(keys);
                }
                if round % 11 == 0 {
                    store.restart();
                }
            }
            let Store { jobs, packs, .. } = store;
            std::println!("{slots}: {} slots, {jobs} jobs, {packs} of them to pack", store.bandit.slots.len());
            assert!(jobs > 10);
        }
    }
}
