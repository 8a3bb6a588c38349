use std::collections::BTreeMap;

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::error::{Error, Result};
use crate::types::{Entry, EntryRef, Kind, SeqNo};
use crate::value::Value;

/// Writes in order, dealt to sources: what memtables and runs hold.
#[derive(Clone, Debug)]
struct Dealt(Vec<Vec<Entry>>);

/// Entries, and where the source says how it goes on.
#[derive(Debug)]
struct Announced {
    steps: std::vec::IntoIter<(Step, Entry)>,
    at: Option<Entry>,
}

impl Cursor for Announced {
    fn step(&mut self) -> Result<Step> {
        let step = self.steps.next();
        let came = step.as_ref().map_or(Step::End, |(step, _)| *step);
        self.at = step.map(|(_, entry)| entry);
        Ok(came)
    }

    fn key(&self) -> &[u8] {
        &self.at.as_ref().unwrap().key
    }

    fn entry(&self) -> EntryRef<'_> {
        self.at.as_ref().unwrap().lend()
    }

    fn value(&self) -> Bytes {
        self.at.as_ref().unwrap().value.clone()
    }
}

impl Sources for Dealt {
    type Cursor = Announced;

    fn sources(&self, bounds: &Bounds, direction: Direction, _: SeqNo) -> Vec<Announced> {
        let cut = |source: &Vec<Entry>| {
            let inside = |entry: &&Entry| !bounds.is_above(&entry.key) && !bounds.is_below(&entry.key);
            let mut entries: Vec<_> = source.iter().filter(inside).cloned().collect();
            if direction == Direction::Backward {
                entries.reverse();
            }
            let steps: Vec<_> = entries.into_iter().flat_map(announced).collect();
            Announced { steps: steps.into_iter(), at: None }
        };
        self.0.iter().map(cut).collect()
    }
}

/// Before some entries the source says where it goes on, as a run does where a table ends.
fn announced(entry: Entry) -> Vec<(Step, Entry)> {
    let from = (Step::From, entry.clone());
    match entry.seqno % 3 {
        0 => vec![(Step::Entry, entry)],
        1 => vec![from, (Step::Entry, entry)],
        _ => vec![from.clone(), from, (Step::Entry, entry)],
    }
}

type Model = BTreeMap<Vec<u8>, Vec<u8>>;

/// Writes (key, put or delete, source), and a model of the live pairs after each of them.
fn deal(writes: &[(u8, bool, usize)]) -> (Dealt, Vec<Model>) {
    let (mut sources, mut model) = (vec![Vec::new(); 4], Model::new());
    let mut models = vec![model.clone()];
    for (at, (key, put, source)) in writes.iter().enumerate() {
        let seqno = at as SeqNo + 1;
        let (key, value) = (vec![*key], seqno.to_be_bytes().to_vec());
        let kind = if *put { Kind::Put } else { Kind::Delete };
        sources[*source].push(Entry { key: key.clone().into(), seqno, kind, value: value.clone().into() });
        if *put {
            model.insert(key, value);
        } else {
            model.remove(&key);
        }
        models.push(model.clone());
    }
    for source in &mut sources {
        source.sort_by(Entry::order);
    }
    (Dealt(sources), models)
}

fn pair((key, value): (Value, Value)) -> (Vec<u8>, Vec<u8>) {
    (key.to_vec(), value.to_vec())
}

fn writes() -> impl Strategy<Value = Vec<(u8, bool, usize)>> {
    proptest::collection::vec((0u8..12, any::<bool>(), 0usize..4), 0..60)
}

proptest! {
    #[test]
    fn a_scan_from_both_ends_equals_the_model(
        writes in writes(), at in any::<prop::sample::Index>(), low in 0u8..13, len in 0u8..13,
        turns in proptest::collection::vec(any::<bool>(), 40),
    ) {
        let (dealt, models) = deal(&writes);
        let seqno = at.index(models.len());
        let high = low.saturating_add(len);
        let bounds = Bounds::of(&([low].as_slice()..[high].as_slice()));
        let mut scan = Scan::new(dealt, bounds, seqno as SeqNo);
        let mut expected = models[seqno].range(vec![low]..vec![high]);
        for front in turns {
            let (found, expected) = if front { (scan.next(), expected.next()) } else { (scan.next_back(), expected.next_back()) };
            let found = found.map(|found| pair(found.unwrap()));
            prop_assert_eq!(found, expected.map(|(key, value)| (key.clone(), value.clone())));
        }
    }

    #[test]
    fn a_merge_changes_nothing_that_a_snapshot_or_a_later_reader_sees(
        writes in writes(), snapshots in proptest::collection::vec(any::<prop::sample::Index>(), 0..4), bottommost in any::<bool>(),
    ) {
        let (dealt, models) = deal(&writes);
        let snapshots: Vec<_> = snapshots.iter().map(|at| at.index(models.len()) as SeqNo).collect();
        let mut merge = Merge::new(dealt.sources(&Bounds::all(), Direction::Forward, 0), Direction::Forward);
        let mut keep = Keep::new(snapshots.clone(), bottommost);
        let mut kept = Vec::new();
        while merge.step().unwrap() == Step::Entry {
            let EntryRef { key, seqno, kind, value } = merge.entry();
            if keep.keeps(&merge.entry()) {
                kept.push(Entry { key: key.to_vec().into(), seqno, kind, value: value.to_vec().into() });
            }
        }
        for seqno in snapshots.iter().copied().chain([writes.len() as SeqNo]) {
            let scan = Scan::new(Dealt(vec![kept.clone()]), Bounds::all(), seqno);
            let seen: Model = scan.map(|found| pair(found.unwrap())).collect();
            prop_assert_eq!(&seen, &models[seqno as usize], "at {}", seqno);
        }
        // Never more than one version of a key for each stripe, and no delete without a purpose.
        let mut count = BTreeMap::<&[u8], usize>::new();
        for entry in &kept {
            *count.entry(&entry.key).or_default() += 1;
        }
        prop_assert!(count.values().all(|versions| *versions <= snapshots.len() + 1));
        if bottommost && snapshots.is_empty() {
            prop_assert!(kept.iter().all(|entry| entry.kind == Kind::Put));
        }
        if !bottommost {
            prop_assert_eq!(count.len(), writes.iter().map(|write| write.0).collect::<std::collections::BTreeSet<_>>().len());
        }
    }
}

fn put(key: &'static [u8]) -> Result<Entry> {
    Ok(Entry { key: Bytes::from_static(key), seqno: 1, kind: Kind::Put, value: Bytes::new() })
}

#[test]
fn the_first_error_ends_a_merge() {
    let sources = [vec![put(b"a"), Err(Error::Closed), put(b"b")], vec![put(b"c")]];
    let mut merge =
        Merge::new(sources.into_iter().map(|source| Each::of(source.into_iter())).collect(), Direction::Forward);
    assert_eq!(merge.step().unwrap(), Step::Entry, "the error lies behind it");
    assert_eq!(merge.key(), b"a");
    assert!(matches!(merge.step(), Err(Error::Closed)));
    assert_eq!(merge.step().unwrap(), Step::End);
}

#[test]
fn an_older_version_is_not_given_where_a_newer_one_could_not_be_read() {
    for (direction, good) in [(Direction::Backward, 1), (Direction::Forward, 2)] {
        let entries = vec![put(b"b"), put(b"a"), Err(Error::Closed)];
        let mut seen = Visible::new(Each::of(entries.into_iter()), 9, direction);
        assert_eq!(std::iter::repeat_with(|| seen.step()).take_while(Result::is_ok).count(), good, "{direction:?}");
    }
}
