//! What the tests of the command line share.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

/// A bundled trace.
pub fn trace(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/traces").join(name)
}

/// The tool, to be given arguments.
pub fn lsm() -> Command {
    Command::new(env!("CARGO_BIN_EXE_lsm"))
}

/// Runs the tool to its end.
pub fn run(args: &[&str]) -> Output {
    lsm().args(args).output().expect("the tool starts")
}

/// Runs the tool, which must end well, and reads the JSON that it prints.
pub fn json(args: &[&str]) -> Value {
    let output = run(args);
    assert!(output.status.success(), "{args:?}: {output:?}");
    serde_json::from_slice(&output.stdout).expect("one JSON object and nothing else")
}

/// A path as an argument.
pub fn text(path: &Path) -> &str {
    path.to_str().expect("temporary and bundled paths are UTF-8")
}

/// What the tool said on standard error.
pub fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
