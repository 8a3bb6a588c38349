use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::ops::Bound;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::cache::Cache;
use crate::error::{Error, Result};
use crate::fs::{CountingFs, Fs, MemFs, Purpose};
use crate::iter::{Cursor, Direction, Step};
use crate::types::{Entry, EntryRef, FileId, Found, KEY_BYTES_MAX, Kind, SeqNo, TableMeta, VALUE_BYTES_MAX};

/// A table as it should be.
pub(super) type Model = BTreeMap<(Bytes, Reverse<SeqNo>), (Kind, Bytes)>;

const DIR: &str = "";

pub(super) fn write(fs: &dyn Fs, id: FileId, options: &TableOptions, model: &Model) -> Result<TableMeta> {
    let mut writer = TableWriter::new(fs, Path::new(DIR), id, options, Purpose::Flush)?;
    for ((key, Reverse(seqno)), (kind, value)) in model {
        writer.add(key, *seqno, *kind, value)?;
    }
    writer.finish(1_000, 500)
}

pub(super) fn open(fs: &Arc<MemFs>, id: FileId) -> Result<Arc<TableReader>> {
    TableReader::open(fs.clone(), Path::new(DIR), id, Cache::new(1 << 20, 8))
}

/// A table of `model` in memory, open.
fn table(options: &TableOptions, model: &Model) -> Arc<TableReader> {
    let fs = Arc::new(MemFs::new());
    write(&*fs, 7, options, model).unwrap();
    open(&fs, 7).unwrap()
}

fn entry(((key, Reverse(seqno)), (kind, value)): (&(Bytes, Reverse<SeqNo>), &(Kind, Bytes))) -> Entry {
    Entry { key: key.clone(), seqno: *seqno, kind: *kind, value: value.clone() }
}

fn all(table: &Arc<TableReader>, access: Access) -> Vec<Entry> {
    entries(table.range(Bound::Unbounded, Bound::Unbounded, Direction::Forward, access)).unwrap()
}

/// All that a walk comes to.
pub(super) fn entries(mut walk: impl Cursor) -> Result<Vec<Entry>> {
    let mut entries = Vec::new();
    while walk.step()? != Step::End {
        let EntryRef { key, seqno, kind, value } = walk.entry();
        assert_eq!((walk.key(), &*walk.value()), (key, value));
        entries.push(Entry { key: Bytes::copy_from_slice(key), seqno, kind, value: walk.value() });
    }
    assert_eq!(walk.step()?, Step::End);
    Ok(entries)
}

pub(super) fn key() -> impl Strategy<Value = Bytes> {
    let letters = prop::sample::select(vec![0u8, b'a', b'b', 0xff]);
    prop::collection::vec(letters, 0..6).prop_map(Bytes::from)
}

pub(super) fn model() -> impl Strategy<Value = Model> {
    let value = prop_oneof![
        4 => prop::collection::vec(any::<u8>(), 0..20),
        1 => (any::<u8>(), 0usize..400).prop_map(|(byte, len)| vec![byte; len]),
    ];
    let write = prop_oneof![
        1 => Just((Kind::Delete, Bytes::new())),
        4 => value.prop_map(|value| (Kind::Put, value.into())),
    ];
    prop::collection::btree_map((key(), (0u64..30).prop_map(Reverse)), write, 1..120)
}

pub(super) fn options() -> impl Strategy<Value = TableOptions> {
    let block_bytes = prop_oneof![1usize..300, Just(4096)];
    (block_bytes, any::<bool>(), prop_oneof![Just(0u8), 1u8..20])
        .prop_map(|(block_bytes, lz4, filter_bits)| TableOptions { block_bytes, lz4, filter_bits })
}

fn bound() -> impl Strategy<Value = Bound<Bytes>> {
    prop_oneof![Just(Bound::Unbounded), key().prop_map(Bound::Included), key().prop_map(Bound::Excluded)]
}

fn is_within(key: &Bytes, low: &Bound<Bytes>, high: &Bound<Bytes>) -> bool {
    let above = match low {
        Bound::Unbounded => true,
        Bound::Included(low) => key >= low,
        Bound::Excluded(low) => key > low,
    };
    above
        && match high {
            Bound::Unbounded => true,
            Bound::Included(high) => key <= high,
            Bound::Excluded(high) => key < high,
        }
}

fn get_from_model(model: &Model, key: &Bytes, snapshot: SeqNo) -> Option<Found> {
    let (found, (kind, value)) = model.range((key.clone(), Reverse(snapshot))..).next()?;
    (found.0 == key).then(|| Found { seqno: found.1.0, kind: *kind, value: value.clone() })
}

proptest! {
    #[test]
    fn a_walk_in_either_direction_agrees_with_the_model(
        model in model(),
        options in options(),
        bounds in prop::collection::vec((bound(), bound()), 1..8),
        access in prop::sample::select(vec![Access::Read, Access::Merge { inputs: 1 }, Access::Merge { inputs: 10_000 }]),
    ) {
        let table = table(&options, &model);
        for (low, high) in bounds {
            let within = model.iter().map(entry).filter(|entry| is_within(&entry.key, &low, &high));
            let mut expected: Vec<_> = within.collect();
            for direction in [Direction::Forward, Direction::Backward] {
                let found = entries(table.range(low.clone(), high.clone(), direction, access)).unwrap();
                prop_assert_eq!(&found, &expected);
                expected.reverse();
            }
        }
    }

    #[test]
    fn a_get_at_any_snapshot_agrees_with_the_model(
        model in model(),
        options in options(),
        others in prop::collection::vec(key(), 10),
        cache_bytes in prop::sample::select(vec![0, 3_000, 1 << 20]),
    ) {
        let fs = Arc::new(MemFs::new());
        write(&*fs, 7, &options, &model).unwrap();
        let table = TableReader::open(fs, Path::new(DIR), 7, Cache::new(cache_bytes, 8)).unwrap();
        for key in model.keys().map(|(key, _)| key).chain(&others) {
            for snapshot in (0..32).step_by(3).chain([SeqNo::MAX]) {
                let found = table.get(key, key_hash(key), snapshot).unwrap();
                prop_assert_eq!(found, get_from_model(&model, key, snapshot));
            }
        }
    }

    #[test]
    fn a_table_tells_what_it_holds(model in model(), options in options()) {
        let fs = Arc::new(MemFs::new());
        let meta = write(&*fs, 7, &options, &model).unwrap();
        let table = open(&fs, 7).unwrap();
        prop_assert_eq!(table.meta(), &meta);
        let tombstones = model.values().filter(|(kind, _)| *kind == Kind::Delete).count() as u64;
        let seqnos: Vec<_> = model.keys().map(|(_, Reverse(seqno))| *seqno).collect();
        let expected = TableMeta {
            id: 7,
            bytes: fs.bytes("000007.sst").unwrap().len() as u64,
            entries: model.len() as u64,
            tombstones,
            min: model.first_key_value().unwrap().0.0.clone(),
            max: model.last_key_value().unwrap().0.0.clone(),
            newest_ms: 1_000,
            oldest_tombstone_ms: (tombstones > 0).then_some(500),
            oldest_seqno: *seqnos.iter().min().unwrap(),
            newest_seqno: *seqnos.iter().max().unwrap(),
        };
        prop_assert_eq!(meta, expected);
        table.verify().unwrap();
    }
}

/// `count` keys with values of ten bytes.
pub(super) fn plain(count: u64) -> Model {
    (0..count)
        .map(|i| ((format!("key{i:06}").into(), Reverse(i)), (Kind::Put, format!("value{i:05}").into())))
        .collect()
}

#[test]
fn ten_thousand_versions_of_one_key_are_each_found() {
    let version = |i: u64| ((Bytes::from("b"), Reverse(i)), (Kind::Put, Bytes::from(i.to_string())));
    let mut model: Model = (0..10_000).map(|i| version(i * 2)).collect();
    for neighbour in ["a", "b\0", "c"] {
        model.insert((neighbour.into(), Reverse(5)), (Kind::Delete, Bytes::new()));
    }
    let table = table(&TableOptions::default(), &model);
    let key = Bytes::from("b");
    for snapshot in 0..20_000 {
        let found = table.get(&key, key_hash(&key), snapshot).unwrap();
        assert_eq!(found, get_from_model(&model, &key, snapshot));
    }
    let one = table.range(Bound::Included(key.clone()), Bound::Included(key), Direction::Forward, Access::Read);
    assert_eq!(entries(one).unwrap().len(), 10_000);
    assert!(all(&table, Access::Merge { inputs: 1 }).iter().eq(&model.iter().map(entry).collect::<Vec<_>>()));
}

#[test]
fn the_longest_keys_and_values_come_back() {
    let long = |byte: u8| Bytes::from(vec![byte; KEY_BYTES_MAX]);
    let noise: Vec<u8> = (0..VALUE_BYTES_MAX as u32).map(|i| i.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect();
    let mut model = plain(100);
    model.insert((Bytes::new(), Reverse(9)), (Kind::Put, Bytes::new()));
    model.insert((long(b'a'), Reverse(8)), (Kind::Put, Bytes::from("small")));
    model.insert((long(b'z'), Reverse(7)), (Kind::Put, noise.into()));
    model.extend((0..200).map(|i| ((long(b'k'), Reverse(i)), (Kind::Delete, Bytes::new()))));
    let table = table(&TableOptions { lz4: false, ..TableOptions::default() }, &model);
    table.verify().unwrap();
    for ((key, Reverse(seqno)), (_, value)) in &model {
        let found = table.get(key, key_hash(key), *seqno).unwrap().unwrap();
        assert!(found.value == value && found.seqno == *seqno);
    }
    assert_eq!(all(&table, Access::Merge { inputs: 1 }).len(), model.len());
}

#[test]
fn entries_out_of_order_are_refused() {
    let fs = MemFs::new();
    let mut writer = TableWriter::new(&fs, Path::new(DIR), 1, &TableOptions::default(), Purpose::Flush).unwrap();
    writer.add(b"b", 5, Kind::Put, b"").unwrap();
    for (key, seqno) in [(b"a", 9), (b"b", 5), (b"b", 6)] {
        assert!(matches!(writer.add(key, seqno, Kind::Put, b""), Err(Error::Law { .. })));
    }
    let long = vec![0; KEY_BYTES_MAX + 1];
    assert!(matches!(writer.add(&long, 1, Kind::Put, b""), Err(Error::KeyTooLong { .. })));
    let long = vec![0; VALUE_BYTES_MAX + 1];
    assert!(matches!(writer.add(b"c", 1, Kind::Put, &long), Err(Error::ValueTooLong { .. })));
    writer.add(b"b", 4, Kind::Put, b"").unwrap();
    assert_eq!(writer.finish(0, 0).unwrap().entries, 2);
    let writer = TableWriter::new(&fs, Path::new(DIR), 2, &TableOptions::default(), Purpose::Flush).unwrap();
    assert!(matches!(writer.finish(0, 0), Err(Error::Law { .. })));
}

#[test]
fn the_size_so_far_is_close_to_the_size_at_the_end() {
    for lz4 in [false, true] {
        let fs = MemFs::new();
        let options = TableOptions { lz4, ..TableOptions::default() };
        let mut writer = TableWriter::new(&fs, Path::new(DIR), 1, &options, Purpose::Flush).unwrap();
        for ((key, Reverse(seqno)), (kind, value)) in &plain(20_000) {
            writer.add(key, *seqno, *kind, value).unwrap();
        }
        let (so_far, end) = (writer.bytes_so_far(), writer.finish(0, 0).unwrap().bytes);
        assert!(so_far.abs_diff(end) < end / 50, "{so_far} so far, {end} at the end");
    }
}

#[test]
fn a_cached_block_is_read_once() {
    let fs = Arc::new(CountingFs::new(Arc::new(MemFs::new())));
    write(&*fs, 7, &TableOptions::default(), &plain(1_000)).unwrap();
    let cache = Cache::new(1 << 20, 8);
    let table = TableReader::open(fs.clone(), Path::new(DIR), 7, cache.clone()).unwrap();
    let get = || table.get(b"key000500", key_hash(b"key000500"), SeqNo::MAX).unwrap().unwrap().value;
    let first = get();
    let reads = fs.counts().of(Purpose::Read).reads;
    let second = get();
    assert_eq!(first, second);
    assert_eq!(fs.counts().of(Purpose::Read).reads, reads);
    let stats = cache.stats();
    assert_eq!((stats.hits, stats.misses, stats.point_blocks, stats.filter_asked), (1, 1, 2, 2));
    assert!(table.get(b"key000500x", key_hash(b"key000500x"), SeqNo::MAX).unwrap().is_none());
    assert_eq!(cache.stats().filter_denied, 1);
    assert_eq!(all(&table, Access::Merge { inputs: 1 }).len(), 1_000);
    assert_eq!(fs.counts().of(Purpose::Read).reads, reads);
    assert_eq!((cache.stats().hits, cache.stats().misses), (1, 1));
}

#[test]
fn large_values_are_not_copied() {
    for lz4 in [false, true] {
        let mut model = plain(100);
        model.insert(("large".into(), Reverse(1)), (Kind::Put, vec![7; 10_000].into()));
        let table = table(&TableOptions { lz4, ..TableOptions::default() }, &model);
        let get = || table.get(b"large", key_hash(b"large"), SeqNo::MAX).unwrap().unwrap().value;
        let (first, second) = (get(), get());
        assert_eq!((first.as_ptr(), &*second), (second.as_ptr(), &[7; 10_000][..]));
    }
}

#[test]
fn a_block_that_is_not_kept_is_checked_and_its_large_values_are_copied() {
    for lz4 in [false, true] {
        let fs = Arc::new(MemFs::new());
        let mut model = plain(3);
        model.values_mut().for_each(|(_, value)| *value = vec![7; 10_000].into());
        write(&*fs, 7, &TableOptions { lz4, ..TableOptions::default() }, &model).unwrap();
        let table = TableReader::open(fs.clone(), Path::new(DIR), 7, Cache::new(0, 8)).unwrap();
        let get = |key: &str| table.get(key.as_bytes(), key_hash(key.as_bytes()), SeqNo::MAX);
        let found = get("key000000").unwrap().unwrap().value;
        let mut bad = fs.bytes("000007.sst").unwrap();
        bad[10] ^= 1;
        fs.set_bytes("000007.sst", bad);
        assert!(matches!(get("key000000"), Err(Error::Corrupt { offset: 0, .. })));
        assert!(get("key000002").unwrap().is_some());
        assert_eq!(found, vec![7; 10_000]);
    }
}

#[test]
fn blocks_read_once_each_are_never_hits() {
    let fs = Arc::new(MemFs::new());
    let mut model = plain(300);
    model.values_mut().for_each(|(_, value)| *value = vec![7; 4096].into());
    write(&*fs, 7, &TableOptions::default(), &model).unwrap();
    for cache in [Cache::new(1 << 20, 8), Cache::new(0, 8)] {
        let table = TableReader::open(fs.clone(), Path::new(DIR), 7, cache.clone()).unwrap();
        for (key, _) in model.keys() {
            assert!(table.get(key, key_hash(key), SeqNo::MAX).unwrap().is_some());
        }
        assert_eq!((cache.stats().hits, cache.stats().misses), (0, 300));
        assert!(cache.stats().bytes <= 1 << 20);
    }
}

#[test]
fn many_tables_work_with_few_open_files() {
    let fs = Arc::new(MemFs::new());
    let cache = Cache::new(0, 16);
    let options = TableOptions::default();
    let open = |id| {
        write(&*fs, id, &options, &plain(3)).unwrap();
        TableReader::open(fs.clone(), Path::new(DIR), id, cache.clone()).unwrap()
    };
    let tables: Vec<_> = (0..1_000).map(open).collect();
    for table in &tables {
        assert!(table.get(b"key000001", key_hash(b"key000001"), SeqNo::MAX).unwrap().is_some());
        assert!(cache.stats().open_files <= 16);
    }
    assert!(cache.stats().open_files > 0);
    drop(tables);
    assert_eq!(cache.stats().open_files, 0);
}

#[test]
fn a_merge_reads_ahead_in_large_pieces() {
    let fs = Arc::new(CountingFs::new(Arc::new(MemFs::new())));
    let options = TableOptions { lz4: false, ..TableOptions::default() };
    let meta = write(&*fs, 7, &options, &plain(50_000)).unwrap();
    let table = TableReader::open(fs.clone(), Path::new(DIR), 7, Cache::new(0, 8)).unwrap();
    assert_eq!(all(&table, Access::Merge { inputs: 1 }).len(), 50_000);
    let merge = fs.counts().of(Purpose::Merge);
    assert!(merge.reads < 10 && merge.read_bytes < meta.bytes + meta.bytes / 10, "{merge:?} of {}", meta.bytes);
}

#[test]
fn a_long_scan_reads_ahead_and_does_not_fill_the_cache() {
    let fs = Arc::new(CountingFs::new(Arc::new(MemFs::new())));
    let options = TableOptions { lz4: false, ..TableOptions::default() };
    let meta = write(&*fs, 7, &options, &plain(50_000)).unwrap();
    let cache = Cache::new(4 << 20, 8);
    let table = TableReader::open(fs.clone(), Path::new(DIR), 7, cache.clone()).unwrap();
    for round in 1..=2 {
        assert_eq!(all(&table, Access::Read).len(), 50_000);
        let (read, stats) = (fs.counts().of(Purpose::Read), cache.stats());
        assert!(read.read_bytes < round * (meta.bytes + meta.bytes / 10), "{read:?} of {}", meta.bytes);
        assert!(read.reads < round * meta.bytes / 40_000 + 30, "{read:?} of {}", meta.bytes);
        assert!(stats.bytes < 100_000 && stats.open_files == 1, "{stats:?}");
        assert!(stats.hits == (round - 1) * 16 && stats.misses > round * 200, "{stats:?}");
    }
}

#[test]
fn a_small_value_is_not_read_with_its_large_neighbours() {
    let fs = Arc::new(CountingFs::new(Arc::new(MemFs::new())));
    let mut model = plain(100);
    for i in (0..100).step_by(2) {
        let large = (Kind::Put, vec![1; 100_000].into());
        model.insert((format!("key{i:06}").into(), Reverse(i)), large);
    }
    let options = TableOptions { lz4: false, ..TableOptions::default() };
    write(&*fs, 7, &options, &model).unwrap();
    let table = TableReader::open(fs.clone(), Path::new(DIR), 7, Cache::new(0, 8)).unwrap();
    let before = fs.counts().of(Purpose::Read).read_bytes;
    assert!(table.get(b"key000051", key_hash(b"key000051"), SeqNo::MAX).unwrap().is_some());
    assert!(fs.counts().of(Purpose::Read).read_bytes - before < 1_000);
}
