//! Golden decisions: a tree drawn in text, a command, the expected decision.
//!
//! `tests/golden/*.txt` hold blocks with empty lines between them. Below `----` in a block stands what its commands must answer;
//! `GOLDEN=write cargo test -p lsm-tests --test golden` writes that anew. Lines that begin with `#` are prose. Commands:
//!
//! - `tree`, then one line a run: see `lsm_tests::drawn`. Ends all jobs that run.
//! - `strategy NAME [SETTING=VALUE ..]`: what is asked from here on, with nothing learned yet.
//! - `choose` or `explain`, `[now=MS] [free=BYTES] [floor=SEQNO] [entropy=N]`: a decision, lawful and pure, or with all candidates.
//! - `begin`: the job just chosen runs from here on. `busy ID .. [-> LEVEL]`: a foreign job over these tables does.
//! - `open`: the strategy is told of the tree, as when a store is opened. `read KEY GETS [SCANS]`: it is told of reads.
//! - `slots`: what a bandit makes of the tree.
//! - `done [same as choose]`: the next job is chosen and finished, the strategy learns of it; `settle [..]`: all there are. Both
//!   show the tree.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use compaction_core::{
    AnySettings, AnyStrategyVec, Candidate, Choice, CompactionStrategy, Decision, Event, Job, Moment, Place,
    ReadSample, Running, SettleError, TableIndex, Version, VersionVec, check_decision, settle,
};
use lsm_tests::{drawn, settings};

struct Stage {
    tree: VersionVec<char>,
    strategy: AnyStrategyVec<char>,
    chosen: Option<Job>,
    /// Jobs of others, which the tree itself does not know.
    foreign: Vec<Running>,
}

fn inputs(version: &Version<'_, char>, job: &Job) -> String {
    let tables = version.inputs(job).flat_map(|span| &version.tables()[span.range()]);
    tables.map(|table| format!(" {}", table.id)).collect()
}

fn described(version: &Version<'_, char>, decision: &Decision) -> String {
    let mut text = decision.choice.name().to_string();
    match decision.choice {
        Choice::Wait { until_ms: None } => {}
        Choice::Wait { until_ms: Some(until_ms) } => write!(text, " until {until_ms} ms").unwrap(),
        Choice::Drop(job) => text += &inputs(version, &job),
        Choice::Merge(job) | Choice::Move(job) => {
            text += &inputs(version, &job);
            let place = if job.place() == Place::Join { "" } else { ", a new run" };
            let bottom = if job.bottommost() { "; bottommost" } else { "" };
            write!(text, " -> L{}{place}{bottom}", job.level()).unwrap();
        }
    }
    text + &format!("\n  {}: {}\n", decision.reason.rule.name(), decision.reason)
}

fn moment(words: &str) -> Moment {
    let mut moment = Moment::default();
    for word in words.split_whitespace() {
        let (name, value) = word.split_once('=').unwrap_or_else(|| panic!("not a circumstance: {word}"));
        let value = drawn::number(value).unwrap_or_else(|| panic!("not a number: {word}"));
        match name {
            "now" => moment.now_ms = value,
            "free" => moment.free_bytes = value,
            "floor" => moment.snapshot_floor = value,
            "entropy" => moment.entropy = value,
            _ => panic!("unknown circumstance {name}"),
        }
    }
    moment
}

impl Stage {
    fn choose(&mut self, words: &str, explain: bool) -> String {
        let moment = moment(words);
        let running = [self.tree.view().running(), &self.foreign].concat();
        let version = self.tree.view().with_running(&running);
        let decision = self.strategy.choose(&version, &moment);
        let mut candidates = String::new();
        let mut visit = |seen: &Candidate| {
            let (rule, ids) = (seen.rule.name(), inputs(&version, &seen.job));
            writeln!(candidates, "  - {rule},{ids}, {} B: {}", seen.bytes, seen.verdict).unwrap();
        };
        assert_eq!(self.strategy.explain(&version, &moment, &mut visit), decision, "choose and explain agree");
        if let Err(law) = check_decision(&version, &moment, &decision) {
            panic!("{law}: {decision:?}\n{}", drawn::list(&version));
        }
        self.chosen = decision.choice.job();
        let debt = self.strategy.debt_bytes(&version);
        let text = described(&version, &decision) + if explain { &candidates } else { "" };
        if debt > 0 { text + &format!("  debt {debt} B\n") } else { text }
    }

    fn busy(&mut self, words: &str) -> Result<(), String> {
        let (ids, level) = match words.split_once("->") {
            Some((ids, level)) => (ids, Some(level.trim().parse().map_err(|_| format!("not a level: {level}"))?)),
            None => (words, None),
        };
        let version = self.tree.view();
        let index = TableIndex::new(&version).map_err(|law| law.to_string())?;
        let position = |id: &str| id.parse().ok().and_then(|id| index.get(id)).map(|(_, table)| table);
        let tables: Option<Vec<usize>> = ids.split_whitespace().map(position).collect();
        let tables = tables.ok_or(format!("no such tables: {ids}"))?;
        let barrier = version.barrier(1_000, tables, level).ok_or(format!("no such job: {words}"))?;
        self.foreign.push(barrier);
        Ok(())
    }

    fn read(&mut self, words: &str) -> Option<()> {
        let mut words = words.split_whitespace();
        let key = words.next()?.chars().next()?;
        let (gets, scans) = (words.next()?.parse().ok()?, words.next().unwrap_or("0").parse().ok()?);
        self.strategy.observe(&Event::Reads(ReadSample { key: &key, gets, scans, runs: 8, now_ms: 0 }));
        Some(())
    }

    fn slots(&self) -> String {
        let mut text = String::new();
        for slot in self.strategy.bandit().map_or(&[][..], |bandit| bandit.slots()) {
            let from = slot.guard().map_or(String::from("the start"), char::to_string);
            let (runs, bytes, picks) = (slot.runs(), slot.bytes(), slot.picks());
            writeln!(text, "slot {} from {from}: {runs} runs, {bytes} B, picked {picks} times", slot.id()).unwrap();
        }
        text
    }

    fn done(&mut self, words: &str, jobs_max: usize) -> String {
        let outcome = match settle(&mut self.strategy, &mut self.tree, &moment(words), &mut vec![], jobs_max) {
            Ok(jobs) => format!("{jobs} jobs, at rest\n"),
            Err(SettleError::Restless { steps }) => format!("{steps} jobs, more to do\n"),
            Err(error) => panic!("{error}\n{}", drawn::list(&self.tree.view())),
        };
        outcome + &drawn::list(&self.tree.view())
    }

    /// What the commands of a block answer.
    fn run(&mut self, commands: &[&str]) -> Result<String, String> {
        let mut answer = String::new();
        let mut lines = commands.iter().copied().filter(|line| !line.starts_with('#')).peekable();
        while let Some(line) = lines.next() {
            let (command, words) = line.split_once(' ').unwrap_or((line, ""));
            match command {
                "tree" => {
                    let drawing: Vec<&str> =
                        std::iter::from_fn(|| lines.next_if(|line| line.starts_with('L'))).collect();
                    (self.tree, self.foreign) = (drawn::tree(drawing.into_iter())?, vec![]);
                }
                "strategy" => match settings::parse(words) {
                    Ok(settings) => self.strategy = AnyStrategyVec::from_settings(settings).unwrap(),
                    Err(error) => writeln!(answer, "{error}").unwrap(),
                },
                "choose" | "explain" => answer += &self.choose(words, command == "explain"),
                "begin" => {
                    let job = self.chosen.take().ok_or("nothing was chosen")?;
                    let _runs_for_ever = self.tree.begin(job).map_err(|error| error.to_string())?;
                }
                "busy" => self.busy(words)?,
                "open" => {
                    self.strategy.observe(&Event::Flushed { version: self.tree.view(), now_ms: 0, bytes: 0 });
                }
                "read" => self.read(words).ok_or(format!("not a read: {words}"))?,
                "slots" => answer += &self.slots(),
                "done" => answer += &self.done(words, 1),
                "settle" => answer += &self.done(words, 10_000),
                _ => return Err(format!("unknown command: {line}")),
            }
        }
        Ok(answer)
    }
}

/// Runs every block of a file; its text with the answers as they are.
fn played(text: &str, path: &Path) -> String {
    let mut stage = Stage {
        tree: VersionVec::default(),
        strategy: AnyStrategyVec::from_settings(AnySettings::Idle).unwrap(),
        chosen: None,
        foreign: vec![],
    };
    let blocks = text.trim().split("\n\n").map(|block| {
        let commands: Vec<&str> = block.trim().lines().take_while(|line| *line != "----").collect();
        let at = || format!("{}:\n{}", path.display(), commands.join("\n"));
        let answer = stage.run(&commands).unwrap_or_else(|error| panic!("{error}\n{}", at()));
        let mut block = commands.join("\n");
        if !answer.is_empty() {
            block += &format!("\n----\n{}", answer.trim_end());
        }
        block
    });
    blocks.collect::<Vec<_>>().join("\n\n") + "\n"
}

#[test]
fn decisions_are_those_written_down() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden");
    let mut paths: Vec<PathBuf> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "txt"));
    paths.sort();
    assert!(!paths.is_empty(), "no golden files in {}", folder.display());
    for path in paths {
        let expected = std::fs::read_to_string(&path).unwrap();
        let found = played(&expected, &path);
        if std::env::var_os("GOLDEN").is_some_and(|value| value == "write") {
            std::fs::write(&path, found).unwrap();
        } else if let Some((line, (expected, found))) =
            (1..).zip(expected.lines().zip(found.lines())).find(|(_, (expected, found))| expected != found)
        {
            panic!("{}:{line}\nexpected: {expected}\n   found: {found}", path.display());
        } else {
            assert_eq!(expected, found, "{}", path.display());
        }
    }
}
