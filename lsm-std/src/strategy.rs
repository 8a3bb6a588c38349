//! Which strategy a store runs: its settings, as given, as stored in the manifest, and as a running policy.

use std::path::Path;

use bytes::Bytes;
use compaction_core::{AnySettings, CompactionStrategy, Idle, Tiered, TieredSettings};

use crate::error::{Error, Result};

/// A running strategy over byte keys.
pub(crate) type BoxedStrategy = Box<dyn CompactionStrategy<Bytes> + Send>;

/// What a new store runs when nothing else is asked for.
pub(crate) fn default_settings() -> AnySettings {
    AnySettings::Tiered(TieredSettings::default())
}

/// Starts a strategy.
pub(crate) fn start(settings: &AnySettings) -> Result<BoxedStrategy> {
    let refused = |why: String| Error::BadOptions { name: "strategy", value: format!("{settings:?}"), why: why.into() };
    Ok(match settings {
        AnySettings::Tiered(tiered) => Box::new(Tiered::new(*tiered).map_err(|error| refused(error.to_string()))?),
        AnySettings::Idle => Box::new(Idle),
        AnySettings::Full(full) => Box::new(*full),
        _ => return Err(refused("not known to this version of the engine".to_owned())),
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
    AnySettings::decode(bytes).map_err(|error| Error::NotAStore {
        path: dir.to_path_buf(),
        why: format!("its stored strategy cannot be used: {error}; open it with another one").into(),
    })
}

/// Where a merge that the user asks for cuts its tables: as the strategy's own merges do.
pub(crate) fn table_bytes_max(settings: &AnySettings) -> u64 {
    match settings {
        AnySettings::Tiered(tiered) => tiered.table_bytes_max,
        AnySettings::Full(full) => full.table_bytes_max,
        _ => TieredSettings::default().table_bytes_max,
    }
}
