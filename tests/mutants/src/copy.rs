//! A copy of the repository with all changes in one of its crates, and the tests built from it.

use std::fs;
use std::io::{Error, Result};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::sites::{self, Site};

/// The module that says which change is in force, and notes which were reached.
const SWITCHED: &str = "
use crate::switched_std::{env, fs::OpenOptions, io::Write, string::String, sync::OnceLock};
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
const NOT_YET_KNOWN: u32 = u32::MAX;
const ALL_ARE_NOTED: u32 = u32::MAX - 1;
static CHOSEN: AtomicU32 = AtomicU32::new(NOT_YET_KNOWN);
static NOTES: OnceLock<Option<String>> = OnceLock::new();
static REACHED: [AtomicBool; COUNT] = [const { AtomicBool::new(false) }; COUNT];
#[inline]
pub(crate) fn on(number: u32) -> bool {
    match CHOSEN.load(Relaxed) {
        NOT_YET_KNOWN | ALL_ARE_NOTED => slow(number),
        chosen => chosen == number,
    }
}
#[cold]
fn slow(number: u32) -> bool {
    let notes = NOTES.get_or_init(|| env::var(\"REACHED\").ok());
    let Some(file) = notes else {
        let chosen = env::var(\"MUTANT\").ok().and_then(|chosen| chosen.parse().ok()).unwrap_or(0);
        CHOSEN.store(chosen, Relaxed);
        return chosen == number;
    };
    CHOSEN.store(ALL_ARE_NOTED, Relaxed);
    if !REACHED[number as usize].swap(true, Relaxed) {
        let file = OpenOptions::new().append(true).create(true).open(file);
        let line = crate::switched_std::format!(\"{number}\\n\");
        file.and_then(|mut file| file.write_all(line.as_bytes())).expect(\"what is reached is noted\");
    }
    false
}
";

/// One change.
#[derive(Clone, Debug)]
pub struct Mutant {
    /// Its number, from 1 on.
    pub number: u32,
    /// The file below the crate's `src`.
    pub file: PathBuf,
    /// Its line and column, from 1 on.
    pub place: (usize, usize),
    /// What stands there.
    pub was: String,
    /// What stands there instead.
    pub is: String,
    /// Whether the compiler takes it.
    pub compiles: bool,
}

/// A built test program.
#[derive(Clone, Debug)]
pub struct Program {
    /// Its name.
    pub name: String,
    /// The file.
    pub path: PathBuf,
    /// Where it is to be run.
    pub dir: PathBuf,
}

/// A file of the crate, and where in the switched one which changes stand.
#[derive(Debug)]
struct Source {
    file: PathBuf,
    text: String,
    sites: Vec<Site>,
    placed: Vec<(Range<usize>, Vec<u32>)>,
}

/// The copy.
#[derive(Debug)]
pub struct Copy {
    root: PathBuf,
    name: String,
    sources: Vec<Source>,
    /// All changes.
    pub mutants: Vec<Mutant>,
}

impl Copy {
    /// Copies what git knows of `from` to `to` and finds the changes of all files of the crate `name` whose paths begin with one of
    /// `parts`.
    pub fn new(from: &Path, to: &Path, name: &str, parts: &[String]) -> Result<Self> {
        let listed = Command::new("git").arg("-C").arg(from).args(["ls-files", "-z"]).output()?;
        if !listed.status.success() {
            return Err(Error::other(format!("{}: {}", from.display(), String::from_utf8_lossy(&listed.stderr))));
        }
        for name in String::from_utf8_lossy(&listed.stdout).split('\0').filter(|name| !name.is_empty()) {
            let target = to.join(name);
            fs::create_dir_all(target.parent().unwrap_or(to))?;
            fs::copy(from.join(name), target)?;
        }
        let mut copy = Self { root: to.to_owned(), name: name.to_owned(), sources: Vec::new(), mutants: Vec::new() };
        let names = String::from_utf8_lossy(&listed.stdout).into_owned();
        let src = format!("{name}/src/");
        for name in names.split('\0').filter_map(|name| name.strip_prefix(&src)) {
            let stem = name.trim_end_matches(".rs");
            let is_test = stem.split('/').any(|part| part.ends_with("tests")) || !name.ends_with(".rs");
            if parts.iter().any(|part| name.starts_with(part.as_str())) && !is_test {
                copy.add(PathBuf::from(name))?;
            }
        }
        let lib = copy.src().join("lib.rs");
        fs::write(&lib, fs::read_to_string(&lib)? + "\nextern crate std as switched_std;\nmod switched;\n")?;
        let count = format!("const COUNT: usize = {};\n", copy.mutants.len() + 1);
        fs::write(copy.src().join("switched.rs"), count + SWITCHED)?;
        Ok(copy)
    }

    fn src(&self) -> PathBuf {
        self.root.join(&self.name).join("src")
    }

    fn add(&mut self, file: PathBuf) -> Result<()> {
        let text = fs::read_to_string(self.src().join(&file))?;
        let sites = sites::find(&text).map_err(|error| Error::other(format!("{}: {error}", file.display())))?;
        for (site, is) in sites.iter().flat_map(|site| site.others.iter().map(move |is| (site, is))) {
            self.mutants.push(Mutant {
                number: self.mutants.len() as u32 + 1,
                file: file.clone(),
                place: site.place,
                was: text[site.range.clone()].to_owned(),
                is: is.clone(),
                compiles: true,
            });
        }
        self.sources.push(Source { file, text, sites, placed: Vec::new() });
        Ok(())
    }

    /// Writes the files with all changes that compile, as far as is known.
    fn write(&mut self) -> Result<()> {
        let src = self.src();
        let mut next = 0;
        for source in &mut self.sources {
            let mut number = |_: &Site, _: &str| {
                next += 1;
                self.mutants[next - 1].compiles.then_some(next as u32)
            };
            let switched = sites::switched(&source.text, &source.sites, &mut number);
            fs::write(src.join(&source.file), &switched.text)?;
            source.placed = switched.placed;
        }
        Ok(())
    }

    /// Builds the tests that `cargo test` with each of `what` would run. Changes that do not compile are left out.
    pub fn build(&mut self, what: &[&[&str]]) -> Result<Vec<Program>> {
        loop {
            self.write()?;
            let (mut programs, mut errors, mut is_built) = (Vec::new(), Vec::new(), true);
            for args in what {
                let output = Command::new("cargo")
                    .args(["test", "--no-run", "--message-format=json"])
                    .args(*args)
                    .env("CARGO_PROFILE_DEV_OPT_LEVEL", "2")
                    .current_dir(&self.root)
                    .stderr(Stdio::inherit())
                    .output()?;
                is_built &= output.status.success();
                for message in
                    output.stdout.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok())
                {
                    programs.extend(program(&message));
                    errors.extend(error(&message));
                }
            }
            let left_out = errors.iter().filter(|(file, at)| self.leave_out(file, *at)).count();
            match (is_built, left_out) {
                (true, _) => return Ok(programs),
                (false, 0) => return Err(Error::other(format!("does not build: {errors:?}"))),
                _ => println!("{left_out} changes do not compile"),
            }
        }
    }

    /// Leaves out the changes in whose text, or else around which, an error lies.
    fn leave_out(&mut self, file: &str, at: usize) -> bool {
        let Some(source) = self.sources.iter().find(|source| Path::new(file).ends_with(&source.file)) else {
            return false;
        };
        let around = source.placed.iter().filter(|(range, _)| range.contains(&at));
        let Some((_, numbers)) = around.min_by_key(|(range, _)| range.len()) else { return false };
        for number in numbers {
            self.mutants[*number as usize - 1].compiles = false;
        }
        true
    }
}

/// The test program that a message of cargo tells of.
fn program(message: &Value) -> Option<Program> {
    let path = PathBuf::from(message["executable"].as_str()?);
    let dir = Path::new(message["manifest_path"].as_str()?).parent()?.to_owned();
    let is_test = message["profile"]["test"].as_bool() == Some(true);
    is_test.then_some(Program { name: message["target"]["name"].as_str()?.to_owned(), path, dir })
}

/// File and place of the error that a message of cargo tells of.
fn error(message: &Value) -> Option<(String, usize)> {
    let message = message.get("message").filter(|message| message["level"] == "error")?;
    let span = message["spans"].as_array()?.iter().find(|span| span["is_primary"] == true)?;
    Some((span["file_name"].as_str()?.to_owned(), span["byte_start"].as_u64()? as usize))
}
