//! Any sequence of edits: the tree stays lawful, running jobs keep their inputs, and every key shows its newest version.
#![no_main]

use arbitrary::Arbitrary;
use compaction_core::{Run, Running, Table};
use libfuzzer_sys::fuzz_target;
use lsm_fuzz::{Key, Model, Op, Settings};

const OPS_MAX: usize = 200;

#[derive(Arbitrary, Debug)]
struct Input {
    settings: Settings,
    /// In vectors of fixed capacity, where edits fail for want of room.
    bounded: bool,
    ops: Vec<Op>,
}

type Vectors = Model<Vec<Table<Key>>, Vec<Run>, Vec<Running>>;
type Bounded = Model<heapless::Vec<Table<Key>, 24>, heapless::Vec<Run, 8>, heapless::Vec<Running, 3>>;

fuzz_target!(|input: Input| {
    let Some(strategy) = input.settings.strategy() else { return };
    let ops = input.ops.iter().take(OPS_MAX);
    if input.bounded {
        let mut model = Bounded::new(strategy);
        ops.for_each(|op| model.step(op));
        model.drain();
    } else {
        let mut model = Vectors::new(strategy);
        ops.for_each(|op| model.step(op));
        model.drain();
    }
});
