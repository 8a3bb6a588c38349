//! The plots of a report: amplification over time, and the tree's shape over time.

use std::fmt::Write;

use super::svg::{Chart, Format, Series, escape};
use super::{Report, colour, dashes, level_colour};
use crate::compare::Outcome;
use crate::figures::Sample;
use crate::human::three_digits;

pub(super) const MIB: f64 = 1_048_576.0;
const SIZE: (f64, f64) = (560.0, 300.0);

/// Title, what the vertical axis shows, its value, and whether the mean of it is drawn.
type Plot = (&'static str, &'static str, fn(&Sample) -> f64, bool);

/// A mean is taken over this part of all samples.
const MEAN_PART: usize = 15;

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
         have done the same work at the same place. Space and runs swing with every flush and merge: drawn is their mean \
         over a fifteenth of the time; the swings are in the plots of each strategy. Point at a line for its value at the \
         end.</p>\n<div class=\"plots\">\n",
    );
    let plots: [Plot; 4] = [
        ("Write amplification", "table bytes per user byte (×)", |s| s.counts.write_amp(), false),
        ("Read amplification", "runs asked per point read (×)", |s| s.counts.read_amp(), false),
        ("Space amplification, mean", "table bytes per live byte (×)", Sample::space_amp, true),
        ("Sorted runs in the tree, mean", "runs", |s| s.runs() as f64, true),
    ];
    for (title, y_label, value, is_mean) in plots {
        let line = |outcome: &Outcome| {
            let points: Vec<_> = outcome.samples.iter().map(|sample| (written_mib(sample), value(sample))).collect();
            Series {
                name: outcome.strategy.name().to_owned(),
                colour: colour(outcome.strategy),
                dashes: dashes(outcome.strategy),
                end: value(&outcome.last()),
                points: if is_mean { means(&points) } else { points },
            }
        };
        let series = report.outcomes.iter().map(line).collect();
        html.push_str(&chart(title.to_owned(), y_label, series, false).render());
        html.push('\n');
    }
    html.push_str("</div>\n");
}

/// The mean of the points around each, over a [`MEAN_PART`]th of all; less at the ends.
fn means(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let half = points.len() / MEAN_PART / 2;
    let mean = |at: usize| {
        let around = &points[at.saturating_sub(half)..(at + half + 1).min(points.len())];
        around.iter().map(|point| point.1).sum::<f64>() / around.len() as f64
    };
    points.iter().enumerate().map(|(at, point)| (point.0, mean(at))).collect()
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
        end: at(&outcome.last()).1,
    }
}

pub(super) fn chart(title: String, y_label: &str, series: Vec<Series>, stacked: bool) -> Chart {
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

#[cfg(test)]
mod tests {
    use super::means;

    #[test]
    fn a_mean_flattens_swings_and_keeps_a_trend() {
        let swings: Vec<(f64, f64)> = (0..400).map(|at| (f64::from(at), f64::from(at % 8))).collect();
        assert!(means(&swings)[20..380].iter().all(|point| (point.1 - 3.5).abs() < 0.5));
        let rising: Vec<(f64, f64)> = (0..400).map(|at| (f64::from(at), f64::from(at))).collect();
        assert_eq!(means(&rising)[200], (200.0, 200.0));
        assert_eq!(means(&[(1.0, 7.0)]), [(1.0, 7.0)]);
        assert!(means(&[]).is_empty());
    }
}
