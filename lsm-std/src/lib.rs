//! A thin LSM storage engine around `compaction-core`.
#![deny(unsafe_code)]
