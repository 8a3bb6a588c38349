//! Which sequence numbers are still being read at.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use crate::sync::{AtomicU64, Mutex, MutexGuard, Ordering, lock};
use crate::types::SeqNo;
use crate::view::View;

/// The open snapshots of a store.
///
/// Merges keep what these can see; a job that drops tables keeps nothing, so before it the present view is pinned to each.
#[derive(Debug, Default)]
pub(crate) struct OpenSnapshots {
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    last: u64,
    snapshots: BTreeMap<(SeqNo, u64), Arc<Pin>>,
    /// With this floor nothing was found to do; there may be with a higher one.
    held_back: Option<SeqNo>,
}

impl Open {
    fn oldest(&self) -> Option<SeqNo> {
        self.snapshots.keys().next().map(|(seqno, _)| *seqno)
    }

    fn floor(&self) -> SeqNo {
        self.oldest().map_or(SeqNo::MAX, |oldest| oldest.saturating_add(1))
    }
}

type Pin = OnceLock<Arc<View>>;

/// One open snapshot.
#[derive(Debug)]
pub(crate) struct Registered {
    pub(crate) seqno: SeqNo,
    number: u64,
    pin: Arc<Pin>,
}

impl Registered {
    /// The view to read: the one that is pinned, else the present one, which `load` answers with.
    pub(crate) fn view(&self, load: impl FnOnce() -> Arc<View>) -> Arc<View> {
        // First: a view is pinned before the next one is shown.
        let present = load();
        self.pin.get().cloned().unwrap_or(present)
    }
}

/// While it lives, no snapshot is opened.
#[derive(Debug)]
pub(crate) struct Pinned<'a> {
    _open: MutexGuard<'a, Open>,
}

impl OpenSnapshots {
    /// Registers a snapshot at the present value of `visible`.
    ///
    /// The number is read under the lock: a merge that lists the snapshots before this one is registered reads only tables
    /// whose entries are all visible to it, so the newest version, which it keeps, is the one that this snapshot sees.
    pub(crate) fn open(&self, visible: &AtomicU64) -> Registered {
        let mut open = lock(&self.open);
        let seqno = visible.load(Ordering::Acquire);
        open.last += 1;
        let (number, pin) = (open.last, Arc::default());
        open.snapshots.insert((seqno, number), Arc::clone(&pin));
        Registered { seqno, number, pin }
    }

    /// Forgets a snapshot. True if work that was [held back](Self::hold_back) may now be done.
    pub(crate) fn close(&self, snapshot: &Registered) -> bool {
        let mut open = lock(&self.open);
        open.snapshots.remove(&(snapshot.seqno, snapshot.number));
        let floor = open.floor();
        open.held_back.take_if(|seen| floor > *seen).is_some()
    }

    /// Notes that snapshots may hold work back: none was found with this `floor`. False if the floor has risen meanwhile.
    pub(crate) fn hold_back(&self, floor: SeqNo) -> bool {
        let mut open = lock(&self.open);
        let holds = open.floor() <= floor;
        open.held_back = holds.then_some(floor);
        holds
    }

    /// Makes all open snapshots read `view` from now on, but for those that read an older one already. None is opened before
    /// the guard is dropped: until then readers must have been shown the next view.
    pub(crate) fn pin(&self, view: &Arc<View>) -> Pinned<'_> {
        let open = lock(&self.open);
        for pin in open.snapshots.values() {
            pin.get_or_init(|| Arc::clone(view));
        }
        Pinned { _open: open }
    }

    /// Sequence numbers of all open snapshots, ascending.
    pub(crate) fn list(&self) -> Vec<SeqNo> {
        let mut list: Vec<_> = lock(&self.open).snapshots.keys().map(|(seqno, _)| *seqno).collect();
        list.dedup();
        list
    }

    /// The oldest sequence number that is read at.
    pub(crate) fn oldest(&self) -> Option<SeqNo> {
        lock(&self.open).oldest()
    }

    /// Entries below this sequence number are seen by every snapshot, or hidden from all; `u64::MAX` without snapshots.
    pub(crate) fn floor(&self) -> SeqNo {
        lock(&self.open).floor()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memtable::Memtable;
    use crate::sync::AtomicBool;
    use crate::view::Runs;

    fn view() -> View {
        View { active: Arc::new(Memtable::new(0, 0)), frozen: Vec::new(), runs: Runs::new(&[]) }
    }

    #[test]
    fn the_floor_is_above_the_oldest_open_snapshot() {
        let (open, visible) = (OpenSnapshots::default(), AtomicU64::new(5));
        assert_eq!((open.floor(), open.oldest()), (SeqNo::MAX, None));
        let first = open.open(&visible);
        let second = open.open(&visible);
        visible.store(9, Ordering::Release);
        let third = open.open(&visible);
        assert_eq!((first.seqno, second.seqno, third.seqno), (5, 5, 9));
        assert_eq!((open.list(), open.floor()), (vec![5, 9], 6));
        open.close(&first);
        assert_eq!(open.floor(), 6);
        open.close(&second);
        assert_eq!((open.list(), open.floor()), (vec![9], 10));
        open.close(&third);
        assert_eq!(open.floor(), SeqNo::MAX);
    }

    #[test]
    fn the_snapshot_that_holds_work_back_is_told_by_its_end() {
        let (open, visible) = (OpenSnapshots::default(), AtomicU64::new(5));
        let [first, second] = [open.open(&visible), open.open(&visible)];
        assert!(open.hold_back(6));
        assert!(!open.close(&first));
        assert!(open.close(&second));
        assert!(!open.hold_back(6));
        assert!(!open.close(&open.open(&visible)));
    }

    #[test]
    fn a_view_that_is_pinned_while_the_present_one_is_loaded_is_read() {
        let (open, visible) = (OpenSnapshots::default(), AtomicU64::new(5));
        let snapshot = open.open(&visible);
        let [pinned, next] = [(); 2].map(|()| Arc::new(view()));
        let read = snapshot.view(|| {
            drop(open.pin(&pinned));
            next
        });
        assert!(Arc::ptr_eq(&read, &pinned));
    }

    #[test]
    fn no_snapshot_is_opened_between_pinning_a_view_and_showing_the_next() {
        let (open, visible) = (OpenSnapshots::default(), AtomicU64::new(5));
        let view = Arc::new(view());
        let early = open.open(&visible);
        let shown = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let pinned = open.pin(&view);
            let late = scope.spawn(|| (open.open(&visible), shown.load(Ordering::Acquire)));
            std::thread::sleep(std::time::Duration::from_millis(50));
            shown.store(true, Ordering::Release);
            visible.store(6, Ordering::Release);
            drop(pinned);
            let (late, was_shown) = late.join().unwrap();
            assert!(was_shown && late.pin.get().is_none() && early.pin.get().is_some());
            assert_eq!(late.seqno, 6, "a merge that has listed the snapshots keeps nothing for an older one");
        });
    }
}
