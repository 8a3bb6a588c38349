//! Gets that read tables where the system has them.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use lsm_std::compaction_core::{AnySettings, TieredSettings};
use lsm_std::fs::{Fs, MemFs, Purpose, RealFs};
use lsm_std::{Db, Error, Options, SyncPolicy};

use crate::common::{key, value};

fn options() -> Options {
    let tiered = TieredSettings { min_merge_width: 2, table_bytes_max: 20_000, ..Default::default() };
    let options = Options::new().strategy(AnySettings::Tiered(tiered)).sync(SyncPolicy::Never).cache_bytes(0);
    options.memtable_bytes(4000).unsettled_bytes_max(20_000).mapped_reads(true)
}

/// The tables in `dir` that are mapped into this process; `None` where that cannot be seen.
fn mapped(dir: &Path) -> Option<BTreeSet<String>> {
    let maps = fs::read_to_string("/proc/self/maps").ok()?;
    let dir = format!("{}/", dir.canonicalize().unwrap().display());
    let tables = maps.lines().filter_map(|line| Some(line.split_once(&dir)?.1.to_owned()));
    Some(tables.filter(|name| name.contains(".sst")).collect())
}

fn live(db: &Db) -> BTreeSet<String> {
    db.runs().iter().flat_map(|(_, run)| run).map(|table| format!("{:06}.sst", table.id)).collect()
}

#[test]
fn gets_find_what_they_would_find_by_calls_and_make_none_where_blocks_are_not_packed() {
    let temp = tempfile::tempdir().unwrap();
    for (name, len, packed) in [("small", 60, false), ("large", 3000, false), ("packed", 60, true)] {
        let value = |at| if packed { vec![at as u8; len] } else { value(at, len) };
        let dir = temp.path().join(name);
        let db = options().lz4(packed).open(&dir).unwrap();
        (0..500).for_each(|at| db.put(&key(at), &value(at)).unwrap());
        (0..500).step_by(5).for_each(|at| db.delete(&key(at)).unwrap());
        db.flush().unwrap();
        db.wait_idle().unwrap();
        let before = db.stats().io(Purpose::Read).reads;
        for round in 0..2 {
            for at in 0..600 {
                let expected = (at < 500 && at % 5 > 0).then(|| value(at));
                assert_eq!(db.get(&key(at)).unwrap().as_deref(), expected.as_deref(), "{name} {at}, round {round}");
            }
        }
        if let Some(mapped) = mapped(&dir) {
            let (reads, tables) = (db.stats().io(Purpose::Read).reads - before, live(&db));
            // Two at most open a table.
            assert_eq!(reads > 2 * tables.len() as u64, packed, "{name}: {reads} calls, {} tables", tables.len());
            assert!(!mapped.is_empty() && mapped.is_subset(&tables), "{name}: {mapped:?}");
        }
        db.close().unwrap();
        assert!(mapped(&dir).is_none_or(|mapped| mapped.is_empty()));
    }
}

#[test]
fn a_damaged_block_is_an_error_that_names_it_each_time_and_the_others_are_read() {
    let temp = tempfile::tempdir().unwrap();
    let options = || options().lz4(false).strategy(AnySettings::Idle).memtable_bytes(1 << 20);
    let db = options().open(temp.path()).unwrap();
    (0..500).for_each(|at| db.put(&key(at), &value(at, 60)).unwrap());
    db.close().unwrap();
    let tables = fs::read_dir(temp.path()).unwrap().map(|entry| entry.unwrap().path());
    let [table] = &tables.filter(|path| path.extension().is_some_and(|end| end == "sst")).collect::<Vec<_>>()[..]
    else {
        panic!("not one table")
    };
    let mut bytes = fs::read(table).unwrap();
    bytes[5000] ^= 1;
    fs::write(table, bytes).unwrap();
    let db = options().open(temp.path()).unwrap();
    for _ in 0..2 {
        let found: Vec<_> = (0..500).map(|at| db.get(&key(at))).collect();
        let bad = found.iter().filter(|found| match found {
            Err(Error::Corrupt { path, offset, .. }) => path == table && (1..=5000).contains(offset),
            found => !found.as_ref().is_ok_and(Option::is_some),
        });
        assert!((40..80).contains(&bad.count()), "{found:?}");
        assert!(found.iter().all(|found| found.as_ref().map_or(true, Option::is_some)));
    }
}

#[test]
fn what_is_mapped_is_not_written_over_while_it_is_read() {
    let temp = tempfile::tempdir().unwrap();
    let db = options().lz4(false).open(temp.path()).unwrap();
    let write = |round: u64| {
        for at in 0..2000 {
            db.put(&key(at % 97), &[&round.to_le_bytes()[..], &value(at % 97, 50)].concat()).unwrap();
        }
    };
    write(1);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut last = [0; 97];
            for at in (0..97).cycle().take_while(|_| !stop.load(Ordering::Relaxed)) {
                let found = db.get(&key(at)).unwrap().unwrap();
                let (round, rest) = found.split_first_chunk().unwrap();
                let round = u64::from_le_bytes(*round);
                assert!(rest == value(at, 50) && (last[at as usize]..=20).contains(&round), "{at}: round {round}");
                last[at as usize] = round;
            }
        });
        (2..=20).for_each(write);
        stop.store(true, Ordering::Relaxed);
        reader.join().unwrap();
    });
    db.compact_all().unwrap();
    (0..97).for_each(|at| assert!(db.get(&key(at)).unwrap().is_some()));
    assert!(mapped(temp.path()).is_none_or(|mapped| mapped.is_subset(&live(&db))));
}

#[test]
fn where_files_cannot_be_mapped_they_are_read() {
    assert!(["/proc/version", "/dev/null", "/"].iter().all(|path| RealFs.map(Path::new(path)).is_none()));
    let db = options().fs(Arc::new(MemFs::new())).open("store").unwrap();
    db.put(b"a", b"1").unwrap();
    db.flush().unwrap();
    assert_eq!(db.get(b"a").unwrap().as_deref(), Some(&b"1"[..]));
}
