//! What is alive, kept beside the store to hold it against.

use std::collections::HashMap;

/// Live keys with the length of their values.
#[derive(Clone, Debug, Default)]
pub struct Live {
    lengths: HashMap<Vec<u8>, u64>,
    bytes: u64,
}

impl Live {
    /// Number of live keys.
    pub fn keys(&self) -> u64 {
        self.lengths.len() as u64
    }

    /// Bytes of live keys and values.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn set(&mut self, key: &[u8], length: u64) {
        self.bytes += length;
        match self.lengths.get_mut(key) {
            Some(old) => self.bytes -= std::mem::replace(old, length),
            None => {
                self.bytes += key.len() as u64;
                self.lengths.insert(key.to_vec(), length);
            }
        }
    }

    pub(super) fn remove(&mut self, key: &[u8]) {
        if let Some(old) = self.lengths.remove(key) {
            self.bytes -= old + key.len() as u64;
        }
    }

    /// Length of the value of `key`, if that is alive.
    pub fn length(&self, key: &[u8]) -> Option<u64> {
        self.lengths.get(key).copied()
    }
}
