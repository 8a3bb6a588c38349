//! What is alive, kept beside the store to hold it against.

use std::collections::BTreeMap;
use std::fmt;

/// What tells one value from another: its length and how it begins.
///
/// Values of traces begin with their blob's id, those of workloads are pseudo-random and seeded by the number of the write: two
/// versions of a key differ in their first 16 bytes. That the rest is whole is what the store's checksums are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    bytes: u64,
    head: [u8; 16],
}

impl Mark {
    /// That of `value`.
    pub fn of(value: &[u8]) -> Self {
        let mut head = [0; 16];
        head.iter_mut().zip(value).for_each(|(to, from)| *to = *from);
        Self { bytes: value.len() as u64, head }
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.head.len().min(usize::try_from(self.bytes).unwrap_or(usize::MAX));
        write!(f, "{} bytes that begin with \"{}\"", self.bytes, self.head[..shown].escape_ascii())
    }
}

/// Live keys with what tells their values, and with the number of the write that these come from.
#[derive(Clone, Debug, Default)]
pub struct Live {
    marks: BTreeMap<Vec<u8>, (Mark, u64)>,
    bytes: u64,
    writes: u64,
}

impl Live {
    /// Number of live keys.
    pub fn keys(&self) -> u64 {
        self.marks.len() as u64
    }

    /// Bytes of live keys and values.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Bytes of the keys whose value comes from the last `writes` writes or the one before, and of these. O(keys).
    pub fn young_bytes(&self, writes: u64) -> u64 {
        let is_young = |written: u64| written >= self.writes.saturating_sub(writes);
        let alive = self.marks.iter().filter(|(_, (_, written))| is_young(*written));
        alive.map(|(key, (mark, _))| key.len() as u64 + mark.bytes).sum()
    }

    pub(super) fn set(&mut self, key: &[u8], value: &[u8]) {
        let mark = Mark::of(value);
        self.writes += 1;
        self.bytes += mark.bytes;
        match self.marks.get_mut(key) {
            Some(old) => self.bytes -= std::mem::replace(old, (mark, self.writes)).0.bytes,
            None => {
                self.bytes += key.len() as u64;
                self.marks.insert(key.to_vec(), (mark, self.writes));
            }
        }
    }

    pub(super) fn remove(&mut self, key: &[u8]) {
        self.writes += 1;
        if let Some((old, _)) = self.marks.remove(key) {
            self.bytes -= old.bytes + key.len() as u64;
        }
    }

    /// The value of `key`, if that is alive.
    pub fn get(&self, key: &[u8]) -> Option<Mark> {
        self.marks.get(key).map(|(mark, _)| *mark)
    }

    /// Live keys from `from` on, in order.
    pub fn range(&self, from: &[u8]) -> impl Iterator<Item = (&[u8], Mark)> {
        self.marks
            .range::<[u8], _>((std::ops::Bound::Included(from), std::ops::Bound::Unbounded))
            .map(|(key, (mark, _))| (key.as_slice(), *mark))
    }

    /// Holds what was found under `key` against what must be alive.
    ///
    /// # Errors
    /// Both, in words.
    pub fn check(&self, key: &[u8], found: Option<&[u8]>) -> Result<(), String> {
        let (found, wanted) = (found.map(Mark::of), self.get(key));
        if found == wanted {
            return Ok(());
        }
        let say = |mark: Option<Mark>| mark.map_or("nothing".to_owned(), |mark| mark.to_string());
        Err(format!("key \"{}\" has {}, must have {}", key.escape_ascii(), say(found), say(wanted)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_values_of_one_length_are_told_apart_and_so_is_one_from_none() {
        let mut live = Live::default();
        live.set(b"k", b"first");
        live.set(b"k", b"other");
        assert_eq!(live.check(b"k", Some(b"other")), Ok(()));
        let stale = live.check(b"k", Some(b"first")).unwrap_err();
        assert!(stale.contains("begin with \"first\", must have 5 bytes that begin with \"other\""), "{stale}");
        assert!(live.check(b"k", None).unwrap_err().contains("has nothing"));
        assert!(live.check(b"absent", Some(b"")).unwrap_err().contains("must have nothing"));
        assert_eq!((live.keys(), live.bytes()), (1, 6));
        live.set(b"late", b"1");
        assert_eq!([0, 1, 2].map(|writes| live.young_bytes(writes)), [5, 11, 11]);
        live.remove(b"late");
        live.remove(b"k");
        assert_eq!((live.keys(), live.bytes(), live.check(b"k", None)), (0, 0, Ok(())));
    }
}
