//! The tables of decisions: what each strategy did, and why.

use std::fmt::Write;

use super::Report;
use super::svg::escape;
use crate::compare::Outcome;
use crate::figures::{Job, by_rule};
use crate::human::{bytes, count, grouped, micros, with_units};
use crate::rules::meaning;

/// Jobs listed one by one per strategy; what is beyond is summed up only.
const JOBS_MAX: usize = 1_000;

/// Writes, per strategy, the jobs by rule and then one by one.
pub fn write(report: &Report, html: &mut String) {
    html.push_str("<h2>Decisions: what and why</h2>\n");
    for outcome in &report.outcomes {
        let _ = writeln!(html, "<h3>{}</h3>", outcome.strategy.name());
        if outcome.jobs.is_empty() {
            html.push_str("<p>It never had anything to do.</p>\n");
            continue;
        }
        rules(outcome, html);
        list(outcome, html);
    }
}

fn rules(outcome: &Outcome, html: &mut String) {
    html.push_str(
        "<div class=\"wide\"><table><thead><tr><th class=\"left\">rule</th><th class=\"left\">it fires when</th><th>jobs</th>\
         <th>read</th><th>written</th><th>of all merge writes</th><th>time in them</th></tr></thead><tbody>\n",
    );
    let all = outcome.jobs.iter().map(|job| job.written_bytes).sum::<u64>().max(1);
    for sum in by_rule(&outcome.jobs) {
        let _ = writeln!(
            html,
            "<tr><td class=\"left\">{}</td><td class=\"why\">{}</td><td>{}</td><td>{}</td><td>{}</td>\
             <td>{:.0} %</td><td>{}</td></tr>",
            sum.rule,
            meaning(sum.rule),
            grouped(sum.jobs),
            bytes(sum.read_bytes),
            bytes(sum.written_bytes),
            sum.written_bytes as f64 / all as f64 * 100.0,
            micros(sum.micros as f64)
        );
    }
    html.push_str("</tbody></table></div>\n");
}

fn list(outcome: &Outcome, html: &mut String) {
    let shown = outcome.jobs.len().min(JOBS_MAX);
    let _ = writeln!(
        html,
        "<details open><summary>{} one by one</summary>\n<div class=\"scroll\"><table><thead><tr><th>#</th>\
         <th>user had written</th><th class=\"left\">what</th><th>into</th><th>read</th><th>written</th><th>took</th>\
         <th class=\"left\">why</th></tr></thead><tbody>",
        if shown == outcome.jobs.len() { count(shown as u64, "job") } else { format!("The first {shown} jobs") }
    );
    for (at, job) in outcome.jobs.iter().take(JOBS_MAX).enumerate() {
        row(at + 1, job, html);
    }
    html.push_str("</tbody></table></div>");
    if shown < outcome.jobs.len() {
        let _ = write!(html, "<p class=\"hint\">{} more are summed up above.</p>", outcome.jobs.len() - shown);
    }
    html.push_str("</details>\n");
}

fn row(number: usize, job: &Job, html: &mut String) {
    let into = job.level.map_or_else(|| "–".to_owned(), |level| format!("L{level}"));
    let _ = writeln!(
        html,
        "<tr><td>{number}</td><td>{}</td><td class=\"left\">{} {} of {}</td><td>{into}</td><td>{}</td><td>{}</td>\
         <td>{}</td><td class=\"why\">{}: {}</td></tr>",
        bytes(job.at_user_bytes),
        job.what,
        count(job.tables, "table"),
        count(job.runs, "run"),
        bytes(job.read_bytes),
        bytes(job.written_bytes),
        micros(job.micros as f64),
        job.rule,
        escape(&with_units(&job.reason))
    );
}
