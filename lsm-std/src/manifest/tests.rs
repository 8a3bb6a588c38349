use std::collections::BTreeSet;

use bytes::Bytes;
use proptest::prelude::*;

use super::codec::Record;
use super::*;
use crate::fs::MemFs;
use crate::fs::faulty::FaultyFs;
use crate::types::TableMeta;

pub(super) fn table(id: FileId, min: u8, max: u8) -> TableMeta {
    TableMeta {
        id,
        bytes: 1000 + id,
        entries: 10,
        tombstones: id % 2,
        min: Bytes::copy_from_slice(&[min]),
        max: Bytes::copy_from_slice(&[max]),
        newest_ms: 77,
        oldest_tombstone_ms: (id % 2 == 1).then_some(5),
        oldest_seqno: id * 10,
        newest_seqno: id * 10 + 9,
    }
}

pub(super) fn add(place: Place, tables: Vec<TableMeta>) -> Edit {
    Edit { added: Some(AddRun { place, tables }), ..Edit::default() }
}

pub(super) fn flush(id: FileId) -> Edit {
    add(Place::Newest { level: 0 }, vec![table(id, 10, 20)])
}

/// Levels and table ids, oldest run first.
pub(super) fn shape(state: &State) -> Vec<(u8, Vec<FileId>)> {
    state.runs.iter().map(|run| (run.level, run.tables.iter().map(|t| t.id).collect())).collect()
}

/// An edit whose tables have no numbers yet; most break some law.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    place: Place,
    pub(super) deleted: BTreeSet<FileId>,
    spans: Vec<(u8, u8)>,
}

pub(super) fn draft() -> impl Strategy<Value = Draft> {
    let place = prop_oneof![
        (0..2u8).prop_map(|level| Place::Newest { level }),
        (0..4usize).prop_map(|run| Place::Into { run }),
        (0..4usize, 0..3u8).prop_map(|(run, level)| Place::Before { run, level }),
    ];
    let spans = prop::collection::vec((0..60u8, 0..3u8), 0..3);
    (place, prop::collection::btree_set(0..12u64, 0..3), spans).prop_map(|(place, deleted, spans)| Draft {
        place,
        deleted,
        spans,
    })
}

pub(super) fn edit_of(draft: &Draft, next_id: FileId) -> Edit {
    let tables = draft.spans.iter().enumerate();
    let tables = tables.map(|(i, &(min, width))| table(next_id + i as u64, min, min + width)).collect();
    Edit { deleted: draft.deleted.iter().copied().collect(), ..add(draft.place, tables) }
}

proptest! {
    #[test]
    fn a_manifest_reads_back_what_was_appended(
        drafts in prop::collection::vec(draft(), 1..30),
        strategy: Option<Vec<u8>>,
        floor in prop::option::of(0..1u64 << 63),
        rewrites: u32,
    ) {
        let fs = Arc::new(MemFs::new());
        let mut manifest = Manifest::create(fs.clone(), Path::new(""), 0, State::default()).unwrap();
        let mut model = State::default();
        for (i, draft) in drafts.iter().enumerate() {
            let mut edit = edit_of(draft, model.next_id);
            if i == 0 {
                let (strategy, has_log) = (strategy.clone(), Some(floor.is_some()));
                edit = Edit { strategy, has_log, log_floor: floor, last_seqno: floor, next_id: Some(9), ..Edit::default() };
            }
            prop_assert_eq!(model.apply(&edit).is_ok(), manifest.append(&edit).is_ok());
            if rewrites >> i & 1 == 1 {
                manifest.rewrite(model.next_id).unwrap();
                model.next_id += 1;
            }
        }
        prop_assert_eq!(manifest.state(), &model);
        let reopened = Manifest::open(fs.clone(), Path::new("")).unwrap().unwrap();
        prop_assert_eq!(reopened.state(), &model);
        prop_assert_eq!((reopened.id(), reopened.torn()), (manifest.id(), None));
        prop_assert_eq!(fs.list(Path::new("")).unwrap().len(), 2);
    }

    #[test]
    fn any_record_decodes_without_a_panic(bytes: Vec<u8>) {
        let _ = Record::decode(&bytes);
        let mut edit = vec![1, 2, 0, 0];
        edit.extend(bytes);
        let _ = Record::decode(&edit);
    }
}

/// A store of three edits: its files, and the length of the manifest and the state after each edit.
fn three_edits() -> (Arc<MemFs>, Vec<(usize, State)>) {
    let fs = Arc::new(MemFs::new());
    let mut manifest = Manifest::create(fs.clone(), Path::new(""), 7, State::default()).unwrap();
    let len = || fs.bytes("MANIFEST-000007").unwrap().len();
    let mut steps = vec![(len(), manifest.state().clone())];
    let merge = Edit { deleted: vec![8, 9], ..add(Place::Before { run: 0, level: 1 }, vec![table(10, 1, 9)]) };
    for edit in [flush(8), flush(9), merge] {
        manifest.append(&edit).unwrap();
        steps.push((len(), manifest.state().clone()));
    }
    (fs, steps)
}

#[test]
fn a_manifest_cut_at_any_byte_holds_the_edits_before_and_takes_new_ones() {
    let (fs, steps) = three_edits();
    let whole = fs.bytes("MANIFEST-000007").unwrap();
    for len in 0..whole.len() {
        fs.set_bytes("MANIFEST-000007", whole[..len].to_vec());
        let open = || Manifest::open(fs.clone(), Path::new(""));
        let Some((end, state)) = steps.iter().rfind(|(end, _)| *end <= len) else {
            assert!(matches!(open(), Err(Error::Corrupt { .. })), "{len}");
            continue;
        };
        let mut manifest = open().unwrap().unwrap();
        let lost = (len > *end).then_some(Torn {
            offset: *end as u64,
            bytes_lost: (len - end) as u64,
            records_lost: 0,
            is_cut: true,
        });
        assert_eq!((manifest.state(), manifest.torn()), (state, lost), "{len}");
        manifest.append(&flush(50)).unwrap();
        assert_eq!(open().unwrap().unwrap().state(), manifest.state(), "{len}");
    }
}

#[test]
fn every_flipped_bit_of_a_manifest_is_an_error() {
    let (fs, _) = three_edits();
    let whole = fs.bytes("MANIFEST-000007").unwrap();
    for bit in 0..whole.len() * 8 {
        let mut bad = whole.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        fs.set_bytes("MANIFEST-000007", bad);
        let read = Manifest::read(&*fs, Path::new(""));
        assert!(matches!(read, Err(Error::Corrupt { .. })), "bit {bit}: {read:?}");
    }
}

#[test]
fn a_missing_edit_is_an_error() {
    let (fs, _) = three_edits();
    let mut read = Vec::new();
    for tags in [[1, 2], [1, 3]] {
        fs.remove(Path::new("MANIFEST-000007")).unwrap();
        let mut journal = JournalWriter::create(&*fs, Path::new("MANIFEST-000007"), 7, &KIND, Room::None).unwrap();
        let (first, edit) = (encode_snapshot(&State::default()), encode_edit(&Edit::default()));
        journal.append_group([(0, &*first), (tags[0], &edit), (tags[1], &edit)]).unwrap();
        read.push(Manifest::read(&*fs, Path::new("")).map(|content| content.unwrap().state));
    }
    assert_eq!(read[0].as_ref().unwrap(), &State::default());
    assert!(read[1].as_ref().unwrap_err().to_string().contains("edit 3 in the place of edit 2"));
}

#[test]
fn a_manifest_has_one_first_record_and_that_is_no_edit() {
    let (fs, _) = three_edits();
    let (first, edit) = (encode_snapshot(&State::default()), encode_edit(&Edit::default()));
    let two: [&[(u64, &[u8])]; 3] = [&[], &[(0, &edit)], &[(0, &first), (1, &first)]];
    for (records, what) in
        two.into_iter().zip(["the first record is missing", "the first record is an edit", "a second first record"])
    {
        fs.remove(Path::new("MANIFEST-000007")).unwrap();
        let mut journal = JournalWriter::create(&*fs, Path::new("MANIFEST-000007"), 7, &KIND, Room::None).unwrap();
        journal.append_group(records.iter().copied()).unwrap();
        let error = Manifest::read(&*fs, Path::new("")).unwrap_err().to_string();
        assert!(error.contains(what), "{error}");
    }
}

#[test]
fn a_current_that_names_nothing_good_is_an_error() {
    let (fs, _) = three_edits();
    let named = |name: &str| {
        crate::fs::replace_small(&*fs, Path::new(""), FileName::Current, name.as_bytes(), Purpose::Manifest).unwrap();
        Manifest::read(&*fs, Path::new("")).unwrap_err().to_string()
    };
    assert!(
        named("MANIFEST-000008").contains("CURRENT is damaged at byte 0: it names MANIFEST-000008, which is missing")
    );
    assert!(named("000008.log").contains("it names no manifest"));
    fs.remove(Path::new("CURRENT")).unwrap();
    assert!(Manifest::open(fs, Path::new("")).unwrap().is_none());
}

#[test]
fn a_failed_write_is_cut_off_and_the_next_edit_is_taken() {
    let fs = FaultyFs::default();
    let mut manifest = Manifest::create(Arc::new(fs.clone()), Path::new(""), 7, State::default()).unwrap();
    fs.fail_after(0, 1);
    assert!(manifest.append(&flush(8)).unwrap_err().is_no_space());
    manifest.append(&flush(9)).unwrap();
    let read = Manifest::read(&fs, Path::new("")).unwrap().unwrap();
    assert_eq!((shape(&read.state), read.torn), (vec![(0, vec![9])], None));
}

#[test]
fn after_a_failed_sync_or_cut_no_edit_is_taken() {
    for (good, bad) in [(1, 1), (0, 2)] {
        let fs = FaultyFs::default();
        let mut manifest = Manifest::create(Arc::new(fs.clone()), Path::new(""), 7, State::default()).unwrap();
        fs.fail_after(good, bad);
        assert!(manifest.append(&flush(8)).unwrap_err().is_no_space());
        assert_eq!(shape(manifest.state()), []);
        assert!(matches!(manifest.append(&flush(9)), Err(Error::ReadOnly { .. })));
        assert!(matches!(manifest.rewrite(10), Err(Error::ReadOnly { .. })));
        assert!(matches!(manifest.stage(&flush(9)), Err(Error::ReadOnly { .. })));
        assert!(manifest.broken().is_some());
    }
    let fs = FaultyFs::default();
    let mut manifest = Manifest::create(Arc::new(fs.clone()), Path::new(""), 7, State::default()).unwrap();
    manifest.stage(&flush(8)).unwrap();
    fs.fail_after(1, 1);
    assert!(manifest.commit().unwrap_err().is_no_space());
    assert!(matches!(manifest.commit(), Err(Error::ReadOnly { .. })));
}

#[test]
fn a_rewrite_that_fails_at_any_call_loses_nothing() {
    for good in 0.. {
        let fs = FaultyFs::default();
        let mut manifest = Manifest::create(Arc::new(fs.clone()), Path::new(""), 7, State::default()).unwrap();
        manifest.append(&flush(8)).unwrap();
        fs.fail_after(good, 1);
        let rewritten = manifest.rewrite(9);
        fs.fail_after(0, 0);
        let added = manifest.append(&flush(20));
        assert_eq!(added.is_err(), manifest.broken().is_some());
        let read = Manifest::read(&fs, Path::new("")).unwrap().unwrap();
        assert_eq!(shape(&read.state), shape(manifest.state()), "after {good} good calls");
        if rewritten.is_ok() && fs.mem.list(Path::new("")).unwrap().len() == 2 {
            assert!(good > 8, "only {good} calls");
            break;
        }
    }
}

#[test]
fn a_manifest_is_rewritten_before_it_grows_without_bound() {
    let fs = Arc::new(MemFs::new());
    let mut manifest = Manifest::create(fs.clone(), Path::new(""), 0, State::default()).unwrap();
    let mut rewrites = 0;
    for id in (10..40_000).step_by(2) {
        let deleted = manifest.state().tables().map(|t| t.id).collect();
        manifest.append(&Edit { deleted, ..flush(id) }).unwrap();
        if manifest.rewrite_due() {
            manifest.rewrite(id + 1).unwrap();
            rewrites += 1;
        }
        assert!(fs.file_len(Path::new(&FileName::Manifest(manifest.id()).to_string())).unwrap() < 2 << 20);
    }
    assert!(rewrites > 0);
    assert_eq!(Manifest::open(fs, Path::new("")).unwrap().unwrap().state(), manifest.state());
}

#[test]
fn a_manifest_is_rewritten_at_four_times_its_first_record_or_a_mib_under_a_higher_number() {
    for strategy in [10, REWRITE_BYTES_MIN as usize] {
        let (fs, dir) = (Arc::new(MemFs::new()), Path::new(""));
        let state = State { strategy: vec![7; strategy], ..State::default() };
        let mut manifest = Manifest::create(fs.clone(), dir, 5, state).unwrap();
        let due = REWRITE_BYTES_MIN.max(REWRITE_GROWTH * manifest.journal.len());
        for strategy in std::iter::repeat_n(vec![8; 100_000], 60) {
            manifest.append(&Edit { strategy: Some(strategy), ..Edit::default() }).unwrap();
            assert_eq!(manifest.rewrite_due(), manifest.journal.len() > due);
        }
        assert!(manifest.rewrite_due());
        for id in [4, 5] {
            assert!(matches!(manifest.rewrite(id), Err(Error::Law { .. })), "{id}");
        }
        manifest.rewrite(6).unwrap();
        assert!(!manifest.rewrite_due());
    }
}

#[test]
fn a_first_record_that_breaks_a_law_is_damage() {
    let (fs, _) = three_edits();
    let runs = vec![RunState { level: 0, tables: vec![table(1, 0, 9)] }];
    for (next_id, is_lawful) in [(2, true), (1, false)] {
        let state = State { next_id, last_seqno: 19, runs: runs.clone(), ..State::default() };
        fs.remove(Path::new("MANIFEST-000007")).unwrap();
        let mut journal = JournalWriter::create(&*fs, Path::new("MANIFEST-000007"), 7, &KIND, Room::None).unwrap();
        journal.append_group([(0, &*encode_snapshot(&state))]).unwrap();
        let read = Manifest::read(&*fs, Path::new(""));
        assert_eq!(read.is_ok(), is_lawful, "{read:?}");
        assert!(is_lawful || read.is_err_and(|error| error.to_string().contains("table 1 is newer than the state")));
    }
}

#[test]
fn staged_edits_become_durable_together_or_not_at_all() {
    let (fs, dir) = (MemFs::new(), Path::new(""));
    let mut manifest =
        Manifest::create(Arc::new(fs.clone()), dir, 1, State { next_id: 2, ..State::default() }).unwrap();
    manifest.append(&flush(2)).unwrap();
    let path = dir.join("MANIFEST-000001");
    let before = fs.bytes(&path).unwrap().len();
    // Table 3 comes and goes within the group: it may never have reached the disk.
    manifest.stage(&flush(3)).unwrap();
    let merge = Edit { deleted: vec![2, 3], ..add(Place::Into { run: 0 }, vec![table(4, 10, 20)]) };
    manifest.stage(&merge).unwrap();
    assert!(manifest.has_staged());
    assert_eq!(fs.bytes(&path).unwrap().len(), before);
    manifest.commit().unwrap();
    assert!(!manifest.has_staged());
    // An edit that is made at once goes behind those that wait.
    manifest.stage(&flush(5)).unwrap();
    manifest.append(&Edit { deleted: vec![5], ..flush(6) }).unwrap();
    assert!(!manifest.has_staged());
    let (whole, last) = (fs.bytes(&path).unwrap(), shape(manifest.state()));
    drop(manifest);
    let mut seen = BTreeSet::new();
    for len in before..=whole.len() {
        fs.set_bytes(&path, whole[..len].to_vec());
        seen.insert(shape(&Manifest::read(&fs, dir).unwrap().unwrap().state));
    }
    assert_eq!(last, [(0, vec![4]), (0, vec![6])]);
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), [vec![(0, vec![2])], vec![(0, vec![4])], last]);
}

#[test]
fn staged_edits_outlive_a_failed_write_and_go_with_a_rewrite() {
    let (fs, dir) = (FaultyFs::default(), Path::new(""));
    let mut manifest = Manifest::create(Arc::new(fs.clone()), dir, 7, State::default()).unwrap();
    let read = || shape(&Manifest::read(&fs, dir).unwrap().unwrap().state);
    manifest.stage(&flush(8)).unwrap();
    fs.fail_after(0, 1);
    assert!(manifest.commit().unwrap_err().is_no_space());
    manifest.commit().unwrap();
    assert_eq!(read(), [(0, vec![8])]);
    manifest.stage(&flush(9)).unwrap();
    manifest.rewrite(10).unwrap();
    manifest.commit().unwrap();
    manifest.append(&flush(11)).unwrap();
    assert_eq!(read(), [(0, vec![8]), (0, vec![9]), (0, vec![11])]);
}
