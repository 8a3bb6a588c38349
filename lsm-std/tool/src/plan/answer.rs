//! What `lsm plan` says about one tree.

use compaction_core::{Candidate, Choice, CompactionStrategy, Decision, Job, Reason, Rule, Verdict, Version, Work};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::human::{bytes, count};
use crate::rules::meaning;

/// One decision as JSON.
#[derive(Debug, Serialize)]
pub struct Answer {
    choice: &'static str,
    inputs: Vec<u64>,
    level: Option<u8>,
    bottommost: bool,
    table_bytes_max: Option<u64>,
    debt_bytes: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    cuts: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    until_ms: Option<u64>,
    reason: Map<String, Value>,
    text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    candidates: Option<Vec<CandidateOut>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prose: Option<String>,
}

/// A job that was considered.
#[derive(Debug, Serialize)]
struct CandidateOut {
    choice: &'static str,
    inputs: Vec<u64>,
    level: Option<u8>,
    bytes: u64,
    rule: Map<String, Value>,
    /// How far the rule is from where it fires, and where that is, both in thousandths.
    score_milli: Option<u64>,
    threshold_milli: Option<u64>,
    verdict: String,
}

impl Answer {
    /// The decision alone.
    pub fn new(version: &Version<'_, String>, strategy: &dyn CompactionStrategy<String>, decision: &Decision) -> Self {
        let job = decision.choice.job();
        let mut reason = rule_fields(&decision.reason.rule);
        reason.insert("bytes".into(), decision.reason.bytes.into());
        reason.insert("bytes_max".into(), limit(decision.reason.bytes_max));
        Self {
            choice: decision.choice.name(),
            inputs: job.map(|job| input_ids(version, &job)).unwrap_or_default(),
            level: output_level(&decision.choice),
            bottommost: job.is_some_and(|job| job.bottommost()),
            table_bytes_max: job.filter(|job| job.work() != Work::Drop).map(|job| job.table_bytes_max()),
            debt_bytes: strategy.debt_bytes(version),
            cuts: match decision.choice {
                Choice::Merge(job) => guards(version, strategy, &job),
                _ => Vec::new(),
            },
            until_ms: match decision.choice {
                Choice::Wait { until_ms } => until_ms,
                _ => None,
            },
            reason,
            text: sentence(version, &decision.choice, &decision.reason),
            candidates: None,
            prose: None,
        }
    }

    /// With every candidate, and a description for people.
    pub fn explained(
        self,
        version: &Version<'_, String>,
        now_ms: u64,
        decision: &Decision,
        candidates: &[Candidate],
    ) -> Self {
        let prose = prose(version, decision, candidates, self.debt_bytes);
        let out = |candidate: &Candidate| {
            let choice = Choice::from(candidate.job);
            let score = candidate.rule.score(now_ms);
            CandidateOut {
                choice: choice.name(),
                inputs: input_ids(version, &candidate.job),
                level: output_level(&choice),
                bytes: candidate.bytes,
                rule: rule_fields(&candidate.rule),
                score_milli: score.map(|score| score.value.0),
                threshold_milli: score.and_then(|score| score.threshold).map(|threshold| threshold.0),
                verdict: candidate.verdict.to_string(),
            }
        };
        Self { candidates: Some(candidates.iter().map(out).collect()), prose: Some(prose), ..self }
    }
}

fn output_level(choice: &Choice) -> Option<u8> {
    match choice {
        Choice::Merge(job) | Choice::Move(job) => Some(job.level()),
        Choice::Wait { .. } | Choice::Drop(_) => None,
    }
}

fn input_ids(version: &Version<'_, String>, job: &Job) -> Vec<u64> {
    let tables = version.tables();
    let spans = version.inputs(job).filter_map(|span| tables.get(span.range()));
    spans.flatten().map(|table| table.id).collect()
}

/// The keys within a merge's inputs at which its output is cut whatever its size.
fn guards(version: &Version<'_, String>, strategy: &dyn CompactionStrategy<String>, job: &Job) -> Vec<String> {
    let tables = || version.inputs(job).filter_map(|span| version.tables().get(span.range())).flatten();
    let (Some(min), Some(max)) = (tables().map(|t| &t.min).min(), tables().map(|t| &t.max).max()) else {
        return Vec::new();
    };
    let within = |key: &String| strategy.guard_above(key).filter(|guard| *guard <= max);
    std::iter::successors(within(min), |guard| within(guard)).cloned().collect()
}

/// `u64::MAX` stands for "no limit" in the core, `null` in JSON.
fn limit(value: u64) -> Value {
    if value == u64::MAX { Value::Null } else { value.into() }
}

/// What is done and why, in one sentence.
fn sentence(version: &Version<'_, String>, choice: &Choice, reason: &Reason) -> String {
    let Some(job) = choice.job() else { return format!("wait: {reason}") };
    let tables: usize = version.inputs(&job).map(|span| span.len()).sum();
    let runs = version.inputs(&job).filter(|span| !span.is_empty()).count();
    let what = format!(
        "{} {} of {}, {}",
        choice.name(),
        count(tables as u64, "table"),
        count(runs as u64, "run"),
        bytes(reason.bytes)
    );
    match output_level(choice) {
        Some(level) => format!("{what}, into level {level}: {reason}"),
        None => format!("{what}: {reason}"),
    }
}

fn prose(version: &Version<'_, String>, decision: &Decision, candidates: &[Candidate], debt_bytes: u64) -> String {
    let total = u64::try_from(version.bytes()).unwrap_or(u64::MAX);
    let mut text = format!(
        "The tree holds {} in {} over {}, {}; {} in it. Still to be rewritten until it is at rest: {}. ",
        count(version.tables().len() as u64, "table"),
        count(version.runs().len() as u64, "run"),
        count(u64::from(version.deepest()) + 1, "level"),
        bytes(total),
        match version.running().len() {
            0 => "nothing runs".to_owned(),
            1 => "1 job runs".to_owned(),
            jobs => format!("{jobs} jobs run"),
        },
        bytes(debt_bytes)
    );
    if candidates.is_empty() {
        text.push_str("No rule proposed a job. ");
    }
    for candidate in candidates.iter().take(20) {
        let levels = version.inputs(&candidate.job).map(|span| span.len()).sum::<usize>();
        let size = format!("{}, {}", count(levels as u64, "table"), bytes(candidate.bytes));
        let fate = match candidate.verdict {
            Verdict::Chosen => "this is the choice".to_owned(),
            verdict => format!("passed over ({verdict})"),
        };
        text.push_str(&format!("Proposed ({}; {size}): {fate}. ", candidate.rule));
    }
    if candidates.len() > 20 {
        text.push_str(&format!("And {} more candidates. ", candidates.len() - 20));
    }
    text.push_str(&format!("Decision: {}.", sentence(version, &decision.choice, &decision.reason)));
    let rule = decision.reason.rule.name();
    if !meaning(rule).is_empty() {
        text.push_str(&format!(" (Rule {rule}: {}.)", meaning(rule)));
    }
    text
}

/// The rule's name and its figures.
fn rule_fields(rule: &Rule) -> Map<String, Value> {
    let figures: Vec<(&str, Value)> = match *rule {
        Rule::NoRoom { needed, free } => vec![("needed", needed.into()), ("free", free.into())],
        Rule::SpaceAmp { total, largest, pct } => {
            vec![("total", total.into()), ("largest", largest.into()), ("pct", limit(pct))]
        }
        Rule::SimilarRuns { runs, stretch } => vec![("runs", runs.into()), ("stretch", stretch.into())],
        Rule::RunCount { runs, max } | Rule::L0Runs { runs, max } | Rule::IntraL0 { runs, max } => {
            vec![("runs", runs.into()), ("max", limit(max))]
        }
        Rule::LevelBytes { level, bytes, target } => {
            vec![("level", level.into()), ("bytes", bytes.into()), ("target", limit(target))]
        }
        Rule::LevelRuns { level, runs, max } => {
            vec![("level", level.into()), ("runs", runs.into()), ("max", limit(max))]
        }
        Rule::TombstoneShare { table, tombstones, entries, pct_max } => vec![
            ("table", table.into()),
            ("tombstones", tombstones.into()),
            ("entries", entries.into()),
            ("pct_max", pct_max.into()),
        ],
        Rule::TombstoneAge { table, written_ms, age_ms_max } => {
            vec![("table", table.into()), ("written_ms", written_ms.into()), ("age_ms_max", age_ms_max.into())]
        }
        Rule::Expired { newest_ms, ttl_ms } => vec![("newest_ms", newest_ms.into()), ("ttl_ms", ttl_ms.into())],
        Rule::SizeCap { bytes, max } => vec![("bytes_held", bytes.into()), ("max", max.into())],
        Rule::Slot { slot, runs, trigger, layout, explored, score_milli, mean_milli, picks } => vec![
            ("slot", slot.into()),
            ("runs", runs.into()),
            ("trigger", trigger.name().into()),
            ("layout", layout.name().into()),
            ("explored", explored.into()),
            ("score_milli", limit(score_milli)),
            ("mean_milli", mean_milli.into()),
            ("picks", picks.into()),
        ],
        Rule::Full { runs } => vec![("runs", runs.into())],
        _ => Vec::new(),
    };
    let mut map = Map::new();
    map.insert("rule".into(), rule.name().into());
    for (name, value) in figures {
        let name = if name == "bytes" { "level_bytes" } else { name };
        map.insert(name.into(), value);
    }
    map
}
