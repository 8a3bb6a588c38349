//! `lsm plan`: trees in, decisions out, one JSON object a line.

mod answer;
mod input;
mod tree;

use std::io::{self, BufRead, BufReader, Read, Write};

use compaction_core::{AnyStrategyVec, CompactionStrategy, Event};
use serde::Serialize;
use serde_json::error::Category;

use crate::{Failure, strategies};
use answer::Answer;
use input::Input;
pub(crate) use input::Object;
use tree::Tree;

/// Why a line has no decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Refusal {
    /// Short name of the law or rule that the line breaks.
    pub law: String,
    /// Ids of the tables concerned.
    pub tables: Vec<u64>,
    /// The same for people, with the values.
    pub text: String,
}

impl Refusal {
    pub(crate) fn new(law: &str, tables: impl Into<Vec<u64>>, text: impl Into<String>) -> Self {
        Self { law: law.to_owned(), tables: tables.into(), text: text.into() }
    }

    /// What the JSON reader found wrong in `part` of a line. Its own "line 1" would mislead: only the column stays.
    pub(crate) fn json(part: &str, error: &serde_json::Error) -> Self {
        let full = error.to_string();
        let text = full.rsplit_once(" at line ").map_or(full.as_str(), |(text, _)| text);
        let law = match error.classify() {
            Category::Data if text.starts_with("unknown field") => "known-fields",
            Category::Data if text.starts_with("duplicate field") => "single-fields",
            Category::Data if text.starts_with("missing field") => "needed-fields",
            Category::Data => "values",
            _ => "json",
        };
        Self::new(law, [], format!("{part}, column {}: {text}", error.column()))
    }
}

#[derive(Serialize)]
struct ErrorLine {
    line: u64,
    error: Refusal,
}

/// Answers each non-empty line of `input` on `output`, in order; `explain` adds candidates and prose.
///
/// Answers `false` when any line was refused. Output is flushed whenever no further input is waiting, so that another
/// program can hold a conversation. `name` stands in errors of reading.
///
/// # Errors
/// Only those of reading and writing; a line that makes no sense is an answer too.
pub fn run<R: Read>(
    input: &mut BufReader<R>,
    name: &str,
    output: &mut impl Write,
    explain: bool,
) -> Result<bool, Failure> {
    let (mut text, mut line, mut all_good) = (Vec::new(), 0, true);
    loop {
        text.clear();
        let read = input.read_until(b'\n', &mut text).map_err(Failure::io(name))?;
        line += 1;
        if !text.trim_ascii().is_empty() {
            let answer = decide(&text, explain);
            all_good &= answer.is_ok();
            write_line(output, answer, line).map_err(Failure::io("standard output"))?;
        }
        if read == 0 || input.buffer().is_empty() {
            output.flush().map_err(Failure::io("standard output"))?;
        }
        if read == 0 {
            return Ok(all_good);
        }
    }
}

fn write_line(output: &mut impl Write, answer: Result<Answer, Refusal>, line: u64) -> io::Result<()> {
    match answer {
        Ok(answer) => serde_json::to_writer(&mut *output, &answer)?,
        Err(error) => serde_json::to_writer(&mut *output, &ErrorLine { line, error })?,
    }
    output.write_all(b"\n")
}

/// The decision for one line.
///
/// # Errors
/// What is wrong with the line.
fn decide(text: &[u8], explain: bool) -> Result<Answer, Refusal> {
    let text = std::str::from_utf8(text).map_err(|error| Refusal::new("json", [], format!("not UTF-8: {error}")))?;
    let Object(input) =
        serde_json::from_str::<Object<Input<'_>>>(text).map_err(|error| Refusal::json("tree", &error))?;
    let settings = strategies::parse(input.strategy.get())?;
    let moment = input.moment();
    let tree = Tree::build(input.levels, &input.busy)?;
    let version = tree.version()?;
    let mut strategy = AnyStrategyVec::<String>::from_settings(settings)?;
    strategy.observe(&Event::Flushed { version, now_ms: moment.now_ms, bytes: 0 });
    if !explain {
        return Ok(Answer::new(&version, &strategy, &strategy.choose(&version, &moment)));
    }
    let mut candidates = Vec::new();
    let decision = strategy.explain(&version, &moment, &mut |candidate| candidates.push(*candidate));
    Ok(Answer::new(&version, &strategy, &decision).explained(&version, moment.now_ms, &decision, &candidates))
}
