//! How keys are written into what is stored.

/// How keys are stored in learned state. An engine implements it, on a type of its own, for the key type that it uses.
pub trait KeyCodec<K> {
    /// Hands the key's bytes to `put`, once.
    fn encode(&self, key: &K, put: &mut dyn FnMut(&[u8]));

    /// The key that has these bytes; `None` when none has.
    fn decode(&self, bytes: &[u8]) -> Option<K>;
}

/// Integers, little-endian, and byte strings, as they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PlainKeys;

impl KeyCodec<u32> for PlainKeys {
    fn encode(&self, key: &u32, put: &mut dyn FnMut(&[u8])) {
        put(&key.to_le_bytes());
    }

    fn decode(&self, bytes: &[u8]) -> Option<u32> {
        bytes.try_into().ok().map(u32::from_le_bytes)
    }
}

impl KeyCodec<u64> for PlainKeys {
    fn encode(&self, key: &u64, put: &mut dyn FnMut(&[u8])) {
        put(&key.to_le_bytes());
    }

    fn decode(&self, bytes: &[u8]) -> Option<u64> {
        bytes.try_into().ok().map(u64::from_le_bytes)
    }
}

#[cfg(feature = "alloc")]
impl KeyCodec<alloc::vec::Vec<u8>> for PlainKeys {
    fn encode(&self, key: &alloc::vec::Vec<u8>, put: &mut dyn FnMut(&[u8])) {
        put(key);
    }

    fn decode(&self, bytes: &[u8]) -> Option<alloc::vec::Vec<u8>> {
        Some(bytes.into())
    }
}
