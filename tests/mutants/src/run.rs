//! Runs tests with one change in force.

use std::collections::BTreeSet;
use std::fs;
use std::io::Result;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::copy::Program;

/// Longer than so many times what it takes unchanged is forever.
const TIMES: u32 = 20;
/// And at least so long.
const LEAST: Duration = Duration::from_secs(10);
/// Cases of each property test.
const CASES: &str = "64";

/// A test that passes unchanged.
#[derive(Clone, Debug)]
pub struct Known {
    program: Program,
    test: String,
    took: Duration,
    reaches: BTreeSet<u32>,
}

/// What became of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// This test fails.
    Killed(String),
    /// This one does not end.
    Hangs(String),
    /// All pass.
    Left,
    /// No test comes there.
    Unreached,
}

impl Fate {
    /// In one word, with the test.
    pub fn words(&self) -> String {
        match self {
            Self::Killed(by) => format!("killed by {by}"),
            Self::Hangs(by) => format!("hangs {by}"),
            Self::Left => "left".to_owned(),
            Self::Unreached => "unreached".to_owned(),
        }
    }
}

/// Which tests are run.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// Those in whose names one of these is, if there are any.
    pub only: &'a [String],
    /// None in whose name one of these is.
    pub skip: &'a [String],
    /// None that takes longer.
    pub longest: Duration,
}

impl Wanted<'_> {
    fn has(&self, name: &str) -> bool {
        let is_in = |parts: &[String]| parts.iter().any(|part| name.contains(part.as_str()));
        (self.only.is_empty() || is_in(self.only)) && !is_in(self.skip)
    }
}

/// The tests of a program that are wanted.
fn tests(program: &Program, wanted: &Wanted<'_>) -> Result<Vec<String>> {
    let output =
        Command::new(&program.path).args(["--list", "--format", "terse"]).current_dir(&program.dir).output()?;
    let listed = String::from_utf8_lossy(&output.stdout).into_owned();
    let names = listed.lines().filter_map(|line| line.strip_suffix(": test"));
    Ok(names.filter(|name| wanted.has(name)).map(str::to_owned).collect())
}

fn command(program: &Program, test: &str) -> Command {
    let mut command = Command::new(&program.path);
    command.current_dir(&program.dir).env("PROPTEST_CASES", CASES).env("PROPTEST_FAILURE_PERSISTENCE", "off");
    command.args([test, "--exact"]).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// Runs the tests that are wanted unchanged, each alone, and notes which changes each comes to; quickest first. Left out, and said,
/// are those that fail or take too long.
pub fn learn(programs: &[Program], wanted: &Wanted<'_>, scratch: &Path) -> Result<Vec<Known>> {
    let mut all = Vec::new();
    for program in programs {
        let (before, begun) = (all.len(), Instant::now());
        for test in tests(program, wanted)? {
            let _ = fs::remove_file(scratch);
            let begun = Instant::now();
            let mut child = command(program, &test).env("REACHED", scratch).spawn()?;
            let passes = ended(&mut child, wanted.longest)?;
            let took = begun.elapsed();
            let reached = fs::read_to_string(scratch).unwrap_or_default();
            let reaches: BTreeSet<u32> = reached.lines().filter_map(|line| line.parse().ok()).collect();
            match passes {
                None => println!("{}: {test} takes too long", program.name),
                Some(false) => println!("{}: {test} FAILS", program.name),
                Some(true) if reaches.is_empty() => {}
                Some(true) => all.push(Known { program: program.clone(), test, took, reaches }),
            }
        }
        let (took, count) = (begun.elapsed().as_secs_f64(), all.len() - before);
        println!("{}: {took:.1} s, {count} tests come to changes", program.name);
    }
    all.sort_by_key(|known| known.took);
    Ok(all)
}

/// Whether the test passes; `None` if it is not done after so long, and was ended.
fn ended(child: &mut Child, longest: Duration) -> Result<Option<bool>> {
    let begun = Instant::now();
    while begun.elapsed() < longest {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status.success()));
        }
        sleep(Duration::from_millis(1));
    }
    child.kill()?;
    child.wait()?;
    Ok(None)
}

/// What becomes of change `number`.
pub fn fate(number: u32, all: &[Known]) -> Result<Fate> {
    let mut fate = Fate::Unreached;
    for known in all.iter().filter(|known| known.reaches.contains(&number)) {
        let mut child = command(&known.program, &known.test).env("MUTANT", number.to_string()).spawn()?;
        let by = || format!("{}: {}", known.program.name, known.test);
        fate = match ended(&mut child, LEAST.max(known.took * TIMES))? {
            Some(true) => Fate::Left,
            Some(false) => Fate::Killed(by()),
            None => Fate::Hangs(by()),
        };
        if fate != Fate::Left {
            break;
        }
    }
    Ok(fate)
}
