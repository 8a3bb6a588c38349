//! The commands for one store.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::common::{json, lsm, run, said, text, trace};
use compaction_core::{AnySettings, TieredSettings};
use lsm_std::{Options, SyncPolicy};
use serde_json::json as js;

#[test]
fn what_is_put_can_be_got_listed_and_deleted() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let store = dir.path().join("store");
    let at = |command: &'static str, rest: &[&'static str]| {
        let mut args = vec![command.to_owned(), "--dir".to_owned(), text(&store).to_owned()];
        args.extend(rest.iter().map(|arg| (*arg).to_owned()));
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        run(&args)
    };
    for (key, value) in [("apple", "red"), ("pear", "green"), ("plum", "blue")] {
        assert!(at("put", &[key, value]).status.success());
    }
    assert_eq!(at("get", &["pear"]).stdout, b"green");
    assert!(at("put", &["-4", "-5"]).status.success());
    assert_eq!(at("get", &["-4"]).stdout, b"-5");
    assert!(at("delete", &["-4"]).status.success());
    assert_eq!(at("get", &["-4"]).status.code(), Some(1));
    assert_eq!(at("scan", &[]).stdout, b"apple\tred\npear\tgreen\nplum\tblue\n");
    assert_eq!(at("scan", &["--prefix", "p", "--reverse", "--limit", "1"]).stdout, b"plum\tblue\n");
    assert_eq!(at("scan", &["--from", "b", "--to", "pl", "--keys"]).stdout, b"pear\n");
    assert_eq!(
        at("scan", &["--hex", "--from", "706c", "--json"]).stdout,
        b"{\"key\":\"706c756d\",\"value\":\"626c7565\"}\n"
    );
    assert!(at("delete", &["pear"]).status.success());
    let gone = at("get", &["pear"]);
    assert_eq!((gone.status.code(), gone.stdout.len()), (Some(1), 0));
    assert!(said(&gone).contains("pear has no value"));
    assert!(said(&at("get", &[""])).contains("the empty key has no value"));
}

#[test]
fn a_value_from_standard_input_comes_back_byte_by_byte() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let store = dir.path().join("store");
    let value: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    let file = dir.path().join("value");
    fs::write(&file, &value).expect("written");
    let input = Stdio::from(fs::File::open(&file).expect("readable"));
    let put =
        lsm().args(["put", "--dir", text(&store), "--hex", "00ff", "-"]).stdin(input).output().expect("it starts");
    assert!(put.status.success(), "{}", said(&put));
    assert_eq!(run(&["get", "--dir", text(&store), "--hex", "00ff"]).stdout, value);
}

#[test]
fn a_key_of_full_length_is_taken_from_a_file() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (store, file, longer) = (dir.path().join("store"), dir.path().join("key"), dir.path().join("longer"));
    let key: Vec<u8> = (0..=255).cycle().take(lsm_std::KEY_BYTES_MAX).collect();
    fs::write(&file, &key).expect("written");
    fs::write(&longer, [&key[..], b"x"].concat()).expect("written");
    let (store, file, longer) = (text(&store), text(&file), text(&longer));
    let at = |command, rest: &[&str]| run(&[&[command, "--dir", store][..], rest].concat());
    let put = at("put", &["--key-file", file, "-4"]);
    assert!(put.status.success(), "{}", said(&put));
    assert!(at("put", &["z", "last"]).status.success());
    assert_eq!(at("get", &["--key-file", file]).stdout, b"-4");
    let input = Stdio::from(fs::File::open(file).expect("readable"));
    let get = lsm().args(["get", "--dir", store, "--key-file", "-"]).stdin(input).output().expect("it starts");
    assert_eq!(get.stdout, b"-4");
    let line = [lsm_tool::trace::hex(&key), "\t2d34\n".into()].concat();
    for scan in [&["--prefix-file", file][..], &["--from-file", file, "--to", "7a"]] {
        assert_eq!(String::from_utf8(at("scan", &[&["--hex"], scan].concat()).stdout).expect("text"), line, "{scan:?}");
    }
    assert_eq!(at("scan", &["--to-file", file]).stdout, b"");
    assert!(at("compact", &["--from-file", file, "--to", "y"]).status.success());
    let refused = at("put", &["--key-file", longer, "value"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(said(&refused).contains("longer: longer than a key, which has at most 65536 bytes"), "{}", said(&refused));
    let deleted = at("delete", &["--key-file", file, "--json"]);
    assert!(deleted.stdout.starts_with(b"{\"deleted_hex\":\"000102"), "{deleted:?}");
    assert_eq!(at("get", &["--key-file", file]).status.code(), Some(1));
    for bad in [
        &["put", "--key-file", file][..],
        &["put", "--key-file", file, "key", "value"],
        &["put", "key"],
        &["put", "--key-file", "-", "-"],
        &["get", "--key-file", file, "key"],
        &["scan", "--from-file", "-", "--to-file", "-"],
        &["scan", "--from", "a", "--from-file", file],
        &["scan", "--prefix-file", file, "--to-file", file],
        &["scan", "--prefix-file", file, "--prefix", "a"],
    ] {
        let refused = at(bad[0], &bad[1..]);
        assert_eq!(refused.status.code(), Some(2), "{bad:?}: {refused:?}");
    }
}

#[test]
fn looking_at_a_directory_without_a_store_is_an_error_and_makes_none() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let empty = dir.path().join("empty");
    fs::create_dir(&empty).expect("made");
    for command in ["scan", "stats", "verify", "dump", "compact"] {
        let refused = run(&[command, "--dir", text(&empty)]);
        assert_eq!(refused.status.code(), Some(1), "{command}");
        assert!(said(&refused).contains("holds no store"), "{command}: {}", said(&refused));
    }
    assert_eq!(fs::read_dir(&empty).expect("readable").count(), 0);
}

#[test]
fn a_store_can_be_verified_compacted_dumped_and_copied() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (ekv, store, copy) = (trace("ekv.tsv"), dir.path().join("store"), dir.path().join("copy"));
    json(&["replay", text(&ekv), "--dir", text(&store), "--memtable-bytes", "65536", "--json"]);
    let verified = json(&["verify", "--dir", text(&store), "--json"]);
    assert_eq!(verified["ok"], true);
    assert!(run(&["checkpoint", "--dir", text(&store), text(&copy)]).status.success());
    let before = run(&["scan", "--dir", text(&store), "--keys"]).stdout;
    assert_eq!(run(&["scan", "--dir", text(&copy), "--keys"]).stdout, before);
    let compacted = json(&["compact", "--dir", text(&store), "--json"]);
    assert_eq!(compacted["runs"], 1, "{compacted}");
    assert_eq!(run(&["scan", "--dir", text(&store), "--keys"]).stdout, before);
    let dump = run(&["dump", "--dir", text(&store), "--json"]);
    let tables: Vec<serde_json::Value> =
        String::from_utf8_lossy(&dump.stdout).lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let bytes: u64 = tables.iter().filter_map(|table| table["bytes"].as_u64()).sum();
    let stats = json(&["stats", "--dir", text(&store), "--json"]);
    assert_eq!(stats["table_bytes"], js!(bytes));
    assert_eq!(tables.len() as u64, stats["levels"][0]["tables"].as_u64().unwrap_or(0));
}

#[test]
fn looking_at_a_store_merges_nothing() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let open =
        |settings: AnySettings| Options::new().deterministic(1).strategy(settings).open(dir.path()).expect("a store");
    let db = open(AnySettings::Idle);
    for at in 0..20u64 {
        db.put(&at.to_le_bytes(), &[7; 4_000]).expect("a write");
        db.flush().expect("flushed");
    }
    db.close().expect("closed");
    open(AnySettings::Tiered(TieredSettings::default())).close().expect("closed with all of it to be merged");
    let tables = files_ending(dir.path(), ".sst");
    assert!(tables.len() >= 20, "{tables:?}");
    for command in [&["get", "--hex", "0100000000000000"][..], &["scan", "--hex"], &["stats"], &["dump"]] {
        let looked = run(&[command, &["--dir", text(dir.path())]].concat());
        assert!(looked.status.success(), "{command:?}: {}", said(&looked));
        assert_eq!(files_ending(dir.path(), ".sst"), tables, "{command:?}");
    }
    let shape = json(&["sim", "--what-if", text(dir.path()), "--strategy", "tiered", "--json"]);
    assert_eq!((&shape["strategy"], files_ending(dir.path(), ".sst")), (&js!("tiered"), tables));
}

#[test]
fn verify_names_the_file_and_the_offset_of_a_flipped_bit() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (ekv, store) = (trace("ekv.tsv"), dir.path().join("store"));
    json(&["replay", text(&ekv), "--dir", text(&store), "--memtable-bytes", "65536", "--json"]);
    let is_table = |path: &PathBuf| path.extension().is_some_and(|end| end == "sst");
    let entries = fs::read_dir(&store).expect("readable").map(|entry| entry.expect("readable").path());
    let table = entries.filter(is_table).min().expect("a table");
    let mut bytes = fs::read(&table).expect("readable");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 4;
    fs::write(&table, &bytes).expect("written");
    let broken = run(&["verify", "--dir", text(&store), "--json"]);
    assert_eq!(broken.status.code(), Some(1));
    let name = table.file_name().and_then(|name| name.to_str()).expect("a name");
    assert!(said(&broken).contains(name) && said(&broken).contains("at byte"), "{}", said(&broken));
    let answer: serde_json::Value = serde_json::from_slice(&broken.stdout).expect("JSON");
    assert_eq!(answer["ok"], false);
}

#[test]
fn bad_usage_of_any_command_ends_with_status_2() {
    for args in
        [&["get"][..], &["get", "--dir", "x"], &["scan", "--dir", "x", "--prefix", "a", "--from", "b"], &["nothing"]]
    {
        assert_eq!(run(args).status.code(), Some(2), "{args:?}");
    }
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (dir, store) = (text(dir.path()), dir.path().join("store"));
    let store = text(&store);
    assert!(run(&["put", "--dir", store, "key", "value"]).status.success());
    for args in [
        &["get", "--dir", store, "--hex", "0g"][..],
        &["delete", "--dir", store, "--hex", "0"],
        &["scan", "--dir", store, "--hex", "--from", "xx"],
        &["compact", "--dir", store, "--hex", "--to", "xx"],
        &["put", "--dir", &format!("{dir}/new"), "--hex", "zz", "00"],
    ] {
        let refused = run(args);
        assert_eq!(refused.status.code(), Some(2), "{args:?}");
        assert!(said(&refused).contains("not pairs of hex digits"), "{refused:?}");
    }
    assert!(!Path::new(dir).join("new").exists(), "no store is made by a key that cannot be");
}

#[test]
fn a_store_that_is_let_go_of_soon_is_waited_for_and_one_that_is_not_is_refused() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let db = lsm_std::Db::open(dir.path()).expect("a new store");
    db.put(b"pear", b"green").expect("a write");
    let refused = run(&["get", "--dir", text(dir.path()), "pear"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(said(&refused).contains("is locked"), "{refused:?}");
    let soon = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(300));
        db.close()
    });
    assert_eq!(run(&["get", "--dir", text(dir.path()), "pear"]).stdout, b"green");
    soon.join().expect("no panic").expect("closed");
}

#[test]
fn verify_finds_a_torn_or_damaged_log_and_leaves_it_as_it_is() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (live, killed) = (dir.path().join("live"), dir.path().join("killed"));
    let db = Options::new().sync(SyncPolicy::Always).open(&live).expect("a new store");
    db.put(b"pear", b"green").expect("a write");
    db.put(b"plum", &[7; 500]).expect("a write");
    copy_store(&live, &killed);
    assert!(run(&["verify", "--dir", text(&killed)]).status.success(), "as a crash of the process leaves it");
    let log = files_ending(&killed, "log").pop().expect("a log");
    let whole = fs::read(&log).expect("its bytes");
    // Behind the last record, which ends with a value of sevens, there is room: zeros.
    let end = whole.iter().rposition(|byte| *byte != 0).expect("a record") + 1;
    let flipped = {
        let mut bytes = whole.clone();
        bytes[end - 20] ^= 4;
        bytes
    };
    for (how, bytes) in
        [("flipped", flipped), ("torn", whole[..end - 1].to_vec()), ("longer", [&whole[..], &[7]].concat())]
    {
        fs::write(&log, &bytes).expect("written");
        let broken = run(&["verify", "--dir", text(&killed), "--json"]);
        assert_eq!(broken.status.code(), Some(1), "{how}: {broken:?}");
        assert!(said(&broken).contains(".log") && said(&broken).contains("at byte"), "{how}: {}", said(&broken));
        assert_eq!(fs::read(&log).expect("its bytes"), bytes, "{how}");
    }
    fs::write(&log, &whole).expect("written");
    let manifest = files_ending(&killed, "").into_iter().find(|path| text(path).contains("MANIFEST")).expect("one");
    fs::write(&manifest, [fs::read(&manifest).expect("its bytes"), vec![7]].concat()).expect("written");
    let broken = run(&["verify", "--dir", text(&killed)]);
    assert!(!broken.status.success() && said(&broken).contains("MANIFEST"), "{broken:?}");
}

fn files_ending(dir: &Path, suffix: &str) -> Vec<PathBuf> {
    let paths = fs::read_dir(dir).expect("readable").map(|entry| entry.expect("readable").path());
    let mut paths: Vec<PathBuf> = paths.filter(|path| text(path).ends_with(suffix)).collect();
    paths.sort();
    paths
}

/// Copies a store's files as they are.
fn copy_store(from: &Path, to: &Path) {
    fs::create_dir(to).expect("a directory");
    for path in files_ending(from, "") {
        fs::copy(&path, to.join(path.file_name().expect("a name"))).expect("a copy");
    }
}

#[test]
fn what_was_cut_off_a_torn_log_is_said() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (live, killed) = (dir.path().join("live"), dir.path().join("killed"));
    // A log that is neither synced nor mapped has no room behind its last record.
    let options = Options::new().sync(SyncPolicy::Never).mapped_log(false);
    let db = options.open(&live).expect("a new store");
    db.put(b"pear", b"green").expect("a write");
    copy_store(&live, &killed);
    let log = files_ending(&killed, "log").pop().expect("a log");
    fs::write(&log, [fs::read(&log).expect("its bytes"), vec![7; 13]].concat()).expect("written");
    let got = run(&["get", "--dir", text(&killed), "pear"]);
    assert_eq!(got.stdout, b"green");
    assert!(said(&got).contains(".log: cut off at byte ") && said(&got).contains(": 13 bytes"), "{}", said(&got));
    let again = run(&["get", "--dir", text(&killed), "pear"]);
    assert_eq!((said(&again), again.stdout), (String::new(), b"green".to_vec()));
}

/// A small file system of its own; `None`, loudly, where this process may not mount one.
struct Mounted(tempfile::TempDir);

impl Mounted {
    fn new() -> Option<Self> {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let done = Command::new("mount").args(["-t", "tmpfs", "-o", "size=8m", "tmpfs"]).arg(dir.path()).output();
        if done.as_ref().is_ok_and(|done| done.status.success()) {
            return Some(Self(dir));
        }
        eprintln!("SKIPPED: no file system can be mounted here: {done:?}");
        None
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[test]
fn on_a_full_disk_a_store_that_was_killed_is_read_and_its_log_stays() {
    let Some(disk) = Mounted::new() else { return };
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (open, store) = (dir.path().join("open"), disk.0.path().join("store"));
    // Nothing that packs: the table is as long as the log.
    let value =
        |at: u32| format!("{:032x}", u128::from(at + 1).wrapping_mul(u128::MAX / 7_919)).repeat(20).into_bytes();
    let db = Options::new().sync(SyncPolicy::Never).mapped_log(false).open(&open).expect("opens");
    (0..2_000u32).for_each(|at| db.put(format!("{at:06}").as_bytes(), &value(at)).expect("written"));
    fs::create_dir(&store).expect("made");
    for entry in fs::read_dir(&open).expect("listed") {
        let entry = entry.expect("listed");
        fs::copy(entry.path(), store.join(entry.file_name())).expect("copied");
    }
    let mut filler = fs::File::create(disk.0.path().join("filler")).expect("made");
    while filler.write_all(&[7; 4096]).is_ok() {}
    let at = ["--dir", text(&store)];
    for (command, rest) in [("get", &["000007"][..]), ("scan", &[]), ("stats", &[]), ("dump", &[])] {
        let done = run(&[&[command], &at[..], rest].concat());
        assert!(done.status.success(), "{command}: {}", said(&done));
        assert!(said(&done).contains("what the log holds stays there"), "{command}: {}", said(&done));
    }
    assert_eq!(run(&[&["get"], &at[..], &["000007"]].concat()).stdout, value(7));
    assert_eq!(run(&[&["get"], &at[..], &["none"]].concat()).status.code(), Some(1));
    fs::remove_file(disk.0.path().join("filler")).expect("removed");
    assert_eq!(json(&[&["stats", "--json"], &at[..]].concat())["last_seqno"], 2_000);
}

#[test]
fn a_value_that_never_ends_is_refused_as_soon_as_it_is_too_long() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let store = dir.path().join("store");
    let endless = Stdio::from(fs::File::open("/dev/zero").expect("readable"));
    let put = lsm().args(["put", "--dir", text(&store), "k", "-"]).stdin(endless).output().expect("it starts");
    assert_eq!(put.status.code(), Some(1));
    assert!(said(&put).contains("67108865"), "{}", said(&put));
}
