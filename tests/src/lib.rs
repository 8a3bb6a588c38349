//! Harness shared by the cross-crate tests.

pub mod drawn;
pub mod settings;
pub mod work;
