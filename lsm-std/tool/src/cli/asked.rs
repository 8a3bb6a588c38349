//! Which strategies a command is asked for: names or objects, with spaces or commas between.

use std::path::{Path, PathBuf};

use serde_json::value::RawValue;

use crate::Failure;
use crate::sim::Candidate;
use crate::strategies::{self, Sizes, Strategy, scaled};

/// A strategy as the command line names it.
#[derive(Clone, Debug)]
pub enum Asked {
    /// By name: its sizes follow the memtable.
    Name(Strategy),
    /// An object with its settings.
    Object(Candidate),
}

/// One of the words behind `--strategy`.
#[derive(Clone, Debug)]
pub enum Word {
    /// A strategy.
    Strategy(Asked),
    /// The name of a file: the trace, where it stands behind the strategies.
    Trace(PathBuf),
}

/// What one argument asks for.
pub type List = Vec<Word>;

/// Reads one argument.
///
/// # Errors
/// What is neither a strategy nor a file.
pub fn list(text: &str) -> Result<List, String> {
    let (mut rest, mut found) = (text.trim(), Vec::new());
    loop {
        let word = first_word(rest);
        found.push(one(word)?);
        rest = rest.get(word.len()..).unwrap_or_default().trim_start();
        match rest.strip_prefix(',') {
            Some(more) => rest = more.trim_start(),
            None if rest.is_empty() => return Ok(found),
            None => return Err(format!("a comma must stand before {rest:?}")),
        }
    }
}

/// What stands before the next comma; commas within an object are its own.
fn first_word(text: &str) -> &str {
    if !text.starts_with('{') {
        return text.split_once(',').map_or(text, |(word, _)| word);
    }
    let mut objects = serde_json::Deserializer::from_str(text).into_iter::<&RawValue>();
    // What is no object is refused as a whole, by who reads its settings.
    objects.next().and_then(Result::ok).map_or(text, RawValue::get)
}

fn one(word: &str) -> Result<Word, String> {
    if word.starts_with('{') {
        let settings = strategies::parse(word).map_err(|refusal| refusal.text)?;
        return Ok(Word::Strategy(Asked::Object(Candidate { name: word.to_owned(), settings })));
    }
    match Strategy::named(word.trim_end()) {
        Ok(strategy) => Ok(Word::Strategy(Asked::Name(strategy))),
        Err(_) if Path::new(word).is_file() => Ok(Word::Trace(word.into())),
        Err(unknown) => Err(unknown),
    }
}

/// What was asked for: the strategies, and the traces behind them.
pub fn apart(lists: &[List]) -> (Vec<&Asked>, Vec<&Path>) {
    let (mut strategies, mut traces) = (Vec::new(), Vec::new());
    for word in lists.iter().flatten() {
        match word {
            Word::Strategy(asked) => strategies.push(asked),
            Word::Trace(path) => traces.push(path.as_path()),
        }
    }
    (strategies, traces)
}

impl Asked {
    /// The strategy and its settings, sizes as given where it is asked for by name.
    pub fn candidate(&self, sizes: &Sizes) -> Candidate {
        match self {
            Self::Name(strategy) => scaled_candidate(*strategy, sizes),
            Self::Object(candidate) => candidate.clone(),
        }
    }

    /// The strategy, if its settings are those of the tool.
    ///
    /// # Errors
    /// An object, which `command` does not take.
    pub fn name(&self, command: &str) -> Result<Strategy, Failure> {
        match self {
            Self::Name(strategy) => Ok(*strategy),
            Self::Object(Candidate { name, .. }) => {
                Err(Failure::Usage(format!("{command} takes strategies by name, not {name}")))
            }
        }
    }
}

/// A strategy with sizes as given.
pub fn scaled_candidate(strategy: Strategy, sizes: &Sizes) -> Candidate {
    Candidate { name: strategy.name().to_owned(), settings: scaled(strategy, sizes) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Result<Vec<String>, String> {
        let words = list(text)?;
        let (asked, _) = apart(std::slice::from_ref(&words));
        Ok(asked.into_iter().map(|asked| asked.candidate(&Sizes::default()).name).collect())
    }

    #[test]
    fn commas_stand_between_strategies_and_within_objects() {
        let object = r#"{"name":"tiered","runs_max":9}"#;
        assert_eq!(names("tiered,leveled"), Ok(vec!["tiered".into(), "leveled".into()]));
        assert_eq!(names(&format!("lazy, {object} ,fifo")), Ok(vec!["lazy".into(), object.into(), "fifo".into()]));
        for (bad, why) in [
            ("tiered,", "unknown strategy \"\""),
            ("tiered,gut", "unknown strategy \"gut\""),
            (r#"{"name":"tiered"} lazy"#, "a comma must stand before"),
            (r#"{"name":"tiered""#, "strategy, column"),
            (r#"{"name":"fifo","fanout":3}"#, "unknown field `fanout`"),
        ] {
            let refused = names(bad).expect_err(bad);
            assert!(refused.contains(why), "{bad}: {refused}");
        }
    }
}
