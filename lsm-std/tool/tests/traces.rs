//! The three bundled traces, replayed into a map: does the tool read them as they were meant?

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use lsm_tool::trace::{Answer, BlobId, Op, TraceReader, trace_hash};

fn trace(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/traces").join(name)
}

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
fn two_traces_have_two_hashes() {
    let a = trace_hash(&trace("ekv.tsv")).expect("readable");
    let b = trace_hash(&trace("redb.tsv")).expect("readable");
    assert_ne!(a, b);
    assert!(trace_hash(&trace("no-such.tsv")).is_err());
}
