//! Runs test programs with one change in force.

use std::collections::BTreeSet;
use std::fs;
use std::io::Result;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::copy::Program;

/// Longer than so many times what it takes unchanged is forever.
const TIMES: u32 = 20;
/// And at least so long.
const LEAST: Duration = Duration::from_secs(10);
/// Cases of each property test.
const CASES: &str = "64";

/// A test program that passes unchanged.
#[derive(Clone, Debug)]
pub struct Known {
    program: Program,
    took: Duration,
    reaches: BTreeSet<u32>,
}

/// What became of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// This program fails.
    Killed(String),
    /// This one does not end.
    Hangs(String),
    /// All pass.
    Left,
    /// No program comes there.
    Unreached,
}

impl Fate {
    /// In one word, with the program.
    pub fn words(&self) -> String {
        match self {
            Self::Killed(by) => format!("killed by {by}"),
            Self::Hangs(by) => format!("hangs {by}"),
            Self::Left => "left".to_owned(),
            Self::Unreached => "unreached".to_owned(),
        }
    }
}

fn command(program: &Program, skip: &[String]) -> Command {
    let mut command = Command::new(&program.path);
    command.current_dir(&program.dir).env("PROPTEST_CASES", CASES).env("PROPTEST_FAILURE_PERSISTENCE", "off");
    command.args(skip.iter().flat_map(|name| ["--skip", name])).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// Runs all programs unchanged, and notes which changes each comes to; quickest first. Those that fail are left out, and said.
pub fn learn(programs: Vec<Program>, skip: &[String], scratch: &Path) -> Result<Vec<Known>> {
    let mut all = Vec::new();
    for program in programs {
        let _ = fs::remove_file(scratch);
        let begun = Instant::now();
        let passes = command(&program, skip).env("REACHED", scratch).status()?.success();
        let took = begun.elapsed();
        let reached = fs::read_to_string(scratch).unwrap_or_default();
        let reaches: BTreeSet<u32> = reached.lines().filter_map(|line| line.parse().ok()).collect();
        println!(
            "{}: {:.1} s, {} changes{}",
            program.name,
            took.as_secs_f64(),
            reaches.len(),
            if passes { "" } else { ", FAILS" }
        );
        if passes && !reaches.is_empty() {
            all.push(Known { program, took, reaches });
        }
    }
    all.sort_by_key(|known| known.took);
    Ok(all)
}

/// What becomes of change `number`.
pub fn fate(number: u32, all: &[Known], skip: &[String]) -> Result<Fate> {
    let mut fate = Fate::Unreached;
    for known in all.iter().filter(|known| known.reaches.contains(&number)) {
        let mut child = command(&known.program, skip).env("MUTANT", number.to_string()).spawn()?;
        let until = Instant::now() + LEAST.max(known.took * TIMES);
        fate = loop {
            match child.try_wait()? {
                Some(status) if status.success() => break Fate::Left,
                Some(_) => break Fate::Killed(known.program.name.clone()),
                None if Instant::now() > until => {
                    child.kill()?;
                    child.wait()?;
                    break Fate::Hangs(known.program.name.clone());
                }
                None => sleep(Duration::from_millis(5)),
            }
        };
        if fate != Fate::Left {
            break;
        }
    }
    Ok(fate)
}
