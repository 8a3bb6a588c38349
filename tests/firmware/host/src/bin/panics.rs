//! Lists the places in source that a 32-bit little-endian program may panic at: `panics ELF`.
//!
//! Every call that can panic carries a `core::panic::Location` in the program's read-only data: pointer and length of
//! the file's name, line, column. What the linker kept, the compiler could not rule out. One `file:line:column` a line.

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::{env, fs};

const LOAD: u32 = 1;
const PATH_BYTES_MAX: usize = 300;
const LINE_MAX: u32 = 100_000;
const COLUMN_MAX: u32 = 1_000;

/// The bytes of one loadable segment and the address they are loaded from.
struct Segment<'a> {
    address: usize,
    bytes: &'a [u8],
}

fn main() -> ExitCode {
    let Some(path) = env::args_os().nth(1) else {
        eprintln!("usage: panics ELF");
        return ExitCode::from(2);
    };
    let file = match fs::read(&path) {
        Ok(file) => file,
        Err(error) => {
            eprintln!("{}: {error}", path.display());
            return ExitCode::FAILURE;
        }
    };
    let Some(segments) = segments(&file) else {
        eprintln!("{}: not a 32-bit little-endian elf file", path.display());
        return ExitCode::FAILURE;
    };
    for place in places(&segments) {
        println!("{place}");
    }
    ExitCode::SUCCESS
}

fn segments(file: &[u8]) -> Option<Vec<Segment<'_>>> {
    if file.get(..6)? != b"\x7fELF\x01\x01" {
        return None;
    }
    let table = word(file, 28)? as usize;
    let size = half(file, 42)? as usize;
    let count = half(file, 44)? as usize;
    let mut segments = Vec::new();
    for header in (0..count).map(|index| table + index * size) {
        if word(file, header)? == LOAD {
            let offset = word(file, header + 4)? as usize;
            let length = word(file, header + 16)? as usize;
            // The address of loading: where initialised data is copied from matters as little as where it goes.
            segments
                .push(Segment { address: word(file, header + 8)? as usize, bytes: file.get(offset..offset + length)? });
        }
    }
    Some(segments)
}

fn places(segments: &[Segment<'_>]) -> BTreeSet<String> {
    let mut places = BTreeSet::new();
    for segment in segments {
        for at in (0..segment.bytes.len()).step_by(4) {
            if let Some((path, line, column)) = location(segments, segment.bytes, at) {
                places.insert(format!("{path}:{line}:{column}"));
            }
        }
    }
    places
}

/// The source location at `at`, if the four words there make sense as one.
fn location<'a>(segments: &[Segment<'a>], bytes: &[u8], at: usize) -> Option<(&'a str, u32, u32)> {
    let pointer = word(bytes, at)? as usize;
    let length = word(bytes, at + 4)? as usize;
    let line = word(bytes, at + 8)?;
    let column = word(bytes, at + 12)?;
    if length > PATH_BYTES_MAX || !(1..=LINE_MAX).contains(&line) || !(1..=COLUMN_MAX).contains(&column) {
        return None;
    }
    let text = segments.iter().find_map(|segment| {
        let start = pointer.checked_sub(segment.address)?;
        segment.bytes.get(start..start.checked_add(length)?)
    })?;
    let path = std::str::from_utf8(text).ok()?;
    path.ends_with(".rs").then_some((path, line, column))
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at.checked_add(2)?)?.try_into().ok()?))
}
