//! What the fuzz targets share: trees and settings made of arbitrary bytes, a tree that knows its data, damage to files.
#![forbid(unsafe_code)]

mod damage;
mod model;
mod settings;
mod tree;

pub use damage::Damage;
pub use model::{Model, Op};
pub use settings::Settings;
pub use tree::{MomentSpec, Size, TreeSpec};

/// Keys of the fuzzed trees: few, so that tables overlap.
pub type Key = u8;
