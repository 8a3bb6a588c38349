//! The command-line tool `lsm`.
fn main() {}
