//! A tree with real contents under random edits: several jobs at once, finished in any order, always read right.
#![cfg(feature = "alloc")]

use std::collections::BTreeMap;

use compaction_core::{
    BeginError, Choice, Cut, Decision, EditError, Lent, Moment, Place, Plan, Reason, Rule, Run, Running, Table, Ticket,
    TreeError, VersionBuf, VersionVec, Work, check, check_decision,
};
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

fn table(id: u64, min: u32, max: u32) -> Table<u32> {
    Table::new(id, 10, min, max)
}

/// A merge of what table `at` drags in of the oldest two runs.
fn merge(at: u32, place: Place) -> Plan {
    Plan { runs: 0..=1, cut: Cut::Tables { first: at, last: at }, work: Work::Merge, place, table_bytes_max: 40 }
}

#[test]
fn outputs_that_break_a_law_are_refused_and_the_tree_is_as_before() {
    let mut tree = VersionVec::default();
    let large = |bytes, id, min, max| Table::new(id, bytes, min, max);
    tree.push_run(0, [large(u64::MAX - 100, 1, 0, 9), table(2, 10, 39)]).unwrap();
    tree.push_run(0, [table(3, 10, 39)]).unwrap();
    let job = tree.view().plan(&merge(2, Place::Join)).unwrap().job;
    let mut ticket = tree.begin(job).unwrap();
    let law = EditError::Tree;
    for (outputs, error) in [
        (vec![table(9, 20, 19)], law(TreeError::Reversed { table: 9 })),
        (vec![table(9, 9, 20)], EditError::OutsideJob { table: 9 }),
        (vec![table(9, 20, 40)], EditError::OutsideJob { table: 9 }),
        (vec![table(8, 10, 20), table(9, 20, 30)], law(TreeError::Overlap { left: 8, right: 9 })),
        (vec![table(7, 10, 12), table(8, 21, 30), table(9, 13, 20)], law(TreeError::Overlap { left: 8, right: 9 })),
        (vec![large(100, 8, 10, 20), large(1, 9, 21, 30)], law(TreeError::Overflow { table: 9 })),
    ] {
        let before = (tree.view().runs().to_vec(), tree.view().tables().to_vec());
        let (back, found) = tree.finish(ticket, outputs).unwrap_err();
        assert_eq!(found, error);
        assert_eq!((tree.view().runs(), tree.view().tables()), (&before.0[..], &before.1[..]));
        ticket = back;
    }
    tree.finish(ticket, [large(99, 8, 10, 20), large(1, 9, 21, 39)]).unwrap();
    assert_eq!(tree.view().tables().iter().map(|table| table.id).collect::<Vec<_>>(), [1, 8, 9]);
}

#[test]
fn outputs_that_do_not_fit_the_storage_are_refused_and_the_job_still_runs() {
    let mut tables = [const { Table::new(0, 0, 0u32, 0) }; 4];
    let (mut runs, mut running) = ([Run::EMPTY; 2], [Running::NONE; 1]);
    let mut tree =
        VersionBuf::new(Lent::new(&mut tables, 0), Lent::new(&mut runs, 0), Lent::new(&mut running, 0)).unwrap();
    tree.push_run(0, [table(1, 0, 9), table(2, 10, 39)]).unwrap();
    tree.push_run(0, [table(3, 10, 39)]).unwrap();
    let outputs = |count: u32| (0..count).map(|at| table(u64::from(at) + 4, 10 + at, 10 + at)).collect::<Vec<_>>();

    let apart = tree.view().plan(&merge(2, Place::New { level: 1 }));
    if let Some(planned) = apart {
        let ticket = tree.begin(planned.job).unwrap();
        let (ticket, error) = tree.finish(ticket, outputs(1)).unwrap_err();
        assert_eq!(error, EditError::Full { max: 2 }, "no room for a run more");
        tree.abort(ticket);
    }
    let job = tree.view().plan(&merge(2, Place::Join)).unwrap().job;
    let ticket = tree.begin(job).unwrap();
    let (ticket, error) = tree.finish(ticket, outputs(4)).unwrap_err();
    assert_eq!(error, EditError::Full { max: 4 });
    tree.finish(ticket, outputs(3)).unwrap();
    assert_eq!(tree.view().tables().iter().map(|table| table.id).collect::<Vec<_>>(), [1, 4, 5, 6]);
}

#[test]
fn a_drop_or_a_move_that_comes_with_tables_is_refused_and_still_runs() {
    for (work, place) in [(Work::Drop, Place::Join), (Work::Move, Place::New { level: 1 })] {
        let mut tree = VersionVec::default();
        tree.flush([table(1, 0, 9)]).unwrap();
        let plan = Plan { runs: 0..=0, cut: Cut::Whole, work, place, table_bytes_max: 40 };
        let ticket = tree.begin(tree.view().plan(&plan).unwrap().job).unwrap();
        let (ticket, error) = tree.finish(ticket, [table(2, 0, 9)]).unwrap_err();
        assert_eq!((error, tree.view().tables()[0].id), (EditError::Outputs { given: 1 }, 1));
        tree.finish(ticket, []).unwrap();
    }
}

#[test]
fn a_job_chosen_before_an_edit_is_told_so() {
    let mut tree = VersionVec::default();
    tree.flush([table(1, 0, 9)]).unwrap();
    tree.flush([table(2, 0, 9)]).unwrap();
    let job = tree.view().plan(&merge(1, Place::Join)).unwrap().job;
    tree.flush([table(3, 0, 9)]).unwrap();
    assert_eq!(tree.begin(job).unwrap_err(), BeginError::Stale { chosen: 2, present: 3 });
}

#[test]
fn a_move_into_a_run_that_has_outgrown_64_bits_meanwhile_is_refused() {
    let mut tree = VersionVec::default();
    tree.push_run(1, [table(1, 0, 9)]).unwrap();
    tree.flush([table(2, 0, 9), table(3, 50, 59)]).unwrap();
    let begin = |tree: &mut VersionVec<u32>, at, work| {
        let job = tree.view().plan(&Plan { work, ..merge(at, Place::Join) }).unwrap().job;
        tree.begin(job).unwrap()
    };
    let (merged, moved) = (begin(&mut tree, 1, Work::Merge), begin(&mut tree, 2, Work::Move));
    tree.finish(merged, [Table::new(4, u64::MAX - 9, 0, 9)]).unwrap();
    let (ticket, error) = tree.finish(moved, []).unwrap_err();
    assert!(matches!(error, EditError::Tree(TreeError::Overflow { .. })), "{error:?}");
    tree.abort(ticket);
    assert_eq!(tree.view().runs().len(), 2);
}
