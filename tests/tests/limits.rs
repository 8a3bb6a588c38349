//! Bounds that hold whatever the settings and the size of the tree.

use std::cell::Cell;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use compaction_core::{AnySettings, AnyStrategyVec, CompactionStrategy, Event, Moment, Table, VersionVec};
use lsm_std::fs::Purpose;
use lsm_std::{Options, SyncPolicy, What};
use lsm_tests::settings;

thread_local! {
    static COMPARED: Cell<u64> = const { Cell::new(0) };
}

/// A key that counts how often keys are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Key(u64);

impl Ord for Key {
    fn cmp(&self, other: &Self) -> Ordering {
        COMPARED.set(COMPARED.get() + 1);
        self.0.cmp(&other.0)
    }
}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Five runs in level 0, then levels of `tables` and ten times as many tables, all over the same keys.
fn tree(tables: u64) -> VersionVec<Key> {
    let (mut tree, mut id) = (VersionVec::default(), 0);
    for (level, count) in [(2, 10 * tables), (1, tables)].into_iter().chain([(0, tables / 10 + 1); 5]) {
        let width = u64::MAX / count;
        let table = |at: u64| {
            id += 1;
            Table::new(id, 1_000 + at % 7, Key(at * width), Key(at * width + width / 2)).entries(10).newest_ms(1)
        };
        tree.push_run(level, (0..count).map(table).collect::<Vec<_>>()).unwrap();
    }
    tree
}

#[test]
fn a_decision_compares_few_keys_however_many_tables_there_are() {
    for (name, text) in settings::EACH {
        let compared = |tables: u64| {
            let tree = tree(tables);
            let mut strategy = AnyStrategyVec::from_settings(settings::parse(text).unwrap()).unwrap();
            strategy.observe(&Event::Flushed { version: tree.view(), now_ms: 1, bytes: 0 });
            COMPARED.set(0);
            let decision = strategy.choose(&tree.view(), &Moment::default());
            (COMPARED.get(), decision.choice.name())
        };
        let ((few, first), (many, second)) = (compared(100), compared(10_000));
        assert_eq!(first, second, "{name}: the same kind of choice is counted");
        assert!(many < 3_000, "{name}: {few} at 1 100 tables, {many} at 110 000");
    }
}

#[test]
fn writers_go_on_however_low_the_limits_that_stall_them() {
    for (name, text) in settings::EACH {
        let dir = tempfile::tempdir().unwrap();
        let options = Options::new().strategy(settings::parse(text).unwrap()).sync(SyncPolicy::Never);
        let options = options.memtable_bytes(1 << 10).debt_bytes_max(1).frozen_memtables_max(1);
        let db = options.open(dir.path()).unwrap();
        for at in 0..250u64 {
            db.put(&(at % 97).to_be_bytes(), &[7; 60]).unwrap();
        }
        db.flush().unwrap();
        let flushes = db.stats().flushes;
        assert!(flushes > 10, "{name}: {flushes} flushes");
        db.close().unwrap();
    }
}

#[test]
fn write_amplification_is_the_bytes_of_all_table_files_by_those_of_the_user() {
    for (name, text) in settings::EACH {
        let dir = tempfile::tempdir().unwrap();
        let files = Arc::new(Mutex::new(BTreeMap::new()));
        let (seen, path) = (Arc::clone(&files), dir.path().to_path_buf());
        // Outputs are there and inputs not gone yet.
        let look = move |what: &What| {
            if !matches!(what, What::Flushed { .. } | What::Done { .. }) {
                return;
            }
            for entry in std::fs::read_dir(&path).unwrap().flatten() {
                let file = entry.file_name().into_string().unwrap();
                if file.ends_with(".sst") {
                    seen.lock().unwrap().insert(file, entry.metadata().unwrap().len());
                }
            }
        };
        let options = Options::new().strategy(settings::parse(text).unwrap()).deterministic(1).memtable_bytes(4 << 10);
        let db = options.on_report(move |report| look(&report.what)).open(dir.path()).unwrap();
        for at in 0..2_000u64 {
            db.put(&(at * 7919 % 300).to_be_bytes(), &at.to_be_bytes().repeat(12)).unwrap();
        }
        db.flush().unwrap();
        db.wait_idle().unwrap();
        let (stats, written) = (db.stats(), files.lock().unwrap().values().sum::<u64>());
        let counted = stats.io(Purpose::Flush).written_bytes + stats.io(Purpose::Merge).written_bytes;
        assert_eq!(counted, written, "{name}");
        assert_eq!(stats.write_amp(), written as f64 / stats.user_bytes as f64, "{name}");
        let plain = matches!(settings::parse(text).unwrap(), AnySettings::Idle | AnySettings::Fifo(_));
        assert_eq!(stats.io(Purpose::Merge).written_bytes > 0, !plain, "{name}");
    }
}
