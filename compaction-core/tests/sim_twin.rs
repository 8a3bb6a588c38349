//! The simulator beside its twin, which keeps each table's entries in a map and does everything the slow way.
#![cfg(feature = "sim")]

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::rc::Rc;

use compaction_core::sim::{SimCounts, Simulation, SplitMix, StoreSettings, TableFormat};
use compaction_core::{
    AnySettings, AnyStrategyVec, BanditSettings, CompactionStrategy, Decision, Event, FifoSettings, LeveledSettings,
    Outcome, Search, Table, TieredSettings, Version, Work,
};

const KIB: u64 = 1 << 10;
const KEY_BYTES: u64 = 16;

/// A read that was told, and how many gets and scans it stands for.
type Told = (u32, (u32, u32), u32);

/// What a strategy was told of.
enum Seen {
    Flushed { runs: Vec<Vec<Table<u32>>>, bytes: u64, now_ms: u64 },
    Done { runs: Vec<Vec<Table<u32>>>, outcome: Outcome },
    Read(Told),
    Debt(u64),
}

/// A strategy, and all that it was told of.
struct Watched {
    strategy: AnyStrategyVec<u32>,
    seen: Rc<RefCell<VecDeque<Seen>>>,
    space_bytes: u64,
}

fn runs(version: &Version<'_, u32>) -> Vec<Vec<Table<u32>>> {
    (0..version.runs().len()).map(|run| version.run_tables(run).to_vec()).collect()
}

impl CompactionStrategy<u32> for Watched {
    fn name(&self) -> &'static str {
        self.strategy.name()
    }

    fn decide(&self, search: &mut Search<'_, '_, u32>) -> Decision {
        let used = runs(&search.version()).iter().flatten().map(|table| table.bytes).sum();
        let free_bytes = if self.space_bytes == u64::MAX { u64::MAX } else { self.space_bytes.saturating_sub(used) };
        assert_eq!(search.moment().free_bytes, free_bytes);
        self.strategy.decide(search)
    }

    fn guard_above(&self, key: &u32) -> Option<&u32> {
        self.strategy.guard_above(key)
    }

    fn cuts_flushes(&self) -> bool {
        self.strategy.cuts_flushes()
    }

    fn observe(&mut self, event: &Event<'_, u32>) {
        self.strategy.observe(event);
        self.seen.borrow_mut().push_back(match event {
            Event::Flushed { version, now_ms, bytes } => {
                Seen::Flushed { runs: runs(version), bytes: *bytes, now_ms: *now_ms }
            }
            Event::Done { version, outcome } => Seen::Done { runs: runs(version), outcome: *outcome },
            Event::Reads(read) => Seen::Read((*read.key, (read.gets, read.scans), read.runs)),
            Event::Aborted { .. } => panic!("the simulator ends every job"),
        });
    }

    fn debt_bytes(&self, version: &Version<'_, u32>) -> u64 {
        let debt = self.strategy.debt_bytes(version);
        self.seen.borrow_mut().push_back(Seen::Debt(debt));
        debt
    }
}

/// Number of a write, and the length of its value.
type Entries = BTreeMap<u32, (u64, Option<u32>)>;

struct Twin {
    store: StoreSettings,
    scale: u64,
    memtable: Entries,
    memtable_bytes: u64,
    frozen: Entries,
    tables: HashMap<u64, (Table<u32>, Entries)>,
    /// Ids of the tables of each run, oldest run first.
    runs: Vec<Vec<u64>>,
    live: BTreeMap<u32, u64>,
    writes: u64,
    now_ms: u64,
    counts: SimCounts,
    /// Bytes that merges read of all of their tables.
    read_bytes: u64,
    /// For each level the bytes written to it, and merges.
    levels: HashMap<u8, (u64, u64)>,
    peak_bytes: u64,
    peak_job_bytes: u64,
    debts: Vec<u64>,
    /// Bytes that were read and written because of flushes.
    worked: u64,
    read: u64,
    untold: VecDeque<Told>,
}

impl Twin {
    fn new(store: StoreSettings, scale: u64) -> Self {
        Self {
            store,
            scale,
            memtable: Entries::new(),
            memtable_bytes: 0,
            frozen: Entries::new(),
            tables: HashMap::new(),
            runs: Vec::new(),
            live: BTreeMap::new(),
            writes: 0,
            now_ms: 0,
            counts: SimCounts::default(),
            read_bytes: 0,
            levels: HashMap::new(),
            peak_bytes: 0,
            peak_job_bytes: 0,
            debts: Vec::new(),
            worked: 0,
            read: 0,
            untold: VecDeque::new(),
        }
    }

    fn bytes(&self) -> u64 {
        self.tables.values().map(|(table, _)| table.bytes).sum()
    }

    fn freeze(&mut self) {
        self.frozen = std::mem::take(&mut self.memtable);
        self.memtable_bytes = 0;
    }

    fn write(&mut self, key: u32, value: Option<u32>) {
        self.now_ms += self.scale;
        if self.memtable_bytes >= self.store.memtable_bytes {
            self.freeze();
        }
        self.writes += 1;
        self.memtable.insert(key, (self.writes, value));
        let bytes = KEY_BYTES + u64::from(value.unwrap_or(0));
        self.memtable_bytes += (bytes + self.store.memtable_entry_bytes) * self.scale;
        self.counts.user_bytes += bytes * self.scale;
        self.counts.ops += self.scale;
        match value {
            Some(value) => drop(self.live.insert(key, KEY_BYTES + u64::from(value))),
            None => drop(self.live.remove(&key)),
        }
    }

    /// Reads that one stands for.
    fn weight(&self) -> u64 {
        self.scale * self.store.read_weight.max(1)
    }

    /// The tables, newest run first, that reach over `key`, or over what follows it.
    fn spanning(&self, key: u32, above: bool) -> Vec<u64> {
        let spans = |id: &&u64| {
            let (table, _) = &self.tables[*id];
            table.min <= key && if above { table.max > key } else { table.max >= key }
        };
        self.runs.iter().rev().filter_map(|run| run.iter().find(spans)).copied().collect()
    }

    fn get(&mut self, key: u32, absent: bool) {
        let (mut filters, mut blocks) = (0, 0);
        if absent || !self.memtable.contains_key(&key) {
            for id in self.spanning(key, absent) {
                let is_hit = !absent && self.tables[&id].1.contains_key(&key);
                filters += 1;
                blocks += u64::from(is_hit || self.store.format.filter_bits == 0);
                if is_hit {
                    break;
                }
            }
        }
        self.counts.ops += self.weight();
        self.counts.gets += self.weight();
        self.counts.filters_asked += filters * self.weight();
        self.counts.get_blocks += blocks * self.weight();
        self.note(key, (1, 0), filters);
    }

    fn scan(&mut self, key: u32, keys: u64) {
        let here = self.spanning(key, false).len() as u64;
        let behind = self.live.range(key..).nth(keys.div_ceil(self.scale) as usize).map(|(key, _)| *key);
        let last = behind.unwrap_or(u32::MAX);
        let meets =
            |run: &&Vec<u64>| run.iter().any(|id| self.tables[id].0.max >= key && self.tables[id].0.min <= last);
        let opened = self.runs.iter().filter(meets).count() as u64;
        self.counts.ops += self.weight();
        self.counts.scans += self.weight();
        self.counts.scan_runs += opened * self.weight();
        self.note(key, (0, 1), here);
    }

    /// Every 64th read is told; a scan counts as eight.
    fn note(&mut self, key: u32, (gets, scans): (u64, u64), met: u64) {
        let counts = if scans > 0 { 8 } else { 1 };
        let samples = (self.read + self.weight() * counts) / 64 - self.read / 64;
        self.read += self.weight() * counts;
        let stands_for = samples * 64 / counts;
        if stands_for > 0 {
            self.untold.push_back((key, ((gets * stands_for) as u32, (scans * stands_for) as u32), met as u32));
        }
    }

    /// Takes the tables that `runs` has into account; they hold `entries`.
    fn adopt(&mut self, runs: &[Vec<Table<u32>>], mut entries: Entries, times: (u64, u64)) -> u64 {
        let mut bytes = 0;
        let fresh: Vec<_> =
            runs.iter().flatten().filter(|table| !self.tables.contains_key(&table.id)).cloned().collect();
        for table in fresh {
            let mut held = entries.split_off(&table.min);
            entries.append(&mut held.split_off(&(table.max + 1)));
            let tombstones = held.values().filter(|(_, value)| value.is_none()).count() as u64;
            let newest = held.values().map(|(number, _)| *number).max().expect("no table is empty");
            assert_eq!((held.keys().min(), held.keys().max()), (Some(&table.min), Some(&table.max)));
            assert_eq!((table.entries, table.tombstones), (held.len() as u64 * self.scale, tombstones * self.scale));
            assert_eq!((table.newest_seqno, table.newest_ms), (newest * self.scale, times.0));
            assert_eq!(table.oldest_tombstone_ms, (tombstones > 0).then_some(times.1));
            bytes += table.bytes;
            self.tables.insert(table.id, (table, held));
        }
        assert!(entries.is_empty(), "in no table: {entries:?}");
        let now: HashMap<_, _> = runs.iter().flatten().map(|table| (table.id, ())).collect();
        self.tables.retain(|id, _| now.contains_key(id));
        self.runs = runs.iter().map(|run| run.iter().map(|table| table.id).collect()).collect();
        bytes
    }

    fn flushed(&mut self, runs: &[Vec<Table<u32>>], told: u64, now_ms: u64) {
        assert_eq!(now_ms, self.now_ms);
        let entries = std::mem::take(&mut self.frozen);
        self.counts.flushes += u64::from(!entries.is_empty());
        let bytes = self.adopt(runs, entries, (now_ms, now_ms));
        assert_eq!(bytes, told);
        self.counts.flush_bytes += bytes;
        self.levels.entry(0).or_default().0 += bytes;
        self.peak_bytes = self.peak_bytes.max(self.bytes());
    }

    fn done(&mut self, runs: &[Vec<Table<u32>>], outcome: &Outcome) {
        let (before, runs_before) = (self.bytes(), self.runs.len());
        let is_left = |id: &u64| runs.iter().flatten().any(|table| table.id == *id);
        let gone: Vec<_> = self.tables.values().filter(|(table, _)| !is_left(&table.id)).cloned().collect();
        let is_merge = outcome.job.work() == Work::Merge;
        let mut merged = Entries::new();
        for (key, (number, value)) in gone.iter().filter(|_| is_merge).flat_map(|(_, entries)| entries) {
            let newest = merged.entry(*key).or_insert((*number, *value));
            *newest = (*newest).max((*number, *value));
        }
        merged.retain(|_, (_, value)| value.is_some() || !outcome.job.bottommost());
        let newest_ms = gone.iter().map(|(table, _)| table.newest_ms).max().unwrap_or(0);
        let oldest_ms = gone.iter().filter_map(|(table, _)| table.oldest_tombstone_ms).min().unwrap_or(newest_ms);
        let read = if is_merge { gone.iter().map(|(table, _)| table.bytes).sum() } else { 0 };
        let written = self.adopt(runs, merged, (newest_ms, oldest_ms));
        assert_eq!((outcome.bytes_read, outcome.bytes_written), (read, written));
        assert_eq!(outcome.runs_removed as usize, runs_before.saturating_sub(self.runs.len()));
        assert_eq!((outcome.now_ms, outcome.micros), (self.now_ms, (read + written) * 1000));
        self.counts.jobs += 1;
        self.counts.merge_written_bytes += written;
        self.read_bytes += read;
        self.peak_bytes = self.peak_bytes.max(before + written);
        self.peak_job_bytes = self.peak_job_bytes.max(read + written);
        let level = self.levels.entry(outcome.job.level()).or_default();
        (level.0, level.1) = (level.0 + written, level.1 + u64::from(is_merge));
    }

    /// Does what the strategy was told of.
    fn follow(&mut self, seen: &RefCell<VecDeque<Seen>>) {
        for seen in seen.borrow_mut().drain(..) {
            match seen {
                Seen::Flushed { runs, bytes, now_ms } => self.flushed(&runs, bytes, now_ms),
                Seen::Done { runs, outcome } => self.done(&runs, &outcome),
                Seen::Read(told) => assert_eq!(Some(told), self.untold.pop_front()),
                Seen::Debt(debt) => self.debts.push(debt),
            }
        }
        // What many runs have paid for is told at once.
        let met: u32 = self.untold.iter().map(|(_, _, runs)| (*runs).max(1)).sum();
        assert!(met < 16, "{:?} were not told", self.untold);
    }
}

fn worked(counts: &SimCounts) -> u64 {
    counts.flush_bytes + counts.merge_read_bytes + counts.merge_written_bytes
}

/// Plays random operations and holds everything against the twin. Answers with what was counted.
fn play(settings: AnySettings, store: StoreSettings, scale: u64, seed: u64) -> SimCounts {
    let seen = Rc::default();
    let strategy = AnyStrategyVec::from_settings(settings).expect("sound settings");
    let watched = Watched { strategy, seen: Rc::clone(&seen), space_bytes: store.space_bytes };
    let mut simulation = Simulation::new(watched, &store, scale);
    let (mut twin, mut rng) = (Twin::new(store, scale), SplitMix::new(seed));
    assert!(matches!(seen.borrow().front(), Some(Seen::Flushed { bytes: 0, now_ms: 0, .. })), "told of an empty tree");
    twin.follow(&seen);
    for _ in 0..12_000 {
        let before = simulation.counts();
        let kind = rng.below(10);
        // Reads also look where nothing was ever written.
        let key = if kind < 5 { 1_000 + rng.below(600) as u32 * 3 } else { rng.below(4_000) as u32 };
        match kind {
            0..4 => {
                let length = rng.below(200) as u32;
                simulation.put(key, length).expect("written");
                twin.write(key, Some(length));
            }
            4 => {
                simulation.delete(key).expect("deleted");
                twin.write(key, None);
            }
            5..7 => {
                simulation.get(key).expect("read");
                twin.get(key, false);
            }
            7 => {
                simulation.miss(key).expect("missed");
                twin.get(key, true);
            }
            _ => {
                let keys = rng.below(60);
                simulation.scan(key, keys).expect("scanned");
                twin.scan(key, keys);
            }
        }
        let found = simulation.counts();
        twin.worked += if found.flushes > before.flushes { worked(&found) - worked(&before) } else { 0 };
        twin.follow(&seen);
        let read = twin.read_bytes;
        let data = found.merge_read_bytes;
        assert!(data <= read && data >= read / 10 * 7, "{data} B of data in {read} B of tables");
        assert_eq!(found, SimCounts { merge_read_bytes: data, ..twin.counts });
    }
    let before = simulation.counts();
    let live = twin.live.values().sum::<u64>() * scale;
    twin.freeze();
    let report = simulation.finish().expect("at rest");
    twin.worked += worked(&report.counts()) - worked(&before);
    twin.follow(&seen);
    assert_eq!(report.counts(), SimCounts { merge_read_bytes: report.counts().merge_read_bytes, ..twin.counts });
    assert_eq!((report.last().live_bytes, report.last().table_bytes), (live, twin.bytes()));
    assert_eq!((report.last().runs, report.peak_bytes), (twin.runs.len() as u64, twin.peak_bytes));
    assert_eq!(report.peak_job_bytes, twin.peak_job_bytes);
    assert_eq!(Some(report.debt_bytes), twin.debts.pop());
    assert_eq!(Some(report.peak_debt_bytes), twin.debts.iter().copied().max());
    assert_eq!(report.stalls.busy_us, twin.worked * 1_000);
    for level in &report.levels {
        assert_eq!((level.written_bytes, level.merges), twin.levels.remove(&level.level).unwrap_or_default());
    }
    assert_eq!(twin.levels.values().filter(|counts| **counts != (0, 0)).count(), 0);
    assert_eq!(report.levels.iter().map(|level| level.runs).sum::<u64>(), twin.runs.len() as u64);
    assert_eq!(report.levels.iter().map(|level| level.tables).sum::<u64>(), twin.tables.len() as u64);
    report.counts()
}

#[test]
fn every_count_and_every_table_is_that_of_the_twin() {
    // Hardly anything but data.
    let bare =
        TableFormat { footer_bytes: 0, table_bytes: 0, part_bytes: 0, filter_line_bytes: 1, ..Default::default() };
    let format = |filter_bits| TableFormat { filter_bits, filter_pass_ppm: 0, ..bare };
    let store = StoreSettings {
        memtable_bytes: 8 * KIB,
        table_bytes: 4 * KIB,
        format: format(10),
        io_bytes_per_s: 1_000,
        ..StoreSettings::default()
    };
    let leveled = LeveledSettings { base_bytes: 16 * KIB, table_bytes_max: 4 * KIB, fanout: 3, ..Default::default() };
    let bandit = BanditSettings { table_bytes_max: 4 * KIB, job_bytes_max: 64 * KIB, ..Default::default() };
    let strategies = [
        AnySettings::Tiered(TieredSettings { table_bytes_max: 4 * KIB, ..Default::default() }),
        AnySettings::Leveled(leveled),
        AnySettings::Fifo(FifoSettings { bytes_max: 64 * KIB, ..Default::default() }),
        AnySettings::Bandit(bandit),
    ];
    for (seed, settings) in (1..).zip(strategies) {
        let counts = play(settings, store, 1, seed);
        assert!(counts.flushes > 50 && counts.jobs > 20, "{counts:?}");
        let thin = StoreSettings { read_weight: 3, format: format(0), space_bytes: 1 << 20, ..store };
        play(settings, thin, 2, seed + 10);
    }
}
