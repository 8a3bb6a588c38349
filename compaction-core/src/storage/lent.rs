//! Storage in a slice that the caller lends: no allocator, no capacity in a type.

use super::Storage;

/// A list in a lent slice: the first `len` slots are in use, the others hold filler.
#[derive(Debug)]
pub struct Lent<'a, T> {
    slots: &'a mut [T],
    len: usize,
}

impl<'a, T> Lent<'a, T> {
    /// Borrows `slots`, of which the first `len` are in use (all of them when `len` exceeds their number).
    pub fn new(slots: &'a mut [T], len: usize) -> Self {
        let len = len.min(slots.len());
        Self { slots, len }
    }
}

impl<T> Storage<T> for Lent<'_, T> {
    fn as_slice(&self) -> &[T] {
        self.slots.get(..self.len).unwrap_or(&[])
    }

    fn as_mut_slice(&mut self) -> &mut [T] {
        self.slots.get_mut(..self.len).unwrap_or(&mut [])
    }

    fn len_max(&self) -> usize {
        self.slots.len()
    }

    fn push(&mut self, item: T) -> Result<(), T> {
        match self.slots.get_mut(self.len) {
            Some(slot) => {
                *slot = item;
                self.len = self.len.saturating_add(1);
                Ok(())
            }
            None => Err(item),
        }
    }

    fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }
}
