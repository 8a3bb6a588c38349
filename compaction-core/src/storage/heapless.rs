//! Storage in a `heapless::Vec`: no allocator, the capacity in the type.

use super::Storage;
use crate::config::AnySettings;

impl<T, const N: usize> Storage<T> for heapless::Vec<T, N> {
    fn as_slice(&self) -> &[T] {
        self
    }

    fn as_mut_slice(&mut self) -> &mut [T] {
        self
    }

    fn len_max(&self) -> usize {
        N
    }

    fn push(&mut self, item: T) -> Result<(), T> {
        heapless::Vec::push(self, item)
    }

    fn truncate(&mut self, len: usize) {
        heapless::Vec::truncate(self, len);
    }
}

impl From<&AnySettings> for heapless::Vec<u8, { AnySettings::ENCODED_LEN_MAX }> {
    /// The stored form, which never exceeds the buffer.
    fn from(settings: &AnySettings) -> Self {
        let mut bytes = [0; AnySettings::ENCODED_LEN_MAX];
        let len = settings.encode(&mut bytes).unwrap_or(0);
        bytes.get(..len).and_then(|record| Self::from_slice(record).ok()).unwrap_or_default()
    }
}
