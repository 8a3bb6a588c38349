//! Stored settings, as bytes and as five keys: read back as written, and any other bytes are an error value.
#![no_main]

use arbitrary::Arbitrary;
use compaction_core::{AnySettings, Tiered, TieredSettings};
use libfuzzer_sys::fuzz_target;
use lsm_fuzz::Settings;

/// Magic, format version, length: the parts that are made right when a record is sealed.
const HEADER_BYTES: usize = 10;

#[derive(Arbitrary, Debug)]
enum Input<'a> {
    /// Bytes as they come.
    Raw(&'a [u8]),
    /// Fields under a right header and checksum.
    Sealed(&'a [u8]),
    /// Any settings.
    Settings(Settings),
    /// The values of the five keys, each perhaps missing or of the wrong length.
    Keys([Option<&'a [u8]>; 5]),
}

fuzz_target!(|input: Input| match input {
    Input::Raw(bytes) => decode(bytes),
    Input::Sealed(fields) => decode(&sealed(fields)),
    Input::Settings(settings) => settings.stored().as_ref().map_or((), stored),
    Input::Keys(values) => keys(&values),
});

fn decode(bytes: &[u8]) {
    let settings = match AnySettings::decode(bytes) {
        Ok(settings) => settings,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return;
        }
    };
    settings.check().expect("settings that were read are valid");
    stored(&settings);
}

fn stored(settings: &AnySettings) {
    let mut again = [0; AnySettings::ENCODED_LEN_MAX];
    let len = settings.encode(&mut again).expect("lawful settings can be written");
    assert_eq!(AnySettings::decode(&again[..len]).as_ref(), Ok(settings));
    for short in 0..len {
        assert!(AnySettings::decode(&again[..short]).is_err(), "settings cut to {short} bytes were read");
        assert!(settings.encode(&mut again[..short]).is_err(), "{len} bytes were written into {short}");
        settings.encode(&mut again).expect("room enough");
    }
}

fn sealed(fields: &[u8]) -> Vec<u8> {
    let mut idle = [0; AnySettings::ENCODED_LEN_MAX];
    AnySettings::Idle.encode(&mut idle).expect("room enough");
    let mut bytes = idle[..HEADER_BYTES].to_vec();
    let len = HEADER_BYTES + fields.len() + 4;
    bytes[HEADER_BYTES - 4..].copy_from_slice(&(len as u32).to_le_bytes());
    bytes.extend_from_slice(fields);
    let sum = crc32fast::hash(&bytes);
    bytes.extend_from_slice(&sum.to_le_bytes());
    bytes
}

fn keys(values: &[Option<&[u8]>; 5]) {
    let names = TieredSettings::default().to_keys().expect("the defaults have a place").map(|(name, _)| name);
    let lookup = |key: &str| names.iter().position(|name| *name == key).and_then(|at| values[at]);
    match TieredSettings::from_keys(lookup) {
        Err(error) => assert!(!error.to_string().is_empty()),
        Ok(settings) => {
            Tiered::new(settings).expect("settings that were read are valid");
            let stored = settings.to_keys().expect("settings that were read can be stored");
            let lookup = |key: &str| stored.iter().find(|(name, _)| *name == key).map(|(_, value)| *value);
            assert_eq!(TieredSettings::from_keys(lookup), Ok(settings));
        }
    }
}
