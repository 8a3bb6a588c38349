//! The three real workloads through the engine, under every strategy and two memtable sizes: the answer of the trace's last
//! line, whatever is merged meanwhile.

use std::path::Path;

use indicatif::ProgressBar;
use lsm_std::{Options, SyncPolicy};
use lsm_tool::replay::replay;
use lsm_tool::strategies::{Sizes, Strategy, scaled};

const STRATEGIES: [Strategy; 5] =
    [Strategy::Tiered, Strategy::Leveled, Strategy::Lazy, Strategy::Bandit, Strategy::Fifo];

fn every_strategy_gives_the_answer_of(trace: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("traces").join(trace);
    for memtable_bytes in [64 << 10, 1 << 20] {
        for strategy in STRATEGIES {
            let dir = tempfile::tempdir().unwrap();
            let sizes = Sizes { memtable_bytes, ..Sizes::default() };
            let options = Options::new()
                .strategy(scaled(strategy, &sizes))
                .memtable_bytes(memtable_bytes)
                .sync(SyncPolicy::Never);
            let outcome = replay(&path, &dir.path().join("store"), options, 0, &ProgressBar::hidden()).unwrap();
            assert!(outcome.right, "{trace}, {}, {memtable_bytes} B: {:?}", strategy.name(), outcome.problems);
        }
    }
}

#[test]
fn ekv_comes_out_right_under_every_strategy() {
    every_strategy_gives_the_answer_of("ekv.tsv");
}

#[test]
fn lsm_tree_comes_out_right_under_every_strategy() {
    every_strategy_gives_the_answer_of("lsm-tree.tsv");
}

#[test]
fn redb_comes_out_right_under_every_strategy() {
    every_strategy_gives_the_answer_of("redb.tsv");
}
