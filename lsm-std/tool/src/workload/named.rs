//! Workloads that need no file.

use super::{Hot, Mix, Phase, Skew, Workload};

/// The built-in workloads: name and what it shows.
pub const NAMES: &[(&str, &str)] = &[
    ("write-heavy", "95 % puts, Zipf 0.99: where merging late pays"),
    ("balanced", "half puts, half point reads, Zipf 0.99 (YCSB A)"),
    ("read-heavy", "5 % puts, 95 % point reads after a load, Zipf 0.99 (YCSB B)"),
    ("scan-heavy", "5 % puts, 95 % scans of 50 keys after a load (YCSB E)"),
    ("latest", "inserts, and reads of what was inserted last (YCSB D)"),
    ("deletes", "puts and deletes of uniform keys, reads that often miss"),
    ("hot-moves", "a hot fifth of the keys moves three times: what a fixed choice misses"),
    ("expiring", "inserts in order, each valid for 30 000 writes: for fifo"),
];

/// The built-in workload of that name.
pub fn named(name: &str) -> Option<Workload> {
    let keys = 40_000;
    let load = phase(keys, keys, Skew::Sequential, [1.0, 0.0, 0.0, 0.0, 0.0]);
    let zipf = Skew::Zipf(0.99);
    let phases = match name {
        "write-heavy" => vec![phase(300_000, keys, zipf, [0.95, 0.0, 0.04, 0.005, 0.005])],
        "balanced" => vec![load, phase(250_000, keys, zipf, [0.5, 0.0, 0.5, 0.0, 0.0])],
        "read-heavy" => vec![load, phase(400_000, keys, zipf, [0.05, 0.0, 0.90, 0.05, 0.0])],
        "scan-heavy" => vec![load, phase(100_000, keys, zipf, [0.05, 0.0, 0.0, 0.0, 0.95])],
        "latest" => vec![load, phase(300_000, 4 * keys, Skew::Latest, [0.3, 0.0, 0.7, 0.0, 0.0])],
        "deletes" => vec![phase(300_000, keys, Skew::Uniform, [0.4, 0.2, 0.3, 0.1, 0.0])],
        "hot-moves" => {
            let hot = |at| Skew::Hot(Hot { share_of_keys: 0.2, share_of_ops: 0.9, at });
            let moves = [0.0, 0.25, 0.5, 0.75];
            let stretch = |at| phase(80_000, keys, hot(at), [0.5, 0.0, 0.45, 0.03, 0.02]);
            std::iter::once(load).chain(moves.map(stretch)).collect()
        }
        "expiring" => vec![phase(300_000, 300_000, Skew::Latest, [0.6, 0.0, 0.4, 0.0, 0.0])],
        _ => return None,
    };
    let ttl_ms = (name == "expiring").then_some(30_000);
    Some(Workload { seed: 1, ttl_ms, phases })
}

fn phase(ops: u64, keys: u64, skew: Skew, shares: [f64; 5]) -> Phase {
    let [put, delete, get, miss, scan] = shares;
    Phase {
        ops,
        keys,
        skew,
        read_skew: None,
        value_bytes: 100,
        mix: Mix { put, delete, get, miss, scan },
        scan_keys: 50,
    }
}
