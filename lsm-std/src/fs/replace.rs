//! Small files that are replaced as a whole: `CURRENT`, `STRATEGY`.
//!
//! ```text
//! file    bytes  version u32  crc u32
//! ```
//! The checksum covers the file's name too, so that one small file cannot pass for another.

use std::path::{Path, PathBuf};

use byteorder::{ByteOrder, LE};

use super::{FileName, Fs, Purpose, Result};
use crate::codec::put_u32;
use crate::error::Error;

/// Largest small file that is read back, in bytes.
const SMALL_BYTES_MAX: u64 = 64 << 20;

/// The newest format version that this crate knows, and the one it writes.
const VERSION: u32 = 1;

/// Bytes at the end: the version and the checksum.
const SEAL: usize = 8;

/// Replaces `name` in `dir` by these bytes under a checksum: after a crash at any point the file holds the old bytes or the
/// new ones.
///
/// Costs a file sync and a directory sync; on return both are done.
pub fn replace_small(fs: &dyn Fs, dir: &Path, name: FileName, bytes: &[u8], purpose: Purpose) -> Result<()> {
    prepare_small(fs, dir, name, bytes, purpose)?;
    publish_small(fs, dir, name)
}

/// The first half of [`replace_small`]: the new bytes lie, synced, under a temporary name. After an error the old ones still hold.
pub fn prepare_small(fs: &dyn Fs, dir: &Path, name: FileName, bytes: &[u8], purpose: Purpose) -> Result<()> {
    let temp = temp_path(dir, name);
    if fs.exists(&temp)? {
        fs.remove(&temp)?;
    }
    let mut sealed = Vec::with_capacity(bytes.len() + SEAL);
    sealed.extend_from_slice(bytes);
    put_u32(&mut sealed, VERSION);
    let sum = sum(name, &sealed);
    put_u32(&mut sealed, sum);
    let mut file = fs.create(&temp, purpose)?;
    file.append(&sealed)?;
    file.sync()
}

/// The second half of [`replace_small`]. After an error the file holds the old bytes or the new ones, and which is not known.
pub fn publish_small(fs: &dyn Fs, dir: &Path, name: FileName) -> Result<()> {
    fs.rename(&temp_path(dir, name), &dir.join(name.to_string()))?;
    fs.sync_dir(dir)
}

fn temp_path(dir: &Path, name: FileName) -> PathBuf {
    dir.join(format!("{name}.tmp"))
}

/// The bytes last given to [`replace_small`] for `name` in `dir`; `None` if there is no such file.
///
/// [`Error::Corrupt`] if they are not what was written, [`Error::NewerFormat`].
pub fn read_small(fs: &dyn Fs, dir: &Path, name: FileName, purpose: Purpose) -> Result<Option<Vec<u8>>> {
    let path = dir.join(name.to_string());
    if !fs.exists(&path)? {
        return Ok(None);
    }
    let file = fs.open(&path, purpose)?;
    let len = file.len();
    if len < SEAL as u64 || len > SMALL_BYTES_MAX {
        let what = format!("{len} bytes long, not {SEAL} to {SMALL_BYTES_MAX}");
        return Err(Error::corrupt(&path, 0, what));
    }
    let mut bytes = vec![0; usize::try_from(len).unwrap_or(0)];
    file.read_at(&mut bytes, 0)?;
    let sum_at = bytes.len() - 4;
    if LE::read_u32(&bytes[sum_at..]) != sum(name, &bytes[..sum_at]) {
        return Err(Error::corrupt(&path, 0, "checksum does not match"));
    }
    let found = LE::read_u32(&bytes[sum_at - 4..]);
    match found {
        VERSION => {}
        0 => return Err(Error::corrupt(&path, sum_at as u64 - 4, "format version 0")),
        _ => return Err(Error::NewerFormat { path, found, known: VERSION }),
    }
    bytes.truncate(sum_at - 4);
    Ok(Some(bytes))
}

fn sum(name: FileName, bytes: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(name.to_string().as_bytes());
    crc.update(bytes);
    crc.finalize()
}

#[cfg(test)]
mod tests {
    use super::super::MemFs;
    use super::*;

    #[test]
    fn small_files_read_back_and_replace_each_other() {
        let (fs, dir) = (MemFs::new(), Path::new(""));
        let read = || read_small(&fs, dir, FileName::Strategy, Purpose::Other);
        assert_eq!(read().unwrap(), None);
        fs.set_bytes("STRATEGY.tmp", b"left by a crash".to_vec());
        for bytes in [b"".as_slice(), b"learned", b"learned more"] {
            replace_small(&fs, dir, FileName::Strategy, bytes, Purpose::Other).unwrap();
            assert_eq!(read().unwrap().as_deref(), Some(bytes));
        }
        assert_eq!(fs.bytes("STRATEGY.tmp"), None);
    }

    #[test]
    fn a_small_file_of_a_later_format_is_refused() {
        let (fs, dir) = (MemFs::new(), Path::new(""));
        replace_small(&fs, dir, FileName::Strategy, b"learned", Purpose::Other).unwrap();
        let mut newer = fs.bytes("STRATEGY").unwrap();
        newer[7] = 2;
        let sum = sum(FileName::Strategy, &newer[..11]);
        LE::write_u32(&mut newer[11..], sum);
        fs.set_bytes("STRATEGY", newer);
        let read = read_small(&fs, dir, FileName::Strategy, Purpose::Other);
        assert!(matches!(read, Err(Error::NewerFormat { found: 2, known: 1, .. })), "{read:?}");
    }

    #[test]
    fn a_small_file_under_the_name_of_another_is_an_error() {
        let (fs, dir) = (MemFs::new(), Path::new(""));
        replace_small(&fs, dir, FileName::Strategy, b"learned", Purpose::Other).unwrap();
        fs.set_bytes("CURRENT", fs.bytes("STRATEGY").unwrap());
        let read = read_small(&fs, dir, FileName::Current, Purpose::Other);
        assert!(matches!(read, Err(Error::Corrupt { .. })), "{read:?}");
    }

    #[test]
    fn every_flipped_bit_of_a_small_file_is_seen() {
        let (fs, dir) = (MemFs::new(), Path::new(""));
        replace_small(&fs, dir, FileName::Current, b"MANIFEST-000007", Purpose::Manifest).unwrap();
        let good = fs.bytes("CURRENT").unwrap();
        for bit in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            fs.set_bytes("CURRENT", bad);
            let read = read_small(&fs, dir, FileName::Current, Purpose::Manifest);
            assert!(matches!(read, Err(Error::Corrupt { offset: 0, .. })), "bit {bit}: {read:?}");
        }
        for len in 0..good.len() {
            fs.set_bytes("CURRENT", good[..len].to_vec());
            assert!(read_small(&fs, dir, FileName::Current, Purpose::Manifest).is_err(), "{len} bytes");
        }
    }
}
