//! Traces: change histories as key-value traffic, read one batch at a time.
//!
//! A trace is lines of tab-separated fields:
//! - `B<TAB>unix seconds` starts a batch, which is one atomic write;
//! - `P<TAB>path<TAB>blob id<TAB>bytes` puts, `D<TAB>path` deletes;
//! - the last line `E<TAB>keys alive<TAB>sha256` is the answer, see [`Answer`].

mod answer;
mod survey;
mod value;

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use lsm_std::{KEY_BYTES_MAX, VALUE_BYTES_MAX};

pub use answer::{Answer, Summary, hex};
pub use survey::Survey;
pub use value::{BLOB_ID_BYTES, BlobId, blob_of_value, value_of};

/// Where a replay keeps in the store what it has done; no path of a trace.
pub const MARKER_KEY: &[u8] = b"\xffreplay/batch";

/// Largest line a trace may have, in bytes: a key of 64 KiB and some room.
const LINE_BYTES_MAX: u64 = 128 * 1024;

/// Why a trace cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TraceError {
    /// The file could not be opened or read.
    #[error("trace {path}: {source}")]
    Io {
        /// The trace's path as given.
        path: String,
        /// What the operating system said.
        source: io::Error,
    },
    /// A line does not follow the format.
    #[error("trace {path} line {line}: {what}")]
    Line {
        /// The trace's path as given.
        path: String,
        /// Line number, from 1.
        line: u64,
        /// What is wrong with it, with the values.
        what: String,
    },
}

/// One operation of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// Writes the value of `blob` under `path`.
    Put {
        /// The key.
        path: Vec<u8>,
        /// Names and seeds the value.
        blob: BlobId,
        /// Size of the blob in bytes; the value is at least as long as the blob id.
        bytes: u64,
    },
    /// Deletes `path`.
    Delete {
        /// The key.
        path: Vec<u8>,
    },
}

/// One atomic write of a trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Position in the trace, from 0.
    pub number: u64,
    /// When the change was made, in seconds since 1970 (before it: negative).
    pub unix_seconds: i64,
    /// The operations in the order of the trace.
    pub ops: Vec<Op>,
}

/// Reads a trace batch by batch; memory is bounded by the largest batch.
#[derive(Debug)]
pub struct TraceReader<R> {
    input: R,
    path: String,
    line: u64,
    text: Vec<u8>,
    next_number: u64,
    opened: Option<i64>,
    end: Option<Summary>,
}

impl TraceReader<BufReader<File>> {
    /// Opens the trace at `path`.
    ///
    /// # Errors
    /// [`TraceError::Io`] if the file cannot be opened.
    pub fn open(path: &Path) -> Result<Self, TraceError> {
        let name = path.display().to_string();
        match File::open(path) {
            Ok(file) => Ok(Self::new(BufReader::new(file), &name)),
            Err(source) => Err(TraceError::Io { path: name, source }),
        }
    }
}

impl<R: BufRead> TraceReader<R> {
    /// Reads a trace from `input`; `name` stands in error messages.
    pub fn new(input: R, name: &str) -> Self {
        Self { input, path: name.to_owned(), line: 0, text: Vec::new(), next_number: 0, opened: None, end: None }
    }

    /// The next batch, or `None` after the last one; then [`TraceReader::end`] is set.
    ///
    /// # Errors
    /// A read error, a line that breaks the format, or a trace that stops before its `E` line.
    pub fn next_batch(&mut self) -> Result<Option<Batch>, TraceError> {
        if self.end.is_some() {
            return Ok(None);
        }
        let mut ops = Vec::new();
        loop {
            if !self.read_line()? {
                return Err(self.wrong("the trace stops here, before its E line".into()));
            }
            if self.text.is_empty() {
                continue;
            }
            match parse_line(&self.text).map_err(|what| self.wrong(what))? {
                Line::Op(_) if self.opened.is_none() => {
                    return Err(self.wrong("an operation before the first B line".into()));
                }
                Line::Op(op) => ops.push(op),
                Line::Begin(seconds) => {
                    if let Some(batch) = self.close(Some(seconds), &mut ops) {
                        return Ok(Some(batch));
                    }
                }
                Line::End(summary) => {
                    self.end = Some(summary);
                    self.expect_nothing_more()?;
                    return Ok(self.close(None, &mut ops));
                }
            }
        }
    }

    /// The trace's own answer, once [`TraceReader::next_batch`] has read all of it.
    pub fn end(&self) -> Option<&Summary> {
        self.end.as_ref()
    }

    fn close(&mut self, next: Option<i64>, ops: &mut Vec<Op>) -> Option<Batch> {
        let unix_seconds = std::mem::replace(&mut self.opened, next)?;
        let number = self.next_number;
        self.next_number += 1;
        Some(Batch { number, unix_seconds, ops: std::mem::take(ops) })
    }

    fn expect_nothing_more(&mut self) -> Result<(), TraceError> {
        while self.read_line()? {
            if !self.text.is_empty() {
                return Err(self.wrong("a line after the E line".into()));
            }
        }
        Ok(())
    }

    fn read_line(&mut self) -> Result<bool, TraceError> {
        self.text.clear();
        let read = io::Read::take(&mut self.input, LINE_BYTES_MAX).read_until(b'\n', &mut self.text);
        match read {
            Err(source) => {
                return Err(TraceError::Io { path: self.path.clone(), source });
            }
            Ok(0) => return Ok(false),
            Ok(_) => self.line += 1,
        }
        if self.text.last() == Some(&b'\n') {
            self.text.pop();
        } else if self.text.len() as u64 == LINE_BYTES_MAX {
            return Err(self.wrong(format!("longer than {LINE_BYTES_MAX} bytes")));
        }
        Ok(true)
    }

    fn wrong(&self, what: String) -> TraceError {
        TraceError::Line { path: self.path.clone(), line: self.line, what }
    }
}

enum Line {
    Begin(i64),
    Op(Op),
    End(Summary),
}

fn parse_line(text: &[u8]) -> Result<Line, String> {
    let mut fields = text.split(|&b| b == b'\t');
    let kind = fields.next().unwrap_or_default();
    let rest: Vec<&[u8]> = fields.collect();
    match (kind, rest.as_slice()) {
        (b"B", [seconds]) => Ok(Line::Begin(number(seconds, "unix seconds")?)),
        (b"P", [path, blob, bytes]) => {
            let blob = BlobId::parse(blob).ok_or_else(|| format!("blob id {} is not 40 hex characters", show(blob)))?;
            let bytes = number(bytes, "bytes")?;
            if bytes > VALUE_BYTES_MAX as u64 {
                return Err(format!("a value of {bytes} bytes, more than {VALUE_BYTES_MAX}"));
            }
            Ok(Line::Op(Op::Put { path: key(path)?, blob, bytes }))
        }
        (b"D", [path]) => Ok(Line::Op(Op::Delete { path: key(path)? })),
        (b"E", [keys, sha256]) => {
            let good = sha256.len() == 64 && sha256.iter().all(u8::is_ascii_hexdigit);
            let sha256 = String::from_utf8_lossy(sha256).to_lowercase();
            if !good {
                return Err(format!("sha256 {} is not 64 hex characters", show(sha256.as_bytes())));
            }
            Ok(Line::End(Summary { keys: number(keys, "keys alive")?, sha256 }))
        }
        (b"B" | b"P" | b"D" | b"E", _) => {
            let wanted = match kind {
                b"P" => 3,
                b"E" => 2,
                _ => 1,
            };
            Err(format!("a {} line has {wanted} fields after its letter, not {}", show(kind), rest.len()))
        }
        _ => Err(format!("starts with {}, not with B, P, D or E", show(kind))),
    }
}

fn key(path: &[u8]) -> Result<Vec<u8>, String> {
    if path.len() > KEY_BYTES_MAX {
        return Err(format!("a path of {} bytes, more than {KEY_BYTES_MAX}", path.len()));
    }
    if path == MARKER_KEY {
        return Err(format!("path {} is the key by which a store knows how far a replay is", show(path)));
    }
    Ok(path.to_vec())
}

fn number<T: std::str::FromStr>(text: &[u8], what: &str) -> Result<T, String> {
    let parsed = std::str::from_utf8(text).ok().and_then(|t| t.parse().ok());
    parsed.ok_or_else(|| format!("{what}: {} is not a number in range", show(text)))
}

/// At most 60 characters of `text`, quoted, for an error message.
fn show(text: &[u8]) -> String {
    let short: String = String::from_utf8_lossy(text).chars().take(60).collect();
    format!("{short:?}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const BLOB: &str = "088ba6ba7d345b76aa2b8dc021dd25e1323189b3";
    const SHA: &str = "60624318045b41e2123c89f37e1364fca49e5c487d7dad6358043b4b100df9a1";

    fn read_all(text: &str) -> Result<(Vec<Batch>, Summary), TraceError> {
        let mut reader = TraceReader::new(text.as_bytes(), "t");
        let mut batches = Vec::new();
        while let Some(batch) = reader.next_batch()? {
            batches.push(batch);
        }
        let end = reader.end().cloned().expect("set once all is read");
        Ok((batches, end))
    }

    #[test]
    fn reads_batches_empty_ones_too_and_the_end_line() {
        let text = format!("B\t5\nB\t6\nP\ta b\t{BLOB}\t7\nD\t\nE\t1\t{SHA}\n");
        let (batches, end) = read_all(&text).expect("a good trace");
        assert_eq!(batches.len(), 2);
        assert_eq!((batches[0].number, batches[0].unix_seconds, batches[0].ops.len()), (0, 5, 0));
        let blob = BlobId::parse(BLOB.as_bytes()).expect("40 hex characters");
        let put = Op::Put { path: b"a b".to_vec(), blob, bytes: 7 };
        assert_eq!(batches[1].ops, [put, Op::Delete { path: Vec::new() }]);
        assert_eq!((end.keys, end.sha256.as_str()), (1, SHA));
    }

    #[test]
    fn a_bad_line_is_named_with_its_number_and_value() {
        let end = format!("E\t1\t{SHA}\n");
        let rows = [
            (format!("B\t5\nP\ta\txyz\t7\n{end}"), "line 2: blob id \"xyz\" is not 40 hex characters"),
            (format!("B\t5\nP\ta\t{BLOB}\t-1\n{end}"), "line 2: bytes: \"-1\" is not a number in range"),
            (format!("B\t5\nP\ta\t{BLOB}\t67108865\n{end}"), "line 2: a value of 67108865 bytes, more than 67108864"),
            (format!("B\t5\nP\ta\t{BLOB}\t{}\n{end}", u64::MAX), "more than 67108864"),
            (format!("B\t5\nD\t{}\n{end}", "k".repeat(65_537)), "line 2: a path of 65537 bytes, more than 65536"),
            (format!("D\ta\n{end}"), "line 1: an operation before the first B line"),
            (format!("B\t5\nX\n{end}"), "line 2: starts with \"X\", not with B, P, D or E"),
            (format!("B\t5\nD\ta\tb\n{end}"), "line 2: a \"D\" line has 1 fields after its letter, not 2"),
            ("B\t5\nD\ta\n".to_owned(), "line 2: the trace stops here, before its E line"),
            (format!("{end}B\t5\n"), "line 2: a line after the E line"),
            ("E\t1\tabc\n".to_owned(), "line 1: sha256 \"abc\" is not 64 hex characters"),
            (format!("B\t{}\n", "9".repeat(200_000)), "line 1: longer than 131072 bytes"),
        ];
        for (text, wanted) in rows {
            let error = read_all(&text).expect_err("must be refused").to_string();
            assert!(error.ends_with(wanted), "{error} does not end with {wanted}");
        }
    }
}
