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

#[cfg(test)]
mod tests {
    use super::*;

    fn again<K>(key: &K) -> Option<K>
    where
        PlainKeys: KeyCodec<K>,
    {
        let mut bytes = std::vec::Vec::new();
        PlainKeys.encode(key, &mut |part| bytes.extend_from_slice(part));
        PlainKeys.decode(&bytes)
    }

    #[test]
    fn every_key_comes_back_and_bytes_of_another_length_are_none() {
        assert_eq!((again(&7u32), again(&u64::MAX)), (Some(7), Some(u64::MAX)));
        assert_eq!(
            (KeyCodec::<u32>::decode(&PlainKeys, &[1; 8]), KeyCodec::<u64>::decode(&PlainKeys, &[1; 4])),
            (None, None)
        );
        #[cfg(feature = "alloc")]
        assert_eq!(again(&alloc::vec![1u8, 2, 3]), Some(alloc::vec![1, 2, 3]));
    }
}
