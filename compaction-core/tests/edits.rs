//! A tree with real contents under random edits: several jobs at once, finished in any order, always read right.
#![cfg(feature = "alloc")]

use std::collections::BTreeMap;

use compaction_core::{Choice, Cut, Moment, Place, Plan, Table, Ticket, VersionVec, Work, check, check_decision};
use compaction_core::{Decision, Reason, Rule};
use proptest::prelude::*;

const KEYS: u32 = 24;

/// Every table's contents by id: key to the number of the write that put it there.
struct Model {
    tree: VersionVec<u32>,
    contents: BTreeMap<u64, BTreeMap<u32, u64>>,
    truth: BTreeMap<u32, u64>,
    running: Vec<Ticket>,
    next_id: u64,
    writes: u64,
}

impl Model {
    fn new() -> Self {
        Self {
            tree: VersionVec::default(),
            contents: BTreeMap::new(),
            truth: BTreeMap::new(),
            running: vec![],
            next_id: 1,
            writes: 0,
        }
    }

    fn tables(&mut self, data: BTreeMap<u32, u64>, per_table: usize) -> Vec<Table<u32>> {
        let pairs: Vec<_> = data.into_iter().collect();
        let mut tables = vec![];
        for part in pairs.chunks(per_table.max(1)) {
            let id = self.next_id;
            self.next_id += 1;
            tables.push(
                Table::new(id, part.len() as u64 * 10, part[0].0, part[part.len() - 1].0).entries(part.len() as u64),
            );
            self.contents.insert(id, part.iter().copied().collect());
        }
        tables
    }

    fn flush(&mut self, keys: &[u32], per_table: usize) {
        let mut data = BTreeMap::new();
        for key in keys {
            self.writes += 1;
            data.insert(*key, self.writes);
            self.truth.insert(*key, self.writes);
        }
        let tables = self.tables(data, per_table);
        self.tree.flush(tables).unwrap();
    }

    /// Begins a job of any shape, if there is a lawful one that conflicts with nothing.
    fn begin(&mut self, a: usize, b: usize, shape: u8, level: u8) {
        let view = self.tree.view();
        let runs = view.runs().len();
        if runs == 0 {
            return;
        }
        let (a, b) = (a % runs, b % runs);
        let (oldest, newest) = (a.min(b), a.max(b));
        let run = view.runs()[newest];
        let at = run.first() + usize::from(shape / 16) % run.len();
        let cut = match shape % 4 {
            0 => Cut::Whole,
            1 => Cut::From((oldest + usize::from(shape / 16) % (newest - oldest + 1)) as u32),
            _ => Cut::Tables { first: at as u32, last: at as u32 },
        };
        let place = if shape % 8 < 5 { Place::Join } else { Place::New { level } };
        let work = if shape % 16 == 15 { Work::Move } else { Work::Merge };
        let plan = Plan { runs: oldest..=newest, cut, work, place, table_bytes_max: 40 };
        let Some(planned) = view.plan(&plan) else { return };
        let reason = Reason { rule: Rule::AtRest, bytes: 0, bytes_max: u64::MAX };
        let decision = Decision { choice: Choice::from(planned.job), reason };
        let lawful = check_decision(&view, &Moment::default(), &decision);
        let begun = self.tree.begin(planned.job);
        assert_eq!(lawful.is_ok(), begun.is_ok(), "{lawful:?} {begun:?}");
        if let Ok(ticket) = begun {
            self.running.push(ticket);
        }
    }

    fn end(&mut self, which: usize, abort: bool, per_table: usize) {
        if self.running.is_empty() {
            return;
        }
        let ticket = self.running.swap_remove(which % self.running.len());
        if abort {
            return self.tree.abort(ticket);
        }
        let view = self.tree.view();
        let job = self.tree.job(&ticket).unwrap();
        let mut merged = BTreeMap::new();
        for span in view.inputs(&job) {
            for table in &view.tables()[span.range()] {
                for (key, write) in &self.contents[&table.id] {
                    merged.entry(*key).or_insert(*write);
                }
            }
        }
        let outputs = if job.work() == Work::Merge { self.tables(merged, per_table) } else { vec![] };
        let first = outputs.first().map(|table| table.id);
        self.tree.finish(ticket, outputs).unwrap();
        let view = self.tree.view();
        if let Some(id) = first {
            let home = (0..view.runs().len()).find(|run| view.run_tables(*run).iter().any(|table| table.id == id));
            assert_eq!(
                view.runs()[home.unwrap()].level(),
                job.level(),
                "the output lies in the level it was meant for"
            );
        }
    }

    /// Reads every key by first hit, and checks that no older version stands above.
    fn verify(&self) {
        let view = self.tree.view();
        check(&view).unwrap_or_else(|law| panic!("{law}\n{view}"));
        let mut found = BTreeMap::new();
        for table in view.tables() {
            for (key, write) in &self.contents[&table.id] {
                let before = found.insert(*key, *write);
                assert!(before < Some(*write), "key {key}: {before:?} stood above {write}\n{view}");
            }
        }
        assert_eq!(found, self.truth, "\n{view}");
    }
}

#[derive(Clone, Debug)]
enum Op {
    Flush(Vec<u32>, usize),
    Begin(usize, usize, u8, u8),
    End(usize, bool, usize),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        2 => (prop::collection::vec(0..KEYS, 1..9), 1usize..5).prop_map(|(keys, per)| Op::Flush(keys, per)),
        4 => (any::<usize>(), any::<usize>(), any::<u8>(), 0u8..4).prop_map(|(a, b, s, l)| Op::Begin(a, b, s, l)),
        3 => (any::<usize>(), prop::bool::weighted(0.1), 1usize..5).prop_map(|(w, a, p)| Op::End(w, a, p)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn jobs_in_any_order_leave_every_read_right(ops in prop::collection::vec(op(), 1..60)) {
        let mut model = Model::new();
        for op in ops {
            match op {
                Op::Flush(keys, per_table) => model.flush(&keys, per_table),
                Op::Begin(a, b, shape, level) => model.begin(a, b, shape, level),
                Op::End(which, abort, per_table) => model.end(which, abort, per_table),
            }
            model.verify();
        }
        while !model.running.is_empty() {
            model.end(0, false, 3);
            model.verify();
        }
    }
}
