//! The plots of a report: amplification over time, and the tree's shape over time.

use std::fmt::Write;

use super::svg::{Chart, Format, Series, escape};
use super::{Report, colour, dashes, level_colour};
use crate::compare::Outcome;
use crate::figures::Sample;
use crate::human::three_digits;

const MIB: f64 = 1_048_576.0;
const SIZE: (f64, f64) = (560.0, 300.0);

/// Title, what the vertical axis shows, and its value.
type Plot = (&'static str, &'static str, fn(&Sample) -> f64);

fn plain(value: f64) -> String {
    if value == value.trunc() { format!("{value:.0}") } else { three_digits(value) }
}

fn written_mib(sample: &Sample) -> f64 {
    sample.counts.user_bytes as f64 / MIB
}

/// Plots with one line per strategy.
pub fn over_time(report: &Report, html: &mut String) {
    html.push_str(
        "<h2>Amplification over time</h2>\n<p class=\"hint\">Time runs by what the user wrote, so that all strategies \
         have done the same work at the same place. Point at a line for its value at the end.</p>\n<div class=\"plots\">\n",
    );
    let plots: [Plot; 4] = [
        ("Write amplification", "table bytes written per user byte (×)", |s| s.counts.write_amp()),
        ("Read amplification", "runs asked per point read (×)", |s| s.counts.read_amp()),
        ("Space amplification", "table bytes per live byte (×)", Sample::space_amp),
        ("Sorted runs in the tree", "runs", |s| s.runs() as f64),
    ];
    for (title, y_label, value) in plots {
        let line = |outcome: &Outcome| Series {
            name: outcome.strategy.name().to_owned(),
            colour: colour(outcome.strategy),
            dashes: dashes(outcome.strategy),
            points: outcome.samples.iter().map(|sample| (written_mib(sample), value(sample))).collect(),
        };
        let series = report.outcomes.iter().map(line).collect();
        html.push_str(&chart(title.to_owned(), y_label, series, false).render());
        html.push('\n');
    }
    html.push_str("</div>\n");
}

/// Per strategy: bytes by level and runs by level, as stacked areas.
pub fn shapes(report: &Report, html: &mut String) {
    html.push_str("<h2>The tree's shape over time</h2>\n");
    for outcome in &report.outcomes {
        let _ = writeln!(
            html,
            "<h3>{}</h3>\n<p class=\"hint\">{}</p>\n<div class=\"plots\">",
            outcome.strategy.name(),
            escape(&outcome.settings)
        );
        let by_level = |value: fn(u64, u64) -> f64| -> Vec<Series> {
            let deepest = outcome.samples.iter().flat_map(|s| &s.levels).map(|level| level.level).max();
            // The deepest level lies at the bottom, as in pictures of the tree.
            let levels = (0..=deepest.unwrap_or(0)).rev();
            let present = |level: &u8| outcome.samples.iter().flat_map(|s| &s.levels).any(|l| l.level == *level);
            levels.filter(present).map(|level| layer(outcome, level, value)).collect()
        };
        let size = by_level(|bytes, _| bytes as f64 / MIB);
        html.push_str(
            &chart(format!("{}: bytes by level", outcome.strategy.name()), "table bytes (MiB)", size, true).render(),
        );
        let runs = by_level(|_, runs| runs as f64);
        html.push_str(
            &chart(format!("{}: runs by level", outcome.strategy.name()), "sorted runs", runs, true).render(),
        );
        html.push_str("\n</div>\n");
    }
}

fn layer(outcome: &Outcome, level: u8, value: fn(u64, u64) -> f64) -> Series {
    let at = |sample: &Sample| {
        let shape = sample.levels.iter().find(|shape| shape.level == level);
        (written_mib(sample), shape.map_or(0.0, |shape| value(shape.bytes, shape.runs)))
    };
    Series {
        name: format!("level {level}"),
        colour: level_colour(level),
        dashes: "",
        points: outcome.samples.iter().map(at).collect(),
    }
}

fn chart(title: String, y_label: &str, series: Vec<Series>, stacked: bool) -> Chart {
    let format: Format = plain;
    Chart {
        title,
        x_label: "written by the user (MiB)".to_owned(),
        y_label: y_label.to_owned(),
        x_format: format,
        y_format: format,
        stacked,
        series,
        size: SIZE,
    }
}
