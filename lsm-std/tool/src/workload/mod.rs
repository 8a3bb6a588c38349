//! Workloads: what the simulator and the engine both run, from a JSON file or by name, and the bytes behind its numbers.
//!
//! [`parse`] reads and checks a file, [`named`] gives the built-in ones; [`Ops`], the core's one generator, turns either into
//! operations: the same file gives the same operations on every machine, for the simulator and the engine alike.

mod file;
mod named;

pub use compaction_core::sim::{Hot, Mix, Op, Ops, Phase, ScrambledZipf, Skew, SplitMix, Workload, Zipf};
pub use file::{WorkloadError, parse};
pub use named::{NAMES, named};

use std::{fs, io};

use crate::Failure;

/// The workload of this name or, if there is none, in this file.
///
/// # Errors
/// What is wrong with the file.
pub fn load(name: &str) -> Result<Workload, Failure> {
    match named(name) {
        Some(workload) => Ok(workload),
        None => Ok(parse(&fs::read_to_string(name).map_err(|error| unreadable(name, error))?)?),
    }
}

fn unreadable(name: &str, error: io::Error) -> Failure {
    if error.kind() != io::ErrorKind::NotFound {
        return Failure::io(name)(error);
    }
    let names: Vec<&str> = NAMES.iter().map(|(name, _)| *name).collect();
    Failure::Wrong(format!("{name}: neither a file nor a built-in workload ({})", names.join(", ")))
}

/// Bytes of every key.
pub const KEY_BYTES: u64 = 16;

/// The key of number `key`: 16 bytes, in the order of the numbers up to 10^13.
pub fn key_bytes(key: u64) -> Vec<u8> {
    format!("key{key:013}").into_bytes()
}

/// Writes a value into `out`, which is cleared first: `value_bytes` pseudo-random bytes, told by `seed`.
pub fn value_bytes(seed: u64, value_bytes: u64, out: &mut Vec<u8>) {
    out.clear();
    fill(&mut SplitMix::new(seed), value_bytes, out);
}

/// Makes `out` as long as `length`, with the bytes of `stream`. About 1 ns per 8 bytes.
pub fn fill(stream: &mut SplitMix, length: u64, out: &mut Vec<u8>) {
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    out.reserve(length.saturating_sub(out.len()));
    while out.len() < length {
        let word = stream.next_u64().to_le_bytes();
        let part = word.len().min(length - out.len());
        out.extend_from_slice(&word[..part]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_sort_as_their_numbers_and_values_follow_the_seed() {
        assert!(key_bytes(9) < key_bytes(10) && key_bytes(99_999) < key_bytes(100_000));
        assert_eq!(key_bytes(7).len() as u64, KEY_BYTES);
        let (mut a, mut b) = (Vec::new(), Vec::new());
        value_bytes(1, 13, &mut a);
        value_bytes(2, 13, &mut b);
        assert_eq!((a.len(), b.len()), (13, 13));
        assert_ne!(a, b);
    }

    #[test]
    fn every_named_workload_is_valid_and_an_unknown_name_is_none() {
        for (name, what) in NAMES {
            named(name).expect("listed").check().expect("valid");
            assert!(!what.is_empty());
        }
        assert!(named("no-such").is_none());
    }
}
