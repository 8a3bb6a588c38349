//! The three bundled traces, replayed into a map: does the tool read them as they were meant?

use std::collections::BTreeMap;

use crate::common::trace;
use lsm_tool::trace::{Answer, BlobId, Op, Survey, TraceReader};

#[test]
fn a_map_fed_with_each_trace_gives_the_answer_of_its_last_line() {
    for (name, batches, written_max) in
        [("ekv.tsv", 213, 11_100_000), ("lsm-tree.tsv", 668, 21_500_000), ("redb.tsv", 1_691, 123_800_000)]
    {
        let mut reader = TraceReader::open(&trace(name)).expect("bundled");
        let mut live: BTreeMap<Vec<u8>, BlobId> = BTreeMap::new();
        let (mut seen, mut written) = (0, 0);
        while let Some(batch) = reader.next_batch().expect("well formed") {
            assert_eq!(batch.number, seen);
            seen += 1;
            for op in batch.ops {
                match op {
                    Op::Put { path, blob, bytes } => {
                        written += bytes.max(40);
                        live.insert(path, blob);
                    }
                    Op::Delete { path } => {
                        live.remove(&path);
                    }
                }
            }
        }
        let mut answer = Answer::default();
        for (path, blob) in &live {
            answer.push(path, blob);
        }
        assert_eq!(Some(&answer.finish()), reader.end(), "{name}");
        assert_eq!(seen, batches, "{name}");
        assert!(written <= written_max && written > written_max - 200_000, "{name}: {written} bytes");
    }
}

#[test]
fn a_survey_counts_and_tells_traces_apart() {
    let ekv = Survey::of(&trace("ekv.tsv")).expect("whole");
    let redb = Survey::of(&trace("redb.tsv")).expect("whole");
    assert_ne!(ekv.hash, redb.hash);
    assert_eq!((ekv.batches, ekv.end.keys, redb.batches, redb.end.keys), (213, 50, 1_691, 122));
    assert_eq!(ekv.put_bytes, 11_009_777);
    assert!(Survey::of(&trace("no-such.tsv")).is_err());
}
