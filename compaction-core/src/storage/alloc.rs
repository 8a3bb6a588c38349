//! Storage in an `alloc::vec::Vec`, which grows as needed.

use super::Storage;
use alloc::vec::Vec;

impl<T> Storage<T> for Vec<T> {
    fn as_slice(&self) -> &[T] {
        self
    }

    fn as_mut_slice(&mut self) -> &mut [T] {
        self
    }

    fn len_max(&self) -> usize {
        usize::MAX
    }

    fn push(&mut self, item: T) -> Result<(), T> {
        Vec::push(self, item);
        Ok(())
    }

    fn truncate(&mut self, len: usize) {
        Vec::truncate(self, len);
    }
}
