//! Which strategy a store runs: its settings as the manifest keeps them, and what it has learned.

use std::path::Path;

use bytes::Bytes;
use compaction_core::{AnySettings, AnyStrategyVec, DecodeError, KeyCodec, TieredSettings};

use crate::error::{Error, Result};

/// A running strategy over byte keys.
pub(crate) type Strategy = AnyStrategyVec<Bytes>;

/// What a new store runs when nothing else is asked for.
pub(crate) fn default_settings() -> AnySettings {
    AnySettings::Tiered(TieredSettings::default())
}

/// Starts a strategy that has learned nothing yet. In a box, for it takes kilobytes.
pub(crate) fn start(settings: &AnySettings) -> Result<Box<Strategy>> {
    Strategy::from_settings(*settings).map(Box::new).map_err(|error| Error::BadOptions {
        name: "strategy",
        value: settings.name().to_owned(),
        why: error.to_string().into(),
    })
}

/// The settings as the manifest keeps them.
pub(crate) fn encode(settings: &AnySettings) -> Result<Vec<u8>> {
    let mut bytes = vec![0; AnySettings::ENCODED_LEN_MAX];
    let len = settings.encode(&mut bytes).map_err(|error| Error::law(error.to_string()))?;
    bytes.truncate(len);
    Ok(bytes)
}

/// The settings in the manifest of `dir`; the default if there are none.
pub(crate) fn decode(bytes: &[u8], dir: &Path) -> Result<AnySettings> {
    if bytes.is_empty() {
        return Ok(default_settings());
    }
    AnySettings::decode(bytes).map_err(|error| match error {
        DecodeError::Version { found, known } => {
            Error::NewerFormat { path: dir.to_path_buf(), found: found.into(), known: known.into() }
        }
        _ => Error::BadOptions {
            name: "strategy",
            value: format!("as stored in {}", dir.display()),
            why: format!("{error}; open the store with another one").into(),
        },
    })
}

/// Where a merge that the user asks for cuts its tables: as the strategy's own merges do.
pub(crate) fn table_bytes_max(settings: &AnySettings) -> u64 {
    match settings {
        AnySettings::Tiered(tiered) => tiered.table_bytes_max,
        AnySettings::Leveled(leveled) | AnySettings::Lazy(leveled) => leveled.table_bytes_max,
        AnySettings::Bandit(bandit) => bandit.table_bytes_max,
        AnySettings::Full(full) => full.table_bytes_max,
        _ => TieredSettings::default().table_bytes_max,
    }
}

/// What the strategy has learned, as bytes; `None` if it is one that learns nothing.
pub(crate) fn save(strategy: &Strategy) -> Option<Vec<u8>> {
    let bandit = strategy.bandit()?;
    // Asked with no room at all, it says how much it takes.
    let mut bytes = vec![0; bandit.save(&ByteKeys, &mut []).unwrap_or_else(|error| error.needed)];
    match bandit.save(&ByteKeys, &mut bytes) {
        Ok(len) => {
            bytes.truncate(len);
            Some(bytes)
        }
        Err(error) => {
            tracing::warn!(%error, "what the strategy learned is not saved");
            None
        }
    }
}

/// Gives back to the strategy what it learned; does nothing to one that learns nothing. Bytes that cannot be used are dropped:
/// it starts anew.
///
/// # Errors
/// [`Error::NewerFormat`] for bytes of a later version, which this one would write over. `path` is their file.
pub(crate) fn load(strategy: &mut Strategy, bytes: &[u8], path: &Path) -> Result<()> {
    let Some(bandit) = strategy.bandit_mut() else { return Ok(()) };
    match bandit.load(&ByteKeys, bytes) {
        Err(DecodeError::Version { found, known }) if found > known => {
            Err(Error::NewerFormat { path: path.to_path_buf(), found: found.into(), known: known.into() })
        }
        Err(error) => {
            tracing::warn!(%error, "what the strategy had learned cannot be used, it starts anew");
            Ok(())
        }
        Ok(()) => Ok(()),
    }
}

/// Keys are stored as they are.
struct ByteKeys;

impl KeyCodec<Bytes> for ByteKeys {
    fn encode(&self, key: &Bytes, put: &mut dyn FnMut(&[u8])) {
        put(key);
    }

    fn decode(&self, bytes: &[u8]) -> Option<Bytes> {
        Some(Bytes::copy_from_slice(bytes))
    }
}

#[cfg(test)]
mod tests {
    use compaction_core::{BanditSettings, FifoSettings, LeveledSettings};

    use super::*;

    #[test]
    fn settings_survive_the_manifest_and_unknown_ones_are_an_error_value() {
        let all = [
            default_settings(),
            AnySettings::Leveled(LeveledSettings::default()),
            AnySettings::Lazy(LeveledSettings::lazy()),
            AnySettings::Bandit(BanditSettings::default()),
            AnySettings::Fifo(FifoSettings::default()),
            AnySettings::Idle,
        ];
        for settings in all {
            let bytes = encode(&settings).unwrap();
            assert_eq!(decode(&bytes, Path::new("store")).unwrap(), settings);
            assert!(matches!(decode(&bytes[1..], Path::new("store")), Err(Error::BadOptions { .. })));
            let mut newer = bytes.clone();
            newer[4] = 99;
            let sum_at = newer.len() - 4;
            let sum = crc32fast::hash(&newer[..sum_at]).to_le_bytes();
            newer[sum_at..].copy_from_slice(&sum);
            let found = decode(&newer, Path::new("store"));
            assert!(matches!(found, Err(Error::NewerFormat { found: 99, .. })), "{found:?}");
            assert_eq!(start(&settings).unwrap().bandit().is_some(), save(&start(&settings).unwrap()).is_some());
        }
    }
}
