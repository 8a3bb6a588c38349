//! A store of which one file is anything at all, its checksums made right. Never a panic, nor more memory than the run allows.
#![no_main]

use libfuzzer_sys::fuzz_target;
use lsm_fuzz::replace_one_file;

fuzz_target!(|input: &[u8]| replace_one_file(input));
