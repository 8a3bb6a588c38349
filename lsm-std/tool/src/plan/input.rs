//! One line of `lsm plan`'s input: the JSON shape of a tree, strict about names and values.
//!
//! Missing or null numbers are 0 and lists empty, limits mean "none"; an unknown field is an error.

use std::fmt;
use std::marker::PhantomData;

use compaction_core::Moment;
use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// A tree, what runs in it, and the moment to decide at.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input<'a> {
    /// Name and settings, read apart because the settings depend on the name.
    #[serde(borrow)]
    pub strategy: &'a RawValue,
    /// The present, in milliseconds.
    #[serde(default, deserialize_with = "or_default")]
    pub now_ms: u64,
    /// Randomness for strategies that want some.
    #[serde(default, deserialize_with = "or_default")]
    pub entropy: u64,
    /// Bytes that a job may add; `None` is no limit.
    #[serde(default)]
    pub free_bytes: Option<u64>,
    /// All entries with lower sequence numbers are seen by every snapshot; `None` is no snapshot.
    #[serde(default)]
    pub snapshot_floor: Option<u64>,
    /// Levels from 0 down.
    #[serde(default, deserialize_with = "or_default")]
    pub levels: Vec<Object<Level>>,
    /// Running jobs.
    #[serde(default, deserialize_with = "or_default")]
    pub busy: Vec<Busy>,
}

/// A level: its runs, newest first.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Level {
    /// Depth, from 0.
    #[serde(default, deserialize_with = "or_default")]
    pub level: u64,
    /// Runs, newest first; the tables of each by key.
    #[serde(default, deserialize_with = "or_default")]
    pub runs: Vec<Vec<Object<TableIn>>>,
}

/// A table.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableIn {
    /// Its id, unique in the tree.
    #[serde(default, deserialize_with = "or_default")]
    pub id: u64,
    /// Size in bytes.
    #[serde(default, deserialize_with = "or_default")]
    pub bytes: u64,
    /// Smallest key.
    pub min: String,
    /// Largest key.
    pub max: String,
    /// Entries, tombstones among them.
    #[serde(default, deserialize_with = "or_default")]
    pub entries: u64,
    /// Tombstones. More of them than entries are no error: no law of a tree is about that, entries may be left out, and an engine
    /// with deletes of ranges may count them as it likes.
    #[serde(default, deserialize_with = "or_default")]
    pub tombstones: u64,
    /// When its newest entry was written, in milliseconds.
    #[serde(default, deserialize_with = "or_default")]
    pub newest_ms: u64,
    /// When its oldest tombstone was written, in milliseconds.
    #[serde(default)]
    pub oldest_tombstone_ms: Option<u64>,
    /// Its newest sequence number.
    #[serde(default, deserialize_with = "or_default")]
    pub newest_seqno: u64,
}

/// A running job: a bare list of table ids, or `{"inputs":[..],"level":n}`.
#[derive(Debug, PartialEq, Eq)]
pub struct Busy {
    /// Ids of the tables that it reads.
    pub inputs: Vec<u64>,
    /// Level that it writes to; `None`: where its oldest input lies.
    pub level: Option<u64>,
}

/// `null` is the same as a missing field.
pub fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(from: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

/// A `T` that is written as a JSON object; serde would take a bare list of its fields as well.
#[derive(Debug)]
pub struct Object<T>(pub T);

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
    type Value = Object<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Object<T>, A::Error> {
        T::deserialize(de::value::MapAccessDeserializer::new(map)).map(Object)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(ObjectVisitor(PhantomData))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BusyObject {
    #[serde(default, deserialize_with = "or_default")]
    inputs: Vec<u64>,
    #[serde(default)]
    level: Option<u64>,
}

struct BusyVisitor;

impl<'de> Visitor<'de> for BusyVisitor {
    type Value = Busy;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of table ids, or an object with inputs and level")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Busy, A::Error> {
        let inputs = Vec::deserialize(de::value::SeqAccessDeserializer::new(list))?;
        Ok(Busy { inputs, level: None })
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Busy, A::Error> {
        let object = BusyObject::deserialize(de::value::MapAccessDeserializer::new(map))?;
        Ok(Busy { inputs: object.inputs, level: object.level })
    }
}

impl<'de> Deserialize<'de> for Busy {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(BusyVisitor)
    }
}

impl Input<'_> {
    /// The moment of the decision.
    pub fn moment(&self) -> Moment {
        Moment {
            now_ms: self.now_ms,
            entropy: self.entropy,
            free_bytes: self.free_bytes.unwrap_or(u64::MAX),
            snapshot_floor: self.snapshot_floor.unwrap_or(u64::MAX),
        }
    }
}
