//! Mends the checksums of a store's files after they were changed, so that what lies behind them is reached.

const JOURNAL_HEADER: usize = 24;
const RECORD_HEADER: usize = 32;
const FOOTER: usize = 48;

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// A log segment or a manifest.
    Journal,
    /// A table.
    Table,
    /// `CURRENT`.
    Current,
    /// `STRATEGY`: a small file with a record in it.
    Strategy,
}

/// Makes every checksum of the file with this name and number right, as far as its structure can be followed.
pub fn mend(kind: FileKind, name: &str, id: u64, bytes: &mut [u8]) {
    match kind {
        FileKind::Journal => journal(id, bytes),
        FileKind::Table => table(id, bytes),
        FileKind::Current => small(name, bytes),
        FileKind::Strategy => {
            if let Some(end) = bytes.len().checked_sub(8).filter(|end| *end >= 14) {
                let len = (end as u32).to_le_bytes();
                bytes[6..10].copy_from_slice(&len);
                put_sum(bytes, end - 4, &[(0, end - 4)], &[]);
            }
            small(name, bytes);
        }
    }
}

/// Writes at `at` the checksum of `before` and of these stretches.
fn put_sum(bytes: &mut [u8], at: usize, stretches: &[(usize, usize)], before: &[u8]) {
    let mut sum = crc32fast::Hasher::new();
    sum.update(before);
    stretches.iter().for_each(|&(start, end)| sum.update(&bytes[start..end]));
    let sum = sum.finalize().to_le_bytes();
    bytes[at..at + 4].copy_from_slice(&sum);
}

fn u32_at(bytes: &[u8], at: usize) -> usize {
    bytes.get(at..at + 4).map_or(0, |four| u32::from_le_bytes([four[0], four[1], four[2], four[3]]) as usize)
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    (u32_at(bytes, at) as u64) | (u32_at(bytes, at + 4) as u64) << 32
}

fn place(id: u64, offset: usize) -> Vec<u8> {
    [id.to_le_bytes(), (offset as u64).to_le_bytes()].concat()
}

fn small(name: &str, bytes: &mut [u8]) {
    if let Some(at) = bytes.len().checked_sub(4) {
        put_sum(bytes, at, &[(0, at)], name.as_bytes());
    }
}

/// Header, then record by record. A length beyond the end of the file is cut down to it.
fn journal(id: u64, bytes: &mut [u8]) {
    if bytes.len() < JOURNAL_HEADER {
        return;
    }
    bytes[12..20].copy_from_slice(&id.to_le_bytes());
    put_sum(bytes, 20, &[(0, 20)], &[]);
    let mut at = JOURNAL_HEADER;
    while let Some(room) = bytes.len().checked_sub(at + RECORD_HEADER) {
        let len = u32_at(bytes, at + 4).min(room);
        bytes[at..at + 4].copy_from_slice(&[0xd7, b'r', b'e', b'c']);
        bytes[at + 4..at + 8].copy_from_slice(&(len as u32).to_le_bytes());
        let end = at + RECORD_HEADER + len;
        put_sum(bytes, at + 24, &[(at + RECORD_HEADER, end)], &[]);
        put_sum(bytes, at + 28, &[(at, at + 28)], &place(id, at));
        at = end;
    }
}

/// Footer, then the parts that it names, then the blocks that the index names if that is not packed.
fn table(id: u64, bytes: &mut [u8]) {
    let Some(footer) = bytes.len().checked_sub(FOOTER) else { return };
    bytes[footer + 24..footer + 32].copy_from_slice(&id.to_le_bytes());
    put_sum(bytes, footer + 36, &[(footer, footer + 36)], &place(id, 0));
    let [filter, index, properties] = [0, 8, 16].map(|at| usize::try_from(u64_at(bytes, footer + at)).unwrap_or(0));
    if !(filter <= index && index <= properties && properties <= footer) {
        return;
    }
    for (start, end) in [(filter, index), (index, properties), (properties, footer)] {
        part(id, bytes, start, end);
    }
    let mut start = 0usize;
    for len in block_lens(bytes.get(index..properties.saturating_sub(5)).unwrap_or(&[])) {
        let Some(end) = start.checked_add(len).filter(|end| *end <= filter) else { return };
        part(id, bytes, start, end);
        start = end;
    }
}

fn part(id: u64, bytes: &mut [u8], start: usize, end: usize) {
    if end >= start + 5 {
        put_sum(bytes, end - 4, &[(start, end - 4)], &place(id, start));
    }
}

/// The lengths of the blocks by an index as it is stored: key, sequence number, length.
fn block_lens(mut index: &[u8]) -> Vec<usize> {
    let mut lens = Vec::new();
    while let Some(key) = varint(&mut index) {
        index = index.get(key..).unwrap_or(&[]);
        let (Some(_), Some(len)) = (varint(&mut index), varint(&mut index)) else { break };
        lens.push(len);
    }
    lens
}

fn varint(bytes: &mut &[u8]) -> Option<usize> {
    let mut n = 0usize;
    for shift in (0..56).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        n |= usize::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(n);
        }
    }
    None
}
