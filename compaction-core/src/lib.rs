//! Compaction strategies for LSM-trees, as pure decisions.
#![no_std]
#![forbid(unsafe_code)]
