//! Rows as tables and as JSON, and what they come to.

use std::fmt::Write;

use serde_json::{Value, json};

use super::field::Entrant;
use super::race::Row;

/// How ratios to the best of the six are spread.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// How many there are.
    pub count: usize,
    /// Mean.
    pub mean: f64,
    /// 95 in 100 are at most this.
    pub p95: f64,
    /// The largest.
    pub worst: f64,
    /// Share that is at most 1.05.
    pub within_5: f64,
    /// Share that is at most 1.10.
    pub within_10: f64,
}

impl Spread {
    /// Of these ratios; NaN without any.
    pub fn of(mut ratios: Vec<f64>) -> Self {
        ratios.sort_by(f64::total_cmp);
        let count = ratios.len();
        let share = |limit: f64| ratios.iter().filter(|ratio| **ratio <= limit).count() as f64 / count as f64;
        let rank = (count * 95).div_ceil(100).max(1);
        Self {
            count,
            mean: ratios.iter().sum::<f64>() / count as f64,
            p95: ratios.get(rank - 1).copied().unwrap_or(f64::NAN),
            worst: ratios.last().copied().unwrap_or(f64::NAN),
            within_5: share(1.05),
            within_10: share(1.10),
        }
    }

    fn json(&self) -> Value {
        json!({
            "count": self.count, "mean": round(self.mean), "p95": round(self.p95), "worst": round(self.worst),
            "within_5_pct": round(self.within_5), "within_10_pct": round(self.within_10),
        })
    }
}

fn round(value: f64) -> f64 {
    (value * 1e4).round() / 1e4
}

/// The entrants of a race: the first `six` are what regret is measured against.
#[derive(Clone, Copy, Debug)]
pub struct Field<'a> {
    /// All of them.
    pub entrants: &'a [Entrant],
    /// How many of them are static, and known to everybody.
    pub six: usize,
}

impl Field<'_> {
    /// Ratios of entrant `at` to the best of the six, over the rows of `group`, or over all.
    pub fn spread(&self, rows: &[Row], at: usize, group: Option<&str>) -> Spread {
        let of_group = rows.iter().filter(|row| group.is_none_or(|group| row.group == group));
        Spread::of(of_group.map(|row| row.ratio(at, self.six)).collect())
    }

    /// One object a row, then one a spread.
    pub fn json(&self, rows: &[Row]) -> Vec<Value> {
        let mut all: Vec<Value> = rows.iter().map(|row| self.row_json(row)).collect();
        for (at, entrant) in self.entrants.iter().enumerate() {
            for group in std::iter::once(None).chain(groups(rows).into_iter().map(Some)) {
                let mut spread = self.spread(rows, at, group).json();
                spread["summary"] = json!(entrant.name);
                spread["group"] = json!(group.unwrap_or("all"));
                all.push(spread);
            }
        }
        all
    }

    fn row_json(&self, row: &Row) -> Value {
        let (best, _) = row.best(self.six);
        let costs = self.entrants.iter().zip(&row.paid).enumerate().map(|(at, (entrant, paid))| {
            json!({
                "name": entrant.name, "cost": round(paid.cost), "merges": round(paid.merges),
                "ratio": round(row.ratio(at, self.six)), "write_amp": round(paid.write_amp),
                "space_amp": round(paid.space_amp), "runs": paid.runs, "run": row.runs.get(at),
            })
        });
        json!({
            "case": row.name, "group": row.group, "best": self.entrants.get(best).map(|e| e.name.as_str()),
            "entrants": costs.collect::<Vec<_>>(),
        })
    }

    /// A line a case: the best cost of the six, which of them, and every ratio to it. Then the spreads.
    pub fn text(&self, rows: &[Row]) -> String {
        let mut text = String::new();
        let width = rows.iter().map(|row| row.name.chars().count()).max().unwrap_or(0).max(8);
        let heads: Vec<&str> = self.entrants.iter().map(|entrant| entrant.name.as_str()).collect();
        let cells = |values: &mut dyn Iterator<Item = String>| -> String {
            let padded = heads.iter().zip(values).map(|(head, value)| format!("  {value:>0$}", head.len().max(5)));
            padded.collect()
        };
        line(
            &mut text,
            &format!("{:<width$}  {:>9}{}  best", "", "B/op", cells(&mut heads.iter().map(|h| (*h).to_owned()))),
        );
        for row in rows {
            let (best, cost) = row.best(self.six);
            let mut ratios = (0..heads.len()).map(|at| format!("{:.3}", row.ratio(at, self.six)));
            let name = heads.get(best).unwrap_or(&"");
            line(&mut text, &format!("{:<width$}  {cost:>9.1}{}  {name}", row.name, cells(&mut ratios)));
        }
        line(&mut text, "");
        for group in std::iter::once(None).chain(groups(rows).into_iter().map(Some)) {
            let spreads: Vec<Spread> = (0..heads.len()).map(|at| self.spread(rows, at, group)).collect();
            let label = group.unwrap_or("all");
            type Figure = (&'static str, fn(&Spread) -> String);
            let figures: [Figure; 5] = [
                ("mean", |s| format!("{:.3}", s.mean)),
                ("95th percentile", |s| format!("{:.3}", s.p95)),
                ("worst", |s| format!("{:.3}", s.worst)),
                ("within 5 %", |s| format!("{:.0} %", 100.0 * s.within_5)),
                ("within 10 %", |s| format!("{:.0} %", 100.0 * s.within_10)),
            ];
            for (name, figure) in figures {
                let name = format!("{label}: {name}");
                line(&mut text, &format!("{name:<width$}  {:>9}{}", "", cells(&mut spreads.iter().map(figure))));
            }
        }
        text
    }
}

fn line(text: &mut String, line: &str) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{}", line.trim_end());
}

/// The groups of the rows, in order; none if there is only one.
fn groups(rows: &[Row]) -> Vec<&'static str> {
    let mut groups: Vec<&'static str> = Vec::new();
    for row in rows {
        if !groups.contains(&row.group) {
            groups.push(row.group);
        }
    }
    if groups.len() > 1 { groups } else { Vec::new() }
}
