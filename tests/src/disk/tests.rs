use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use lsm_std::fs::{Fs, Purpose};

use super::*;

/// A disk with a durable directory, and a process on it.
fn disk(seed: u64) -> (Disk, Arc<dyn Fs>) {
    let disk = Disk::new(seed);
    let fs = disk.boot();
    fs.create_dir_all(Path::new(STORE)).unwrap();
    fs.sync_dir(Path::new("")).unwrap();
    (disk, fs)
}

fn path(name: &str) -> PathBuf {
    Path::new(STORE).join(name)
}

fn read(fs: &dyn Fs, name: &str) -> Option<Vec<u8>> {
    let file = fs.open(&path(name), Purpose::Other).ok()?;
    let mut bytes = vec![0; file.len() as usize];
    file.read_at(&mut bytes, 0).unwrap();
    Some(bytes)
}

#[test]
fn a_cut_takes_names_without_a_sync_of_the_directory_and_bytes_without_one_of_the_file() {
    for (sync_file, sync_dir) in [(false, false), (true, false), (false, true), (true, true)] {
        let (disk, fs) = disk(1);
        let mut file = fs.create(&path("a"), Purpose::Other).unwrap();
        file.append(b"hello").unwrap();
        if sync_file {
            file.sync().unwrap();
        }
        if sync_dir {
            fs.sync_dir(Path::new(STORE)).unwrap();
        }
        assert_eq!(read(&*fs, "a").as_deref(), Some(&b"hello"[..]));
        disk.cut(Left::Nothing);
        assert!(fs.list(Path::new(STORE)).is_err());
        let left = read(&*disk.boot(), "a");
        let bytes = if sync_file { &b"hello"[..] } else { b"" };
        assert_eq!(left.as_deref(), sync_dir.then_some(bytes));
    }
}

#[test]
fn a_cut_leaves_any_length_any_sectors_and_any_part_of_the_last_write() {
    let (mut torn, mut holes, mut zeros, mut lost) = (0, 0, 0, 0);
    for seed in 0..400 {
        let (disk, fs) = disk(seed);
        let mut file = fs.create(&path("a"), Purpose::Other).unwrap();
        fs.sync_dir(Path::new(STORE)).unwrap();
        file.append(&[1; 600]).unwrap();
        file.append(&[2; 600]).unwrap();
        disk.cut(Left::Random);
        let left = read(&*disk.boot(), "a").unwrap();
        assert!(left.len() <= 1200);
        for (at, byte) in left.iter().enumerate() {
            assert!([0, if at < 600 { 1 } else { 2 }].contains(byte), "{seed}: byte {at} is {byte}");
        }
        torn += u64::from(left.len() > 600 && left.len() < 1200 && !left.contains(&0));
        holes += u64::from(left.first() == Some(&0) && left.contains(&2));
        zeros += u64::from(left == [0; 1200]);
        lost += u64::from(left.is_empty());
    }
    assert!([torn, holes, zeros, lost].iter().all(|count| *count > 5), "{torn} {holes} {zeros} {lost}");
}

#[test]
fn a_torn_write_is_the_last_one_and_holes_of_a_file_written_over_hold_what_it_held() {
    let (disk, fs) = disk(3);
    let mut file = fs.create(&path("a"), Purpose::Other).unwrap();
    file.append(&[7; 2000]).unwrap();
    file.sync().unwrap();
    let mut file = fs.reuse(&path("a"), &path("b"), Purpose::Other).unwrap();
    fs.sync_dir(Path::new(STORE)).unwrap();
    file.append(&[8; 1024]).unwrap();
    file.append(&[9; 600]).unwrap();
    assert_eq!(disk.last_write(), Some(600));
    let image = disk.image();
    disk.cut(Left::Torn(3));
    let left = read(&*disk.boot(), "b").unwrap();
    assert_eq!(left, [&[8; 1024][..], &[9; 3], &[7; 973]].concat());
    image.cut(Left::Alternating);
    let left = read(&*image.boot(), "b").unwrap();
    assert_eq!(left, [&[7; 512][..], &[8; 512], &[7; 512], &[9; 88], &[7; 376]].concat());
}

#[test]
fn a_renaming_may_come_through_by_halves_but_never_takes_the_name_it_replaces() {
    let mut seen = std::collections::BTreeSet::new();
    for seed in 0..100 {
        let (disk, fs) = disk(seed);
        for (name, bytes) in [("a", b"1"), ("b", b"2")] {
            let mut file = fs.create(&path(name), Purpose::Other).unwrap();
            file.append(bytes).unwrap();
            file.sync().unwrap();
        }
        fs.sync_dir(Path::new(STORE)).unwrap();
        fs.rename(&path("a"), &path("b")).unwrap();
        disk.cut(Left::Random);
        let fs = disk.boot();
        seen.insert((read(&*fs, "a"), read(&*fs, "b")));
    }
    let byte = |byte: &[u8]| Some(byte.to_vec());
    let (old, new) = (byte(b"2"), byte(b"1"));
    let all = [(None, new.clone()), (None, old.clone()), (new.clone(), new.clone()), (new, old)];
    assert_eq!(seen, all.into_iter().collect());
}

#[test]
fn a_failed_sync_loses_bytes_that_a_later_good_one_does_not_bring_back() {
    let lost = (0..40).filter(|seed| {
        let (disk, fs) = disk(*seed);
        let mut file = fs.create(&path("a"), Purpose::Other).unwrap();
        fs.sync_dir(Path::new(STORE)).unwrap();
        file.append(b"hello").unwrap();
        let fault = Fault { ops: Op::SYNCS, suffix: "a", kind: ErrorKind::Other, after: 0, times: 1 };
        disk.fail(fault);
        file.sync().unwrap_err();
        file.sync().unwrap();
        assert_eq!(disk.hits().syncs, 1);
        disk.cut(Left::Everything);
        read(&*disk.boot(), "a").unwrap() != b"hello"
    });
    assert!(lost.count() > 10);
}

#[test]
fn a_good_sync_makes_the_length_durable_that_readers_see() {
    for seed in 0..40 {
        let (disk, fs) = disk(seed);
        let mut file = fs.create(&path("a"), Purpose::Other).unwrap();
        fs.sync_dir(Path::new(STORE)).unwrap();
        file.append(b"hello world").unwrap();
        file.sync().unwrap();
        disk.fail(Fault { ops: &[Op::Cut], suffix: "a", kind: ErrorKind::Other, after: 0, times: 1 });
        fs.append(&path("a"), 5, Purpose::Other).unwrap_err();
        let seen = read(&*fs, "a").unwrap();
        file.sync().unwrap();
        disk.cut(Left::Everything);
        assert_eq!(read(&*disk.boot(), "a").unwrap().len(), seen.len());
    }
}

#[test]
fn a_full_disk_takes_what_it_has_room_for_and_more_once_it_has_room_again() {
    let (disk, fs) = disk(5);
    let mut file = fs.create(&path("a"), Purpose::Other).unwrap();
    disk.fill(7);
    assert_eq!(fs.free_bytes(Path::new("")).unwrap(), 7);
    assert!(file.append(b"0123456789").unwrap_err().is_no_space());
    assert_eq!(read(&*fs, "a").unwrap(), b"0123456");
    disk.heal();
    file.append(b"789").unwrap();
    assert_eq!(read(&*fs, "a").unwrap(), b"0123456789");
}

#[test]
fn the_power_goes_in_the_call_that_was_named_and_a_killed_process_has_no_effect_any_more() {
    let (disk, fs) = disk(6);
    disk.cut_in(2);
    fs.create(&path("a"), Purpose::Other).unwrap();
    assert!(fs.create(&path("b"), Purpose::Other).is_err() && disk.is_dead());
    disk.cut(Left::Everything);
    let fs = disk.boot();
    assert_eq!(fs.list(Path::new(STORE)).unwrap(), ["a", "b"]);
    disk.cut_near("c1", 1);
    fs.create(&path("d"), Purpose::Other).unwrap();
    fs.create(&path("c1"), Purpose::Other).unwrap();
    assert!(fs.create(&path("e"), Purpose::Other).is_err() && disk.is_dead());
    let fs = disk.boot();
    let lock = fs.lock(&path("LOCK")).unwrap();
    let next = disk.boot();
    assert!(fs.remove(&path("a")).is_err());
    let _held = next.lock(&path("LOCK")).unwrap();
    drop(lock);
    assert!(next.lock(&path("LOCK")).is_err());
}

#[test]
fn a_number_that_was_there_when_the_store_was_opened_is_not_to_be_used_again() {
    let (disk, fs) = disk(7);
    fs.create(&path("000007.sst"), Purpose::Other).unwrap();
    let fs = disk.boot();
    disk.opened();
    fs.remove(&path("000007.sst")).unwrap();
    fs.create(&path("000008.log"), Purpose::Other).unwrap();
    assert_eq!(disk.used_twice(), None);
    fs.create(&path("000003.sst"), Purpose::Other).unwrap();
    assert_eq!(disk.used_twice().as_deref(), Some("store/000003.sst"));
}
