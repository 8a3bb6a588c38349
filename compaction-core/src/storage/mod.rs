//! Where the arrays of a tree live: the caller's choice, behind one small trait.
//!
//! Three implementations: a lent slice (always), `heapless::Vec` (feature `heapless`), `alloc::vec::Vec` (feature `alloc`).

#[cfg(feature = "alloc")]
mod alloc;
#[cfg(feature = "heapless")]
mod heapless;
mod lent;

pub use lent::Lent;

/// A growable array of bounded or unbounded capacity.
///
/// Implementors keep the items in one slice, in order. Nothing here allocates unless the implementation does.
pub trait Storage<T> {
    /// The items held.
    fn as_slice(&self) -> &[T];
    /// The items held, to be changed in place.
    fn as_mut_slice(&mut self) -> &mut [T];
    /// The most items this storage can ever hold; `usize::MAX` when only memory limits it.
    fn len_max(&self) -> usize;
    /// Adds an item behind the last one, or hands it back when the storage is full.
    fn push(&mut self, item: T) -> Result<(), T>;
    /// Forgets every item from position `len` on; does nothing when there are no more than `len`.
    fn truncate(&mut self, len: usize);
}

/// Whether `more` further items fit behind the `len` items that are to stay.
pub(crate) fn fits<T>(storage: &impl Storage<T>, len: usize, more: usize) -> bool {
    len.checked_add(more).is_some_and(|sum| sum <= storage.len_max())
}

/// Takes the `count` items from position `at` on out of the array. O(items behind them).
pub(crate) fn remove<T>(storage: &mut impl Storage<T>, at: usize, count: usize) {
    let len = storage.as_slice().len();
    let Some(tail) = storage.as_mut_slice().get_mut(at..) else { return };
    let count = count.min(tail.len());
    tail.rotate_left(count);
    storage.truncate(len.saturating_sub(count));
}

/// Puts `items` at position `at`, in order, and returns how many there were. O(items behind them).
///
/// The caller has seen to it that they fit; items that do not fit are left out.
pub(crate) fn insert<T>(storage: &mut impl Storage<T>, at: usize, items: impl Iterator<Item = T>) -> usize {
    let before = storage.as_slice().len();
    for item in items {
        if storage.push(item).is_err() {
            break;
        }
    }
    let added = storage.as_slice().len().saturating_sub(before);
    if let Some(tail) = storage.as_mut_slice().get_mut(at..) {
        tail.rotate_right(added.min(tail.len()));
    }
    added
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_keep_their_order_around_an_insertion_and_a_removal() {
        let mut slots = [0u8; 8];
        let mut list = Lent::new(&mut slots, 0);
        assert_eq!(insert(&mut list, 0, [1, 2, 5].into_iter()), 3);
        assert_eq!(insert(&mut list, 2, [3, 4].into_iter()), 2);
        assert_eq!(list.as_slice(), [1, 2, 3, 4, 5]);
        remove(&mut list, 1, 2);
        assert_eq!(list.as_slice(), [1, 4, 5]);
        remove(&mut list, 9, 1);
        assert_eq!(list.as_slice(), [1, 4, 5]);
    }

    #[test]
    fn a_full_storage_hands_the_item_back() {
        let mut slots = [0u8; 1];
        let mut list = Lent::new(&mut slots, 0);
        assert_eq!(list.push(1), Ok(()));
        assert_eq!(list.push(2), Err(2));
        assert!(!fits(&list, 1, 1) && fits(&list, 0, 1));
    }
}
