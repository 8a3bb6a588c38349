//! Every file system keeps the same promises.

use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::mapped::Mapped;
use super::*;

/// Runs `check` on each file system, in an empty directory of its own.
fn everywhere(check: impl Fn(&dyn Fs, &Path)) {
    let temp = tempfile::tempdir().unwrap();
    check(&RealFs, temp.path());
    let mem = MemFs::new();
    mem.create_dir_all(Path::new("d")).unwrap();
    check(&mem, Path::new("d"));
    let temp = tempfile::tempdir().unwrap();
    check(&CountingFs::new(Arc::new(RealFs)), temp.path());
    let temp = tempfile::tempdir().unwrap();
    check(&Overlay::new(Arc::new(RealFs)), temp.path());
    assert_eq!(RealFs.list(temp.path()).unwrap().len(), 0, "nothing below changes");
}

fn write(fs: &dyn Fs, path: &Path, bytes: &[u8]) {
    let mut file = fs.create(path, Purpose::Other).unwrap();
    file.append(bytes).unwrap();
    file.sync().unwrap();
    assert_eq!(file.len(), bytes.len() as u64);
}

fn read(fs: &dyn Fs, path: &Path) -> Vec<u8> {
    let file = fs.open(path, Purpose::Other).unwrap();
    let mut bytes = vec![0; file.len() as usize];
    file.read_at(&mut bytes, 0).unwrap();
    bytes
}

fn kind<T: fmt::Debug>(result: Result<T>) -> Option<ErrorKind> {
    result.unwrap_err().io_kind()
}

#[test]
fn a_file_reads_back_as_it_was_appended() {
    everywhere(|fs, dir| {
        let path = dir.join("a");
        write(fs, &path, b"hello ");
        let mut file = fs.append(&path, 5, Purpose::Other).unwrap();
        file.append(b", world").unwrap();
        assert_eq!((file.len(), read(fs, &path)), (12, b"hello, world".to_vec()));
        let file = fs.open(&path, Purpose::Other).unwrap();
        let mut part = [0; 5];
        file.read_at(&mut part, 7).unwrap();
        assert_eq!(&part, b"world");
        assert_eq!(kind(file.read_at(&mut part, 8)), Some(ErrorKind::UnexpectedEof));
        assert_eq!(fs.file_len(&path).unwrap(), 12);
    });
}

#[test]
fn a_file_written_again_holds_what_it_held_up_to_there_and_grows_behind() {
    everywhere(|fs, dir| {
        let path = dir.join("a");
        write(fs, &path, b"hello, world");
        let mut file = fs.rewrite(&path, 5, b", wo", Purpose::Other).unwrap();
        assert_eq!((file.len(), read(fs, &path)), (9, b"hello, wo".to_vec()));
        file.append(b"rd").unwrap();
        file.sync().unwrap();
        assert_eq!((file.len(), read(fs, &path)), (11, b"hello, word".to_vec()));
        assert_eq!(kind(fs.rewrite(&path, 12, b"", Purpose::Other)), Some(ErrorKind::InvalidInput));
        assert!(fs.rewrite(&dir.join("missing"), 0, b"", Purpose::Other).unwrap_err().is_not_found());
    });
}

#[test]
fn a_cut_never_grows_a_file() {
    everywhere(|fs, dir| {
        write(fs, &dir.join("a"), b"abc");
        assert_eq!(kind(fs.append(&dir.join("a"), 4, Purpose::Other)), Some(ErrorKind::InvalidInput));
        assert_eq!(read(fs, &dir.join("a")), b"abc");
    });
}

#[test]
fn taken_and_missing_names_are_errors() {
    everywhere(|fs, dir| {
        let (taken, missing) = (dir.join("taken"), dir.join("missing"));
        write(fs, &taken, b"");
        assert_eq!(kind(fs.create(&taken, Purpose::Other)), Some(ErrorKind::AlreadyExists));
        assert_eq!(kind(fs.link(&taken, &taken)), Some(ErrorKind::AlreadyExists));
        assert!(fs.open(&missing, Purpose::Other).unwrap_err().is_not_found());
        assert!(fs.append(&missing, 0, Purpose::Other).unwrap_err().is_not_found());
        assert!(fs.remove(&missing).unwrap_err().is_not_found());
        assert!(fs.rename(&missing, &taken).unwrap_err().is_not_found());
        assert!(fs.file_len(&missing).unwrap_err().is_not_found());
        assert!(fs.list(&missing).unwrap_err().is_not_found());
        assert!(fs.create(&missing.join("a"), Purpose::Other).unwrap_err().is_not_found());
    });
}

#[test]
fn names_come_move_and_go() {
    everywhere(|fs, dir| {
        let inner: PathBuf = dir.join("x").join("y");
        fs.create_dir_all(&inner).unwrap();
        fs.create_dir_all(&inner).unwrap();
        write(fs, &dir.join("a"), b"1");
        write(fs, &dir.join("b"), b"2");
        fs.rename(&dir.join("a"), &dir.join("b")).unwrap();
        fs.link(&dir.join("b"), &inner.join("c")).unwrap();
        let mut names = fs.list(dir).unwrap();
        names.sort();
        assert_eq!(names, ["b", "x"]);
        fs.remove(&dir.join("b")).unwrap();
        fs.sync_dir(dir).unwrap();
        assert_eq!(read(fs, &inner.join("c")), b"1");
        assert!(!fs.exists(&dir.join("b")).unwrap());
        assert!(fs.exists(&inner).unwrap());
    });
}

#[test]
fn a_removed_file_stays_readable_through_its_handle() {
    everywhere(|fs, dir| {
        write(fs, &dir.join("a"), b"still here");
        let file = fs.open(&dir.join("a"), Purpose::Other).unwrap();
        fs.remove(&dir.join("a")).unwrap();
        let mut bytes = [0; 10];
        file.read_at(&mut bytes, 0).unwrap();
        assert_eq!(&bytes, b"still here");
    });
}

#[test]
fn a_lock_has_one_holder_until_dropped() {
    everywhere(|fs, dir| {
        let path = dir.join("LOCK");
        let held = fs.lock(&path).unwrap();
        assert!(matches!(fs.lock(&path), Err(crate::Error::Locked { path: p }) if p == path));
        drop(held);
        drop(fs.lock(&path).unwrap());
    });
}

#[test]
fn there_is_room() {
    everywhere(|fs, dir| assert!(fs.free_bytes(dir).unwrap() > 0));
}

#[test]
fn traffic_is_counted_by_purpose() {
    let fs = CountingFs::new(Arc::new(MemFs::new()));
    let path = Path::new("a");
    let mut file = fs.create(path, Purpose::Flush).unwrap();
    file.append(b"12345").unwrap();
    file.append(b"678").unwrap();
    file.sync().unwrap();
    let file = fs.open(path, Purpose::Merge).unwrap();
    file.read_at(&mut [0; 4], 2).unwrap();
    assert!(file.read_at(&mut [0; 4], 6).is_err());
    let flush = IoStats { written_bytes: 8, writes: 2, syncs: 1, ..IoStats::default() };
    let merge = IoStats { read_bytes: 4, reads: 1, ..IoStats::default() };
    assert_eq!(fs.counts().of(Purpose::Flush), flush);
    assert_eq!(fs.counts().of(Purpose::Merge), merge);
    for other in [Purpose::Log, Purpose::Manifest, Purpose::Read, Purpose::Other] {
        assert_eq!(fs.counts().of(other), IoStats::default());
    }
}

#[test]
fn a_file_in_the_room_of_another_holds_what_was_appended_and_no_more() {
    everywhere(|fs, dir| {
        let (old, new) = (dir.join("old"), dir.join("new"));
        for bytes in [b"longer than the first one".as_slice(), b"", b"short"] {
            write(fs, &old, b"twelve bytes");
            let mut file = fs.reuse(&old, &new, Purpose::Other).unwrap();
            assert!(file.is_empty());
            file.append(bytes).unwrap();
            file.end().unwrap();
            file.sync().unwrap();
            assert_eq!(read(fs, &new), bytes);
            assert!(!fs.exists(&old).unwrap());
            fs.remove(&new).unwrap();
        }
        assert_eq!(kind(fs.reuse(&old, &new, Purpose::Other)), Some(ErrorKind::NotFound));
    });
}

#[test]
fn a_file_with_a_second_name_is_not_written_over() {
    everywhere(|fs, dir| {
        let (old, new, other) = (dir.join("old"), dir.join("new"), dir.join("other"));
        write(fs, &old, b"twelve bytes");
        fs.link(&old, &other).unwrap();
        let mut file = fs.reuse(&old, &new, Purpose::Other).unwrap();
        file.append(b"new").unwrap();
        file.end().unwrap();
        assert_eq!((read(fs, &new), read(fs, &other)), (b"new".to_vec(), b"twelve bytes".to_vec()));
    });
}

#[test]
fn what_is_appended_to_mapped_room_is_seen_at_once_and_what_does_not_fit_too() {
    everywhere(|fs, dir| {
        let path = dir.join("a");
        let mut file = fs.create(&path, Purpose::Log).unwrap();
        let mut expected = vec![7; 100_000];
        file.append(&expected).unwrap();
        for (at, len) in [1, 0, 31, 450, 400, 4_096, 100, 70_000, 5, 200_000, 3].into_iter().enumerate() {
            if at % 3 == 0 {
                match file.reserve_mapped(file.len() + 80_000) {
                    Err(error) if error.io_kind() == Some(ErrorKind::Unsupported) => {}
                    made => made.unwrap(),
                }
            }
            let bytes = vec![at as u8 + 1; len];
            file.append(&bytes).unwrap();
            expected.extend(bytes);
            assert_eq!(file.len(), expected.len() as u64);
            let found = read(fs, &path);
            assert!(
                found.starts_with(&expected) && found[expected.len()..].iter().all(|&byte| byte == 0),
                "append {at}"
            );
        }
        file.sync().unwrap();
        file.end().unwrap();
        file.append(b"end").unwrap();
        expected.extend(b"end");
        drop(file);
        assert!(read(fs, &path) == expected);
    });
}

#[test]
fn what_lies_in_two_sectors_goes_through_the_map_only_if_a_zero_behind_it_can_tell_that_it_was_not_finished() {
    let dir = tempfile::tempdir().unwrap();
    let file = File::options().read(true).write(true).create_new(true).open(dir.path().join("a")).unwrap();
    let mut map = match Mapped::new(&file, 0, 2_000) {
        Err(error) if error.kind() == ErrorKind::Unsupported => return,
        map => map.unwrap(),
    };
    for (at, len, is_taken) in
        [(0, 512, true), (0, 513, false), (450, 62, true), (450, 63, false), (511, 2, false), (1_536, 512, false)]
    {
        assert_eq!(map.write(&vec![1; len], len, at), is_taken, "{len} bytes at {at}");
    }
    let headed = [(480, 33, true), (481, 33, false), (480, 543, true), (480, 544, false), (0, 1_025, false)];
    for (at, len, is_taken) in headed.into_iter().chain([(1_500, 499, true), (1_500, 500, false)]) {
        assert_eq!(map.write(&vec![1; len], 32, at), is_taken, "{len} bytes at {at}");
    }
}

#[test]
fn a_file_that_is_cut_off_behind_its_map_goes_on_where_it_was_cut() {
    everywhere(|fs, dir| {
        let path = dir.join("a");
        let mut old = fs.create(&path, Purpose::Log).unwrap();
        let _ = old.reserve_mapped(100_000);
        old.append(b"hello, world").unwrap();
        let mut file = fs.append(&path, 5, Purpose::Log).unwrap();
        drop(old);
        file.append(b"!").unwrap();
        assert_eq!(read(fs, &path), b"hello!");
    });
}
