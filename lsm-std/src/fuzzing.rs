//! The formats under the engine, for fuzzing and tests only. Not covered by any promise of stability.

pub use crate::cache::*;
pub use crate::codec::*;
pub use crate::fs::names::FileName;
pub use crate::iter::{Cursor, Direction, Step};
pub use crate::journal::*;
pub use crate::manifest::*;
pub use crate::sst::*;
pub use crate::types::{Entry, EntryRef, Kind};
pub use crate::wal::{WalReader, WalRecord, WalWriter};
