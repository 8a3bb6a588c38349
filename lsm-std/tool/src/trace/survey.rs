//! A first look at a trace: is it whole, how large is it, and which one is it?

use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::Path;

use lsm_std::BATCH_BYTES_MAX;
use sha2::{Digest, Sha256};

use super::{BLOB_ID_BYTES, Op, Summary, TraceError, TraceReader};

/// What a batch takes for an operation beside key and value, and a replay for its marker, at most.
const OP_BYTES_MAX: u64 = 64;

/// What one pass over a trace tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Survey {
    /// SHA-256 of the file: by it a replay knows its trace again.
    pub hash: [u8; 32],
    /// Number of batches.
    pub batches: u64,
    /// Bytes of keys and values that its puts write.
    pub put_bytes: u64,
    /// Per batch: bytes of keys and values, and number of operations.
    pub sizes: Vec<(u64, u64)>,
    /// The trace's own answer.
    pub end: Summary,
}

impl Survey {
    /// Reads the trace at `path` once, checking every line.
    ///
    /// # Errors
    /// A read error, or the line that breaks the format.
    pub fn of(path: &Path) -> Result<Self, TraceError> {
        let name = path.display().to_string();
        let io = |source| TraceError::Io { path: name.clone(), source };
        if !fs::metadata(path).map_err(io)?.is_file() {
            return Err(io(io::Error::other("a trace is read twice, so it must be a regular file")));
        }
        let file = File::open(path).map_err(io)?;
        Self::read(file, &name)
    }

    /// Reads the trace `input` once, checking every line; `name` stands in error messages.
    ///
    /// # Errors
    /// As [`Survey::of`].
    pub fn read(input: impl Read, name: &str) -> Result<Self, TraceError> {
        let mut hashing = Hashing { input, hasher: Sha256::new() };
        let mut reader = TraceReader::new(BufReader::with_capacity(1 << 16, &mut hashing), name);
        let (mut put_bytes, mut sizes) = (0u64, Vec::new());
        while let Some(batch) = reader.next_batch()? {
            let mut size = 0u64;
            for op in &batch.ops {
                match op {
                    Op::Put { path, bytes, .. } => {
                        let pair = (*bytes).max(BLOB_ID_BYTES as u64).saturating_add(path.len() as u64);
                        put_bytes = put_bytes.saturating_add(pair);
                        size = size.saturating_add(pair);
                    }
                    Op::Delete { path } => size = size.saturating_add(path.len() as u64),
                }
            }
            let ops = batch.ops.len() as u64;
            if size.saturating_add(ops.saturating_mul(OP_BYTES_MAX)) > BATCH_BYTES_MAX {
                return Err(reader.wrong(format!("a batch of {size} bytes before this line, more than a store takes")));
            }
            sizes.push((size, ops));
        }
        let batches = sizes.len() as u64;
        let end = reader.end().cloned().ok_or_else(|| reader.wrong("no E line".into()))?;
        drop(reader);
        Ok(Self { hash: hashing.hasher.finalize().into(), batches, put_bytes, sizes, end })
    }
}

/// Hashes what is read through it.
struct Hashing<R> {
    input: R,
    hasher: Sha256,
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(buf)?;
        self.hasher.update(&buf[..read]);
        Ok(read)
    }
}
