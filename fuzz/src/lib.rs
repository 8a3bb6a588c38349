//! What the fuzz targets share: trees and settings made of arbitrary bytes, a tree that knows its data, damage to files
//! and right checksums behind it.
#![forbid(unsafe_code)]

mod damage;
mod model;
mod seal;
mod settings;
mod store;
mod tree;

pub use damage::Damage;
pub use model::{Model, Op};
pub use seal::{FileKind, mend};
pub use settings::Settings;
pub use store::{GOLDEN, replace_one_file};
pub use tree::{MomentSpec, Size, TreeSpec};

/// Keys of the fuzzed trees: few, so that tables overlap.
pub type Key = u8;
