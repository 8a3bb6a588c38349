//! Harness shared by the cross-crate tests.

pub mod adaptive;
pub mod disk;
pub mod drawn;
pub mod faults;
pub mod settings;
pub mod work;

/// The examples of the README, which must compile and run.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;
