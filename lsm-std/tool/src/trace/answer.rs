//! The answer of a trace: how many keys are alive, and a hash of which values they hold.

use std::fmt::Write;

use sha2::{Digest, Sha256};

use super::BlobId;

/// What a trace says, and what a replay of it must give.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Keys alive at the end.
    pub keys: u64,
    /// SHA-256 over `path<TAB>blob id<LF>` of all live keys in byte order, in lower-case hex.
    pub sha256: String,
}

/// Builds a [`Summary`] from live keys, given in byte order.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    keys: u64,
    hasher: Sha256,
}

impl Answer {
    /// Takes the next live key.
    pub fn push(&mut self, path: &[u8], blob: &BlobId) {
        self.keys += 1;
        self.hasher.update(path);
        self.hasher.update(b"\t");
        self.hasher.update(blob.as_bytes());
        self.hasher.update(b"\n");
    }

    /// The answer over all keys taken.
    pub fn finish(self) -> Summary {
        Summary { keys: self.keys, sha256: hex(&self.hasher.finalize()) }
    }
}

/// `bytes` in lower-case hex.
pub fn hex(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a string cannot fail.
        let _ = write!(out, "{byte:02x}");
    }
    out
}
