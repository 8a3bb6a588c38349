//! The command-line tool `lsm`.

use std::process::ExitCode;

fn main() -> ExitCode {
    lsm_tool::cli::run()
}
