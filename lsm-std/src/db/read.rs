//! Reads, of the present state and of snapshots.

use std::fmt;
use std::ops::{Bound, RangeBounds};
use std::sync::Arc;

use crate::cache::Asked;
use crate::db::Db;
use crate::engine::Engine;
use crate::error::Result;
use crate::heat::Read;
use crate::iter::{Bounds, Scan};
use crate::snapshot::Registered;
use crate::sync::Ordering;
use crate::timing::{Laps, Part};
use crate::types::{Kind, SeqNo};
use crate::value::Value;
use crate::view::View;

impl Db {
    /// The value of `key`, if it has one. O(runs) filter look-ups, and a block read where a filter says maybe.
    ///
    /// # Errors
    /// [`Error::Corrupt`](crate::Error::Corrupt) or [`Error::Io`](crate::Error::Io) from a table.
    pub fn get(&self, key: &[u8]) -> Result<Option<Value>> {
        let mut asked = Asked { laps: Laps::start(), ..Asked::default() };
        // The view first: then no merge can have dropped a version that this sequence number sees.
        let view = self.engine.view.load();
        let seqno = self.engine.visible.load(Ordering::Acquire);
        let value = get(&self.engine, &view, key, seqno, &mut asked);
        drop(view);
        asked.laps.end(Part::Call);
        value
    }

    /// The pairs of a range of keys as they are now, in key order, from either end. Writes that come later are not seen.
    ///
    /// The iterator keeps the memtables and files that it reads.
    pub fn range<K: AsRef<[u8]>>(&self, range: impl RangeBounds<K>) -> Range {
        self.scan(Bounds::of(&range))
    }

    /// The pairs whose keys start with `prefix`. As [`range`](Self::range).
    pub fn prefix(&self, prefix: &[u8]) -> Range {
        self.scan(Bounds::prefix(prefix))
    }

    /// All pairs. As [`range`](Self::range).
    pub fn iter(&self) -> Range {
        self.scan(Bounds::all())
    }

    fn scan(&self, bounds: Bounds) -> Range {
        let view = self.engine.view.load_full();
        let seqno = self.engine.visible.load(Ordering::Acquire);
        Range::new(&self.engine, view, bounds, seqno)
    }

    /// The store as it is now, to be read for as long as the snapshot lives. O(1).
    ///
    /// Merges keep what open snapshots see, so old ones cost space.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot { registered: self.engine.snapshots.open(&self.engine.visible), engine: Arc::clone(&self.engine) }
    }
}

fn get(engine: &Engine, view: &View, key: &[u8], seqno: SeqNo, asked: &mut Asked) -> Result<Option<Value>> {
    asked.laps.end(Part::Call);
    let found = view.get(key, seqno, asked);
    engine.counters.gets.fetch_add(1, Ordering::Relaxed);
    engine.files.cache.count(asked);
    if engine.heat.note(key, Read::Get, || asked.runs) {
        engine.ask();
    }
    Ok(found?.filter(|found| found.kind == Kind::Put).map(|found| Value::new(found.value)))
}

/// A state of the store that never changes.
#[derive(Debug)]
pub struct Snapshot {
    engine: Arc<Engine>,
    registered: Registered,
}

impl Snapshot {
    /// The value of `key` in this state. As [`Db::get`].
    ///
    /// # Errors
    /// As [`Db::get`].
    pub fn get(&self, key: &[u8]) -> Result<Option<Value>> {
        let mut asked = Asked { laps: Laps::start(), ..Asked::default() };
        let value = get(&self.engine, &self.view(), key, self.registered.seqno, &mut asked);
        asked.laps.end(Part::Call);
        value
    }

    /// The pairs of a range of keys in this state. As [`Db::range`].
    pub fn range<K: AsRef<[u8]>>(&self, range: impl RangeBounds<K>) -> Range {
        self.scan(Bounds::of(&range))
    }

    /// The pairs whose keys start with `prefix` in this state. As [`Db::range`].
    pub fn prefix(&self, prefix: &[u8]) -> Range {
        self.scan(Bounds::prefix(prefix))
    }

    /// All pairs of this state. As [`Db::range`].
    pub fn iter(&self) -> Range {
        self.scan(Bounds::all())
    }

    /// Sequence number of the newest write in it.
    pub fn seqno(&self) -> SeqNo {
        self.registered.seqno
    }

    fn view(&self) -> Arc<View> {
        self.registered.view(|| self.engine.view.load_full())
    }

    fn scan(&self, bounds: Bounds) -> Range {
        Range::new(&self.engine, self.view(), bounds, self.registered.seqno)
    }
}

impl Drop for Snapshot {
    fn drop(&mut self) {
        if self.engine.snapshots.close(&self.registered) {
            self.engine.bell.ring();
        }
    }
}

/// Pairs in key order, from either end. Ends after the first error.
pub struct Range {
    scan: Scan<Arc<View>>,
    _engine: Arc<Engine>,
}

impl Range {
    fn new(engine: &Arc<Engine>, view: Arc<View>, bounds: Bounds, seqno: SeqNo) -> Self {
        engine.counters.scans.fetch_add(1, Ordering::Relaxed);
        if let Bound::Included(key) | Bound::Excluded(key) = &bounds.low
            && engine.heat.note(key, Read::Scan, || view.runs_at(key))
        {
            engine.ask();
        }
        Self { scan: Scan::new(view, bounds, seqno), _engine: Arc::clone(engine) }
    }
}

impl Iterator for Range {
    type Item = Result<(Value, Value)>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.scan.next()
    }
}

impl DoubleEndedIterator for Range {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.scan.next_back()
    }
}

impl fmt::Debug for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Range").field(&self.scan).finish()
    }
}
