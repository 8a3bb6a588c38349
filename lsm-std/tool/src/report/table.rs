//! The table that stands first in a report, and the words that explain its columns.

use std::fmt::Write;

use super::svg::escape;
use super::{Report, colour};
use crate::compare::Outcome;
use crate::figures::COST_PARTS;
use crate::human::{bytes, grouped, micros, three_digits};

/// A column: heading, its value for one strategy, how it is written; the smallest value is the best. Neighbours of one
/// group stand under a common heading.
struct Column<'a> {
    group: &'a str,
    name: &'a str,
    value: Box<dyn Fn(&Outcome) -> f64 + 'a>,
    show: Show,
    marked: bool,
}

/// How a value is written.
type Show = fn(f64) -> String;

fn columns(report: &Report) -> Vec<Column<'_>> {
    let times: Show = |value: f64| format!("{}×", three_digits(value));
    let size: Show = |value| bytes(value as u64);
    let prices = report.prices;
    let cost = move |o: &Outcome| o.last().counts.cost(&prices);
    let column = |group, name, value: fn(&Outcome) -> f64, show| Column {
        group,
        name,
        value: Box::new(value),
        show,
        marked: true,
    };
    let mut columns = vec![
        column("amplification", "write", |o| o.last().counts.write_amp(), times),
        column("amplification", "read", |o| o.last().counts.read_amp(), times),
        column("amplification", "space", |o| o.last().space_amp(), times),
        column("amplification", "peak space", |o| o.peak_space_amp(), times),
        column("peak disk", "", |o| o.peak_disk_bytes as f64, size),
        Column { group: "cost per op", name: "", value: Box::new(cost), show: size, marked: true },
        column("write latency", "p50", |o| o.put.p50_us, micros),
        column("write latency", "p95", |o| o.put.p95_us, micros),
        column("write latency", "p99", |o| o.put.p99_us, micros),
        column("point read latency", "p50", |o| o.get.p50_us, micros),
        column("point read latency", "p95", |o| o.get.p95_us, micros),
        column("point read latency", "p99", |o| o.get.p99_us, micros),
    ];
    columns.push(Column { marked: false, ..column("jobs", "", |o| o.jobs.len() as f64, |n| grouped(n as u64)) });
    columns.push(column("time", "", |o| o.seconds * 1e6, micros));
    columns
}

/// Writes the summary table; the best value of each column is marked.
pub fn summary(report: &Report, html: &mut String) {
    html.push_str("<h2>Summary</h2>\n<div class=\"wide\"><table><thead>");
    let columns = columns(report);
    headings(&columns, html);
    html.push_str("</thead><tbody>\n");
    let best: Vec<f64> =
        columns.iter().map(|column| report.outcomes.iter().map(&column.value).fold(f64::INFINITY, f64::min)).collect();
    for outcome in &report.outcomes {
        let _ = write!(
            html,
            "<tr><td class=\"left\"><span class=\"swatch\" style=\"background:{}\"></span>{}</td>",
            colour(outcome.strategy),
            outcome.strategy.name()
        );
        for (column, best) in columns.iter().zip(&best) {
            let value = (column.value)(outcome);
            let mark =
                if column.marked && value <= *best && report.outcomes.len() > 1 { " class=\"best\"" } else { "" };
            // Nothing of the kind was measured: a load without point reads, say.
            let shown = if value > 0.0 { (column.show)(value) } else { "–".to_owned() };
            let _ = write!(html, "<td{mark}>{shown}</td>");
        }
        html.push_str("</tr>\n");
    }
    html.push_str(
        "</tbody></table></div>\n<p class=\"hint\">Less is better everywhere; the best of a column is marked. ",
    );
    if !report.is_simulated {
        let _ = write!(html, "A timed write is one {}. ", report.write_unit);
    }
    html.push_str("What the columns mean stands at the end.</p>\n");
    cost_parts(report, html);
}

/// Two rows of headings: groups above, names below; a group without names reaches over both.
fn headings(columns: &[Column<'_>], html: &mut String) {
    html.push_str("<tr><th class=\"left\" rowspan=\"2\">strategy</th>");
    for group in columns.chunk_by(|a, b| a.group == b.group) {
        let name = group.first().map_or("", |column| column.group);
        let _ = match group {
            [column] if column.name.is_empty() => write!(html, "<th rowspan=\"2\">{name}</th>"),
            _ => write!(html, "<th class=\"group\" colspan=\"{}\">{name}</th>", group.len()),
        };
    }
    html.push_str("</tr><tr>");
    for column in columns.iter().filter(|column| !column.name.is_empty()) {
        let _ = write!(html, "<th>{}</th>", column.name);
    }
    html.push_str("</tr>");
}

/// Where the bytes went and what the cost is made of.
fn cost_parts(report: &Report, html: &mut String) {
    let _ = write!(
        html,
        "<h3>Where the bytes and the cost come from</h3>\n<div class=\"wide\"><table><thead><tr>\
         <th class=\"left\" rowspan=\"2\">strategy</th><th class=\"group\" colspan=\"5\">bytes</th>\
         <th class=\"group\" colspan=\"{}\">share of the cost</th></tr><tr><th>user wrote</th><th>log</th>\
         <th>flushed</th><th>merges read</th><th>merges wrote</th>",
        COST_PARTS.len()
    );
    for name in COST_PARTS {
        let _ = write!(html, "<th>{name}</th>");
    }
    html.push_str("</tr></thead><tbody>\n");
    for outcome in &report.outcomes {
        let counts = outcome.last().counts;
        let _ = write!(html, "<tr><td class=\"left\">{}</td>", outcome.strategy.name());
        let sizes = [
            counts.user_bytes,
            counts.log_bytes,
            counts.flush_bytes,
            counts.merge_read_bytes,
            counts.merge_written_bytes,
        ];
        for size in sizes {
            let _ = write!(html, "<td>{}</td>", bytes(size));
        }
        let parts = counts.cost_parts(&report.prices);
        let total = parts.iter().map(|part| *part as f64).sum::<f64>().max(1e-9);
        for part in parts {
            let _ = write!(html, "<td>{:.0} %</td>", part as f64 / total * 100.0);
        }
        html.push_str("</tr>\n");
    }
    let counted = match report.is_simulated {
        true => "Bytes are what the simulator takes tables to be long; it writes no log.",
        false => {
            "Bytes are those that passed the file layer. The sums by rule further down take the size of the inputs for what \
             was read, of which merges read some blocks twice."
        }
    };
    let _ = writeln!(html, "</tbody></table></div>\n<p class=\"hint\">{counted}</p>");
}

/// Writes what the words of the report mean.
pub fn glossary(report: &Report, html: &mut String) {
    let prices = report.prices;
    let cost = format!(
        "One number to compare by: {} per byte that merges write or read, {} B per data block that a point read fetches, \
         {} B per run whose filter it asks, {} B per run that a scan opens, divided by the number of operations. \
         Flush and log bytes are alike for all strategies and not counted.",
        prices.compaction_byte, prices.get_block, prices.filter, prices.scan_run
    );
    let entries = [
        (
            "write amplification",
            "Bytes of tables written by flushes and merges, per byte of keys and values that the user wrote. The log is shown apart.",
        ),
        (
            "read amplification",
            "Sorted runs that a point read had to ask, on average: their key range covers the key, so at least the filter is consulted.",
        ),
        (
            "space amplification",
            "Bytes of table files per byte of live keys and values; the peak is the largest value seen after the first tenth of \
             the writes, when little is alive.",
        ),
        (
            "peak disk",
            "The most bytes that all files of the store held at once: tables (those still being written included), log, manifest.",
        ),
        ("cost per op", cost.as_str()),
        ("write and point read latency", "Percentiles of the latency of single calls, as the caller sees it."),
        (
            "run",
            "Tables that together form one sorted sequence; a point read looks into each run until it finds the key, a scan \
             opens those that it comes to before it ends.",
        ),
        (
            "merge, move, drop",
            "The jobs of compaction: rewrite several runs as one; put tables elsewhere without rewriting them; delete tables that \
             have expired.",
        ),
    ];
    html.push_str("<h2>What the words mean</h2>\n<dl>\n");
    for (word, meaning) in entries {
        let _ = writeln!(html, "<dt>{}</dt><dd>{}</dd>", escape(word), escape(meaning));
    }
    html.push_str("</dl>\n");
}
