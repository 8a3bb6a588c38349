//! What the system says of this process, and of a directory.

use std::fs;
use std::path::Path;

/// Figures of this process so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    /// Bytes handed to write calls.
    pub written_bytes: u64,
    /// Processor time in seconds, all threads.
    pub cpu_seconds: f64,
}

/// Clock ticks of `/proc/self/stat` a second, on every Linux there is.
const TICKS: f64 = 100.0;

/// Reads them from `/proc`; zeros where there is none.
pub fn usage() -> Usage {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok()).unwrap_or_default();
    Usage { written_bytes: named("/proc/self/io", "wchar:"), cpu_seconds: (ticks(11) + ticks(12)) / TICKS }
}

/// Largest resident memory so far in bytes, files that are mapped included.
pub fn peak_memory_bytes() -> u64 {
    named("/proc/self/status", "VmHWM:") << 10
}

fn named(path: &str, name: &str) -> u64 {
    let text = fs::read_to_string(path).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
    line.split_whitespace().next().and_then(|number| number.parse().ok()).unwrap_or_default()
}

/// Lengths of all files below `dir`, in bytes; of a sparse file what it takes. Files that go meanwhile are left out.
pub fn disk_bytes(dir: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let Ok(entries) = fs::read_dir(dir) else { return 0 };
    let bytes = |entry: fs::DirEntry| match entry.metadata() {
        Ok(data) if data.is_dir() => disk_bytes(&entry.path()),
        Ok(data) => data.len().min(data.blocks() * 512),
        Err(_) => 0,
    };
    entries.flatten().map(bytes).sum()
}
